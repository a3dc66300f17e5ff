//! The form of a directory's tokens: `ams_`, twelve characters of name, 64 of secret.
//!
//! A scanner of secrets finds them by `ams_[0-9a-f]{12}_[0-9a-f]{64}`.

use kernel::{Rng, Secret, random_hex};
use sha2::{Digest as _, Sha256};

use crate::Result;

/// How every token begins.
const PREFIX: &str = "ams_";
/// Random bytes of the name, which is no secret.
const ID_BYTES: usize = 6;
/// Random bytes of the secret.
const SECRET_BYTES: usize = 32;

/// What is known of a token without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) id: String,
    pub(crate) sha256: [u8; 32],
}

/// Reads a token; `None` when it is none. Whether there is such a token is another question.
pub(crate) fn read(text: &str) -> Option<Written> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let hex = |part: &str, bytes: usize| {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        part.len() == 2 * bytes && part.bytes().all(digit)
    };
    if !hex(id, ID_BYTES) || !hex(secret, SECRET_BYTES) {
        return None;
    }
    Some(Written { id: id.to_owned(), sha256: Sha256::digest(text.as_bytes()).into() })
}

/// A new token.
///
/// # Errors
/// When there is no randomness.
pub(crate) fn fresh(rng: &dyn Rng) -> Result<(Secret, Written)> {
    let id = random_hex(rng, ID_BYTES)?;
    let half = Secret::new(random_hex(rng, SECRET_BYTES)?);
    let token = Secret::new(format!("{PREFIX}{id}_{}", half.expose()));
    let sha256 = Sha256::digest(token.expose().as_bytes()).into();
    Ok((token, Written { id, sha256 }))
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::{fresh, read};

    #[test]
    fn a_token_is_read_as_it_was_made_and_nothing_else_is_one() {
        let (token, written) = fresh(&SystemRng).unwrap();
        let text = token.expose();
        assert_eq!(text.len(), 4 + 12 + 1 + 64);
        assert_eq!(read(text), Some(written));
        let changed = text.replace('_', "-");
        for bad in [
            "",
            "ams_",
            &text.to_uppercase(),
            &changed,
            text.get(1..).unwrap(),
            &format!("{text}0"),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
