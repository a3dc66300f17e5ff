//! What this room keeps of secrets, planted so that the proof of `rest.fields` can look for it.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use kernel::{
    Credentials as _, Custody, Cx, Fut, Planted, SYNTHETIC_DOMAIN, SYNTHETIC_TENANTS, Secret,
    SessionToken, Sessions as _, TenantId, hex, random_hex,
};
use store::Db;

use crate::token::Digest;
use crate::totp::Seed;
use crate::{Email, Error, Holder, Identities, NewAccount, NewKey, Result, api_key, refresh, sql};

/// Canaries' addresses begin so.
const BEGIN: &str = "custody-";
/// The same as a pattern of SQL.
const PATTERN: &str = "custody-%";
/// A canary that is older than this was left behind by a run that was killed.
const LEFT_BEHIND: SignedDuration = SignedDuration::from_hours(1);

/// Plants a password, by making an account, a session token, by signing in to it, and the seed of an
/// app and a recovery code, by setting up a second factor.
pub struct Custodian {
    identities: Arc<Identities>,
    owner: Db,
    /// The addresses of the canaries that are there.
    planted: Mutex<Vec<String>>,
}

impl Custodian {
    /// The custodian of `identities`. `owner` owns the control database: the running program
    /// itself may not remove accounts.
    pub const fn new(identities: Arc<Identities>, owner: Db) -> Self {
        Self { identities, owner, planted: Mutex::new(Vec::new()) }
    }

    async fn store(&self, cx: &Cx) -> Result<Vec<Planted>> {
        let email = format!("{BEGIN}{}{SYNTHETIC_DOMAIN}", random_hex(&*cx.rng, 8)?);
        let password = Secret::new(random_hex(&*cx.rng, 20)?);
        // Before it is stored: an account that is not known here would not be removed.
        self.names().push(email.clone());
        let new = NewAccount {
            email: Email::new(&email)?,
            name: "Canary".to_owned(),
            tenant: TenantId::new(SYNTHETIC_TENANTS)
                .map_err(|e| Error::Field { field: "tenant", why: e.to_string() })?,
            password: password.clone(),
        };
        self.identities.create_synthetic(&new).await?;
        let wrong = Secret::new(random_hex(&*cx.rng, 20)?);
        let accepts = match self.identities.sign_in(&email, &wrong).await {
            Ok(_) => Some("a wrong password signs in".to_owned()),
            Err(Error::Refused) => None,
            Err(other) => return Err(other),
        };
        let token = self.identities.sign_in(&email, &password).await?.session();
        let token = token.ok_or(Error::Canary("a second factor was asked for"))?;
        let (token, mut planted) = self.factors(cx, &token).await?;
        planted.extend(self.programs(&token, &*cx.rng).await?);
        planted.push(self.session(token, &*cx.rng).await?);
        let what = "the password of an account".to_owned();
        planted.push(Planted { what, secret: password, beside: email, problem: accepts });
        Ok(planted)
    }

    /// An authenticator app and recovery codes, set up with the session of `token`, which ends by it:
    /// another one comes back.
    async fn factors(&self, cx: &Cx, token: &SessionToken) -> Result<(SessionToken, Vec<Planted>)> {
        let identity = self.identities.decide(token).await.map_err(Error::Undecided)?;
        let identity = identity.ok_or(Error::Canary("its session is not recognised"))?;
        let holder = Holder::Session(&identity);
        let app = self.identities.start_app(holder, "Amanah").await?;
        let seed = Seed::from_text(&app.text)?;
        let code = seed.code_at(cx.clock.now());
        let enrolled = self.identities.confirm_app(holder, &code).await?;
        let again = self.identities.confirm_app(holder, &code).await.is_ok();
        let problem =
            again.then(|| "a code confirmed an app that was confirmed already".to_owned());
        let beside = identity.account.clone();
        let what = "the seed of an authenticator app".to_owned();
        let seed = Planted { what, secret: app.text, beside: beside.clone(), problem };
        let code = enrolled.codes.first().ok_or(Error::Canary("it was given no recovery codes"))?;
        let secret = Secret::new(code.expose().replace('-', ""));
        let what = "a recovery code".to_owned();
        let code = Planted { what, secret, beside, problem: None };
        Ok((enrolled.session, vec![seed, code]))
    }

    /// An API key, and where tokens are given out, a used refresh token and its successor, which is
    /// kept sealed.
    async fn programs(&self, token: &SessionToken, rng: &dyn kernel::Rng) -> Result<Vec<Planted>> {
        let identity = self.identities.decide(token).await.map_err(Error::Undecided)?;
        let identity = identity.ok_or(Error::Canary("its session is not recognised"))?;
        let new = NewKey { name: "canary".to_owned(), service: None, scopes: None, days: 1 };
        let (card, key) = self.identities.make_key(&identity, &new).await?;
        let accepted = async |bearer| {
            let holder = self.identities.bearer(bearer).await.map_err(Error::Undecided)?;
            Ok::<_, Error>(holder.is_some())
        };
        let problem = if !accepted(&key).await? {
            Some("the key that was just given out is not recognised".to_owned())
        } else if accepted(&api_key::guess(&card.id, rng)?).await? {
            Some("a key that nobody was given is recognised".to_owned())
        } else {
            None
        };
        let beside = hex(Digest::of_text(key.expose()).as_bytes());
        let mut planted =
            vec![Planted { what: "an API key".to_owned(), secret: key, beside, problem }];
        let first = match self.identities.exchange(token).await {
            Ok(pair) => pair.refresh,
            // No key was made yet that signs: nobody has a token.
            Err(Error::Signing(_)) => return Ok(planted),
            Err(other) => return Err(other),
        };
        let next = self.identities.refresh(&first).await?.refresh;
        let (guess, _) = refresh::fresh(rng)?;
        let problem = match self.identities.refresh(&guess).await {
            Err(Error::Grant) => None,
            Err(other) => return Err(other),
            Ok(_) => Some("a refresh token that nobody was given is recognised".to_owned()),
        };
        for (what, secret) in [("a used refresh token", first), ("its successor", next)] {
            let (what, problem) = (what.to_owned(), problem.clone());
            let beside = hex(Digest::of_text(secret.expose()).as_bytes());
            planted.push(Planted { what, secret, beside, problem });
        }
        Ok(planted)
    }

