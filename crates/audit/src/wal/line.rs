//! Reads the lines of `test_decoding`, PostgreSQL's own plugin that prints what its write-ahead log
//! holds: one line for each changed row, with the name of its table in front.
//!
//! Names and values are whatever their owners chose, so nothing is searched for: a line is read from
//! its beginning, piece by piece, and what is not as the plugin writes it is an error.

use crate::{Error, Result};

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A transaction begins.
    Begin,
    /// It was committed.
    Commit,
    /// One row of a table was changed, or tables were emptied.
    Change(Change<'a>),
    /// A message of somebody's.
    Message,
}

/// A change, as far as its line was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    /// Schema and name; several for `TRUNCATE` alone.
    pub(crate) tables: Vec<(String, String)>,
    /// `INSERT`, `UPDATE`, `DELETE` or `TRUNCATE`.
    pub(crate) action: &'static str,
    /// The columns, as they stand there.
    pub(crate) columns: &'a str,
}

/// What the name of a change begins with and what it is called.
const ACTIONS: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "TRUNCATE"];

impl<'a> Line<'a> {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is none of the plugin's.
    pub(crate) fn read(line: &'a str) -> Result<Self> {
        if line == "BEGIN" || line.starts_with("BEGIN ") {
            return Ok(Self::Begin);
        }
        if line == "COMMIT" || line.starts_with("COMMIT ") {
            return Ok(Self::Commit);
        }
        if line.starts_with("message: ") {
            return Ok(Self::Message);
        }
        let mut rest = line.strip_prefix("table ").ok_or(Error::Wal("a line of another kind"))?;
        let mut tables = Vec::new();
        loop {
            let (schema, after) = name(rest)?;
            let after = after.strip_prefix('.').ok_or(Error::Wal("a table without its schema"))?;
            let (table, after) = name(after)?;
            tables.push((schema, table));
            rest = match after.strip_prefix(", ") {
                Some(another) => another,
                None => after.strip_prefix(": ").ok_or(Error::Wal("a table without its change"))?,
            };
            if after.starts_with(": ") {
                break;
            }
        }
        let found = ACTIONS.iter().find_map(|action| {
            let columns = rest.strip_prefix(action)?.strip_prefix(':')?;
            Some(Change { tables: Vec::new(), action, columns })
        });
        let change = found.ok_or(Error::Wal("a change of an unknown kind"))?;
        Ok(Self::Change(Change { tables, ..change }))
    }
}

impl Change<'_> {
    /// The values of columns, from the first to the last of them that was asked for; `None` for NULL.
    ///
    /// # Errors
    /// When one is not there, or the line is not as the plugin writes it.
    pub(crate) fn values<const N: usize>(&self, wanted: [&str; N]) -> Result<[Option<String>; N]> {
        let mut found: [Option<Option<String>>; N] = std::array::from_fn(|_| None);
        let mut rest = self.columns;
        while found.iter().any(Option::is_none) {
            let (column, _, value, after) = column(rest)?;
            let place = wanted.iter().position(|name| *name == column);
            if let Some(slot) = place.and_then(|place| found.get_mut(place)) {
                *slot = Some(value);
            }
            rest = after;
        }
        Ok(found.map(Option::flatten))
    }

    /// The key that the row had before, in the columns that are asked for; nothing when it is not shown,
    /// or by a type whose values the trail may write otherwise.
    pub(crate) fn key(&self, wanted: &[String]) -> Option<Vec<String>> {
        let mut found: Vec<Option<String>> = vec![None; wanted.len()];
        let mut rest = self.columns.strip_prefix(" old-key:").unwrap_or(self.columns);
        while found.iter().any(Option::is_none) {
            let (column, kind, value, after) = column(rest).ok()?;
            let place = wanted.iter().position(|name| *name == column);
            if let Some(slot) = place.and_then(|place| found.get_mut(place)) {
                *slot = Some(value.filter(|_| PLAIN.contains(&kind))?);
            }
            rest = after;
        }
        found.into_iter().collect()
    }
}

/// Types whose values read the same in the log and in the trail.
const PLAIN: [&str; 6] = ["integer", "bigint", "smallint", "text", "character varying", "uuid"];

/// A column: its name, its type, its value, and what follows.
fn column(text: &str) -> Result<(String, &str, Option<String>, &str)> {
    let after = text.strip_prefix(' ').ok_or(Error::Wal("a column is not there"))?;
    let (column, after) = name(after)?;
    let after = after.strip_prefix('[').ok_or(Error::Wal("a column without its type"))?;
    let (kind, after) = after.split_once("]:").ok_or(Error::Wal("a type without its end"))?;
    let (value, after) = value(after)?;
    Ok((column, kind, value, after))
}

