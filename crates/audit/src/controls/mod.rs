//! What this room can prove.

mod append_only;
mod triggers;

use std::sync::Arc;

use jiff::Timestamp;
use kernel::{Binder, Control, Finding, Population, Proof};
use store::Protected;

use append_only::AppendOnly;
use triggers::Triggers;

/// Gives the binder of the database with a name: a binding is good in one database alone, and a
/// sandbox is another one.
pub type Binders = Arc<dyn Fn(&str) -> Arc<dyn Binder> + Send + Sync>;

/// A protected database that the controls watch.
#[derive(Clone)]
pub struct Watched {
    /// The database and the logins of its proofs.
    pub protected: Protected,
    /// Who mints bindings for it and for its sandboxes.
    pub binders: Binders,
}

impl Watched {
    fn binder(&self, database: &str) -> Arc<dyn Binder> {
        (self.binders)(database)
    }
}

/// Every control of this room over `databases`. With none, each of them is unknown.
pub fn controls(databases: Vec<Watched>) -> Vec<Arc<dyn Control>> {
    let databases: Arc<[Watched]> = databases.into();
    vec![
        Arc::new(AppendOnly { databases: Arc::clone(&databases) }),
        Arc::new(Triggers { databases }),
    ]
}

const NO_DATABASE: &str = "no database is protected; run `amanah protect`";

/// What was looked at in one or more databases.
#[derive(Debug, Default)]
struct Ledger {
    checked: usize,
    total: usize,
    findings: Vec<Finding>,
    // What could not be checked, and why.
    open: Vec<String>,
    // What the reader should know.
    notes: Vec<String>,
}

/// How many reasons are spelled out.
const LISTED: usize = 3;

impl Ledger {
    fn add(&mut self, other: Self) {
        self.checked += other.checked;
        self.total += other.total;
        self.findings.extend(other.findings);
        self.open.extend(other.open);
        for note in other.notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    fn proof(self, at: Timestamp, of: &str, measured: &str, threshold: &str) -> Proof {
        let population = Population::new(self.checked, self.total, of);
        let proof = Proof::weigh(at, population, measured, threshold, self.findings);
        let proof = self.open.iter().take(LISTED).fold(proof, |p, why| p.note(why));
        self.notes.iter().fold(proof, |p, note| p.note(note))
    }
}

/// One violation to be seeded in a sandbox.
struct Violation {
    /// What it is, as a noun: "a grant to the application".
    name: &'static str,
    /// Seeds it.
    seed: String,
    /// Takes it away again.
    undo: String,
}

/// What came of the violations.
struct Bitten {
    /// The finding that gave each one away.
    found: Vec<Finding>,
    /// Those that were not found, or could not be seeded.
    missed: Vec<String>,
}

impl Bitten {
    /// Broken only when every violation was found.
    fn proof(self, at: Timestamp) -> Proof {
        let total = self.found.len() + self.missed.len();
        if !self.missed.is_empty() || total == 0 {
            let why = format!("these seeded violations were not found: {}", self.missed.join("; "));
            return Proof::unknown(at, why);
        }
        let population = Population::new(self.found.len(), total, "seeded violations");
        let measured = format!("{total} found");
        Proof::weigh(at, population, measured, "all found", self.found)
    }
}

/// The first finding that was not there before the violation.
fn news(before: &[Finding], after: Vec<Finding>) -> Option<Finding> {
    after.into_iter().find(|finding| !before.contains(finding))
}
