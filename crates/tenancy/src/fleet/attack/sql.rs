//! The statements of the battery about connections.

/// Every database that can be connected to but `$1`, those apart whose names begin with `$2`.
pub(super) const DATABASES: &str = "
SELECT d.datname::text
  FROM pg_catalog.pg_database d
 WHERE d.datallowconn AND d.datname <> $1 AND NOT starts_with(d.datname::text, $2)
 ORDER BY d.datname";

/// Whether a login has the right to connect to a database that is there.
pub(super) const MAY_CONNECT: &str = "
SELECT pg_catalog.has_database_privilege($1::name, d.oid, 'CONNECT')
  FROM pg_catalog.pg_database d WHERE d.datname = $2";

/// By whose right a login connects to a database, as SQL names them.
pub(super) const ADMITTED_BY: &str = "
SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC'
                ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END
  FROM pg_catalog.pg_database d
  CROSS JOIN LATERAL pg_catalog.aclexplode(
      COALESCE(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
 WHERE d.datname = $1 AND a.privilege_type = 'CONNECT'
   AND (a.grantee = 0 OR pg_catalog.pg_has_role($2::text::name, a.grantee, 'MEMBER'))
 ORDER BY 1";

/// Waits until no battery runs on the server, for a violation that each of them would find.
pub(super) const SEED_ALONE: &str = "SELECT pg_catalog.pg_advisory_xact_lock(7304683, 0)";

/// Waits until no such violation is seeded on the server; other batteries may run.
pub(super) const ATTACK_BESIDE: &str = "SELECT pg_catalog.pg_advisory_xact_lock_shared(7304683, 0)";
