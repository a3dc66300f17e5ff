//! Text of others, as it may stand on a terminal.

use std::fmt::Write as _;

/// `text` with its control characters, and those that turn the direction of writing around, as
/// escapes: `\u001b`. A name in a database can neither move the cursor nor look like another line,
/// and what is read is in the order in which it stands. The escapes are those of JSON, and mean the
/// same character there.
pub fn shown(text: &str) -> String {
    escaped(text, &[])
}

/// As [`shown`], but lines and tabs stay what they are: for text of several lines.
pub fn shown_lines(text: &str) -> String {
    escaped(text, &['\n', '\t'])
}

fn escaped(text: &str, kept: &[char]) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if kept.contains(&c) => shown.push(c),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            // All of them have four digits. Writing to a `String` cannot fail.
            c if hides(c) => {
                let _ = write!(shown, "\\u{:04x}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown
}

/// Embeddings, overrides and isolates of the direction of writing, and their ends.
fn hides(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{shown, shown_lines};

    #[test]
    fn nothing_moves_the_cursor_or_turns_the_text_around() {
        let hostile = "a\u{1b}[2J\r\nb\u{9b}1m\u{7f}\u{202e}c\u{2066}d\u{2069}\tü ع";
        let all = "a\\u001b[2J\\r\\nb\\u009b1m\\u007f\\u202ec\\u2066d\\u2069\\tü ع";
        assert_eq!(shown(hostile), all);
        assert_eq!(shown_lines("a\r\n\tb\u{8}"), "a\\r\n\tb\\u0008");
        for c in ('\0'..='\u{ffff}').filter(|c| c.is_control()) {
            assert!(!shown(&c.to_string()).contains(c), "{c:?}");
        }
    }
}
