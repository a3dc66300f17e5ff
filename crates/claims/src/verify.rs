//! Runs the controls of whole pages once, for somebody who waits for the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::SignedDuration;
use kernel::{Outcome, Params, Verdict};

use crate::document::Page;
use crate::engine::Engine;
use crate::evidence::{Key, Record, Run, VERSION};
use crate::report::Report;
use crate::standing::keys;
use crate::verdict::BITE_EVERY;
use crate::{Error, Result};

/// How many controls run at once.
pub(crate) const AT_ONCE: usize = 2;

/// Which claims are meant: ids, in which `*` stands for any characters. Without any, all are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter(pub Vec<String>);

impl Filter {
    /// Whether `id` is meant.
    pub fn matches(&self, id: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| glob(pattern, id))
    }
}

/// How far a verification has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress<'a> {
    /// How many runs have ended.
    pub done: usize,
    /// How many runs there are.
    pub total: usize,
    /// The run that this is about.
    pub key: &'a Key,
    /// What it found; `None` when it has just begun.
    pub outcome: Option<Outcome>,
}

/// Hears of each run's beginning and end.
pub type Listener<'a> = &'a (dyn Fn(&Progress<'_>) + Send + Sync);

impl Engine {
    /// Proves every promise of `pages` that `filter` means and that has a control, and runs the
    /// bites: all of them when `bite` is set, otherwise those that are missing, too old, blunt, or
    /// from another version. Returns one report for each page that has such a promise; with a
    /// filter, a report holds only the promises that were meant.
    ///
    /// # Errors
    /// When the filter means no promise of any page, and when the evidence cannot be stored or
    /// read: what was proven before that stays stored.
    pub async fn verify(
        &self,
        pages: &[Arc<Page>],
        filter: &Filter,
        bite: bool,
        listener: Listener<'_>,
    ) -> Result<Vec<Report>> {
        let mut runs = self.proofs(pages, filter);
        let meant = pages.iter().flat_map(|page| &page.pledges);
        if !filter.0.is_empty() && !meant.clone().any(|p| filter.matches(p.promise.id)) {
            return Err(Error::NoMatch(filter.0.join(", ")));
        }
        let claims: BTreeSet<String> = runs.keys().map(|key| key.claim.clone()).collect();
        let bites = if bite {
            claims.into_iter().map(bite_of).collect()
        } else {
            self.missing_bites(claims).await?
        };
        runs.extend(bites.into_iter().map(|key| (key, Params::none())));
        self.run_all(runs, listener).await?;
        let mut reports = Vec::new();
        for page in pages {
            let mut report = self.report(page, None).await?;
            report.claims.retain(|claim| filter.matches(&claim.id));
            report.verdict = Verdict::worst(report.claims.iter().map(|claim| claim.verdict));
            if filter.0.is_empty() || !report.claims.is_empty() {
                reports.push(report);
            }
        }
        Ok(reports)
    }

    /// What is to be proven for `pages`, each once however many pages promise it.
    pub(crate) fn proofs(&self, pages: &[Arc<Page>], filter: &Filter) -> BTreeMap<Key, Params> {
        let pledges = pages.iter().flat_map(|page| &page.pledges);
        pledges
            .filter(|pledge| filter.matches(pledge.promise.id))
            .filter(|pledge| self.control(pledge.promise.id).is_some())
            .map(|pledge| (keys(pledge).0, pledge.params.clone()))
            .collect()
    }

    async fn missing_bites(&self, claims: impl IntoIterator<Item = String>) -> Result<Vec<Key>> {
        let keys: Vec<Key> = claims.into_iter().map(bite_of).collect();
        let latest = self.inner.evidence.latest(&keys, None).await?;
        let good = |key: &Key| latest.get(key).is_some_and(|record| self.is_sharp(record));
        Ok(keys.into_iter().filter(|key| !good(key)).collect())
    }

    /// Whether the last bite still counts, and need not be run again yet.
    pub(crate) fn is_sharp(&self, bite: &Record) -> bool {
        let now = self.inner.cx.clock.now();
        let age = now.duration_since(bite.mark.observed_at);
        bite.mark.outcome == Outcome::Broken
            && bite.mark.version == VERSION
            && age >= SignedDuration::ZERO
            && age < SignedDuration::try_from(BITE_EVERY).unwrap_or(SignedDuration::ZERO)
    }

    /// Runs `runs`, a few at a time, until the first that cannot be stored.
    async fn run_all(&self, runs: BTreeMap<Key, Params>, listener: Listener<'_>) -> Result<()> {
        let total = runs.len();
        let done = &AtomicUsize::new(0);
        let tell = |key: &Key, outcome: Option<Outcome>| {
            listener(&Progress { done: done.load(Ordering::Relaxed), total, key, outcome });
        };
        let tell = &tell;
        let jobs = runs.into_iter().map(|(key, params)| async move {
            tell(&key, None);
            let record = self.run(&key, &params).await?;
            done.fetch_add(1, Ordering::Relaxed);
            tell(&key, Some(record.mark.outcome));
            Ok(())
        });
        let jobs = stream::iter(jobs).buffer_unordered(AT_ONCE);
        jobs.try_collect().await
    }

    pub(crate) async fn run(&self, key: &Key, params: &Params) -> Result<Arc<Record>> {
        match key.run {
            Run::Proof => self.prove(&key.claim, params).await,
            Run::Bite => self.bite(&key.claim).await,
        }
    }
}

pub(crate) fn bite_of(claim: String) -> Key {
    Key { claim, params: String::new(), run: Run::Bite }
}

/// Whether `text` is `pattern`, in which `*` stands for any characters.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let end = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match text.split_once(piece) {
            Some((_, tail)) => text = tail,
            None => return false,
        }
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::Filter;

    #[test]
    fn a_star_stands_for_anything() {
        let matches = |pattern: &str, id| Filter(vec![pattern.to_owned()]).matches(id);
        for (pattern, id, expected) in [
            ("isolation.rows", "isolation.rows", true),
            ("isolation.row", "isolation.rows", false),
            ("isolation.*", "isolation.rows", true),
            ("isolation.*", "audit.hash", false),
            ("*", "audit.hash", true),
            ("*.rows", "isolation.rows", true),
            ("i*.*s", "isolation.rows", true),
            ("rows*rows", "rows", false),
            ("", "audit.hash", false),
        ] {
            assert_eq!(matches(pattern, id), expected, "{pattern} {id}");
        }
        assert!(Filter::default().matches("audit.hash"));
    }
}
