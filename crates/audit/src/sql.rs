//! This crate's statements.

mod asked;
mod retention;

pub(crate) use asked::{
    APPROVED, APPROVES, ASKED, CASTS, CIPHER, CIPHER_CHANGED, CIPHER_KEYS, ENCRYPTS,
    FORGET_CIPHER_KEYS, KEEP_CIPHER_KEY, KEEPS_KEYS, PGCRYPTO, UNCOPIED, printed_forms,
};
pub(crate) use retention::{
    ARCHIVED_MONTHS, DIGEST, HAS_ROWS, IS_PART, LENGTHEN, MONTHS, NOTES_MONTHS, REMOVE_MONTH,
    ROWS_BETWEEN, SEALED_BETWEEN, STAYS,
};

/// Columns of the trail in the order that [`crate::row::TrailRow`] reads them.
macro_rules! columns {
    () => {
        "id, event_timestamp, xid::text, actor_id, tenant_id, db_user, request_id, action,
       table_schema, table_name, row_key::text, old_data::text, new_data::text, row_hash,
       pg_catalog.uuid_send(salt), erased"
    };
}
pub(crate) use columns;

/// Rows of the trail.
pub(crate) const ROW: &str = concat!("SELECT ", columns!(), " FROM audit.system_audit_logs");

/// What this transaction left on one table since a row of the trail. Beside each, without the columns
/// `$4`: the whole row before, the row after, the key; and whether none of these columns is shown.
pub(crate) const OF_THIS_TRANSACTION: &str = concat!(
    "SELECT ",
    columns!(),
    ",
       (CASE action WHEN 'UPDATE' THEN new_data || old_data ELSE old_data END - $4::text[])::text,
       (new_data - $4::text[])::text, (row_key - $4::text[])::text,
       NOT EXISTS (SELECT FROM pg_catalog.unnest($4::text[]) h, (VALUES (row_key), (old_data),
                     (new_data)) d (document)
                    WHERE pg_catalog.jsonb_typeof(d.document -> h) NOT IN ('object', 'null')
                       OR pg_catalog.jsonb_typeof(d.document -> h) = 'object'
                          AND NOT d.document -> h ? 'amanah'),
       pg_catalog.clock_timestamp()
  FROM audit.system_audit_logs
 WHERE id > $1 AND xid = pg_catalog.pg_current_xact_id()
   AND table_schema = $2 AND table_name = $3
 ORDER BY id"
);

/// Sets a setting for this transaction.
pub(crate) const SET: &str = "SELECT pg_catalog.set_config($1, $2, true)";

/// The time, as it stands in rows of the trail.
pub(crate) const NOW: &str = "SELECT pg_catalog.clock_timestamp()";

/// Whether contents can be erased here: a row, or none.
pub(crate) const ERASES: &str = "SELECT FROM pg_catalog.pg_proc p
       JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      WHERE n.nspname = 'audit' AND p.proname = 'erase' AND p.pronargs = 3";

/// The newest row that this transaction has left so far; 0 when there is none.
pub(crate) const NEWEST: &str = "
SELECT coalesce(max(id), 0) FROM audit.system_audit_logs
 WHERE xid = pg_catalog.pg_current_xact_id()";

/// Whether the trail has partitions: a row, or none.
pub(crate) const MAKES_PARTITIONS: &str = "SELECT FROM pg_catalog.pg_proc p
       JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      WHERE n.nspname = 'audit' AND p.proname = 'make_partitions' AND p.pronargs = 0";

/// Makes the partitions that are due.
pub(crate) const MAKE_PARTITIONS: &str = "SELECT audit.make_partitions()";

/// For transactions that read the catalogue or that a superuser runs: no name is looked up where
/// somebody else could have put one.
pub(crate) const CLOSED_PATH: &str = "SET LOCAL search_path = pg_catalog, pg_temp";

/// When the first row of the trail was recorded, in the order in which rows are sealed.
pub(crate) const FIRST_ROW: &str =
    "SELECT event_timestamp FROM audit.system_audit_logs ORDER BY xid, id LIMIT 1";

