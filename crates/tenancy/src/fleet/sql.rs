//! The statements about tenants with a database of their own.

/// Whether our schema is there.
pub(super) const IS_WHOLE: &str = "SELECT pg_catalog.to_regclass('amanah.applied') IS NOT NULL";

/// Whether a database accepts connections and its comment is not `$2`; no row when it is not there.
pub(super) const ACCEPTS: &str = "
SELECT d.datallowconn
       AND pg_catalog.shobj_description(d.oid, 'pg_database') IS DISTINCT FROM $2::text
  FROM pg_catalog.pg_database d WHERE d.datname = $1";

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

/// The size of a database.
pub(super) const BYTES: &str = "
SELECT pg_catalog.pg_database_size(d.oid) FROM pg_catalog.pg_database d WHERE d.datname = $1";

/// Logins of this installation's places whose password has ended and who have no session, each with
/// its place.
pub(super) const ENDED: &str = "
SELECT r.rolname::text, pg_catalog.substring(r.rolname::text, '^(.*)_[0-9a-f]{8}$')
  FROM pg_catalog.pg_roles r
 WHERE starts_with(r.rolname::text, $1) AND r.rolcanlogin
   AND r.rolname ~ '_[0-9a-f]{16}_[0-9a-f]{8}$' AND r.rolvaliduntil < pg_catalog.now()
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = r.oid)";

/// How many logins of a place let in new sessions.
pub(super) const OPEN_LEASES: &str = "
SELECT count(*)
  FROM pg_catalog.pg_roles r
 WHERE starts_with(r.rolname::text, $1) AND r.rolcanlogin
   AND r.rolname ~ '_[0-9a-f]{16}_[0-9a-f]{8}$' AND r.rolvaliduntil > pg_catalog.now()";

/// Roles of sandboxes whose databases are gone, logins first.
pub(super) const LEFT_BEHIND: &str = "
SELECT r.rolname::text
  FROM pg_catalog.pg_roles r
 WHERE starts_with(r.rolname::text, $1)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_database d
                    WHERE starts_with(d.datname::text, $1)
                      AND starts_with(r.rolname::text, d.datname::text))
 ORDER BY r.rolcanlogin DESC";

/// Sandboxes that nobody is connected to.
pub(super) const LONELY: &str = "
SELECT d.datname::text
  FROM pg_catalog.pg_database d
 WHERE starts_with(d.datname::text, $1)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)";

/// A tenant by its id.
pub(super) const FIND: &str = "
SELECT id, place, state, canary, schema_version, made_at, cell, target, before
  FROM tenancy.tenants WHERE id = $1";

/// Every tenant.
pub(super) const ALL: &str = "
SELECT id, place, state, canary, schema_version, made_at, cell, target, before
  FROM tenancy.tenants ORDER BY canary DESC, id";

/// Takes the turn at a tenant, if nobody has it. The number is a digest of its id.
pub(super) const TURN: &str =
    "SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended($1, 7304680))";

/// Notes that a tenant is being made; one that was half made keeps its place.
pub(super) const BEGIN: &str = "
INSERT INTO tenancy.tenants (id, place, state, canary, made_at, cell)
VALUES ($1, $2, 'making', $3, $4, $5)
    ON CONFLICT (id) DO UPDATE SET made_at = EXCLUDED.made_at
RETURNING id, place, state, canary, schema_version, made_at, cell, target, before";

pub(super) const SET_STATE: &str = "
UPDATE tenancy.tenants SET state = $2, target = NULL, before = NULL WHERE id = $1";

pub(super) const SET_VERSION: &str = "UPDATE tenancy.tenants SET schema_version = $2 WHERE id = $1";

pub(super) const SET_VERSION_ON: &str =
    "UPDATE tenancy.tenants SET schema_version = $2 WHERE id = $1 AND cell = $3";

/// For transactions that hold a lock while something else works.
/// The second limit came with PostgreSQL 17.
pub(super) const WAITS: &str = "
SELECT pg_catalog.set_config(s.name, '0', true) FROM pg_catalog.pg_settings s
 WHERE s.name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')";

pub(super) const FORGET: &str = "DELETE FROM tenancy.tenants WHERE id = $1";

pub(super) const ERASED: &str = "
INSERT INTO tenancy.erasures (tenant_sha256, place, erased_at, bytes, keys, certificate, last)
VALUES (pg_catalog.sha256(pg_catalog.convert_to($1, 'UTF8')), $2, $3, $4, $5, $6, $7)";

