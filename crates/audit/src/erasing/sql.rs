//! The statements of erasing: of the protected database first, then of the control database.

/// What is known of a row that may be erased: place, time, table, action, hash, whether it has a salt,
/// whether it was erased, whether it says anything.
macro_rules! chosen {
    ($($condition:expr),+ $(,)?) => {
        concat!(
            "SELECT t.xid::text, t.id, t.event_timestamp, t.table_schema, t.table_name, t.action,
                    t.row_hash, t.salt IS NOT NULL, t.erased IS NOT NULL,
                    num_nonnulls(t.row_key, t.old_data, t.new_data) > 0
               FROM audit.system_audit_logs t WHERE ",
            $($condition,)+
            " ORDER BY t.xid, t.id"
        )
    };
}

/// The table `$2` of schema `$1`, or of any, and all of its partitions.
macro_rules! tree {
    () => {
        "WITH RECURSIVE tree AS (
             SELECT c.oid, n.nspname::text AS place, c.relname::text AS name
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE c.relname = $2 AND ($1::text IS NULL OR n.nspname = $1)
             UNION
             SELECT c.oid, n.nspname::text, c.relname::text
               FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
               JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace) "
    };
}

/// Before rows are chosen.
pub(super) const CHOOSING: &str =
    "SET TRANSACTION READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp";

/// Rows with these numbers.
pub(super) const NUMBERED: &str = chosen!("t.id = ANY ($1::int8[])");

/// Rows that were written for a tenant.
pub(super) const OF_TENANT: &str = chosen!("t.tenant_id = $1");

/// Rows in which a value stands as a text, however deep.
pub(super) const MENTIONING: &str = chosen!(
    "EXISTS (SELECT FROM (VALUES (t.row_key), (t.old_data), (t.new_data)) d (document)
              WHERE jsonb_path_exists(d.document, 'strict $.** ? (@ == $value)',
                                      jsonb_build_object('value', $1::text), true))"
);

/// Rows about the record with key `$3` in table `$2` of schema `$1`, or of any, before a change and
/// after it; the partitions of a table are that table. And rows about whoever has read them, which say
/// the key.
pub(super) const OF_RECORD: &str = chosen!(
    "(EXISTS (",
    tree!(),
    "SELECT FROM tree WHERE (tree.place, tree.name) = (t.table_schema, t.table_name))
      OR t.table_name = $2 AND ($1::text IS NULL OR t.table_schema = $1))
     AND CASE jsonb_typeof($3::text::jsonb)
         WHEN 'object' THEN t.row_key = $3::text::jsonb OR t.new_data @> $3::text::jsonb
              AND ARRAY(SELECT jsonb_object_keys(t.row_key))
                  = ARRAY(SELECT jsonb_object_keys($3::text::jsonb))
         ELSE (SELECT count(*) = 1 AND bool_and(k.value = $3::text::jsonb #>> '{}'
                      OR coalesce(t.new_data ->> k.key = $3::text::jsonb #>> '{}', false))
                 FROM jsonb_each_text(t.row_key) k) END
     OR t.action IN ('ASK', 'READ') AND t.new_data -> 'filter' ->> 'table' = $2
        AND ($1::text IS NULL
             OR coalesce(t.new_data -> 'filter' ->> 'schema', $1) = $1)
        AND (t.new_data -> 'filter' -> 'key' = $3::text::jsonb
             OR CASE jsonb_typeof(t.new_data -> 'filter' -> 'key') WHEN 'object' THEN (
                 SELECT count(*) = 1 AND bool_and(k.value = $3::text::jsonb #>> '{}')
                   FROM jsonb_each_text(t.new_data -> 'filter' -> 'key') k) END)"
);

/// A table and all of its partitions, by schema and name.
pub(super) const TREE: &str = concat!(tree!(), "SELECT place, name FROM tree");

/// Which cluster this is.
pub(super) const SYSTEM: &str =
    "SELECT system_identifier::text FROM pg_catalog.pg_control_system()";

/// The transaction that erases.
pub(super) const TRANSACTION: &str = "SELECT pg_catalog.pg_current_xact_id()::text";

pub(super) const ERASE: &str = "SELECT audit.erase($1::text[]::xid8[], $2, $3)";

/// A place in the write-ahead log behind everything that was committed.
pub(super) const BEHIND_ALL: &str = "SELECT pg_catalog.pg_current_wal_insert_lsn()::text";

/// Which of these rows are in the database.
pub(super) const THERE: &str = "
SELECT s.xid, s.id
  FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::int8[])) AS s (xid, id)
  JOIN audit.system_audit_logs t ON t.xid = s.xid::xid8 AND t.id = s.id";

/// The partitions in which rows lie.
pub(super) const PARTITIONS: &str = "
SELECT DISTINCT c.relname::text
  FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::int8[])) AS s (xid, id)
  JOIN audit.system_audit_logs t ON t.xid = s.xid::xid8 AND t.id = s.id
  JOIN pg_catalog.pg_class c ON c.oid = t.tableoid ORDER BY 1";