/// Lets the guard over DDL and its record sleep.
pub(crate) const DDL_GUARD_OFF: &str = "ALTER EVENT TRIGGER amanah_trail_ddl DISABLE;
ALTER EVENT TRIGGER amanah_trail_drop DISABLE;
ALTER EVENT TRIGGER amanah_trail_hiding DISABLE;
ALTER EVENT TRIGGER amanah_trail_first DISABLE;
ALTER EVENT TRIGGER amanah_trail_parts DISABLE;
ALTER EVENT TRIGGER amanah_trail_rewrite DISABLE;
ALTER EVENT TRIGGER amanah_trail_record_ddl DISABLE;
ALTER EVENT TRIGGER amanah_trail_record_drop DISABLE;
ALTER EVENT TRIGGER amanah_trail_record_rewrite DISABLE";

/// Wakes them again.
pub(crate) const DDL_GUARD_ON: &str = "ALTER EVENT TRIGGER amanah_trail_ddl ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_trail_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_trail_hiding ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_trail_first ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_trail_parts ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_trail_rewrite ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_trail_record_ddl ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_trail_record_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_trail_record_rewrite ENABLE ALWAYS";

/// Makes values print as the recording function prints them, and keeps a proof from waiting.
pub(crate) const SETTINGS: &str = "
SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'iso_8601';
SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL lc_monetary = 'C';
SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '10s'";

/// A statement that waits for a lock makes others wait behind it, so an attack waits briefly.
pub(crate) const ATTACK_SETTINGS: &str =
    "SET LOCAL lock_timeout = '200ms'; SET LOCAL statement_timeout = '5s'";

/// Every trigger that records, or bears the name of one that does: schema, table, name, when it
/// fires, whether it is what the plan makes, arguments.
pub(crate) const TRIGGERS: &str = "
SELECT n.nspname::text, c.relname::text, t.tgname::text, t.tgenabled = 'A',
       p.proname = 'global_track_changes' AND f.nspname = 'audit'
       AND t.tgqual IS NULL AND t.tgattr = ''::pg_catalog.int2vector AND t.tgconstraint = 0
       AND (t.tgname::text, t.tgtype, coalesce(t.tgoldtable::text, ''),
            coalesce(t.tgnewtable::text, '')) IN
           (('amanah_audit_row', 29, '', ''), ('amanah_audit_truncate', 32, '', ''),
            ('amanah_audit_insert', 4, '', 'amanah_becomes'),
            ('amanah_audit_update', 16, 'amanah_was', 'amanah_becomes'),
            ('amanah_audit_delete', 8, 'amanah_was', '')),
       t.tgargs
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  JOIN pg_catalog.pg_namespace f ON f.oid = p.pronamespace
 WHERE t.tgname IN ('amanah_audit_row', 'amanah_audit_truncate', 'amanah_audit_insert',
                    'amanah_audit_update', 'amanah_audit_delete')";

/// Those of the event triggers `$1` that are there.
pub(crate) const GUARDS_THERE: &str = "SELECT e.evtname::text FROM pg_catalog.pg_event_trigger e
      WHERE e.evtname::text = ANY ($1::text[]) ORDER BY 1";

/// Those of the functions `$1` of schema `audit` that are there.
pub(crate) const GUARD_THERE: &str = "SELECT p.proname::text FROM pg_catalog.pg_proc p
       JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      WHERE n.nspname = 'audit' AND p.pronargs = 0 AND p.proname::text = ANY ($1::text[])
      ORDER BY 1";

/// Triggers with the names `$1` that call the recorder, those of partitions that are copies of
/// their parent's left out: schema, table, trigger.
pub(crate) const RECORDED: &str = "
SELECT n.nspname::text, c.relname::text, t.tgname::text
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  JOIN pg_catalog.pg_namespace f ON f.oid = p.pronamespace
 WHERE t.tgname::text = ANY ($1::text[]) AND t.tgparentid = 0
   AND f.nspname = 'audit' AND p.proname = 'global_track_changes'
 ORDER BY 1, 2, 3";

/// The numbers of triggers with the names `$1` that call the recorder, and of the event triggers `$2`.
pub(crate) const RECORDERS: &str = "
SELECT t.oid
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  JOIN pg_catalog.pg_namespace f ON f.oid = p.pronamespace
 WHERE t.tgname::text = ANY ($1::text[])
   AND f.nspname = 'audit' AND p.proname = 'global_track_changes'
UNION ALL
SELECT e.oid FROM pg_catalog.pg_event_trigger e WHERE e.evtname::text = ANY ($2::text[])";