/// Forgets the name of an erased tenant where something of it was lost.
pub(super) const FORGET_NAME: &str = "UPDATE tenancy.losses SET tenant = NULL WHERE tenant = $1";

/// Forgets that a tenant comes to a shared database or goes.
pub(super) const FORGET_PASSAGE: &str =
    "DELETE FROM tenancy.passages WHERE id = $1 AND database = $2";

/// The migrations of a tenant's database, in the order of their names.
pub(super) const APPLIED: &str =
    "SELECT name, sha256 FROM amanah.applied ORDER BY name COLLATE \"C\"";

/// One migrator at a time in a tenant's database; who reads the list is not held up.
pub(super) const LOCK_APPLIED: &str = "LOCK TABLE amanah.applied IN SHARE ROW EXCLUSIVE MODE";

pub(super) const APPLY: &str = "INSERT INTO amanah.applied (name, sha256) VALUES ($1, $2)";

/// The transaction's own number, which changes when a script ends the transaction.
pub(super) const TRANSACTION: &str = "SELECT pg_catalog.pg_current_xact_id()::text";

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

/// Settings of the server that a tenant may change: role, setting.
pub(super) const PARAMETERS: &str = "
SELECT r.rolname::text, p.parname::text
  FROM pg_catalog.pg_parameter_acl p
  CROSS JOIN LATERAL pg_catalog.aclexplode(p.paracl) a
  JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
 WHERE starts_with(r.rolname::text, $1)
 ORDER BY 1, 2";

/// What leads out of a database, for the role `$1` and each of its leases: foreign servers,
/// functions that connect elsewhere, run programs or run with another's rights, and what the server
/// keeps from everybody and somebody has granted here. Rights on the server's own functions and
/// tables are each database's own.
pub(super) const WAYS_OUT: &str = "
WITH tenant AS (
    SELECT r.oid FROM pg_catalog.pg_roles r
     WHERE r.rolname = $1 OR r.rolname::text ~ ('^' || $1 || '_[0-9a-f]{8}$')
)
SELECT DISTINCT 'the foreign server ' || s.srvname
  FROM pg_catalog.pg_foreign_server s, tenant t
 WHERE pg_catalog.has_server_privilege(t.oid, s.oid, 'USAGE')
UNION
SELECT 'the foreign table ' || c.oid::regclass
  FROM pg_catalog.pg_class c, tenant t
 WHERE c.relkind = 'f' AND pg_catalog.has_table_privilege(t.oid, c.oid, 'SELECT')
UNION
SELECT 'the extension ' || e.extname
  FROM pg_catalog.pg_extension e
 WHERE e.extname IN ('dblink', 'adminpack', 'file_fdw')
UNION
SELECT 'functions in the language ' || l.lanname
  FROM pg_catalog.pg_language l
 WHERE NOT l.lanpltrusted AND l.lanname NOT IN ('internal', 'c')
UNION
SELECT 'the function ' || p.oid::regprocedure || ', which runs with the rights of ' || o.rolname
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_roles o ON o.oid = p.proowner, tenant t
 WHERE p.prosecdef AND pg_catalog.has_function_privilege(t.oid, p.oid, 'EXECUTE')
UNION
SELECT 'the function ' || p.oid::regprocedure || ', which the server keeps from everybody'
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_init_privs i
    ON i.objoid = p.oid AND i.classoid = 'pg_catalog.pg_proc'::regclass, tenant t
 WHERE NOT EXISTS (SELECT FROM pg_catalog.aclexplode(i.initprivs) a WHERE a.grantee = 0)
   AND pg_catalog.has_function_privilege(t.oid, p.oid, 'EXECUTE')
UNION
SELECT 'the table ' || c.oid::regclass || ', which the server keeps from everybody'
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_init_privs i
    ON i.objoid = c.oid AND i.classoid = 'pg_catalog.pg_class'::regclass AND i.objsubid = 0
  JOIN pg_catalog.pg_attribute k ON k.attrelid = c.oid AND k.attnum > 0, tenant t
 WHERE pg_catalog.has_column_privilege(t.oid, c.oid, k.attnum, 'SELECT')
   AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(i.initprivs) a WHERE a.grantee = 0)
   -- Of some of its tables the server keeps a few columns alone.
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_init_privs o, pg_catalog.aclexplode(o.initprivs) a
                    WHERE o.objoid = c.oid AND o.classoid = i.classoid AND o.objsubid = k.attnum
                      AND a.grantee = 0)
 ORDER BY 1";

