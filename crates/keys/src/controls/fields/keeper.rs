//! What this room keeps of secrets, planted so that the proof can look for it: secrets of two
//! canary tenants in the strongbox, each of which opens with its own key alone.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;
use kernel::{Custody, Cx, Fut, Planted, Secret, TenantId, random_hex};
use store::Db;

use super::super::rotation::flipped;
use crate::{
    Ciphertext, Error, KeyName, KeyRef, Keys, Result, SECRETS_KEY, Sealed, Strongbox, sql,
};

/// No customer has these: their keys are made at the first proof and stay.
const TENANTS: [&str; 2] = ["amanah-canary-a", "amanah-canary-b"];
/// What the canaries stand for.
const KINDS: [(&str, &str); 3] =
    [("totp", "a TOTP seed"), ("api", "an API key"), ("refresh", "a refresh token")];
/// Canaries' names begin so; the moment they were made, in seconds, follows.
const PREFIX: &str = "amanah.canary.";
/// A canary that is older than this was left behind by a run that was killed.
const LEFT_BEHIND: SignedDuration = SignedDuration::from_hours(1);

/// Plants a TOTP seed, an API key and a refresh token for each of two canary tenants.
pub struct Keeper {
    keys: Keys,
    db: Db,
    strongbox: Strongbox,
    /// The names and tenants of the canaries that are there.
    planted: Mutex<Vec<(String, TenantId)>>,
}

impl Keeper {
    /// The keeper of `keys` and of the strongbox behind `db`, a login of the engine.
    pub fn new(keys: Keys, db: Db) -> Self {
        let strongbox = Strongbox::new(keys.clone(), db.clone());
        Self { keys, db, strongbox, planted: Mutex::new(Vec::new()) }
    }

    async fn store(&self, cx: &Cx) -> Result<Vec<Planted>> {
        let tenants = TENANTS.map(TenantId::new);
        let [Ok(one), Ok(two)] = tenants else {
            return Err(Error::Malformed("the canaries' names are none"));
        };
        let mut all = Vec::new();
        for (kind, what) in KINDS {
            for (own, other) in [(&one, &two), (&two, &one)] {
                let what = format!("{what} of tenant {own}");
                all.push(self.plant_one(cx, (kind, what), own, other).await?);
            }
        }
        Ok(all)
    }

    async fn plant_one(
        &self,
        cx: &Cx,
        (kind, what): (&str, String),
        own: &TenantId,
        other: &TenantId,
    ) -> Result<Planted> {
        let moment = cx.clock.now().as_second();
        let name = format!("{PREFIX}{moment}.{kind}.{}", random_hex(&*cx.rng, 8)?);
        let secret = Secret::new(random_hex(&*cx.rng, 20)?);
        // Before it is stored: what is not known here would not be removed.
        self.names().push((name.clone(), own.clone()));
        self.strongbox.put(&name, Some(own), &secret).await?;
        // So that the other tenant has keys to try.
        self.keys.ensure(&named(other)?).await?;
        let back = self.strongbox.get(&name, Some(own)).await?;
        let problem = if back.as_ref() != Some(&secret) {
            Some("does not come back as it was stored".to_owned())
        } else if self.strongbox.get(&name, Some(other)).await?.is_some() {
            Some("is given to another tenant".to_owned())
        } else {
            let ciphertext = self.sealed(&name, own).await?;
            let keys = (&named(own)?, &named(other)?);
            let open = |key: &KeyRef, ciphertext: &Ciphertext, context: &[u8]| {
                opens(&self.keys, key, ciphertext, context)
            };
            exclusive(&open, keys, &ciphertext, name.as_bytes(), &secret)
        };
        Ok(Planted { what, secret, beside: name, problem })
    }

    /// The ciphertext as it lies in the table.
    async fn sealed(&self, name: &str, tenant: &TenantId) -> Result<Ciphertext> {
        let tx = self.db.operator().await?;
        let row = tx.query_one(sql::GET_SECRET, &[&name, &tenant.as_str()]).await?;
        tx.rollback().await?;
        Ciphertext::parse(row.get(0))
    }

    async fn remove(&self, cx: &Cx) -> Result<()> {
        let oldest = cx.clock.now().as_second().saturating_sub(LEFT_BEHIND.as_secs());
        let left = |name: &str| {
            let moment = name.strip_prefix(PREFIX).and_then(|rest| rest.split('.').next());
            moment.and_then(|text| text.parse::<i64>().ok()).is_some_and(|at| at < oldest)
        };
        let mut names = self.names().clone();
        for card in self.strongbox.names().await? {
            if let Some(tenant) = card.tenant.filter(|_| left(&card.name)) {
                names.push((card.name, tenant));
            }
        }
        for (name, tenant) in &names {
            self.strongbox.remove(name, Some(tenant)).await?;
        }
        self.names().retain(|name| !names.contains(name));
        Ok(())
    }

    fn names(&self) -> MutexGuard<'_, Vec<(String, TenantId)>> {
        // A list of names is whole whoever panicked beside it.
        self.planted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Custody for Keeper {
    fn name(&self) -> &'static str {
        "the strongbox"
    }

    fn plant<'a>(&'a self, cx: &'a Cx) -> Fut<'a, std::result::Result<Vec<Planted>, String>> {
        Box::pin(async move { self.store(cx).await.map_err(|e| e.to_string()) })
    }

    fn clear<'a>(&'a self, cx: &'a Cx) -> Fut<'a, std::result::Result<(), String>> {
        Box::pin(async move { self.remove(cx).await.map_err(|e| e.to_string()) })
    }
}

fn named(tenant: &TenantId) -> Result<KeyRef> {
    Ok(KeyRef { tenant: Some(tenant.clone()), name: KeyName::new(SECRETS_KEY)? })
}

/// Opens a ciphertext with a key in a context; nothing when it is refused.
pub(super) type Open<'a> = dyn Fn(&KeyRef, &Ciphertext, &[u8]) -> Option<Secret> + Send + Sync + 'a;

/// Opens it as every caller does.
pub(super) fn opens(
    keys: &Keys,
    key: &KeyRef,
    ciphertext: &Ciphertext,
    context: &[u8],
) -> Option<Secret> {
    let opened = keys.decrypt(key, &[Sealed { ciphertext, context }]).ok()?;
    let text = opened.into_iter().next()?.ok()?;
    str::from_utf8(&text).ok().map(|text| Secret::new(text.to_owned()))
}

/// What is wrong when a ciphertext opens otherwise than with its own key, in its own context and
/// unchanged.
pub(super) fn exclusive(
    open: &Open<'_>,
    (own, other): (&KeyRef, &KeyRef),
    ciphertext: &Ciphertext,
    context: &[u8],
    secret: &Secret,
) -> Option<String> {
    let elsewhere = [context, b".elsewhere"].concat();
    let problem = if open(own, ciphertext, context).as_ref() != Some(secret) {
        "does not open with its own key"
    } else if open(other, ciphertext, context).is_some() {
        "opens with another tenant's key"
    } else if open(own, ciphertext, &elsewhere).is_some() || open(own, ciphertext, b"").is_some() {
        "opens in another context than it was sealed for"
    } else if open(own, &flipped(ciphertext), context).is_some() {
        "opens with a flipped bit"
    } else {
        return None;
    };
    Some(problem.to_owned())
}
