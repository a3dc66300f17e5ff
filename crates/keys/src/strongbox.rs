//! What Amanah itself must be able to read again: shared secrets, tokens and keys of other
//! systems, sealed in the control database.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kernel::{Secret, TenantId};
use serde::Serialize;
use store::{Db, Row};

use crate::{
    Ciphertext, Error, KeyName, KeyRef, Keys, Kind, Plain, Progress, Purpose, Result, Sealed, Spec,
    sql,
};

/// The key that seals the house's secrets. A tenant's are sealed by its own key of this name, so
/// that they go when the tenant's keys are destroyed.
pub const SECRETS_KEY: &str = "amanah.secrets";

/// The longest name of a secret, in bytes.
const MAX_SECRET_NAME_BYTES: usize = 200;

/// The longest secret, in bytes.
const MAX_SECRET_BYTES: usize = 64 << 10;

/// Who uses the key, for those who list keys.
pub const OWN_SECRETS: &str = "Amanah's own secrets";

/// So many rows are read at a time.
const PAGE_ROWS: i64 = 500;

/// Secrets under names, sealed by the ring and kept in the control database. Cheap to clone.
///
/// A dump of the database holds them sealed alone. Each one opens under its own name and tenant
/// and nowhere else.
#[derive(Clone)]
pub struct Strongbox {
    keys: Keys,
    db: Db,
}

/// What there is to say about a secret; nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretCard {
    /// Its name.
    pub name: String,
    /// Whose it is; without one it is the house's own.
    pub tenant: Option<TenantId>,
    /// The version of the key that sealed it; `None` when somebody put something else there.
    pub version: Option<u32>,
    /// When it was put.
    pub updated_at: Timestamp,
}

/// What [`Strongbox::refresh_all`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Refreshed {
    /// Sealed again, and now under the newest version.
    pub renewed: usize,
    /// Under the newest version already.
    pub current: usize,
    /// Gone for good, since their tenant's keys were destroyed.
    pub shredded: usize,
    /// Not readable by any key of this ring.
    pub lost: usize,
}

impl Strongbox {
    /// The strongbox in the control database behind `db`, a login of the engine.
    pub fn new(keys: Keys, db: Db) -> Self {
        if let Ok(house) = named(None) {
            keys.registers(OWN_SECRETS, &house);
        }
        Self { keys, db }
    }

