//! Contents go from the archive too, once the log says that they do.
//!
//! It promises that a file is the former one or the new one, whole and proven, whatever ends the work in
//! between; that only a row goes which has the hash that was sealed for it; and that what is done again does
//! nothing. What a place keeps of former versions stays there.

use std::collections::BTreeMap;

use tlog::Verifier;

use super::Archive;
use super::piece::{Piece, origin};
use crate::retention::{Month, PART};
use crate::{Error, Result};

/// A row whose content is to go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The number of its entry.
    pub(crate) index: u64,
    /// In which month it was written.
    pub(crate) month: Month,
    /// The hash that was sealed for it.
    pub(crate) row_hash: &'a [u8],
}

/// What became of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its content is gone.
    Gone,
    /// The archive has no such row.
    Absent,
    /// It is there, or may be; and why it stays.
    Stays(String),
}

impl Archive {
    /// Takes contents out, and says what became of each.
    ///
    /// # Errors
    /// When the place cannot be read or written; the files are whole, and it is done again.
    pub(crate) async fn erase(
        &self,
        keys: &[Verifier],
        wanted: &[Wanted<'_>],
    ) -> Result<Vec<Outcome>> {
        let mut outcomes = vec![Outcome::Absent; wanted.len()];
        let mut months: BTreeMap<Month, Vec<usize>> = BTreeMap::new();
        for (n, one) in wanted.iter().enumerate() {
            months.entry(one.month).or_default().push(n);
        }
        let mut files: BTreeMap<(Month, u64), Vec<usize>> = BTreeMap::new();
        let mut say = |rows: &[usize], outcome: &Outcome| {
            for n in rows {
                if let Some(place) = outcomes.get_mut(*n) {
                    place.clone_from(outcome);
                }
            }
        };
        for (month, rows) in months {
            match self.manifest(origin(keys), month).await {
                Ok(Some(manifest)) => {
                    let part = |n: &usize| wanted.get(*n).map_or(u64::MAX, |one| one.index / PART);
                    for n in rows.into_iter().filter(|n| manifest.parts.contains(&part(n))) {
                        files.entry((month, part(&n))).or_default().push(n);
                    }
                }
                Ok(None) => {}
                Err(Error::Damaged { what, .. }) => {
                    say(&rows, &Outcome::Stays(what));
                }
                Err(error) => return Err(error),
            }
        }
        let _hold = if files.is_empty() { None } else { Some(self.shelf.lock().await?) };
        for ((month, part), rows) in files {
            let mut piece = match self.piece(month, part, keys).await {
                Ok(piece) => piece,
                Err(Error::Damaged { what, .. }) => {
                    say(&rows, &Outcome::Stays(what));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut changed = false;
            for n in rows {
                let Some(one) = wanted.get(n) else { continue };
                let (outcome, is_new) = piece.erase(one);
                changed |= is_new;
                say(&[n], &outcome);
            }
            if changed {
                self.put_piece(origin(keys), month, part, &piece).await?;
                // What does not read back is not said to be gone.
                self.piece(month, part, keys).await?;
            }
        }
        Ok(outcomes)
    }
}

impl Piece {
    /// Takes one content out; what became of it, and whether the piece is another one now.
    fn erase(&mut self, wanted: &Wanted<'_>) -> (Outcome, bool) {
        let Some(kept) = self.rows.get_mut(&wanted.index) else { return (Outcome::Absent, false) };
        if kept.row.row_hash != wanted.row_hash {
            let why = "what was sealed for it has another hash than was given".to_owned();
            return (Outcome::Stays(why), false);
        }
        if kept.row.is_erased() {
            return (Outcome::Gone, false);
        }
        if kept.row.erase() {
            return (Outcome::Gone, true);
        }
        let why = "it is of the first form, whose hash is over the content itself".to_owned();
        (Outcome::Stays(why), false)
    }
}
