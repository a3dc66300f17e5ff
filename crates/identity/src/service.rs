//! The service that signs people in and recognises them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kernel::{Actor, Clock, Fut, Identity, Rng, Secret, SessionToken, Sessions, TenantId};
use store::Db;

use crate::account::Email;
use crate::cache::{Answer, Cache, Ticket};
use crate::password::{Hasher, fits};
use crate::stored::{CURRENT, OUTPUT_BYTES, SALT_BYTES, Stored};
use crate::token::{self, Digest};
use crate::{Error, NewAccount, Pool, Result, sql};

/// How long a session lives without being used.
pub(crate) const IDLE: SignedDuration = SignedDuration::from_mins(30);
/// How long a session lives at most.
pub(crate) const ABSOLUTE: SignedDuration = SignedDuration::from_hours(12);
/// How many sessions of one account live at once; a new one ends the oldest.
pub(crate) const MAX_SESSIONS: i64 = 50;

/// How often a session's last use is written down; a session in use ends up to this much early.
const TOUCH_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// How long the row of a finished session is kept.
const KEEP_ENDED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Accounts and sessions in the control database. Share it in an [`Arc`].
pub struct Identities {
    db: Db,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    hasher: Hasher,
    // Hashed against when there is no account, so that the answer takes as long. Absent only in
    // the bite's sandbox, which must show that the absence is noticed.
    decoy: Option<Stored>,
    cache: Cache,
}

struct Account {
    id: String,
    hash: String,
    rehash: Option<String>,
}

impl Identities {
    /// The service over `db`, a login of the control database that is a member of
    /// `amanah_engine`.
    ///
    /// # Errors
    /// When there is no randomness, or the pool's settings make no sense.
    pub fn new(db: Db, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, pool: Pool) -> Result<Self> {
        let (mut salt, mut output) = (vec![0; SALT_BYTES], vec![0; OUTPUT_BYTES]);
        rng.fill(&mut salt)?;
        // Random instead of computed: nobody knows a password that leads to it.
        rng.fill(&mut output)?;
        let decoy = Some(Stored { cost: CURRENT, salt, output });
        Ok(Self { db, clock, rng, hasher: Hasher::new(pool)?, decoy, cache: Cache::default() })
    }

    /// The same service with the fault that gives accounts away by time.
    pub(crate) fn without_decoy(mut self) -> Self {
        self.decoy = None;
        self
    }

    /// Makes an account and returns its id.
    ///
    /// # Errors
    /// [`Error::Taken`] when there is one with this address; [`Error::PasswordSize`] or
    /// [`Error::Field`] when something does not fit.
    pub async fn create_account(&self, new: &NewAccount) -> Result<String> {
        new.check()?;
        if !fits(new.password.expose()) {
            return Err(Error::PasswordSize(new.password.expose().len()));
        }
        let hash = self.hasher.make(&new.password, &*self.rng).await?;
        let tx = self.db.operator().await?;
        let row = tx
            .query_opt(
                sql::ADD_ACCOUNT,
                &[
                    &new.email.as_str(),
                    &new.name,
                    &new.tenant.as_str(),
                    &new.role,
                    &hash.to_string(),
                    &self.clock.now(),
                ],
            )
            .await?;
        tx.commit().await?;
        row.map(|row| row.get(0)).ok_or(Error::Taken)
    }

    /// Signs somebody in: a new session's token.
    ///
    /// # Errors
    /// [`Error::Refused`] for an unknown address, a wrong password and a disabled account alike,
    /// after the same work; [`Error::Busy`] when too many sign in at once.
    pub async fn sign_in(&self, email: &str, password: &Secret) -> Result<SessionToken> {
        // No account can have such an address or password, so an early answer gives nothing away.
        let Ok(email) = Email::new(email) else {
            return Err(Error::Refused);
        };
        if !fits(password.expose()) {
            return Err(Error::Refused);
        }
        let stored = self.find(&email).await?;
        let Some(account) = self.check(stored, password).await? else {
            return Err(Error::Refused);
        };
        self.open(&account).await
    }

    /// Ends a session, here at once and in other processes within two seconds. A token that is
    /// not known is as good as ended.
    ///
    /// # Errors
    /// When the database did not do it; the session may live on then.
    pub async fn sign_out(&self, token: &SessionToken) -> Result<()> {
        let Some(digest) = Digest::of(token) else {
            return Ok(());
        };
        let tx = self.db.operator().await?;
        tx.execute(sql::END_SESSION, &[&digest.as_bytes(), &self.clock.now()]).await?;
        tx.commit().await?;
        self.cache.forget(&digest);
        Ok(())
    }

