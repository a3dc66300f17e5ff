//! For how long the trail is kept, counted in months of the calendar, as its partitions are.
//!
//! It promises that a period is never counted as less than it is: so many months are taken that any so
//! many in a row are as long.

mod sealed;

use std::time::Duration;

use store::Db;

pub use crate::month::Month;
use crate::{Error, Result, sql};
pub(crate) use sealed::{PART, Rows, Sealed, is_undone, sealed};

const DAY_SECONDS: u64 = 86_400;
/// How many days the shortest so many months in a row have.
const SHORTEST: [u64; 12] = [0, 28, 59, 89, 120, 150, 181, 212, 242, 273, 303, 334];
/// The most months that a trail is kept for: a hundred years.
const MOST: u32 = 1_200;
/// SQLSTATE: there is no such table.
const NO_TABLE: &str = "42P01";

/// The least number of months of the calendar that are never shorter than `period`.
pub fn months_of(period: Duration) -> u32 {
    let days = period.as_secs().div_ceil(DAY_SECONDS);
    let long_enough = |months: &u32| {
        let (years, rest) = (u64::from(months / 12), usize::try_from(months % 12).unwrap_or(0));
        365 * years + SHORTEST.get(rest).copied().unwrap_or_default() >= days
    };
    (1..MOST).find(long_enough).unwrap_or(MOST)
}

/// For how many months each month of the trail stays in a database at least, after its end; `None` when
/// nobody has said so, and then nothing is removed.
///
/// # Errors
/// When the database has no such table yet, or refuses.
pub async fn stays(db: &Db) -> Result<Option<u32>> {
    let tx = db.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    let found = tx.query_opt(sql::STAYS, &[]).await;
    let found = found.map_err(|error| match error.sqlstate() {
        Some(NO_TABLE) => Error::NoRetention,
        _ => error.into(),
    })?;
    tx.rollback().await?;
    Ok(found.map(|row| row.get::<_, i32>(0).unsigned_abs()))
}

/// Has each month stay in a database for so many months at least. A longer time is kept: only a superuser
/// shortens it, by hand. Returns what it is then.
///
/// # Errors
/// When the database refuses; `superuser` must be one.
pub async fn lengthen(superuser: &Db, months: u32) -> Result<u32> {
    let tx = superuser.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    let months = i32::try_from(months.clamp(1, MOST)).unwrap_or(i32::MAX);
    let stays: i32 = tx.query_one(sql::LENGTHEN, &[&months]).await?.get(0);
    tx.commit().await?;
    Ok(stays.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::civil::date;
    use jiff::{Span, Timestamp};
    use kernel::{Unit, Value};
    use proptest::prelude::*;

    use super::{Month, months_of};

    fn period(text: &str) -> Duration {
        let Ok(Value::Period(period)) = Unit::Period.parse(text) else { panic!("{text}") };
        period
    }

    #[test]
    fn periods_are_months_of_the_calendar() {
        for (text, months) in [
            ("24mo", 24),
            ("5y", 60),
            ("1y", 12),
            ("100y", 1_200),
            ("720d", 24),
            ("1s", 1),
            ("1d", 1),
        ] {
            assert_eq!(months_of(period(text)), months, "{text}");
        }
        // A month of thirty days is longer than February.
        assert_eq!(months_of(period("1mo")), 2);
    }

    proptest! {
        /// Wherever so many months begin, they are as long as the period; this was promised.
        #[test]
        fn no_run_of_months_is_shorter(days in 0_u64..7_300, year in 1990_i16..2090, month in 1_i8..=12) {
            let months = months_of(Duration::from_hours(24 * days));
            let begin = date(year, month, 1);
            let end = begin.checked_add(Span::new().months(i64::from(months))).unwrap();
            let length = begin.until(end).unwrap().get_days();
            prop_assert!(u64::try_from(length).unwrap() >= days, "{months} from {begin}: {length}");
        }
    }

    #[test]
    fn a_month_is_named_as_its_partition_is() {
        let month = "2021-03".parse::<Month>().ok().unwrap();
        assert_eq!(month.partition(), "system_audit_logs_2021_03");
        assert_eq!(Month::of_partition("system_audit_logs_2021_03"), Some(month));
        assert_eq!(Month::of_partition("system_audit_logs_rest"), None);
        for bad in ["2021-3", "2021-13", "21-03", "2021_03", "+021-03", ""] {
            assert_eq!(bad.parse::<Month>().ok(), None, "{bad}");
        }
        assert_eq!(month.earlier(3).to_string(), "2020-12");
        let end: Timestamp = "2023-04-01T00:00:00Z".parse().unwrap();
        assert!(month.is_older(24, end));
        assert!(!month.is_older(24, end - Span::new().microseconds(1)));
        assert_eq!(Month::of_micros(i64::MIN), None);
    }
}
