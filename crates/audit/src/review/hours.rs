//! The hours at which writing is usual.

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

/// The hours of a day in a zone, on the days that are no weekend.
#[derive(Debug, Clone)]
pub struct Hours {
    /// Minutes of the day, from and until before; they may go over midnight.
    from: u16,
    to: u16,
    zone: TimeZone,
    weekend: Vec<Weekday>,
    words: String,
}

/// The minutes of a day.
const DAY: u16 = 24 * 60;

impl Hours {
    /// `hours` as `07:00-19:00`, `zone` as `Asia/Jakarta`, `weekend` as names of days.
    ///
    /// # Errors
    /// When one of them cannot be read; the text says which, and what to write.
    pub fn new(hours: &str, zone: &str, weekend: &[String]) -> Result<Self, String> {
        let wrong = || format!("hours: `{}` is not written 07:00-19:00", hours.escape_debug());
        let (from, to) = hours.split_once('-').ok_or_else(wrong)?;
        let (from, to) = (minutes(from).ok_or_else(wrong)?, minutes(to).ok_or_else(wrong)?);
        if from == to {
            return Err(format!("hours: {hours} has no length; the whole day is 00:00-24:00"));
        }
        let found = TimeZone::get(zone).map_err(|_| {
            let named = zone.escape_debug();
            format!("zone: `{named}` is no time zone of this system; write UTC or Asia/Jakarta")
        })?;
        let days: Option<Vec<Weekday>> = weekend.iter().map(|day| weekday(day)).collect();
        let days = days.ok_or("weekend: write days as [\"saturday\", \"sunday\"]")?;
        let without = match weekend {
            [] => String::new(),
            days => format!(", but not on {}", days.join(" and ")),
        };
        let words = format!("{hours} in {zone}{without}");
        Ok(Self { from, to, zone: found, weekend: days, words })
    }

    /// Whether nobody is expected to write then.
    pub fn is_unusual(&self, at: Timestamp) -> bool {
        let there = at.to_zoned(self.zone.clone());
        let time = there.time();
        let minute = u16::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute()));
        let minute = minute.unwrap_or_default();
        let usual = if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        };
        !usual || self.weekend.contains(&there.weekday())
    }

    /// Which hours, in words.
    pub fn words(&self) -> &str {
        &self.words
    }
}

/// A time of the day as minutes; 24:00 is its end.
fn minutes(text: &str) -> Option<u16> {
    let text = text.trim();
    if text == "24:00" {
        return Some(DAY);
    }
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| (text.len() == 2).then(|| text.parse::<i8>().ok()).flatten();
    let time = Time::new(number(hour)?, number(minute)?, 0, 0).ok()?;
    u16::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).ok()
}

fn weekday(name: &str) -> Option<Weekday> {
    Some(match name {
        "monday" => Weekday::Monday,
        "tuesday" => Weekday::Tuesday,
        "wednesday" => Weekday::Wednesday,
        "thursday" => Weekday::Thursday,
        "friday" => Weekday::Friday,
        "saturday" => Weekday::Saturday,
        "sunday" => Weekday::Sunday,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::Hours;

    fn unusual(hours: &str, zone: &str, weekend: &[&str], at: &str) -> bool {
        let weekend: Vec<String> = weekend.iter().map(|&day| day.to_owned()).collect();
        Hours::new(hours, zone, &weekend).unwrap().is_unusual(at.parse().unwrap())
    }

    #[test]
    fn hours_are_those_of_the_zone_and_a_weekend_has_none() {
        // A Monday. Jakarta is seven hours ahead.
        for (at, expected) in [
            ("2026-11-02T00:00:00Z", false),
            ("2026-11-01T23:59:59Z", true),
            ("2026-11-02T11:59:59Z", false),
            ("2026-11-02T12:00:00Z", true),
        ] {
            let seen = unusual("07:00-19:00", "Asia/Jakarta", &["saturday", "sunday"], at);
            assert_eq!(seen, expected, "{at}");
        }
        // Sunday evening in UTC is Monday in Jakarta.
        assert!(!unusual("00:00-24:00", "Asia/Jakarta", &["sunday"], "2026-11-01T20:00:00Z"));
        assert!(unusual("00:00-24:00", "UTC", &["sunday"], "2026-11-01T20:00:00Z"));
        assert!(!unusual("22:00-06:00", "UTC", &[], "2026-11-02T23:00:00Z"));
        assert!(!unusual("22:00-06:00", "UTC", &[], "2026-11-02T05:59:00Z"));
        assert!(unusual("22:00-06:00", "UTC", &[], "2026-11-02T06:00:00Z"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error =
            |hours, zone, day: &str| Hours::new(hours, zone, &[day.to_owned()]).unwrap_err();
        assert!(error("7-19", "UTC", "sunday").contains("07:00-19:00"));
        assert!(error("07:00-07:00", "UTC", "sunday").contains("no length"));
        assert!(error("07:60-19:00", "UTC", "sunday").contains("07:00-19:00"));
        assert!(error("07:00-19:00", "Mars/Base", "sunday").contains("no time zone"));
        assert!(error("07:00-19:00", "UTC", "Minggu").contains("saturday"));
    }
}
