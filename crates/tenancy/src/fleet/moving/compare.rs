//! Whether a copy is the same as what it was copied from: every table's rows, every sequence, every
//! large object, what defines it, and what belongs to the database as a whole.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use store::{Db, OperatorTx, Programs, Row};

use super::objects::Behind;
use super::{Form, copy, objects};
use crate::Result;
use crate::fleet::cell::Cell;
use crate::fleet::{Place, sql};

/// How many tables are read at one time, on each side.
const AT_ONCE: usize = 2;
/// How many differences are told.
const TOLD: usize = 8;

/// How much was compared and is the same.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tally {
    /// Tables.
    pub tables: usize,
    /// Their rows.
    pub rows: i64,
    /// Sequences.
    pub sequences: usize,
    /// Large objects.
    pub objects: usize,
}

/// What differs between a place and its copy, in words; nothing when they are the same but for what
/// stays behind.
pub(super) async fn differences(
    programs: &Programs,
    (source, place): (&Cell, &Place),
    (target, copy): (&Cell, &Place),
    behind: &Behind,
) -> Result<(Tally, Vec<String>)> {
    let (here, there) = (place.reader(source)?, copy.reader(target)?);
    let compared = async {
        let (mut tally, mut found) = tables(&here, &there).await?;
        let (ours, theirs) = tokio::try_join!(sequences(&here), sequences(&there))?;
        tally.sequences = ours.len();
        found.extend(unlike("the sequence", &ours, &theirs));
        let (ours, theirs) = tokio::try_join!(
            objects::digests(source, place, behind),
            objects::digests(target, copy, behind)
        )?;
        tally.objects = ours.len();
        if ours != theirs {
            found.push("its large objects".to_owned());
        }
        let (ours, theirs) = tokio::try_join!(
            definition(programs, &here, place),
            definition(programs, &there, copy)
        )?;
        found.extend(first_unlike(&ours, &theirs));
        let (ours, theirs) = tokio::try_join!(Form::of(place, source), Form::of(copy, target))?;
        if ours != theirs {
            found.push("the settings of the database".to_owned());
        }
        found.truncate(TOLD);
        Ok((tally, found))
    };
    let compared = compared.await;
    here.close();
    there.close();
    compared
}

/// Rows of each table, counted and summed up; the order in which they lie does not matter.
async fn tables(here: &Db, there: &Db) -> Result<(Tally, Vec<String>)> {
    let (ours, theirs) =
        tokio::try_join!(names(here, sql::TABLES_THERE), names(there, sql::TABLES_THERE))?;
    if ours != theirs {
        return Ok((Tally::default(), vec!["which tables there are".to_owned()]));
    }
    let each: Vec<_> = ours.into_iter().map(|table| pair(here, there, table)).collect();
    let pairs: Vec<_> = stream::iter(each).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut tally = Tally { tables: pairs.len(), ..Tally::default() };
    let mut found = Vec::new();
    for (table, ours, theirs) in pairs {
        tally.rows += ours.0;
        if ours != theirs {
            found
                .push(format!("the table {table} ({} rows, and {} in the copy)", ours.0, theirs.0));
        }
    }
    found.sort();
    Ok((tally, found))
}

/// A table's rows here and there.
type Pair = (String, (i64, String), (i64, String));

async fn pair(here: &Db, there: &Db, table: String) -> Result<Pair> {
    let (ours, theirs) = tokio::try_join!(digest(here, &table), digest(there, &table))?;
    Ok((table, ours, theirs))
}

async fn digest(db: &Db, table: &str) -> Result<(i64, String)> {
    let tx = plain(db).await?;
    let row = tx.query_one(&sql::DIGEST.replace("{table}", table), &[]).await?;
    tx.rollback().await?;
    Ok((row.get(0), row.get(1)))
}

async fn sequences(db: &Db) -> Result<BTreeMap<String, (i64, bool)>> {
    let mut all = BTreeMap::new();
    let names = names(db, sql::SEQUENCES_THERE).await?;
    let tx = plain(db).await?;
    for name in names {
        let row: Row = tx.query_one(&sql::SEQUENCE_AT.replace("{sequence}", &name), &[]).await?;
        all.insert(name, (row.get(0), row.get(1)));
    }
    tx.rollback().await?;
    Ok(all)
}

fn unlike<T: PartialEq>(
    what: &str,
    ours: &BTreeMap<String, T>,
    theirs: &BTreeMap<String, T>,
) -> Vec<String> {
    let names = ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name)));
    let differ = names.filter(|name| ours.get(*name) != theirs.get(*name));
    differ.map(|name| format!("{what} {name}")).collect()
}

/// What defines a database, line by line. Rights on one thing come in the order in which they were
/// given, so each group of them is sorted.
async fn definition(programs: &Programs, db: &Db, place: &Place) -> Result<Vec<String>> {
    let text = copy::portable(&db.definition(programs, None).await?, place);
    let mut lines: Vec<String> = Vec::new();
    let mut rights: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.starts_with("GRANT ") || line.starts_with("REVOKE ") {
            rights.push(line.to_owned());
            continue;
        }
        // Comments name versions, and psql's restricted mode has a random mark.
        if line.is_empty() || line.starts_with("--") || line.starts_with('\\') {
            continue;
        }
        rights.sort();
        lines.append(&mut rights);
        lines.push(line.to_owned());
    }
    rights.sort();
    lines.append(&mut rights);
    Ok(lines)
}

fn first_unlike(ours: &[String], theirs: &[String]) -> Option<String> {
    let longer = ours.len().max(theirs.len());
    let at = (0..longer).find(|&n| ours.get(n) != theirs.get(n))?;
    let line = ours.get(at).or_else(|| theirs.get(at)).map_or("", String::as_str);
    Some(format!("its definition, first where it says: {line}"))
}

async fn names(db: &Db, sql: &str) -> Result<Vec<String>> {
    let tx = plain(db).await?;
    let rows = tx.query(sql, &[]).await?;
    tx.rollback().await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// A transaction in which values look the same whatever is set for the database.
async fn plain(db: &Db) -> Result<OperatorTx> {
    let tx = db.operator().await?;
    tx.batch(sql::PLAIN).await?;
    Ok(tx)
}
