//! What anybody shows as a token.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    identity::fuzzing::bearer(bytes);
});
