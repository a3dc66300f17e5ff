//! Whoever shows an access token or an API key.
//!
//! It promises that what they may do is what their roles say when they are looked up, not when the
//! token was given out; that the scopes of a key only take from it; and that a key is found by the
//! hash of all of its text, so that no part of it can be guessed by itself. It stops tokens that
//! outlive what they were drawn from.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kernel::{
    Actor, Bits, Credentials, Door, Fut, Identity, PermissionId, Secret, Strength, TenantId,
};
use store::Row;

use super::Identities;
use super::sessions::until_read;
use crate::access_token::{self, Claims};
use crate::api_key::{self, PREFIX};
use crate::cache::{Answer, Marks, Ticket};
use crate::jwt::MAX_TOKEN_BYTES;
use crate::sql::tokens as sql;
use crate::token::Digest;
use crate::{Error, Result};

/// How often a key's last use is written down.
const TOUCH_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// What was shown, well formed and not yet looked up.
enum Shown {
    Access(Box<Claims>),
    Key,
}

impl Identities {
    async fn holder(&self, bearer: &str) -> Result<Option<Arc<Identity>>> {
        let now = self.clock.now();
        if bearer.len() > MAX_TOKEN_BYTES {
            return Ok(None);
        }
        // The whole text, so that nothing else is found under what was verified once.
        let whole = |text: &str| Some(Digest::of_text(text));
        let (digest, ticket) = match self.cache.get(bearer, whole, now) {
            None => return Ok(None),
            Some((_, Answer::Holder(identity))) => {
                return Ok((identity.door != Door::Browser).then_some(identity));
            }
            Some((digest, Answer::Ask(ticket))) => (digest, ticket),
        };
        let shown = if bearer.starts_with(PREFIX) {
            api_key::read(bearer).map(|_| Shown::Key)
        } else if let Some(signing) = &self.signing {
            access_token::read(signing, bearer, now).map(|claims| Shown::Access(Box::new(claims)))
        } else {
            None
        };
        match shown {
            Some(Shown::Key) => self.ask_key(digest, ticket, now).await,
            Some(Shown::Access(claims)) => self.ask_family(&claims, digest, ticket, now).await,
            None => Ok(None),
        }
    }

    async fn ask_family(
        &self,
        claims: &Claims,
        digest: Digest,
        ticket: Ticket,
        now: Timestamp,
    ) -> Result<Option<Arc<Identity>>> {
        let tx = self.db.operator().await?;
        let parameters: store::Bound<'_> = &[&claims.sid, &claims.sub, &claims.epoch, &now];
        let row = tx.query_opt(sql::FIND_FAMILY, parameters).await?;
        tx.commit().await?;
        let Some(row) = row else { return Ok(None) };
        let identity = self.standing_of(&row, Door::AccessToken, None).await?;
        let Some(identity) = identity.filter(|who| who.tenant.as_str() == claims.tenant) else {
            return Ok(None);
        };
        let until: Timestamp = row.get("until");
        let until = until.min(Timestamp::from_second(claims.exp).unwrap_or(now));
        let until = until_read(&identity.standing, until);
        let marks = Marks::of(&identity, identity.tenant.as_str());
        let identity = Arc::new(identity);
        self.cache.put(ticket, digest, &identity, marks, (now, until));
        Ok(Some(identity))
    }

    async fn ask_key(
        &self,
        digest: Digest,
        ticket: Ticket,
        now: Timestamp,
    ) -> Result<Option<Arc<Identity>>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::FIND_KEY, &[&digest.as_bytes(), &now]).await?;
        tx.commit().await?;
        let Some(row) = row else { return Ok(None) };
        let scopes: Vec<i16> = row.get("scopes");
        let scopes = scopes.into_iter().filter_map(|n| PermissionId::new(u16::try_from(n).ok()?));
        let identity = self.standing_of(&row, Door::ApiKey, Some(scopes.collect())).await?;
        let Some(identity) = identity else { return Ok(None) };
        let seen: Option<Timestamp> = row.get("last_used_at");
        if seen.is_none_or(|seen| now.duration_since(seen) >= TOUCH_EVERY) {
            let tx = self.db.operator().await?;
            tx.execute(sql::TOUCH_KEY, &[&identity.session, &now]).await?;
            tx.commit().await?;
        }
        let marks = Marks::of(&identity, identity.tenant.as_str());
        let until = until_read(&identity.standing, row.get("until"));
        let identity = Arc::new(identity);
        self.cache.put(ticket, digest, &identity, marks, (now, until));
        Ok(Some(identity))
    }

    /// Whoever `row` speaks of, with what they may do at this moment, of `scopes` alone if there are
    /// any. `None` when they have to prove more than they did.
    async fn standing_of(
        &self,
        row: &Row,
        door: Door,
        scopes: Option<Bits>,
    ) -> Result<Option<Identity>> {
        let field = |field, e: kernel::IdError| Error::Field { field, why: e.to_string() };
        let account: String = row.get("account");
        let tenant = TenantId::new(row.get::<_, String>("tenant"));
        let tenant = tenant.map_err(|e| field("tenant", e))?;
        let mut standing = self.standing(&account, &tenant, None).await?;
        let strength = Strength::shown(row.get("strength"));
        if strength < standing.needs {
            return Ok(None);
        }
        if let Some(scopes) = scopes {
            standing.permits = standing.permits.and(&scopes);
        }
        Ok(Some(Identity {
            account,
            actor: Actor::new(row.get::<_, String>("email")).map_err(|e| field("address", e))?,
            name: row.get("display_name"),
            tenant,
            standing,
            strength,
            authenticated_at: row.get("authenticated_at"),
            session: row.get("id"),
            door,
        }))
    }
}

impl Credentials for Identities {
    fn bearer<'a>(
        &'a self,
        bearer: &'a Secret,
    ) -> Fut<'a, std::result::Result<Option<Arc<Identity>>, String>> {
        Box::pin(async move {
            self.holder(bearer.expose()).await.map_err(|error| {
                tracing::warn!(%error, "a token could not be decided, so it is refused");
                error.to_string()
            })
        })
    }

    fn assertion(&self, identity: &Arc<Identity>) -> Option<Secret> {
        let signing = self.signing.as_ref()?;
        match self.assertions.of(signing, identity, self.clock.now()) {
            Ok(assertion) => Some(assertion),
            Err(error) => {
                tracing::error!(%error, "the application was not told who asks");
                None
            }
        }
    }
}
