//! What a browser answers about a passkey.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    identity::fuzzing::passkey(bytes);
});
