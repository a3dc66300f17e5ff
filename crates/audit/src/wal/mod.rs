//! The comparison: PostgreSQL's write-ahead log, compared with the trail.
//!
//! It promises that each committed write to a recorded table that left no row in the trail, each row
//! of the trail that no write belongs to, and each change of the trail's own rows is found at the next
//! look, by whomever it was made; that writes under a borrowed name are found too; and that a log which
//! was not read without a gap is told of as one.
//!
//! The attack it stops: somebody who may switch triggers off, a superuser above all, writes without a
//! record, or adds and removes records before they are sealed. The write-ahead log is made by the
//! server beneath all triggers, and a logical slot keeps it until it was read here.
//!
//! It does not stop who changes the files of a stopped server, nor what never comes into that log:
//! readings, unlogged and temporary tables. It names a table and a number of rows, and not what was
//! in them. A superuser who drops the slot is found by the gap, and what was written in between stays
//! unknown. What the trail says of renamed tables is the record of event triggers, which a superuser
//! can switch off: names that he exchanges then with those of other tables are not seen through.

mod awaited;
mod found;
mod known;
mod line;
mod marks;
mod names;
mod part;
mod past;
mod pause;
mod sql;
mod structure;
mod tables;
mod tally;
mod unread;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kernel::Clock;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use store::{Db, Tx};

use awaited::Awaited;
pub use found::{Difference, Kind, Open, Past};
use known::{Before, Kept, know};
use marks::Marks;
use names::{Named, Names};
use part::Part;
pub use pause::Paused;
pub(crate) use sql::TRACKED;
use tables::{Entry, Recorded, Tables};

use crate::seal::{Holder, holder};
use crate::{Error, Result};

/// A transaction that is open for longer than this is told.
const LONG: SignedDuration = SignedDuration::from_mins(1);
/// How many parts are read in one go.
const PARTS: usize = 100;
/// How many open differences are told one by one.
const MAX_OPEN: i64 = 100;

/// Compares the write-ahead log of protected databases with their trails. Cheap to clone.
#[derive(Clone)]
pub struct Comparison {
    /// The control database, with [`crate::COMPARED_ROOM`].
    control: Db,
    clock: Arc<dyn Clock>,
    /// A transaction that this look waits for.
    awaited: Option<Arc<Awaited>>,
    /// What is held against the control database.
    marks: Option<Marks>,
    /// Where a test ends a look, as a kill would.
    #[cfg(test)]
    pub(crate) fault: Option<Fault>,
}

/// Where a look can be killed.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Before what was found is kept.
    Keeping,
    /// After that, before the slot lets the log go.
    Advancing,
}

/// How a database stands.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// Since when its log is compared.
    pub since: Timestamp,
    /// When that was done last.
    pub looked_at: Timestamp,
    /// How many transactions were compared.
    pub transactions: i64,
    /// How many changes were in them.
    pub changes: i64,
    /// How many differences nobody has explained yet.
    pub count: u64,
    /// The newest of them, not more than a hundred, newest first.
    pub open: Vec<Open>,
    /// How often Amanah itself worked on the trail without a comparison.
    pub maintained: i64,
    /// When it did so last.
    pub maintained_at: Option<Timestamp>,
}

impl Standing {
    /// How many open differences are not in the list.
    pub fn more(&self) -> u64 {
        self.count.saturating_sub(u64::try_from(self.open.len()).unwrap_or(u64::MAX))
    }
}

/// What a look came to.
#[derive(Debug)]
pub enum Look {
    /// The log of this server cannot be compared, because of this.
    Impossible(String),
    /// Everything up to the end of the log was compared.
    Done {
        /// Bytes of the log that the slot keeps.
        kept: i64,
        /// Who holds it back, where somebody does for more than a minute.
        held: Option<Holder>,
    },
    /// There is more to read at once.
    More,
    /// Amanah works on the trail just now.
    Paused,
}

impl Look {
    const BEGUN: Self = Self::Done { kept: 0, held: None };
}

/// Which database on which cluster.
#[derive(Debug, Clone)]
struct Place {
    system: String,
    database: String,
    slot: String,
}

/// How far a log was read.
struct Read {
    lsn: String,
    /// When the comparison was ended.
    ended: Option<Timestamp>,
    /// When Amanah began to work on the trail.
    paused: Option<Timestamp>,
}

impl Comparison {
    /// A comparison that keeps what it finds in `control`.
    pub const fn new(control: Db, clock: Arc<dyn Clock>) -> Self {
        Self {
            control,
            clock,
            awaited: None,
            marks: None,
            #[cfg(test)]
            fault: None,
        }
    }

