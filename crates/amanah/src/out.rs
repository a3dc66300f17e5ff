//! The one place that writes to standard output and standard error.

use std::io::Write as _;

/// One line for people or programs. A closed pipe is the reader's choice and no error.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// One line beside the result: progress, warnings, errors.
pub(crate) fn aside(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
