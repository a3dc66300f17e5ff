//! What a browser sends back: three fields of a form. All of it is hostile bytes.

/// The longest form, in bytes: a stamp, a number, and an address.
pub(crate) const MAX_FORM_BYTES: usize = 8 * 1024;
/// The longest address that somebody is brought back to, in bytes.
const MAX_NEXT_BYTES: usize = 2 * 1024;

/// An answer to a challenge.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) token: String,
    /// The work, or nothing from whoever waited.
    pub(crate) answer: String,
    /// Where they were going: a path of this site.
    pub(crate) next: String,
}

impl Sent {
    /// The form, or `None` when it is none or says something twice. Fields that it does not know are
    /// left out.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        if body.len() > MAX_FORM_BYTES {
            return None;
        }
        let (mut token, mut answer, mut next) = (None, None, None);
        for pair in body.split(|byte| *byte == b'&') {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = halves.next().unwrap_or_default();
            let value = halves.next().unwrap_or_default();
            let place = match name {
                b"token" => &mut token,
                b"answer" => &mut answer,
                b"next" => &mut next,
                _ => continue,
            };
            if place.replace(decoded(value)?).is_some() {
                return None;
            }
        }
        let next = next.filter(|next| is_local(next)).unwrap_or_else(|| "/".to_owned());
        Some(Self { token: token?, answer: answer.unwrap_or_default(), next })
    }
}

/// Whether it is a path of this site and of no other, in letters that a header can hold.
pub(crate) fn is_local(next: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    next.len() <= MAX_NEXT_BYTES
        && next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(plain)
}

/// The value of a field; `None` when it is not text.
fn decoded(value: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let ([high, low], after) = after.split_first_chunk()?;
                bytes.push(digit(*high)? * 16 + digit(*low)?);
                rest = after;
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MAX_FORM_BYTES, Sent, is_local};

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let sent =
            Sent::read(b"token=a-_1&answer=42&next=%2Fprices%3Fa%3D1%26b%3D2&more=x").unwrap();
        let (token, answer, next) =
            ("a-_1".to_owned(), "42".to_owned(), "/prices?a=1&b=2".to_owned());
        assert_eq!(sent, Sent { token, answer, next });
        let waited = Sent::read(b"answer=&token=t").unwrap();
        assert_eq!((waited.answer.as_str(), waited.next.as_str()), ("", "/"));
    }

    /// Damaged forms and stamps are read as what they say or not at all.
    #[test]
    fn damaged_forms_lead_nowhere_else() {
        let samples = [
            b"token=AQEQBwcHBwcHBwcHBwcHBwcHBwAAAAAAABOIAAAAAAAEk-A&answer=42&next=%2Fprices%3Fa%3D1".to_vec(),
            b"next=%2F&answer=&token=t".to_vec(),
            [&[1, 2, 0][..], &[7; 16], &[0; 8], &[9; 8]].concat(),
        ];
        testkit::try_damaged("challenge", &samples, crate::fuzzing::challenge);
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let long = vec![b'a'; MAX_FORM_BYTES + 1];
        for wrong in [
            &b""[..],
            b"answer=1",
            b"token=a&token=b",
            b"token=%",
            b"token=%4",
            b"token=%zz",
            b"token=%+1",
            b"token=%ff",
            &long,
        ] {
            assert_eq!(Sent::read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn nobody_is_brought_to_another_site() {
        for next in ["/", "/a", "/a//b?c=%2F%2Fevil.example"] {
            assert!(is_local(next), "{next}");
        }
        let long = format!("/{}", "a".repeat(2_048));
        for next in [
            "",
            "a",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a b",
            "/\r\nX: y",
            "/é",
            &long,
        ] {
            assert!(!is_local(next), "{next}");
        }
        let sent = Sent::read(b"token=t&next=%2F%2Fevil.example").unwrap();
        assert_eq!(sent.next, "/");
    }

    proptest! {
        /// Whatever is sent: no panic, and nobody is brought elsewhere.
        #[test]
        fn no_form_leads_elsewhere(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            for body in [body.clone(), [b"token=t&next=".to_vec(), body].concat()] {
                if let Some(sent) = Sent::read(&body) {
                    prop_assert!(is_local(&sent.next));
                }
            }
        }
    }
}
