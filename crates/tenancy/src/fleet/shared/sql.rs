//! The statements about one tenant's rows in a shared database.

use store::{Table, ident};

use super::super::archive::sql::spelling;
use crate::census::ROW;

/// Binds the transaction, or renews its binding: a token is good for a minute alone.
pub(super) const BIND: &str = "SELECT amanah.bind($1)";

/// Row security filters, and the search path is left alone: triggers of the application may depend on
/// it.
pub(super) const SPELLING: &str = concat!("SET LOCAL row_security = on;", spelling!());

/// Keys that can wait for the end of the transaction do, and at the end are looked at.
pub(super) const DEFER: &str = "SET CONSTRAINTS ALL DEFERRED";
pub(super) const CHECK: &str = "SET CONSTRAINTS ALL IMMEDIATE";

/// So that every name is written with its schema.
pub(super) const PLAIN_PATH: &str = "SET LOCAL search_path = pg_catalog";

/// Every table and partition: schema, name, whether its rows lie in partitions, and schema and name
/// of the table that it is, at last, a part of.
pub(super) const SHAPES: &str = "
SELECT n.nspname::text, c.relname::text, c.relkind = 'p', m.nspname::text, r.relname::text
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_class r
    ON r.oid = CASE WHEN c.relispartition THEN pg_catalog.pg_partition_root(c.oid) ELSE c.oid END
  JOIN pg_catalog.pg_namespace m ON m.oid = r.relnamespace
 WHERE c.relkind IN ('r', 'p')";

/// Of the tables `$1`, which must not filter silently by anything but the binding: those on which
/// row security is not in force for whoever asks, and those on which it lacks one of the rights
/// `$2`.
pub(super) const STANDING: &str = "
SELECT t.name, pg_catalog.row_security_active(t.name),
       (SELECT pg_catalog.bool_and(pg_catalog.has_table_privilege(t.name, w.word))
          FROM pg_catalog.unnest($2::text[]) w (word))
       AND pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')
  FROM pg_catalog.unnest($1::text[]) t (name)
  JOIN pg_catalog.pg_class c ON c.oid = t.name::pg_catalog.regclass";

/// The columns of the tables `$1` that a sequence fills: table, column, the sequence's schema and name,
/// whether it counts downwards, where it would begin.
pub(super) const FILLED: &str = "
SELECT DISTINCT t.name, a.attname::text, n.nspname::text, s.relname::text, q.seqincrement < 0,
       q.seqstart
  FROM pg_catalog.unnest($1::text[]) t (name)
  JOIN pg_catalog.pg_attribute a ON a.attrelid = t.name::pg_catalog.regclass
   AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_attrdef v ON v.adrelid = a.attrelid AND v.adnum = a.attnum
  JOIN pg_catalog.pg_depend d
    ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
       AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
       AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i')
    OR d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = v.oid
       AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  JOIN pg_catalog.pg_class s
    ON s.oid = CASE WHEN d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    THEN d.objid ELSE d.refobjid END AND s.relkind = 'S'
  JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
  JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
 WHERE a.atttypid IN ('pg_catalog.int2'::pg_catalog.regtype,
                      'pg_catalog.int4'::pg_catalog.regtype,
                      'pg_catalog.int8'::pg_catalog.regtype)
 ORDER BY 1, 2, 3, 4";

/// What defines the tables `$1`: kind, name, definition, as in the structure of a whole database.
/// Partitions are left out, whose bounds may name other tenants.
pub(super) const STRUCTURE: &str = "
WITH c AS (SELECT c.*, n.nspname
             FROM pg_catalog.unnest($1::text[]) t (name)
             JOIN pg_catalog.pg_class c ON c.oid = t.name::pg_catalog.regclass
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)
SELECT 'relation', pg_catalog.format('%I.%I', c.nspname, c.relname),
       pg_catalog.concat_ws(' ', c.relkind, c.relpersistence, c.relrowsecurity,
           c.relforcerowsecurity,
           CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END)
  FROM c
UNION ALL
SELECT 'column', pg_catalog.format('%I.%I.%I', c.nspname, c.relname, a.attname),
       pg_catalog.concat_ws(' ', pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
           a.attidentity, a.attgenerated, NULLIF(a.attcollation, 0)::pg_catalog.regcollation,
           pg_catalog.pg_get_expr(v.adbin, v.adrelid))
  FROM c
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_attrdef v ON v.adrelid = a.attrelid AND v.adnum = a.attnum
UNION ALL
SELECT 'constraint', pg_catalog.format('%I.%I', k.conname, c.relname),
       pg_catalog.pg_get_constraintdef(k.oid)
  FROM c JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid
UNION ALL
SELECT 'index', i.indexrelid::pg_catalog.regclass::text, pg_catalog.pg_get_indexdef(i.indexrelid)
  FROM c JOIN pg_catalog.pg_index i ON i.indrelid = c.oid";

