//! Further attacks on every table that would change something: rows by other statements, and the
//! table itself.

use store::{ForeignKey, ident, qualified};

use super::table::{always, attack, denied, from, own};
use super::victim::{Bound, Victim};
use super::{Expect, How, OnTable, Scene, Strike};
use crate::Belongs;
use crate::census::{Name, ROW, suffix};

const PROTECT: &str = "run `amanah protect` again and apply its plan";
const NO_RIGHT: &str = "revoke this right from the application's role; `amanah protect` plans it";
const UNIQUE: &str = "put the tenant column first into the unique key";
/// A table with rules refuses such a statement for everybody.
const RULES: &str = "0A000";
const LOCKING: &str = "whoever may write to a table may lock it for everybody, as the card says";

/// Every attack, in the order of the matrix.
pub(super) const BATTERY: &[OnTable] = &[
    attack("merge", "changes a row by MERGE", PROTECT, merge),
    attack("update-from", "changes a row by UPDATE … FROM", PROTECT, |_, v| {
        let Some(column) = v.writable().map(ident) else { return Vec::new() };
        let table = v.held.table.quoted();
        let head = format!("UPDATE {table} AS {ROW} SET {column} = {ROW}.{column} FROM");
        vec![joined(v, &head)]
    }),
    attack("delete-using", "deletes a row by DELETE … USING", PROTECT, |_, v| {
        vec![joined(v, &format!("DELETE FROM {} AS {ROW} USING", v.held.table.quoted()))]
    }),
    attack("returning", "reads a row while it changes its own", PROTECT, returning),
    attack("copy-deleted", "deletes a row by COPY", PROTECT, copy_deleted),
    attack("steal", "copies a row to itself", PROTECT, steal),
    attack("conflict", "learns by ON CONFLICT DO NOTHING what the other has", UNIQUE, conflict),
    attack(
        "cascade",
        "may delete or change a shared row that takes the other's rows with it",
        "take the action off this foreign key, or the right on the shared table",
        cascade,
    ),
    always("own-rule", "hangs a rule on the table", NO_RIGHT, |_, v| {
        vec![denied(v, "CREATE RULE amanah_probe AS ON INSERT TO {} DO ALSO NOTHING")]
    }),
    always("own-statistics", "has values of the table sampled", NO_RIGHT, own_statistics),
    always("alter", "changes the shape of the table", NO_RIGHT, |_, v| {
        vec![denied(v, "ALTER TABLE {} ADD CONSTRAINT amanah_probe CHECK (true) NOT VALID")]
    }),
    always("triggers-off", "puts the triggers of the table to sleep", NO_RIGHT, |_, v| {
        vec![denied(v, "ALTER TABLE {} DISABLE TRIGGER USER")]
    }),
    always("take-over", "takes the table over", NO_RIGHT, |_, v| {
        vec![denied(v, "ALTER TABLE {} OWNER TO CURRENT_USER")]
    }),
    always("lock-table", "locks the table", NO_RIGHT, |_, v| {
        let mut bound = Bound::default();
        let table = bound.add(Some(&v.held.table.quoted()));
        let sql = format!(
            "SELECT pg_catalog.has_table_privilege(current_user, {table}, 'UPDATE, DELETE')\
             ::int::bigint"
        );
        vec![own(sql, bound, Expect::Told(LOCKING))]
    }),
];

/// MERGE has skipped the policies for reading and changing (CVE-2023-39418).
fn merge(_: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let Some(column) = victim.writable().map(ident) else { return Vec::new() };
    let mut bound = Bound::default();
    let is_b = victim.is(&victim.b, &mut bound);
    let sql = format!(
        "MERGE INTO {} AS {ROW} USING (SELECT 1) AS one ON {is_b} \
         WHEN MATCHED THEN UPDATE SET {column} = {ROW}.{column}",
        victim.held.table.quoted()
    );
    vec![Strike { how: How::Touched, ..own(sql, bound, Expect::Nothing(&[RULES])) }]
}

