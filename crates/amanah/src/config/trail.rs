//! What `[trail]` says: where the logs of the trails lie, who watches over them, where copies go, and
//! how long all of it is kept.

use audit::retention::months_of;
use kernel::{Unit, Value};
use serde::Deserialize;

use super::keys::S3;
use super::review::Review;
use super::witnesses::Witnesses;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trail {
    pub(crate) log: String,
    pub(crate) s3: S3,
    pub(crate) witnesses: Witnesses,
    pub(crate) offsite: String,
    pub(crate) offsite_s3: S3,
    pub(crate) review: Review,
    /// How long anything of a trail is kept, at least.
    pub(crate) keep: Months,
    /// How long each month stays in its database at least, where there is an archive.
    pub(crate) online: Months,
    pub(crate) archive: String,
    pub(crate) archive_s3: S3,
}

impl Trail {
    /// For how many months each month stays in its database, at least.
    pub(crate) const fn stays(&self) -> u32 {
        if self.archive.is_empty() { self.keep.0 } else { self.online.0 }
    }

    /// # Errors
    /// When a month would stay in the database for longer than anything is kept.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.online <= self.keep {
            return Ok(());
        }
        Err("trail.online is longer than trail.keep: a month stays in the database for no longer than \
             anything of a trail is kept"
            .to_owned())
    }
}

/// A length of time such as `5y`, in months of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Months(pub(crate) u32);

impl TryFrom<String> for Months {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match Unit::Period.parse(&text).map_err(|error| error.to_string())? {
            Value::Period(period) if !period.is_zero() => Ok(Self(months_of(period))),
            _ => Err(format!("`{text}` is no time at all")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::Months;

    #[test]
    fn months_are_read_and_nonsense_is_refused() {
        assert_eq!(Config::load(None).unwrap().trail.keep, Months(60));
        for (text, months) in [("24mo", 24), ("5y", 60), ("1h", 1)] {
            assert_eq!(Months::try_from(text.to_owned()).unwrap(), Months(months));
        }
        let default = Config::load(None).unwrap().trail;
        assert_eq!(
            (default.online, default.stays()),
            (Months(24), 60),
            "without an archive all stays"
        );
        let with = |text: &str| {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("amanah.toml");
            std::fs::write(&file, text).unwrap();
            Config::load(Some(&file))
        };
        assert_eq!(with("[trail]\narchive = \"/mnt/old\"").unwrap().trail.stays(), 24);
        let short = with("[trail]\nkeep = \"1y\"").unwrap_err();
        assert!(format!("{short:#}").contains("trail.online is longer"), "{short:#}");
        for bad in ["", "5", "-1y", "5 y", "0y", "five years", "24MO", "1e3y"] {
            assert!(Months::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
