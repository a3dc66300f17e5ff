//! The statements about tenants' files.

/// Names the tenant of a transaction; the policies show its rows and no others.
pub(super) const NAME_TENANT: &str =
    "SELECT pg_catalog.set_config('amanah_files.tenant', $1, true)";

/// Admits a tenant, unless it is there.
pub(super) const ADMIT: &str =
    "INSERT INTO files.tenants (tenant, prefix) VALUES ($1, $2) ON CONFLICT (tenant) DO NOTHING";

/// A tenant's row.
pub(super) const TENANT: &str = "
SELECT prefix, max_bytes, max_files, used_bytes, used_files FROM files.tenants WHERE tenant = $1";

/// The same, and nobody else changes the tenant's files until the end of the transaction.
pub(super) const TAKE_TENANT: &str = "
SELECT prefix, max_bytes, max_files, used_bytes, used_files FROM files.tenants WHERE tenant = $1
   FOR UPDATE";

/// What uploads other than one have taken in advance, and what is nobody's and not gone yet. Asked after [`TAKE_TENANT`], in a statement
/// of its own: one that waited for the row would see what there was before it waited.
pub(super) const RESERVED: &str = "
SELECT COALESCE(pg_catalog.sum(reserved), 0)::bigint FROM files.loose
 WHERE tenant = $1 AND object <> $2";

/// Notes an object before it is made.
pub(super) const ARRIVE: &str = "
INSERT INTO files.loose (object, tenant, state, reserved, since)
VALUES ($2, $1, 'arriving', 0, $3)";

/// Takes room in advance.
pub(super) const RESERVE: &str = "
UPDATE files.loose SET reserved = $3, since = $4
 WHERE tenant = $1 AND object = $2 AND state = 'arriving'";

/// An upload lives.
pub(super) const HEARD: &str = "
UPDATE files.loose SET since = $3 WHERE tenant = $1 AND object = $2 AND state = 'arriving'";

/// An object is a file from now on.
pub(super) const ARRIVED: &str =
    "DELETE FROM files.loose WHERE tenant = $1 AND object = $2 AND state = 'arriving'";

/// An object is nobody's from now on. Its bytes count until they are gone.
pub(super) const LEAVE: &str = "
INSERT INTO files.loose (object, tenant, state, reserved, since)
VALUES ($2, $1, 'leaving', $4, $3)
ON CONFLICT (object) DO UPDATE SET state = 'leaving', reserved = $4";

/// An upload is given up, unless it has become a file. It waits for whoever is naming it.
pub(super) const GIVE_UP_ONE: &str = "
UPDATE files.loose SET state = 'leaving', since = $3
 WHERE tenant = $1 AND object = $2 AND state = 'arriving'";

/// Whether an object is a file, or is going to be removed by somebody else.
pub(super) const IS_KNOWN: &str = "
SELECT EXISTS (SELECT FROM files.files WHERE tenant = $1 AND object = $2)
    OR EXISTS (SELECT FROM files.loose WHERE tenant = $1 AND object = $2)";

/// An object is gone.
pub(super) const GONE: &str =
    "DELETE FROM files.loose WHERE tenant = $1 AND object = $2 AND state = 'leaving'";

/// A file, with where it lies.
pub(super) const FIND: &str = "
SELECT f.name, f.object, f.sealed_key, f.bytes, f.content_type, f.sha256, f.created_at, t.prefix
  FROM files.files f JOIN files.tenants t ON t.tenant = f.tenant
 WHERE f.tenant = $1 AND f.name = $2";

/// Files behind one name and before another.
pub(super) const LIST: &str = "
SELECT f.name, f.object, f.sealed_key, f.bytes, f.content_type, f.sha256, f.created_at, t.prefix
  FROM files.files f JOIN files.tenants t ON t.tenant = f.tenant
 WHERE f.tenant = $1 AND f.name > $2 AND f.name >= $3 AND ($4::bytea IS NULL OR f.name < $4)
 ORDER BY f.name LIMIT $5";

/// Gives an object its name, in the place of the one before.
pub(super) const NAME: &str = "
INSERT INTO files.files (tenant, name, object, sealed_key, bytes, content_type, sha256, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant, name) DO UPDATE
   SET object = $3, sealed_key = $4, bytes = $5, content_type = $6, sha256 = $7, created_at = $8";

/// Takes a file its name.
pub(super) const UNNAME: &str = "DELETE FROM files.files WHERE tenant = $1 AND name = $2";

/// Notes what a tenant keeps.
pub(super) const USE: &str = "
UPDATE files.tenants SET used_bytes = used_bytes + $2, used_files = used_files + $3
 WHERE tenant = $1";

/// Moves an object's key to another version of the tenant's, unless it was replaced meanwhile.
pub(super) const RESEAL: &str =
    "UPDATE files.files SET sealed_key = $3 WHERE tenant = $1 AND object = $2";

