//! The second step of a sign-in: a code or a passkey after the password.

use jiff::Timestamp;
use kernel::{Notice, Secret, SessionToken, Strength, TenantId, hex};
use store::{OperatorTx, Row};

use super::Identities;
use super::sessions::{New, Opening};
use super::sign_in::Account;
use crate::cache::Ended;
use crate::lifetime::later;
use crate::mail::tell;
use crate::passkey::{Assertion, Party};
use crate::pending::{
    FIRST_WAIT_SECONDS, FREE_GUESSES, Has, LONGEST_WAIT_SECONDS, MAX_TRIES, Next, Offer,
    STEP_LASTS, SignedIn, StepToken, next,
};
use crate::sql::factors as sql;
use crate::token::Digest;
use crate::totp::Seed;
use crate::{Error, Result, recovery};

/// How many steps that are over each new one removes: more than are added.
const FORGOTTEN: i64 = 100;

/// Somebody whose password was right, or who has a session.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) account: String,
    pub(super) email: String,
    pub(super) name: String,
    pub(super) tenant: TenantId,
    pub(super) epoch: i32,
    pub(super) reached: Strength,
    /// The step or the session that they ask in, as the database names it. What is set up is shown to
    /// no other one: whoever knows the password as well has a step of their own.
    pub(super) asked_by: String,
    /// The family of their browser, where a session of theirs has it.
    pub(super) agent: String,
    /// When a session that is opened now ends, unused and at the latest. It is asked before any
    /// transaction: whoever holds one connection and waits for another may wait for ever.
    pub(super) ends: (Timestamp, Timestamp),
}

/// Where a sign-in stands, for the page that asks for the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// A second factor is asked for.
    Prove(Offer),
    /// One has to be set up first; with or without the choice of an app.
    Enrol {
        /// Whether an app would do.
        app: bool,
    },
}

impl Identities {
    /// After a right password: a session where nothing more is asked for, or a step.
    pub(super) async fn after_password(&self, account: &Account) -> Result<SignedIn> {
        let (has, tenant, epoch) = self.has_at(&account.id).await?;
        let needs = self.needs(&account.id, &tenant).await?;
        let what = next(needs, Strength::One, has);
        if what == Next::Done {
            // A factor that is added meanwhile raises the epoch, and this sign-in is over.
            return Ok(SignedIn::Session(self.open(account, epoch).await?));
        }
        let (token, digest) = StepToken::fresh(self.rng())?;
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        tx.execute(sql::FORGET_PENDING, &[&now, &FORGOTTEN]).await?;
        let end = later(now, STEP_LASTS);
        let bound: [&(dyn store::ToSql + Sync); 5] =
            [&digest.as_bytes(), &account.id, &account.hash, &now, &end];
        if tx.execute(sql::OPEN_PENDING, &bound).await? == 0 {
            tx.rollback().await?;
            return Err(Error::Refused);
        }
        if let Some(new) = &account.rehash {
            tx.execute(crate::sql::REHASH, &[&account.id, &account.hash, new]).await?;
        }
        tx.commit().await?;
        Ok(match what {
            Next::Enrol { .. } => SignedIn::Enrol(token),
            Next::Done | Next::Prove(_) => SignedIn::Factor(token),
        })
    }

    /// Where the sign-in of this token stands.
    ///
    /// # Errors
    /// [`Error::Over`] when its time or tries are over, or it was never there.
    pub async fn stage(&self, token: &StepToken) -> Result<Stage> {
        let (_, person) = self.waiting(token).await?;
        let (has, _) = self.has(&person.account).await?;
        let needs = self.needs(&person.account, &person.tenant).await?;
        match next(needs, person.reached, has) {
            Next::Prove(offer) => Ok(Stage::Prove(offer)),
            Next::Enrol { app } => Ok(Stage::Enrol { app }),
            // A role that asked for it was taken away meanwhile: the password leads on.
            Next::Done => Err(Error::Over),
        }
    }

