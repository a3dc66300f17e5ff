//! JSON that escapes what it need not. Many clients write `\/` for each slash, of which base64 is
//! full; the library would unescape such a text into a buffer of its own, which nobody wipes.

/// Writes the escaped characters of ASCII that a text may also have as they are, in place: what
/// follows then borrows the text from the body, which is wiped. Everything else stays as it is, so
/// that what was no JSON is none afterwards.
pub(super) fn unescape(bytes: &mut Vec<u8>) {
    let Some(first) = bytes.iter().position(|byte| *byte == b'\\') else { return };
    let (mut from, mut to, mut inside) = (first, first, false);
    for byte in bytes.iter().take(first) {
        // No backslash stands before the first one, so each quote begins a text or ends it.
        inside ^= *byte == b'"';
    }
    while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
        let (length, plain) = match rest {
            [b'\\', b'/', ..] if inside => (2, Some(b'/')),
            [b'\\', b'u', b'0', b'0', high, low, ..] if inside => match needless(*high, *low) {
                Some(plain) => (6, Some(plain)),
                None => (6, None),
            },
            [b'\\', _, ..] => (2, None),
            [b'"', ..] => {
                inside = !inside;
                (1, None)
            }
            _ => (1, None),
        };
        if let (Some(plain), Some(place)) = (plain, bytes.get_mut(to)) {
            *place = plain;
            to += 1;
        } else {
            bytes.copy_within(from..from + length, to);
            to += length;
        }
        from += length;
    }
    bytes.truncate(to);
}

/// The character, if a text may have it unescaped.
fn needless(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let code = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    (matches!(code, b' '..=b'~') && !matches!(code, b'"' | b'\\')).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn what_need_not_be_escaped_is_not() {
        for (from, to) in [
            (r#"{"a": "x\/y\u0041\u003d"}"#, r#"{"a": "x/yA="}"#),
            (
                r#"{"a": "\\/ \\\/ \"\/ \u0022\u005c\u000a"}"#,
                r#"{"a": "\\/ \\/ \"/ \u0022\u005c\u000a"}"#,
            ),
            (r#"{"a": "\ud83d\u00e9\u00"}"#, r#"{"a": "\ud83d\u00e9\u00"}"#),
            (r#"{\/: \u0031, "a": "\/"}"#, r#"{\/: \u0031, "a": "/"}"#),
            (r#""\"#, r#""\"#),
            (r#""\u00"#, r#""\u00"#),
            ("plain", "plain"),
        ] {
            let mut bytes = from.as_bytes().to_vec();
            unescape(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), to, "{from}");
        }
    }

    /// Whatever comes in means the same as before, or is no JSON as before.
    #[test]
    fn nothing_changes_its_meaning() {
        let pieces = ["\"", "\\", "/", "u0041", "u0022", "u005C", "{", "}", ":", ",", "1", " "];
        let mut seed = 7_usize;
        for _ in 0..200_000 {
            let mut text = String::new();
            for _ in 0..9 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text += pieces[(seed >> 33) % pieces.len()];
            }
            let mut bytes = text.clone().into_bytes();
            unescape(&mut bytes);
            let read = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).ok();
            assert_eq!(read(text.as_bytes()), read(&bytes), "{text}");
        }
    }
}
