//! Where a link or a redirection may lead.

/// The longest path that a sign-in returns to, in bytes.
const MAX_PATH_BYTES: usize = 2048;

/// Whether a link of a page may be followed: `http`, `https`, `mailto`, or an address on this site.
///
/// Browsers drop tabs and line ends and read a backslash as a slash, so `java\tscript:` and
/// `\\host` are links to somewhere else; whatever holds such a character is refused.
pub(crate) fn is_link(target: &str) -> bool {
    let strange = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if target.is_empty() || target.chars().any(strange) {
        return false;
    }
    let end = target.find(['/', '?', '#']).unwrap_or(target.len());
    let head = target.get(..end).unwrap_or(target);
    match head.split_once(':') {
        Some((scheme, _)) => {
            ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        }
        None => true,
    }
}

/// Whether a link leads to another site.
pub(crate) fn is_foreign(target: &str) -> bool {
    let lower = target.to_ascii_lowercase();
    lower.starts_with("http:") || lower.starts_with("https:") || lower.starts_with("//")
}

/// `next` when it is a path on this site, else `/`: nobody can be sent elsewhere by a link to our
/// own sign-in page.
pub(crate) fn local(next: &str) -> &str {
    let path = next.strip_prefix('/');
    let here = path.is_some_and(|rest| !rest.starts_with(['/', '\\']));
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if here && plain && next.len() <= MAX_PATH_BYTES { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::{is_foreign, is_link, local};

    #[test]
    fn no_link_can_run_a_script() {
        for bad in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "java\tscript:alert(1)",
            "\u{1}javascript:alert(1)",
            " javascript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "blob:x",
            "\\\\host",
            "",
        ] {
            assert!(!is_link(bad), "{bad:?}");
        }
        for good in [
            "https://example.com/a:b",
            "HTTP://example.com",
            "mailto:a@example.com",
            "/trust/row-tenants",
            "./a:b",
            "#claim-1",
            "?at=2026-03-14T09:26:53Z",
        ] {
            assert!(is_link(good), "{good:?}");
        }
        assert!(is_foreign("HTTPS://example.com") && is_foreign("//example.com"));
        assert!(!is_foreign("/trust") && !is_foreign("mailto:a@example.com"));
    }

    #[test]
    fn a_sign_in_returns_to_this_site_alone() {
        let long = format!("/{}", "a".repeat(5000));
        for bad in [
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/a\\b",
            "https://evil.example",
            "evil.example",
            "javascript:alert(1)",
            "/\r\nSet-Cookie: a=b",
            " /a",
            "/ä",
            "",
            &long,
        ] {
            assert_eq!(local(bad), "/", "{bad:?}");
        }
        for good in ["/", "/prices?page=2#row", "/_amanah/account"] {
            assert_eq!(local(good), good);
        }
    }
}
