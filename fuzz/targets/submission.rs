//! What a log hands in to a witness.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlog::Submission;

fn read(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(Submission::parse(bytes).ok()?.to_string().into_bytes())
}

fuzz_target!(|bytes: &[u8]| amanah_fuzz::again(read, bytes));
