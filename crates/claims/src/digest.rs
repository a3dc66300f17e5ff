//! The digest that pins a promise's words, and the reading of percent-encoded parameters.

use kernel::hex;
use sha2::{Digest as _, Sha256};

/// The longest [canonical](kernel::canonical) text of a claim's parameters, in bytes: it is a key
/// of the evidence, and an index entry of PostgreSQL ends near 2,700.
pub(crate) const MAX_PARAMS_BYTES: usize = 2_000;

/// SHA-256 over id, canonical parameters and sentence, in lower-case hexadecimal. Each is preceded
/// by its length in bytes as eight big-endian bytes, so that no text can move from one to another.
pub(crate) fn digest(claim: &str, params: &str, sentence: &str) -> String {
    let mut hash = Sha256::new();
    for part in [claim, params, sentence] {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        hash.update(length.to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

/// `text` with its percent-encoded bytes put back, or `None` when one is broken or the bytes are
/// no UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use kernel::canonical;
    use proptest::prelude::*;

    use super::{decode, digest};

    #[test]
    fn the_digest_is_the_one_that_other_programs_compute() {
        // Python: n = lambda s: len(s).to_bytes(8, "big") + s;
        // sha256(n(b"a") + n(b"") + n(b"b"))
        let known = "9f681f2597dd932773a5af41e9c564bdbe9417c5e8e62652c3914b61d16ab09e";
        assert_eq!(digest("a", "", "b"), known);
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(value in "[ -~é]{1,60}") {
            let text = canonical([("x", value.as_str())]);
            let (_, encoded) = text.split_once('=').unwrap();
            prop_assert_eq!(decode(encoded), Some(value));
        }

        #[test]
        fn no_text_panics_the_decoder(text in ".{0,80}") {
            let _ = decode(&text);
        }

        #[test]
        fn any_change_changes_the_digest(
            a in ("[a-z.]{0,8}", "[a-z=&]{0,8}", ".{0,20}"),
            b in ("[a-z.]{0,8}", "[a-z=&]{0,8}", ".{0,20}"),
        ) {
            let of = |(x, y, z): &(String, String, String)| digest(x, y, z);
            prop_assert_eq!(a == b, of(&a) == of(&b));
        }

        #[test]
        fn no_text_can_move_from_one_part_to_another(text in "[a-c]{2,12}", cut in 0usize..12) {
            let cut = cut % text.len();
            let (left, right) = text.split_at(cut);
            prop_assume!(!left.is_empty());
            prop_assert_ne!(digest(&text, "", ""), digest(left, right, ""));
            prop_assert_ne!(digest("", &text, ""), digest("", left, right));
        }
    }
}