/// Schema `audit`, and whether we may drop it.
pub(crate) const TRAIL_THERE: &str =
    "SELECT pg_catalog.pg_has_role(n.nspowner, 'USAGE') FROM pg_catalog.pg_namespace n
      WHERE n.nspname = 'audit'";

/// Who owns the trail and who records into it.
pub(crate) const KEEPERS: &str = "
SELECT pg_catalog.pg_get_userbyid(c.relowner)::text, pg_catalog.pg_get_userbyid(p.proowner)::text
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_proc p ON p.pronamespace = c.relnamespace
 WHERE c.oid = 'audit.system_audit_logs'::regclass AND p.proname = 'global_track_changes'";

/// The trail and its partitions, as `tree (oid, label)`.
macro_rules! tree {
    () => {
        "tree (oid, label) AS (
    SELECT c.oid, n.nspname || '.' || c.relname
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = 'audit.system_audit_logs'::regclass
        OR c.oid IN (SELECT i.inhrelid FROM pg_catalog.pg_inherits i
                      WHERE i.inhparent = 'audit.system_audit_logs'::regclass)
)"
    };
}

/// Rights on the trail beyond reading, for anybody but its owner, and on a partition those to read
/// what they may not read as a whole; the recorder may insert: object, who, right.
pub(crate) const GRANTS: &str = concat!(
    "
WITH ",
    tree!(),
    ", trail AS (
    SELECT c.oid, c.relowner, c.relacl, n.nspacl, p.proowner AS recorder
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid AND p.proname = 'global_track_changes'
     WHERE c.oid = 'audit.system_audit_logs'::regclass
), given (place, label, owner, grantee, held, right_on) AS (
    SELECT t.oid, t.label, c.relowner, a.grantee, a.privilege_type,
           a.privilege_type || ' on it'
      FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid,
           pg_catalog.aclexplode(c.relacl) a
    UNION
    SELECT t.oid, t.label, c.relowner, a.grantee, a.privilege_type,
           a.privilege_type || ' on a column of it'
      FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid
      JOIN pg_catalog.pg_attribute k ON k.attrelid = t.oid,
           pg_catalog.aclexplode(k.attacl) a
    UNION
    SELECT c.oid, 'audit.' || c.relname, c.relowner, a.grantee, a.privilege_type,
           a.privilege_type || ' on it'
      FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
     WHERE c.relnamespace = 'audit'::regnamespace
       AND (c.relname IN ('hidden_columns', 'retention', 'archived_months')
            AND a.privilege_type <> 'SELECT'
            OR c.relname IN ('hash_key', 'cipher_key'))
    UNION
    SELECT trail.oid, 'audit.system_audit_logs', trail.relowner, a.grantee, 'CREATE',
           a.privilege_type || ' on its schema'
      FROM trail, pg_catalog.aclexplode(trail.nspacl) a WHERE a.privilege_type = 'CREATE'
)
SELECT given.label,
       CASE given.grantee WHEN 0 THEN 'everybody'
       ELSE pg_catalog.pg_get_userbyid(given.grantee)::text END, given.right_on
  FROM given, trail
 WHERE given.grantee <> given.owner
   AND NOT (given.held = 'SELECT' AND given.label NOT IN ('audit.hash_key', 'audit.cipher_key')
            AND (given.place = trail.oid OR EXISTS (
       SELECT FROM given g WHERE g.place = trail.oid AND g.grantee = given.grantee
          AND g.right_on = 'SELECT on it')))
   AND NOT (given.place = trail.oid AND given.grantee = trail.recorder
            AND given.right_on = 'INSERT on it')
   AND NOT (given.place = trail.oid AND given.right_on = 'UPDATE on a column of it'
            AND given.grantee = (SELECT p.proowner FROM pg_catalog.pg_proc p
                                   JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
                                  WHERE p.pronamespace = 'audit'::regnamespace
                                    AND p.proname = 'erase' AND r.rolname = 'amanah_trail_erasing'))
   AND NOT (given.place = trail.oid AND given.right_on = 'INSERT on it'
            AND given.grantee = (SELECT r.oid FROM pg_catalog.pg_roles r
                                  WHERE r.rolname = 'amanah_trail_desk'))
 ORDER BY 1, 2, 3"
);