/// Waits until nobody copies the template of the cell `$1`, or changes it; the lock ends with the transaction.
pub(super) const CHANGE_TEMPLATE: &str =
    "SELECT pg_catalog.pg_advisory_xact_lock(7304680, pg_catalog.hashtext($1))";

/// Waits until nobody changes the template of the cell `$1`; others may copy it too.
pub(super) const COPY_TEMPLATE: &str =
    "SELECT pg_catalog.pg_advisory_xact_lock_shared(7304680, pg_catalog.hashtext($1))";

/// As the turn at a tenant, beside others who change nothing of it.
pub(super) const VISIT: &str = "
SELECT pg_catalog.pg_try_advisory_xact_lock_shared(pg_catalog.hashtextextended($1, 7304680))";

/// What PostgreSQL calls the cluster, which a copy of its files has too, and what is said of the role
/// `$1` there: a cell's mark, which no other server has.
pub(super) const WHICH: &str = "
SELECT c.system_identifier::text,
       (SELECT pg_catalog.shobj_description(r.oid, 'pg_authid')
          FROM pg_catalog.pg_roles r WHERE r.rolname = $1)
  FROM pg_catalog.pg_control_system() c";

/// What PostgreSQL calls the cluster; a copy of its files has the same name.
pub(super) const SERVER: &str =
    "SELECT c.system_identifier::text FROM pg_catalog.pg_control_system() c";

pub(super) const VERSION: &str = "SELECT pg_catalog.current_setting('server_version')";

/// Every cell, the first one first, and how many tenants are there or on their way there.
pub(super) const CELLS: &str = "
SELECT c.name, c.state, c.capacity, c.server, c.added_at,
       (SELECT count(*) FROM tenancy.tenants t
         WHERE NOT t.canary AND (t.cell = c.name OR t.target = c.name)), c.mark
  FROM tenancy.cells c
 ORDER BY c.name <> 'home', c.name";

/// Waits until nobody else chooses a cell; the lock ends with the transaction.
pub(super) const CHOOSE: &str = "SELECT pg_catalog.pg_advisory_xact_lock(7304681, 0)";

/// Takes the turn at a cell, if nobody has it.
pub(super) const CELL_TURN: &str =
    "SELECT pg_catalog.pg_try_advisory_xact_lock(7304682, pg_catalog.hashtext($1))";

pub(super) const MAKE_CELL: &str = "
INSERT INTO tenancy.cells (name, server, mark, capacity, added_at, state)
VALUES ($1, $2, $3, $4, $5, 'making')
    ON CONFLICT (name) DO UPDATE SET server = EXCLUDED.server, mark = EXCLUDED.mark,
                                     capacity = EXCLUDED.capacity, added_at = EXCLUDED.added_at
     WHERE tenancy.cells.state = 'making'";

/// The synthetic tenants of a cell that was begun on another server than `$2`.
pub(super) const FORGET_OTHER_PAIR: &str = "
DELETE FROM tenancy.tenants t USING tenancy.cells c
 WHERE c.name = $1 AND t.cell = c.name AND t.canary AND c.state = 'making'
   AND c.server IS DISTINCT FROM $2";

pub(super) const SET_CELL_STATE: &str = "UPDATE tenancy.cells SET state = $2 WHERE name = $1";

/// Which of the cells `$1` has waited longest to be bitten.
pub(super) const NEXT_TO_BITE: &str = "
SELECT c.name FROM tenancy.cells c WHERE c.name = ANY ($1)
 ORDER BY c.bitten_at NULLS FIRST, c.name <> 'home', c.name LIMIT 1";

pub(super) const BITTEN: &str = "UPDATE tenancy.cells SET bitten_at = $2 WHERE name = $1";

pub(super) const SET_CAPACITY: &str = "UPDATE tenancy.cells SET capacity = $2 WHERE name = $1";

/// What keeps a cell from being removed: tenants that are there or on their way, synthetic ones
/// apart, and copies of some that moved.
pub(super) const CELL_HOLDS: &str = "
SELECT (SELECT count(*) FROM tenancy.tenants t
         WHERE NOT t.canary AND (t.cell = $1 OR t.target = $1))
     + (SELECT count(*) FROM tenancy.leftovers l WHERE l.cell = $1)";

pub(super) const FORGET_PAIR: &str = "DELETE FROM tenancy.tenants WHERE cell = $1 AND canary";

