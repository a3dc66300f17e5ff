//! The claims of an access token, as if they had been signed.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    identity::fuzzing::claims(bytes);
});
