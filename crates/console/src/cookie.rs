//! Cookies: reading them from a request and writing those that the console sets.
//!
//! All carry the `__Host-` prefix, so a browser takes them only over TLS, for this host alone and
//! for all of its paths: a neighbouring subdomain cannot plant one.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use kernel::{Secret, SessionToken, percent};

use crate::Error;

/// The cookie that carries the session's token.
pub(crate) const SESSION_COOKIE: &str = "__Host-amanah";
/// The cookie that carries the token of forms.
pub(crate) const FORM_COOKIE: &str = "__Host-amanah-csrf";
/// The cookie of a sign-in that waits for a second factor.
pub(crate) const STEP_COOKIE: &str = "__Host-amanah-step";
/// How long the browser keeps it, in seconds: as long as the step is good.
const STEP_SECONDS: u32 = 300;
/// The cookie by which a browser that has signed in before is known.
pub const KNOWN_COOKIE: &str = "__Host-amanah-known";
/// For how long it is kept, in seconds: a year.
const KNOWN_SECONDS: u32 = 365 * 24 * 60 * 60;
/// The cookie with the token of a link for a new password, once the link was opened.
pub(crate) const RESET_COOKIE: &str = "__Host-amanah-reset";
/// The same of an invitation.
pub(crate) const INVITATION_COOKIE: &str = "__Host-amanah-invitation";
/// For how long it is kept, in seconds: an hour to fill a form in.
const LINK_SECONDS: u32 = 60 * 60;
/// The cookie in which the proofs of this installation show its secret. It is a cookie, since the gateway hides
/// those whose names begin like this from the application behind it.
pub const PROOF_COOKIE: &str = "__Host-amanah-proof";
/// The longest session token that is read or written, in bytes.
const MAX_TOKEN_BYTES: usize = 1024;

/// The value of the first cookie called `name`.
pub(crate) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}

/// The session's token, when the request carries one.
pub(crate) fn session(headers: &HeaderMap) -> Option<SessionToken> {
    read(headers, SESSION_COOKIE)
        .filter(|value| fits(value))
        .map(|value| SessionToken(Secret::new(value.to_owned())))
}

/// The token by which the browser is known, when the request carries one.
pub(crate) fn known(headers: &HeaderMap) -> Option<SessionToken> {
    read(headers, KNOWN_COOKIE)
        .filter(|value| fits(value))
        .map(|value| SessionToken(Secret::new(value.to_owned())))
}

/// What a proof shows, when the request carries it.
pub(crate) fn proof(headers: &HeaderMap) -> Option<Secret> {
    read(headers, PROOF_COOKIE)
        .filter(|value| fits(value))
        .map(|value| Secret::new(value.to_owned()))
}

/// The header by which the browser will be known. It opens nothing.
///
/// # Errors
/// [`Error::Internal`] when the token cannot be carried by a cookie.
pub(crate) fn set_known(token: &SessionToken) -> Result<HeaderValue, Error> {
    let token = token.0.expose();
    if !fits(token) {
        return Err(Error::Internal("the browser's token does not fit a cookie".to_owned()));
    }
    header(KNOWN_COOKIE, token, &format!("; Max-Age={KNOWN_SECONDS}"))
}

/// The header that opens a session in the browser, until it is closed.
///
/// # Errors
/// [`Error::Internal`] when the token cannot be carried by a cookie.
pub(crate) fn set_session(token: &SessionToken) -> Result<HeaderValue, Error> {
    let token = token.0.expose();
    if !fits(token) {
        return Err(Error::Internal("the session's token does not fit a cookie".to_owned()));
    }
    header(SESSION_COOKIE, token, "")
}

/// The header that hands out the token of a sign-in that waits.
///
/// # Errors
/// [`Error::Internal`] when the token cannot be carried by a cookie.
pub(crate) fn set_step(token: &Secret) -> Result<HeaderValue, Error> {
    let token = token.expose();
    if !fits(token) {
        return Err(Error::Internal("the step's token does not fit a cookie".to_owned()));
    }
    header(STEP_COOKIE, token, &format!("; Max-Age={STEP_SECONDS}"))
}

/// The header that puts the token of a link by, in the cookie called `name`.
///
/// # Errors
/// [`Error::Internal`] when the token cannot be carried by a cookie.
pub(crate) fn set_link(name: &str, token: &str) -> Result<HeaderValue, Error> {
    if !fits(token) {
        return Err(Error::Internal("the link's token does not fit a cookie".to_owned()));
    }
    header(name, token, &format!("; Max-Age={LINK_SECONDS}"))
}

/// The token of a sign-in that waits, when the request carries one.
pub(crate) fn step(headers: &HeaderMap) -> Option<Secret> {
    read(headers, STEP_COOKIE)
        .filter(|value| fits(value))
        .map(|value| Secret::new(value.to_owned()))
}

/// A path as the value of a query.
pub(crate) fn escaped(path: &str) -> String {
    percent(path, b"/-_.")
}

/// The header that hands out the token of forms.
///
/// # Errors
/// [`Error::Internal`] when the token cannot be carried by a cookie.
pub(crate) fn set_form(token: &str) -> Result<HeaderValue, Error> {
    header(FORM_COOKIE, token, "")
}

/// The header that removes the cookie called `name`.
///
/// # Errors
/// [`Error::Internal`] when the name cannot be carried by a header.
pub(crate) fn remove(name: &str) -> Result<HeaderValue, Error> {
    header(name, "", "; Max-Age=0")
}

fn header(name: &str, value: &str, extra: &str) -> Result<HeaderValue, Error> {
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{extra}");
    let mut header = HeaderValue::from_str(&text)
        .map_err(|_| Error::Internal(format!("the cookie {name} does not fit a header")))?;
    header.set_sensitive(true);
    Ok(header)
}

/// Whether a token is made of what RFC 6265 lets into a cookie's value.
fn fits(token: &str) -> bool {
    !token.is_empty()
        && token.len() <= MAX_TOKEN_BYTES
        && token.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; __Host-amanah-x=no"));
        headers.append(COOKIE, HeaderValue::from_static("b; __Host-amanah=t=1;c=2"));
        assert_eq!(read(&headers, SESSION_COOKIE), Some("t=1"));
        assert_eq!(read(&headers, "d"), None);
    }

    #[test]
    fn a_token_cannot_add_attributes() {
        for bad in ["a; Domain=evil.example", "a\r\nX: y", "", "ä", &"a".repeat(1025)] {
            let token = SessionToken(Secret::new(bad.to_owned()));
            assert!(set_session(&token).is_err(), "{bad:?}");
        }
    }
}
