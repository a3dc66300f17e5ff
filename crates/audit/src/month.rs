//! A month of the calendar, in UTC: that is how the trail is divided.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// A month. It is written `2026-10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(Date);

impl Month {
    /// The month that `moment` lies in.
    pub fn of(moment: Timestamp) -> Self {
        Self(moment.to_zoned(TimeZone::UTC).date().first_of_month())
    }

    /// The same, of microseconds since 1970; `None` where no calendar goes.
    pub fn of_micros(micros: i64) -> Option<Self> {
        Timestamp::from_microsecond(micros).ok().map(Self::of)
    }

    /// The one so many months later, as far as the calendar goes.
    #[must_use]
    pub fn later(self, months: u32) -> Self {
        let span = Span::new().try_months(months).ok();
        let there = span.and_then(|span| self.0.checked_add(span).ok());
        Self(there.unwrap_or_else(|| date(9999, 12, 1)))
    }

    /// The one so many months before, as far as the calendar goes.
    #[must_use]
    pub fn earlier(self, months: u32) -> Self {
        let span = Span::new().try_months(months).ok();
        let there = span.and_then(|span| self.0.checked_sub(span).ok());
        Self(there.unwrap_or_else(|| date(1, 1, 1)))
    }

    /// Whether it has ended for so many months at `now`.
    pub fn is_older(self, months: u32, now: Timestamp) -> bool {
        self.later(months.saturating_add(1)) <= Self::of(now)
    }

    /// Its first day.
    pub const fn first(self) -> Date {
        self.0
    }

    /// Its partition of the trail, without the schema.
    pub fn partition(self) -> String {
        format!("system_audit_logs_{:04}_{:02}", self.0.year(), self.0.month())
    }

    /// The month of a partition of this name.
    pub fn of_partition(name: &str) -> Option<Self> {
        let (year, month) = name.strip_prefix("system_audit_logs_")?.split_once('_')?;
        format!("{year}-{month}").parse().ok()
    }

    /// Its first moment.
    pub fn begins(self) -> Timestamp {
        self.0.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
    }

    /// The first moment after it.
    pub fn ends(self) -> Timestamp {
        self.later(1).begins()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

/// What should be a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a month is written 2026-10")]
pub struct NoMonth;

impl FromStr for Month {
    type Err = NoMonth;

    fn from_str(text: &str) -> Result<Self, NoMonth> {
        let (year, month) = text.split_once('-').ok_or(NoMonth)?;
        let digits =
            |text: &str, many| text.len() == many && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return Err(NoMonth);
        }
        let (year, month) =
            (year.parse().map_err(|_| NoMonth)?, month.parse().map_err(|_| NoMonth)?);
        // Times of PostgreSQL and of this library end elsewhere; between these years both have them.
        if !(1970..=9000).contains(&year) {
            return Err(NoMonth);
        }
        Date::new(year, month, 1).map(Self).map_err(|_| NoMonth)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Month;

    #[test]
    fn it_begins_and_ends_in_utc() {
        let month: Month = "2026-12".parse().unwrap();
        assert_eq!(month.begins().to_string(), "2026-12-01T00:00:00Z");
        assert_eq!(month.ends().to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(month.later(2).to_string(), "2027-02");
        assert_eq!(month.earlier(12).to_string(), "2025-12");
        assert_eq!(Month::of("2027-01-01T00:00:00Z".parse().unwrap()), month.later(1));
        assert_eq!(Month::of("2026-12-31T23:59:59.999999Z".parse().unwrap()), month);
        for bad in ["2026-13", "2026-00", "2026-1", "26-01", "+026-01", "2026-+1", "", "2026"] {
            assert!(bad.parse::<Month>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,12}") {
            if let Ok(month) = text.parse::<Month>() {
                prop_assert_eq!(month.to_string(), text);
            }
        }
    }
}
