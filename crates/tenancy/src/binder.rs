//! Mints bindings for one database, and puts the key that they are made with into it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use kernel::{Actor, Binder, Clock, Scope, Secret, TenantId};
use store::Tx;

use crate::{BindingKey, Claims, Result, sql};

/// How long a key is good for after it was installed. A rotation ends it sooner; an end that comes
/// unexpected would stop the application, and installing it again moves it.
const KEY_LIFE: SignedDuration = SignedDuration::from_hours(24 * 3_650);
/// How far the database's clock may be behind ours when a key is installed.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The key that a database's bindings are made with now. Clones share it: whoever rotates replaces
/// it for all of them. Reading it takes no lock.
#[derive(Debug, Clone)]
pub struct CurrentKey(Arc<ArcSwap<BindingKey>>);

impl CurrentKey {
    /// The key as it is now.
    pub fn get(&self) -> Arc<BindingKey> {
        self.0.load_full()
    }

    /// From now on it is another; what was minted stays good as long as the database has its key.
    pub fn replace(&self, key: BindingKey) {
        self.0.store(Arc::new(key));
    }
}

impl From<BindingKey> for CurrentKey {
    fn from(key: BindingKey) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(key)))
    }
}

/// Mints bindings for one database with the key that is current when it is asked.
#[derive(Clone)]
pub struct TenantBinder {
    clock: Arc<dyn Clock>,
    key: CurrentKey,
    database: String,
}

impl TenantBinder {
    /// Bindings that are good in `database`, as the server calls it.
    pub fn new(clock: Arc<dyn Clock>, key: impl Into<CurrentKey>, database: &str) -> Self {
        let database = database.to_owned();
        Self { clock, key: key.into(), database }
    }

    /// A token for `tenant` and `actor`, good for a minute.
    pub fn token(&self, tenant: &TenantId, actor: &Actor, scope: Scope) -> Secret {
        let claims = Claims { tenant, actor, scope, database: &self.database };
        self.key.0.load().mint(&claims, self.clock.now())
    }
}

impl Binder for TenantBinder {
    fn mint(&self, tenant: &TenantId, actor: &Actor, scope: Scope) -> Option<Secret> {
        Some(self.token(tenant, actor, scope))
    }
}

/// Puts `key` into the protected database that `tx`, a transaction of its owner, is in; the
/// [room](crate::ROOM) must be there. A key of the same name is replaced, others are kept.
///
/// The pads that are stored are as good as the key: whoever holds a dump of schema `amanah` can
/// make bindings until the key's end.
///
/// # Errors
/// When the database refuses.
pub async fn install_key(tx: &Tx, key: &BindingKey, now: Timestamp) -> Result<()> {
    let (inner, outer) = key.pads();
    let from = now.checked_sub(CLOCK_SKEW).unwrap_or(now);
    let until = now.checked_add(KEY_LIFE).unwrap_or(Timestamp::MAX);
    let (inner, outer): (&[u8], &[u8]) = (&inner, &outer);
    let bound: store::Bound<'_> = &[&key.kid(), &inner, &outer, &from, &until];
    tx.execute(sql::INSTALL_KEY, bound).await?;
    Ok(())
}

/// A key that a database knows, without what is secret of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KnownKey {
    /// Its name.
    pub kid: String,
    /// From when it is honoured.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// Lets the key called `kid` end at `until`, unless it ends sooner. A key that is not there is no
/// error: it was removed already.
///
/// # Errors
/// When the database refuses.
pub async fn end_key(tx: &Tx, kid: &str, until: Timestamp) -> Result<()> {
    tx.execute(sql::END_KEY, &[&kid, &until]).await?;
    Ok(())
}

/// Removes every key whose end has come, whoever installed it. Returns how many there were.
///
/// # Errors
/// When the database refuses.
pub async fn forget_keys(tx: &Tx, now: Timestamp) -> Result<u64> {
    Ok(tx.execute(sql::FORGET_KEYS, &[&now]).await?)
}

/// The keys that the database of `tx`, a transaction of its owner, knows.
///
/// # Errors
/// When the database refuses.
pub async fn known_keys(tx: &Tx) -> Result<Vec<KnownKey>> {
    let rows = tx.query(sql::KNOWN_KEYS, &[]).await?;
    let known =
        |row: &store::Row| KnownKey { kid: row.get(0), from: row.get(1), until: row.get(2) };
    Ok(rows.iter().map(known).collect())
}
