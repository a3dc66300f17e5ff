//! What a program shows instead of a cookie: found for us, hidden from the application.
//!
//! It promises that a request speaks for one alone: a token beside a session's cookie, or two of
//! them, is refused, since we and the application could take it for different people. It stops an
//! application that keeps or logs tokens, by never showing it one.

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use kernel::Secret;

use crate::cookies;
use crate::refusal::Refusal;

/// The one scheme that is ours; the application's others pass.
const SCHEME: &[u8] = b"bearer";
/// The longest token that is looked up, in bytes.
const MAX_TOKEN_BYTES: usize = 4 * 1024;

/// The token of `Authorization: Bearer`, if there is one.
///
/// # Errors
/// [`Refusal::TwoCredentials`] when there is also a session's cookie or another `Authorization`: two
/// programs could read it as two people. [`Refusal::BadToken`] when it has not the form of a token.
pub(crate) fn read(headers: &HeaderMap) -> Result<Option<Secret>, Refusal> {
    let all: Vec<&[u8]> =
        headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
    let Some(rest) = all.iter().find_map(|value| after_scheme(value)) else {
        return Ok(None);
    };
    if all.len() > 1 || cookies::carries_session(headers) {
        return Err(Refusal::TwoCredentials);
    }
    // RFC 6750: token68, and an end.
    let body = rest.iter().position(|b| *b == b'=').map_or(rest, |end| rest.split_at(end).0);
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(b);
    let padding = rest.get(body.len()..).unwrap_or_default();
    let formed = !body.is_empty() && body.iter().all(plain) && padding.iter().all(|b| *b == b'=');
    if !formed || rest.len() > MAX_TOKEN_BYTES {
        return Err(Refusal::BadToken);
    }
    let text = String::from_utf8(rest.to_vec()).map_err(|_| Refusal::BadToken)?;
    Ok(Some(Secret::new(text)))
}

/// Takes the token out of a request, so that the application never sees it.
pub(crate) fn hide(headers: &mut HeaderMap) {
    headers.remove(AUTHORIZATION);
}

/// What stands after `Bearer` and its blanks. Schemes are compared without regard to case.
fn after_scheme(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.trim_ascii().split_at_checked(SCHEME.len())?;
    let ours = scheme.eq_ignore_ascii_case(SCHEME)
        && rest.first().is_none_or(|b| b.is_ascii_whitespace() || *b == b',');
    ours.then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    fn request(lines: &[&'static str], cookie: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_static(line));
        }
        if let Some(cookie) = cookie {
            headers.insert(COOKIE, HeaderValue::from_static(cookie));
        }
        headers
    }

    fn token(
        lines: &[&'static str],
        cookie: Option<&'static str>,
    ) -> Result<Option<String>, Refusal> {
        Ok(read(&request(lines, cookie))?.map(|token| token.expose().to_owned()))
    }

    #[test]
    fn one_clean_token_is_found() {
        for line in ["Bearer a.b-c_d", "bearer  a.b-c_d", "BEARER\ta.b-c_d "] {
            assert_eq!(token(&[line], Some("other=1")).unwrap().unwrap(), "a.b-c_d", "{line}");
        }
        assert_eq!(token(&["Bearer ab=="], None).unwrap().unwrap(), "ab==");
        for theirs in ["", "Basic YTpi", "Bearers x", "Negotiate x"] {
            assert_eq!(token(&[theirs], Some("__Host-amanah=x")), Ok(None), "{theirs}");
        }
        assert_eq!(token(&[], None), Ok(None));
    }

    #[test]
    fn a_doubtful_token_is_refused() {
        for bad in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a,b",
            "Bearer \"a\"",
            "Bearer =a",
            "Bearer a=b",
            "Bearer,a",
        ] {
            assert_eq!(token(&[bad], None), Err(Refusal::BadToken), "{bad}");
        }
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES + 1));
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::try_from(long).unwrap());
        assert!(matches!(read(&headers), Err(Refusal::BadToken)));
    }

    /// Whoever comes with two credentials is refused, whichever of them is good.
    #[test]
    fn two_credentials_are_refused() {
        for (lines, cookie) in [
            (&["Bearer a"][..], Some("__Host-amanah=x")),
            (&["Bearer a"], Some("b=1; __Host-amanah=")),
            (&["Bearer a", "Bearer b"], None),
            (&["Basic a", "Bearer b"], None),
            (&["Bearer b", "Basic a"], None),
        ] {
            assert_eq!(token(lines, cookie), Err(Refusal::TwoCredentials), "{lines:?}");
        }
    }
}
