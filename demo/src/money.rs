//! Amounts of money and margins: reading what a person typed, writing what they can read.
//!
//! An amount is a whole number of hundredths, never a binary fraction. What could mean two
//! things is refused: "18.500" is eighteen and a half for one reader, and eighteen thousand
//! five hundred for a colleague in Jakarta.

use std::fmt::{self, Display};
use std::str::FromStr;

/// The largest amount that the database keeps, `numeric(14, 2)`, in hundredths.
const MAXIMUM: i64 = 99_999_999_999_999;

/// An amount in hundredths of the tenant's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Money(pub(crate) i64);

/// Why a text is not a price; the text is for the person who typed it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum NotAPrice {
    #[error(
        "The price is not a number in a form that has one meaning only. \
         Write it as 18500, 18,500 or 18,500.50: commas for thousands, a point for decimals."
    )]
    Unclear,
    #[error("A price must be more than zero and less than 1,000,000,000,000.")]
    OutOfRange,
}

impl FromStr for Money {
    type Err = NotAPrice;

    fn from_str(text: &str) -> Result<Self, NotAPrice> {
        let text = text.trim();
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "00"));
        let hundredths = match decimals.len() {
            1 => digits(decimals)? * 10,
            2 => digits(decimals)?,
            _ => return Err(NotAPrice::Unclear),
        };
        let groups: Vec<&str> = whole.split(',').collect();
        let well_grouped = groups.first().is_some_and(|first| (1..=3).contains(&first.len()))
            && groups.iter().skip(1).all(|group| group.len() == 3);
        if groups.len() > 1 && !well_grouped {
            return Err(NotAPrice::Unclear);
        }
        let amount = digits(&groups.concat())?
            .checked_mul(100)
            .and_then(|amount| amount.checked_add(hundredths))
            .ok_or(NotAPrice::OutOfRange)?;
        if (1..=MAXIMUM).contains(&amount) { Ok(Self(amount)) } else { Err(NotAPrice::OutOfRange) }
    }
}

impl Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = (self.0 / 100).unsigned_abs().to_string();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        for (place, digit) in whole.chars().enumerate() {
            if place > 0 && (whole.len() - place).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        write!(f, ".{:02}", (self.0 % 100).unsigned_abs())
    }
}

/// A margin in percent of the price, for people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Percent(pub(crate) f64);

impl Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}%", self.0)
    }
}

/// The value, or a dash where it is not known.
pub(crate) fn or_dash<T: Display>(value: Option<&T>) -> String {
    value.map_or_else(|| "–".to_owned(), ToString::to_string)
}

/// Digits only: no sign, no space, no exponent.
fn digits(text: &str) -> Result<i64, NotAPrice> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotAPrice::Unclear);
    }
    text.parse().map_err(|_| NotAPrice::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::{Money, NotAPrice};

    #[test]
    fn a_price_is_read_in_each_form_that_has_one_meaning() {
        for (text, hundredths) in [
            ("18500", 1_850_000),
            (" 18,500 ", 1_850_000),
            ("18,500.50", 1_850_050),
            ("0.5", 50),
            ("999,999,999,999.99", 99_999_999_999_999),
        ] {
            assert_eq!(text.parse(), Ok(Money(hundredths)), "{text}");
        }
    }

    #[test]
    fn a_price_that_could_mean_two_things_is_refused() {
        for text in
            ["18.500", "18,50", "1,8500", ",500", "1.", ".5", "", "-1", "+1", "1e3", "٣", "1 000"]
        {
            assert_eq!(text.parse::<Money>(), Err(NotAPrice::Unclear), "{text}");
        }
        for text in ["0", "0.00", "1000000000000", "99999999999999999999"] {
            assert_eq!(text.parse::<Money>(), Err(NotAPrice::OutOfRange), "{text}");
        }
    }

    #[test]
    fn an_amount_is_written_as_it_can_be_read_back() {
        for hundredths in [1, 50, 99_999, 100_000, 1_850_050, 99_999_999_999_999] {
            assert_eq!(Money(hundredths).to_string().parse(), Ok(Money(hundredths)));
        }
        assert_eq!(Money(123_456_789).to_string(), "1,234,567.89");
    }
}
