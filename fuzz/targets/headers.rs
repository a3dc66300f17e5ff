//! The headers of a request for a file: ranges and conditions.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    console::tenants::files::fuzzing::headers(bytes);
});