/// Who can act as the role that owns the trail, records into it or has contents erased; superusers left
/// out, and the logins that Amanah makes for that, which end by themselves.
pub(crate) const MEMBERS: &str = "
SELECT DISTINCT pg_catalog.pg_get_userbyid(m.member)::text,
       pg_catalog.pg_get_userbyid(m.roleid)::text
  FROM pg_catalog.pg_auth_members m
  JOIN pg_catalog.pg_roles r ON r.oid = m.member AND NOT r.rolsuper
  LEFT JOIN pg_catalog.pg_roles g ON g.oid = m.grantor
 WHERE m.roleid IN (
       SELECT c.relowner FROM pg_catalog.pg_class c
        WHERE c.oid = 'audit.system_audit_logs'::regclass
       UNION
       SELECT p.proowner FROM pg_catalog.pg_proc p
         JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'audit')
    OR m.roleid = (SELECT e.oid FROM pg_catalog.pg_roles e WHERE e.rolname = 'amanah_trail_eraser')
       AND NOT (coalesce(g.rolsuper, false)
                AND pg_catalog.starts_with(r.rolname::text, 'amanah_probe_')
                AND r.rolvaliduntil < pg_catalog.now() + interval '1 hour')
 ORDER BY 1, 2";

/// What in the trail's schema belongs to others than a superuser, partitions and what records left
/// out.
pub(crate) const STRAYS: &str = "
WITH owned AS (
    SELECT 'audit.system_audit_logs' AS object, c.relowner AS owner FROM pg_catalog.pg_class c
     WHERE c.oid = 'audit.system_audit_logs'::regclass
    UNION ALL
    SELECT 'audit.' || p.proname, p.proowner FROM pg_catalog.pg_proc p
     WHERE p.pronamespace = 'audit'::regnamespace
    UNION ALL
    SELECT 'the schema audit', n.nspowner FROM pg_catalog.pg_namespace n
     WHERE n.nspname = 'audit'
)
SELECT o.object, r.rolname::text
  FROM owned o JOIN pg_catalog.pg_roles r ON r.oid = o.owner
 WHERE NOT r.rolsuper
   AND o.object NOT IN ('audit.global_track_changes', 'audit.record_command', 'audit.record_ddl',
                        'audit.record_drop', 'audit.ask', 'audit.count', 'audit.read',
                        'audit.told', 'audit.bare', 'audit.erase')
 ORDER BY 1";

/// Lets bounds of partitions be printed in one way.
pub(crate) const BOUNDS_SETTINGS: &str =
    "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'";

/// Each table that is a partition of the trail or lies in its schema: what it is called, and what is
/// wrong with it, if anything.
pub(crate) const PARTITIONS: &str = "
SELECT n.nspname || '.' || c.relname,
       CASE WHEN i.inhrelid IS NULL AND c.relname NOT IN ('hidden_columns', 'hash_key',
                 'cipher_key', 'retention', 'archived_months')
            THEN 'it lies beside the trail: a partition that was detached, or somebody else''s table'
            WHEN n.nspname <> 'audit'
              OR pg_catalog.pg_get_expr(c.relpartbound, c.oid) <> CASE
                 WHEN c.relname = 'system_audit_logs_rest' THEN 'DEFAULT'
                 WHEN c.relname ~ '^system_audit_logs_[0-9]{4}_(0[1-9]|1[0-2])$'
                 THEN (SELECT pg_catalog.format('FOR VALUES FROM (%L) TO (%L)', m.first::text,
                                                (m.first + interval '1 month')::text)
                         FROM (SELECT pg_catalog.to_date(pg_catalog.right(c.relname::text, 7),
                                        'YYYY_MM')::timestamptz AS first) m)
                 ELSE '' END
            THEN 'it is a foreign partition of the trail'
            WHEN c.relkind <> 'r' OR c.relpersistence <> 'p'
            THEN 'it is no plain table'
            WHEN c.relrowsecurity <> (i.inhrelid IS NULL OR t.relrowsecurity)
              OR c.relforcerowsecurity <> (t.relforcerowsecurity AND i.inhrelid IS NOT NULL)
            THEN 'its row-level security is not as Amanah made it'
            WHEN c.relowner <> t.relowner
            THEN 'it belongs to ' || pg_catalog.pg_get_userbyid(c.relowner)
                 || ', and not to the owner of the trail'
       END
  FROM pg_catalog.pg_class t
 CROSS JOIN pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = t.oid
 WHERE t.oid = 'audit.system_audit_logs'::regclass AND c.oid <> t.oid
   AND (i.inhrelid IS NOT NULL OR n.nspname = 'audit' AND c.relkind IN ('r', 'p', 'f', 'm'))
 ORDER BY 1";

