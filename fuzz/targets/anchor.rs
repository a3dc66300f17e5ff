//! The file that remembers the newest ring.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| amanah_fuzz::again(keys::fuzzing::anchor, bytes));
