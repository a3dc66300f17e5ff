//! Recovery codes: what is printed and put into a drawer for the day when the phone is gone.
//!
//! Each has 80 random bits, so that its SHA-256 cannot be turned back and needs no slow hash, and
//! each is good once.

use kernel::{Rng, Secret};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::Result;

/// How many there are of one making.
pub(crate) const CODES: usize = 10;
/// The letters of a code, without its hyphens: 5 bits each.
const LETTERS: usize = 16;
/// How many stand together.
const GROUP: usize = 4;
/// Crockford's base 32: nothing in it is taken for something else on paper.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// The longest code that is looked at, in bytes.
const MAX_CODE_BYTES: usize = 64;

/// What the database knows of a code.
pub(crate) type CodeDigest = [u8; 32];

/// A new set: what is shown once, and what is kept.
///
/// # Errors
/// When the random source does not answer.
pub(crate) fn fresh(rng: &dyn Rng) -> Result<Vec<(Secret, CodeDigest)>> {
    (0..CODES).map(|_| one(rng)).collect()
}

fn one(rng: &dyn Rng) -> Result<(Secret, CodeDigest)> {
    let mut bytes = Zeroizing::new([0_u8; LETTERS]);
    rng.fill(&mut *bytes)?;
    let mut text = Zeroizing::new(String::with_capacity(LETTERS + LETTERS / GROUP));
    for (n, byte) in bytes.iter().enumerate() {
        if n > 0 && n % GROUP == 0 {
            text.push('-');
        }
        // 256 is a multiple of 32: every letter is as likely as every other.
        text.push(char::from(ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or(b'0')));
    }
    let digest = digest(&text).unwrap_or_default();
    Ok((Secret::new(text.to_string()), digest))
}

/// The digest of a code as somebody writes it: in either case, with or without hyphens, and with
/// the letters that are taken for digits. `None` when it cannot be one.
pub(crate) fn digest(text: &str) -> Option<CodeDigest> {
    if text.len() > MAX_CODE_BYTES {
        return None;
    }
    let mut plain = Zeroizing::new(String::with_capacity(LETTERS));
    for c in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
        let c = match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        if !u8::try_from(c).is_ok_and(|byte| ALPHABET.contains(&byte)) {
            return None;
        }
        plain.push(c);
    }
    (plain.len() == LETTERS).then(|| Sha256::digest(plain.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kernel::FixedRng;

    use super::{CODES, digest, fresh};

    #[test]
    fn every_code_is_another_and_read_as_people_write_it() {
        let codes = fresh(&FixedRng::new(5)).unwrap();
        let digests: BTreeSet<_> = codes.iter().map(|(_, digest)| *digest).collect();
        assert_eq!(digests.len(), CODES);
        for (code, known) in &codes {
            let code = code.expose();
            assert_eq!(code.len(), 19, "{code}");
            let loose = code.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
            assert_eq!(digest(code), Some(*known));
            assert_eq!(digest(&loose), Some(*known), "{loose}");
        }
    }

    #[test]
    fn nothing_else_is_a_code() {
        for bad in ["", "0000-0000-0000-000", "0000-0000-0000-000U", "é000-0000-0000-0000"] {
            assert_eq!(digest(bad), None, "{bad}");
        }
        assert_eq!(digest(&"0".repeat(1 << 20)), None);
        assert!(digest("0000-0000-0000-0000").is_some());
    }
}
