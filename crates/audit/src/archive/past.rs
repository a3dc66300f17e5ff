//! Rows of archived months, with what they say, for whoever has asked for them.
//!
//! It promises the rows that were archived, in the order of transaction and number, out of files that the
//! log's keys vouch for; and that a month which cannot be opened is named, and never passed over. A file is
//! opened when its rows are the next ones, so that few are held at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use store::{Db, Tx};
use tlog::Verifier;

use super::Archive;
use super::piece::{Manifest, Piece, Span, origin};
use crate::reading::Filter;
use crate::retention::Month;
use crate::row::TrailRow;
use crate::{Error, Result, sql};

/// Before every row.
const START: (u64, i64) = (0, i64::MIN);

/// The archive of a trail, for whoever reads rows there.
#[derive(Clone)]
pub struct Beyond {
    /// Where it lies; `None` where none is configured.
    pub archive: Option<Archive>,
    /// The keys that may have signed the log.
    pub keys: Vec<Verifier>,
}

/// Which months a database says were taken out of it, with how many rows.
type Noted = BTreeMap<Month, u64>;
/// Months that are in the archive alone, with how many rows, where the database says so.
type Months = BTreeMap<Month, Option<u64>>;

/// The rows that were asked for in months that are not in the database.
pub(crate) struct Past<'a> {
    beyond: &'a Beyond,
    wanted: Filter,
    noted: Noted,
    months: BTreeMap<Month, Manifest>,
    streams: Vec<Stream>,
    behind: (u64, i64),
}

/// The rows of one month and one epoch, which are in order.
struct Stream {
    month: Month,
    epoch: u32,
    parts: VecDeque<(u64, Option<Span>)>,
    rows: VecDeque<TrailRow>,
}

impl Stream {
    /// Where its next row stands, or may stand at the earliest; and whether that row was read.
    fn front(&self) -> Option<((u64, i64), bool)> {
        let read = self.rows.front().map(|row| ((row.xid, row.id), true));
        let next = || self.parts.front().map(|(_, span)| (span.map_or(START, |s| s.first), false));
        read.or_else(next)
    }
}

