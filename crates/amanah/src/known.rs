//! The protected databases as this process knows them.

use serde::{Deserialize, Serialize};
use store::Host;
use tenancy::Guarded;

use crate::kept::Kept;

/// What was written down of the protected databases at one moment, opened.
#[derive(Default)]
pub(crate) struct Known {
    /// As it was written down.
    pub(crate) kept: Vec<Kept>,
    /// Those that could be opened.
    pub(crate) guarded: Vec<Guarded>,
    /// Those that could not: name, and why.
    pub(crate) lost: Vec<(String, String)>,
}

impl Known {
    /// The same, with a database that was protected just now in place of what was known of it.
    pub(crate) fn with(&self, guarded: Guarded) -> Self {
        let mut all: Vec<Guarded> = self.others(&guarded).cloned().collect();
        let lost = self.lost.iter().filter(|(name, _)| *name != guarded.protected.name);
        let lost = lost.cloned().collect();
        all.push(guarded);
        Self { kept: self.kept.clone(), guarded: all, lost }
    }

    /// All but this one.
    pub(crate) fn others<'a>(&'a self, one: &Guarded) -> impl Iterator<Item = &'a Guarded> {
        let place = DatabaseAt::of(one);
        self.guarded.iter().filter(move |other| DatabaseAt::of(other) != place)
    }
}

/// Which database it is, by whatever login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DatabaseAt(String);

impl DatabaseAt {
    pub(crate) fn of(guarded: &Guarded) -> Self {
        let url = guarded.protected.owner.url();
        let host = match &url.host {
            Host::Tcp(name) => name.clone(),
            Host::Socket(folder) => folder.display().to_string(),
        };
        Self(format!("{host}:{}/{}", url.port, url.database))
    }
}