/// A name as PostgreSQL quotes it, and what follows.
pub(super) fn name(text: &str) -> Result<(String, &str)> {
    if let Some(inner) = text.strip_prefix('"') {
        return quoted(inner, '"');
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let end = text.find(|c| !plain(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    if name.is_empty() { Err(Error::Wal("a name is missing")) } else { Ok((name.to_owned(), rest)) }
}

/// A value as the plugin prints it, and what follows.
fn value(text: &str) -> Result<(Option<String>, &str)> {
    let text = text.strip_prefix('B').filter(|rest| rest.starts_with('\'')).unwrap_or(text);
    if let Some(inner) = text.strip_prefix('\'') {
        return quoted(inner, '\'').map(|(value, rest)| (Some(value), rest));
    }
    let end = text.find(' ').unwrap_or(text.len());
    let (value, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    match value {
        "null" => Ok((None, rest)),
        "" => Err(Error::Wal("a value is missing")),
        value => Ok((Some(value.to_owned()), rest)),
    }
}

/// What stands before the closing quote, where two quotes are one of the text, and what follows.
fn quoted(text: &str, quote: char) -> Result<(String, &str)> {
    let mut read = String::new();
    let mut rest = text;
    loop {
        let (before, after) =
            rest.split_once(quote).ok_or(Error::Wal("a quote without its end"))?;
        read.push_str(before);
        match after.strip_prefix(quote) {
            Some(more) => {
                read.push(quote);
                rest = more;
            }
            None => return Ok((read, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Line};

    fn change(line: &str) -> Change<'_> {
        match Line::read(line) {
            Ok(Line::Change(change)) => change,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn tables_are_read_whatever_they_are_called() {
        let plain = change("table public.sale: INSERT: id[integer]:1");
        assert_eq!(plain.tables, [("public".to_owned(), "sale".to_owned())]);
        assert_eq!((plain.action, plain.columns), ("INSERT", " id[integer]:1"));
        let odd = change("table \"a.b\".\"x\"\": DELETE: y\": UPDATE: old-key: id[integer]:1");
        assert_eq!(odd.tables, [("a.b".to_owned(), "x\": DELETE: y".to_owned())]);
        assert_eq!(odd.action, "UPDATE");
        let many = change("table public.a, public.\"B, c\": TRUNCATE: restart_seqs cascade");
        assert_eq!(many.tables.len(), 2);
        assert_eq!((many.tables[1].1.as_str(), many.action), ("B, c", "TRUNCATE"));
        let bare = change("table public.a: DELETE: (no-tuple-data)");
        assert_eq!(bare.action, "DELETE");
    }

    #[test]
    fn values_are_read_past_hostile_ones() {
        let line = "table audit.t: INSERT: id[bigint]:7 actor[text]:'it''s action[text]:''DELETE''' \
                    gone[text]:null bits[bit(3)]:B'101' list[integer[]]:'{1,2}' action[text]:'INSERT'";
        let [id, gone, action] = change(line).values(["id", "gone", "action"]).unwrap();
        assert_eq!((id.as_deref(), gone, action.as_deref()), (Some("7"), None, Some("INSERT")));
        assert!(change(line).values(["absent"]).is_err());
    }

    #[test]
    fn the_key_that_a_row_had_is_read() {
        let key = |line, columns: &[&str]| {
            let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
            change(line).key(&columns)
        };
        let two = Some(vec!["it's".to_owned(), "7".to_owned()]);
        let plain = "table public.a: DELETE: id[integer]:7 code[character varying]:'it''s'";
        assert_eq!(key(plain, &["code", "id"]), two);
        let moved = "table public.a: UPDATE: old-key: id[bigint]:7 code[text]:'it''s' new-tuple: \
                     id[bigint]:8 code[text]:'x'";
        assert_eq!(key(moved, &["code", "id"]), two);
        for hidden in [
            "table public.a: DELETE: (no-tuple-data)",
            "table public.a: INSERT: id[integer]:7",
            "table public.a: INSERT: code[date]:'2026-01-01' id[integer]:7",
            "table public.a: INSERT: code[text]:'cut",
        ] {
            assert_eq!(key(hidden, &["code", "id"]), None, "{hidden}");
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for bad in [
            "",
            "table",
            "table public: INSERT:",
            "table public.a INSERT:",
            "table public.\"a: INSERT:",
            "table public.a: MERGE:",
            "table public.a, : TRUNCATE:",
        ] {
            assert!(Line::read(bad).is_err(), "{bad}");
        }
        for cut in ["table a.b: INSERT: id", "table a.b: INSERT: id[", "table a.b: INSERT: id[x]:'"]
        {
            assert!(change(cut).values(["id"]).is_err(), "{cut}");
        }
        assert_eq!(Line::read("BEGIN 5").unwrap(), Line::Begin);
        assert_eq!(Line::read("COMMIT 5").unwrap(), Line::Commit);
    }
}