/// How many large objects there are.
pub(super) const OBJECTS: &str = "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata";

/// The number of this transaction, and what has become of one.
pub(super) const XID: &str = "SELECT pg_catalog.pg_current_xact_id()::text";
pub(super) const XID_STATUS: &str = "SELECT pg_catalog.pg_xact_status($1::text::pg_catalog.xid8)";

/// What was noted of a tenant that comes or goes: which way, when it was begun, what was done.
pub(super) const PASSAGE: &str =
    "SELECT way, begun_at, noted FROM tenancy.passages WHERE id = $1 AND database = $2";

pub(super) const NOTE: &str = "
INSERT INTO tenancy.passages (id, database, way, begun_at, noted) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (id, database) DO UPDATE SET way = EXCLUDED.way, noted = EXCLUDED.noted,
       begun_at = CASE WHEN tenancy.passages.way = EXCLUDED.way
                       THEN tenancy.passages.begun_at ELSE EXCLUDED.begun_at END";

/// Checks the spelling of a tenant: what the server makes of the text `$1` in the column's type.
pub(super) fn respelled(cast: &str) -> String {
    format!("SELECT ($1::text{})::text", crate::census::suffix(cast))
}

/// The rows of a table under a condition, without those of tables that inherit from it. Partitions
/// are the table itself.
pub(super) fn rows(table: &Table, divided: bool) -> String {
    let only = if divided { "" } else { "ONLY " };
    format!("{only}{} AS {ROW}", table.quoted())
}

/// Rows to a stream.
pub(super) fn copy(from: &str, columns: &[String], condition: &str) -> String {
    let columns: Vec<_> = columns.iter().map(|c| format!("{ROW}.{}", ident(c))).collect();
    format!("COPY (SELECT {} FROM {from} WHERE {condition}) TO STDOUT", columns.join(", "))
}

/// How many rows there are.
pub(super) fn count(from: &str, condition: &str) -> String {
    format!("SELECT count(*) FROM {from} WHERE {condition}")
}

/// Whether there is a row.
pub(super) fn any(from: &str, condition: &str) -> String {
    format!("SELECT EXISTS (SELECT FROM {from} WHERE {condition})")
}

/// Deletes from several tables at once, so that rows that point to each other go together: for each
/// of them how many rows, and how long they were as text.
pub(super) fn delete(all: &[(String, String)]) -> String {
    let parts = all.iter().enumerate().map(|(n, (from, condition))| {
        format!(
            "gone_{n} AS (DELETE FROM {from} WHERE {condition} \
             RETURNING pg_catalog.octet_length({ROW}::text) AS bytes)"
        )
    });
    let counts = (0..all.len()).map(|n| {
        format!(
            "(SELECT ARRAY[count(*), COALESCE(pg_catalog.sum(bytes), 0)]::pg_catalog.int8[] \
             FROM gone_{n})"
        )
    });
    let (parts, counts): (Vec<_>, Vec<_>) = (parts.collect(), counts.collect());
    format!("WITH {} SELECT {}", parts.join(", "), counts.join(", "))
}

/// Inserts into several tables at once, for the same reason. Each column comes as an array of texts.
pub(super) fn insert(all: &[(&Table, &[String])]) -> String {
    let mut next = 0;
    let parts = all.iter().enumerate().map(|(n, (table, columns))| {
        let names: Vec<_> = columns.iter().map(|c| ident(c)).collect();
        let inputs: Vec<_> = (1..=columns.len()).map(|k| format!("c{k}")).collect();
        let values = inputs.iter().zip(columns.iter()).map(|(input, column)| {
            let sql_type = table.column(column).map_or("text", |c| c.sql_type.as_str());
            format!("CAST(amanah_in.{input} AS {sql_type})")
        });
        let arrays: Vec<_> =
            (1..=columns.len()).map(|k| format!("${}::text[]", next + k)).collect();
        next += columns.len();
        format!(
            "new_{n} AS (INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM unnest({}) \
             AS amanah_in ({}))",
            table.quoted(),
            names.join(", "),
            values.collect::<Vec<_>>().join(", "),
            arrays.join(", "),
            inputs.join(", ")
        )
    });
    let parts: Vec<_> = parts.collect();
    format!("WITH {} SELECT 1", parts.join(", "))
}

/// The outermost value of a column under a condition.
pub(super) fn outermost(from: &str, column: &str, down: bool, condition: &str) -> String {
    let pick = if down { "min" } else { "max" };
    let column = ident(column);
    format!(
        "SELECT pg_catalog.{pick}({ROW}.{column})::pg_catalog.int8 FROM {from} WHERE {condition}"
    )
}

/// Holds a sequence until the end of the transaction: nobody draws from it meanwhile. It changes
/// nothing, since it would begin where it is said to.
pub(super) fn hold(sequence: &str, start: i64) -> String {
    format!("ALTER SEQUENCE {sequence} START WITH {start}")
}
