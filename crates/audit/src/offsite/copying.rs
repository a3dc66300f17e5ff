//! Copying what was sealed since the last time.

use std::collections::BTreeSet;
use std::ops::Range;

use store::Db;

use super::feed::Feed;
use super::segment::{Filling, Segment};
use super::{Offsite, SEGMENT};
use crate::controls::SealedLog;
use crate::row::TrailRow;
use crate::seal::{Growth, LogReader, outgrown};
use crate::verify::Signed;
use crate::{Error, Leaf, Result, RowLeaf};

/// What was copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// How many entries the copy has.
    pub entries: u64,
    /// How many rows were copied this time.
    pub rows: u64,
    /// Rows that were sealed and are not there, are not what was sealed, or are too large to be copied:
    /// they are not in the copy.
    pub unlike: u64,
    /// Contents that were taken out of the copy, because the log says that they were erased.
    pub erased: u64,
}

/// A copy that is being made.
struct Copying<'a> {
    to: &'a Offsite,
    db: &'a Db,
    origin: String,
    /// The log that is copied.
    from: LogReader,
    /// How far the copy has come before.
    old: u64,
    size: u64,
    growth: Growth,
    feed: Option<Feed>,
    erasures: BTreeSet<u64>,
    copied: Copied,
}

/// Copies what was sealed since the copy's checkpoint, and then that of the log. `db` is a login that
/// reads the trail.
///
/// # Errors
/// When the log has no checkpoint yet, is not the continuation of what was copied, or one of the two
/// places or the database cannot be used. The copy is what it was then, up to its own checkpoint.
pub async fn copy(log: &SealedLog, db: &Db, to: &Offsite) -> Result<Copied> {
    let keys = (log.keys)()?;
    let stored = log.shelf.checkpoint().await?;
    let stored = stored.ok_or_else(|| Error::Unsealed("it has no checkpoint yet".to_owned()))?;
    let signed = Signed::open(&stored.note, &keys)?;
    let _hold = to.shelf.lock().await?;
    let before = to.shelf.checkpoint().await?;
    let known = before.as_ref().map(|stored| Signed::open(&stored.note, &keys)).transpose();
    let known = known.map_err(|error| another(to, &error.to_string()))?;
    let (old, size) = (known.as_ref().map_or(0, |known| known.head.size), signed.head.size);
    if old > size {
        return Err(another(to, "the log has fewer entries than its copy"));
    }
    let growth = match &known {
        Some(known) => {
            let there = LogReader::new(std::sync::Arc::clone(&to.shelf), old);
            Growth::resume(&there, known.head.root).await?
        }
        None => Growth::default(),
    };
    let mut copying = Copying {
        to,
        db,
        origin: keys.first().map(|key| key.name().to_owned()).unwrap_or_default(),
        from: LogReader::new(std::sync::Arc::clone(&log.shelf), size),
        old,
        size,
        growth,
        feed: None,
        erasures: BTreeSet::new(),
        copied: Copied { entries: size, ..Copied::default() },
    };
    copying.parts().await?;
    if copying.growth.root() != signed.head.root {
        return Err(another(to, "the log's beginning is another one than was copied"));
    }
    copying.erase().await?;
    if before.as_ref().is_none_or(|before| before.note != stored.note) {
        to.shelf.replace_checkpoint(before.as_ref(), &stored.note).await?;
    }
    copying.tidy().await?;
    Ok(copying.copied)
}

/// A copy that is not of this log.
fn another(to: &Offsite, why: &str) -> Error {
    let what = format!(
        "{why}. Nothing was copied over it: it may be the only honest one. Keep it, and let the next \
         copy go to another place"
    );
    Error::Damaged { place: to.shelf.place(), what }
}

impl<'a> Copying<'a> {
    /// Copies entries and rows, one file of rows at a time.
    async fn parts(&mut self) -> Result<()> {
        let mut at = self.old;
        while at < self.size {
            let segment = Segment::with(at, self.size);
            let end = segment.entries().end;
            let entries = self.from.entries(at..end).await?;
            let files = self.growth.grow(&entries)?;
            self.to.shelf.put(files).await?;
            let (mut filling, fresh) = self.before(segment, at..end).await?;
            let again = fresh.start < at;
            let entries = if again { self.from.entries(fresh.clone()).await? } else { entries };
            for (index, entry) in (fresh.start..).zip(&entries) {
                self.entry(index, &Leaf::decode(entry)?, &mut filling).await?;
            }
            filling.end().await?;
            at = end;
        }
        Ok(())
    }

