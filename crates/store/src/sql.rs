//! This crate's own statements: they read the catalogue.

/// Every table that belongs to the application: oid, schema, name, row security, forced, partition.
pub(crate) const TABLES: &str = concat!(
    "
SELECT c.oid, n.nspname::text, c.relname::text, c.relrowsecurity, c.relforcerowsecurity,
       c.relispartition
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p')
   AND c.relpersistence <> 't'
   AND c.oid >= 16384
   AND (n.nspname, c.relname) NOT IN ",
    crate::own_tables!(),
    " AND NOT ",
    crate::own_partition!("c.oid")
);

/// Every live column of every table that is not the server's own, with its base type below domains and the
/// checks on it alone.
pub(crate) const COLUMNS: &str = "
SELECT a.attrelid, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod),
       b.typname::text,
       CASE WHEN b.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4
            THEN a.atttypmod - 4 END,
       ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e
              WHERE e.enumtypid = b.oid ORDER BY e.enumsortorder),
       a.attnotnull, a.atthasdef AND a.attgenerated = '' OR a.attidentity <> '',
       a.attgenerated <> '',
       ARRAY(SELECT pg_catalog.pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint k
              WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum])
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
 WHERE a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum";

/// Every unique index on plain columns without a predicate, the server's own left out: table, name,
/// primary, columns.
pub(crate) const KEYS: &str = "
SELECT i.indrelid, c.relname::text, i.indisprimary,
       ARRAY(SELECT a.attname::text
               FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY k(attnum, place)
               JOIN pg_catalog.pg_attribute a
                 ON a.attrelid = i.indrelid AND a.attnum = k.attnum
              WHERE k.place <= i.indnkeyatts ORDER BY k.place)
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid >= 16384 AND i.indisunique AND i.indexprs IS NULL AND i.indpred IS NULL
 ORDER BY i.indrelid, c.relname";