/// Every tenant, as the owner sees them.
pub(super) const TENANTS: &str = "
SELECT tenant, prefix, max_bytes, max_files, used_bytes, used_files FROM files.tenants
 ORDER BY tenant";

/// How many files each tenant has, by its rows and not by what is noted of it.
pub(super) const COUNTED: &str = "SELECT tenant, count(*) FROM files.files GROUP BY tenant";

/// What a tenant may keep.
pub(super) const SET_QUOTA: &str =
    "UPDATE files.tenants SET max_bytes = $2, max_files = $3 WHERE tenant = $1";

/// The same, where what is not said stays as it is.
pub(super) const CHANGE_QUOTA: &str = "
UPDATE files.tenants SET max_bytes = coalesce($2, max_bytes), max_files = coalesce($3, max_files)
 WHERE tenant = $1";

/// Uploads that were not heard of since then are given up.
pub(super) const GIVE_UP: &str = "
UPDATE files.loose SET state = 'leaving' WHERE state = 'arriving' AND since < $1";

/// What is nobody's since before then. A file is somebody's, whatever else is said of its object.
pub(super) const LEAVING: &str = "
SELECT l.tenant, l.object, t.prefix
  FROM files.loose l JOIN files.tenants t ON t.tenant = l.tenant
 WHERE l.state = 'leaving' AND l.since < $1
   AND NOT EXISTS (SELECT FROM files.files f WHERE f.object = l.object)
 ORDER BY l.since LIMIT $2";

/// Every object of a tenant that has a row, whichever.
pub(super) const KNOWN: &str = "
SELECT object FROM files.files WHERE tenant = $1
 UNION ALL SELECT object FROM files.loose WHERE tenant = $1";

/// The turn at the synthetic tenants' files; the lock ends with the transaction.
pub(super) const ATTACK_TURN: &str = "SELECT pg_catalog.pg_advisory_xact_lock(7304680, 3)";

/// Rows of a tenant that are to be seen, whichever they are.
pub(super) const SEEN: &str = "
SELECT (SELECT count(*) FROM files.files WHERE tenant = $1)
     + (SELECT count(*) FROM files.tenants WHERE tenant = $1)";

/// How many objects a tenant's rows say that there are, each with its length in clear.
pub(super) const LAID: &str =
    "SELECT object, bytes FROM files.files WHERE tenant = $1 ORDER BY object LIMIT $2";

/// How many files and bytes a tenant's rows come to.
pub(super) const SUMMED: &str = "
SELECT count(*), COALESCE(pg_catalog.sum(bytes), 0)::bigint FROM files.files WHERE tenant = $1";

/// Forgets a tenant and its files.
pub(super) const FORGET: &str = "DELETE FROM files.tenants WHERE tenant = $1";

/// The mark of the store that belongs to this database, and whether the row was written in this very
/// database: the cluster, the number in it, and the timeline, which each recovery begins anew; how often
/// its upkeep went on, and when it did last.
pub(super) const KEEPER: &str = "
SELECT mark, database = pg_catalog.concat_ws('/',
           (SELECT system_identifier FROM pg_catalog.pg_control_system()),
           (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
           pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8)),
       turn, turned_at
  FROM files.keeper";

/// The upkeep goes on, while the store is this database's.
pub(super) const TURN: &str = "
UPDATE files.keeper SET turn = turn + 1, turned_at = $2 WHERE mark = $1 RETURNING turn";

/// Claims a store that is nobody's, unless somebody did in this database.
pub(super) const CLAIM: &str = "
INSERT INTO files.keeper (mark, database, claimed_at)
SELECT $1, pg_catalog.concat_ws('/',
           (SELECT system_identifier FROM pg_catalog.pg_control_system()),
           (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
           pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8)), $2
ON CONFLICT (single) DO NOTHING";

/// Claims a store, whosever it is.
pub(super) const ADOPT: &str = "
INSERT INTO files.keeper (mark, database, claimed_at)
SELECT $1, pg_catalog.concat_ws('/',
           (SELECT system_identifier FROM pg_catalog.pg_control_system()),
           (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
           pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8)), $2
ON CONFLICT (single) DO UPDATE
   SET mark = EXCLUDED.mark, database = EXCLUDED.database, claimed_at = EXCLUDED.claimed_at,
       turn = 0, turned_at = NULL";

/// How far a tenant's life is, where it has a database of its own, and whether the last of it was ever erased. One
/// that is being moved is what it was before, and so is one whose database was lost with its cell.
pub(super) const STANDING: &str = "
SELECT COALESCE((SELECT COALESCE(t.before, t.state) FROM tenancy.tenants t WHERE t.id = $1),
                (SELECT l.was FROM tenancy.losses l WHERE l.tenant = $1 AND l.was <> 'copy'
                  ORDER BY l.lost_at DESC LIMIT 1)),
       EXISTS (SELECT FROM tenancy.erasures e
                WHERE e.last
                  AND e.tenant_sha256
                      = pg_catalog.sha256(pg_catalog.convert_to($1::text, 'UTF8')))";
