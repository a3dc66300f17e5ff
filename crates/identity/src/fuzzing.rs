//! The parsers of what others can write, for the fuzzer.

/// Reads bytes as a notice of what ended.
pub fn notice(bytes: &[u8]) -> bool {
    let read = std::str::from_utf8(bytes).map(crate::listening::Notice::read);
    let all = crate::listening::Notice::Ended(crate::cache::Ended::All);
    read.is_ok_and(|notice| notice != all)
}

/// Reads bytes as each part of a browser's answer about a passkey.
pub fn passkey(bytes: &[u8]) -> bool {
    crate::passkey::read_anything(bytes)
}
