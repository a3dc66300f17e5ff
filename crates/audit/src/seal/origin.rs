//! What a log is called, everywhere and for ever.
//!
//! It promises one name for each database of each installation, and never the same name for two.
//! The attack it stops: a log that is shown in place of another.

use std::fmt::Write as _;

/// The name of the log of `database`: the first line of its checkpoints, and the name of its key.
/// What such a name may not have is percent-encoded, as is the percent sign.
pub fn origin(installation: &str, database: &str) -> String {
    format!("amanah-{}/{}", escaped(installation), escaped(database))
}

fn escaped(text: &str) -> String {
    let mut name = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            name.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn two_databases_never_share_a_name() {
        assert_eq!(origin("ab12", "shop"), "amanah-ab12/shop");
        assert_eq!(origin("ab12", "my shop+é/%"), "amanah-ab12/my%20shop%2B%C3%A9%2F%25");
        assert_ne!(origin("ab12", "a/b"), origin("ab12/a", "b"));
        let name = origin("ab12", "line\nfeed\u{2014}");
        assert!(tlog::Verifier::new(&name, [0; 32]).is_ok(), "{name}");
    }
}
