//! Values with units, as a claim's parameters carry them: `24h`, `2bd`, `90`, `1.3`.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// The longest value of a parameter, in bytes.
pub const MAX_VALUE_BYTES: usize = 256;
/// The longest period that a page can promise: a hundred years.
const MAX_PERIOD_SECONDS: u64 = 100 * YEAR;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// A month in a promise about retention or cadence is thirty days.
const MONTH: u64 = 30 * DAY;
/// A year in a promise is 365 days.
const YEAR: u64 = 365 * DAY;

/// What kind of value a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A whole number of `s`, `m` (minutes), `h`, `d`, `mo` (30 days) or `y` (365 days).
    Period,
    /// A whole number of business days, `bd`.
    BusinessDays,
    /// A whole number without a unit.
    Count,
    /// A whole number from 0 to 100, without the sign.
    Percent,
    /// Two numbers with a dot between: `1.3`.
    Version,
    /// A word of letters, digits and `-_.:`.
    Word,
    /// Words with commas between.
    Words,
    /// Any text.
    Text,
}

impl Unit {
    /// What to write, for error messages.
    pub const fn shape(self) -> &'static str {
        match self {
            Self::Period => "a period such as 15s, 5m, 24h, 90d, 24mo or 5y",
            Self::BusinessDays => "business days such as 2bd",
            Self::Count => "a whole number such as 528",
            Self::Percent => "a percentage from 0 to 100, without the sign",
            Self::Version => "a version such as 1.3",
            Self::Word => "one word",
            Self::Words => "words with commas between",
            Self::Text => "a text",
        }
    }

    /// Reads `text` as a value of this unit.
    ///
    /// # Errors
    /// When it is not one, or is out of bounds.
    pub fn parse(self, text: &str) -> Result<Value, UnitError> {
        let wrong = || UnitError { text: text.to_owned(), wanted: self };
        if text.is_empty() || text.len() > MAX_VALUE_BYTES || text.chars().any(char::is_control) {
            return Err(wrong());
        }
        let value = match self {
            Self::Period => period(text).map(Value::Period),
            Self::BusinessDays => text.strip_suffix("bd").and_then(number).map(Value::BusinessDays),
            Self::Count => number(text).map(Value::Count),
            Self::Percent => number(text).filter(|n| *n <= 100).map(Value::Percent),
            Self::Version => version(text),
            Self::Word => is_word(text).then(|| Value::Text(text.to_owned())),
            Self::Words => text
                .split(',')
                .all(is_word)
                .then(|| Value::Words(text.split(',').map(str::to_owned).collect())),
            Self::Text => Some(Value::Text(text.to_owned())),
        };
        value.ok_or_else(wrong)
    }
}

/// A checked value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A length of time.
    Period(Duration),
    /// Business days.
    BusinessDays(u64),
    /// How many.
    Count(u64),
    /// 0 to 100.
    Percent(u64),
    /// Major and minor.
    Version(u64, u64),
    /// A word or a text.
    Text(String),
    /// Several words, in the order written.
    Words(Vec<String>),
}

/// A value that does not fit its parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitError {
    text: String,
    wanted: Unit,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.text.chars().take(40).collect();
        write!(f, "`{}` is not {}", shown.escape_debug(), self.wanted.shape())
    }
}

impl std::error::Error for UnitError {}

fn number(text: &str) -> Option<u64> {
    // `parse` would also take a leading plus sign.
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn period(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at_checked(digits)?;
    let seconds = match unit {
        "s" => 1,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        "mo" => MONTH,
        "y" => YEAR,
        _ => return None,
    };
    let total = number(count)?.checked_mul(seconds)?;
    (total <= MAX_PERIOD_SECONDS).then(|| Duration::from_secs(total))
}

fn version(text: &str) -> Option<Value> {
    let (major, minor) = text.split_once('.')?;
    Some(Value::Version(number(major)?, number(minor)?))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_.:".contains(c))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Unit, Value};

    #[test]
    fn periods_have_units() {
        let day = Unit::Period.parse("24h").unwrap();
        assert_eq!(day, Value::Period(Duration::from_hours(24)));
        assert_eq!(day, Unit::Period.parse("1d").unwrap());
        for bad in
            ["24", "h", "24 h", "+24h", "-1h", "24H", "1e9y", "101y", "99999999999999999999s"]
        {
            assert!(Unit::Period.parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_error_names_the_shape() {
        let error = Unit::Percent.parse("101").unwrap_err().to_string();
        assert_eq!(error, "`101` is not a percentage from 0 to 100, without the sign");
    }

    proptest! {
        #[test]
        fn no_input_panics(text in ".{0,300}") {
            for unit in [Unit::Period, Unit::BusinessDays, Unit::Count, Unit::Percent,
                         Unit::Version, Unit::Word, Unit::Words, Unit::Text] {
                let _ = unit.parse(&text);
            }
        }
    }
}