    /// Takes a code of the app, or a recovery code.
    ///
    /// # Errors
    /// [`Error::Wrong`], [`Error::Wait`] or [`Error::Over`].
    pub async fn prove_code(&self, token: &StepToken, code: &Secret) -> Result<SignedIn> {
        let (digest, person) = self.waiting(token).await?;
        let (has, _) = self.has(&person.account).await?;
        let needs = self.needs(&person.account, &person.tenant).await?;
        let Next::Prove(offer) = next(needs, person.reached, has) else {
            return Err(Error::Over);
        };
        if !offer.app && !offer.codes {
            return Err(Error::Wrong);
        }
        self.guess(&person.account, Some(digest), Some(code)).await?;
        let tx = self.db.operator().await?;
        if !self.take_code(&tx, &person, code).await? {
            tx.rollback().await?;
            return Err(Error::Wrong);
        }
        let Has { app, passkeys, .. } = has;
        let after = next(needs, Strength::Two, Has { app, codes: 0, passkeys });
        if after == Next::Done {
            return self.finish(tx, &person, Strength::Two, digest).await;
        }
        if tx.execute(sql::RAISE_PENDING, &[&digest.as_bytes()]).await? == 0 {
            tx.rollback().await?;
            return Err(Error::Over);
        }
        tx.commit().await?;
        Ok(SignedIn::Enrol(token.clone()))
    }

    /// Takes the answer of a passkey.
    ///
    /// # Errors
    /// [`Error::Passkey`] or [`Error::Over`].
    pub async fn prove_passkey(
        &self,
        token: &StepToken,
        party: &Party,
        answer: &Assertion,
    ) -> Result<SignedIn> {
        let (digest, person) = self.waiting(token).await?;
        let tried = self.db.operator().await?;
        let bound: [&(dyn store::ToSql + Sync); 3] =
            [&digest.as_bytes(), &self.clock.now(), &MAX_TRIES];
        if tried.execute(sql::TAKE_TRY, &bound).await? == 0 {
            tried.rollback().await?;
            return Err(Error::Over);
        }
        tried.commit().await?;
        let tx = self.db.operator().await?;
        if !self.take_passkey(&tx, &person, party, answer).await? {
            // The challenge is spent, whatever came.
            tx.commit().await?;
            return Err(Error::Passkey);
        }
        self.finish(tx, &person, Strength::Hardware, digest).await
    }

    /// What an account has to prove itself with, and its tenant.
    pub(crate) async fn has(&self, account: &str) -> Result<(Has, TenantId)> {
        let (has, tenant, _) = self.has_at(account).await?;
        Ok((has, tenant))
    }

