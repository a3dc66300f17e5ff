//! Percent-encoding (RFC 3986): a text where only some characters may stand, such as in an address.

use std::fmt::Write as _;

/// `text` with every byte as `%XX` that is neither an ASCII letter or digit nor one of `kept`.
#[must_use]
pub fn percent(text: &str, kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn what_is_not_kept_is_encoded() {
        assert_eq!(percent("a b/é", b"/"), "a%20b/%C3%A9");
        assert_eq!(percent("a.b/", b""), "a%2Eb%2F");
    }

    /// What is wanted survives as one parameter of a query, whatever it holds.
    #[test]
    fn a_path_is_one_parameter() {
        let encoded = percent("/a/b?c=d&next=//evil%0d#x", b"-._~/");
        assert_eq!(encoded, "/a/b%3Fc%3Dd%26next%3D//evil%250d%23x");
    }
}
