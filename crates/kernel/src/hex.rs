//! Bytes as hexadecimal text, written the same way wherever digests, keys and marks are shown.

/// `bytes` as lower-case hexadecimal, so twice as many characters.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Each is a digit: half a byte is below 16. By hand, since every request is given three ids.
        text.extend(char::from_digit(u32::from(byte >> 4), 16));
        text.extend(char::from_digit(u32::from(byte & 15), 16));
    }
    text
}

/// The bytes that `text` writes in hexadecimal of either case; `None` when a digit is missing or is
/// none.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{hex, unhex};

    #[test]
    fn what_is_no_hexadecimal_is_refused() {
        assert_eq!(hex(&[0, 15, 255]), "000fff");
        assert_eq!(unhex("000FfF"), Some(vec![0, 15, 255]));
        assert_eq!(unhex(""), Some(vec![]));
        for wrong in ["0", "00f", "0g", "+1", " 1", "é", "0x"] {
            assert_eq!(unhex(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        }

        #[test]
        fn no_text_panics_the_reader(text in ".{0,20}") {
            let _ = unhex(&text);
        }
    }
}
