//! A catalogue of permissions and roles, and the numbers in it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    access::fuzzing::catalogue(bytes);
});