impl<'a> Past<'a> {
    /// The months that are in the archive alone, with how many rows where the database says so; and why the
    /// archive's list of them cannot be read, if so.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn months(db: &Db, beyond: &Beyond) -> Result<(Months, Option<String>)> {
        let (noted, there) = here(db).await?;
        let listed = match &beyond.archive {
            Some(archive) => archive.months(origin(&beyond.keys)).await,
            None => Ok(BTreeSet::new()),
        };
        let (more, wrong) = match listed {
            Ok(more) => (more, None),
            Err(error) => (BTreeSet::new(), Some(said(error))),
        };
        let all: BTreeSet<Month> = noted.keys().copied().chain(more).collect();
        let away = all.into_iter().filter(|month| !there.contains(month));
        Ok((away.map(|month| (month, noted.get(&month).copied())).collect(), wrong))
    }

    /// What is wanted of one such month.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) async fn of(
        beyond: &'a Beyond,
        (month, rows): (Month, Option<u64>),
        wanted: Filter,
    ) -> Result<Self> {
        let months = BTreeMap::from([(month, beyond.manifest(month, rows.as_ref()).await?)]);
        Ok(Self::begun(beyond, wanted, Noted::new(), months))
    }

    fn begun(
        beyond: &'a Beyond,
        wanted: Filter,
        noted: Noted,
        months: BTreeMap<Month, Manifest>,
    ) -> Self {
        let mut past = Self { beyond, wanted, noted, months, streams: Vec::new(), behind: START };
        past.seek(START);
        past
    }

    /// Looks which months that `wanted` reaches are in the archive alone. Nothing of their rows is read.
    ///
    /// # Errors
    /// When one of them is not there, or no archive is configured.
    pub(crate) async fn open(db: &Db, beyond: &'a Beyond, wanted: &Filter) -> Result<Self> {
        let (noted, there) = here(db).await?;
        let mut all: BTreeSet<Month> = noted.keys().copied().collect();
        if let Some(archive) = beyond.archive.as_ref().filter(|_| !is_within(wanted, &there)) {
            all.extend(archive.months(origin(&beyond.keys)).await?);
        }
        let asked = |month: &Month| {
            wanted.from.is_none_or(|from| from < month.ends())
                && wanted.to.is_none_or(|to| to > month.begins())
        };
        let mut months = BTreeMap::new();
        for month in all.into_iter().filter(asked).filter(|month| !there.contains(month)) {
            months.insert(month, beyond.manifest(month, noted.get(&month)).await?);
        }
        Ok(Self::begun(beyond, wanted.clone(), noted, months))
    }

    /// Which months are read, for the row about the reading; `None` when there are none.
    pub(crate) fn told(&self) -> Option<String> {
        let (first, last) = (self.months.keys().next()?, self.months.keys().next_back()?);
        Some(if first == last {
            format!("the archived month {first}")
        } else {
            format!("the archived months {first} to {last}")
        })
    }

    /// Goes to the rows behind a place.
    pub(crate) fn seek(&mut self, behind: (u64, i64)) {
        self.behind = behind;
        self.streams.clear();
        for (month, manifest) in &self.months {
            let parts: VecDeque<_> =
                manifest.spans().filter(|(_, span)| self.reaches(*span, behind)).collect();
            for epoch in &manifest.epochs {
                let (parts, rows) = (parts.clone(), VecDeque::new());
                self.streams.push(Stream { month: *month, epoch: *epoch, parts, rows });
            }
        }
    }

    /// Whether a file with rows of this span can have some that are wanted behind a place.
    fn reaches(&self, span: Option<Span>, behind: (u64, i64)) -> bool {
        let Filter { first, last, .. } = self.wanted;
        span.is_none_or(|span| {
            span.last > behind
                && first.is_none_or(|first| first <= span.ids.1)
                && last.is_none_or(|last| last >= span.ids.0)
        })
    }

    /// Goes to the newest `limit` rows that are wanted behind a place, and says how many these are.
    pub(crate) async fn seek_newest(&mut self, limit: u32, behind: (u64, i64)) -> Result<u64> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut files: Vec<_> = self
            .months
            .iter()
            .flat_map(|(month, manifest)| manifest.spans().map(|(part, span)| (*month, part, span)))
            .filter(|(_, _, span)| self.reaches(*span, behind))
            .collect();
        // The newest first, and those before of which it is not known.
        let last = |span: Option<Span>| span.map_or((u64::MAX, i64::MAX), |span| span.last);
        files.sort_by_key(|(_, _, span)| std::cmp::Reverse(last(*span)));
        let mut newest = BTreeSet::new();
        for (month, part, span) in files {
            let oldest = newest.first().filter(|_| newest.len() >= limit);
            if oldest.is_some_and(|oldest| last(span) < *oldest) {
                break;
            }
            let piece = self.beyond.piece(month, part).await?;
            for row in piece.rows.values().map(|kept| &kept.row) {
                if (row.xid, row.id) > behind && self.wanted.admits(row) {
                    newest.insert((row.xid, row.id));
                    if newest.len() > limit {
                        newest.pop_first();
                    }
                }
            }
        }
        match newest.first() {
            Some((xid, id)) => self.seek((*xid, id.saturating_sub(1))),
            None => self.streams.clear(),
        }
        Ok(newest.len() as u64)
    }

    /// The next row.
    ///
    /// # Errors
    /// When a file is gone, damaged, or cannot be reached: nothing behind it is said then.
    pub(crate) async fn next(&mut self) -> Result<Option<TrailRow>> {
        loop {
            let fronts = self.streams.iter().enumerate();
            let fronts = fronts.filter_map(|(n, stream)| Some((stream.front()?, n)));
            let Some((_, n)) = fronts.min() else { return Ok(None) };
            let Some(stream) = self.streams.get_mut(n) else { return Ok(None) };
            if let Some(row) = stream.rows.pop_front() {
                return Ok(Some(row));
            }
            let Some((part, _)) = stream.parts.pop_front() else { return Ok(None) };
            let piece = self.beyond.piece(stream.month, part).await?;
            let own = piece.rows.into_values().filter(|kept| kept.epoch == stream.epoch);
            let (behind, wanted) = (self.behind, &self.wanted);
            let rows = own.map(|kept| kept.row);
            stream.rows.extend(
                rows.filter(|row| (row.xid, row.id) > behind).filter(|row| wanted.admits(row)),
            );
        }
    }

    /// Refuses when a month has left the database since: its rows may be in neither half of what was read.
    pub(crate) async fn end(&self, db: &Db) -> Result<()> {
        let tx = db.operator().await?;
        tx.batch(sql::CLOSED_PATH).await?;
        let now = noted(&tx).await?;
        tx.rollback().await?;
        match now.keys().find(|month| !self.noted.contains_key(month)) {
            Some(month) => Err(Error::Moved(month.to_string())),
            None => Ok(()),
        }
    }
}

