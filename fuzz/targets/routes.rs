//! A file of routes, in both of its forms.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    access::fuzzing::routes(bytes);
});
