//! What the attack stands on: a canary's account, the way in, and the owner of its rows.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use kernel::{Cx, Fut, SYNTHETIC_TENANTS, Secret, SessionToken, TenantId, random_hex};
use store::Db;
use tokio::time::sleep;

use super::TokenProbe;
use crate::{Email, Error, Identities, NewAccount, Pair, sql};

/// Canaries' addresses begin and end so, in a domain that cannot exist (RFC 2606).
const BEGIN: &str = "rotation-";
const DOMAIN: &str = "@amanah.invalid";
/// The same as a pattern of SQL.
const PATTERN: &str = "rotation-%@amanah.invalid";
/// A canary that is older than this was left behind by a run that was killed.
const LEFT_BEHIND: SignedDuration = SignedDuration::from_mins(10);
/// How often it is looked whether something is dead.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Where an attack happens.
pub(super) struct Ground<'g> {
    pub(super) probe: &'g dyn TokenProbe,
    pub(super) identities: &'g Identities,
    /// Dates the canary's rows back, so that no attack waits for a month.
    pub(super) owner: &'g Db,
    pub(super) cx: &'g Cx,
    /// How long what was ended may still be accepted.
    pub(super) patience: Duration,
    /// The addresses of this run's canaries.
    pub(super) made: Mutex<Vec<String>>,
}

/// A synthetic account.
pub(super) struct Canary {
    pub(super) email: String,
    password: Secret,
}

impl Ground<'_> {
    /// A new account, and a session of it.
    pub(super) async fn canary(&self) -> Result<(Canary, SessionToken), String> {
        let rng = &*self.cx.rng;
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let email = random_hex(rng, 8).map_err(|e| words(&e))?;
        let email = format!("{BEGIN}{email}{DOMAIN}");
        let password = Secret::new(random_hex(rng, 20).map_err(|e| words(&e))?);
        let new = NewAccount {
            email: Email::new(&email).map_err(|e| words(&e))?,
            name: "Canary".to_owned(),
            tenant: TenantId::new(SYNTHETIC_TENANTS).map_err(|e| words(&e))?,
            password: password.clone(),
        };
        // Before it is stored: an account that is not known here would not be removed.
        self.names().push(email.clone());
        self.identities.create_synthetic(&new).await.map_err(|e| words(&e))?;
        let canary = Canary { email, password };
        let session = self.session(&canary).await?;
        Ok((canary, session))
    }

    /// Another session of `canary`.
    pub(super) async fn session(&self, canary: &Canary) -> Result<SessionToken, String> {
        let session = self.identities.sign_in(&canary.email, &canary.password).await;
        let session = session.map_err(|error| format!("the canary cannot sign in: {error}"))?;
        session.session().ok_or_else(|| "a second factor is asked of the canary".to_owned())
    }

    /// The first pair of a family, which the attack cannot do without.
    pub(super) async fn family(&self, session: &SessionToken) -> Result<Pair, String> {
        let pair = self.probe.exchange(session).await?;
        let pair = pair.ok_or("the canary's own session was given no tokens")?;
        if self.probe.accepts(&pair.access).await? {
            Ok(pair)
        } else {
            Err("the access token that was just given out is not accepted".to_owned())
        }
    }

    /// Runs a statement of the owner of the control database about the canary, bound as `$1`.
    /// Returns how many rows it changed.
    pub(super) async fn alter(&self, sql: &str, canary: &Canary) -> Result<u64, String> {
        let tx = self.owner.operator().await.map_err(|e| e.to_string())?;
        let changed = tx.execute(sql, &[&canary.email]).await.map_err(|e| e.to_string())?;
        tx.commit().await.map_err(|e| e.to_string())?;
        Ok(changed)
    }

    /// How many tokens of the canary were not used yet, in families that live.
    pub(super) async fn unused(&self, canary: &Canary) -> Result<i64, String> {
        let tx = self.owner.operator().await.map_err(|e| e.to_string())?;
        let row = tx.query_one(sql::tokens::COUNT_UNUSED, &[&canary.email]).await;
        let unused = row.map_err(|e| e.to_string())?.get(0);
        tx.commit().await.map_err(|e| e.to_string())?;
        Ok(unused)
    }

    /// How long it takes until `bearer` is nobody any more; `None` when patience ends first.
    pub(super) async fn dies(&self, bearer: &Secret) -> Result<Option<Duration>, String> {
        let start = Instant::now();
        loop {
            if !self.probe.accepts(bearer).await? {
                return Ok(Some(start.elapsed()));
            }
            if start.elapsed() > self.patience {
                return Ok(None);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn names(&self) -> MutexGuard<'_, Vec<String>> {
        // A list of names is whole whoever panicked beside it.
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes this run's canaries, and what a run that was killed left behind.
    pub(super) async fn clear(&self) -> Result<(), String> {
        let now = self.cx.clock.now();
        let old = now.saturating_sub(LEFT_BEHIND).unwrap_or(Timestamp::MIN);
        let tx = self.owner.operator().await.map_err(|e| e.to_string())?;
        let names = self.names().clone();
        let removed = tx.execute(sql::REMOVE_CANARIES, &[&names, &PATTERN, &old]).await;
        removed.map_err(|e| e.to_string())?;
        tx.commit().await.map_err(|e| e.to_string())
    }
}

/// The service itself, for the sandbox of the bite.
pub(crate) struct InProcess<'s>(pub(crate) &'s Identities);

impl TokenProbe for InProcess<'_> {
    fn exchange<'a>(&'a self, session: &'a SessionToken) -> Fut<'a, Result<Option<Pair>, String>> {
        Box::pin(async move { granted(self.0.exchange(session).await) })
    }

    fn refresh<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<Option<Pair>, String>> {
        Box::pin(async move { granted(self.0.refresh(token).await) })
    }

    fn revoke<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<(), String>> {
        Box::pin(async move { self.0.revoke_token(token).await.map_err(|e| e.to_string()) })
    }

    fn accepts<'a>(&'a self, bearer: &'a Secret) -> Fut<'a, Result<bool, String>> {
        Box::pin(async move { Ok(kernel::Credentials::bearer(self.0, bearer).await?.is_some()) })
    }
}

fn granted(pair: Result<Pair, Error>) -> Result<Option<Pair>, String> {
    match pair {
        Ok(pair) => Ok(Some(pair)),
        Err(Error::Grant) => Ok(None),
        Err(other) => Err(other.to_string()),
    }
}
