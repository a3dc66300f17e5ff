//! Reads a part of the log, line by line.

use std::collections::BTreeSet;

use store::{Tx, literal};

use super::found::{Difference, Kind};
use super::sql;
use super::tables::{Name, Tables};
use super::tally::Tally;
use crate::{Error, Result};

/// How many lines of the log one look reads at least, where there are so many: a transaction is
/// never cut.
pub(super) const LINES_AT_A_TIME: i32 = 50_000;
/// The longest part of a line that is read, in characters: names and keys come first, and the values of
/// rows are none of our business, however long they are.
const LINE: usize = 100_000;

/// A part of the log that was read.
pub(super) struct Part {
    pub(super) tally: Tally,
    /// What was found, and where.
    pub(super) found: Vec<(Difference, String)>,
    pub(super) lines: i32,
    /// The furthest place up to which it is whole: the end of a transaction, or a message that belongs
    /// to none. Whatever stands inside of a transaction lies before its end, and may lie before the
    /// end of others.
    pub(super) end: Option<(u64, String)>,
}

impl Part {
    /// Reads the next part of what `slot` keeps, up to `end`, of so many lines at least.
    pub(super) async fn read(
        tx: &Tx,
        (slot, lines): (&str, i32),
        end: &str,
        (tables, erasures): (Tables, BTreeSet<(u32, i64)>),
    ) -> Result<Self> {
        let sql = format!(
            "COPY (SELECT (lsn - '0/0')::int8, lsn, xid,
                          CASE WHEN pg_catalog.starts_with(data, 'message: ') THEN 'message: '
                               WHEN pg_catalog.right(data, 40) ~
                                    ': TRUNCATE:( \\(no-flags\\)| restart_seqs| cascade)+$' THEN data
                               ELSE pg_catalog.left(data, {LINE}) END
                     FROM pg_catalog.pg_logical_slot_peek_changes(
                              {}, {}::pg_lsn, {lines}, 'skip-empty-xacts', '0')) TO STDOUT",
            literal(slot),
            literal(end)
        );
        let mut tally = Tally::new(tables);
        tally.erasures = erasures;
        let mut part = Self { tally, found: Vec::new(), lines: 0, end: None };
        let mut inside = false;
        tx.copy_each(&sql, &mut |row| part.line(row, &mut inside)).await?;
        part.strays(tx).await?;
        Ok(part)
    }

    fn line(&mut self, row: &[u8], inside: &mut bool) -> Result<()> {
        // What anybody can write into the log must not stop its reader: a name that is no text is no
        // name of a recorded table.
        let text = String::from_utf8_lossy(row);
        let mut fields = text.trim_end_matches('\n').splitn(4, '\t');
        let mut field = || fields.next().ok_or(Error::Wal("a line without its place"));
        let at: u64 = field()?.parse().map_err(|_| Error::Wal("a place that is no number"))?;
        let lsn = field()?;
        let xid: u32 = field()?.parse().map_err(|_| Error::Wal("a transaction of no number"))?;
        let line = unescaped(field()?)?;
        self.lines = self.lines.saturating_add(1);
        *inside = line.starts_with("BEGIN") || *inside && !line.starts_with("COMMIT");
        if !*inside && self.end.as_ref().is_none_or(|(furthest, _)| *furthest < at) {
            self.end = Some((at, lsn.to_owned()));
        }
        if let Some(differences) = self.tally.take((xid, at, &line))? {
            self.found.extend(differences.into_iter().map(|found| (found, lsn.to_owned())));
        }
        Ok(())
    }

    /// What was written under names that no table had there: a table that was called so for a moment.
    async fn strays(&mut self, tx: &Tx) -> Result<()> {
        let strays = std::mem::take(&mut self.tally.strays);
        let (schemas, names): (Vec<String>, Vec<String>) =
            strays.iter().filter(|(_, stray)| stray.extended).map(|(key, _)| key.0.clone()).unzip();
        let mut extended = BTreeSet::new();
        if !names.is_empty() {
            let rows = tx.query(sql::EXTENDED, &[&schemas, &names]).await?;
            extended = rows.iter().map(|row| (row.get(0), row.get(1))).collect::<BTreeSet<Name>>();
        }
        for ((name, action, made), stray) in strays {
            let told = match made {
                Some(number) => self.tally.tables.is_recorded_as_another(number, &name),
                None => !(stray.extended && extended.contains(&name)),
            };
            if !told {
                continue;
            }
            let (schema, table) = name;
            let found = Difference {
                kind: Kind::UnknownTable,
                xid: stray.xid,
                schema,
                table,
                action: action.to_owned(),
                changes: stray.changes,
                records: 0,
            };
            self.found.push((found, lsn(stray.at)));
        }
        Ok(())
    }
}

/// A place in the log as PostgreSQL writes it.
pub(super) fn lsn(at: u64) -> String {
    format!("{:X}/{:X}", at >> 32, at & u64::from(u32::MAX))
}

/// The same as a number.
pub(super) fn number(lsn: &str) -> Result<u64> {
    let part = |text| u32::from_str_radix(text, 16).ok();
    let whole = lsn.split_once('/').and_then(|(high, low)| Some((part(high)?, part(low)?)));
    let (high, low) = whole.ok_or(Error::Wal("a place that is none"))?;
    Ok(u64::from(high) << 32 | u64::from(low))
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
    use super::{lsn, number, unescaped};

    #[test]
    fn a_field_is_read_as_it_was() {
        assert_eq!(unescaped("a\\tb\\\\n\\n\\b\\f\\v\\r").unwrap(), "a\tb\\n\n\u{8}\u{c}\u{b}\r");
        assert!(unescaped("a\\").is_err());
        let at = 0x0001_0000_00AB;
        assert_eq!((lsn(at).as_str(), number("1/AB").unwrap()), ("1/AB", at));
        assert!(number("1").is_err() && number("x/1").is_err());
    }
}
