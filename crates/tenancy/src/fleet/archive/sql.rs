//! The statements about archives.

use store::{ident, qualified};

/// What a relation `c` in schema `n` must be to belong to the application: not the server's, not
/// ours, not an extension's.
macro_rules! theirs {
    ($class:literal, $object:literal) => {
        concat!(
            " n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'amanah')
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
                                WHERE e.classid = 'pg_catalog.",
            $class,
            "'::pg_catalog.regclass AND e.objid = ",
            $object,
            ".oid AND e.deptype = 'e') "
        )
    };
}

/// One moment, and nothing is changed.
pub(in super::super) const SNAPSHOT: &str = "
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The name by which others see the same moment.
pub(in super::super) const EXPORT_SNAPSHOT: &str = "SELECT pg_catalog.pg_export_snapshot()";

/// Values have one spelling, whatever role and database say: both sides of a comparison begin so, of
/// whichever kind of archive.
macro_rules! spelling {
    () => {
        "
SET LOCAL datestyle = 'ISO, MDY';
SET LOCAL intervalstyle = 'postgres';
SET LOCAL timezone = 'UTC';
SET LOCAL extra_float_digits = 3;
SET LOCAL bytea_output = 'hex';
SET LOCAL xmloption = 'content';
SET LOCAL lc_monetary = 'C';
SET LOCAL synchronize_seqscans = off;
SET LOCAL quote_all_identifiers = off;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL lock_timeout = '10s'"
    };
}
pub(in super::super) use spelling;

/// Names are looked up in the catalogue alone. Row security does not filter silently: it is refused.
pub(in super::super) const PINS: &str =
    concat!("SET LOCAL search_path = pg_catalog; SET LOCAL row_security = off;", spelling!());

/// The server and the database: version, encoding, collation, character type.
pub(in super::super) const SERVER: &str = "
SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4,
       pg_catalog.pg_encoding_to_char(d.encoding)::text, d.datcollate::text, d.datctype::text
  FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

/// Tables with the columns that are stored: schema, name, columns.
pub(in super::super) const TABLES: &str = concat!(
    "
SELECT n.nspname::text, c.relname::text,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                AND a.attgenerated = ''
              ORDER BY a.attnum)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND",
    theirs!("pg_class", "c"),
    r#"ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C""#
);

/// Sequences: schema, name.
pub(in super::super) const SEQUENCES: &str = concat!(
    "
SELECT n.nspname::text, c.relname::text
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'S' AND",
    theirs!("pg_class", "c"),
    r#"ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C""#
);

pub(in super::super) const SET_SEQUENCE: &str = "
SELECT pg_catalog.setval($1::text::pg_catalog.regclass, $2, $3)";

/// Foreign tables, whose rows are elsewhere: schema, name.
pub(in super::super) const FOREIGN: &str = "
SELECT n.nspname::text, c.relname::text
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'f' ORDER BY 1, 2";

/// Materialised views that are filled, in the order in which they were made.
pub(in super::super) const VIEWS: &str = concat!(
    "
SELECT n.nspname::text, c.relname::text
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm' AND c.relispopulated AND",
    theirs!("pg_class", "c"),
    "ORDER BY c.oid"
);

/// Foreign keys: schema, table, name, definition, comment.
pub(in super::super) const FOREIGN_KEYS: &str = concat!(
    "
SELECT n.nspname::text, c.relname::text, k.conname::text, pg_catalog.pg_get_constraintdef(k.oid),
       pg_catalog.obj_description(k.oid, 'pg_constraint')
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND k.conparentid = 0 AND",
    theirs!("pg_class", "c"),
    "ORDER BY 1, 2, 3"
);

/// Triggers that fire: schema, table, name, when.
pub(in super::super) const TRIGGERS: &str = concat!(
    "
SELECT n.nspname::text, c.relname::text, t.tgname::text, t.tgenabled::text
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND",
    theirs!("pg_class", "c"),
    "ORDER BY 1, 2, 3"
);

/// Large objects: number, owner.
pub(in super::super) const OBJECTS: &str = "
SELECT m.oid, pg_catalog.pg_get_userbyid(m.lomowner)::text
  FROM pg_catalog.pg_largeobject_metadata m ORDER BY m.oid";

pub(in super::super) const READ_OBJECT: &str = "SELECT pg_catalog.lo_get($1, $2, $3)";
pub(in super::super) const MAKE_OBJECT: &str = "SELECT pg_catalog.lo_create($1)";
pub(in super::super) const WRITE_OBJECT: &str = "SELECT pg_catalog.lo_put($1, $2, $3)";
pub(in super::super) const DROP_OBJECTS: &str = "
SELECT pg_catalog.lo_unlink(m.oid) FROM pg_catalog.pg_largeobject_metadata m";

