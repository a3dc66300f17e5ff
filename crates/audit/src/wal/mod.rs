//! The comparison: PostgreSQL's own log of writes, compared with the trail.
//!
//! It promises that each committed write to a recorded table that left no row in the trail, each row
//! of the trail that no write belongs to, and each change of the trail's own rows is found within
//! minutes, by whomever it was made; and that a log which was not read without a gap is told of as
//! one.
//!
//! The attack it stops: somebody who may switch triggers off, a superuser above all, writes without a
//! record, or adds and removes records before they are sealed. The log of writes is made by the
//! server beneath all triggers, and a logical slot keeps it until it was read here.
//!
//! It does not stop who changes the files of a stopped server, nor what never comes into that log:
//! readings, unlogged and temporary tables. It names a table and a number of rows, and not what was
//! in them. A superuser who drops the slot is found by the gap, and what was written in between stays
//! unknown.

mod line;
mod sql;
mod tally;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kernel::Clock;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use store::{Db, Tx, literal};

pub(crate) use sql::TRACKED;
pub use tally::{Difference, Kind};
use tally::{Known, Tally};

use crate::{Error, Result};

/// How many lines of the log one look reads at least, where there are so many: a transaction is
/// never cut.
const LINES_AT_A_TIME: i32 = 50_000;
/// The longest part of a line that is read, in characters: names come first, and the values of the
/// application's rows are none of our business. The trail's own rows are read whole.
const LINE: usize = 100_000;
/// How many parts are read in one go.
const PARTS: usize = 100;
/// How many open differences are told.
const MAX_OPEN: i64 = 100;

/// Compares the log of writes of protected databases with their trails. Cheap to clone.
#[derive(Clone)]
pub struct Comparison {
    /// The control database, with [`crate::COMPARED_ROOM`].
    control: Db,
    clock: Arc<dyn Clock>,
}

/// How a database stands.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// Since when its log of writes is compared.
    pub since: Timestamp,
    /// When that was done last.
    pub looked_at: Timestamp,
    /// How many transactions were compared.
    pub transactions: i64,
    /// How many changes were in them.
    pub changes: i64,
    /// What nobody has explained yet.
    pub open: Vec<Open>,
}

/// A difference that nobody has explained yet.
#[derive(Debug, Clone, Serialize)]
pub struct Open {
    /// Its number, to explain it by.
    pub id: i64,
    /// What kind it is: that of a [`Difference`], or `gap`.
    pub kind: String,
    /// The transaction, by the lower 32 bits of its number; 0 for a gap.
    pub xid: i64,
    /// The schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// What was done.
    pub action: String,
    /// How many rows were changed so.
    pub changes: i64,
    /// How many rows of the trail say so.
    pub records: i64,
    /// Where in the log of writes.
    pub lsn: String,
    /// When it was found.
    pub seen_at: Timestamp,
}

/// What a look came to.
#[derive(Debug)]
pub enum Look {
    /// The server cannot be watched, because of this.
    Impossible(String),
    /// Everything up to the end of the log was compared.
    Done {
        /// Bytes of the log that the slot keeps.
        kept: i64,
    },
    /// There is more to read at once.
    More,
}

/// Which database on which cluster.
struct Place {
    system: String,
    database: String,
    slot: String,
}

/// A part of the log that was read.
struct Part {
    tally: Tally,
    found: Vec<(Difference, String)>,
    lines: i32,
    /// The furthest place up to which it is whole: the end of a transaction, or a message that belongs
    /// to none. Whatever stands inside of a transaction lies before its end, and may lie before the
    /// end of others.
    end: Option<(u64, String)>,
}

impl Comparison {
    /// A comparison that keeps what it finds in `control`.
    pub const fn new(control: Db, clock: Arc<dyn Clock>) -> Self {
        Self { control, clock }
    }

