//! The protected databases as this process knows them.

use std::fmt;

use kernel::Rng;
use keys::Strongbox;
use serde::{Deserialize, Serialize};
use store::{DatabaseUrl, Host};
use tenancy::Guarded;

use crate::data::Data;
use crate::ground::Ground;
use crate::kept::{self, Kept, KeptSecrets};
use crate::rotation;

/// What was written down of the protected databases at one moment, opened.
#[derive(Default)]
pub(crate) struct Known {
    /// As it was written down.
    pub(crate) kept: Vec<Kept>,
    /// Those that could be opened.
    pub(crate) guarded: Vec<Guarded>,
    /// Those that could not.
    pub(crate) lost: Vec<Lost>,
}

/// A protected database that could not be opened.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) kept: Kept,
    pub(crate) why: String,
}

impl Known {
    /// Every database that this installation protects. What was opened `before` and is as it was stays as
    /// it is. One that cannot be opened, because it was dropped, say, is no reason to leave the others.
    ///
    /// # Errors
    /// When what is written down cannot be read: nothing is known then, and nothing is lost.
    pub(crate) async fn read(
        ground: &Ground,
        data: &Data,
        strongbox: &Strongbox,
        rng: &dyn Rng,
        before: &Self,
    ) -> anyhow::Result<Self> {
        kept::take_in(data, strongbox).await?;
        let mut known = Self { kept: kept::all(data)?, ..Self::default() };
        for kept in &known.kept {
            let opened = match kept.secrets(strongbox).await {
                Ok(Some(secrets)) => match before.opened(kept, &secrets) {
                    Some(guarded) => Ok(guarded.clone()),
                    None => kept.open_with(secrets, ground, data, strongbox, rng).await,
                },
                Ok(None) => Err(anyhow::anyhow!(kept.lost())),
                // A control database that is away for a moment says nothing about this one.
                Err(error) if kept::is_away(&error) => return Err(error),
                Err(error) => Err(error),
            };
            match opened {
                Ok(one) => known.guarded.push(one),
                Err(error) => {
                    let lost = Lost { kept: kept.clone(), why: format!("{error:#}") };
                    if !before.lost.contains(&lost) {
                        let (database, why) = (&kept.database, &lost.why);
                        tracing::warn!(database, why, "a database could not be opened");
                    }
                    known.lost.push(lost);
                }
            }
        }
        Ok(known)
    }

    /// The same, with a database that was protected just now in place of what was known of it.
    pub(crate) fn with(&self, kept: Kept, guarded: Guarded) -> Self {
        let mut all: Vec<Guarded> = self.others(&guarded).cloned().collect();
        let lost = self.lost.iter().filter(|one| !one.kept.is_at(&kept)).cloned().collect();
        let others = self.kept.iter().filter(|one| !one.is_at(&kept));
        let mut written: Vec<Kept> = others.cloned().collect();
        written.push(kept);
        all.push(guarded);
        Self { kept: written, guarded: all, lost }
    }

    /// All but this one.
    pub(crate) fn others<'a>(&'a self, one: &Guarded) -> impl Iterator<Item = &'a Guarded> {
        let place = DatabaseAt::of(one);
        self.guarded.iter().filter(move |other| DatabaseAt::of(other) != place)
    }

    /// Whether these are written down now.
    pub(crate) fn is_of(&self, now: &[Kept]) -> bool {
        are_same(&self.kept, now)
    }

    /// What was opened of a database that is written down like this, with these secrets.
    pub(crate) fn opened(&self, kept: &Kept, secrets: &KeptSecrets) -> Option<&Guarded> {
        let guarded = rotation::find(&self.guarded, &secrets.keys)?;
        let same_superuser = kept.address.is_none()
            || secrets.superuser.is_some() == guarded.protected.superuser.is_some();
        (self.kept.contains(kept) && same_superuser).then_some(guarded)
    }
}

/// Whether both are the same, in whatever order.
pub(crate) fn are_same(before: &[Kept], now: &[Kept]) -> bool {
    before.len() == now.len() && now.iter().all(|kept| before.contains(kept))
}

/// Which database it is, by whatever login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DatabaseAt(String);

impl DatabaseAt {
    pub(crate) fn of(guarded: &Guarded) -> Self {
        Self::at(guarded.protected.owner.url())
    }

    /// Server and database.
    pub(crate) fn at(url: &DatabaseUrl) -> Self {
        let host = match &url.host {
            Host::Tcp(name) => name.clone(),
            Host::Socket(folder) => folder.display().to_string(),
        };
        Self(format!("{host}:{}/{}", url.port, url.database))
    }
}

impl fmt::Display for DatabaseAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
