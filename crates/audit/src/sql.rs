//! This crate's statements.

/// Columns of the trail in the order that [`crate::trail::Entry`] reads them.
pub(crate) const ENTRY: &str = "
SELECT id, event_timestamp, xid::text, actor_id, tenant_id, db_user::text, request_id, action,
       table_schema::text, table_name::text, row_key::text, old_data::text, new_data::text,
       row_hash
  FROM audit.system_audit_logs";

/// Goes after [`ENTRY`]: what this transaction left on one table since a row of the trail.
pub(crate) const OF_THIS_TRANSACTION: &str = "
 WHERE id > $1 AND xid = pg_catalog.pg_current_xact_id()
   AND table_schema = $2::text::name AND table_name = $3::text::name
 ORDER BY id";

/// The newest row of the trail; 0 when it is empty.
pub(crate) const NEWEST: &str = "SELECT coalesce(max(id), 0) FROM audit.system_audit_logs";

/// The newest row that this transaction left since a row of the trail.
pub(crate) const OWN_NEWEST: &str = "
SELECT max(id) FROM audit.system_audit_logs
 WHERE id > $1 AND xid = pg_catalog.pg_current_xact_id()";

/// For transactions that read the catalogue or that a superuser runs: no name is looked up where
/// somebody else could have put one.
pub(crate) const CLOSED_PATH: &str = "SET LOCAL search_path = pg_catalog, pg_temp";

/// Lets the watch over DDL sleep.
pub(crate) const WATCH_OFF: &str = "ALTER EVENT TRIGGER amanah_trail_ddl DISABLE;
ALTER EVENT TRIGGER amanah_trail_drop DISABLE";

/// Wakes it again.
pub(crate) const WATCH_ON: &str = "ALTER EVENT TRIGGER amanah_trail_ddl ENABLE ALWAYS;
ALTER EVENT TRIGGER amanah_trail_drop ENABLE ALWAYS";

/// Makes values print as the recording function prints them, and keeps a proof from waiting.
pub(crate) const SETTINGS: &str = "
SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'iso_8601';
SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1;
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
       AND (t.tgname, t.tgtype) IN (('amanah_audit_row', 29), ('amanah_audit_truncate', 32)),
       t.tgargs
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  JOIN pg_catalog.pg_namespace f ON f.oid = p.pronamespace
 WHERE t.tgname IN ('amanah_audit_row', 'amanah_audit_truncate')";

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

/// What a role has that leads to the trail: whether it is a superuser, whether it may make roles,
/// and which of the trail's keepers it is a member of. Also for those who may not enter the schema.
pub(crate) const REACH: &str = "
SELECT r.rolsuper, r.rolcreaterole,
       ARRAY(SELECT DISTINCT k.rolname::text
               FROM pg_catalog.pg_roles k
              WHERE k.oid <> r.oid AND NOT r.rolsuper
                AND pg_catalog.pg_has_role(r.oid, k.oid, 'MEMBER')
                AND k.oid IN (
                    SELECT c.relowner FROM pg_catalog.pg_class c
                      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname = 'audit' AND c.relname = 'system_audit_logs'
                    UNION
                    SELECT p.proowner FROM pg_catalog.pg_proc p
                      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                     WHERE n.nspname = 'audit')
              ORDER BY 1)
  FROM pg_catalog.pg_roles r WHERE r.rolname = $1";

/// Rights on the trail beyond reading, for anybody but its owner; the recorder may insert.
pub(crate) const GRANTS: &str = "
WITH trail AS (
    SELECT c.oid, c.relowner, c.relacl, n.oid AS schema, n.nspacl, p.proowner AS recorder
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid AND p.proname = 'global_track_changes'
     WHERE c.oid = 'audit.system_audit_logs'::regclass
), given (grantee, right_on) AS (
    SELECT a.grantee, a.privilege_type || ' on it'
      FROM trail, pg_catalog.aclexplode(trail.relacl) a
    UNION
    SELECT a.grantee, a.privilege_type || ' on a column of it'
      FROM trail JOIN pg_catalog.pg_attribute c ON c.attrelid = trail.oid,
           pg_catalog.aclexplode(c.attacl) a
    UNION
    SELECT a.grantee, a.privilege_type || ' on its schema'
      FROM trail, pg_catalog.aclexplode(trail.nspacl) a WHERE a.privilege_type = 'CREATE'
)
SELECT CASE given.grantee WHEN 0 THEN 'everybody'
       ELSE pg_catalog.pg_get_userbyid(given.grantee)::text END, given.right_on
  FROM given, trail
 WHERE given.grantee <> trail.relowner
   AND NOT pg_catalog.starts_with(given.right_on, 'SELECT ')
   AND NOT (given.grantee = trail.recorder AND given.right_on = 'INSERT on it')
 ORDER BY 1, 2";

