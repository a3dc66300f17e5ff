//! Taking months out of the database whose time is over: archived first, read back, and then removed.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use store::Db;
use tlog::Hash;

use super::piece::{Kept, Manifest, Piece, origin, span};
use super::{Archive, check};
use crate::controls::SealedLog;
use crate::offsite::Feed;
use crate::retention::{Month, PART, Sealed, is_undone, sealed, stays};
use crate::seal::LogReader;
use crate::verify::{Job, STALE, verify};
use crate::{Error, Leaf, Result, row, sql};

/// A month that may leave the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Which one.
    pub month: Month,
    /// How many rows it has.
    pub rows: u64,
    /// How much room its partition takes, in bytes.
    pub bytes: u64,
}

/// What would be taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// How many months a month stays in this database after its end, as the database says; `None` when it
    /// says nothing, and then nothing is due.
    pub stays: Option<u32>,
    /// The months that are due, oldest first.
    pub due: Vec<Due>,
}

/// What was taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Which month.
    pub month: Month,
    /// How many rows lie in the archive.
    pub rows: u64,
}

/// What is due in a database, whose months are to stay there for `online` months at least. `db` is a login
/// that reads the trail.
///
/// # Errors
/// When the database has no retention, or refuses.
pub async fn plan(db: &Db, online: u32) -> Result<Plan> {
    let stays = stays(db).await?;
    let mut due = Vec::new();
    let tx = db.operator().await?;
    tx.batch(sql::ONE_SNAPSHOT).await?;
    tx.batch(sql::CLOSED_PATH).await?;
    row::sees_all(&tx).await?;
    // The server's clock, by which it refuses.
    let now: Timestamp = tx.query_one(sql::NOW, &[]).await?.get(0);
    for part in tx.query(sql::MONTHS, &[]).await? {
        let (name, bytes): (String, i64) = (part.get(0), part.get(1));
        let Some(month) = Month::of_partition(&name) else { continue };
        if !stays.is_some_and(|months| month.is_older(months.max(online), now)) {
            continue;
        }
        let (from, to) = (month.first().to_string(), month.later(1).first().to_string());
        let rows: i64 = tx.query_one(sql::ROWS_BETWEEN, &[&from, &to]).await?.get(0);
        if rows > 0 {
            due.push(Due { month, rows: rows.unsigned_abs(), bytes: bytes.unsigned_abs() });
        }
    }
    tx.rollback().await?;
    Ok(Plan { stays, due })
}

/// Archives the months of a plan one after the other, oldest first, and takes each out of the database once it
/// was read back. Before any of it the whole trail is verified. `done` is called after each.
///
/// # Errors
/// When anything is wrong with the trail, or with a month: it stays in the database then, and so do those
/// after it.
pub async fn archive(
    log: &SealedLog,
    db: &Db,
    to: &Archive,
    plan: &Plan,
    done: &mut (dyn FnMut(&Gone) + Send),
) -> Result<()> {
    if plan.due.is_empty() {
        return Ok(());
    }
    let _hold = to.shelf.lock().await?;
    whole(log, db, to).await?;
    let sealed = sealed(log).await?;
    for due in &plan.due {
        let work = Work { log, db, to, sealed: &sealed, month: due.month };
        done(&work.run(due.rows).await?);
    }
    Ok(())
}

/// Refuses when anything is wrong with the trail.
async fn whole(log: &SealedLog, db: &Db, to: &Archive) -> Result<()> {
    let keys = (log.keys)()?;
    let kept = log.memory.as_ref().map_or_else(|| Ok(Vec::new()), |memory| memory.kept(&keys))?;
    let accepted = log.accepted.as_ref().map_or_else(|| Ok(Vec::new()), |file| file.all(&keys))?;
    let job = Job {
        shelf: &*log.shelf,
        keys: &keys,
        current: keys.first(),
        kept: &kept,
        accepted: &accepted,
        database: Some(db),
        archive: Some(to),
        now: log.clock.now(),
        stale: STALE,
    };
    let report = verify(&job, &|_, _, _| {}).await?;
    if report.is_clean() {
        return Ok(());
    }
    let why = report.damage.first().map_or_else(
        || format!("of {} entries or rows nothing can be said", report.unsaid),
        ToString::to_string,
    );
    Err(Error::NotArchived(format!("the trail is not what was sealed: {why}")))
}

