//! One run of a control, and the laws that keep it honest.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What one run found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything in the population was attacked and nothing gave way.
    Holds,
    /// Something gave way.
    Broken,
    /// It cannot be told: an error, a timeout, or nothing to look at.
    Unknown,
}

impl Outcome {
    /// The word in lower case, as SQL and JSON write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
        }
    }
}

/// How much was looked at, of how much there is: "528 of 528 routes".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Population {
    /// How many were attacked or measured.
    pub checked: u64,
    /// How many there are, counted from the running system and not from our configuration.
    pub total: u64,
    /// What they are, in the plural: "tables", "routes".
    pub of: String,
}

impl Population {
    /// `checked` of `total` things called `of`.
    pub fn new(checked: usize, total: usize, of: impl Into<String>) -> Self {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Self { checked: count(checked), total: count(total), of: of.into() }
    }

    /// Nothing was looked at.
    pub fn none(of: impl Into<String>) -> Self {
        Self { checked: 0, total: 0, of: of.into() }
    }

    /// Whether there was nothing to look at.
    pub const fn is_nothing(&self) -> bool {
        self.total == 0
    }
}

impl std::fmt::Display for Population {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} {}", self.checked, self.total, self.of)
    }
}

/// One thing that gave way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The table, route or file, as its owner would name it.
    pub object: String,
    /// What happened to it, as a sentence without its full stop.
    pub what: String,
    /// What to do about it, where we know.
    pub fix: Option<String>,
}

impl Finding {
    /// `object` gave way: `what`.
    pub fn new(object: impl Into<String>, what: impl Into<String>) -> Self {
        Self { object: object.into(), what: what.into(), fix: None }
    }

    /// The same finding with advice.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.object, self.what)
    }
}

/// The result of one run. Its fields are private: a result that holds can only come from
/// [`Proof::weigh`], which refuses to call an empty or partial population proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    outcome: Outcome,
    population: Population,
    measured: String,
    threshold: String,
    observed_at: Timestamp,
    detail: String,
    findings: Vec<Finding>,
}

impl Proof {
    /// Weighs what an attack found.
    ///
    /// Broken when anything gave way. Otherwise it holds if the whole population was checked and
    /// there is one; else unknown.
    pub fn weigh(
        observed_at: Timestamp,
        population: Population,
        measured: impl Into<String>,
        threshold: impl Into<String>,
        findings: Vec<Finding>,
    ) -> Self {
        let (outcome, detail) = if !findings.is_empty() {
            (Outcome::Broken, list(&findings))
        } else if population.total == 0 {
            (Outcome::Unknown, format!("there are no {} to look at", population.of))
        } else if population.checked < population.total {
            (Outcome::Unknown, format!("only {population} could be checked"))
        } else {
            (Outcome::Holds, String::new())
        };
        let (measured, threshold) = (measured.into(), threshold.into());
        Self { outcome, population, measured, threshold, observed_at, detail, findings }
    }

    /// It cannot be told, because of `why`.
    pub fn unknown(observed_at: Timestamp, why: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Unknown,
            population: Population::none(""),
            measured: String::new(),
            threshold: String::new(),
            observed_at,
            detail: why.into(),
            findings: Vec::new(),
        }
    }

    /// A bite that was made and did not find all that it had seeded; `why` names what was missed.
    /// Such a control is blunt. Where nothing could be seeded at all it is [`Proof::unknown`], and
    /// [`Population::is_nothing`] tells the two apart, also when they are read from the evidence.
    pub fn missed(observed_at: Timestamp, seeded: Population, why: impl Into<String>) -> Self {
        Self { population: seeded, ..Self::unknown(observed_at, why) }
    }

    /// Adds a sentence that the reader should know. It never changes the outcome.
    #[must_use]
    pub fn note(mut self, note: &str) -> Self {
        if !note.is_empty() {
            if !self.detail.is_empty() {
                self.detail.push_str("; ");
            }
            self.detail.push_str(note);
        }
        self
    }

    /// What the run found.
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// How much was looked at.
    pub const fn population(&self) -> &Population {
        &self.population
    }

    /// The measured value with its unit, as text.
    pub fn measured(&self) -> &str {
        &self.measured
    }

    /// What it was compared with, as text.
    pub fn threshold(&self) -> &str {
        &self.threshold
    }

    /// When the system was in the state that the proof speaks of.
    pub const fn observed_at(&self) -> Timestamp {
        self.observed_at
    }

    /// A sentence for the reader: why it is unknown, or what gave way.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Everything that gave way.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

/// How many findings are spelled out in one line; the rest are counted.
const LISTED: usize = 5;

fn list(findings: &[Finding]) -> String {
    let mut text: Vec<String> = findings.iter().take(LISTED).map(ToString::to_string).collect();
    if findings.len() > LISTED {
        text.push(format!("and {} more", findings.len() - LISTED));
    }
    text.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weigh(checked: usize, total: usize, findings: Vec<Finding>) -> Outcome {
        let population = Population::new(checked, total, "tables");
        Proof::weigh(Timestamp::UNIX_EPOCH, population, "", "", findings).outcome()
    }

    #[test]
    fn nothing_looked_at_is_never_proven() {
        assert_eq!(weigh(0, 0, vec![]), Outcome::Unknown);
        assert_eq!(weigh(0, 3, vec![]), Outcome::Unknown);
        assert_eq!(weigh(2, 3, vec![]), Outcome::Unknown);
        assert_eq!(weigh(3, 3, vec![]), Outcome::Holds);
    }

    #[test]
    fn one_finding_breaks_it_whatever_the_population() {
        let finding = Finding::new("prices", "read by another tenant");
        assert_eq!(weigh(0, 0, vec![finding.clone()]), Outcome::Broken);
        assert_eq!(weigh(3, 3, vec![finding]), Outcome::Broken);
    }

    #[test]
    fn a_bite_that_missed_is_not_one_that_could_not_be_made() {
        let at = Timestamp::UNIX_EPOCH;
        let missed = Proof::missed(at, Population::new(2, 3, "violations"), "not found: a grant");
        let unmade = Proof::unknown(at, "no sandbox");
        assert_eq!((missed.outcome(), unmade.outcome()), (Outcome::Unknown, Outcome::Unknown));
        assert!(!missed.population().is_nothing() && unmade.population().is_nothing());
        assert_eq!(missed.detail(), "not found: a grant");
    }

    #[test]
    fn many_findings_are_counted() {
        let many = (0..7).map(|n| Finding::new(format!("t{n}"), "read")).collect();
        let proof =
            Proof::weigh(Timestamp::UNIX_EPOCH, Population::new(7, 7, "tables"), "", "", many);
        assert!(proof.detail().ends_with("t4: read; and 2 more"), "{}", proof.detail());
    }
}