/// Who can act as the role that owns the trail or records into it; superusers left out.
pub(crate) const MEMBERS: &str = "
SELECT DISTINCT pg_catalog.pg_get_userbyid(m.member)::text,
       pg_catalog.pg_get_userbyid(m.roleid)::text
  FROM pg_catalog.pg_auth_members m
  JOIN pg_catalog.pg_roles r ON r.oid = m.member AND NOT r.rolsuper
 WHERE m.roleid IN (
       SELECT c.relowner FROM pg_catalog.pg_class c
        WHERE c.oid = 'audit.system_audit_logs'::regclass
       UNION
       SELECT p.proowner FROM pg_catalog.pg_proc p
         JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'audit')
 ORDER BY 1, 2";

/// What in the trail's schema belongs to others than a superuser, the recording function left out.
pub(crate) const STRAYS: &str = "
WITH owned AS (
    SELECT 'audit.' || c.relname AS object, c.relowner AS owner FROM pg_catalog.pg_class c
     WHERE c.relnamespace = 'audit'::regnamespace AND c.relkind IN ('r', 'p')
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
   AND o.object <> 'audit.global_track_changes'
 ORDER BY 1";

/// The triggers on the trail itself: name, whether it always fires, function, kind, plain.
pub(crate) const GUARDS: &str = "
SELECT t.tgname::text, t.tgenabled = 'A', p.proname::text, t.tgtype,
       t.tgqual IS NULL AND t.tgattr = ''::pg_catalog.int2vector
       AND p.pronamespace = 'audit'::regnamespace
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
 WHERE t.tgrelid = 'audit.system_audit_logs'::regclass AND NOT t.tgisinternal
 ORDER BY 1";

/// What runs code beside the trail's own when it is read, written or analysed: rules, tables that it
/// was hung under, indexes, policies and statistics of others.
pub(crate) const DETOURS: &str = "
SELECT 'the rule ' || r.rulename FROM pg_catalog.pg_rewrite r
 WHERE r.ev_class = 'audit.system_audit_logs'::regclass
UNION ALL
SELECT 'the parent table ' || i.inhparent::regclass FROM pg_catalog.pg_inherits i
 WHERE i.inhrelid = 'audit.system_audit_logs'::regclass
UNION ALL
SELECT 'the index ' || i.indexrelid::regclass FROM pg_catalog.pg_index i
 WHERE i.indrelid = 'audit.system_audit_logs'::regclass
   AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
UNION ALL
SELECT 'the policy ' || p.polname FROM pg_catalog.pg_policy p
 WHERE p.polrelid = 'audit.system_audit_logs'::regclass
UNION ALL
SELECT 'the statistics ' || s.stxname FROM pg_catalog.pg_statistic_ext s
 WHERE s.stxrelid = 'audit.system_audit_logs'::regclass
 ORDER BY 1";

/// The functions of the trail: name, body, whether it runs with its owner's rights, its settings,
/// its owner, and whether that is as it should be. The recorder calls what the application's owner
/// can replace, so it must belong to nobody who may do more than the trail's owner.
pub(crate) const BODIES: &str = "
SELECT p.proname::text, p.prosrc, p.prosecdef, coalesce(p.proconfig, '{}'), r.rolname::text,
       CASE WHEN p.proname = 'global_track_changes'
            THEN r.rolname = 'amanah_trail' OR (r.oid = t.relowner AND NOT r.rolsuper)
            ELSE r.oid = t.relowner OR r.rolsuper END
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'audit'
  JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
  JOIN pg_catalog.pg_class t ON t.oid = 'audit.system_audit_logs'::regclass
 ORDER BY 1, p.oid";

/// Logins that were made for a proof whose run was killed.
pub(crate) const EXPIRED_PROBES: &str = "
SELECT r.rolname::text FROM pg_catalog.pg_roles r
 WHERE starts_with(r.rolname::text, $1) AND r.rolvaliduntil < now()";

/// Which of the event triggers stand, call what they should, and always fire.
pub(crate) const EVENT_TRIGGERS: &str = "
SELECT e.evtname::text
  FROM pg_catalog.pg_event_trigger e
  JOIN pg_catalog.pg_proc p ON p.oid = e.evtfoid
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'audit'
 WHERE (e.evtname, e.evtevent, p.proname) IN
       (('amanah_trail_ddl', 'ddl_command_end', 'refuse_weaker_ddl'),
        ('amanah_trail_drop', 'sql_drop', 'refuse_drop'))
   AND e.evttags IS NULL AND e.evtenabled = 'A'
 ORDER BY 1";

/// A transaction that sees one moment and changes nothing.
pub(crate) const ONE_SNAPSHOT: &str =
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = 0";

/// Goes before [`ENTRY`] and its order: rows are fetched by the page.
pub(crate) const DECLARE: &str = "DECLARE amanah_rows NO SCROLL CURSOR FOR ";

/// Goes after [`ENTRY`]: the order in which rows are sealed.
pub(crate) const IN_ORDER: &str = " ORDER BY xid, id";

/// The next page of rows.
pub(crate) const FETCH: &str = "FETCH FORWARD 8192 FROM amanah_rows";

/// The cluster, its timeline (the first part of the name of the file that it writes), the horizon
/// below which every transaction has ended, and the number that none has had.
pub(crate) const MOMENT: &str = "
SELECT (pg_catalog.pg_control_system()).system_identifier,
       ('x' || pg_catalog.substr(
           pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int,
       pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text,
       pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text";
