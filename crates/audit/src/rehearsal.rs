//! Writes to one table inside a transaction that is rolled back, and what the trail says of them.
//!
//! A write may set off the application's own triggers, which write again. So the rows of the trail
//! are read as a chain: it begins with what the row was, each link takes up where the one before
//! ended, and it ends with what the row is now. A lost row, a row too many and a wrong content all
//! break the chain.

use jiff::Timestamp;
use store::{Owned, Row, Table, ToSql, Tx, ident, literal, specimen_with};

use crate::row::{self, Left, TrailRow};
use crate::{Result, canary};

/// Columns that are tried for a change before the row is written over with what it holds.
const CANDIDATES: usize = 8;

/// Who the trail must name.
pub(crate) struct Who<'a> {
    /// The actor of the binding.
    pub actor: Option<&'a str>,
    /// The tenant of the binding.
    pub tenant: Option<&'a str>,
    /// The login role.
    pub db_user: &'a str,
    /// The request that the session has named.
    pub request: Option<&'a str>,
    /// When the session began to write, by the database's clock.
    pub since: Timestamp,
}

/// What came of one action on one table.
pub(crate) enum Outcome {
    /// The trail holds it, whole and right.
    Recorded,
    /// The trail does not; the sentence says how.
    Wrong(String),
    /// The write itself did not happen, so nothing can be said.
    NotDone(String),
}

/// One table, the session that writes to it, and who the session is.
pub(crate) struct Rehearsal<'a> {
    /// The session. Nothing that happens here outlives it, if the caller rolls back.
    pub tx: &'a Tx,
    /// The table.
    pub table: &'a Table,
    /// Whose rows are written.
    pub owned: Owned<'a>,
    /// Who the trail must name.
    pub who: Who<'a>,
    /// The columns that it must not show.
    pub hidden: &'a [String],
}

/// A row as it is now, and where.
struct Sight {
    data: String,
    key: Option<String>,
    schema: String,
    table: String,
    // The primary key's columns and values; without one, the row's address.
    place: Vec<(String, String)>,
}

