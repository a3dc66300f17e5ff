//! A request's body, for each thing that can be asked about its items.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    console::keys::fuzzing::items(bytes);
});
