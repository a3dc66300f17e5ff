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
use super::part::{LINES_AT_A_TIME, Part};
use super::{Comparison, Look, Place, sql};
use crate::{Error, Result};

/// How many lines are read at least, one after the other, for as long as they cannot be printed. One
/// line is the first transaction alone.
const FEWER: [i32; 3] = [LINES_AT_A_TIME, 200, 1];
/// How far is looked for the end of the first transaction, in lines; it may be one of very many.
const FURTHER: [Option<i32>; 3] = [Some(1_000), Some(100_000), None];

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

    /// Steps over the first transaction that was not read yet, and keeps that it was not.
    pub(super) async fn step_over(&self, tx: &Tx, place: &Place, end: &str) -> Result<Look> {
        let Place { system, database, slot } = place;
        // Streamed, a transaction shows that it has changes, and not which.
        tx.batch(sql::STREAMED).await?;
        let mut first = None;
        for lines in FURTHER {
            first = tx.query_opt(sql::FIRST, &[slot, &end, &lines]).await?;
            if first.is_some() {
                break;
            }
        }
        let first = first.filter(|row| row.get(2));
        let first =
            first.ok_or(Error::Wal("a transaction that cannot be printed, nor passed by"))?;
        let (reached, xid): (String, i64) = (first.get(0), first.get(1));
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