    #[cfg(test)]
    pub(crate) const fn control(&self) -> &Db {
        &self.control
    }

    #[cfg(test)]
    fn killed_at(&self, step: Fault) -> Result<()> {
        let killed = self.fault == Some(step);
        if killed { Err(Error::Wal("a kill by a test")) } else { Ok(()) }
    }

    /// Reads on where the last look ended. The first one begins: what was written before is nobody's
    /// business.
    ///
    /// # Errors
    /// When a database does not answer; the next look goes on, and finds nothing twice.
    pub async fn look(&self, superuser: &Db) -> Result<Look> {
        let tx = superuser.operator().await?;
        tx.batch(sql::PATIENCE).await?;
        let row = tx.query_one(sql::SERVER, &[]).await?;
        let (level, bound, system): (String, Option<String>, String) =
            (row.get(0), row.get(1), row.get(2));
        if level != "logical" {
            return Ok(Look::Impossible(format!(
                "wal_level is {level}: set it to logical and restart the server"
            )));
        }
        if bound.is_none() {
            let why = "max_slot_wal_keep_size is unlimited, so that a log that nobody reads would fill \
                       the disk: set it, for example to 4GB";
            return Ok(Look::Impossible(why.to_owned()));
        }
        let place = Place::new(system, &superuser.url().database);
        // A slot has one reader at a time.
        let turn = self.control.operator().await?;
        let mine = turn.query_one(sql::TRY_TURN, &[&place.slot, &place.system]).await?;
        if !mine.get::<_, bool>(0) {
            if self.read_up_to(&place).await?.is_some_and(|read| read.paused.is_some()) {
                return Ok(Look::Paused);
            }
            turn.query(sql::TURN, &[&place.slot, &place.system]).await?;
        }
        // Names that are read before this are older than the end of what is read of the log.
        let there = names::there(&tx).await?;
        flush(superuser).await?;
        let answer = self.look_at(&tx, &place, there).await;
        turn.rollback().await?;
        tx.rollback().await?;
        match answer? {
            Look::Done { kept, .. } => Ok(Look::Done { kept, held: self.held(superuser).await? }),
            other => Ok(other),
        }
    }

    /// Reads on until the end of the log, or a hundred parts of it.
    ///
    /// # Errors
    /// As [`Comparison::look`].
    pub async fn read(&self, superuser: &Db) -> Result<Look> {
        for _ in 1..PARTS {
            match self.look(superuser).await? {
                Look::More => {}
                done => return Ok(done),
            }
        }
        self.look(superuser).await
    }

    async fn look_at(&self, tx: &Tx, place: &Place, there: Named) -> Result<Look> {
        let slot = tx.query_opt(sql::SLOT, &[&place.slot]).await?;
        let read = self.read_up_to(place).await?;
        if !self.is_as_marked(place).await? {
            let read = read.map_or_else(|| "an unknown place".to_owned(), |read| read.lsn);
            self.begin(tx, place, Some(&read)).await?;
            return Ok(Look::BEGUN);
        }
        let Some(Read { lsn: read, ended, paused }) = read else {
            self.begin(tx, place, None).await?;
            return Ok(Look::BEGUN);
        };
        if ended.is_some() {
            return Ok(Look::Impossible("its protection was undone".to_owned()));
        }
        let whole = slot.as_ref().is_some_and(|row| row.get::<_, bool>(0));
        let confirmed: Option<String> = slot.as_ref().and_then(|row| row.get(1));
        let confirmed = match confirmed.filter(|_| whole) {
            // Somebody else may have read on: what is between the two was never seen here.
            Some(confirmed) if !is_behind(tx, &read, &confirmed).await? => confirmed,
            _ => {
                self.begin(tx, place, Some(&read)).await?;
                return Ok(Look::BEGUN);
            }
        };
        if is_behind(tx, &confirmed, &read).await? {
            // The last look was killed after it had kept what it found.
            tx.query(sql::ADVANCE, &[&place.slot, &read]).await?;
        }
        // The catalogue is read after this, so that it is never behind what is read of the log.
        let end: String = tx.query_one(sql::END, &[]).await?.get(0);
        if paused.is_some() {
            // What worked on the trail was killed: what was done meanwhile is for somebody to look into.
            self.pass_over(tx, place, (&read, &end), None).await?;
            return Ok(Look::BEGUN);
        }
        // Erasures are noted before they are committed, so all up to the end are known here.
        let erasures = self.erasures(place, &read).await?;
        let known = (&there, &erasures);
        let Some((before, part, more)) = self.part(tx, place, &end, known).await? else {
            return self.step_over(tx, place, (&read, &end)).await;
        };
        let reached = match part.end.clone() {
            Some((_, last)) if more || is_behind(tx, &end, &last).await? => last,
            _ => end.clone(),
        };
        #[cfg(test)]
        self.killed_at(Fault::Keeping)?;
        let compared = self.keep(place, part, before, &reached, (!more).then_some(&end)).await?;
        if let Some(awaited) = &self.awaited {
            awaited.look_for(&compared);
        }
        #[cfg(test)]
        self.killed_at(Fault::Advancing)?;
        tx.query(sql::ADVANCE, &[&place.slot, &reached]).await?;
        let kept = slot.and_then(|row| row.get::<_, Option<i64>>(2)).unwrap_or_default();
        Ok(if more { Look::More } else { Look::Done { kept, held: None } })
    }

