//! What a log hands in to a witness.
#![no_main]

use audit::witness::Request;
use libfuzzer_sys::fuzz_target;

fn read(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(Request::parse(bytes).ok()?.to_string().into_bytes())
}

fuzz_target!(|bytes: &[u8]| amanah_fuzz::again(read, bytes));