pub(super) const ASK: &str = "
INSERT INTO erasing.requests
    (log, system, database, requested_by, why, chosen_by, log_size, asked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";

pub(super) const NAME: &str = "
INSERT INTO erasing.contents (request, xid, id, row_hash)
SELECT $1, c.xid, c.id, c.row_hash FROM unnest($2::text[], $3::int8[], $4::bytea[]) c (xid, id, row_hash)";

/// The logs that are to get an entry about an erasure.
pub(super) const WAITING_LOGS: &str = "
SELECT DISTINCT r.log FROM erasing.requests r JOIN erasing.contents c ON c.request = r.id
 WHERE r.finished_at IS NULL AND c.entry IS NULL AND c.refused IS NULL";

/// Contents of a log's trail whose erasure is not in the log.
pub(super) const WAITING: &str = "
SELECT c.request, c.xid, c.id, c.row_hash, r.requested_by, r.why, r.log_size
  FROM erasing.requests r JOIN erasing.contents c ON c.request = r.id
 WHERE r.log = $1 AND r.finished_at IS NULL AND c.entry IS NULL AND c.refused IS NULL
 ORDER BY c.request, c.id LIMIT $2";

pub(super) const ENTERED: &str = "
UPDATE erasing.contents c SET entry = e.entry
  FROM unnest($1::int8[], $2::text[], $3::int8[], $4::int8[]) e (request, xid, id, entry)
 WHERE c.request = e.request AND c.xid = e.xid AND c.id = e.id";

pub(super) const REFUSED: &str = "
UPDATE erasing.contents SET refused = $4 WHERE request = $1 AND xid = $2 AND id = $3";

/// Contents whose erasure is in the log, and that are still there.
pub(super) const ENTERED_ONES: &str = "
SELECT c.request, c.xid, c.id, c.row_hash, r.requested_by, r.why, r.log_size
  FROM erasing.requests r JOIN erasing.contents c ON c.request = r.id
 WHERE r.log = $1 AND r.finished_at IS NULL AND c.entry IS NOT NULL AND NOT c.taken
   AND c.refused IS NULL
 ORDER BY c.request, c.id LIMIT $2";

pub(super) const ATTEMPT: &str = "
INSERT INTO erasing.attempts (log, system, database, xid, rows) VALUES ($1, $2, $3, $4, $5)
RETURNING id";

pub(super) const ENDED: &str = "UPDATE erasing.attempts SET ended = $2::text::pg_lsn WHERE id = $1";

pub(super) const TAKEN: &str = "
UPDATE erasing.contents c SET taken = true
  FROM unnest($1::int8[], $2::text[], $3::int8[]) e (request, xid, id)
 WHERE c.request = e.request AND c.xid = e.xid AND c.id = e.id";

/// Contents that are gone, of requests that are not finished.
pub(super) const TAKEN_ONES: &str = "
SELECT c.xid, c.id FROM erasing.requests r JOIN erasing.contents c ON c.request = r.id
 WHERE r.log = $1 AND r.finished_at IS NULL AND c.taken";

/// Requests of which nothing is left to do.
pub(super) const FINISHED: &str = "
UPDATE erasing.requests r SET finished_at = $2
 WHERE r.log = $1 AND r.finished_at IS NULL AND NOT EXISTS (
       SELECT FROM erasing.contents c WHERE c.request = r.id AND NOT c.taken AND c.refused IS NULL)";

/// The logs with requests that are not finished.
pub(super) const OPEN_LOGS: &str =
    "SELECT DISTINCT log FROM erasing.requests WHERE finished_at IS NULL";

/// How a request stands: rows, of which have no entry yet, of which are gone; whether it is finished.
pub(super) const STANDING: &str = "
SELECT count(*), count(*) FILTER (WHERE c.entry IS NULL AND c.refused IS NULL),
       count(*) FILTER (WHERE c.taken), r.finished_at IS NOT NULL
  FROM erasing.requests r JOIN erasing.contents c ON c.request = r.id
 WHERE r.id = $1 GROUP BY r.id";

/// The contents that cannot go, and why.
pub(super) const REFUSALS: &str = "
SELECT id, refused FROM erasing.contents WHERE request = $1 AND refused IS NOT NULL ORDER BY id";

/// One process at a time erases in a database, until the end of the transaction.
pub(super) const TRY_TURN: &str =
    "SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended($1, 6))";

/// Rows that transactions of ours were to erase, of which the log says so, with the transactions by the
/// lower 32 bits of their numbers: those that the comparison may not have passed.
pub(crate) const EXCUSED: &str = "
SELECT DISTINCT (a.xid::numeric % 4294967296)::int8, c.id
  FROM erasing.attempts a
  JOIN erasing.requests r ON r.log = a.log
  JOIN erasing.contents c ON c.request = r.id AND c.id = ANY (a.rows) AND c.entry IS NOT NULL
 WHERE a.system = $1 AND a.database = $2 AND (a.ended IS NULL OR a.ended >= $3::text::pg_lsn)";