    /// Whose transaction is open for so long that it is worth telling: the slot keeps the log since it
    /// began, which is decoded again at each look and lost in the end.
    async fn held(&self, superuser: &Db) -> Result<Option<Holder>> {
        let now = self.clock.now();
        let long = |since| now.duration_since(since) >= LONG;
        Ok(holder(superuser).await?.filter(|holder| holder.since.is_some_and(long)))
    }

    /// How far the log was read, and whether that was ended.
    async fn read_up_to(&self, place: &Place) -> Result<Option<Read>> {
        let tx = self.control.operator().await?;
        let row = tx.query_opt(sql::STANDING, &[&place.system, &place.database]).await?;
        tx.rollback().await?;
        Ok(row.map(|row| Read { lsn: row.get(0), ended: row.get(5), paused: row.get(6) }))
    }

    /// Begins to read the log, for the first time or after a gap that begins where `read` says.
    async fn begin(&self, tx: &Tx, place: &Place, read: Option<&str>) -> Result<()> {
        tx.query(sql::DROP_SLOT, &[&place.slot]).await?;
        tx.batch(sql::SLOT_PATIENCE).await?;
        let made = tx.query_one(sql::MAKE_SLOT, &[&place.slot]).await.map_err(|error| {
            Error::NotCompared(format!(
                "no slot could be made within a minute: {error}. It waits for every open transaction of \
                 the server, prepared ones too; it is tried again"
            ))
        })?;
        let begun: String = made.get(0);
        let there = names::there(tx).await?;
        let (before, tables) = self.tables(tx, place, there).await?;
        let now = self.clock.now();
        let control = self.control.operator().await?;
        let Place { system, database, .. } = place;
        control.execute(sql::BEGIN, &[system, database, &begun, &now]).await?;
        know(&control, place, before, tables, Some(part::number(&begun)?)).await?;
        if let Some(read) = read {
            let (empty, zero) = (String::new(), 0_i64);
            let (gap, told) = (Kind::Gap.as_str(), format!("from {read} to {begun}"));
            control
                .execute(
                    sql::FOUND,
                    &[
                        system, database, &gap, &zero, &empty, &empty, &told, &zero, &zero, &begun,
                        &now,
                    ],
                )
                .await?;
        }
        self.commit(control, place).await
    }

    /// The tables whose writes must be recorded as they were kept, and with the catalogue of now.
    async fn tables(&self, tx: &Tx, place: &Place, there: Named) -> Result<(Before, Tables)> {
        let control = self.control.operator().await?;
        let rows = control.query(sql::KNOWN, &[&place.system, &place.database]).await?;
        let names = names::kept(&control, place).await?;
        control.rollback().await?;
        let known: Kept = rows
            .iter()
            .map(|row| {
                let since = row.get::<_, i64>(3).unsigned_abs();
                ((row.get(0), row.get(1)), Entry { number: row.get(2), since })
            })
            .collect();
        let recorded = tx.query(TRACKED, &[]).await?;
        let recorded = recorded.iter().map(|row| {
            let (name, identity) = ((row.get(0), row.get(1)), row.get(3));
            (row.get(2), Recorded { name, identity, partition: row.get(4), key: row.get(5) })
        });
        let numbers: Vec<i64> = known.values().map(|entry| entry.number).collect();
        let called = tx.query(sql::CALLED, &[&numbers]).await?;
        let now = called.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
        let mut tables = Tables::new(known.clone(), recorded.collect(), now);
        tables.names = Names::new(names.clone(), there);
        Ok((Before { known, names }, tables))
    }

