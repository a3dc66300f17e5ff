//! A ciphertext's text, as clients send it and tables hold it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| amanah_fuzz::again(keys::fuzzing::ciphertext, bytes));
