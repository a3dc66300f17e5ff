//! What the targets share.

/// Reads `bytes`; what was read and written reads again, as the same.
pub fn again(read: fn(&[u8]) -> Option<Vec<u8>>, bytes: &[u8]) {
    if let Some(written) = read(bytes) {
        assert!(read(&written).as_ref() == Some(&written), "it is not read as it was written");
    }
}