impl Beyond {
    /// What there is of a month, of which so many rows were taken out of the database, as that says.
    async fn manifest(&self, month: Month, noted: Option<&u64>) -> Result<Manifest> {
        let lost = |why: String| Error::NotOpened { month: month.to_string(), why };
        let none = "no archive is configured: set trail.archive in amanah.toml to where it lies";
        let archive = self.archive.as_ref().ok_or_else(|| lost(none.to_owned()))?;
        let found = archive.manifest(origin(&self.keys), month).await;
        let found = found.map_err(|error| lost(said(error)))?;
        let manifest = found.ok_or_else(|| lost("the archive has nothing of it".to_owned()))?;
        match noted {
            Some(rows) if *rows != manifest.rows => {
                let there = manifest.rows;
                Err(lost(format!("{rows} rows were archived, and the archive names {there}")))
            }
            _ => Ok(manifest),
        }
    }

    async fn piece(&self, month: Month, part: u64) -> Result<Piece> {
        let lost = |why: String| Error::NotOpened { month: month.to_string(), why };
        let archive = self.archive.as_ref().ok_or_else(|| lost("it is not there".to_owned()))?;
        let piece = archive.piece(month, part, &self.keys).await;
        piece.map_err(|error| lost(said(error)))
    }

    /// The row of this number, where it is in the archive alone. `db` is a login that may read the trail.
    ///
    /// # Errors
    /// When a month that may have it cannot be opened.
    pub async fn row(&self, db: &Db, id: i64) -> Result<Option<TrailRow>> {
        let one = Filter { first: Some(id), last: Some(id), ..Filter::default() };
        Past::open(db, self, &one).await?.next().await
    }
}

/// What is wrong with a file of the archive, or with its place.
fn said(error: Error) -> String {
    match error {
        Error::Damaged { what, .. } => what,
        error => error.to_string(),
    }
}

/// The months that the database says were taken out of it, and those that it has. One that somebody has hung
/// there again under the name of the first is none of these: it hides no archive.
async fn here(db: &Db) -> Result<(Noted, BTreeSet<Month>)> {
    let tx = db.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    let noted = noted(&tx).await?;
    let parts = tx.query(sql::MONTHS, &[]).await?;
    tx.rollback().await?;
    let month = |part: &store::Row| Month::of_partition(&part.get::<_, String>(0));
    let there = parts.iter().filter_map(month).filter(|month| !noted.contains_key(month)).collect();
    Ok((noted, there))
}

/// Whether all months that are asked for are in the database: nobody waits for the archive then.
fn is_within(wanted: &Filter, there: &BTreeSet<Month>) -> bool {
    let (Some(from), Some(newest)) = (wanted.from, there.last()) else { return false };
    let last = wanted.to.map_or(*newest, Month::of).min(*newest);
    let months = (0..).map(|n| Month::of(from).later(n)).take_while(|month| *month <= last);
    months.into_iter().all(|month| there.contains(&month))
}

/// The months that the database says were taken out of it.
pub(super) async fn noted(tx: &Tx) -> Result<Noted> {
    if tx.query_opt(sql::NOTES_MONTHS, &[]).await?.is_none() {
        return Ok(Noted::new());
    }
    let rows = tx.query(sql::ARCHIVED_MONTHS, &[]).await?;
    let named = |row: &store::Row| {
        let month: String = row.get(0);
        let why = || "audit.archived_months names it, and it is no month".to_owned();
        let parsed = month.parse().map_err(|_| Error::NotOpened { month, why: why() })?;
        Ok((parsed, row.get::<_, i64>(1).unsigned_abs()))
    };
    rows.iter().map(named).collect()
}
