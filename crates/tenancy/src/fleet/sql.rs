//! The statements about tenants with a database of their own.

/// Whether our schema is there.
pub(super) const IS_WHOLE: &str = "SELECT pg_catalog.to_regclass('amanah.applied') IS NOT NULL";

/// Rights on rows for `{role}`, in every schema but our own, and on nothing else. Idempotent.
pub(super) const GRANTS: &str = "
DO $$
DECLARE
    place pg_catalog.text;
    role CONSTANT pg_catalog.text := {role};
BEGIN
    FOR place IN
        SELECT nspname FROM pg_catalog.pg_namespace
         WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'amanah')
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', place);
        EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', place, role);
        EXECUTE pg_catalog.format(
            'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO %I', place, role);
        EXECUTE pg_catalog.format(
            'GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO %I', place, role);
    END LOOP;
END $$";

/// The logins of a place and, after them, its role.
pub(super) const ROLES: &str = "
SELECT r.rolname::text
  FROM pg_catalog.pg_roles r
 WHERE r.rolname = $1
    OR starts_with(r.rolname::text, $1 || '_') AND r.rolcanlogin
 ORDER BY r.rolname = $1";

/// Ends every session in the database of a place that is not the owner's.
pub(super) const END_SESSIONS: &str = "
SELECT pg_catalog.pg_terminate_backend(a.pid, 5000)
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = $1 AND starts_with(a.usename::text, $1 || '_')";

/// The size of a database.
pub(super) const BYTES: &str = "
SELECT pg_catalog.pg_database_size(d.oid) FROM pg_catalog.pg_database d WHERE d.datname = $1";

/// Logins of this installation's places whose password has ended, each with its place.
pub(super) const ENDED: &str = "
SELECT r.rolname::text, g.rolname::text
  FROM pg_catalog.pg_roles r
  JOIN pg_catalog.pg_roles g ON r.rolname::text ~ ('^' || g.rolname || '_[0-9a-f]{8}$')
 WHERE starts_with(r.rolname::text, $1) AND starts_with(g.rolname::text, $1)
   AND r.rolcanlogin AND NOT g.rolcanlogin AND r.rolvaliduntil < pg_catalog.now()";

/// Roles of sandboxes whose databases are gone, logins first.
pub(super) const LEFT_BEHIND: &str = "
SELECT r.rolname::text
  FROM pg_catalog.pg_roles r
 WHERE starts_with(r.rolname::text, $1)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_database d
                    WHERE starts_with(d.datname::text, $1)
                      AND starts_with(r.rolname::text, d.datname::text))
 ORDER BY r.rolcanlogin DESC";

/// A tenant by its id.
pub(super) const FIND: &str = "
SELECT id, place, state, canary, schema_version, made_at
  FROM tenancy.tenants WHERE id = $1";

/// Every tenant.
pub(super) const ALL: &str = "
SELECT id, place, state, canary, schema_version, made_at
  FROM tenancy.tenants ORDER BY canary DESC, id";

/// Takes the turn at a tenant, if nobody has it. The number is a digest of its id.
pub(super) const TURN: &str =
    "SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended($1, 7304680))";

/// Notes that a tenant is being made; one that was half made keeps its place.
pub(super) const BEGIN: &str = "
INSERT INTO tenancy.tenants (id, place, state, canary, made_at)
VALUES ($1, $2, 'making', $3, $4)
    ON CONFLICT (id) DO UPDATE SET made_at = EXCLUDED.made_at
     WHERE tenancy.tenants.state = 'making'
RETURNING id, place, state, canary, schema_version, made_at";

pub(super) const SET_STATE: &str = "UPDATE tenancy.tenants SET state = $2 WHERE id = $1";

pub(super) const SET_VERSION: &str = "UPDATE tenancy.tenants SET schema_version = $2 WHERE id = $1";

pub(super) const FORGET: &str = "DELETE FROM tenancy.tenants WHERE id = $1";

