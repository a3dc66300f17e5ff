//! An entry of a trail's log.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| amanah_fuzz::again(audit::fuzzing::leaf, bytes));
