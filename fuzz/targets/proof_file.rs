//! A proof in a file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| amanah_fuzz::again(tlog::fuzzing::proof_file, bytes));
