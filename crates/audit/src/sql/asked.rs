//! The statements about what is asked of the recording, what of it was approved, and what would lead it
//! astray.

/// What comments ask of the recording: schema, table, column or nothing, what is asked; whether the
/// table can be written through others or by a subscription; and whether the column is in its key.
/// Temporary tables are their session's own affair, whatever it writes on them.
pub(crate) const ASKED: &str = "
SELECT n.nspname::text, c.relname::text, coalesce(a.attname::text, ''),
       (pg_catalog.regexp_match(d.description, '@audit[(]([^)]*)[)]'))[1],
       c.relkind = 'p'
       OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhparent, i.inhrelid))
       OR EXISTS (SELECT FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid = c.oid),
       coalesce(a.attnum = ANY (p.indkey::pg_catalog.int2[]), false)
  FROM pg_catalog.pg_description d
  JOIN pg_catalog.pg_class c ON c.oid = d.objoid AND c.relkind IN ('r', 'p')
       AND c.relpersistence <> 't'
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid
        AND d.objsubid > 0
  LEFT JOIN pg_catalog.pg_index p ON p.indrelid = c.oid AND p.indisprimary
 WHERE d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.description ~ '@audit[(]'
 ORDER BY 1, 2, d.objsubid";

/// Which columns may be hidden, as somebody has approved: schema, table, how, column.
pub(crate) const APPROVED: &str = "
SELECT n.nspname::text, c.relname::text, h.how, h.column_name
  FROM audit.hidden_columns h
  JOIN pg_catalog.pg_class c ON c.oid = h.relation
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = h.attnum
       AND a.attname = h.column_name AND NOT a.attisdropped";

/// Whether columns can be approved here: a row, or none.
pub(crate) const APPROVES: &str = "SELECT FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'audit' AND c.relname = 'hidden_columns'";

/// Casts to JSON by a function that is not PostgreSQL's own and not in C, which a superuser makes.
pub(crate) const CASTS: &str = "
SELECT pg_catalog.format('%s AS %s', k.castsource::pg_catalog.regtype,
                         k.casttarget::pg_catalog.regtype)
  FROM pg_catalog.pg_cast k
  JOIN pg_catalog.pg_proc p ON p.oid = k.castfunc
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE k.casttarget IN ('pg_catalog.json'::pg_catalog.regtype,
                        'pg_catalog.jsonb'::pg_catalog.regtype)
   AND l.lanname NOT IN ('internal', 'c')
 ORDER BY 1";

/// Partitions without a copy of the trigger for rows that their parent has.
pub(crate) const UNCOPIED: &str = "
WITH rows (place) AS (
    SELECT t.tgrelid FROM pg_catalog.pg_trigger t
      JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid AND p.proname = 'global_track_changes'
      JOIN pg_catalog.pg_namespace f ON f.oid = p.pronamespace AND f.nspname = 'audit'
     WHERE t.tgname = 'amanah_audit_row'
)
SELECT n.nspname || '.' || c.relname
  FROM pg_catalog.pg_inherits i
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition AND c.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE i.inhparent IN (SELECT place FROM rows) AND c.oid NOT IN (SELECT place FROM rows)
 ORDER BY 1";
