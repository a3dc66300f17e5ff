//! What the catalogue of a cell is asked beside [`fleet`](crate::fleet)'s own statements.

pub(super) use crate::fleet::sql::{ADMITTED, PARAMETERS, ROLE_RIGHTS, WAYS_OUT};

/// Who else has the rights of the tenants' owner `$1`, which may connect to every tenant's database.
/// The one who asks is left out: the maker of databases must be a member.
pub(super) const OWNER_MEMBERS: &str = "
WITH RECURSIVE m (oid) AS (
    SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = $1
    UNION
    SELECT a.member FROM m JOIN pg_catalog.pg_auth_members a ON a.roleid = m.oid
)
SELECT r.rolname::text FROM m JOIN pg_catalog.pg_roles r ON r.oid = m.oid
 WHERE r.rolname NOT IN ($1, current_user) ORDER BY 1";

/// Who is a member of a tenant's role and no lease of it: role, member. The one who asks is left
/// out: without a superuser, the maker of leases must be a member to end their sessions.
pub(super) const MEMBERS: &str = "
SELECT g.rolname::text, m.rolname::text
  FROM pg_catalog.pg_auth_members a
  JOIN pg_catalog.pg_roles m ON m.oid = a.member
  JOIN pg_catalog.pg_roles g ON g.oid = a.roleid
 WHERE starts_with(g.rolname::text, $1) AND m.rolname <> current_user
   AND NOT m.rolname::text ~ ('^' || g.rolname || '_[0-9a-f]{8}$')
 ORDER BY 1, 2";