    /// The same, and its epoch at that moment.
    async fn has_at(&self, account: &str) -> Result<(Has, TenantId, i32)> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::COUNT_FACTORS, &[&account]).await?;
        tx.rollback().await?;
        let row = row.ok_or(Error::Refused)?;
        Ok((has(&row), tenant(&row)?, row.get("epoch")))
    }

    /// What the roles of an account demand.
    pub(super) async fn needs(&self, account: &str, tenant: &TenantId) -> Result<Strength> {
        Ok(self.standing(account, tenant, None).await?.needs)
    }

    /// Whoever waits with this token.
    pub(super) async fn waiting(&self, token: &StepToken) -> Result<(Digest, Person)> {
        let digest = token.digest().ok_or(Error::Over)?;
        let tx = self.db.operator().await?;
        let bound: [&(dyn store::ToSql + Sync); 3] =
            [&digest.as_bytes(), &self.clock.now(), &MAX_TRIES];
        let row = tx.query_opt(sql::FIND_PENDING, &bound).await?;
        tx.rollback().await?;
        let row = row.ok_or(Error::Over)?;
        let account: String = row.get("account");
        let ends = self.ends(&account, None).await?;
        let person = Person {
            account,
            ends,
            email: row.get("email"),
            name: row.get("display_name"),
            tenant: tenant(&row)?,
            epoch: row.get("epoch"),
            reached: Strength::shown(row.get("reached")),
            asked_by: hex(digest.as_bytes()),
            // Not known here: the sign-in's end writes it down.
            agent: String::new(),
        };
        Ok((digest, person))
    }

    /// Counts a guess, and a try of the step, before the code is looked at: whoever guesses with many
    /// requests at once has as many guesses as they are allowed, and not one more.
    ///
    /// A `code` in the form of a recovery code is no guess, and waits for none: nobody finds 80 random bits,
    /// and whoever knows the password alone must not keep its holder from the way that is left to them. A
    /// password, which has no code, is always one, whatever its form.
    pub(super) async fn guess(
        &self,
        account: &str,
        step: Option<Digest>,
        code: Option<&Secret>,
    ) -> Result<()> {
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        let bound: [&(dyn store::ToSql + Sync); 5] =
            [&account, &now, &FREE_GUESSES, &FIRST_WAIT_SECONDS, &LONGEST_WAIT_SECONDS];
        if code.is_none_or(|code| recovery::digest(code.expose()).is_none())
            && tx.query_opt(sql::COUNT_GUESS, &bound).await?.is_none()
        {
            tx.rollback().await?;
            return Err(Error::Wait);
        }
        if let Some(digest) = step
            && tx.execute(sql::TAKE_TRY, &[&digest.as_bytes(), &now, &MAX_TRIES]).await? == 0
        {
            tx.rollback().await?;
            return Err(Error::Over);
        }
        Ok(tx.commit().await?)
    }

    /// Whether a code is one of the account's, and was used by nobody before. It is used then.
    pub(super) async fn take_code(
        &self,
        tx: &OperatorTx,
        person: &Person,
        code: &Secret,
    ) -> Result<bool> {
        let now = self.clock.now();
        if let Some(digest) = recovery::digest(code.expose()) {
            let bound: [&(dyn store::ToSql + Sync); 3] =
                [&person.account, &digest.as_slice(), &now];
            if tx.execute(sql::TAKE_CODE, &bound).await? == 0 {
                return Ok(false);
            }
            let left: i64 = tx.query_one(sql::CODES_LEFT, &[&person.account]).await?.get(0);
            tell(tx, &person.account, Notice::CodeUsed, &left.to_string(), now).await?;
            tracing::info!(account = person.account, left, "a recovery code was used");
        } else {
            let Some(row) = tx.query_opt(sql::FIND_SEED, &[&person.account]).await? else {
                return Ok(false);
            };
            let seed = self.open_seed(person, &row).await?;
            let Some(step) = seed.step_of(code.expose(), now) else {
                return Ok(false);
            };
            if tx.execute(sql::TAKE_STEP, &[&row.get::<_, String>(0), &step]).await? == 0 {
                return Ok(false);
            }
        }
        tx.execute(sql::FORGIVE, &[&person.account, &now]).await?;
        Ok(true)
    }

    /// The seed in a row of id and seed.
    pub(super) async fn open_seed(&self, person: &Person, row: &Row) -> Result<Seed> {
        let context = seed_context(&person.account);
        let sealed: String = row.get(1);
        let opened = self.vault.open(&person.tenant, &context, &sealed).await;
        Seed::from_bytes(opened.map_err(Error::Sealed)?)
    }

    /// Ends the step and opens the session that it led to, in one transaction: of two at once, one
    /// gets a session.
    async fn finish(
        &self,
        tx: OperatorTx,
        person: &Person,
        strength: Strength,
        step: Digest,
    ) -> Result<SignedIn> {
        if tx.query_opt(sql::END_PENDING, &[&step.as_bytes()]).await?.is_none() {
            tx.rollback().await?;
            return Err(Error::Over);
        }
        let token = self.write_session(&tx, person, strength).await?;
        tx.commit().await?;
        self.cache.forget(Ended::account(&person.account));
        tracing::info!(account = person.account, ?strength, "signed in");
        Ok(SignedIn::Session(token))
    }

    /// A new session of somebody who has just proven who they are.
    pub(super) async fn write_session(
        &self,
        tx: &OperatorTx,
        person: &Person,
        strength: Strength,
    ) -> Result<SessionToken> {
        let with = Opening {
            epoch: Some(person.epoch),
            agent: person.agent.clone(),
            ..Opening::default()
        };
        let new = New { account: &person.account, checked: None, strength, with };
        let written = match self.insert(tx, &new, person.ends).await {
            Err(Error::Refused) => return Err(Error::Over),
            written => written?,
        };
        tx.execute(crate::sql::SIGNED_IN, &[&person.account, &self.clock.now()]).await?;
        Ok(written)
    }
}

/// What a sealed seed is bound to, beside its tenant.
pub(super) fn seed_context(account: &str) -> String {
    format!("identity.totp {account}")
}

pub(crate) fn has(row: &Row) -> Has {
    Has { app: row.get("app"), codes: row.get("codes"), passkeys: row.get("passkeys") }
}

pub(super) fn tenant(row: &Row) -> Result<TenantId> {
    let text: String = row.get("tenant");
    TenantId::new(text).map_err(|e| Error::Field { field: "tenant", why: e.to_string() })
}
