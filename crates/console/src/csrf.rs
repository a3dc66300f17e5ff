//! The tokens of forms: a random value in a cookie and again in the form. Another site can make a
//! browser send the form with its cookie, but cannot read the cookie to copy it into the form.

use axum::http::{HeaderMap, HeaderValue};
use kernel::{Rng, SessionToken, hex, random_hex};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::{Error, cookie};

/// What a link's digest in a form begins with, so that it is none that anything else keeps.
const OF_LINK: &[u8] = b"amanah: the form of this link\0";
/// The size of a token, in bytes; written as hexadecimal it has twice as many characters.
const TOKEN_BYTES: usize = 32;

/// The token of one form, and the cookie that goes with it.
pub(crate) struct FormToken {
    /// What the form's hidden field holds.
    pub(crate) value: String,
    /// The cookie to set, when the browser has none yet.
    pub(crate) cookie: Option<HeaderValue>,
}

impl FormToken {
    /// The token that the browser already holds, so that several open forms all work, or a new
    /// one.
    ///
    /// # Errors
    /// [`Error::Internal`] when there is no randomness.
    pub(crate) fn issue(headers: &HeaderMap, rng: &dyn Rng) -> Result<Self, Error> {
        if let Some(value) = held(headers) {
            return Ok(Self { value: value.to_owned(), cookie: None });
        }
        let value =
            random_hex(rng, TOKEN_BYTES).map_err(|error| Error::Internal(error.to_string()))?;
        let cookie = Some(cookie::set_form(&value)?);
        Ok(Self { value, cookie })
    }
}

/// Checks the token of a form that was sent against the cookie that came with it.
///
/// # Errors
/// [`Error::Forged`] when either is missing or they differ.
pub(crate) fn check(headers: &HeaderMap, sent: &str) -> Result<(), Error> {
    let held = held(headers).ok_or(Error::Forged)?;
    if bool::from(held.as_bytes().ct_eq(sent.as_bytes())) { Ok(()) } else { Err(Error::Forged) }
}

/// What the field `link` of a form holds that is shown for the link with `token`, as hexadecimal: nobody can
/// guess the link back from it.
pub fn of_link(token: &SessionToken) -> String {
    let digest = Sha256::new().chain_update(OF_LINK).chain_update(token.0.expose());
    hex(&digest.finalize())
}

/// Whether a form that was sent with `sent` was shown for the link with `token`.
pub(crate) fn is_of_link(token: &SessionToken, sent: &str) -> bool {
    of_link(token).as_bytes().ct_eq(sent.as_bytes()).into()
}

fn held(headers: &HeaderMap) -> Option<&str> {
    let ours = |value: &&str| {
        value.len() == TOKEN_BYTES * 2
            && value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    cookie::read(headers, cookie::FORM_COOKIE).filter(ours)
}

#[cfg(test)]
mod tests {
    use axum::http::header::COOKIE;
    use kernel::FixedRng;

    use super::*;

    fn with(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(cookie).unwrap());
        headers
    }

    #[test]
    fn only_the_held_token_passes() {
        let token = FormToken::issue(&HeaderMap::new(), &FixedRng::new(1)).unwrap();
        let headers = with(&format!("__Host-amanah-csrf={}", token.value));
        assert_eq!(check(&headers, &token.value), Ok(()));
        assert_eq!(check(&headers, ""), Err(Error::Forged));
        assert_eq!(check(&headers, &"0".repeat(64)), Err(Error::Forged));
        assert_eq!(check(&HeaderMap::new(), &token.value), Err(Error::Forged));
        assert_eq!(check(&HeaderMap::new(), ""), Err(Error::Forged));
        // An empty or foreign cookie is no token, even when the form agrees with it.
        assert_eq!(check(&with("__Host-amanah-csrf="), ""), Err(Error::Forged));
        assert_eq!(check(&with("__Host-amanah-csrf=x"), "x"), Err(Error::Forged));
    }

    #[test]
    fn a_held_token_is_kept() {
        let token = FormToken::issue(&HeaderMap::new(), &FixedRng::new(1)).unwrap();
        assert!(token.cookie.is_some());
        let headers = with(&format!("__Host-amanah-csrf={}", token.value));
        let again = FormToken::issue(&headers, &FixedRng::new(2)).unwrap();
        assert_eq!(again.value, token.value);
        assert!(again.cookie.is_none());
    }
}
