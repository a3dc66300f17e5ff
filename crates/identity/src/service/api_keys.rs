//! API keys, of people and of services: made in a browser, shown once, ended at once.

use jiff::{SignedDuration, Timestamp};
use kernel::{Bits, Door, Identity, Notice, PermissionId, Secret, own, random_hex};

use super::Identities;
use crate::cache::Ended;
use crate::lifetime::later;
use crate::mail::tell;
use crate::sql::tokens as sql;
use crate::{Error, Result, api_key};

/// The longest that a key may live.
pub const MAX_KEY_DAYS: u16 = 365;
/// How many keys of one account live at once.
pub(crate) const MAX_KEYS: i64 = 50;
/// The longest name of a key or a service, in bytes.
const MAX_NAME_BYTES: usize = 100;
/// How many keys, or services, are listed.
const LISTED: i64 = 500;
/// Random bytes that tell the addresses of services apart.
const ADDRESS_BYTES: usize = 6;
/// The host of services' addresses: reserved, so that no mail is ever sent to one (RFC 2606).
const SERVICE_HOST: &str = "service.invalid";

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What it is for, 1 to 100 bytes.
    pub name: String,
    /// The service that it is for, by its account; `None` for a key of one's own.
    pub service: Option<String>,
    /// What it may do, of what its maker may; `None` is all of it.
    pub scopes: Option<Bits>,
    /// How long it lives, 1 to [`MAX_KEY_DAYS`].
    pub days: u16,
}

/// A key, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCard {
    /// The eight characters after `amk_`.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The service that it is for, by its name.
    pub service: Option<String>,
    /// What it may do, if its account may.
    pub scopes: Bits,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// Whether it was ended before.
    pub revoked: bool,
}

/// An account that nobody signs in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCard {
    /// The account's id.
    pub account: String,
    /// Its name.
    pub name: String,
    /// The address of who answers for it.
    pub owner: String,
}

impl Identities {
    /// Makes a key for `maker`, or for a service of their tenant. The key itself is given out here
    /// and never again.
    ///
    /// # Errors
    /// [`Error::Browser`] unless `maker` is in a browser, and no support; [`Error::Scope`] when it
    /// would do more than its maker may, or a service's key is made without `people.keys`;
    /// [`Error::Field`] when something does not fit; [`Error::Grant`] when the session is over, or
    /// there is no such service, or it has as many keys as it can.
    pub async fn make_key(&self, maker: &Identity, new: &NewKey) -> Result<(KeyCard, Secret)> {
        let scopes = new.scopes.unwrap_or(maker.standing.permits);
        may_change(maker)?;
        if !scopes.within(&maker.standing.permits)
            || (new.service.is_some() && !maker.may(own::PEOPLE_KEYS))
        {
            return Err(Error::Scope);
        }
        let name = named(&new.name)?;
        if !(1..=MAX_KEY_DAYS).contains(&new.days) {
            let why = format!("a key lives for 1 to {MAX_KEY_DAYS} days");
            return Err(Error::Field { field: "end", why });
        }
        let now = self.clock.now();
        let expires_at = later(now, SignedDuration::from_hours(24 * i64::from(new.days)));
        let (key, written) = api_key::fresh(&*self.rng)?;
        let account = new.service.as_ref().unwrap_or(&maker.account);
        let numbers = scopes.iter().filter_map(|id| i16::try_from(id.number()).ok());
        let numbers: Vec<i16> = numbers.collect();
        let tx = self.db.operator().await?;
        let made = tx
            .query_opt(
                sql::ADD_KEY,
                &[
                    &written.id,
                    &written.digest.as_bytes(),
                    account,
                    &maker.account,
                    &name,
                    &numbers,
                    &maker.session,
                    &now,
                    &expires_at,
                    &MAX_KEYS,
                ],
            )
            .await?;
        let owner: Option<String> = made.ok_or(Error::Grant)?.get(1);
        tell(&tx, &maker.account, Notice::KeyMade, name, now).await?;
        // Whoever answers for the service hears of its keys too.
        if let Some(owner) = owner.filter(|owner| *owner != maker.account) {
            tell(&tx, &owner, Notice::KeyMade, name, now).await?;
        }
        tx.commit().await?;
        tracing::info!(account, maker = maker.account, key = written.id, "an API key was made");
        let card = KeyCard {
            id: written.id,
            name: name.to_owned(),
            service: None,
            scopes,
            created_at: now,
            expires_at,
            last_used_at: None,
            revoked: false,
        };
        Ok((card, key))
    }

