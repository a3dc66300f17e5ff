//! The statements about tenants' places on Redis.

/// Notes a place, and holds it until the end of the transaction. `$3` is not changed afterwards.
pub(super) const TAKE: &str = "
INSERT INTO cache.places AS p (place, tenant, canary, made_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (place) DO UPDATE SET tenant = p.tenant
RETURNING p.suspended";

/// Notes a login.
pub(super) const LEASE: &str = "
INSERT INTO cache.leases (login, place, password_sha256, until) VALUES ($1, $2, $3, $4)";

/// How many logins of a place are good.
pub(super) const OPEN: &str = "SELECT count(*) FROM cache.leases WHERE place = $1 AND until > $2";

/// Lets a place have logins, or no more.
pub(super) const SUSPEND: &str = "UPDATE cache.places SET suspended = $2 WHERE place = $1";

/// Forgets the logins of a place.
pub(super) const END_ALL: &str = "DELETE FROM cache.leases WHERE place = $1";

/// Forgets one login.
pub(super) const END: &str = "DELETE FROM cache.leases WHERE login = $1";

/// Forgets a place, its logins with it.
pub(super) const FORGET: &str = "DELETE FROM cache.places WHERE place = $1";

/// Nobody makes or removes a login until the end of the transaction.
pub(super) const STILL: &str = "LOCK TABLE cache.leases IN SHARE ROW EXCLUSIVE MODE";

/// Waits until nobody makes or removes a login.
pub(super) const SETTLED: &str = "LOCK TABLE cache.leases IN SHARE MODE";

/// Forgets logins whose time is over.
pub(super) const EXPIRE: &str = "DELETE FROM cache.leases WHERE until <= $1";

/// The logins that are good.
pub(super) const LEASES: &str = "SELECT login, place, password_sha256 FROM cache.leases";

/// The names of those that are good at `$1`.
pub(super) const LOGINS: &str = "SELECT login FROM cache.leases WHERE until > $1";

/// How many tenants have a place, without the synthetic ones.
pub(super) const SOMEBODY: &str = "SELECT count(*) FROM cache.places WHERE NOT canary";

/// A tenant's place, whether it is suspended, and how many logins it has.
pub(super) const FIND: &str = "
SELECT p.suspended, (SELECT count(*) FROM cache.leases l WHERE l.place = p.place AND l.until > $2)
  FROM cache.places p
 WHERE p.place = $1";
