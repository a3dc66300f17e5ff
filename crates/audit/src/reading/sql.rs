//! The statements of reading.

use crate::sql::columns;

/// Whether row-level security hides rows of the trail from this login: no row where there is no trail.
pub(crate) const HIDES: &str = "
SELECT pg_catalog.row_security_active(c.oid) AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_roles r
        WHERE r.rolname = 'amanah_trail_reader' AND pg_catalog.pg_has_role(r.oid, 'USAGE'))
  FROM pg_catalog.pg_class c
 WHERE c.oid = pg_catalog.to_regclass('audit.system_audit_logs')";

/// Before the trail is read by an auditor.
pub(crate) const READING: &str = "SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'";

/// Records who asks for what.
pub(crate) const ASK: &str = "SELECT audit.ask($1::text::jsonb, $2)::text";

/// Records how many rows that is; its ticket is what opens them.
pub(crate) const COUNT: &str = "SELECT ticket::text, counted FROM audit.count($1::text::uuid)";

/// A page of what was asked for.
pub(crate) const READ: &str =
    concat!("SELECT ", columns!(), " FROM audit.read($1::text::uuid, $2::text::xid8, $3, $4)");
