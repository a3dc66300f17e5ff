//! What a directory asks for, and the paths of what it changes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    directory::fuzzing::filter(bytes);
});
