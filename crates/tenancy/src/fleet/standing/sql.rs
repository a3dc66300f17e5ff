//! The statements about whether a tenant is let in.

/// How far a tenant's life is, which nobody changes until the end of the transaction. One that is being
/// moved is what it was before.
pub(super) const STANDING: &str =
    "SELECT COALESCE(t.before, t.state) FROM tenancy.tenants t WHERE t.id = $1 FOR SHARE";

/// What a tenant that is in no row was when it was lost with its cell, and whether the last of one of
/// this name was ever erased.
pub(super) const GONE: &str = "
SELECT (SELECT l.was FROM tenancy.losses l WHERE l.tenant = $1 AND l.was <> 'copy'
         ORDER BY l.lost_at DESC LIMIT 1),
       EXISTS (SELECT FROM tenancy.erasures e
                WHERE e.last
                  AND e.tenant_sha256 = pg_catalog.sha256(pg_catalog.convert_to($1, 'UTF8')))";
