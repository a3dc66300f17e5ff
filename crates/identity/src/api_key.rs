//! The form of API keys: `amk_`, eight characters of name, 43 of secret, six to tell typing errors.
//!
//! Letters and digits alone, so that a double click selects a key and a scanner of secrets finds it
//! by `amk_[0-9a-z]{8}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}`. The last part is a checksum and no secret:
//! a scanner tells a real key from an example by it, and we refuse what was mistyped without asking
//! the database.

use kernel::{Rng, Secret};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::Result;
use crate::token::Digest;

/// How every key begins.
pub(crate) const PREFIX: &str = "amk_";
/// The name of a key, in characters.
pub(crate) const ID_CHARS: usize = 8;
/// The secret part: 43 of 62 characters are 256 bits.
const SECRET_CHARS: usize = 43;
/// The checksum: six of 62 characters hold 32 bits.
const CHECK_CHARS: usize = 6;
const LETTERS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// The letters of a name: what comes first of [`LETTERS`].
const NAME_LETTERS: u8 = 36;
/// How many random bytes are asked for at a time.
const DRAW_BYTES: usize = 64;

/// A key that was well written. Whether there is such a key is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// The name, which is no secret.
    pub(crate) id: String,
    /// What the database knows of the whole.
    pub(crate) digest: Digest,
}

/// Reads a key; `None` when it was mistyped or is none.
pub(crate) fn read(text: &str) -> Option<Written> {
    let (id, rest) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let (secret, check) = rest.split_once('_')?;
    let plain = |part: &str, chars: usize| {
        part.len() == chars && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let name =
        id.len() == ID_CHARS && id.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
    if !name || !plain(secret, SECRET_CHARS) || !plain(check, CHECK_CHARS) {
        return None;
    }
    let body = text.get(..text.len().checked_sub(CHECK_CHARS + 1)?)?;
    (checksum(body) == check).then(|| Written { id: id.to_owned(), digest: Digest::of_text(text) })
}

/// Another key of the same name, as somebody would guess it who has seen the name in a log.
///
/// # Errors
/// When the random source does not answer.
pub(crate) fn guess(id: &str, rng: &dyn Rng) -> Result<Secret> {
    let secret = draw(rng, SECRET_CHARS, 62)?;
    let body = Zeroizing::new(format!("{PREFIX}{id}_{}", *secret));
    Ok(Secret::new(format!("{}_{}", *body, checksum(&body))))
}

/// A new key.
///
/// # Errors
/// When the random source does not answer.
pub(crate) fn fresh(rng: &dyn Rng) -> Result<(Secret, Written)> {
    let id = draw(rng, ID_CHARS, NAME_LETTERS)?;
    let key = guess(&id, rng)?;
    let written = Written { id: id.to_string(), digest: Digest::of_text(key.expose()) };
    Ok((key, written))
}

/// The text of a key that is nobody's, to be laid out as bait: nobody can tell it from a real one, and it
/// opens nothing.
///
/// # Errors
/// When the random source does not answer.
pub fn bait_key(rng: &dyn Rng) -> Result<Secret> {
    fresh(rng).map(|(key, _)| key)
}

/// `count` of the first `of` letters, each as likely as the others.
fn draw(rng: &dyn Rng, count: usize, of: u8) -> Result<Zeroizing<String>> {
    // Bytes beyond the last multiple would make the first letters likelier.
    let fair = u8::MAX - (u8::MAX % of);
    let mut text = Zeroizing::new(String::with_capacity(count));
    while text.len() < count {
        let mut bytes = Zeroizing::new([0; DRAW_BYTES]);
        rng.fill(&mut *bytes)?;
        let letters = bytes.iter().filter(|b| **b < fair);
        let letters = letters.filter_map(|b| LETTERS.get(usize::from(b % of)));
        for letter in letters.take(count - text.len()) {
            text.push(char::from(*letter));
        }
    }
    Ok(text)
}

/// The first 32 bits of the SHA-256 in letters, the lowest first.
fn checksum(body: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(body.as_bytes()).into();
    let [a, b, c, d, ..] = digest;
    let mut rest = u32::from_be_bytes([a, b, c, d]);
    let mut text = String::with_capacity(CHECK_CHARS);
    for _ in 0..CHECK_CHARS {
        let letter = usize::try_from(rest % 62).ok().and_then(|n| LETTERS.get(n));
        text.push(char::from(*letter.unwrap_or(&b'0')));
        rest /= 62;
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kernel::{FixedRng, SystemRng};

    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_made() {
        let (key, written) = fresh(&FixedRng::new(1)).unwrap();
        let text = key.expose();
        assert_eq!(text.len(), 4 + 8 + 1 + 43 + 1 + 6);
        assert!(text.starts_with("amk_"), "{text}");
        assert_eq!(read(text), Some(written));
    }

    /// No one character can be changed, dropped or added, and nothing else is a key.
    #[test]
    fn a_mistyped_key_is_none() {
        let (key, _) = fresh(&SystemRng).unwrap();
        let text = key.expose();
        for place in 0..text.len() {
            let (before, after) = text.split_at(place);
            assert_eq!(read(&format!("{before}{}", after.get(1..).unwrap())), None, "{place}");
            assert_eq!(read(&format!("{before}x{after}")), None, "{place}");
            for other in ["0", "a", "Z", "_", "-", "é"] {
                if !after.starts_with(other) {
                    assert_eq!(
                        read(&format!("{before}{other}{}", after.get(1..).unwrap())),
                        None,
                        "{place}"
                    );
                }
            }
        }
        for bad in ["", "amk_", "amk___", &"amk_".repeat(99), &text.to_uppercase()] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    /// Each of the 62 characters comes about as often as the others.
    #[test]
    fn letters_are_fair() {
        let mut counts = BTreeMap::new();
        for _ in 0..200 {
            for letter in draw(&SystemRng, 62, 62).unwrap().chars() {
                *counts.entry(letter).or_insert(0_u32) += 1;
            }
        }
        assert_eq!(counts.len(), 62);
        assert!(counts.values().all(|n| (100..320).contains(n)), "{counts:?}");
    }
}
