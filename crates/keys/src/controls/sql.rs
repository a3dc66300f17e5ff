//! The statements of this room's proofs, and nothing else. Every value is bound; names of tables
//! and columns are quoted.

/// Nothing is written, no name leads elsewhere than it says, and no table is held for long. The
/// first statements of their transaction.
pub(super) const LOOK: &str = "\
    SET TRANSACTION READ ONLY; \
    SET LOCAL search_path = pg_catalog, pg_temp; \
    SET LOCAL statement_timeout = '5min'; \
    SET LOCAL lock_timeout = '10s'";

/// Every column of a table or materialised view that people made: schema, table, column, comment,
/// base type below any domain, whether rows are hidden from this login, whether the type holds
/// a truth value or a time and nothing else. A type that is not PostgreSQL's own has its schema
/// before its name: anybody may call one `text`. A partition is looked at through its parent.
pub(super) const COLUMNS: &str = "\
    WITH RECURSIVE base (type, below) AS ( \
        SELECT oid, oid FROM pg_catalog.pg_type \
        UNION ALL \
        SELECT b.type, t.typbasetype FROM base b \
          JOIN pg_catalog.pg_type t ON t.oid = b.below WHERE t.typtype = 'd') \
    SELECT n.nspname::text, c.relname::text, a.attname::text, \
           coalesce(pg_catalog.col_description(c.oid, a.attnum), ''), \
           CASE WHEN o.nspname = 'pg_catalog' THEN '' ELSE o.nspname || '.' END || t.typname, \
           pg_catalog.row_security_active(c.oid), \
           t.oid IN ('pg_catalog.bool'::regtype, 'pg_catalog.date'::regtype, \
               'pg_catalog.time'::regtype, 'pg_catalog.timetz'::regtype, \
               'pg_catalog.timestamp'::regtype, 'pg_catalog.timestamptz'::regtype, \
               'pg_catalog.interval'::regtype) \
      FROM pg_catalog.pg_class c \
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
      JOIN pg_catalog.pg_attribute a \
        ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
      JOIN base b ON b.type = a.atttypid \
      JOIN pg_catalog.pg_type t ON t.oid = b.below AND t.typtype <> 'd' \
      JOIN pg_catalog.pg_namespace o ON o.oid = t.typnamespace \
     WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition \
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
     ORDER BY 1, 2, a.attnum";

/// How many values of a column were sealed by which key's version: its id in hexadecimal, or
/// nothing for a value that has not the shape of a ciphertext; and how many. No value comes out.
/// `value` is the column as text and `table` its table, both quoted. Parameter: how many rows.
///
/// Made in one go: a name that was put in first could hold what is looked for second.
pub(super) fn sealed_by(value: &str, table: &str) -> String {
    format!(
        "SELECT CASE WHEN v ~ '^(amanah|vault):v[1-9][0-9]{{0,9}}:[A-Za-z0-9+/]{{64,}}={{0,2}}$' \
                      AND length(v) < 134217728 \
                      AND length(split_part(v, ':', 3)) % 4 = 0 \
                     THEN encode(substring( \
                         decode(substr(split_part(v, ':', 3), 1, 12), 'base64') \
                         FROM 1 FOR 8), 'hex') END, \
                count(*) \
           FROM (SELECT {value} AS v FROM {table} AS t) AS x WHERE v IS NOT NULL \
          GROUP BY 1 ORDER BY 2 DESC LIMIT $1"
    )
}
