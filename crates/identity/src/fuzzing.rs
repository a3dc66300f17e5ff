//! The parsers of what others can write, for the fuzzer.

/// Reads bytes as each part of a browser's answer about a passkey.
pub fn passkey(bytes: &[u8]) -> bool {
    crate::passkey::read_anything(bytes)
}