pub(super) const ERASED: &str = "
INSERT INTO tenancy.erasures (tenant_sha256, place, erased_at, bytes, keys)
VALUES (pg_catalog.sha256(pg_catalog.convert_to($1, 'UTF8')), $2, $3, $4, $5)";

/// The migrations of a tenant's database, in the order of their names.
pub(super) const APPLIED: &str =
    "SELECT name, sha256 FROM amanah.applied ORDER BY name COLLATE \"C\"";

/// One migrator at a time in a tenant's database; who reads the list is not held up.
pub(super) const LOCK_APPLIED: &str = "LOCK TABLE amanah.applied IN SHARE ROW EXCLUSIVE MODE";

pub(super) const APPLY: &str = "INSERT INTO amanah.applied (name, sha256) VALUES ($1, $2)";

/// The transaction's own number, which changes when a script ends the transaction.
pub(super) const TRANSACTION: &str = "SELECT pg_catalog.pg_current_xact_id()::text";

/// Every database that can be connected to but one, sandboxes apart, and whether it is a tenant's
/// place of this installation.
pub(super) const DATABASES: &str = "
SELECT d.datname::text
  FROM pg_catalog.pg_database d
 WHERE d.datallowconn AND d.datname <> $1 AND NOT starts_with(d.datname::text, $2)
 ORDER BY d.datname";

/// Who may connect to the tenants' databases and should not: database, role. `$1` is what the
/// places begin with, `$2` the owner.
pub(super) const ADMITTED: &str = "
SELECT d.datname::text, COALESCE(r.rolname::text, 'PUBLIC')
  FROM pg_catalog.pg_database d
  CROSS JOIN LATERAL pg_catalog.aclexplode(
      COALESCE(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE starts_with(d.datname::text, $1)
   AND (r.rolname IS NULL OR r.rolname NOT IN (d.datname, $2))
 ORDER BY 1, 2";

/// Roles of the tenants that are more than they should be: role, what.
pub(super) const ROLE_RIGHTS: &str = "
SELECT r.rolname::text, w.what
  FROM pg_catalog.pg_roles r
  CROSS JOIN LATERAL (VALUES
      (r.rolsuper, 'it is a superuser'),
      (r.rolcreaterole, 'it may make roles'),
      (r.rolcreatedb, 'it may make databases'),
      (r.rolreplication, 'it may replicate the whole server'),
      (r.rolbypassrls, 'row security does not bind it')) w (holds, what)
 WHERE starts_with(r.rolname::text, $1) AND w.holds
UNION ALL
SELECT m.rolname::text, 'it has the rights of ' || g.rolname
  FROM pg_catalog.pg_auth_members a
  JOIN pg_catalog.pg_roles m ON m.oid = a.member
  JOIN pg_catalog.pg_roles g ON g.oid = a.roleid
 WHERE starts_with(m.rolname::text, $1)
   AND NOT (starts_with(m.rolname::text, g.rolname || '_') AND starts_with(g.rolname::text, $1))
 ORDER BY 1, 2";

/// What leads out of a database: foreign servers, and functions that connect elsewhere or run
/// programs, that `$1` may use.
pub(super) const WAYS_OUT: &str = "
SELECT 'the foreign server ' || s.srvname
  FROM pg_catalog.pg_foreign_server s
 WHERE pg_catalog.has_server_privilege($1, s.oid, 'USAGE')
UNION ALL
SELECT 'the foreign table ' || c.oid::regclass
  FROM pg_catalog.pg_class c
 WHERE c.relkind = 'f' AND pg_catalog.has_table_privilege($1, c.oid, 'SELECT')
UNION ALL
SELECT 'the extension ' || e.extname
  FROM pg_catalog.pg_extension e
 WHERE e.extname IN ('dblink', 'adminpack', 'file_fdw')
UNION ALL
SELECT 'functions in the language ' || l.lanname
  FROM pg_catalog.pg_language l
 WHERE NOT l.lanpltrusted AND l.lanname NOT IN ('internal', 'c')
 ORDER BY 1";
