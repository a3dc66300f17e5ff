//! The statements of the comparison: of the protected database first, then of the control database.

/// Keeps a look from waiting for locks. A transaction of many rows is read in one piece, which takes its
/// time.
pub(super) const PATIENCE: &str = "SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '1h'";

/// What of the server decides whether its log can be compared: what it holds, how much of it a slot may
/// keep in bytes (NULL for any amount), which cluster it is.
pub(super) const SERVER: &str = "
SELECT pg_catalog.current_setting('wal_level'),
       nullif(pg_catalog.current_setting('max_slot_wal_keep_size'), '-1'),
       (SELECT system_identifier::text FROM pg_catalog.pg_control_system())";

/// The slot `$1`, if there is one in this database: whether its log is still there, how far it was
/// read, and how many bytes it keeps.
pub(super) const SLOT: &str = "
SELECT s.wal_status IS DISTINCT FROM 'lost' AND s.plugin = 'test_decoding'
       AND s.database = pg_catalog.current_database(),
       s.confirmed_flush_lsn::text,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn)::pg_catalog.int8
  FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1::text::name";

/// Making a slot waits until every transaction of the server has ended: not for one that was forgotten.
pub(super) const SLOT_PATIENCE: &str = "SET LOCAL statement_timeout = '1min'";

pub(super) const MAKE_SLOT: &str = "SELECT lsn::text FROM pg_catalog.pg_create_logical_replication_slot($1::text::name, 'test_decoding')";

pub(super) const DROP_SLOT: &str =
    "SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots
      WHERE slot_name = $1::text::name";

/// Has a transaction of more than this streamed where the plugin is asked to do so: it shows then that
/// there are changes, and not what they are.
pub(super) const STREAMED: &str = "SET LOCAL logical_decoding_work_mem = '64kB'";

/// The first transaction that the slot `$1` holds up to `$2`, of the first `$3` lines: where it ends, its
/// number, and whether it was streamed.
pub(super) const FIRST: &str = "
SELECT c.lsn::text, c.xid::text::int8, pg_catalog.starts_with(c.data, 'committing ')
  FROM pg_catalog.pg_logical_slot_peek_changes($1::text::name, $2::text::pg_lsn, $3::int4,
           'skip-empty-xacts', '0', 'stream-changes', '1') WITH ORDINALITY AS c (lsn, xid, data, place)
 WHERE pg_catalog.starts_with(c.data, 'committing streamed transaction')
    OR pg_catalog.starts_with(c.data, 'COMMIT')
 ORDER BY c.place LIMIT 1";

/// Reads what the slot `$1` holds up to `$2`, and no more than one transaction of it.
pub(super) const PRINTS: &str = "
SELECT count(*) FROM pg_catalog.pg_logical_slot_peek_changes($1::text::name, $2::text::pg_lsn, 1,
                                                             'skip-empty-xacts', '0')";

/// Marks the log as read up to `$2`.
pub(super) const ADVANCE: &str =
    "SELECT pg_catalog.pg_replication_slot_advance($1::text::name, $2::text::pg_lsn)";

/// A commit that waits for the disk, with something in it that has to be written.
pub(super) const FLUSH: &str = "SET LOCAL synchronous_commit = on;
SELECT pg_catalog.pg_logical_emit_message(true, 'amanah', '')";

/// Where the log ends now.
pub(super) const END: &str = "SELECT pg_catalog.pg_current_wal_flush_lsn()::text";

/// Whether `$1` lies behind `$2`.
pub(super) const BEHIND: &str = "SELECT $1::text::pg_lsn < $2::text::pg_lsn";