/// Everything that migrations make, as lines: kind, name, definition. Owners, grants and comments
/// are left out, and so are the roles of policies: their names are an installation's own.
pub(in super::super) const STRUCTURE: &str = concat!(
    "
SELECT 'extension', x.extname::text, x.extversion
  FROM pg_catalog.pg_extension x
UNION ALL
SELECT 'schema', n.nspname::text, ''
  FROM pg_catalog.pg_namespace n WHERE",
    theirs!("pg_namespace", "n"),
    "
UNION ALL
SELECT 'relation', pg_catalog.format('%I.%I', n.nspname, c.relname),
       pg_catalog.concat_ws(' ', c.relkind, c.relpersistence, c.relrowsecurity,
           c.relforcerowsecurity, pg_catalog.pg_get_expr(c.relpartbound, c.oid),
           CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END,
           CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END,
           pg_catalog.array_to_string(c.reloptions, ','),
           (SELECT pg_catalog.string_agg(i.inhparent::pg_catalog.regclass::text, ','
                                         ORDER BY i.inhseqno)
              FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid))
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND",
    theirs!("pg_class", "c"),
    "
UNION ALL
SELECT 'column', pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname),
       pg_catalog.concat_ws(' ', pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
           a.attidentity, a.attgenerated, NULLIF(a.attcollation, 0)::pg_catalog.regcollation,
           pg_catalog.pg_get_expr(v.adbin, v.adrelid))
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_attrdef v ON v.adrelid = a.attrelid AND v.adnum = a.attnum
 WHERE c.relkind IN ('r', 'p', 'f', 'c') AND a.attnum > 0 AND NOT a.attisdropped AND",
    theirs!("pg_class", "c"),
    "
UNION ALL
SELECT 'sequence', pg_catalog.format('%I.%I', n.nspname, c.relname),
       pg_catalog.concat_ws(' ', pg_catalog.format_type(q.seqtypid, NULL), q.seqstart,
           q.seqincrement, q.seqmin, q.seqmax, q.seqcache, q.seqcycle)
  FROM pg_catalog.pg_sequence q
  JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE",
    theirs!("pg_class", "c"),
    "
UNION ALL
SELECT 'constraint', pg_catalog.format('%I.%I', k.conname, COALESCE(c.relname, y.typname)),
       pg_catalog.pg_get_constraintdef(k.oid)
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace
  LEFT JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
  LEFT JOIN pg_catalog.pg_type y ON y.oid = k.contypid
 WHERE",
    theirs!("pg_constraint", "k"),
    "
UNION ALL
SELECT 'index', pg_catalog.format('%I.%I', n.nspname, c.relname),
       pg_catalog.pg_get_indexdef(c.oid)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('i', 'I') AND",
    theirs!("pg_class", "c"),
    "
UNION ALL
SELECT 'trigger', pg_catalog.format('%I.%I.%I', n.nspname, c.relname, t.tgname),
       pg_catalog.concat_ws(' ', t.tgenabled, pg_catalog.pg_get_triggerdef(t.oid))
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal AND",
    theirs!("pg_class", "c"),
    "
UNION ALL
SELECT 'policy', pg_catalog.format('%I.%I.%I', n.nspname, c.relname, p.polname),
       pg_catalog.concat_ws(' ', p.polcmd, p.polpermissive,
           pg_catalog.pg_get_expr(p.polqual, p.polrelid),
           pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
  FROM pg_catalog.pg_policy p
  JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE",
    theirs!("pg_class", "c"),
    "
UNION ALL
SELECT 'function', p.oid::pg_catalog.regprocedure::text,
       CASE WHEN p.prokind = 'a' THEN pg_catalog.pg_get_function_result(p.oid)
            ELSE pg_catalog.pg_get_functiondef(p.oid) END
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE",
    theirs!("pg_proc", "p"),
    "
UNION ALL
SELECT 'type', pg_catalog.format('%I.%I', n.nspname, y.typname),
       pg_catalog.concat_ws(' ', y.typtype, y.typnotnull, y.typdefault,
           CASE WHEN y.typtype = 'd' THEN pg_catalog.format_type(y.typbasetype, y.typtypmod) END,
           (SELECT pg_catalog.string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
              FROM pg_catalog.pg_enum e WHERE e.enumtypid = y.oid),
           (SELECT pg_catalog.format_type(r.rngsubtype, NULL)
              FROM pg_catalog.pg_range r WHERE r.rngtypid = y.oid))
  FROM pg_catalog.pg_type y JOIN pg_catalog.pg_namespace n ON n.oid = y.typnamespace
 WHERE y.typtype IN ('d', 'e', 'r') AND",
    theirs!("pg_type", "y")
);

/// Keeps the structure of tables as it is, until the end of the transaction.
pub(in super::super) fn hold(tables: &[(String, String)]) -> String {
    format!("LOCK TABLE ONLY {} IN ACCESS SHARE MODE", names(tables))
}

/// Empties tables.
pub(in super::super) fn empty(tables: &[(String, String)]) -> String {
    format!("TRUNCATE ONLY {}", names(tables))
}

fn names(tables: &[(String, String)]) -> String {
    let names: Vec<_> = tables.iter().map(|(schema, name)| qualified(schema, name)).collect();
    names.join(", ONLY ")
}

/// Rows of a table, to or from a stream.
pub(in super::super) fn copy(
    (schema, name): (&str, &str),
    columns: &[String],
    way: &str,
) -> String {
    let columns: Vec<_> = columns.iter().map(|column| ident(column)).collect();
    let list = if columns.is_empty() { String::new() } else { format!("({})", columns.join(", ")) };
    format!("COPY {} {list} {way}", qualified(schema, name))
}