/// Every foreign key that was declared, those inherited by partitions left out.
pub(crate) const FOREIGN_KEYS: &str = "
SELECT k.conrelid, k.conname::text,
       ARRAY(SELECT a.attname::text
               FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY u(attnum, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum
              ORDER BY u.place),
       n.nspname::text, c.relname::text,
       ARRAY(SELECT a.attname::text
               FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY u(attnum, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum
              ORDER BY u.place),
       k.confdeltype, k.confupdtype, k.condeferrable, k.condeferred
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class c ON c.oid = k.confrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND k.conparentid = 0
 ORDER BY k.conrelid, k.conname";

/// The columns of a constraint or unique index: schema and name of its table, and its own name.
pub(crate) const CONSTRAINED: &str = "
SELECT a.attname::text
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE n.nspname = $1 AND c.relname = $2
   AND (EXISTS (SELECT FROM pg_catalog.pg_constraint k
                 WHERE k.conrelid = c.oid AND k.conname = $3 AND a.attnum = ANY (k.conkey))
     OR EXISTS (SELECT FROM pg_catalog.pg_index i
                  JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid AND x.relname = $3
                 WHERE i.indrelid = c.oid
                   AND a.attnum = ANY (i.indkey::pg_catalog.int2[])))
 ORDER BY a.attnum";

/// Ends the sessions in the database `$1` that are not of the role `$2`, nor our own; a row each.
/// A login that was dropped has still its number there.
pub(crate) const END_SESSIONS: &str = "
SELECT pg_catalog.pg_terminate_backend(a.pid)
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = $1 AND a.backend_type = 'client backend'
   AND a.pid <> pg_catalog.pg_backend_pid()
   AND a.usesysid IS DISTINCT FROM
       (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = $2)";

/// What is in the schema `$1`, or hangs on something in it, and is none of the functions `$2`, tables
/// `$3` and triggers `$4` with their parts, nor a trigger or event trigger with a number in `$5`, as
/// people name it.
pub(crate) const OTHERS: &str = "
WITH RECURSIVE ours (classid, objid) AS (
    SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid,
           pg_catalog.to_regprocedure(f)::pg_catalog.oid
      FROM pg_catalog.unnest($2::text[]) f
    UNION
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, pg_catalog.to_regclass(t)
      FROM pg_catalog.unnest($3::text[]) t
    UNION
    SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, g.oid
      FROM pg_catalog.unnest($4::text[]) t
      JOIN pg_catalog.pg_trigger g
        ON (g.tgrelid = pg_catalog.to_regclass(pg_catalog.split_part(t, ' ', 1))
            OR g.tgrelid IN (SELECT h.inhrelid FROM pg_catalog.pg_inherits h
                JOIN pg_catalog.pg_class p ON p.oid = h.inhrelid
                 AND p.relnamespace = pg_catalog.to_regnamespace($1)
               WHERE h.inhparent = pg_catalog.to_regclass(pg_catalog.split_part(t, ' ', 1))))
       AND g.tgname::text = pg_catalog.split_part(t, ' ', 2)
    UNION
    SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, g.oid
      FROM pg_catalog.unnest($4::text[]) t
      JOIN pg_catalog.pg_policy g
        ON g.polrelid = pg_catalog.to_regclass(pg_catalog.split_part(t, ' ', 1))
       AND g.polname::text = pg_catalog.split_part(t, ' ', 2)
    UNION
    -- Its own parts: types, indexes, constraints and defaults of its columns, and partitions beside it.
    SELECT d.classid, d.objid
      FROM ours o JOIN pg_catalog.pg_depend d ON d.refclassid = o.classid AND d.refobjid = o.objid
      LEFT JOIN pg_catalog.pg_class c
        ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = d.objid
     WHERE d.deptype = 'i'
        OR d.deptype = 'a' AND (c.relkind IN ('i', 'I')
           OR c.relispartition AND c.relnamespace = pg_catalog.to_regnamespace($1)
           OR d.classid IN ('pg_catalog.pg_constraint'::pg_catalog.regclass,
                            'pg_catalog.pg_attrdef'::pg_catalog.regclass))
), found AS (
    SELECT d.classid, d.objid, d.objsubid
      FROM ours o JOIN pg_catalog.pg_depend d ON d.refclassid = o.classid AND d.refobjid = o.objid
     WHERE d.deptype IN ('n', 'a')
    UNION
    SELECT d.classid, d.objid, d.objsubid
      FROM pg_catalog.pg_depend d
     WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
       AND d.refobjid = pg_catalog.to_regnamespace($1) AND d.deptype = 'n'
)
SELECT DISTINCT i.type || ' ' || i.identity
  FROM found f
 CROSS JOIN LATERAL pg_catalog.pg_identify_object(f.classid, f.objid, f.objsubid) i
 WHERE NOT EXISTS (SELECT FROM ours o WHERE o.classid = f.classid AND o.objid = f.objid)
   AND NOT (f.objid = ANY ($5::pg_catalog.oid[])
            AND f.classid IN ('pg_catalog.pg_trigger'::pg_catalog.regclass,
                              'pg_catalog.pg_event_trigger'::pg_catalog.regclass))
 ORDER BY 1";

/// Extensions in the order in which they were made: name, schema, whether the schema is made
/// before it, the schema's number, whether something is in it that is no extension's.
pub(crate) const EXTENSIONS: &str = "
SELECT e.extname::text, n.nspname::text,
       n.nspname !~ '^pg_' AND n.nspname NOT IN ('public', 'information_schema'), n.oid::text,
       EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
                  AND d.refobjid = n.oid AND d.deptype IN ('n', 'a')
                  AND d.classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass
                  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend m
                                   WHERE m.classid = d.classid AND m.objid = d.objid
                                     AND m.deptype = 'e'))
  FROM pg_catalog.pg_extension e
  JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
 ORDER BY e.oid";

/// The numbers of functions for event triggers that the role `$1` does not own.
pub(crate) const EVENT_FUNCTIONS: &str = "
SELECT p.oid::text FROM pg_catalog.pg_proc p
 WHERE p.prorettype = 'pg_catalog.event_trigger'::pg_catalog.regtype
   AND NOT pg_catalog.pg_has_role($1, p.proowner, 'USAGE')";

/// The roles whose rights the role `$1` has.
pub(crate) const ROLES_OF: &str = "
SELECT r.rolname::text FROM pg_catalog.pg_roles r
 WHERE pg_catalog.pg_has_role($1, r.oid, 'USAGE')";

/// Where a session looks names up that say nothing of it.
pub(crate) const SEARCH_PATH: &str = "SELECT pg_catalog.current_setting('search_path')";
