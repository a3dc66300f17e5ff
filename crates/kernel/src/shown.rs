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

/// As [`shown_lines`], for SQL: a name or a text in quotes stays on its line, with what hides in
/// PostgreSQL's own escapes (`U&"a\000ab"`), so that the statement means the same and no name looks
/// like another line. It knows no quotes by dollars.
pub fn shown_sql(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql.chars().peekable();
    while let Some(quote) = rest.next() {
        if !matches!(quote, '"' | '\'') {
            text.push(quote);
            continue;
        }
        let (mut quoted, mut closed) = (String::new(), false);
        while let Some(c) = rest.next() {
            if c != quote {
                quoted.push(c);
            } else if rest.next_if_eq(&quote).is_some() {
                quoted.extend([quote, quote]);
            } else {
                closed = true;
                break;
            }
        }
        let end = if closed { quote.to_string() } else { String::new() };
        // Writing to a `String` cannot fail.
        let _ = if !quoted.contains(hides) {
            write!(text, "{quote}{quoted}{end}")
        } else if !closed || (quote == '\'' && text.ends_with('E')) {
            // An apostrophe in words, or `E'…'`, which has these escapes.
            write!(text, "{quote}{}{end}", shown(&quoted))
        } else {
            write!(text, "U&{quote}{}{end}", by_code(&quoted))
        };
    }
    shown_lines(&text)
}

fn by_code(quoted: &str) -> String {
    quoted.chars().fold(String::new(), |mut text, c| {
        // Writing to a `String` cannot fail.
        let _ = match c {
            '\\' => write!(text, "\\\\"),
            c if hides(c) => write!(text, "\\{:04x}", u32::from(c)),
            c => write!(text, "{c}"),
        };
        text
    })
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

/// Control characters, and the embeddings, overrides and isolates of the direction of writing with
/// their ends. The code of each has four hexadecimal digits at most.
fn hides(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{shown, shown_lines, shown_sql};

    #[test]
    fn a_name_in_sql_stays_on_its_line_and_means_the_same() {
        assert_eq!(shown_sql("A \"a\"\"b\"\n 'c''d';"), "A \"a\"\"b\"\n 'c''d';");
        assert_eq!(shown_sql("\"a\"\"\tb\\\" x"), "U&\"a\"\"\\0009b\\\\\" x");
        assert_eq!(shown_sql("E'a\nb\\\\'"), "E'a\\nb\\\\'");
        assert_eq!(shown_sql("the owner's \"a\nb\""), "the owner's \"a\\nb\"");
    }

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