    async fn session(&self, token: SessionToken, rng: &dyn kernel::Rng) -> Result<Planted> {
        let digest = Digest::of(&token).map(|digest| hex(digest.as_bytes()));
        let (guess, _) = crate::token::fresh(rng)?;
        let decide = async |token| self.identities.decide(token).await.map_err(Error::Undecided);
        let problem = if decide(&token).await?.is_none() {
            Some("the token that was just given out is not recognised".to_owned())
        } else if decide(&guess).await?.is_some() {
            Some("a token that nobody was given is recognised".to_owned())
        } else {
            None
        };
        Ok(Planted {
            what: "the token of a session".to_owned(),
            secret: token.0,
            beside: digest.unwrap_or_default(),
            problem,
        })
    }

    async fn remove(&self, now: Timestamp) -> Result<()> {
        let names = self.names().clone();
        let old = now.saturating_sub(LEFT_BEHIND).unwrap_or(Timestamp::MIN);
        let tx = self.owner.operator().await?;
        tx.execute(sql::REMOVE_CANARIES, &[&names, &PATTERN, &old]).await?;
        tx.commit().await?;
        self.names().retain(|name| !names.contains(name));
        Ok(())
    }

    fn names(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        // A list of names is whole whoever panicked beside it.
        self.planted.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Custody for Custodian {
    fn name(&self) -> &'static str {
        "accounts and sessions"
    }

    fn plant<'a>(&'a self, cx: &'a Cx) -> Fut<'a, std::result::Result<Vec<Planted>, String>> {
        Box::pin(async move { self.store(cx).await.map_err(|e| e.to_string()) })
    }

    fn clear<'a>(&'a self, cx: &'a Cx) -> Fut<'a, std::result::Result<(), String>> {
        Box::pin(async move { self.remove(cx.clock.now()).await.map_err(|e| e.to_string()) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kernel::{Custody as _, Cx, SystemClock, SystemRng};

    use super::{Custodian, PATTERN};
    use crate::vault::Envelope;
    use crate::{Identities, Pool, ROOM};

    /// The canaries are real accounts and sessions, they are as they should be, and they go.
    #[tokio::test]
    async fn canaries_come_and_go() {
        let base = testkit::database(&[&ROOM]).await;
        let cx = Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) };
        let identities = Identities::new(
            base.engine.clone(),
            Arc::clone(&cx.clock),
            Arc::clone(&cx.rng),
            Pool::default(),
            Arc::new(kernel::NoStandings),
        );
        let keys = Arc::new(crate::signing::memory::MemoryKeys::default());
        keys.rotate(&SystemRng, cx.clock.now()).unwrap();
        let custodian = Custodian::new(
            Arc::new(
                identities
                    .unwrap()
                    .with_vault(Arc::new(Envelope))
                    .with_tokens(keys, "amanah:x".into()),
            ),
            base.owner.clone(),
        );
        let planted = custodian.plant(&cx).await.unwrap();
        assert_eq!(planted.len(), 7);
        for canary in &planted {
            assert_eq!(canary.problem, None, "{canary:?}");
            assert!(!canary.beside.is_empty() && canary.secret.expose().len() >= 16);
        }
        let count = || async {
            let tx = base.owner.operator().await.unwrap();
            let sql = "SELECT (SELECT count(*) FROM identity.accounts WHERE email LIKE $1),
                              (SELECT count(*) FROM identity.sessions)";
            let row = tx.query_one(sql, &[&PATTERN]).await.unwrap();
            (row.get::<_, i64>(0), row.get::<_, i64>(1))
        };
        assert_eq!(count().await, (1, 2));
        custodian.clear(&cx).await.unwrap();
        assert_eq!(count().await, (0, 0));

        // Another process's canaries of this moment stay; those of a run that was killed go.
        custodian.plant(&cx).await.unwrap();
        let other = Custodian::new(Arc::clone(&custodian.identities), base.owner.clone());
        other.clear(&cx).await.unwrap();
        assert_eq!(count().await, (1, 2));
        let tx = base.owner.operator().await.unwrap();
        tx.batch("UPDATE identity.accounts SET created_at = now() - interval '2 hours'")
            .await
            .unwrap();
        tx.commit().await.unwrap();
        other.clear(&cx).await.unwrap();
        assert_eq!(count().await, (0, 0));
    }
}