/// A change that takes its condition from a join.
fn joined(victim: &Victim<'_>, head: &str) -> Strike {
    let mut bound = Bound::default();
    let is_b = victim.is(&victim.b, &mut bound);
    let sql = format!(
        "WITH hit AS ({head} (SELECT 1) AS one WHERE {is_b} RETURNING 1) SELECT count(*) FROM hit"
    );
    own(sql, bound, Expect::Nothing(&[]))
}

fn returning(_: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let Some(column) = victim.writable().map(ident) else { return Vec::new() };
    let mut bound = Bound::default();
    let (is_a, is_b) = (victim.is(&victim.a, &mut bound), victim.is(&victim.b, &mut bound));
    let sql = format!(
        "WITH hit AS (UPDATE {} AS {ROW} SET {column} = {ROW}.{column} WHERE {is_a} \
         RETURNING (SELECT count(*) {} WHERE {is_b}) AS n) \
         SELECT COALESCE(sum(n), 0)::bigint FROM hit",
        victim.held.table.quoted(),
        from(victim)
    );
    vec![own(sql, bound, Expect::Nothing(&[]))]
}

fn copy_deleted(_: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let is_b = victim.is(&victim.b, &mut Bound::spelled());
    let table = victim.held.table.quoted();
    let sql = format!("COPY (DELETE FROM {table} AS {ROW} WHERE {is_b} RETURNING 1) TO STDOUT");
    vec![Strike { how: How::Copied, ..own(sql, Bound::default(), Expect::Nothing(&[RULES])) }]
}

/// Where a key stops it, the row was read.
fn steal(scene: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let table = &victim.held.table;
    let columns: Vec<_> = table.columns.iter().filter(|c| victim.may_insert(&c.name)).collect();
    if columns.is_empty() {
        return Vec::new();
    }
    let mut bound = Bound::default();
    let mine = match &victim.held.by {
        Belongs::Column { column, cast, .. } => {
            let me = bound.add(Some(scene.protected.canaries.0.as_str()));
            Some((column, format!("{me}{}", suffix(cast))))
        }
        Belongs::Parents(_) => None,
    };
    let values: Vec<String> = columns
        .iter()
        .map(|column| match &mine {
            Some((own, value)) if **own == column.name => value.clone(),
            _ => format!("{ROW}.{}", ident(&column.name)),
        })
        .collect();
    let names: Vec<String> = columns.iter().map(|c| ident(&c.name)).collect();
    let is_b = victim.is(&victim.b, &mut bound);
    let sql = format!(
        "WITH hit AS (INSERT INTO {} ({}) SELECT {} {} WHERE {is_b} RETURNING 1) \
         SELECT count(*) FROM hit",
        table.quoted(),
        names.join(", "),
        values.join(", "),
        from(victim)
    );
    vec![own(sql, bound, Expect::Nothing(&[]))]
}

/// A row of A's own with what B has in a unique key: nothing is added where it is taken. Another
/// constraint is asked after that key, so it tells that the key was free.
fn conflict(scene: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let table = &victim.held.table;
    let uniques = victim.held.loose_uniques(scene.census);
    uniques
        .filter(|unique| unique.columns.iter().all(|c| victim.may_insert(c)))
        .map(|unique| {
            let mut bound = Bound::default();
            let columns: Vec<_> =
                table.columns.iter().filter(|c| victim.may_insert(&c.name)).collect();
            let values: Vec<String> = columns
                .iter()
                .map(|column| {
                    let theirs = unique.columns.contains(&column.name);
                    let from = if theirs { &victim.b } else { &victim.a };
                    let place = bound.add(victim.value(from, &column.name));
                    format!("{place}::{}", column.sql_type)
                })
                .collect();
            let list = |names: Vec<&String>| {
                names.into_iter().map(|name| ident(name)).collect::<Vec<_>>().join(", ")
            };
            let sql = format!(
                "WITH hit AS (INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO NOTHING \
                 RETURNING 1) SELECT 1 - count(*) FROM hit",
                table.quoted(),
                list(columns.iter().map(|c| &c.name).collect()),
                values.join(", "),
                list(unique.columns.iter().collect())
            );
            own(sql, bound, Expect::Nothing(&["23502", "23503", "23505", "23514", "23P01"]))
        })
        .collect()
}

