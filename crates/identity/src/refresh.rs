//! The form of refresh tokens, and how the successor of one is kept for the second who asks.
//!
//! A page that is open in several tabs sends the same token several times. Each must get the same
//! successor, so it has to be kept for a moment, and the database must not hold a token. It is sealed
//! under a key that is derived from the token that was used: who reads the table has the hash of
//! that one alone, and who has the token was to be given the successor anyway.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Rng, Secret};
use zeroize::Zeroizing;

use crate::token::Digest;
use crate::{Error, Result};

/// How every refresh token begins, so that it is told from a session's and found by scanners.
const PREFIX: &str = "amr_";
/// The random bits of a token, in bytes.
const TOKEN_BYTES: usize = 32;
/// A token in characters.
const TOKEN_CHARS: usize = 4 + 43;
/// What the sealing key is for, and nothing else.
const LABEL: &[u8] = b"amanah: the successor of a refresh token";

/// The digest of a refresh token of the right form; anything else is none.
pub(crate) fn read(text: &str) -> Option<Digest> {
    if text.len() != TOKEN_CHARS {
        return None;
    }
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?);
    (bytes.len() == TOKEN_BYTES).then(|| Digest::of_text(text))
}

/// A new token and its digest.
///
/// # Errors
/// When the random source does not answer.
pub(crate) fn fresh(rng: &dyn Rng) -> Result<(Secret, Digest)> {
    let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
    rng.fill(&mut *bytes)?;
    let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(*bytes));
    let digest = Digest::of_text(&text);
    Ok((Secret::new(text), digest))
}

/// `successor` for whoever has `used`: nonce, ciphertext, tag.
///
/// # Errors
/// When the random source does not answer.
pub(crate) fn seal(used: &Secret, successor: &Secret, rng: &dyn Rng) -> Result<Vec<u8>> {
    let mut nonce = [0; NONCE_LEN];
    rng.fill(&mut nonce)?;
    let mut sealed = nonce.to_vec();
    let mut text = successor.expose().as_bytes().to_vec();
    key(used)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text)
        .map_err(|_| Error::Signing("a successor could not be sealed".to_owned()))?;
    sealed.append(&mut text);
    Ok(sealed)
}

/// The successor that was sealed for whoever has `used`; `None` when it was for another token, or
/// was damaged.
pub(crate) fn open(used: &Secret, sealed: &[u8]) -> Option<Secret> {
    let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
    let mut text = Zeroizing::new(text.to_vec());
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let plain = key(used).ok()?.open_in_place(nonce, Aad::empty(), &mut text).ok()?;
    let successor = std::str::from_utf8(plain).ok()?;
    read(successor).map(|_| Secret::new(successor.to_owned()))
}

fn key(used: &Secret) -> Result<LessSafeKey> {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(used.expose().as_bytes());
    let mut bytes = Zeroizing::new([0; 32]);
    let info = [LABEL];
    let key = prk
        .expand(&info, hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut *bytes))
        .and_then(|()| UnboundKey::new(&AES_256_GCM, &*bytes));
    let key = key.map_err(|_| Error::Signing("a key could not be derived".to_owned()))?;
    Ok(LessSafeKey::new(key))
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_made() {
        let (token, digest) = fresh(&SystemRng).unwrap();
        let text = token.expose();
        assert_eq!(text.len(), TOKEN_CHARS);
        assert_eq!(read(text), Some(digest));
        let bare = text.trim_start_matches(PREFIX);
        for bad in ["", PREFIX, bare, &format!("{text}="), &text.to_uppercase(), &"amr_".repeat(99)]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_successor_opens_with_the_used_token_alone() {
        let (used, _) = fresh(&SystemRng).unwrap();
        let (next, _) = fresh(&SystemRng).unwrap();
        let sealed = seal(&used, &next, &SystemRng).unwrap();
        assert_eq!(open(&used, &sealed).as_ref(), Some(&next));
        assert_eq!(open(&next, &sealed), None);
        let clear = next.expose().as_bytes();
        assert!(!sealed.windows(8).any(|part| clear.windows(8).any(|secret| secret == part)));
        for place in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[place] ^= 1;
            assert_eq!(open(&used, &damaged), None, "{place}");
            assert_eq!(open(&used, &sealed[..place]), None, "{place}");
        }
    }
}
