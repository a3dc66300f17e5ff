//! The session cookie: found for us, hidden from the application.

use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use kernel::{Secret, SessionToken};

/// The cookie that carries a session's token. The prefix makes browsers insist on `Secure`, on
/// `Path=/` and on this very host.
pub const SESSION_COOKIE: &str = "__Host-amanah";

/// The longest token that is looked up, in bytes.
const MAX_TOKEN_BYTES: usize = 256;

/// The session's token, if the request carries exactly one that looks like one.
///
/// Two cookies of the same name mean that somebody else set one of them, so neither is believed.
pub(crate) fn session(headers: &HeaderMap) -> Option<SessionToken> {
    let mut found = pairs(headers).filter(|(name, _)| *name == SESSION_COOKIE.as_bytes());
    let (_, token) = found.next()?;
    if found.next().is_some() || token.is_empty() || token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.~".contains(b);
    if !token.iter().all(plain) {
        return None;
    }
    let text = String::from_utf8(token.to_vec()).ok()?;
    Some(SessionToken(Secret::new(text)))
}

/// Whether the request carries a session's cookie, good or not.
pub(crate) fn carries_session(headers: &HeaderMap) -> bool {
    pairs(headers).any(|(name, _)| name.eq_ignore_ascii_case(SESSION_COOKIE.as_bytes()))
}

/// Whether the request carries a cookie of this name, whatever is in it.
pub(crate) fn carries(headers: &HeaderMap, name: &str) -> bool {
    pairs(headers).any(|(carried, _)| carried == name.as_bytes())
}

/// The value of a cookie that is there once and is text.
pub(crate) fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = pairs(headers).filter(|(carried, _)| *carried == name.as_bytes());
    let (_, value) = found.next()?;
    if found.next().is_some() {
        return None;
    }
    std::str::from_utf8(value).ok()
}

/// Takes every cookie of ours out of a request, so that the application never sees one. Several
/// `Cookie` lines become one.
pub(crate) fn hide(headers: &mut HeaderMap) {
    if !headers.contains_key(COOKIE) {
        return;
    }
    let kept: Vec<&[u8]> = pieces(headers).filter(|piece| !is_ours(name_of(piece))).collect();
    let line = HeaderValue::from_bytes(&kept.join(&b"; "[..]));
    headers.remove(COOKIE);
    if let Ok(line) = line
        && !line.is_empty()
    {
        headers.insert(COOKIE, line);
    }
}

/// Takes every `Set-Cookie` that would set a cookie of ours out of the application's answer: it
/// could sign a visitor in as somebody else.
pub(crate) fn guard(headers: &mut HeaderMap) {
    let ours = |line: &HeaderValue| {
        let pair = line.as_bytes().split(|b| *b == b';').next();
        is_ours(name_of(trim(pair.unwrap_or_default())))
    };
    if !headers.get_all(SET_COOKIE).iter().any(ours) {
        return;
    }
    let kept: Vec<HeaderValue> =
        headers.get_all(SET_COOKIE).iter().filter(|line| !ours(line)).cloned().collect();
    headers.remove(SET_COOKIE);
    for line in kept {
        headers.append(SET_COOKIE, line);
    }
}

/// Ours are the session and every cookie whose name begins like it. Names are compared without
/// regard to case, because some browsers and frameworks do.
fn is_ours(name: &[u8]) -> bool {
    name.get(..SESSION_COOKIE.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(SESSION_COOKIE.as_bytes()))
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    pieces(headers).map(|piece| {
        let mut halves = piece.splitn(2, |b| *b == b'=');
        let name = halves.next().unwrap_or_default();
        (trim(name), trim(halves.next().unwrap_or_default()))
    })
}

/// Everything between semicolons, without the blanks around it.
fn pieces(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b';'))
        .map(trim)
        .filter(|piece| !piece.is_empty())
}