impl Rehearsal<'_> {
    /// Inserts a row, changes it and deletes it. The outcomes come in that order; an action after
    /// one that was not done is not done either.
    pub(crate) async fn rows(&self, shape: &[Table]) -> Result<Vec<(&'static str, Outcome)>> {
        let start = row::newest(self.tx).await?;
        // A tenant's own row, in the table of the tenants, has the tenant for its key.
        let given: Vec<(&str, &str)> = canary::identity(shape, self.table, self.owned.column)
            .map(|column| (column.name.as_str(), self.owned.tenant.as_str()))
            .into_iter()
            .collect();
        let made = match specimen_with(self.tx, shape, self.table, &self.owned, &given).await {
            Ok(made) => made,
            Err(error) if error.sqlstate().is_none() => return Err(error.into()),
            Err(error) => {
                return Ok(not_done(&["INSERT", "UPDATE", "DELETE"], &error.to_string()));
            }
        };
        let row: Vec<(String, String)> = if made.key.is_empty() {
            made.row.into_iter().filter_map(|(c, v)| Some((c, v?))).collect()
        } else {
            made.key
        };
        let Some(inserted) = self.see(&row).await? else {
            let why = "the row that was inserted cannot be seen";
            return Ok(not_done(&["INSERT", "UPDATE", "DELETE"], why));
        };
        let insert = self.judge(start, "INSERT", None, Some(&inserted)).await?;
        let start = row::newest(self.tx).await?;
        let mut outcomes = vec![("INSERT", insert)];
        let changed = match self.change(&inserted).await? {
            Ok(changed) => changed,
            Err(why) => {
                outcomes.extend(not_done(&["UPDATE", "DELETE"], &why));
                return Ok(outcomes);
            }
        };
        let update = self.judge(start, "UPDATE", Some(&inserted), Some(&changed)).await?;
        outcomes.push(("UPDATE", update));
        let start = row::newest(self.tx).await?;
        let delete = match self.delete(&changed).await? {
            Ok(()) => self.judge(start, "DELETE", Some(&changed), None).await?,
            Err(why) => Outcome::NotDone(why),
        };
        outcomes.push(("DELETE", delete));
        Ok(outcomes)
    }

    /// Empties the table. For sandboxes alone.
    pub(crate) async fn truncate(&self) -> Result<Outcome> {
        let start = row::newest(self.tx).await?;
        let sql = format!("TRUNCATE {} CASCADE", self.table.quoted());
        if let Err(why) = self.within(&sql, &[]).await? {
            return Ok(Outcome::NotDone(why));
        }
        let left = self.left(start, &self.table.schema, &self.table.name).await?;
        let recorded: Vec<&Left> =
            left.iter().filter(|left| left.row.action == "TRUNCATE").collect();
        Ok(match recorded.as_slice() {
            [] => Outcome::Wrong("TRUNCATE left no row in the trail".to_owned()),
            [one] => self.signed(&one.row, one.read_at).map_or(Outcome::Recorded, Outcome::Wrong),
            many => Outcome::Wrong(format!("TRUNCATE left {} rows in the trail", many.len())),
        })
    }

    /// Reads the row whose columns have these values.
    async fn see(&self, place: &[(String, String)]) -> Result<Option<Sight>> {
        let (filter, bound) = conditions(self.table, place);
        let (key, hidden) = (format!("${}", bound.len() + 1), format!("${}", bound.len() + 2));
        let sql = format!(
            "SELECT (to_jsonb(t.*) - {hidden}::text[])::text,
                    ((SELECT jsonb_object_agg(k, to_jsonb(t.*) -> k)
                        FROM unnest({key}::text[]) k) - {hidden}::text[])::text,
                    n.nspname::text, c.relname::text, t.tableoid::text, t.ctid::text
               FROM {} AS t
               JOIN pg_catalog.pg_class c ON c.oid = t.tableoid
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
              WHERE {filter} ORDER BY t.ctid DESC LIMIT 1",
            self.table.quoted()
        );
        let mut bound = bound;
        bound.extend([&self.table.primary_key as &(dyn ToSql + Sync), &self.hidden]);
        let row = self.tx.query_opt(&sql, &bound).await?;
        Ok(row.map(|row| self.sight(&row, place)))
    }

    fn sight(&self, row: &Row, place: &[(String, String)]) -> Sight {
        let address = || vec![("tableoid".to_owned(), row.get(4)), ("ctid".to_owned(), row.get(5))];
        Sight {
            data: row.get(0),
            key: row.get(1),
            schema: row.get(2),
            table: row.get(3),
            place: if self.table.primary_key.is_empty() { address() } else { place.to_vec() },
        }
    }

    /// Changes one column of the row, or, where none can be changed, writes it over with itself.
    async fn change(&self, seen: &Sight) -> Result<std::result::Result<Sight, String>> {
        let mut assignments: Vec<String> = assignments(self.table, self.owned.column);
        assignments.truncate(CANDIDATES);
        // A computed column refuses this, and a key that numbers itself does.
        let own = self.table.columns.iter().filter(|c| !c.generated);
        let own = own.map(|c| format!("{0} = {0}", ident(&c.name)));
        assignments.extend(own.take(CANDIDATES));
        let mut last = String::new();
        for assignment in assignments {
            let (filter, bound) = conditions(self.table, &seen.place);
            let sql = format!(
                "UPDATE {} AS t SET {assignment} WHERE {filter}
                 RETURNING t.tableoid::text, t.ctid::text",
                self.table.quoted()
            );
            match self.within(&sql, &bound).await? {
                Err(why) => last = why,
                Ok(rows) => {
                    let Some(row) = rows.first() else {
                        "the row cannot be changed".clone_into(&mut last);
                        continue;
                    };
                    let address = [("tableoid", row.get(0)), ("ctid", row.get(1))];
                    let moved: Vec<(String, String)> =
                        address.into_iter().map(|(c, v)| (c.to_owned(), v)).collect();
                    let keyless = self.table.primary_key.is_empty();
                    let sight = self.see(if keyless { &moved } else { &seen.place }).await?;
                    return Ok(sight.ok_or_else(|| "the changed row cannot be seen".to_owned()));
                }
            }
        }
        Ok(Err(last))
    }

    async fn delete(&self, seen: &Sight) -> Result<std::result::Result<(), String>> {
        let (filter, bound) = conditions(self.table, &seen.place);
        let sql = format!("DELETE FROM {} AS t WHERE {filter} RETURNING 1", self.table.quoted());
        let rows = self.within(&sql, &bound).await?;
        Ok(rows.and_then(|rows| match rows.len() {
            1 => Ok(()),
            n => Err(format!("{n} rows were deleted instead of one")),
        }))
    }

    /// Runs a statement that may be refused; what it did stays.
    async fn within(
        &self,
        sql: &str,
        bound: &[&(dyn ToSql + Sync)],
    ) -> Result<std::result::Result<Vec<Row>, String>> {
        self.tx.batch("SAVEPOINT amanah_rehearsal").await?;
        let answer = self.tx.query(sql, bound).await;
        if answer.is_err() {
            self.tx.batch("ROLLBACK TO SAVEPOINT amanah_rehearsal").await?;
        }
        self.tx.batch("RELEASE SAVEPOINT amanah_rehearsal").await?;
        Ok(answer.map_err(|error| error.to_string()))
    }

    /// Holds what the trail got since `start` against the row as it was and as it is.
    async fn judge(
        &self,
        start: i64,
        action: &str,
        was: Option<&Sight>,
        is: Option<&Sight>,
    ) -> Result<Outcome> {
        let Some(seen) = is.or(was) else {
            return Ok(Outcome::NotDone("there is no row".to_owned()));
        };
        let left = self.left(start, &seen.schema, &seen.table).await?;
        let chain: Vec<_> = left.iter().filter(|l| l.key == seen.key).collect();
        let Some(first) = chain.first().map(|left| &left.row) else {
            return Ok(Outcome::Wrong(format!("{action} left no row in the trail")));
        };
        if first.action != action {
            return Ok(Outcome::Wrong(format!("{action} is recorded as {}", first.action)));
        }
        let mut state = was.map(|s| s.data.as_str());
        for Left { row, was, becomes, discreet, read_at, .. } in chain.iter().copied() {
            if was.as_deref() != state {
                return Ok(Outcome::Wrong(format!("{action} is recorded with wrong old data")));
            }
            if let Some(wrong) = self.signed(row, *read_at) {
                return Ok(Outcome::Wrong(wrong));
            }
            if !discreet {
                return Ok(Outcome::Wrong(format!("{action} is recorded with hidden columns")));
            }
            state = becomes.as_deref();
        }
        Ok(if state == is.map(|s| s.data.as_str()) {
            Outcome::Recorded
        } else {
            Outcome::Wrong(format!("{action} is recorded with wrong new data"))
        })
    }

    async fn left(&self, start: i64, schema: &str, table: &str) -> Result<Vec<Left>> {
        row::since(self.tx, start, (schema, table), self.hidden).await
    }

    /// What is wrong with who did it, when, for which request, or with the hash.
    fn signed(&self, row: &TrailRow, read_at: Timestamp) -> Option<String> {
        let shown = |id: Option<&str>| id.unwrap_or("nobody").to_owned();
        let differs = |what: &str, found: Option<&str>, wanted: Option<&str>| {
            (found != wanted).then(|| {
                let action = &row.action;
                format!("{action} names the {what} {} instead of {}", shown(found), shown(wanted))
            })
        };
        differs("actor", row.actor_id.as_deref(), self.who.actor)
            .or_else(|| differs("tenant", row.tenant_id.as_deref(), self.who.tenant))
            .or_else(|| differs("login", Some(&row.db_user), Some(self.who.db_user)))
            .or_else(|| differs("request", row.request_id.as_deref(), self.who.request))
            .or_else(|| {
                let is_of_now = (self.who.since..=read_at).contains(&row.event_timestamp);
                (!is_of_now).then(|| format!("{} is recorded with another time", row.action))
            })
            .or_else(|| {
                let fits = row.is_whole();
                (!fits).then(|| format!("{} does not fit its SHA-256", row.action))
            })
    }
}

