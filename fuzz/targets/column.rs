//! An encrypted value in a document of the trail.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| amanah_fuzz::again(audit::fuzzing::column, bytes));
