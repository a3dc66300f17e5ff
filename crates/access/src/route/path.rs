//! Paths that every program reads alike.

/// Whether there is one way to read `path`: no empty or dotted segments, no backslash, no
/// parameters behind a semicolon, and nothing percent-encoded that need not be, or that would be
/// something else once it is decoded.
pub(crate) fn is_plain(path: &str) -> bool {
    let Some(inner) = path.strip_prefix('/') else {
        return false;
    };
    if inner.is_empty() {
        return true;
    }
    let mut segments = inner.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if (segment.is_empty() && !last) || !is_plain_segment(segment) {
            return false;
        }
    }
    true
}

/// The same of one segment. An empty one is plain here: it is a slash at a path's end.
pub(crate) fn is_plain_segment(segment: &str) -> bool {
    if matches!(segment, "." | "..") {
        return false;
    }
    if !segment.contains('%') {
        return segment.bytes().all(is_plain_byte);
    }
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            if !is_plain_byte(byte) {
                return false;
            }
            decoded.push(byte);
            continue;
        }
        let pair = bytes.next().and_then(digit).zip(bytes.next().and_then(digit));
        let Some((high, low)) = pair else { return false };
        let byte = high * 16 + low;
        // A slash, a backslash and a dot would change where the path leads; a percent sign would
        // be decoded once more by the next program; letters are encoded to hide them.
        let hidden = byte.is_ascii_alphanumeric() || b"/\\.%-_~;".contains(&byte);
        if hidden || byte.is_ascii_control() {
            return false;
        }
        decoded.push(byte);
    }
    std::str::from_utf8(&decoded).is_ok_and(|text| !text.chars().any(char::is_control))
}

const fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'\\' | b';' | b'?' | b'#' | b'%')
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::is_plain;

    #[test]
    fn what_two_programs_could_read_differently_is_not_plain() {
        for good in
            ["/", "/a", "/a/", "/a/b-c.d", "/a/%C3%A9", "/a/x%20y", "/a@b:c,d(e)", "/..a/b.."]
        {
            assert!(is_plain(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "*",
            "//",
            "//a",
            "/a//b",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/a\\b",
            "/a;b",
            "/a;v=1/b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/%2e%2e/b",
            "/a/%2E",
            "/%61dmin",
            "/a%252fb",
            "/a%25",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%00",
            "/a%0d%0ab",
            "/a%7f",
            "/a%ff",
            "/a%c0%af",
            "/a%e0%80%af",
            "/a%3bb",
            "/a?b",
            "/a#b",
            "/a b",
            "/a\tb",
            "/é",
            "/a%c2%85",
        ] {
            assert!(!is_plain(bad), "{bad}");
        }
    }

    proptest! {
        /// Decoding a plain path does not change how many segments it has, and leaves no dots alone.
        #[test]
        fn decoding_a_plain_path_leads_to_the_same_place(path in "(/|%2[EeFf5]|%5[Cc]|%[0-9a-f]{2}|[a-c.;\\\\]){0,12}") {
            let path = format!("/{path}");
            if is_plain(&path) {
                let decoded = path.replace("%2f", "/").replace("%2F", "/").replace("%2e", ".");
                prop_assert_eq!(&decoded, &path);
                prop_assert!(path.split('/').all(|segment| segment != "." && segment != ".."));
                prop_assert!(!path.contains('\\') && !path.contains(';'));
            }
        }
    }
}
