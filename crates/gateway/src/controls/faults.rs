//! What a bite has found of the faults that it seeded. One that was overlooked says that the proof does not
//! see it, so that nothing is proven by the rest.

use jiff::Timestamp;
use kernel::{Finding, Population, Proof};

/// The faults of one bite, as they were looked for one after the other.
#[derive(Default)]
pub(super) struct Faults {
    found: Vec<Finding>,
    overlooked: Vec<String>,
}

impl Faults {
    /// Notes a fault, with how it was found if it was.
    pub(super) fn note(&mut self, name: &str, found: Option<String>) {
        match found {
            Some(how) => self.found.push(Finding::new(name, how)),
            None => self.overlooked.push(name.to_owned()),
        }
    }

    /// What that says; `of` names the faults, as in "faults of a policy".
    pub(super) fn weigh(self, observed_at: Timestamp, of: &str) -> Proof {
        let Self { found, overlooked } = self;
        let (seen, all) = (found.len(), found.len() + overlooked.len());
        let population = Population::new(seen, all, of);
        if !overlooked.is_empty() {
            let names = overlooked.join(", ");
            let why = format!("not found: {names}; the proof does not see them");
            return Proof::missed(observed_at, population, why);
        }
        let measured = format!("{seen} of {all} faults found");
        Proof::weigh(observed_at, population, measured, format!("{all} of {all}"), found)
    }
}
