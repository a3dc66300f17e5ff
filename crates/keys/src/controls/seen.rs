//! What a proof and a bite have seen, and what follows from it.

use jiff::Timestamp;
use kernel::{Finding, Population, Proof};

/// How many reasons are spelled out; the rest are counted.
const LISTED: usize = 5;

/// What was looked at.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What was found in order, in words.
    pub(super) goods: Vec<String>,
    pub(super) findings: Vec<Finding>,
    /// What could not be checked, and why.
    pub(super) opens: Vec<String>,
    /// What the reader should know.
    pub(super) notes: Vec<String>,
    /// How many were checked, and how many there are.
    checked: usize,
    total: usize,
}

impl Seen {
    /// One more was checked.
    pub(super) fn good(&mut self, words: impl Into<String>) {
        self.count(1);
        self.goods.push(words.into());
    }

    /// `checked` more were checked, with nothing to say of each.
    pub(super) fn count(&mut self, checked: usize) {
        self.checked += checked;
        self.total += checked;
    }

    /// One more gave way.
    pub(super) fn bad(&mut self, finding: Finding) {
        self.count(1);
        self.findings.push(finding);
    }

    /// One more could not be checked.
    pub(super) fn open(&mut self, why: impl Into<String>) {
        self.total += 1;
        self.opens.push(why.into());
    }

    /// Whether there was something to look at.
    pub(super) const fn has_any(&self) -> bool {
        self.total > 0
    }

    /// Whether there was something, all of it was checked, and nothing gave way.
    pub(super) fn is_whole(&self) -> bool {
        self.total > 0 && self.opens.is_empty() && self.findings.is_empty()
    }

    /// What is wrong, in one line.
    pub(super) fn words(&self) -> String {
        let findings = self.findings.iter().map(ToString::to_string);
        findings.chain(self.opens.iter().cloned()).collect::<Vec<_>>().join("; ")
    }

    /// The same, told apart from other places.
    pub(super) fn at(mut self, place: &str) -> Self {
        for finding in &mut self.findings {
            finding.object = format!("{place}: {}", finding.object);
        }
        for line in self.opens.iter_mut().chain(&mut self.notes) {
            *line = format!("{place}: {line}");
        }
        self
    }

    /// Adds what was seen elsewhere.
    pub(super) fn add(&mut self, other: Self) {
        self.goods.extend(other.goods);
        self.findings.extend(other.findings);
        self.opens.extend(other.opens);
        self.notes.extend(other.notes);
        self.checked += other.checked;
        self.total += other.total;
    }

    /// Weighs it. `of` says what was looked at, in the plural.
    pub(super) fn proof(self, at: Timestamp, of: &str, threshold: &str) -> Proof {
        let measured = match self.goods.as_slice() {
            [] => format!("{} in order", self.checked.saturating_sub(self.findings.len())),
            goods => listed(goods),
        };
        let population = Population::new(self.checked, self.total, of);
        let proof = Proof::weigh(at, population, measured, threshold, self.findings);
        let proof = proof.note(&listed(&self.opens));
        self.notes.iter().fold(proof, |proof, note| proof.note(note))
    }
}

fn listed(lines: &[String]) -> String {
    let text = lines.iter().take(LISTED).cloned().collect::<Vec<_>>().join("; ");
    match lines.len().saturating_sub(LISTED) {
        0 => text,
        more => format!("{text}; and {more} more"),
    }
}

/// What came of seeded violations.
#[derive(Debug, Default)]
pub(super) struct Bitten {
    /// The finding that gave each one away.
    pub(super) found: Vec<Finding>,
    /// Those that were not found.
    pub(super) missed: Vec<String>,
}

impl Bitten {
    /// Adds the violation called `name`, with the finding that gave it away.
    pub(super) fn add(&mut self, name: &str, finding: Option<Finding>) {
        match finding {
            Some(finding) => self.found.push(finding),
            None => self.missed.push(name.to_owned()),
        }
    }

    /// Broken only when every violation was found.
    pub(super) fn proof(self, at: Timestamp) -> Proof {
        let total = self.found.len() + self.missed.len();
        let population = Population::new(self.found.len(), total, "seeded violations");
        if !self.missed.is_empty() || total == 0 {
            let why = format!("not found: {}", self.missed.join("; "));
            return Proof::missed(at, population, why);
        }
        let measured = format!("{total} of {total} found");
        Proof::weigh(at, population, measured, "all found", self.found)
    }
}
