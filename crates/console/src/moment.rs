//! Moments: reading the `at` of an address, and writing one for people and machines.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::Error;

/// The longest text that is read as a moment, in bytes.
const MAX_MOMENT_BYTES: usize = 64;
/// How much of a text that is no moment is shown back, in characters.
const SHOWN_CHARS: usize = 40;

/// Reads the `at` of an address: RFC 3339, or the same without an offset, which is taken as UTC.
///
/// # Errors
/// [`Error::Moment`] when it is not one, or lies after `now`.
pub(crate) fn read(text: &str, now: Timestamp) -> Result<Timestamp, Error> {
    let wrong = || Error::Moment(text.chars().take(SHOWN_CHARS).collect());
    if text.len() > MAX_MOMENT_BYTES {
        return Err(wrong());
    }
    let at = text
        .parse::<Timestamp>()
        .or_else(|_| text.parse::<DateTime>().and_then(|at| Offset::UTC.to_timestamp(at)))
        .map_err(|_| wrong())?;
    if at > now { Err(wrong()) } else { Ok(at) }
}

/// A moment as an element that both people and machines can read.
#[derive(Template)]
#[template(path = "part/moment.html")]
pub(crate) struct Moment(pub Timestamp);

impl Moment {
    /// RFC 3339 in UTC to the second, as addresses and `datetime` attributes take it.
    pub(crate) fn machine(&self) -> String {
        self.0.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn human(&self) -> String {
        self.0.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
    }
}

// The template escapes what it writes.
impl HtmlSafe for Moment {}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Moment({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Moment, read};

    #[test]
    fn the_forms_of_a_moment() {
        let now = "2026-03-14T09:26:53Z".parse().unwrap();
        for (text, machine) in [
            ("2026-03-14T09:26:53Z", "2026-03-14T09:26:53Z"),
            ("2026-03-14T16:26:53+07:00", "2026-03-14T09:26:53Z"),
            ("2026-03-14T08:15", "2026-03-14T08:15:00Z"),
            ("2026-03-01", "2026-03-01T00:00:00Z"),
        ] {
            assert_eq!(Moment(read(text, now).unwrap()).machine(), machine, "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_or_has_not_come_is_refused() {
        let now = "2026-03-14T09:26:53Z".parse().unwrap();
        let long = "2026-03-14T09:26:53.".to_owned() + &"0".repeat(10_000) + "Z";
        for text in [
            "yesterday",
            "",
            "2026-03-14T16:26:53 07:00",
            "2026-02-30T00:00:00Z",
            "2026-03-14T09:26:54Z",
            "<script>",
            "99999999999999999999",
            &long,
        ] {
            match read(text, now) {
                Err(Error::Moment(shown)) => assert!(shown.chars().count() <= 40),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
