//! The second reading of a log: the entries of rows in the order in which the database gives the rows.
//!
//! The entries of each epoch are in that order already. Another epoch may go over the same numbers
//! again, after a restore, so epochs are read side by side; of two entries with the same place the
//! newer one comes first.

use super::compare::Sealed;
use super::survey::{Survey, again};
use crate::seal::{Bundle, Files};
use crate::{Leaf, Result};
use tlog::WIDTH;

/// The entries of rows.
pub(super) struct Entries<'a> {
    log: Files<'a>,
    survey: &'a Survey,
    streams: Vec<Stream>,
}

/// The entries of one epoch.
struct Stream {
    at: u64,
    end: u64,
    bundle: Option<(u64, Bundle)>,
    front: Option<Sealed>,
}

impl<'a> Entries<'a> {
    pub(super) async fn new(log: Files<'a>, survey: &'a Survey) -> Result<Self> {
        let mut starts: Vec<u64> = survey.epochs.iter().map(|(index, _)| *index).collect();
        if starts.first() != Some(&0) {
            starts.insert(0, 0);
        }
        let ends = starts.iter().skip(1).copied().chain([log.size]);
        let streams = starts.iter().zip(ends).map(|(at, end)| Stream {
            at: *at,
            end,
            bundle: None,
            front: None,
        });
        let mut entries = Self { log, survey, streams: streams.collect() };
        for n in 0..entries.streams.len() {
            entries.advance(n).await?;
        }
        Ok(entries)
    }

    /// The next entry of a row.
    pub(super) async fn next(&mut self) -> Result<Option<Sealed>> {
        let fronts = self.streams.iter().enumerate();
        let fronts = fronts.filter_map(|(n, stream)| Some((n, stream.front?)));
        let first =
            fronts.min_by_key(|(n, front)| (front.leaf.xid, front.leaf.id, std::cmp::Reverse(*n)));
        let Some((n, front)) = first else { return Ok(None) };
        self.advance(n).await?;
        Ok(Some(front))
    }

    /// Puts the next entry of a row to the front of a stream.
    async fn advance(&mut self, n: usize) -> Result<()> {
        let Some(stream) = self.streams.get_mut(n) else { return Ok(()) };
        stream.front = None;
        while stream.at < stream.end && stream.front.is_none() {
            let index = stream.at;
            stream.at += 1;
            if self.survey.unread.contains(&index) {
                continue;
            }
            let number = index / WIDTH;
            if stream.bundle.as_ref().is_none_or(|(at, _)| *at != number) {
                stream.bundle = Some((number, again(self.log, self.survey, number).await?));
            }
            let place = usize::try_from(index % WIDTH).unwrap_or(usize::MAX);
            let entry = stream.bundle.as_ref().and_then(|(_, bundle)| bundle.entry(place));
            if let Some(Ok(Leaf::Row(leaf))) = entry.map(Leaf::decode) {
                stream.front = Some(Sealed { index, leaf });
            }
        }
        Ok(())
    }
}