    /// The keys of `identity`, the newest first, and those of their tenant's services when they may
    /// change them; the newest 500.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn keys_of(&self, identity: &Identity) -> Result<Vec<KeyCard>> {
        let services = identity.may(own::PEOPLE_KEYS);
        let tx = self.db.operator().await?;
        let asked: store::Bound<'_> =
            &[&identity.account, &identity.tenant.as_str(), &services, &LISTED];
        let rows = tx.query(sql::LIST_KEYS, asked).await?;
        tx.commit().await?;
        Ok(rows.iter().map(card).collect())
    }

    /// Ends a key of `identity`, or of a service of their tenant. One that is not there, or was
    /// ended, is as good as ended: `false`.
    ///
    /// # Errors
    /// [`Error::Browser`] as for making one; or when the database did not do it.
    pub async fn revoke_key(&self, identity: &Identity, id: &str) -> Result<bool> {
        may_change(identity)?;
        let services = identity.may(own::PEOPLE_KEYS);
        let (now, tenant) = (self.clock.now(), identity.tenant.as_str());
        let tx = self.db.operator().await?;
        let asked: store::Bound<'_> = &[&id, &identity.account, &tenant, &services, &now];
        let ended = tx.query_opt(sql::END_KEY, asked).await?;
        tx.commit().await?;
        if let Some(ended) = &ended {
            self.cache.forget(Ended::account(&ended.get::<_, String>(0)));
            tracing::info!(by = identity.account, key = id, "an API key was revoked");
        }
        Ok(ended.is_some())
    }

    /// Makes an account for a service: it has keys and roles, and nobody can sign in to it. `owner`
    /// answers for it.
    ///
    /// # Errors
    /// [`Error::Browser`] as for keys; [`Error::Scope`] without `people.keys`; [`Error::Field`] when
    /// the name does not fit.
    pub async fn make_service(&self, owner: &Identity, name: &str) -> Result<ServiceCard> {
        may_change(owner)?;
        if !owner.may(own::PEOPLE_KEYS) {
            return Err(Error::Scope);
        }
        let name = named(name)?;
        let address = format!("{}@{SERVICE_HOST}", random_hex(&*self.rng, ADDRESS_BYTES)?);
        let tx = self.db.operator().await?;
        let (tenant, now) = (owner.tenant.as_str(), self.clock.now());
        let asked: store::Bound<'_> = &[&address, &name, &tenant, &now, &owner.account];
        let made = tx.query_opt(sql::ADD_SERVICE, asked).await?;
        tx.commit().await?;
        let account: String = made.ok_or(Error::Grant)?.get(0);
        tracing::info!(account, owner = owner.account, "a service was made");
        Ok(ServiceCard { account, name: name.to_owned(), owner: owner.actor.to_string() })
    }

    /// The services of the tenant of `identity`, for whoever may give them keys; the first 500.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn services(&self, identity: &Identity) -> Result<Vec<ServiceCard>> {
        if !identity.may(own::PEOPLE_KEYS) {
            return Ok(Vec::new());
        }
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::LIST_SERVICES, &[&identity.tenant.as_str(), &LISTED]).await?;
        tx.commit().await?;
        let card = |row: &store::Row| ServiceCard {
            account: row.get(0),
            name: row.get(1),
            owner: row.get(2),
        };
        Ok(rows.iter().map(card).collect())
    }
}

fn card(row: &store::Row) -> KeyCard {
    let scopes: Vec<i16> = row.get("scopes");
    let scopes = scopes.into_iter().filter_map(|n| PermissionId::new(u16::try_from(n).ok()?));
    KeyCard {
        id: row.get("id"),
        name: row.get("name"),
        service: row.get("service"),
        scopes: scopes.collect(),
        created_at: row.get("created_at"),
        expires_at: row.get("expires_at"),
        last_used_at: row.get("last_used_at"),
        revoked: row.get("revoked"),
    }
}

/// A key makes no keys, and support none in its customer's name.
fn may_change(identity: &Identity) -> Result<()> {
    if identity.door == Door::Browser && identity.standing.support.is_none() {
        Ok(())
    } else {
        Err(Error::Browser)
    }
}

fn named(name: &str) -> Result<&str> {
    let name = name.trim();
    let why = if name.is_empty() {
        "it is empty".to_owned()
    } else if name.len() > MAX_NAME_BYTES {
        format!("it has at most {MAX_NAME_BYTES} bytes, this one has {}", name.len())
    } else if name.chars().any(char::is_control) {
        "it holds control characters".to_owned()
    } else {
        return Ok(name);
    };
    Err(Error::Field { field: "name", why })
}
