//! What `[binding]` says: when the keys of bindings are rotated.

use jiff::SignedDuration;
use kernel::{Unit, Value};
use serde::Deserialize;

use super::keys::period;
use crate::rotation::Rhythm;

/// A shorter overlap would end a proof that is under way with its key.
const SHORTEST_OVERLAP: SignedDuration = SignedDuration::from_mins(5);
/// A longer one would keep a key that was rotated because somebody had seen it.
const LONGEST_OVERLAP: SignedDuration = SignedDuration::from_hours(24);

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Binding {
    rotate: Age,
    overlap: Overlap,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Age(SignedDuration);

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Overlap(SignedDuration);

impl Binding {
    /// When keys are rotated, and how long the one before is honoured.
    pub(crate) const fn rhythm(self) -> Rhythm {
        Rhythm { rotate: self.rotate.0, overlap: self.overlap.0 }
    }
}

impl TryFrom<String> for Age {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let age = period(&text)?;
        if age <= LONGEST_OVERLAP {
            return Err(format!("`{text}` is too short: a day is the longest overlap"));
        }
        Ok(Self(age))
    }
}

impl TryFrom<String> for Overlap {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = Unit::Period.parse(&text).map_err(|error| error.to_string())?;
        let Value::Period(overlap) = parsed else {
            return Err(format!("`{text}` is no length of time"));
        };
        let overlap = SignedDuration::try_from(overlap).map_err(|error| error.to_string())?;
        if !(SHORTEST_OVERLAP..=LONGEST_OVERLAP).contains(&overlap) {
            return Err(format!("`{text}` is not from 5m to 24h"));
        }
        Ok(Self(overlap))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::{Age, Overlap};

    #[test]
    fn an_overlap_is_neither_shorter_than_a_proof_nor_longer_than_a_key() {
        let overlap = |text: &str| Overlap::try_from(text.to_owned()).map(|Overlap(time)| time);
        assert_eq!(overlap("10m"), Ok(SignedDuration::from_mins(10)));
        for bad in ["1m", "25h", "", "soon"] {
            assert!(overlap(bad).is_err(), "{bad}");
        }
        assert!(Age::try_from("30d".to_owned()).is_ok());
        assert!(Age::try_from("24h".to_owned()).is_err());
    }
}
