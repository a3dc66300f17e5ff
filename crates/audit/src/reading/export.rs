//! A log with the rows that its entries are of, in the log's order: whoever receives it sees by the
//! numbers that nothing is missing.
//!
//! It promises that each entry comes once, under its number, none is left out, and that together they
//! lead to the root of the checkpoint that stands in front; or it says that they do not. A row that
//! is not there, or not what was sealed, keeps its place and says so.

use std::collections::VecDeque;

use jiff::Timestamp;
use tlog::{Edge, Hash, WIDTH, nodes_of};

use super::{Filter, Reading};
use crate::archive::Beyond;
use crate::seal::LogReader;
use crate::verify::Signed;
use crate::{Error, Leaf, Result, RowLeaf, TrailRow};

/// How many entries are read at once.
const PIECE: u64 = 1024;

/// What became of a row since it was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The entry is of no row.
    None,
    /// The row is what was sealed.
    Sealed,
    /// Its content was erased since, and the rest is what was sealed.
    Erased,
    /// It is not what was sealed.
    Changed,
    /// It is not there: it was removed, or a restore has undone it.
    Missing,
}

impl Part {
    /// What it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "no-row",
            Self::Sealed => "as-sealed",
            Self::Erased => "erased",
            Self::Changed => "changed",
            Self::Missing => "missing",
        }
    }
}

/// An entry of the log, and the row that it is of.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Its number in the log: there is one for each, from 0.
    pub index: u64,
    /// What stands there.
    pub leaf: Leaf,
    /// The row, where there is one.
    pub row: Option<TrailRow>,
    /// What became of it.
    pub part: Part,
}

/// The entries of a log from a number on, up to a checkpoint.
pub struct Export<'a> {
    files: Files,
    root: Hash,
    reading: Reading<'a>,
    edge: Edge,
    entries: VecDeque<Vec<u8>>,
    /// The place of the last row's entry.
    last: Option<(u64, i64)>,
    /// A row that was read and is behind the last entry.
    ahead: Option<TrailRow>,
}

impl<'a> Export<'a> {
    /// Asks for the rows of the entries from `first` on, and for no others as far as times tell them
    /// apart. Beside the purpose it is recorded whether encrypted values will be revealed.
    ///
    /// # Errors
    /// When there are not so many entries, the log cannot be read, or the login may not read the trail.
    pub async fn open(
        log: LogReader,
        head: &Signed,
        first: u64,
        reader: &'a store::Db,
        (purpose, reveal): (&str, bool),
        beyond: &'a Beyond,
    ) -> Result<Self> {
        if first > log.size() {
            return Err(tlog::Error::Beyond(first, log.size()).into());
        }
        // First what a log that grows replaces; full bundles stay as they are.
        let mut peaks = Vec::new();
        for node in nodes_of(0..first) {
            peaks.push(log.node(node).await?);
        }
        let edge = Edge::resume(first, peaks).ok_or(Error::Leaf("it has no place in a tree"))?;
        let rest = log.size() - log.size() % WIDTH;
        let files = Files { rest: log.entries(rest..log.size()).await?, full: rest, log };
        let (from, to) = times(&files, first).await?;
        let filter = Filter { from, to, reveal, ..Filter::default() };
        let purpose = format!("{purpose} [entries {first} to {} of the log]", files.log.size());
        let reading = Reading::open(reader, filter, &purpose, beyond).await?;
        let (root, entries) = (head.head.root, VecDeque::new());
        Ok(Self { files, root, reading, edge, entries, last: None, ahead: None })
    }

    /// The next entry.
    ///
    /// # Errors
    /// When the log or the database cannot be read, or what stands in the log is no entry.
    pub async fn next(&mut self) -> Result<Option<Exported>> {
        let index = self.edge.size();
        if self.entries.is_empty() {
            self.entries.extend(self.files.piece(index).await?);
        }
        let Some(entry) = self.entries.pop_front() else { return Ok(None) };
        self.edge.push(Hash::leaf(&entry), |_, _| {});
        let leaf = Leaf::decode(&entry)?;
        let (part, row) = match leaf {
            Leaf::Row(sealed) => self.row(&sealed).await?,
            Leaf::Epoch(_) | Leaf::Erasure(_) => (Part::None, None),
        };
        Ok(Some(Exported { index, leaf, row, part }))
    }

    /// Whether all entries were given, and lead to the root of the checkpoint.
    pub fn is_whole(&self) -> bool {
        self.edge.size() == self.files.log.size() && self.edge.root() == self.root
    }

    /// The row of an entry. Entries of one epoch are in the order of the rows; another epoch begins
    /// again.
    async fn row(&mut self, sealed: &RowLeaf) -> Result<(Part, Option<TrailRow>)> {
        let place = (sealed.xid, sealed.id);
        if self.last.is_none_or(|last| place <= last) {
            self.reading.seek((sealed.xid, sealed.id.saturating_sub(1)));
            self.ahead = None;
        }
        self.last = Some(place);
        loop {
            let next = match self.ahead.take() {
                Some(row) => Some(row),
                None => self.reading.next().await?,
            };
            match next {
                None => return Ok((Part::Missing, None)),
                Some(row) if (row.xid, row.id) > place => {
                    self.ahead = Some(row);
                    return Ok((Part::Missing, None));
                }
                Some(row) if (row.xid, row.id) < place => {}
                Some(row) => {
                    let part = match row.digest() == sealed.row_hash {
                        true if row.is_erased() => Part::Erased,
                        true => Part::Sealed,
                        false => Part::Changed,
                    };
                    return Ok((part, Some(row)));
                }
            }
        }
    }
}

/// The entries of a log that may grow meanwhile.
struct Files {
    log: LogReader,
    /// How many lie in full bundles.
    full: u64,
    /// The others.
    rest: Vec<Vec<u8>>,
}

impl Files {
    /// Entries from `index` on; none where there are no more.
    async fn piece(&self, index: u64) -> Result<Vec<Vec<u8>>> {
        if index < self.full {
            return self.log.entries(index..index.saturating_add(PIECE).min(self.full)).await;
        }
        let skip = usize::try_from(index - self.full).unwrap_or(usize::MAX);
        Ok(self.rest.iter().skip(skip).cloned().collect())
    }
}

/// The first time of the rows of the entries from `first` on, and the one after the last.
async fn times(files: &Files, first: u64) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
    let (mut least, mut most) = (i64::MAX, i64::MIN);
    let mut at = first;
    loop {
        let piece = files.piece(at).await?;
        if piece.is_empty() {
            break;
        }
        for entry in piece {
            at = at.saturating_add(1);
            if let Leaf::Row(row) = Leaf::decode(&entry)? {
                (least, most) = (least.min(row.at_micros), most.max(row.at_micros));
            }
        }
    }
    let time = |micros: i64| {
        Timestamp::from_microsecond(micros).map_err(|_| Error::Leaf("its time is none"))
    };
    if least > most {
        // There is no row: nothing is asked for.
        return Ok((Some(time(0)?), Some(time(0)?)));
    }
    Ok((Some(time(least)?), Some(time(most.saturating_add(1))?)))
}