pub(super) const FORGET_CELL: &str = "DELETE FROM tenancy.cells WHERE name = $1";

/// Whether the one who asks is a superuser, and whether it may make roles and databases.
pub(super) const RIGHTS: &str = "
SELECT r.rolsuper, r.rolsuper OR r.rolcreaterole AND r.rolcreatedb
  FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) current_user";

/// Whether there is a database or a role whose name begins with `$1`, or the role `$2`.
pub(super) const TAKEN: &str = "
SELECT EXISTS (SELECT FROM pg_catalog.pg_database d WHERE starts_with(d.datname::text, $1))
    OR EXISTS (SELECT FROM pg_catalog.pg_roles r
                WHERE starts_with(r.rolname::text, $1) OR r.rolname = $2)";

/// Databases that everybody may connect to.
pub(super) const OPEN_DATABASES: &str = "
SELECT d.datname::text
  FROM pg_catalog.pg_database d
 WHERE d.datallowconn
   AND EXISTS (SELECT FROM pg_catalog.aclexplode(
                   COALESCE(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
                WHERE a.grantee = 0 AND a.privilege_type = 'CONNECT')
 ORDER BY d.datname";

/// How much is in the databases whose names begin with `$1`, in bytes.
pub(super) const HELD_BYTES: &str = "
SELECT COALESCE(sum(pg_catalog.pg_database_size(d.oid)), 0)::int8
  FROM pg_catalog.pg_database d WHERE starts_with(d.datname::text, $1)";

/// What belongs to a database as a whole.
pub(super) const FORM: &str = "
SELECT pg_catalog.pg_encoding_to_char(d.encoding)::text, d.datcollate::text, d.datctype::text,
       CASE WHEN pg_catalog.to_jsonb(d) ->> 'datlocprovider' <> 'c'
            THEN COALESCE(pg_catalog.to_jsonb(d) ->> 'daticulocale',
                          pg_catalog.to_jsonb(d) ->> 'datlocale') END,
       d.datconnlimit, pg_catalog.shobj_description(d.oid, 'pg_database')
  FROM pg_catalog.pg_database d WHERE d.datname = $1";

/// What is set in the database `$1` for everybody and for its owner `$2`. What its tenant has set for
/// its own role is left out, since nobody logs in as that role; so is what would make somebody else
/// of each session, whom the other server may not know.
pub(super) const DATABASE_SETTINGS: &str = "
SELECT r.rolname::text, pg_catalog.split_part(c.line, '=', 1),
       pg_catalog.substr(c.line, pg_catalog.strpos(c.line, '=') + 1)
  FROM pg_catalog.pg_db_role_setting s
  JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
  CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) c(line)
 WHERE d.datname = $1 AND (s.setrole = 0 OR r.rolname = $2)
   AND pg_catalog.split_part(c.line, '=', 1) NOT IN ('role', 'session_authorization')
 ORDER BY 1, 2";

/// The extensions of a database: name, version, schema.
pub(super) const EXTENSIONS: &str = "
SELECT e.extname::text, e.extversion::text, n.nspname::text
  FROM pg_catalog.pg_extension e
  JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname <> 'plpgsql' ORDER BY 1";

/// Whether the owner of a database may make the extension `$1`, of the version `$2` that would be
/// made; no row when it is another one or none.
pub(super) const EXTENSION_THERE: &str = "
SELECT v.trusted OR NOT v.superuser
  FROM pg_catalog.pg_available_extensions a
  JOIN pg_catalog.pg_available_extension_versions v
    ON v.name = a.name AND v.version = a.default_version
 WHERE a.name::text = $1 AND a.default_version = $2";

/// Every large object: its number, the name of its owner, who else may what.
pub(super) const OBJECTS: &str = "
SELECT m.oid, r.rolname::text,
       ARRAY(SELECT a.privilege_type OPERATOR(pg_catalog.||) ' '
                   OPERATOR(pg_catalog.||) COALESCE(g.rolname::pg_catalog.text, '')
               FROM pg_catalog.aclexplode(m.lomacl) a
               LEFT JOIN pg_catalog.pg_roles g ON g.oid OPERATOR(pg_catalog.=) a.grantee
              WHERE a.grantee OPERATOR(pg_catalog.<>) m.lomowner
              ORDER BY 1 USING OPERATOR(pg_catalog.<))
  FROM pg_catalog.pg_largeobject_metadata m
  JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) m.lomowner
 ORDER BY m.oid USING OPERATOR(pg_catalog.<)";

