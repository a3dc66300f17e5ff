//! The ring, signed and as if it were.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| amanah_fuzz::again(keys::fuzzing::ring, bytes));
