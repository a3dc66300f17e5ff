//! Mints bindings for one database, and puts the key that they are made with into it.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use kernel::{Actor, Binder, Clock, Scope, Secret, TenantId};
use store::Tx;

use crate::token::MAX_LIFE_SECONDS;
use crate::{BindingKey, Claims, Error, Register, Result, sql};

/// How long a key is good for after it was installed. A rotation ends it sooner; an end that comes
/// unexpected would stop the application, and installing it again moves it.
const KEY_LIFE: SignedDuration = SignedDuration::from_hours(24 * 3_650);
/// How far the database's clock may be behind ours when a key is installed.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The key that a database's bindings are made with now. Clones share it: whoever rotates replaces
/// it for all of them. Reading it takes no lock.
#[derive(Clone)]
pub struct CurrentKey {
    key: Arc<ArcSwap<BindingKey>>,
    register: Option<Arc<dyn Register>>,
}

impl CurrentKey {
    /// The key as it is now.
    pub fn get(&self) -> Arc<BindingKey> {
        self.key.load_full()
    }

    /// From now on it is another; what was minted stays good as long as the database has its key.
    pub fn replace(&self, key: BindingKey) {
        self.key.store(Arc::new(key));
    }

    /// The same, with all keys that there are beside it written down in `register`.
    #[must_use]
    pub fn written_down(self, register: Arc<dyn Register>) -> Self {
        Self { register: Some(register), ..self }
    }

    /// Every key that may be honoured; where none is written down, the one there is.
    pub(crate) async fn all(&self) -> Result<Vec<BindingKey>> {
        match &self.register {
            Some(register) => register.keys().await.map_err(Error::Register),
            None => Ok(vec![BindingKey::clone(&self.get())]),
        }
    }
}

impl fmt::Debug for CurrentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CurrentKey").field(&self.get()).finish()
    }
}

impl From<BindingKey> for CurrentKey {
    fn from(key: BindingKey) -> Self {
        Self { key: Arc::new(ArcSwap::from_pointee(key)), register: None }
    }
}

/// Mints bindings for one database with the key that is current when it is asked.
#[derive(Clone)]
pub struct TenantBinder {
    clock: Arc<dyn Clock>,
    key: CurrentKey,
    database: String,
    /// A tenant of that database as its column prints it; of none it is not known.
    like: Option<TenantId>,
}

impl TenantBinder {
    /// Bindings that are good in `database`, as the server calls it.
    pub fn new(clock: Arc<dyn Clock>, key: impl Into<CurrentKey>, database: &str) -> Self {
        let database = database.to_owned();
        Self { clock, key: key.into(), database, like: None }
    }

    /// Tenants are to be spelled as the column prints them that `synthetic` was made for. A policy casts
    /// the name in a binding to the column's type: ` 7`, `007` and `7` would be one tenant there, and
    /// three to whoever compares names.
    #[must_use]
    pub fn spelled_as(self, synthetic: &TenantId) -> Self {
        Self { like: Some(synthetic.clone()), ..self }
    }

    /// Whether `tenant` is spelled so.
    pub fn is_spelled(&self, tenant: &TenantId) -> bool {
        self.like.as_ref().is_none_or(|like| is_printed(like.as_str(), tenant.as_str()))
    }

    /// A token for `tenant` and `actor`, good for a minute.
    pub fn token(&self, tenant: &TenantId, actor: &Actor, scope: Scope) -> Secret {
        let claims = Claims { tenant, actor, scope, database: &self.database };
        self.key.key.load().mint(&claims, self.clock.now())
    }

    /// The same, but never good beyond `until`: `None` when that has passed.
    fn token_until(
        &self,
        (tenant, actor, scope): (&TenantId, &Actor, Scope),
        until: Timestamp,
    ) -> Option<Secret> {
        let claims = Claims { tenant, actor, scope, database: &self.database };
        let now = self.clock.now().as_second();
        // A token counts in whole seconds: the last one is not rounded up.
        let expiry = until.as_second().min(now.saturating_add(MAX_LIFE_SECONDS));
        (expiry > now).then(|| self.key.key.load().mint_until(&claims, expiry))
    }
}

impl Binder for TenantBinder {
    fn mint(
        &self,
        tenant: &TenantId,
        actor: &Actor,
        scope: Scope,
        until: Option<Timestamp>,
    ) -> Option<Secret> {
        if !self.is_spelled(tenant) {
            return None;
        }
        match until {
            None => Some(self.token(tenant, actor, scope)),
            Some(until) => self.token_until((tenant, actor, scope), until),
        }
    }
}

/// Whether a column that has the synthetic tenant `like` would print `tenant` as it is written.
fn is_printed(like: &str, tenant: &str) -> bool {
    let number = |text: &str| text.parse::<i64>().is_ok_and(|n| n.to_string() == text);
    let uuid = |text: &str| {
        text.len() == 36
            && text.bytes().enumerate().all(|(n, byte)| match n {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            })
    };
    // Only numbers are negative: a synthetic tenant that is a text never begins so.
    if like.starts_with('-') && number(like) { number(tenant) } else { !uuid(like) || uuid(tenant) }
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

#[cfg(test)]
mod tests {
    use super::is_printed;

    /// Every other spelling that PostgreSQL reads as the same tenant is refused; texts are as they are.
    #[test]
    fn a_tenant_has_one_spelling() {
        let (number, uuid) = ("-2000000001", "c0000000-0000-8000-8000-00000000000a");
        for tenant in ["7", "-2000000063", "0"] {
            assert!(is_printed(number, tenant), "{tenant}");
        }
        for tenant in [" 7", "7 ", "007", "+7", "-0", "0x7", "7_0", "x"] {
            assert!(!is_printed(number, tenant), "{tenant}");
        }
        assert!(is_printed(uuid, "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000"));
        for tenant in [
            "0190AAAA-bbbb-7ccc-8ddd-eeeeffff0000",
            "{0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000}",
            "0190aaaabbbb7ccc8dddeeeeffff0000",
            "0190-aaaa-bbbb-7ccc-8ddd-eeee-ffff-00",
            " 0190aaaa-bbbb-7ccc-8ddd-eeeeffff000",
        ] {
            assert!(!is_printed(uuid, tenant), "{tenant}");
        }
        for tenant in [" 7", "007", "Acme", "0190AAAA-bbbb-7ccc-8ddd-eeeeffff0000"] {
            assert!(is_printed("amanah-canary-0-1a2b3c4d", tenant), "{tenant}");
        }
    }
}