fn not_done(actions: &[&'static str], why: &str) -> Vec<(&'static str, Outcome)> {
    actions.iter().map(|action| (*action, Outcome::NotDone(why.to_owned()))).collect()
}

/// `t.a = $1::text::integer AND …`, so that an index can be used, and what is bound.
fn conditions<'a>(
    table: &Table,
    place: &'a [(String, String)],
) -> (String, Vec<&'a (dyn ToSql + Sync)>) {
    let keyed = !table.primary_key.is_empty();
    let term = |(n, (name, _)): (usize, &(String, String))| {
        let mark = n + 1;
        match (name.as_str(), table.column(name)) {
            ("tableoid", None) => format!("t.tableoid = ${mark}::text::oid"),
            ("ctid", None) => format!("t.ctid = ${mark}::text::tid"),
            (_, Some(column)) if keyed => {
                format!("t.{} = ${mark}::text::{}", ident(name), column.sql_type)
            }
            // Not every type can be compared, but every one prints.
            _ => format!("(to_jsonb(t.*) ->> {}) = ${mark}", literal(name)),
        }
    };
    let terms: Vec<String> = place.iter().enumerate().map(term).collect();
    let bound = place.iter().map(|(_, value)| value as &(dyn ToSql + Sync)).collect();
    (terms.join(" AND "), bound)
}

/// Ways to change a row that its keys, and most checks, allow.
fn assignments(table: &Table, tenant_column: &str) -> Vec<String> {
    let keyed = |name: &String| {
        name == tenant_column
            || table.primary_key.contains(name)
            || table.uniques.iter().any(|u| u.columns.contains(name))
            || table.foreign_keys.iter().any(|k| k.columns.contains(name))
    };
    let free = table.columns.iter().filter(|c| !c.generated && !keyed(&c.name));
    free.filter_map(|column| {
        let name = ident(&column.name);
        let value = match column.base.as_str() {
            "text" | "varchar" | "citext" if column.hints.is_empty() => {
                format!("CASE WHEN {name} = 'a' THEN 'b' ELSE 'a' END")
            }
            "bool" => format!("NOT coalesce({name}, false)"),
            "int2" | "int4" | "int8" | "numeric" | "float4" | "float8" => {
                format!("coalesce({name}, 0) + 1")
            }
            "date" | "timestamp" | "timestamptz" => {
                format!("coalesce({name}, '2020-01-01') + interval '1 day'")
            }
            _ => match other_label(column) {
                Some(label) => literal(label),
                None => return None,
            },
        };
        Some(format!("{name} = {value}"))
    })
    .collect()
}

/// The last label or quoted word: a specimen takes the first.
fn other_label(column: &store::Column) -> Option<&str> {
    let words = if column.labels.is_empty() { &column.hints } else { &column.labels };
    words.last().filter(|_| words.len() > 1).map(String::as_str)
}