/// Asks for the right instead of using it: what it would delete or change may be much.
fn cascade(scene: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let keys = victim.held.table.foreign_keys.iter();
    let keys = keys.filter(|key| key.columns.iter().all(|c| victim.value(&victim.b, c).is_some()));
    let mut causes: Vec<Cause<'_>> = Vec::new();
    let mut look: Vec<Cause<'_>> = keys.flat_map(|key| Cause::of(key, None)).collect();
    while let Some(cause) = look.pop() {
        if scene.census.find(cause.table).is_some() || causes.contains(&cause) {
            continue;
        }
        let shared = scene.census.shared.iter();
        let table = shared.filter(|t| (&t.schema, &t.name) == (&cause.table.0, &cause.table.1));
        look.extend(table.flat_map(|t| &t.foreign_keys).flat_map(|k| Cause::of(k, Some(&cause))));
        causes.push(cause);
    }
    causes.into_iter().map(Cause::strike).collect()
}

/// What happens to a row so that foreign keys act on others.
#[derive(PartialEq)]
struct Cause<'a> {
    table: &'a Name,
    /// The columns that change, or none when the row goes.
    changed: Option<&'a [String]>,
}

impl<'a> Cause<'a> {
    /// What makes `key` act: on rows that are only there to pass on `then`, only if it does that.
    fn of(key: &'a ForeignKey, then: Option<&Cause<'_>>) -> Vec<Self> {
        let passes = |action: char| match then {
            None => matches!(action, 'c' | 'n' | 'd'),
            Some(Cause { changed: None, .. }) => action == 'c',
            Some(Cause { changed: Some(columns), .. }) => {
                matches!(action, 'c' | 'n' | 'd') && key.columns.iter().any(|c| columns.contains(c))
            }
        };
        let table = &key.parent;
        let mut all = Vec::new();
        // A row that goes leaves no key that changes: with CASCADE the rows that point to it go too.
        let changes = then.is_some_and(|then| then.changed.is_some());
        if passes(key.on_delete) && !(changes && key.on_delete == 'c') {
            all.push(Self { table, changed: None });
        }
        // And a key that changes takes no row along.
        if passes(key.on_update) && then.is_none_or(|then| then.changed.is_some()) {
            all.push(Self { table, changed: Some(&key.parent_columns) });
        }
        all
    }

    fn strike(self) -> Strike {
        let mut bound = Bound::default();
        let shared = bound.add(Some(&qualified(&self.table.0, &self.table.1)));
        let Some(columns) = self.changed else {
            let sql = format!(
                "SELECT pg_catalog.has_table_privilege(current_user, {shared}, 'DELETE')\
                 ::int::bigint"
            );
            return own(sql, bound, Expect::Nothing(&[]));
        };
        let each: Vec<String> = columns
            .iter()
            .map(|column| {
                let column = bound.add(Some(column));
                format!(
                    "pg_catalog.has_column_privilege(current_user, {shared}, {column}, 'UPDATE')"
                )
            })
            .collect();
        let sql = format!("SELECT ({})::int::bigint", each.join(" OR "));
        own(sql, bound, Expect::Nothing(&[]))
    }
}

fn own_statistics(_: &Scene<'_>, victim: &Victim<'_>) -> Vec<Strike> {
    let columns: Vec<String> =
        victim.held.table.columns.iter().take(2).map(|c| ident(&c.name)).collect();
    if columns.len() < 2 {
        return Vec::new();
    }
    let name = qualified(&victim.held.table.schema, "amanah_probe");
    let sql = format!(
        "CREATE STATISTICS {name} (ndistinct) ON {} FROM {}",
        columns.join(", "),
        victim.held.table.quoted()
    );
    vec![own(sql, Bound::default(), Expect::Refused(&["42501"]))]
}
