//! A ciphertext's text, and a sidecar: what is read is written the same way again.
#![no_main]

use keys::Ciphertext;
use keys::object::Sidecar;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(read) = Ciphertext::parse(text)
    {
        assert!(text == read.text() || text == read.vault());
    }
    if let Ok(read) = Sidecar::parse(bytes) {
        assert!(Sidecar::parse(read.text().as_bytes()).is_ok_and(|again| again == read));
    }
});
