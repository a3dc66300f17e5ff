//! The one place that writes to standard output and standard error.

use std::io::{self, Write};

use kernel::{shown, shown_lines};

/// One or more lines for people or programs. A closed pipe is the reader's choice and no error.
///
/// What it says may come out of a database or an archive of somebody else's, so control characters
/// are escaped. JSON stays the same value: the escapes are its own.
pub(crate) fn line(text: &str) {
    painted(&shown_lines(text));
}

/// Lines that hold colours of our own, and in which everything else was escaped.
pub(crate) fn painted(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Text for programs, as it is: whoever made it has escaped it. Whether anybody still takes it: a closed
/// pipe is the reader's choice.
pub(crate) fn piece(text: &str) -> bool {
    io::stdout().lock().write_all(text.as_bytes()).is_ok()
}

/// One line beside the result: progress, warnings, errors. Escaped as in [`line()`].
pub(crate) fn aside(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", shown_lines(text));
}

/// Why a command could not be done. The words may be those of a server: further lines are set in, so
/// that none looks like one of ours.
pub(crate) fn failure(error: &anyhow::Error) {
    aside(&set_in(&words(error)));
}

fn set_in(words: &str) -> String {
    format!("amanah: {}", words.replace('\n', "\n        "))
}

/// Where logs go: standard error. What is logged may hold the words of a server, so each event is one
/// line and everything in it is escaped.
pub(crate) struct Log;

impl Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        writeln!(io::stderr().lock(), "{}", one_line(event))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

fn one_line(event: &[u8]) -> String {
    shown(String::from_utf8_lossy(event).trim_end_matches('\n'))
}

/// A number of things: `1 table`, `2 tables`, `2 entries`.
pub(crate) fn count(number: impl TryInto<u64>, one: &str) -> String {
    let many = match one.strip_suffix("ry") {
        Some(stem) => format!("{stem}ries"),
        None => format!("{one}s"),
    };
    match number.try_into() {
        Ok(1) => format!("1 {one}"),
        Ok(number) => format!("{number} {many}"),
        Err(_) => format!("many {many}"),
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

#[cfg(test)]
mod tests {
    use tracing_subscriber::fmt::MakeWriter;

    use super::{one_line, set_in};

    const HOSTILE: &str = "ERROR: \u{1b}[2Jx\r\namanah: everything holds";

    #[test]
    fn a_servers_words_look_like_none_of_ours() {
        let told = kernel::shown_lines(&set_in(HOSTILE));
        assert_eq!(told, "amanah: ERROR: \\u001b[2Jx\\r\n        amanah: everything holds");
    }

    /// Written as the log writes it: one event is one line, whatever is in it.
    #[test]
    fn an_event_is_one_line() {
        #[derive(Clone, Default)]
        struct Kept(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
        impl std::io::Write for Kept {
            fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
                let line = one_line(event);
                self.0.lock().unwrap().extend(line.bytes().chain([b'\n']));
                Ok(event.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        impl<'a> MakeWriter<'a> for Kept {
            type Writer = Self;
            fn make_writer(&'a self) -> Self {
                self.clone()
            }
        }
        for json in [false, true] {
            let kept = Kept::default();
            let log = tracing_subscriber::fmt().with_ansi(false).with_writer(kept.clone());
            let say = || tracing::warn!(error = %HOSTILE, why = HOSTILE, "said: {HOSTILE}");
            if json {
                tracing::subscriber::with_default(log.json().finish(), say);
            } else {
                tracing::subscriber::with_default(log.finish(), say);
            }
            let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(
                text.contains("everything holds") && !text.contains(['\u{1b}', '\r']),
                "{text}"
            );
        }
    }
}
