//! What `[trail.review]` says: at which hours writing is usual.

use audit::review::Hours;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Words")]
pub(crate) struct Review {
    pub(crate) hours: Hours,
}

/// As it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    hours: String,
    zone: String,
    weekend: Vec<String>,
}

impl TryFrom<Words> for Review {
    type Error = String;

    fn try_from(Words { hours, zone, weekend }: Words) -> Result<Self, String> {
        let hours = Hours::new(&hours, &zone, &weekend);
        Ok(Self { hours: hours.map_err(|why| format!("trail.review: {why}"))? })
    }
}

#[cfg(test)]
mod tests {
    use super::Review;

    #[test]
    fn hours_are_read_or_the_error_says_what_to_write() {
        let read = |text: &str| toml::from_str::<Review>(text);
        let good = "hours = \"07:00-19:00\"\nzone = \"Asia/Jakarta\"\nweekend = [\"friday\"]";
        let words = "07:00-19:00 in Asia/Jakarta, but not on friday";
        assert_eq!(read(good).unwrap().hours.words(), words);
        let error = read("hours = \"7-19\"\nzone = \"UTC\"\nweekend = []").unwrap_err();
        assert!(error.to_string().contains("trail.review: hours: `7-19`"), "{error}");
        assert!(read(&format!("{good}\ndays = 5")).is_err());
    }
}
