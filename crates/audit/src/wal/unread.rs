//! A transaction that the plugin cannot print.
//!
//! A line that would be longer than PostgreSQL can make one fails, and with it whatever stands before it
//! in the same part. So fewer lines are read then; and when not even the first transaction can be
//! printed, it is stepped over, exactly it, and that it was not read is kept as a difference.

use std::collections::BTreeSet;

use store::Tx;

use super::found::Kind;
use super::known::Before;
use super::names::Named;
use super::part::{LINES_AT_A_TIME, Part, lsn, number};
use super::{Comparison, Look, Place, sql};
use crate::{Error, Result};

/// How many lines are read at least, one after the other, for as long as they cannot be printed. One
/// line is the first transaction alone.
const FEWER: [i32; 3] = [LINES_AT_A_TIME, 200, 1];
/// How far is looked for the end of the first transaction, in lines; it may be one of very many.
const FURTHER: [Option<i32>; 3] = [Some(1_000), Some(100_000), None];

/// Into how many parts a stretch of the log is cut of which the first is tried.
const CAREFUL: u64 = 16;
/// Where records of the log may begin, in bytes.
const RECORD: u64 = 8;

/// Whether a statement failed because of the size of what it would print: by the limit of a line, or by
/// that of a value.
fn is_too_much(error: &Error) -> bool {
    let Error::Store(error) = error else { return false };
    let too_big = |words: &str| words.contains("invalid memory alloc request size");
    match error.sqlstate() {
        Some("54000") => true,
        Some("XX000") => error.server_message().is_some_and(too_big),
        _ => false,
    }
}

impl Comparison {
    /// The next part of the log, and whether there is more; nothing when its first transaction cannot be
    /// printed.
    pub(super) async fn part(
        &self,
        tx: &Tx,
        place: &Place,
        end: &str,
        (there, erasures): (&Named, &BTreeSet<(u32, i64)>),
    ) -> Result<Option<(Before, Part, bool)>> {
        tx.batch("SAVEPOINT amanah_part").await?;
        for lines in FEWER {
            let (before, tables) = self.tables(tx, place, there.clone()).await?;
            let known = (tables, erasures.clone());
            match Part::read(tx, (&place.slot, lines), end, known).await {
                Ok(part) => {
                    let more = part.lines >= lines;
                    return Ok(Some((before, part, more)));
                }
                Err(error) if is_too_much(&error) => {
                    tx.batch("ROLLBACK TO SAVEPOINT amanah_part").await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Steps over the first transaction behind `read` that was not read yet, and keeps that it was not.
    pub(super) async fn step_over(
        &self,
        tx: &Tx,
        place: &Place,
        (read, end): (&str, &str),
    ) -> Result<Look> {
        let Place { system, database, slot } = place;
        let (reached, xid) = match streamed(tx, slot, end).await? {
            Some(first) => first,
            None => (behind_first(tx, slot, (read, end)).await?, 0),
        };
        let control = self.control.operator().await?;
        let now = self.clock.now();
        let (kind, empty, zero) = (Kind::Unread.as_str(), String::new(), 0_i64);
        let told = "a transaction that PostgreSQL cannot print";
        control
            .execute(
                sql::FOUND,
                &[
                    system, database, &kind, &xid, &empty, &empty, &told, &zero, &zero, &reached,
                    &now,
                ],
            )
            .await?;
        control.execute(sql::ADVANCED, &[system, database, &reached, &now, &zero, &zero]).await?;
        self.commit(control, place).await?;
        tx.query(sql::ADVANCE, &[slot, &reached]).await?;
        Ok(Look::More)
    }
}

/// Where the first transaction ends, and its number; nothing when it is so small that PostgreSQL does not
/// stream it: a number of some bytes can be as long as a book when it is printed.
async fn streamed(tx: &Tx, slot: &str, end: &str) -> Result<Option<(String, i64)>> {
    tx.batch("SAVEPOINT amanah_streamed").await?;
    // Streamed, a transaction shows that it has changes, and not which.
    tx.batch(sql::STREAMED).await?;
    let mut first = None;
    for lines in FURTHER {
        first = match tx.query_opt(sql::FIRST, &[&slot, &end, &lines]).await.map_err(Error::from) {
            Ok(first) => first,
            Err(error) if is_too_much(&error) => {
                tx.batch("ROLLBACK TO SAVEPOINT amanah_streamed").await?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if first.is_some() {
            break;
        }
    }
    Ok(first.filter(|row| row.get(2)).map(|row| (row.get(0), row.get(1))))
}

/// A place behind the beginning of the end of the first transaction, and before that of any other: as far
/// as that, nothing fails. Records of the log begin at places that are multiples of eight.
async fn behind_first(tx: &Tx, slot: &str, (read, end): (&str, &str)) -> Result<String> {
    let (mut well, mut fails) = (number(read)? / RECORD, number(end)?.div_ceil(RECORD));
    while fails.saturating_sub(well) > 1 {
        // To fail takes seconds, and to read up to a place before next to nothing.
        let between = well + ((fails - well) / CAREFUL).max(1);
        tx.batch("SAVEPOINT amanah_prints").await?;
        let upto = lsn(between * RECORD);
        match tx.query_one(sql::PRINTS, &[&slot, &upto]).await.map_err(Error::from) {
            Ok(_) => well = between,
            Err(error) if is_too_much(&error) => {
                tx.batch("ROLLBACK TO SAVEPOINT amanah_prints").await?;
                fails = between;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(lsn(fails * RECORD))
}