    /// Keeps `secret` under `name`, in the place of what was there.
    ///
    /// # Errors
    /// When the name or the secret is too long, the tenant's keys were destroyed, or the ring or
    /// the database refuse. What was there stays then.
    pub async fn put(&self, name: &str, tenant: Option<&TenantId>, secret: &Secret) -> Result<()> {
        check(name, secret)?;
        let key = self.key(tenant).await?;
        let text = Plain { text: secret.expose().as_bytes(), context: name.as_bytes() };
        let sealed = self.keys.encrypt(&key, &[text])?;
        let sealed = sealed.first().ok_or(NOTHING)?.text();
        let tx = self.db.operator().await?;
        tx.execute(sql::PUT_SECRET, &[&name, &owner(tenant), &sealed]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The secret under `name`, or `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Shredded`] when the tenant's keys were destroyed, [`Error::Refused`] when the row
    /// was changed or moved, and what the database says.
    pub async fn get(&self, name: &str, tenant: Option<&TenantId>) -> Result<Option<Secret>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::GET_SECRET, &[&name, &owner(tenant)]).await?;
        tx.rollback().await?;
        let Some(row) = row else { return Ok(None) };
        let ciphertext = Ciphertext::parse(row.get(0))?;
        let sealed = Sealed { ciphertext: &ciphertext, context: name.as_bytes() };
        let opened = self.keys.decrypt(&named(tenant)?, &[sealed])?;
        let opened = opened.into_iter().next().ok_or(NOTHING)??;
        let text = str::from_utf8(&opened).map_err(|_| Error::Malformed("it is no text"))?;
        Ok(Some(Secret::new(text.to_owned())))
    }

    /// Removes the secret under `name`. Whether there was one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn remove(&self, name: &str, tenant: Option<&TenantId>) -> Result<bool> {
        let tx = self.db.operator().await?;
        let removed = tx.execute(sql::REMOVE_SECRET, &[&name, &owner(tenant)]).await?;
        tx.commit().await?;
        Ok(removed > 0)
    }

    /// Every secret's card, ordered by tenant and name.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn names(&self) -> Result<Vec<SecretCard>> {
        let (mut cards, mut after) = (Vec::new(), None);
        loop {
            let page = self.page(after.as_ref()).await?;
            let Some(last) = page.last() else { return Ok(cards) };
            after = Some((last.tenant.clone(), last.name.clone()));
            for kept in page {
                cards.push(SecretCard {
                    version: kept.ciphertext.as_ref().map(|sealed| sealed.version),
                    tenant: tenant(&kept.tenant)?,
                    name: kept.name,
                    updated_at: kept.updated_at,
                });
            }
        }
    }

    /// Seals again whatever is not under the newest version of its key, without showing a text.
    /// What is under it already is left alone, so that an interrupted run goes on where it stopped.
    ///
    /// # Errors
    /// When the ring or the database do not answer; what was sealed until then stays.
    pub async fn refresh_all(&self, watch: &(dyn Fn(Progress) + Sync)) -> Result<Refreshed> {
        let total = self.names().await?.len();
        let (mut found, mut newest, mut after) = (Refreshed::default(), BTreeMap::new(), None);
        loop {
            let page = self.page(after.as_ref()).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some((last.tenant.clone(), last.name.clone()));
            let owners: BTreeSet<_> = page.iter().map(|kept| kept.tenant.clone()).collect();
            for owner in owners {
                let key = named(tenant(&owner)?.as_ref())?;
                let version = self.keys.card(&key).ok().and_then(|c| c.newest().map(|v| v.version));
                newest.insert(owner, (key, version));
            }
            for kept in &page {
                let Some((key, version)) = newest.get(&kept.tenant) else { continue };
                let Some(sealed) = &kept.ciphertext else {
                    found.lost += 1;
                    continue;
                };
                if *version == Some(sealed.version) {
                    found.current += 1;
                    continue;
                }
                match self.reseal(key, kept, sealed).await {
                    Ok(()) => found.renewed += 1,
                    Err(Error::Shredded { .. }) => found.shredded += 1,
                    Err(Error::Unknown(_) | Error::Refused | Error::Malformed(_)) => {
                        found.lost += 1;
                    }
                    Err(other) => return Err(other),
                }
            }
            let done = found.renewed + found.current + found.shredded + found.lost;
            watch(Progress { done, total: total.max(done) });
        }
    }

    async fn reseal(&self, key: &KeyRef, kept: &Kept, ciphertext: &Ciphertext) -> Result<()> {
        let sealed = Sealed { ciphertext, context: kept.name.as_bytes() };
        let fresh = self.keys.rewrap(key, &[sealed])?;
        let fresh = fresh.into_iter().next().ok_or(NOTHING)??.text();
        let tx = self.db.operator().await?;
        tx.execute(sql::RESEAL_SECRET, &[&kept.name, &kept.tenant, &kept.sealed, &fresh]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The key for `tenant`, made where it is missing.
    async fn key(&self, tenant: Option<&TenantId>) -> Result<KeyRef> {
        let house = named(None)?;
        let spec = Spec { kind: Kind::Aes256Gcm, purpose: Purpose::Fields, needs_context: true };
        match self.keys.card(&house) {
            Err(Error::Unknown(_)) => match self.keys.create(&house, &spec).await {
                // Another process was faster.
                Ok(_) | Err(Error::Exists(_)) => {}
                Err(other) => return Err(other),
            },
            Ok(_) => {}
            Err(other) => return Err(other),
        }
        let Some(tenant) = tenant else { return Ok(house) };
        let own = named(Some(tenant))?;
        self.keys.ensure(&own).await?;
        self.keys.registers(OWN_SECRETS, &own);
        Ok(own)
    }

    async fn page(&self, after: Option<&(String, String)>) -> Result<Vec<Kept>> {
        let (tenant, name) = after.map_or(("", ""), |(tenant, name)| (tenant, name));
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::NEXT_SECRETS, &[&tenant, &name, &PAGE_ROWS]).await?;
        tx.rollback().await?;
        Ok(rows.iter().map(Kept::read).collect())
    }
}

/// A row.
struct Kept {
    /// As the table has it: empty for the house.
    tenant: String,
    name: String,
    sealed: String,
    /// `None` when it is none of ours.
    ciphertext: Option<Ciphertext>,
    updated_at: Timestamp,
}

impl Kept {
    fn read(row: &Row) -> Self {
        let sealed: String = row.get(2);
        Self {
            tenant: row.get(0),
            name: row.get(1),
            ciphertext: Ciphertext::parse(&sealed).ok(),
            sealed,
            updated_at: row.get(3),
        }
    }
}

const NOTHING: Error = Error::Malformed("nothing came back");

fn check(name: &str, secret: &Secret) -> Result<()> {
    let proper = (1..=MAX_SECRET_NAME_BYTES).contains(&name.len());
    if !proper || name.chars().any(char::is_control) {
        return Err(Error::Setting("the name of a secret has 1 to 200 bytes, none of control"));
    }
    if secret.expose().len() > MAX_SECRET_BYTES {
        return Err(Error::Setting("a secret has at most 64 KiB"));
    }
    Ok(())
}

fn named(tenant: Option<&TenantId>) -> Result<KeyRef> {
    Ok(KeyRef { tenant: tenant.cloned(), name: KeyName::new(SECRETS_KEY)? })
}

fn owner(tenant: Option<&TenantId>) -> &str {
    tenant.map_or("", TenantId::as_str)
}

fn tenant(owner: &str) -> Result<Option<TenantId>> {
    let tenant = (!owner.is_empty()).then(|| TenantId::new(owner)).transpose();
    tenant.map_err(|_| Error::Malformed("its tenant is none of ours"))
}

#[cfg(test)]
mod tests;