    /// A part with the rows that were copied before, and the entries whose rows were not. A file that is
    /// gone or damaged is made anew.
    async fn before(&self, segment: Segment, new: Range<u64>) -> Result<(Filling<'a>, Range<u64>)> {
        let whole = segment.entries();
        let empty = || Filling::new(segment, self.to, &self.origin);
        let mut filling = empty();
        if whole.start == new.start {
            return Ok((filling, new));
        }
        match filling.take(Segment::with(whole.start, self.old)).await {
            Ok(true) => Ok((filling, new)),
            Ok(false) | Err(Error::Damaged { .. }) => Ok((empty(), whole)),
            Err(error) => Err(error),
        }
    }

    async fn entry(&mut self, index: u64, leaf: &Leaf, filling: &mut Filling<'_>) -> Result<()> {
        match leaf {
            Leaf::Row(leaf) => match self.row(leaf).await? {
                Some(row) if filling.push(index, &row).await? => self.copied.rows += 1,
                _ => self.copied.unlike += 1,
            },
            Leaf::Erasure(erasure) => {
                self.erasures.insert(erasure.index);
            }
            Leaf::Epoch(_) => {}
        }
        Ok(())
    }

    /// The row of an entry, if it is what was sealed.
    async fn row(&mut self, leaf: &RowLeaf) -> Result<Option<TrailRow>> {
        let place = (leaf.xid, leaf.id);
        // Another epoch counts anew.
        let mut feed = match self.feed.take().filter(|feed| feed.comes_to(place)) {
            Some(feed) => feed,
            None => Feed::open(self.db, leaf.xid).await?,
        };
        let row = feed.take(place).await?;
        self.feed = Some(feed);
        Ok(row.filter(|row| row.digest() == leaf.row_hash))
    }

    /// Takes out of the copy what the log says was erased.
    async fn erase(&mut self) -> Result<()> {
        let erasures = std::mem::take(&mut self.erasures);
        let parts: BTreeSet<u64> = erasures.iter().map(|index| index / SEGMENT).collect();
        for part in parts {
            self.erase_in(Segment::with(part * SEGMENT, self.size), &erasures).await?;
        }
        Ok(())
    }

    /// The same in one part. What cannot be opened keeps no other from being copied: whoever checks the
    /// copy names it.
    async fn erase_in(&mut self, segment: Segment, erasures: &BTreeSet<u64>) -> Result<()> {
        for number in 0.. {
            let mut piece = match segment.read(self.to, &self.origin, number).await {
                Ok(Some(piece)) => piece,
                Ok(None) | Err(Error::Damaged { .. }) => break,
                Err(error) => return Err(error),
            };
            let named = piece.rows.iter_mut().filter(|(index, _)| erasures.contains(index));
            let erased: u64 = named.map(|(_, row)| u64::from(row.erase())).sum();
            if erased > 0 {
                segment.put(self.to, &self.origin, number, &piece).await?;
                self.copied.erased += erased;
            }
            if !piece.more {
                break;
            }
        }
        Ok(())
    }

    /// Removes what the new checkpoint does not speak of any more.
    async fn tidy(&self) -> Result<()> {
        if self.old == 0 || self.old == self.size {
            return Ok(());
        }
        for folder in outgrown(self.old, self.size) {
            self.to.shelf.remove(&folder).await?;
        }
        let before = Segment::with(self.old - 1, self.old);
        let now = Segment::with(self.old - 1, self.size);
        if before.path() == now.path() {
            return Ok(());
        }
        let is_unfinished = now.entries().end < (now.number + 1) * SEGMENT;
        if !is_unfinished {
            return self.to.shelf.remove(&now.unfinished()).await;
        }
        self.to.shelf.remove(&before.path()).await?;
        self.to.shelf.remove(&before.further()).await
    }
}
