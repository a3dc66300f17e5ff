//! The header of an encrypted volume.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    keys::fuzzing::luks(bytes);
});