/// What stands before the first `=`. A piece without one is a value without a name to a browser,
/// and a name to some applications: it is treated as a name.
fn name_of(piece: &[u8]) -> &[u8] {
    trim(piece.split(|b| *b == b'=').next().unwrap_or_default())
}

fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

#[cfg(test)]
mod tests {
    use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
    use proptest::prelude::*;

    use super::{guard, hide, session};

    fn request(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    fn token(line: &str) -> Option<String> {
        let found = session(&request(&[line.as_bytes()]));
        found.map(|token| token.0.expose().to_owned())
    }

    fn forwarded(lines: &[&[u8]]) -> Option<Vec<u8>> {
        let mut headers = request(lines);
        hide(&mut headers);
        headers.get(COOKIE).map(|line| line.as_bytes().to_vec())
    }

    /// One well-formed token is found wherever it stands; anything doubtful is nobody.
    #[test]
    fn only_one_clean_token_is_believed() {
        assert_eq!(token("a=1; __Host-amanah=T0k-e_n; b=2").unwrap(), "T0k-e_n");
        assert_eq!(token("__Host-amanah = x").unwrap(), "x");
        for bad in [
            "",
            ";;;",
            "__Host-amanah",
            "__Host-amanah=",
            "__Host-amanah=\"x\"",
            "__Host-amanah=a b",
            "__host-amanah=x",
            "__Host-amanah-csrf=x",
            "__Host-amanah=x; __Host-amanah=y",
            "=__Host-amanah=x",
        ] {
            assert_eq!(token(bad), None, "{bad}");
        }
        assert_eq!(token(&format!("__Host-amanah={}", "x".repeat(257))), None);
        let two = request(&[b"__Host-amanah=x", b"__Host-amanah=y"]);
        assert!(session(&two).is_none());
    }

    /// The application sees its own cookies, byte for byte, and none of ours.
    #[test]
    fn ours_are_hidden() {
        let kept = forwarded(&[b"a=1; __Host-amanah=x; __HOST-AMANAH-csrf=y", b"b=\"2\""]);
        assert_eq!(kept.unwrap(), b"a=1; b=\"2\"");
        assert_eq!(forwarded(&[b"__Host-amanah=x"]), None);
        assert_eq!(forwarded(&[b"__Host-amanah"]), None);
        assert_eq!(forwarded(&[]), None);
    }

    /// The application sets its own cookies and none of ours.
    #[test]
    fn the_application_cannot_set_ours() {
        let mut headers = HeaderMap::new();
        for line in ["a=1; Path=/", " __Host-amanah=evil; Path=/; Secure", "b=2"] {
            headers.append(SET_COOKIE, HeaderValue::from_static(line));
        }
        guard(&mut headers);
        let kept: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(kept, ["a=1; Path=/", "b=2"]);
    }

    proptest! {
        /// Whatever the lines hold: no panic, no name of ours is left, and what is found is clean.
        #[test]
        fn no_input_gets_through(
            lines in proptest::collection::vec(
                proptest::collection::vec(
                    prop_oneof![
                        Just(b"__Host-amanah".to_vec()),
                        Just(b"=".to_vec()),
                        Just(b";".to_vec()),
                        Just(b" ".to_vec()),
                        proptest::collection::vec(0x20u8..=0xff, 0..6),
                    ],
                    0..12,
                ),
                0..4,
            )
        ) {
            let mut headers = HeaderMap::new();
            for line in lines {
                if let Ok(value) = HeaderValue::from_bytes(&line.concat()) {
                    headers.append(COOKIE, value);
                }
            }
            if let Some(found) = session(&headers) {
                prop_assert!(found.0.expose().bytes().all(|b| b.is_ascii_graphic()));
            }
            hide(&mut headers);
            prop_assert!(session(&headers).is_none());
            let ours = |piece: &[u8]| super::is_ours(super::name_of(piece));
            prop_assert!(!super::pieces(&headers).any(ours));
        }
    }
}
