//! What a recovery kit holds, for who has the shares.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| amanah_fuzz::again(keys::fuzzing::snapshot, bytes));
