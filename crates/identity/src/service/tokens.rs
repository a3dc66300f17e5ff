//! Refresh tokens: a family is opened from a session, each token is used once, and one that comes
//! back later ends them all. It lives by the limits of sessions, and never beyond the end of its own.

use jiff::{SignedDuration, Timestamp};
use kernel::{
    Notice, SYNTHETIC_TENANTS, Secret, SessionToken, Sessions as _, Strength, TenantId, random_hex,
};
use store::Row;

use super::Identities;
use crate::access_token::{self, Subject};
use crate::cache::Ended;
use crate::lifetime::later;
use crate::mail::tell;
use crate::signing::{ACCESS_LIFE, Signing};
use crate::sql::tokens as sql;
use crate::token::Digest;
use crate::{Error, Result, refresh};

/// How long a token that was used gives the same successor again, for whoever has several tabs.
pub(crate) const WINDOW: SignedDuration = SignedDuration::from_secs(30);
/// How many families of one account live at once; a new one ends the oldest.
pub(crate) const MAX_FAMILIES: i64 = 50;

/// How long a used token is remembered, so that its return ends the family; later it is unknown.
const KEEP_USED: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long the row of a finished family is kept.
const KEEP_ENDED: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Why a family ended of which a used token came back.
const REUSED: &str = "reused";
/// Random bytes in an access token's own name.
const UNIQUE_BYTES: usize = 8;

/// What a program works with until it refreshes.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Good for five minutes.
    pub access: Secret,
    /// Good once, for the next pair.
    pub refresh: Secret,
    /// How long the access token is good, in seconds.
    pub expires_in: i64,
}

/// The family that a token belongs to, as it was a moment ago.
struct Family {
    id: String,
    account: String,
    tenant: TenantId,
    epoch: i32,
    strength: Strength,
}

/// A refresh token as it was found.
struct Found {
    family: Family,
    began: Timestamp,
    alive: bool,
    used: Option<(Timestamp, Option<Vec<u8>>)>,
}

impl Identities {
    /// The first pair of a new family, for whoever holds this session.
    ///
    /// # Errors
    /// [`Error::Grant`] when there is no such session; [`Error::Browser`] for a session of support,
    /// which stays in the browser; [`Error::StepUp`] when its holder proved who they are too long ago for
    /// what outlives the session; [`Error::Signing`] when there is no key to sign with.
    pub async fn exchange(&self, session: &SessionToken) -> Result<Pair> {
        let signing = self.signing()?;
        let digest = Digest::of(session).ok_or(Error::Grant)?;
        let identity = self.decide(session).await.map_err(Error::Undecided)?.ok_or(Error::Grant)?;
        let standing = &identity.standing;
        if standing.support.is_some() {
            return Err(Error::Browser);
        }
        let now = self.clock.now();
        if !identity.is_recent(now) {
            return Err(Error::StepUp);
        }
        let limits = self.lifetime.of_standing(standing);
        let (refresh, born) = refresh::fresh(&*self.rng)?;
        let tx = self.db.operator().await?;
        let times = (later(now, limits.idle), later(now, limits.absolute));
        let opened =
            tx.query_opt(sql::OPEN_FAMILY, &[&digest.as_bytes(), &now, &times.0, &times.1]).await?;
        let family = Family::of(&opened.ok_or(Error::Grant)?)?;
        tx.execute(sql::ADD_TOKEN, &[&born.as_bytes(), &family.id, &now]).await?;
        tx.execute(sql::END_OLDEST_FAMILIES, &[&family.account, &now, &MAX_FAMILIES]).await?;
        tx.execute(sql::FORGET_FAMILIES, &[&family.account, &earlier(now, KEEP_ENDED)]).await?;
        tx.commit().await?;
        tracing::info!(account = family.account, family = family.id, "tokens were given out");
        self.pair(signing, &family, refresh, now)
    }

    /// The next pair, for a token that was not used yet; the same refresh token again, for one that
    /// was used less than 30 seconds ago.
    ///
    /// # Errors
    /// [`Error::Grant`] for every other token. One that was used before that was copied by somebody:
    /// the family ends, with whatever came of it. [`Error::Signing`] when there is no key to sign
    /// with; the token is as good as before then.
    pub async fn refresh(&self, token: &Secret) -> Result<Pair> {
        let signing = self.signing()?;
        let digest = refresh::read(token.expose()).ok_or(Error::Grant)?;
        let now = self.clock.now();
        let found = self.find_token(&digest, now).await?.ok_or(Error::Grant)?;
        if !found.alive {
            return Err(Error::Grant);
        }
        if found.used.is_some() {
            return self.again(signing, token, found, now).await;
        }
        let until = self.admit(&found, now).await?;
        let (next, born) = refresh::fresh(&*self.rng)?;
        let sealed = refresh::seal(token, &next, &*self.rng)?;
        let tx = self.db.operator().await?;
        let used: store::Bound<'_> = &[&digest.as_bytes(), &now, &sealed, &born.as_bytes(), &until];
        let first = tx.execute(sql::USE_TOKEN, used).await? == 1;
        let family = &found.family.id;
        tx.execute(sql::FORGET_SUCCESSORS, &[family, &earlier(now, WINDOW)]).await?;
        tx.execute(sql::FORGET_USED, &[family, &earlier(now, KEEP_USED)]).await?;
        tx.commit().await?;
        if first {
            return self.pair(signing, &found.family, next, now);
        }
        // Somebody used it at the same moment, or the family ended.
        let found = self.find_token(&digest, now).await?.ok_or(Error::Grant)?;
        self.again(signing, token, found, now).await
    }