    #[cfg(test)]
    pub(crate) const fn control(&self) -> &Db {
        &self.control
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
        turn.query(sql::TURN, &[&place.slot, &place.system]).await?;
        flush(superuser).await?;
        let answer = self.look_at(&tx, &place).await;
        turn.rollback().await?;
        tx.rollback().await?;
        answer
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

    async fn look_at(&self, tx: &Tx, place: &Place) -> Result<Look> {
        let slot = tx.query_opt(sql::SLOT, &[&place.slot]).await?;
        let whole = slot.as_ref().is_some_and(|row| row.get::<_, bool>(0));
        let Some((read, ended)) = self.read_up_to(place).await? else {
            self.begin(tx, place, None).await?;
            return Ok(Look::Done { kept: 0 });
        };
        if ended.is_some() {
            return Ok(Look::Impossible("its protection was undone".to_owned()));
        }
        let confirmed: Option<String> = slot.as_ref().and_then(|row| row.get(1));
        let Some(confirmed) = confirmed.filter(|_| whole) else {
            self.begin(tx, place, Some(&read)).await?;
            return Ok(Look::Done { kept: 0 });
        };
        if is_behind(tx, &read, &confirmed).await? {
            // Somebody else read on: what is between the two was never seen here.
            self.begin(tx, place, Some(&read)).await?;
            return Ok(Look::Done { kept: 0 });
        }
        if is_behind(tx, &confirmed, &read).await? {
            // The last look was killed after it had kept what it found.
            tx.query(sql::ADVANCE, &[&place.slot, &read]).await?;
        }
        let end: String = tx.query_one(sql::END, &[]).await?.get(0);
        let known = self.known(tx, place, &end).await?;
        let part = read_part(tx, place, &known).await?;
        let more = part.lines >= LINES_AT_A_TIME;
        let reached = match part.end.clone() {
            Some((_, last)) if more || is_behind(tx, &end, &last).await? => last,
            _ => end,
        };
        self.keep(place, &part, &reached).await?;
        tx.query(sql::ADVANCE, &[&place.slot, &reached]).await?;
        let kept = slot.and_then(|row| row.get::<_, Option<i64>>(2)).unwrap_or_default();
        Ok(if more { Look::More } else { Look::Done { kept } })
    }

    /// How far the log was read, and when that was ended.
    async fn read_up_to(&self, place: &Place) -> Result<Option<(String, Option<Timestamp>)>> {
        let tx = self.control.operator().await?;
        let row = tx.query_opt(sql::STANDING, &[&place.system, &place.database]).await?;
        tx.rollback().await?;
        Ok(row.map(|row| (row.get(0), row.get(5))))
    }

    /// Begins to read the log, for the first time or after a gap that begins where `read` says.
    async fn begin(&self, tx: &Tx, place: &Place, read: Option<&str>) -> Result<()> {
        tx.query(sql::DROP_SLOT, &[&place.slot]).await?;
        let begun: String = tx.query_one(sql::MAKE_SLOT, &[&place.slot]).await?.get(0);
        let tables = tracked(tx).await?;
        let now = self.clock.now();
        let control = self.control.operator().await?;
        let Place { system, database, .. } = place;
        control.execute(sql::BEGIN, &[system, database, &begun, &now]).await?;
        let (schemas, names): (Vec<String>, Vec<String>) = tables.into_iter().unzip();
        control.execute(sql::KNOW, &[system, database, &schemas, &names, &begun]).await?;
        if let Some(read) = read {
            let (empty, zero) = (String::new(), 0_i64);
            let told = format!("from {read} to {begun}");
            control
                .execute(
                    sql::FOUND,
                    &[
                        system, database, &"gap", &zero, &empty, &empty, &told, &zero, &zero,
                        &begun, &now,
                    ],
                )
                .await?;
        }
        Ok(control.commit().await?)
    }

    /// The tables whose writes must be recorded, and from where in the log on. Those that are new are
    /// so from `end` on: what was written before they had their triggers is no finding.
    async fn known(&self, tx: &Tx, place: &Place, end: &str) -> Result<Known> {
        let (schemas, names): (Vec<String>, Vec<String>) = tracked(tx).await?.into_iter().unzip();
        let Place { system, database, .. } = place;
        let control = self.control.operator().await?;
        control.execute(sql::KNOW, &[system, database, &schemas, &names, &end]).await?;
        let rows = control.query(sql::KNOWN, &[system, database]).await?;
        control.commit().await?;
        let one =
            |row: &store::Row| ((row.get(0), row.get(1)), row.get::<_, i64>(2).unsigned_abs());
        Ok(rows.iter().map(one).collect::<BTreeMap<_, _>>())
    }

    /// Keeps what was found before the log is let go.
    async fn keep(&self, place: &Place, part: &Part, reached: &str) -> Result<()> {
        let Place { system, database, .. } = place;
        let control = self.control.operator().await?;
        let now = self.clock.now();
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for (found, lsn) in &part.found {
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
        let (transactions, changes) = (count(part.tally.transactions), count(part.tally.changes));
        control
            .execute(sql::ADVANCED, &[system, database, &reached, &now, &transactions, &changes])
            .await?;
        Ok(control.commit().await?)
    }

    /// How the database that `superuser` connects to stands; `None` when it was never looked at.
    ///
    /// # Errors
    /// When a database does not answer.
    pub async fn standing(&self, superuser: &Db) -> Result<Option<Standing>> {
        let place = place(superuser).await?;
        let tx = self.control.operator().await?;
        let row = tx.query_opt(sql::STANDING, &[&place.system, &place.database]).await?;
        let rows = tx.query(sql::OPEN, &[&place.system, &place.database, &MAX_OPEN]).await?;
        tx.rollback().await?;
        Ok(row.map(|row| Standing {
            since: row.get(1),
            looked_at: row.get(2),
            transactions: row.get(3),
            changes: row.get(4),
            open: rows.iter().map(Open::from_row).collect(),
        }))
    }

    /// Notes who looked into a difference and what it was. `false` when there is none of this number
    /// that is still open.
    ///
    /// # Errors
    /// When the control database does not answer, or the explanation is empty or longer than 2,000
    /// bytes.
    pub async fn explain(&self, id: i64, by: &str, why: &str) -> Result<bool> {
        let tx = self.control.operator().await?;
        let done = tx.execute(sql::EXPLAIN, &[&id, &by, &why, &self.clock.now()]).await?;
        tx.commit().await?;
        Ok(done > 0)
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
        tx.commit().await?;
        drop_slot(superuser, &place).await
    }

    /// Lets the next look begin anew, where the comparison was [ended](Self::end).
    ///
    /// # Errors
    /// When a database does not answer.
    pub async fn resume(&self, superuser: &Db) -> Result<()> {
        let place = place(superuser).await?;
        let tx = self.control.operator().await?;
        tx.execute(sql::RESUME, &[&place.system, &place.database]).await?;
        Ok(tx.commit().await?)
    }

    /// Forgets a sandbox with everything that was found in it.
    pub(crate) async fn forget(&self, superuser: &Db) -> Result<()> {
        let place = place(superuser).await?;
        drop_slot(superuser, &place).await?;
        let tx = self.control.operator().await?;
        for statement in [sql::FORGET, sql::FORGET_FOUND] {
            tx.execute(statement, &[&place.system, &place.database]).await?;
        }
        Ok(tx.commit().await?)
    }
}

impl Open {
    fn from_row(row: &store::Row) -> Self {
        Self {
            id: row.get(0),
            kind: row.get(1),
            xid: row.get(2),
            schema: row.get(3),
            table: row.get(4),
            action: row.get(5),
            changes: row.get(6),
            records: row.get(7),
            lsn: row.get(8),
            seen_at: row.get(9),
        }
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

/// Has everything that was committed before this written to the log: commits that need not wait for the
/// disk lag behind there, and could not be read yet.
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

async fn tracked(tx: &Tx) -> Result<Vec<tally::Name>> {
    let rows = tx.query(TRACKED, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Reads the next part of the log, line by line.
async fn read_part(tx: &Tx, place: &Place, known: &Known) -> Result<Part> {
    let sql = format!(
        "COPY (SELECT (lsn - '0/0')::int8, lsn, xid,
                      CASE WHEN pg_catalog.starts_with(data, 'message: ') THEN 'message: '
                           WHEN pg_catalog.starts_with(data, 'table audit.')
                             OR pg_catalog.strpos(data, ': TRUNCATE: ') > 0 THEN data
                           ELSE pg_catalog.left(data, {LINE}) END
                 FROM pg_catalog.pg_logical_slot_peek_changes(
                          {}, NULL, {LINES_AT_A_TIME}, 'skip-empty-xacts', '0')) TO STDOUT",
        literal(&place.slot)
    );
    let mut part = Part { tally: Tally::default(), found: Vec::new(), lines: 0, end: None };
    let mut inside = false;
    tx.copy_each(&sql, &mut |row| {
        // What anybody can write into the log must not stop its reader: a name that is no text is no
        // name of a recorded table.
        let text = String::from_utf8_lossy(row);
        let mut fields = text.trim_end_matches('\n').splitn(4, '\t');
        let mut field = || fields.next().ok_or(Error::Wal("a line without its place"));
        let at: u64 = field()?.parse().map_err(|_| Error::Wal("a place that is no number"))?;
        let lsn = field()?;
        let xid: u32 = field()?.parse().map_err(|_| Error::Wal("a transaction of no number"))?;
        let line = unescaped(field()?)?;
        part.lines = part.lines.saturating_add(1);
        inside = line.starts_with("BEGIN") || inside && !line.starts_with("COMMIT");
        if !inside && part.end.as_ref().is_none_or(|(furthest, _)| *furthest < at) {
            part.end = Some((at, lsn.to_owned()));
        }
        if let Some(differences) = part.tally.take((xid, at, &line), known)? {
            part.found.extend(differences.into_iter().map(|found| (found, lsn.to_owned())));
        }
        Ok::<_, Error>(())
    })
    .await?;
    Ok(part)
}

/// A field of `COPY` in text.
fn unescaped(field: &str) -> Result<String> {
    let mut text = String::with_capacity(field.len());
    let mut rest = field.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        text.push(match rest.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('v') => '\u{b}',
            Some(other) => other,
            None => return Err(Error::Wal("a line that ends within a character")),
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::unescaped;

    #[test]
    fn a_field_is_read_as_it_was() {
        assert_eq!(unescaped("a\\tb\\\\n\\n\\b\\f\\v\\r").unwrap(), "a\tb\\n\n\u{8}\u{c}\u{b}\r");
        assert!(unescaped("a\\").is_err());
    }
}