/// Which of the roles `$1` there are.
pub(super) const ROLES_THERE: &str = "
SELECT r.rolname::text FROM pg_catalog.pg_roles r
 WHERE r.rolname::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[])";

pub(super) const OBJECT_PIECE: &str = "SELECT pg_catalog.lo_get($1, $2, $3)";

pub(super) const MAKE_OBJECT: &str = "SELECT pg_catalog.lo_create($1)";

pub(super) const FILL_OBJECT: &str = "SELECT pg_catalog.lo_put($1, $2, $3)";

/// Copies that are due to be dropped at `$1`: cell, place, tenant. One that a move is about to fill
/// or to leave is left alone.
pub(super) const LEFTOVERS: &str = "
SELECT l.cell, l.place, t.id
  FROM tenancy.leftovers l
  LEFT JOIN tenancy.tenants t ON t.place = l.place
 WHERE l.due <= $1
   AND (t.id IS NULL OR t.cell <> l.cell AND t.target IS DISTINCT FROM l.cell)
 ORDER BY 1, 2";

pub(super) const FORGET_LEFTOVER: &str =
    "DELETE FROM tenancy.leftovers WHERE cell = $1 AND place = $2";

/// Takes the tenant on its way, if nobody does.
pub(super) const MOVER: &str =
    "SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended($1, 7304683))";

/// Whether nobody moves the tenant at this moment.
pub(super) const UNMOVED: &str = "
SELECT pg_catalog.pg_try_advisory_xact_lock_shared(pg_catalog.hashtextextended($1, 7304683))";

/// Notes where a tenant goes and what it was before.
pub(super) const SET_OUT: &str = "
UPDATE tenancy.tenants SET state = 'moving', target = $2, before = $3 WHERE id = $1";

/// Notes a copy that does not count, and when it may be dropped.
pub(super) const LEAVE: &str = "
INSERT INTO tenancy.leftovers (cell, place, due) VALUES ($1, $2, $3)
    ON CONFLICT (cell, place) DO UPDATE SET due = EXCLUDED.due";

/// The moment of a move: from here on the tenant is on the other cell.
pub(super) const SWITCH: &str = "
UPDATE tenancy.tenants SET cell = target, state = before, target = NULL, before = NULL
 WHERE id = $1 AND state = 'moving' AND target = $2 AND before = $3";

/// Holds migrations off, which are noted in this table. Those that read it are not held up.
pub(super) const HOLD_STILL: &str = "LOCK TABLE amanah.applied IN SHARE ROW EXCLUSIVE MODE";

/// How many transactions are prepared in the database `$1` and may be committed by anybody.
pub(super) const PREPARED: &str =
    "SELECT count(*) FROM pg_catalog.pg_prepared_xacts p WHERE p.database = $1::text";

/// Every table that holds rows of its own, qualified and quoted.
pub(super) const TABLES_THERE: &str = "
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 ORDER BY 1";

pub(super) const SEQUENCES_THERE: &str = "
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'S' AND c.relpersistence <> 't'
 ORDER BY 1";

pub(super) const SEQUENCE_AT: &str = "SELECT last_value, is_called FROM {sequence}";

/// The rows of `{table}`: how many, and the sum of a digest of each. A row's text is what its
/// types write, and never a cast that the application has made.
pub(super) const DIGEST: &str = "
SELECT count(*), COALESCE(sum(pg_catalog.hashtextextended(
           pg_catalog.textin(pg_catalog.record_out(ROW(amanah_row.*))), 0)::numeric), 0)::text
  FROM ONLY {table} amanah_row";

/// Values look the same on both sides, names are looked up in the catalogue alone, and nothing that
/// is set for the database stops it.
pub(super) const PLAIN: &str = "
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL statement_timeout = 0;
SET LOCAL row_security = off;
SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO, YMD';
SET LOCAL intervalstyle = 'postgres';
SET LOCAL extra_float_digits = 1;
SET LOCAL bytea_output = 'hex';
SET LOCAL lc_monetary = 'C'";

pub(super) const COPIES: &str = "SELECT cell FROM tenancy.leftovers WHERE place = $1 ORDER BY cell";

/// Copies of an erased tenant go at once, also where they were to be kept.
pub(super) const COPIES_DUE: &str = "
UPDATE tenancy.leftovers SET due = LEAST(due, $2) WHERE place = $1";