/// One month on its way.
struct Work<'a> {
    log: &'a SealedLog,
    db: &'a Db,
    to: &'a Archive,
    sealed: &'a Sealed,
    month: Month,
}

impl Work<'_> {
    async fn run(&self, there: u64) -> Result<Gone> {
        let (month, keys) = (self.month, (self.log.keys)()?);
        let refuse =
            |what: String| Error::NotArchived(format!("{month} stays in the database: {what}"));
        let before = self.to.manifest(origin(&keys), month).await?;
        let manifest = self.write(origin(&keys), there, before.as_ref()).await?;
        let read = check(self.to, &keys, month).await?;
        if let Some(wrong) = read.wrong.first() {
            return Err(refuse(format!("what was written did not read back: {wrong}")));
        }
        if read.rows != there || manifest.rows != there {
            return Err(refuse(format!("it has {there} rows, and {} read back", read.rows)));
        }
        self.to.note(origin(&keys), month).await?;
        let tx = self.db.operator().await?;
        tx.batch(sql::CLOSED_PATH).await?;
        let rows = i64::try_from(there).unwrap_or(i64::MAX);
        let first = month.first().to_string();
        tx.execute(sql::REMOVE_MONTH, &[&first, &rows, &&read.digest[..]]).await?;
        tx.commit().await?;
        Ok(Gone { month, rows: there })
    }

    /// Writes the files of the month, and last of all the one that names them.
    async fn write(&self, origin: &str, there: u64, before: Option<&Manifest>) -> Result<Manifest> {
        let month = self.month;
        let refuse =
            |what: String| Error::NotArchived(format!("{month} stays in the database: {what}"));
        let reader = LogReader::new(Arc::clone(&self.log.shelf), self.sealed.head.head.size);
        let epochs = reader.epochs().await?;
        let rows = self.sealed.months.get(&month).cloned().unwrap_or_default();
        if let Some(more) = before.filter(|before| before.rows > there) {
            return Err(refuse(format!("the archive has {} rows of it already", more.rows)));
        }
        if rows.count != there {
            let (sealed, waits) = (rows.count, "those that are not sealed wait for `amanah up`");
            return Err(refuse(format!("it has {there} rows, and {sealed} were sealed; {waits}")));
        }
        let mut manifest = Manifest::empty();
        let mut feed: Option<Feed> = None;
        for part in rows.parts {
            let (mut kept, mut others) = (BTreeMap::new(), BTreeMap::new());
            let entries = span(part * PART, reader.size());
            for (index, entry) in entries.clone().zip(reader.entries(entries).await?) {
                let leaf = match Leaf::decode(&entry)? {
                    Leaf::Row(leaf) if Month::of_micros(leaf.at_micros) == Some(month) => leaf,
                    _ => {
                        others.insert(index, Hash::leaf(&entry));
                        continue;
                    }
                };
                let place = (leaf.xid, leaf.id);
                let mut rows = match feed.take().filter(|feed| feed.comes_to(place)) {
                    Some(feed) => feed,
                    None => Feed::open_month(self.db, leaf.xid, month).await?,
                };
                let found = rows.take(place).await?;
                feed = Some(rows);
                match found.filter(|row| row.is_whole() && row.digest() == leaf.row_hash) {
                    Some(row) => {
                        kept.insert(index, Kept { epoch: leaf.epoch, row });
                    }
                    None if is_undone(&leaf, &epochs) => {
                        others.insert(index, Hash::leaf(&entry));
                    }
                    None => return Err(refuse(format!("row {} is not what was sealed", leaf.id))),
                }
            }
            if !kept.is_empty() {
                manifest.take(part, &kept);
                let first = part * PART;
                let piece = Piece::new(&reader, &self.sealed.head, first, kept, others).await?;
                self.to.put_piece(origin, month, part, &piece).await?;
            }
        }
        self.to.put_manifest(origin, month, &manifest).await?;
        Ok(manifest)
    }
}
