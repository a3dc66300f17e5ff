//! How long months of the trail stay, and those that have left.

/// For how many months each month of the trail stays in the database; a row, or none.
pub(crate) const STAYS: &str = "SELECT months FROM audit.retention";

/// Makes that `$1` months, if it is less, and returns it.
pub(crate) const LENGTHEN: &str = "
INSERT INTO audit.retention AS r (months) VALUES ($1)
    ON CONFLICT (single) DO UPDATE SET months = greatest(r.months, excluded.months)
RETURNING months";

/// The partitions of the trail, and the room that they take.
pub(crate) const MONTHS: &str = "
SELECT c.relname::text, pg_catalog.pg_total_relation_size(c.oid)
  FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'audit.system_audit_logs'::regclass ORDER BY 1";

/// How many rows the trail has from the day `$1` on and before the day `$2`, by UTC.
pub(crate) const ROWS_BETWEEN: &str = "
SELECT count(*) FROM audit.system_audit_logs
 WHERE event_timestamp >= $1::text::timestamp AT TIME ZONE 'UTC'
   AND event_timestamp < $2::text::timestamp AT TIME ZONE 'UTC'";

/// The same up to the row of transaction `$3` and number `$4`, of the hash `$5`; and whether that one is
/// there, and the one of transaction `$6`, number `$7` and hash `$8`.
pub(crate) const SEALED_BETWEEN: &str = "
SELECT count(*),
       coalesce(bool_or((xid, id, row_hash) = ($3::text::xid8, $4, $5)), false),
       coalesce(bool_or((xid, id, row_hash) = ($6::text::xid8, $7, $8)), false)
  FROM audit.system_audit_logs
 WHERE event_timestamp >= $1::text::timestamp AT TIME ZONE 'UTC'
   AND event_timestamp < $2::text::timestamp AT TIME ZONE 'UTC'
   AND (xid, id) <= ($3::text::xid8, $4)";

/// Takes the month of the day `$1` out, which has `$2` rows, of the digest `$3`.
pub(crate) const REMOVE_MONTH: &str = "SELECT audit.remove_month($1::text::date, $2, $3)";

/// That digest over so many rows that there is one piece of them, of the partition that follows.
pub(crate) const DIGEST: &str = "
SELECT sha256(sha256(string_agg(int8send(id) || row_hash, '' ORDER BY xid, id))) FROM audit.";

/// Whether the database notes which months were taken out: a row, or none.
pub(crate) const NOTES_MONTHS: &str = "SELECT FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'audit' AND c.relname = 'archived_months'";

/// Which these are, and how many rows each had.
pub(crate) const ARCHIVED_MONTHS: &str =
    "SELECT pg_catalog.to_char(month, 'YYYY-MM'), rows FROM audit.archived_months ORDER BY 1";

/// Whether `$1` is a partition of the trail now.
pub(crate) const IS_PART: &str = "
SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits i
                WHERE i.inhparent = 'audit.system_audit_logs'::regclass
                  AND i.inhrelid = pg_catalog.to_regclass($1::text))";

/// Whether the trail has a row from the day `$1` on and before the day `$2`, by UTC.
pub(crate) const HAS_ROWS: &str = "
SELECT EXISTS (SELECT FROM audit.system_audit_logs
                WHERE event_timestamp >= $1::text::timestamp AT TIME ZONE 'UTC'
                  AND event_timestamp < $2::text::timestamp AT TIME ZONE 'UTC')";
