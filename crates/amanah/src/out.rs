//! The one place that writes to standard output and standard error.

use std::io::Write as _;

use kernel::shown_lines;

/// One or more lines for people or programs. A closed pipe is the reader's choice and no error.
///
/// What it says may come out of a database or an archive of somebody else's, so control characters
/// are escaped. JSON stays the same value: the escapes are its own.
pub(crate) fn line(text: &str) {
    painted(&shown_lines(text));
}

/// Lines that hold colours of our own, and in which everything else was escaped.
pub(crate) fn painted(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// One line beside the result: progress, warnings, errors. Escaped as in [`line()`].
pub(crate) fn aside(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", shown_lines(text));
}

/// A number of things: `1 table`, `2 tables`.
pub(crate) fn count(number: impl TryInto<u64>, one: &str) -> String {
    match number.try_into() {
        Ok(1) => format!("1 {one}"),
        Ok(number) => format!("{number} {one}s"),
        Err(_) => format!("many {one}s"),
    }
}

/// An error and its causes, each said once: some already repeat their cause.
pub(crate) fn words(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}