    /// Ends the family of a refresh token or of an access token. A token that is not known is as
    /// good as ended.
    ///
    /// # Errors
    /// When the database did not do it; the family may live on then.
    pub async fn revoke_token(&self, token: &Secret) -> Result<()> {
        let now = self.clock.now();
        let text = token.expose();
        let family = match (refresh::read(text), &self.signing) {
            (Some(digest), _) => self.find_token(&digest, now).await?.map(|found| found.family.id),
            (None, Some(signing)) => {
                access_token::read(signing, text, now).map(|claims| claims.sid)
            }
            (None, None) => None,
        };
        match family {
            Some(family) => self.end_family(&family, "revoked", now).await,
            None => Ok(()),
        }
    }

    /// The public keys of tokens and assertions, as a JWK set.
    ///
    /// # Errors
    /// [`Error::Signing`] when they cannot be had.
    pub fn key_set(&self) -> Result<String> {
        self.signing()?.key_set(self.clock.now()).map_err(Error::Signing)
    }

    pub(crate) fn signing(&self) -> Result<&Signing> {
        let missing = || Error::Signing("no keys were set up for tokens".to_owned());
        self.signing.as_ref().ok_or_else(missing)
    }

    /// For a token that was used: its successor, or the end of the family.
    async fn again(
        &self,
        signing: &Signing,
        token: &Secret,
        found: Found,
        now: Timestamp,
    ) -> Result<Pair> {
        let Found { family, alive: true, used: Some((used, sealed)), .. } = found else {
            return Err(Error::Grant);
        };
        if now.duration_since(used) < WINDOW {
            let next = sealed.and_then(|sealed| refresh::open(token, &sealed));
            return self.pair(signing, &family, next.ok_or(Error::Grant)?, now);
        }
        self.end_family(&family.id, REUSED, now).await?;
        if family.tenant.as_str() == SYNTHETIC_TENANTS {
            // The proof of this very thing: nobody is to be alarmed by it.
            tracing::debug!(family = family.id, "a canary's token came back, and its family ended");
            return Err(Error::Grant);
        }
        tracing::warn!(
            account = family.account,
            family = family.id,
            used = %used,
            "a refresh token came back after it was used: somebody has a copy, so that all tokens \
             of this sign-in were ended"
        );
        Err(Error::Grant)
    }

    /// Until when the family lives unless it is used again, if its account may still have one: no
    /// longer than a session would by the limits of this moment.
    async fn admit(&self, found: &Found, now: Timestamp) -> Result<Timestamp> {
        let Family { account, tenant, strength, .. } = &found.family;
        let standing = self.standing(account, tenant, None).await?;
        let limits = self.lifetime.of_standing(&standing);
        let end = later(found.began, limits.absolute);
        if *strength < standing.needs || now >= end {
            return Err(Error::Grant);
        }
        Ok(end.min(later(now, limits.idle)))
    }

    async fn find_token(&self, digest: &Digest, now: Timestamp) -> Result<Option<Found>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::FIND_TOKEN, &[&digest.as_bytes(), &now]).await?;
        tx.commit().await?;
        let Some(row) = row else { return Ok(None) };
        let used: Option<Timestamp> = row.get("used_at");
        Ok(Some(Found {
            family: Family::of(&row)?,
            began: row.get("created_at"),
            alive: row.get("alive"),
            used: used.map(|used| (used, row.get("successor_sealed"))),
        }))
    }

    async fn end_family(&self, family: &str, why: &str, now: Timestamp) -> Result<()> {
        let tx = self.db.operator().await?;
        let ended = tx.query_opt(sql::END_FAMILY, &[&family, &now, &why]).await?;
        let account: Option<String> = ended.map(|ended| ended.get(0));
        if let Some(account) = account.as_ref().filter(|_| why == REUSED) {
            tell(&tx, account, Notice::TokensReused, "", now).await?;
        }
        tx.commit().await?;
        if let Some(account) = account {
            self.cache.forget(Ended::account(&account));
        }
        Ok(())
    }

    fn pair(
        &self,
        signing: &Signing,
        family: &Family,
        refresh: Secret,
        now: Timestamp,
    ) -> Result<Pair> {
        let subject = Subject {
            account: &family.account,
            tenant: family.tenant.as_str(),
            family: &family.id,
            epoch: family.epoch,
            strength: family.strength,
        };
        let unique = random_hex(&*self.rng, UNIQUE_BYTES)?;
        let access = access_token::write(signing, &subject, unique, now).map_err(Error::Signing)?;
        Ok(Pair { access, refresh, expires_in: ACCESS_LIFE.as_secs() })
    }
}

impl Family {
    fn of(row: &Row) -> Result<Self> {
        let tenant = TenantId::new(row.get::<_, String>("tenant"));
        let tenant = tenant.map_err(|e| Error::Field { field: "tenant", why: e.to_string() })?;
        Ok(Self {
            id: row.get("family"),
            account: row.get("account"),
            tenant,
            epoch: row.get("epoch"),
            strength: Strength::shown(row.get("strength")),
        })
    }
}

fn earlier(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_sub(by).unwrap_or(Timestamp::MIN)
}
