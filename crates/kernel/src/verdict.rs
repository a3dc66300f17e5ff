//! The words a reader of the page sees.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What can be said of a claim, worst first: a claim has the worst of its proofs, so the order of
/// the variants is the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// An attack got through, or a measurement is past its threshold.
    Failing,
    /// Nothing can be said: not built, not run, an error, or its bite did not bite.
    Unknown,
    /// It was proven, but too long ago.
    Stale,
    /// A person vouches for it with a dated document.
    Attested,
    /// The attack was run in time and did not get through.
    Proven,
}

impl Verdict {
    /// Every verdict, worst first.
    pub const ALL: [Self; 5] =
        [Self::Failing, Self::Unknown, Self::Stale, Self::Attested, Self::Proven];

    /// The word in lower case, as JSON and metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Unknown => "unknown",
            Self::Stale => "stale",
            Self::Attested => "attested",
            Self::Proven => "proven",
        }
    }

    /// The worst of several verdicts; unknown when there is none, since nothing was looked at.
    pub fn worst(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().min().unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict;

    #[test]
    fn the_worst_wins_and_nothing_is_unknown() {
        assert_eq!(Verdict::worst([Verdict::Proven, Verdict::Stale]), Verdict::Stale);
        assert_eq!(Verdict::worst(Verdict::ALL), Verdict::Failing);
        assert_eq!(Verdict::worst([]), Verdict::Unknown);
    }
}