    pub(crate) const fn db(&self) -> &Db {
        &self.db
    }

    pub(crate) const fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    pub(crate) fn rng(&self) -> &dyn Rng {
        &*self.rng
    }

    /// The id and the hash of an account that is not disabled.
    pub(crate) async fn find(&self, email: &Email) -> Result<Option<(String, String)>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::FIND_ACCOUNT, &[&email.as_str()]).await?;
        tx.commit().await?;
        Ok(row.map(|row| (row.get(0), row.get(1))))
    }

    /// The account if the password is right. Every refusal costs at least one hash with current
    /// parameters.
    async fn check(
        &self,
        found: Option<(String, String)>,
        password: &Secret,
    ) -> Result<Option<Account>> {
        // A hash of another scheme cannot be checked: as good as no account.
        let known = found.and_then(|(id, hash)| {
            let stored = Stored::read(&hash).ok()?;
            Some((id, hash, stored))
        });
        let Some((id, hash, stored)) = known else {
            if let Some(decoy) = &self.decoy {
                self.hasher.verify(password, decoy).await?;
            }
            return Ok(None);
        };
        let right = self.hasher.verify(password, &stored).await?;
        // With a wrong password too, where a cheap hash would answer sooner than the decoy does.
        let cheap = stored.cost.work() < CURRENT.work();
        let rehash = if stored.is_below_current() && (right || cheap) {
            Some(self.hasher.make(password, &*self.rng).await?.to_string())
        } else {
            None
        };
        Ok(right.then_some(Account { id, hash, rehash }))
    }

    async fn open(&self, account: &Account) -> Result<SessionToken> {
        let (token, digest) = token::fresh(&*self.rng)?;
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        let opened = tx
            .execute(
                sql::OPEN_SESSION,
                &[
                    &digest.as_bytes(),
                    &account.id,
                    &account.hash,
                    &now,
                    &later(now, IDLE),
                    &later(now, ABSOLUTE),
                ],
            )
            .await?;
        if opened == 0 {
            tx.rollback().await?;
            return Err(Error::Refused);
        }
        if let Some(new) = &account.rehash {
            tx.execute(sql::REHASH, &[&account.id, &account.hash, new]).await?;
        }
        let ended = tx.execute(sql::END_OLDEST, &[&account.id, &now, &MAX_SESSIONS]).await?;
        let old = now.saturating_sub(KEEP_ENDED).unwrap_or(Timestamp::MIN);
        tx.execute(sql::FORGET_OLD, &[&account.id, &old]).await?;
        tx.commit().await?;
        if ended > 0 {
            self.cache.clear();
        }
        tracing::info!(account = account.id, "signed in");
        Ok(token)
    }

    async fn ask(
        &self,
        digest: Digest,
        ticket: Ticket,
        now: Timestamp,
    ) -> Result<Option<Identity>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::FIND_SESSION, &[&digest.as_bytes(), &now]).await?;
        let Some(row) = row else {
            tx.commit().await?;
            return Ok(None);
        };
        let field = |field, e: kernel::IdError| Error::Field { field, why: e.to_string() };
        let identity = Identity {
            actor: Actor::new(row.get::<_, String>(0)).map_err(|e| field("address", e))?,
            name: row.get(1),
            tenant: TenantId::new(row.get::<_, String>(2)).map_err(|e| field("tenant", e))?,
            role: row.get(3),
        };
        let (seen, until): (Timestamp, Timestamp) = (row.get(4), row.get(5));
        if now.duration_since(seen) >= TOUCH_EVERY {
            tx.execute(sql::TOUCH_SESSION, &[&digest.as_bytes(), &now, &later(now, IDLE)]).await?;
        }
        tx.commit().await?;
        self.cache.put(ticket, digest, &identity, (now, until));
        Ok(Some(identity))
    }
}

impl Sessions for Identities {
    fn decide<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Option<Identity>> {
        Box::pin(async move {
            let digest = Digest::of(token)?;
            let now = self.clock.now();
            let ticket = match self.cache.get(&digest, now) {
                Answer::Holder(identity) => return Some(identity),
                Answer::Ask(ticket) => ticket,
            };
            match self.ask(digest, ticket, now).await {
                Ok(identity) => identity,
                Err(error) => {
                    tracing::warn!(%error, "a session could not be decided, so it is refused");
                    None
                }
            }
        })
    }
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}
