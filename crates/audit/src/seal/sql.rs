//! The sealer's statements. Each runs in one transaction that sees one moment and changes nothing.

/// Before anything is read. Sealing must not wait for anybody, and nobody for it.
pub(super) const ONE_MOMENT: &str = "
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '10min'";

/// Which history this is: the cluster, its timeline (the first part of the name of the file that it
/// writes), the horizon below which every transaction has ended, and the number after the newest.
pub(crate) const MOMENT: &str = "
SELECT (pg_catalog.pg_control_system()).system_identifier,
       ('x' || pg_catalog.substr(
           pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int,
       pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text,
       pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text";

/// Whether a row is there, whatever it says.
pub(super) const IS_THERE: &str = "
SELECT EXISTS (SELECT FROM audit.system_audit_logs
                WHERE xid = $1::text::xid8 AND id = $2)";

/// How many seconds ago the first row at or beyond a transaction was written.
pub(super) const OLDEST: &str = "
SELECT EXTRACT(EPOCH FROM pg_catalog.clock_timestamp() - event_timestamp)::float8
  FROM audit.system_audit_logs WHERE xid >= $1::text::xid8
 ORDER BY xid, id LIMIT 1";

/// The last of these sealed rows that is still there, as it was sealed.
pub(super) const LAST_OF: &str = "
SELECT s.xid::text, s.id
  FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::int8[]),
                  pg_catalog.unnest($3::bytea[])) AS s(xid, id, row_hash)
  JOIN audit.system_audit_logs t
    ON t.xid = s.xid::xid8 AND t.id = s.id AND t.row_hash = s.row_hash
 ORDER BY s.xid::xid8 DESC, s.id DESC LIMIT 1";

/// The oldest transaction that has a number and has not ended, of a session or prepared.
pub(super) const HOLDER: &str = "
SELECT pid, name, login, database, since FROM (
    SELECT a.pid, NULL::text AS name, a.usename::text AS login, a.datname::text AS database,
           a.xact_start AS since, pg_catalog.age(a.backend_xid) AS age
      FROM pg_catalog.pg_stat_activity a WHERE a.backend_xid IS NOT NULL
    UNION ALL
    SELECT NULL, p.gid, p.owner::text, p.database::text, p.prepared, pg_catalog.age(p.transaction)
      FROM pg_catalog.pg_prepared_xacts p) AS open
 ORDER BY age DESC LIMIT 1";
