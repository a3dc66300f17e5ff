//! Session tokens: 256 random bits for the browser, their SHA-256 for us.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Rng, Secret, SessionToken};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::Result;

/// The random bits of a token, in bytes.
const TOKEN_BYTES: usize = 32;
/// A token in base64url without padding, in characters.
const TOKEN_CHARS: usize = 43;
/// What the decoder wants for so many characters, in bytes.
const TOKEN_ROOM: usize = 33;

/// What the database and the cache know of a token. The token has 256 bits of entropy, so a plain
/// hash cannot be turned back, and looking it up reveals nothing about near misses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// The digest of a token of the right shape; anything else is no token of ours.
    pub(crate) fn of(token: &SessionToken) -> Option<Self> {
        Self::read(token.0.expose())
    }

    /// As [`Digest::of`], of the token's text.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.len() != TOKEN_CHARS {
            return None;
        }
        let mut bytes = Zeroizing::new([0; TOKEN_ROOM]);
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut *bytes).ok()?;
        let bytes = bytes.get(..length).filter(|bytes| bytes.len() == TOKEN_BYTES)?;
        Some(Self(Sha256::digest(bytes).into()))
    }

    /// The digest of these 64 hexadecimal digits, as a notice carries it.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        kernel::unhex(text)?.try_into().ok().map(Self)
    }

    /// The digest of a text that was already seen to be a credential of ours.
    pub(crate) fn of_text(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// The 32 bytes, as the database stores them.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A new token and its digest.
///
/// # Errors
/// When the random source does not answer.
pub(crate) fn fresh(rng: &dyn Rng) -> Result<(SessionToken, Digest)> {
    let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
    rng.fill(&mut *bytes)?;
    let digest = Digest(Sha256::digest(*bytes).into());
    let text = URL_SAFE_NO_PAD.encode(*bytes);
    Ok((SessionToken(Secret::new(text)), digest))
}

#[cfg(test)]
mod tests {
    use kernel::{FixedRng, Secret, SessionToken};

    use super::{Digest, fresh};

    #[test]
    fn a_token_is_known_by_its_digest_and_nothing_else_is_a_token() {
        let (token, digest) = fresh(&FixedRng::new(1)).unwrap();
        assert_eq!(token.0.expose().len(), 43);
        assert_eq!(Digest::of(&token), Some(digest));

        let other = |text: String| Digest::of(&SessionToken(Secret::new(text)));
        assert_eq!(other(String::new()), None);
        assert_eq!(other("!".repeat(43)), None);
        assert_eq!(other("a".repeat(1 << 20)), None);
        assert_eq!(other(token.0.expose().replacen(|_: char| true, "=", 1)), None);
    }
}