/// Partitions that should be there: those of the months from the first one to the present one, and
/// the one of the rest. A month whose rows already lie in the rest can have none.
pub(crate) const PARTITIONS_GONE: &str = "
WITH part AS (
    SELECT c.relname::text AS name
      FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'audit.system_audit_logs'::regclass
), month AS (
    SELECT pg_catalog.generate_series(
        coalesce((SELECT min(pg_catalog.to_date(pg_catalog.right(p.name, 7), 'YYYY_MM'))::timestamptz
                    FROM part p WHERE p.name ~ '^system_audit_logs_[0-9]{4}_[0-9]{2}$'),
                 pg_catalog.date_trunc('month', pg_catalog.now())),
        pg_catalog.now(), interval '1 month') AS first
)
SELECT 'audit.' || w.name FROM (
    SELECT 'system_audit_logs_' || pg_catalog.to_char(m.first, 'YYYY_MM') AS name, m.first
      FROM month m
    UNION ALL SELECT 'system_audit_logs_rest', NULL) w
 WHERE w.name NOT IN (SELECT p.name FROM part p)
   AND (w.first IS NULL OR NOT EXISTS (SELECT FROM audit.system_audit_logs l
         WHERE l.event_timestamp >= w.first AND l.event_timestamp < w.first + interval '1 month'))
 ORDER BY 1";

/// Whether rows lie in the partition of the rest: a row, or none. Those of the end of time have no month.
pub(crate) const IN_THE_REST: &str = "
SELECT FROM audit.system_audit_logs l
 WHERE l.tableoid = pg_catalog.to_regclass('audit.system_audit_logs_rest')
   AND pg_catalog.isfinite(l.event_timestamp) LIMIT 1";

/// Lets everybody write messages into PostgreSQL's write-ahead log, as PostgreSQL does by itself: the
/// statements, for each form of the function.
pub(crate) const EMITS: &str = "
SELECT pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', p.oid::pg_catalog.regprocedure)
  FROM pg_catalog.pg_proc p
 WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
   AND p.proname = 'pg_logical_emit_message' ORDER BY 1";

/// Whether everybody may write messages into PostgreSQL's write-ahead log: a row, or none.
pub(crate) const ANYBODY_EMITS: &str = "
SELECT FROM pg_catalog.pg_proc p,
       pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
 WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
   AND p.proname = 'pg_logical_emit_message' AND a.grantee = 0 LIMIT 1";

/// The triggers on the trail itself and on its partitions: place, name, whether it always fires,
/// function, kind, plain. A place without triggers has one row, with NULL.
pub(crate) const GUARDS: &str = concat!(
    "
WITH ",
    tree!(),
    "
SELECT tree.label, t.tgname::text, t.tgenabled = 'A', p.proname::text, t.tgtype,
       t.tgqual IS NULL AND t.tgattr = ''::pg_catalog.int2vector
       AND p.pronamespace = 'audit'::regnamespace
  FROM tree
  LEFT JOIN pg_catalog.pg_trigger t ON t.tgrelid = tree.oid AND NOT t.tgisinternal
  LEFT JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
 ORDER BY 1, 2"
);

/// What runs code beside the trail's own when it is read, written or analysed: rules, tables that it
/// was hung under, indexes, policies and statistics of others. Place, what.
pub(crate) const DETOURS: &str = concat!(
    "
WITH ",
    tree!(),
    "
SELECT tree.label, 'the rule ' || r.rulename
  FROM tree JOIN pg_catalog.pg_rewrite r ON r.ev_class = tree.oid
UNION ALL
SELECT tree.label, 'the parent table ' || i.inhparent::regclass
  FROM tree JOIN pg_catalog.pg_inherits i ON i.inhrelid = tree.oid
 WHERE i.inhparent <> 'audit.system_audit_logs'::regclass
UNION ALL
SELECT tree.label, 'the index ' || i.indexrelid::regclass
  FROM tree JOIN pg_catalog.pg_index i ON i.indrelid = tree.oid
 WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
UNION ALL
SELECT tree.label, 'the policy ' || p.polname
  FROM tree JOIN pg_catalog.pg_policy p ON p.polrelid = tree.oid
 WHERE tree.oid <> 'audit.system_audit_logs'::regclass
    OR p.polname NOT IN ('recording', 'sealing', 'reading', 'proving', 'erasing')
UNION ALL
SELECT tree.label, 'the statistics ' || s.stxname
  FROM tree JOIN pg_catalog.pg_statistic_ext s ON s.stxrelid = tree.oid
 ORDER BY 1, 2"
);

