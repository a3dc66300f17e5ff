//! A share of a recovery kit, as somebody types it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| amanah_fuzz::again(keys::fuzzing::share, bytes));
