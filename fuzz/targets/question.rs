//! What an application asks about what somebody may do.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    console::access::fuzzing::question(bytes);
});