/// The number of the transaction that asks.
pub(crate) const OWN_XID: &str = "SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text";

/// The partition in which the row `$1` of the trail lies.
pub(crate) const PARTITION_OF: &str = "
SELECT c.relname::text FROM audit.system_audit_logs t
  JOIN pg_catalog.pg_class c ON c.oid = t.tableoid WHERE t.id = $1";

/// The functions of the trail: name, body, whether it runs with its owner's rights, its settings,
/// its owner, and whether that is as it should be. The recorder calls what the application's owner
/// can replace, so it must belong to nobody who may do more than the trail's owner.
pub(crate) const BODIES: &str = "
SELECT p.proname::text, p.prosrc, p.prosecdef, coalesce(p.proconfig, '{}'), r.rolname::text,
       CASE WHEN p.proname IN ('ask', 'count', 'read', 'record_command', 'record_ddl',
                               'record_drop', 'told', 'bare') THEN r.rolname = 'amanah_trail_desk'
            WHEN p.proname = 'erase' THEN r.rolname = 'amanah_trail_erasing'
            WHEN p.proname = 'global_track_changes'
            THEN r.rolname = 'amanah_trail' OR (r.oid = t.relowner AND NOT r.rolsuper)
            ELSE r.oid = t.relowner OR r.rolsuper END
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'audit'
  JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
  JOIN pg_catalog.pg_class t ON t.oid = 'audit.system_audit_logs'::regclass
 ORDER BY 1, p.oid";

/// Which of the event triggers stand, call what they should, and always fire.
pub(crate) const EVENT_TRIGGERS: &str = "
SELECT e.evtname::text
  FROM pg_catalog.pg_event_trigger e
  JOIN pg_catalog.pg_proc p ON p.oid = e.evtfoid
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'audit'
 WHERE (e.evtname, e.evtevent, p.proname) IN
       (('amanah_trail_ddl', 'ddl_command_end', 'refuse_weaker_ddl'),
        ('amanah_trail_drop', 'sql_drop', 'refuse_drop'),
        ('amanah_trail_hiding', 'ddl_command_end', 'refuse_hiding'),
        ('amanah_trail_first', 'ddl_command_start', 'refuse_early'),
        ('amanah_trail_parts', 'ddl_command_end', 'refuse_filled_part'),
        ('amanah_trail_rewrite', 'table_rewrite', 'refuse_rewrite'),
        ('amanah_trail_record_ddl', 'ddl_command_end', 'record_ddl'),
        ('amanah_trail_record_drop', 'sql_drop', 'record_drop'),
        ('amanah_trail_record_rewrite', 'table_rewrite', 'record_ddl'))
   AND e.evttags IS NULL AND e.evtenabled = 'A'
 ORDER BY 1";

/// A transaction that sees one moment and changes nothing.
pub(crate) const ONE_SNAPSHOT: &str =
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = 0";

/// Goes before [`ENTRY`] and its order: rows are fetched by the page.
pub(crate) const DECLARE: &str = "DECLARE amanah_rows NO SCROLL CURSOR FOR ";

/// Goes after [`ENTRY`]: the order in which rows are sealed. The column is the table's own: the one in
/// [`ENTRY`] is a text, of which 10 comes before 9.
pub(crate) const IN_ORDER: &str = " ORDER BY system_audit_logs.xid, system_audit_logs.id";

/// Goes after [`ENTRY`]: the rows of this number, of which a whole trail has one.
pub(crate) const OF_NUMBER: &str = " WHERE id = $1 LIMIT 2";

/// The next page of rows.
pub(crate) const FETCH: &str = "FETCH FORWARD 8192 FROM amanah_rows";

/// Lets the trail of a sandbox be changed: it and each of its partitions.
pub(crate) const UNGUARD: &str = "DO $$ DECLARE part pg_catalog.regclass; BEGIN
    FOR part IN SELECT t.relid FROM pg_catalog.pg_partition_tree('audit.system_audit_logs') t LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s DISABLE TRIGGER USER', part);
    END LOOP;
END $$";
