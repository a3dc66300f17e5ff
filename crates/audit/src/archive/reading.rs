//! The rows of archived months beside those of the database, in the order in which rows are sealed.
//!
//! What is kept of a row is its hash, and of each month one file at a time, so that memory is bounded whatever
//! the months hold.

use std::collections::{BTreeSet, HashSet, VecDeque};

use store::Tx;
use tlog::Verifier;

use super::Archive;
use super::past::noted;
use super::piece::origin;
use crate::retention::{Month, PART};
use crate::verify::Sight;
use crate::{Error, Result, sql};

/// The months that are not in the database.
pub(crate) struct Away<'a> {
    archive: Option<&'a Archive>,
    keys: &'a [Verifier],
    streams: Vec<Stream>,
    /// Months of which nothing can be opened.
    lost: HashSet<Month>,
    /// Parts that cannot be opened.
    parts: HashSet<(Month, u64)>,
    /// What is wrong: with what, and what.
    wrong: Vec<(String, String)>,
    /// Rows that were opened so far.
    rows: u64,
}

/// The rows of one month and one epoch, which are in order.
struct Stream {
    month: Month,
    epoch: u32,
    parts: VecDeque<u64>,
    rows: VecDeque<Sight>,
}

impl<'a> Away<'a> {
    /// Opens the months that the database, which `tx` reads, says are archived, and those that the archive
    /// has; but for those that are in the database.
    pub(crate) async fn open(
        tx: &Tx,
        archive: Option<&'a Archive>,
        keys: &'a [Verifier],
    ) -> Result<Self> {
        let mut away = Self {
            archive,
            keys,
            streams: Vec::new(),
            lost: HashSet::new(),
            parts: HashSet::new(),
            wrong: Vec::new(),
            rows: 0,
        };
        let mut months: BTreeSet<Month> = noted(tx).await?.into_keys().collect();
        if let Some(archive) = archive {
            match archive.months(origin(keys)).await {
                Ok(more) => months.extend(more),
                Err(Error::Damaged { what, .. }) => {
                    away.wrong.push(("the archive".to_owned(), what));
                }
                Err(error) => return Err(error),
            }
        }
        for month in months {
            let part = format!("audit.{}", month.partition());
            if !tx.query_one(sql::IS_PART, &[&part]).await?.get::<_, bool>(0) {
                away.begin(month).await?;
            }
        }
        for n in 0..away.streams.len() {
            away.fill(n).await?;
        }
        Ok(away)
    }

    async fn begin(&mut self, month: Month) -> Result<()> {
        let Some(archive) = self.archive else {
            self.lost.insert(month);
            return Ok(());
        };
        let manifest = match archive.manifest(origin(self.keys), month).await {
            Ok(Some(manifest)) => manifest,
            found => {
                let what = match found {
                    Ok(_) => "the archive has nothing of it".to_owned(),
                    Err(Error::Damaged { what, .. }) => what,
                    Err(error) => return Err(error),
                };
                self.wrong.push((format!("the month {month}"), what));
                self.lost.insert(month);
                return Ok(());
            }
        };
        for epoch in manifest.epochs {
            let parts = manifest.parts.iter().copied().collect();
            self.streams.push(Stream { month, epoch, parts, rows: VecDeque::new() });
        }
        Ok(())
    }

    /// Opens the next part of a stream, when it has nothing left.
    async fn fill(&mut self, n: usize) -> Result<()> {
        let (Some(stream), Some(archive)) = (self.streams.get_mut(n), self.archive) else {
            return Ok(());
        };
        while stream.rows.is_empty()
            && let Some(part) = stream.parts.pop_front()
        {
            match archive.piece(stream.month, part, self.keys).await {
                Ok(piece) => {
                    let own = piece.rows.values().filter(|kept| kept.epoch == stream.epoch);
                    stream.rows.extend(own.map(|kept| Sight::of_row(&kept.row)));
                }
                Err(Error::Damaged { what, .. }) => {
                    if self.parts.insert((stream.month, part)) {
                        self.wrong.push((format!("the month {}", stream.month), what));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next row, and its place.
    fn front(&self) -> Option<(usize, (u64, i64))> {
        let fronts = self.streams.iter().enumerate();
        let fronts = fronts.filter_map(|(n, stream)| Some((n, stream.rows.front()?.place())));
        fronts.min_by_key(|(_, place)| *place)
    }

    /// The next row, if it stands before `other`.
    pub(crate) async fn next_before(&mut self, other: Option<(u64, i64)>) -> Result<Option<Sight>> {
        let Some((n, place)) = self.front() else { return Ok(None) };
        if other.is_some_and(|other| other <= place) {
            return Ok(None);
        }
        let row = self.streams.get_mut(n).and_then(|stream| stream.rows.pop_front());
        self.rows += 1;
        self.fill(n).await?;
        Ok(row)
    }

    /// Whether nothing can be said of a row of this entry, since its file cannot be opened.
    pub(crate) fn has_lost(&self, index: u64, at_micros: i64) -> bool {
        let Some(month) = Month::of_micros(at_micros) else { return false };
        self.lost.contains(&month) || self.parts.contains(&(month, index / PART))
    }

    /// What was wrong, and how many rows were opened.
    pub(crate) fn end(self) -> (Vec<(String, String)>, u64) {
        (self.wrong, self.rows)
    }
}