    /// Keeps what was found before the log is let go: up to `reached`, and up to its `end` where that
    /// was reached. Returns which transactions were compared.
    async fn keep(
        &self,
        place: &Place,
        part: Part,
        before: Before,
        reached: &str,
        end: Option<&String>,
    ) -> Result<BTreeSet<u32>> {
        let Place { system, database, .. } = place;
        let Part { mut tally, found, .. } = part;
        let compared = std::mem::take(&mut tally.compared);
        let control = self.control.operator().await?;
        let now = self.clock.now();
        for (found, lsn) in &found {
            let Difference { kind, xid, schema, table, action, changes, records } = found;
            let (kind, xid) = (kind.as_str(), i64::from(*xid));
            let (changes, records) = (count(*changes), count(*records));
            control
                .execute(
                    sql::FOUND,
                    &[
                        system, database, &kind, &xid, schema, table, action, &changes, &records,
                        lsn, &now,
                    ],
                )
                .await?;
        }
        let end = end.map(|end| part::number(end)).transpose()?;
        know(&control, place, before, tally.tables, end).await?;
        let (transactions, changes) = (count(tally.transactions), count(tally.changes));
        control
            .execute(sql::ADVANCED, &[system, database, &reached, &now, &transactions, &changes])
            .await?;
        self.commit(control, place).await?;
        Ok(compared)
    }

    /// How the database that `superuser` connects to stands; `None` when it was never looked at.
    ///
    /// # Errors
    /// When a database does not answer.
    pub async fn standing(&self, superuser: &Db) -> Result<Option<Standing>> {
        let Place { system, database, .. } = place(superuser).await?;
        let tx = self.control.operator().await?;
        let row = tx.query_opt(sql::STANDING, &[&system, &database]).await?;
        let rows = tx.query(sql::OPEN, &[&system, &database, &MAX_OPEN]).await?;
        let count: i64 = tx.query_one(sql::OPEN_COUNT, &[&system, &database]).await?.get(0);
        let maintained = tx.query_one(sql::MAINTENANCE, &[&system, &database]).await?;
        tx.rollback().await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Standing {
            since: row.get(1),
            looked_at: row.get(2),
            transactions: row.get(3),
            changes: row.get(4),
            count: count.unsigned_abs(),
            open: rows.iter().map(Open::from_row).collect::<Result<_>>()?,
            maintained: maintained.get(0),
            maintained_at: maintained.get(1),
        }))
    }

    /// Ends the comparison of a database whose protection is undone: its slot keeps no log any longer, and
    /// no other process begins anew. What was found stays.
    ///
    /// # Errors
    /// When a database does not answer.
    pub async fn end(&self, superuser: &Db) -> Result<()> {
        let place = place(superuser).await?;
        let tx = self.control.operator().await?;
        tx.execute(sql::FORGET, &[&place.system, &place.database]).await?;
        tx.execute(sql::ENDED, &[&place.system, &place.database, &self.clock.now()]).await?;
        self.commit(tx, &place).await?;
        drop_slot(superuser, &place).await
    }
}

impl Place {
    fn new(system: String, database: &str) -> Self {
        // A slot's name has small letters, digits and underscores alone, and there is one for each
        // database of a server.
        let digest: [u8; 32] = Sha256::digest(database).into();
        let mark = kernel::hex(digest.first_chunk::<8>().map_or(&[][..], |head| &head[..]));
        Self { system, database: database.to_owned(), slot: format!("amanah_trail_{mark}") }
    }
}

async fn place(superuser: &Db) -> Result<Place> {
    let tx = superuser.operator().await?;
    let system = tx.query_one(sql::SERVER, &[]).await?.get(2);
    tx.rollback().await?;
    Ok(Place::new(system, &superuser.url().database))
}

/// Has everything that was committed before this written to the log: commits that need not wait for
/// the disk lag behind there, and could not be read yet.
async fn flush(superuser: &Db) -> Result<()> {
    let tx = superuser.operator().await?;
    tx.batch(sql::FLUSH).await?;
    Ok(tx.commit().await?)
}

async fn drop_slot(superuser: &Db, place: &Place) -> Result<()> {
    let tx = superuser.operator().await?;
    tx.query(sql::DROP_SLOT, &[&place.slot]).await?;
    Ok(tx.rollback().await?)
}

async fn is_behind(tx: &Tx, one: &str, other: &str) -> Result<bool> {
    Ok(tx.query_one(sql::BEHIND, &[&one, &other]).await?.get(0))
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