/// Every table with a trigger that records its rows: its name, its number, its name as PostgreSQL writes
/// it out, whether it is a partition, and the columns of its key where the log shows the key that a row
/// had. What is not logged is in no log.
pub(crate) const TRACKED: &str = "
SELECT n.nspname::text, c.relname::text, c.oid::int8,
       pg_catalog.format('%I.%I', n.nspname, c.relname), c.relispartition,
       ARRAY(SELECT a.attname::text
               FROM pg_catalog.pg_index i
               JOIN pg_catalog.pg_attribute a
                 ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
              WHERE i.indrelid = c.oid AND i.indisprimary AND c.relreplident IN ('d', 'f')
              ORDER BY a.attname::text COLLATE \"C\")
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence = 'p'
   AND EXISTS (SELECT FROM pg_catalog.pg_trigger t
                 JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid AND p.proname = 'global_track_changes'
                 JOIN pg_catalog.pg_namespace f ON f.oid = p.pronamespace AND f.nspname = 'audit'
                WHERE t.tgrelid = c.oid)";

/// What the tables of the numbers `$1` are called, those that are there.
pub(super) const CALLED: &str = "
SELECT c.oid::int8, n.nspname::text, c.relname::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = ANY ($1::int8[]::oid[])";

/// Everything with rows that the log may tell of: schema, name and number.
pub(super) const NAMES: &str = "
SELECT n.nspname::text, c.relname::text, c.oid::int8
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
   AND (n.nspname <> 'pg_catalog' OR c.oid >= 16384)";

/// Those of the names in the schemas `$1` and with the names `$2` that belong to an extension.
pub(super) const EXTENDED: &str = "
SELECT t.schema, t.name FROM unnest($1::text[], $2::text[]) AS t (schema, name)
 WHERE EXISTS (SELECT FROM pg_catalog.pg_class c
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 JOIN pg_catalog.pg_depend d ON d.objid = c.oid AND d.deptype = 'e'
                  AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                WHERE n.nspname = t.schema AND c.relname = t.name)";

/// Keeps a turn for as long as `amanah protect` works, without a word meanwhile.
pub(super) const LONG_TURN: &str = "SET LOCAL idle_in_transaction_session_timeout = 0";

/// Takes the turn if nobody else has it, until the end of the transaction.
pub(super) const TRY_TURN: &str =
    "SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended($1 || $2, 5))";

/// Waits until nobody else looks at the same database, until the end of the transaction.
pub(super) const TURN: &str =
    "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1 || $2, 5))";

/// How far a database was compared, and since when; when that was ended, and when Amanah began to work
/// on its trail.
pub(super) const STANDING: &str = "
SELECT lsn::text, since, looked_at, transactions, changes, ended_at, paused_at FROM compared.slots
 WHERE system = $1 AND database = $2";

pub(super) const BEGIN: &str = "
INSERT INTO compared.slots (system, database, lsn, since, looked_at)
VALUES ($1, $2, $3::text::pg_lsn, $4, $4)
ON CONFLICT (system, database) DO UPDATE
   SET lsn = excluded.lsn, since = excluded.since, paused_at = NULL";

pub(super) const ADVANCED: &str = "
UPDATE compared.slots SET lsn = $3::text::pg_lsn, looked_at = $4,
       transactions = transactions + $5, changes = changes + $6, paused_at = NULL
 WHERE system = $1 AND database = $2";

/// Notes that nothing is compared from now on, because Amanah works on the trail.
pub(super) const PAUSED: &str = "
UPDATE compared.slots SET paused_at = $3
 WHERE system = $1 AND database = $2 AND ended_at IS NULL";

/// Tables that must be recorded, in place of those that were.
pub(super) const UNKNOW: &str = "DELETE FROM compared.tables WHERE system = $1 AND database = $2";

pub(super) const KNOW: &str = "
INSERT INTO compared.tables (system, database, table_schema, table_name, oid, since)
SELECT $1, $2, t.schema, t.name, t.oid, '0/0'::pg_lsn + t.since::numeric
  FROM unnest($3::text[], $4::text[], $5::int8[], $6::int8[]) AS t (schema, name, oid, since)
ON CONFLICT DO NOTHING";

pub(super) const KNOWN: &str = "
SELECT table_schema, table_name, oid, (since - '0/0')::int8 FROM compared.tables
 WHERE system = $1 AND database = $2";

/// The names that tables had when the last look ended.
pub(super) const NAMED: &str = "
SELECT table_schema, table_name, oid FROM compared.names WHERE system = $1 AND database = $2";

pub(super) const UNNAME: &str = "
DELETE FROM compared.names n USING unnest($3::text[], $4::text[]) AS t (schema, name)
 WHERE n.system = $1 AND n.database = $2 AND n.table_schema = t.schema AND n.table_name = t.name";

pub(super) const NAME: &str = "
INSERT INTO compared.names (system, database, table_schema, table_name, oid)
SELECT $1, $2, t.schema, t.name, t.oid
  FROM unnest($3::text[], $4::text[], $5::int8[]) AS t (schema, name, oid)";

pub(super) const FOUND: &str = "
INSERT INTO compared.differences
    (system, database, kind, xid, table_schema, table_name, action, changes, records, lsn, seen_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::pg_lsn, $11)
ON CONFLICT DO NOTHING";

/// What was not compared while Amanah worked, with its explanation.
pub(super) const MAINTAINED: &str = "
INSERT INTO compared.differences
    (system, database, kind, xid, table_schema, table_name, action, changes, records, lsn, seen_at,
     explained_by, explanation, explained_at)
VALUES ($1, $2, 'maintenance', 0, '', '', $3, 0, 0, $4::text::pg_lsn, $5, $6, $7, $5)
ON CONFLICT DO NOTHING";

/// How often Amanah worked on the trail without a comparison, and when last.
pub(super) const MAINTENANCE: &str = "
SELECT count(*), max(seen_at) FROM compared.differences
 WHERE system = $1 AND database = $2 AND kind = 'maintenance' AND explained_at IS NOT NULL";

/// How many differences nobody has explained yet.
pub(super) const OPEN_COUNT: &str = "
SELECT count(*) FROM compared.differences
 WHERE system = $1 AND database = $2 AND explained_at IS NULL";

/// What nobody has explained yet, newest first, and not more than `$3`.
pub(super) const OPEN: &str = "
SELECT id, kind, xid, table_schema, table_name, action, changes, records, lsn::text, seen_at
  FROM compared.differences
 WHERE system = $1 AND database = $2 AND explained_at IS NULL ORDER BY id DESC LIMIT $3";

/// What was found from `$3` until before `$4`, explained or not, oldest first, and not more than `$5`.
pub(super) const DURING: &str = "
SELECT id, kind, xid, table_schema, table_name, action, changes, records, lsn::text, seen_at,
       explained_by, explanation, explained_at
  FROM compared.differences
 WHERE system = $1 AND database = $2 AND seen_at >= $3 AND seen_at < $4 ORDER BY id LIMIT $5";

/// How many that were, and how many of them nobody has explained.
pub(super) const DURING_COUNT: &str = "
SELECT count(*), count(*) FILTER (WHERE explained_at IS NULL) FROM compared.differences
 WHERE system = $1 AND database = $2 AND seen_at >= $3 AND seen_at < $4";

/// Which database the difference `$1` is of.
pub(super) const WHOSE: &str = "SELECT system, database FROM compared.differences WHERE id = $1";

/// How far a database was compared and what was found in it, in one line.
pub(super) const STATE: &str = "
SELECT concat((SELECT s.lsn FROM compared.slots s WHERE s.system = $1 AND s.database = $2), ' ',
              encode(sha256(convert_to(coalesce(string_agg(jsonb_build_array(d.id, d.kind, d.xid,
                  d.table_schema, d.table_name, d.action, d.changes, d.records, d.lsn, d.explained_by,
                  d.explanation, extract(epoch FROM d.explained_at))::text, ',' ORDER BY d.id), ''),
                  'UTF8')), 'hex'))
  FROM compared.differences d WHERE d.system = $1 AND d.database = $2";

pub(super) const EXPLAIN: &str = "
UPDATE compared.differences SET explained_by = $2, explanation = $3, explained_at = $4
 WHERE id = $1 AND explained_at IS NULL";

/// Lets nobody begin anew.
pub(super) const ENDED: &str = "
INSERT INTO compared.slots (system, database, lsn, since, looked_at, ended_at)
VALUES ($1, $2, '0/0', $3, $3, $3)";

/// Lets the next look begin anew.
pub(super) const RESUME: &str = "
DELETE FROM compared.slots WHERE system = $1 AND database = $2 AND ended_at IS NOT NULL";

pub(super) const FORGET: &str = "DELETE FROM compared.slots WHERE system = $1 AND database = $2";

pub(super) const FORGET_FOUND: &str =
    "DELETE FROM compared.differences WHERE system = $1 AND database = $2";
