//! Second factors set up, listed and removed.
//!
//! Whoever changes them has proven who they are within ten minutes, or is in the step of a sign-in
//! that asks for one. Each change ends everything that the account has out, and gives whoever made it a
//! session under a new id.

use jiff::Timestamp;
use kernel::{Identity, Notice, RECENT, Secret, SessionToken, Strength};
use store::OperatorTx;

use super::Identities;
use super::step::{Person, has, seed_context};
use crate::cache::Ended;
use crate::mail::tell;
use crate::passkey::{Party, Registration};
use crate::pending::{Has, Next, StepToken, next};
use crate::sql::{HOLD_SESSION, factors as sql};
use crate::token::Digest;
use crate::totp::Seed;
use crate::{Error, Result, recovery};

/// The longest name of a passkey, in characters.
const MAX_NAME_CHARS: usize = 50;
/// How many passkeys an account can have.
const MAX_PASSKEYS: i64 = 20;

/// Who sets something up.
#[derive(Debug, Clone, Copy)]
pub enum Holder<'a> {
    /// Somebody in the step of a sign-in.
    Step(&'a StepToken),
    /// Somebody with a session.
    Session(&'a Identity),
}

/// What an authenticator app has to be given.
#[derive(Debug, Clone)]
pub struct NewApp {
    /// The address that it reads out of the QR code.
    pub uri: Secret,
    /// The same secret for the keyboard, in base32.
    pub text: Secret,
}

/// What came of a factor that was set up.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// A new session; every other one is over.
    pub session: SessionToken,
    /// Recovery codes to be shown once, where there were none.
    pub codes: Vec<Secret>,
}

/// The second factors of an account, for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factors {
    /// What there is.
    pub has: Has,
    /// Its passkeys, the oldest first.
    pub passkeys: Vec<PasskeyCard>,
}

/// A passkey, for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyCard {
    /// Its id here.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// Whoever sets something up, and the step that it is part of.
pub(super) struct Resolved {
    pub(super) person: Person,
    pub(super) step: Option<Digest>,
}

impl Identities {
    /// The second factors of whoever has this session.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn factors(&self, identity: &Identity) -> Result<Factors> {
        self.factors_of(&identity.account).await
    }

    /// A new seed for an app. It does not count until a code of it was shown by the same step or session;
    /// one that counts stays until then. `issuer` is what the app calls this site.
    ///
    /// # Errors
    /// [`Error::StepUp`], [`Error::Over`], or [`Error::Sealed`] when it cannot be kept.
    pub async fn start_app(&self, holder: Holder<'_>, issuer: &str) -> Result<NewApp> {
        let Resolved { person, .. } = self.resolve(holder, true).await?;
        let seed = Seed::fresh(self.rng())?;
        let context = seed_context(&person.account);
        let sealed = self.vault.seal(&person.tenant, &context, seed.as_bytes()).await;
        let sealed = sealed.map_err(Error::Sealed)?;
        let tx = self.db.operator().await?;
        tx.query_opt(sql::LOCK_ACCOUNT, &[&person.account]).await?.ok_or(Error::Over)?;
        // Whoever asked before that has to prove themselves anew, or is in a step that is over.
        let now = self.clock.now();
        let old = now.saturating_sub(RECENT).unwrap_or(Timestamp::MIN);
        tx.execute(sql::DROP_WAITING_SEED, &[&person.account, &person.asked_by, &old]).await?;
        let bound: store::Bound<'_> = &[&person.account, &sealed, &now, &person.asked_by];
        tx.execute(sql::ADD_SEED, bound).await?;
        tx.commit().await?;
        Ok(NewApp { uri: seed.uri(issuer, &person.email)?, text: seed.text() })
    }

    /// The same seed once more, for a page that is shown again: to the step or session that started it
    /// alone.
    ///
    /// # Errors
    /// As [`Identities::start_app`]; [`Error::NoSuch`] when none waits.
    pub async fn waiting_app(&self, holder: Holder<'_>, issuer: &str) -> Result<NewApp> {
        let Resolved { person, .. } = self.resolve(holder, true).await?;
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> = &[&person.account, &person.asked_by];
        let row = tx.query_opt(sql::FIND_WAITING_SEED, bound).await?;
        tx.rollback().await?;
        let seed = self.open_seed(&person, &row.ok_or(Error::NoSuch("app"))?).await?;
        Ok(NewApp { uri: seed.uri(issuer, &person.email)?, text: seed.text() })
    }

    /// Takes the first code of a new app, which counts from now on, in the place of another one.
    ///
    /// # Errors
    /// [`Error::Wrong`], [`Error::Wait`], [`Error::Over`], [`Error::StepUp`].
    pub async fn confirm_app(&self, holder: Holder<'_>, code: &Secret) -> Result<Enrolled> {
        let resolved = self.resolve(holder, true).await?;
        let person = &resolved.person;
        self.guess(&person.account, resolved.step, Some(code)).await?;
        let tx = self.db.operator().await?;
        let before = self.lock(&tx, &resolved).await?;
        let bound: store::Bound<'_> = &[&person.account, &person.asked_by];
        let row = tx.query_opt(sql::FIND_WAITING_SEED, bound).await?;
        let row = row.ok_or(Error::NoSuch("app"))?;
        let seed = self.open_seed(person, &row).await?;
        let now = self.clock.now();
        let Some(step) = seed.step_of(code.expose(), now) else {
            tx.rollback().await?;
            return Err(Error::Wrong);
        };
        tx.execute(sql::DROP_SEED, &[&person.account]).await?;
        tx.execute(sql::CONFIRM_SEED, &[&row.get::<_, String>(0), &step, &now]).await?;
        tx.execute(sql::DROP_WAITING_SEEDS, &[&person.account]).await?;
        tx.execute(sql::FORGIVE, &[&person.account, &now]).await?;
        tell(&tx, &person.account, Notice::AppAdded, "", now).await?;
        self.settle(tx, &resolved, before, Strength::Two).await
    }

    /// Takes a new passkey under `name`.
    ///
    /// # Errors
    /// [`Error::Passkey`], [`Error::NoSuch`] when there are too many, [`Error::Over`],
    /// [`Error::StepUp`].
    pub async fn add_passkey(
        &self,
        holder: Holder<'_>,
        party: &Party,
        name: &str,
        answer: &Registration,
    ) -> Result<Enrolled> {
        let resolved = self.resolve(holder, false).await?;
        let person = &resolved.person;
        let made = self.take_registration(person, party, answer).await?;
        let tx = self.db.operator().await?;
        let before = self.lock(&tx, &resolved).await?;
        if before.passkeys >= MAX_PASSKEYS {
            tx.rollback().await?;
            return Err(Error::NoSuch("passkey"));
        }
        let (name, uses) = (passkey_name(name), i64::from(made.count));
        let now = self.clock.now();
        let bound: [&(dyn store::ToSql + Sync); 7] =
            [&made.id, &person.account, &name, &made.key, &made.party, &uses, &now];
        if tx.execute(sql::ADD_PASSKEY, &bound).await? == 0 {
            tx.rollback().await?;
            return Err(Error::Passkey);
        }
        tell(&tx, &person.account, Notice::PasskeyAdded, &name, now).await?;
        self.settle(tx, &resolved, before, Strength::Hardware).await
    }

    /// Another set of recovery codes; the ones from before are void.
    ///
    /// # Errors
    /// [`Error::StepUp`]; [`Error::NoSuch`] when there is no factor that they stand in for.
    pub async fn renew_codes(&self, identity: &Identity) -> Result<Vec<Secret>> {
        let resolved = self.resolve(Holder::Session(identity), false).await?;
        let person = &resolved.person;
        let tx = self.db.operator().await?;
        let has = self.lock(&tx, &resolved).await?;
        if !has.any() {
            return Err(Error::NoSuch("factor"));
        }
        let codes = self.write_codes(&tx, &person.account).await?;
        tell(&tx, &person.account, Notice::CodesRenewed, "", self.clock.now()).await?;
        tx.commit().await?;
        Ok(codes)
    }

    /// Removes the app.
    ///
    /// # Errors
    /// [`Error::LastFactor`] when a role asks for it, [`Error::StepUp`], [`Error::NoSuch`].
    pub async fn remove_app(&self, identity: &Identity) -> Result<SessionToken> {
        let resolved = self.resolve(Holder::Session(identity), false).await?;
        let needs = self.needs(&identity.account, &identity.tenant).await?;
        let tx = self.db.operator().await?;
        let mut has = self.lock(&tx, &resolved).await?;
        if tx.execute(sql::DROP_SEED, &[&resolved.person.account]).await? == 0 {
            return Err(Error::NoSuch("app"));
        }
        tell(&tx, &identity.account, Notice::AppRemoved, "", self.clock.now()).await?;
        has.app = false;
        self.without(tx, &resolved, has, needs).await
    }

    /// Removes a passkey.
    ///
    /// # Errors
    /// [`Error::LastFactor`] when a role asks for it, [`Error::StepUp`], [`Error::NoSuch`].
    pub async fn remove_passkey(&self, identity: &Identity, id: &str) -> Result<SessionToken> {
        let resolved = self.resolve(Holder::Session(identity), false).await?;
        let needs = self.needs(&identity.account, &identity.tenant).await?;
        let tx = self.db.operator().await?;
        let mut has = self.lock(&tx, &resolved).await?;
        let gone = match uuid(id) {
            Some(id) => tx.query_opt(sql::DROP_PASSKEY, &[&identity.account, &id]).await?,
            None => None,
        };
        let name: String = gone.ok_or(Error::NoSuch("passkey"))?.get(0);
        tell(&tx, &identity.account, Notice::PasskeyRemoved, &name, self.clock.now()).await?;
        has.passkeys = has.passkeys.saturating_sub(1);
        self.without(tx, &resolved, has, needs).await
    }

    /// Gives a passkey another name.
    ///
    /// # Errors
    /// [`Error::NoSuch`] when it is none of theirs.
    pub async fn name_passkey(&self, identity: &Identity, id: &str, name: &str) -> Result<()> {
        let id = uuid(id).ok_or(Error::NoSuch("passkey"))?;
        let tx = self.db.operator().await?;
        let named =
            tx.execute(sql::NAME_PASSKEY, &[&identity.account, &id, &passkey_name(name)]).await?;
        tx.commit().await?;
        if named == 0 { Err(Error::NoSuch("passkey")) } else { Ok(()) }
    }

    /// Whoever may set something up now.
    pub(super) async fn resolve(&self, holder: Holder<'_>, app: bool) -> Result<Resolved> {
        let identity = match holder {
            Holder::Session(identity) => identity,
            Holder::Step(token) => {
                let (digest, person) = self.waiting(token).await?;
                let (has, _) = self.has(&person.account).await?;
                let needs = self.needs(&person.account, &person.tenant).await?;
                return match next(needs, person.reached, has) {
                    Next::Enrol { app: allowed } if allowed || !app => {
                        Ok(Resolved { person, step: Some(digest) })
                    }
                    _ => Err(Error::Over),
                };
            }
        };
        let person = self.person(identity).await?;
        if !identity.is_recent(self.clock.now()) {
            return Err(Error::StepUp);
        }
        Ok(Resolved { person, step: None })
    }

    /// Has changes to the factors of an account come one after the other, and says what there is. Whoever was
    /// recognised before may have been signed out since; a step is looked at when it ends.
    async fn lock(&self, tx: &OperatorTx, resolved: &Resolved) -> Result<Has> {
        let person = &resolved.person;
        let row = tx.query_opt(sql::LOCK_ACCOUNT, &[&person.account]).await?;
        if row.ok_or(Error::Over)?.get::<_, i32>("epoch") != person.epoch {
            return Err(Error::Over);
        }
        let session: store::Bound<'_> = &[&person.account, &person.asked_by];
        if resolved.step.is_none() && tx.query_opt(HOLD_SESSION, session).await?.is_none() {
            return Err(Error::Over);
        }
        Ok(has(&tx.query_one(sql::COUNT_FACTORS, &[&person.account]).await?))
    }

    /// After a factor was added: recovery codes where there are none, everything else ended, and a
    /// session.
    async fn settle(
        &self,
        tx: OperatorTx,
        resolved: &Resolved,
        before: Has,
        shown: Strength,
    ) -> Result<Enrolled> {
        let codes = if before.codes == 0 {
            self.write_codes(&tx, &resolved.person.account).await?
        } else {
            Vec::new()
        };
        let session = self.start_over(&tx, resolved, shown).await?;
        tx.commit().await?;
        self.cache.forget(Ended::account(&resolved.person.account));
        tracing::info!(account = resolved.person.account, ?shown, "a factor was added");
        Ok(Enrolled { session, codes })
    }

    /// After a factor was removed, with what is left.
    async fn without(
        &self,
        tx: OperatorTx,
        resolved: &Resolved,
        left: Has,
        needs: Strength,
    ) -> Result<SessionToken> {
        let person = &resolved.person;
        if !left.reaches(needs) {
            return Err(Error::LastFactor);
        }
        if !left.any() {
            tx.execute(sql::DROP_CODES, &[&person.account]).await?;
        }
        let session = self.start_over(&tx, resolved, person.reached).await?;
        tx.commit().await?;
        self.cache.forget(Ended::account(&person.account));
        tracing::info!(account = person.account, "a factor was removed");
        Ok(session)
    }

    /// Ends everything that the account has out, and opens one session.
    async fn start_over(
        &self,
        tx: &OperatorTx,
        resolved: &Resolved,
        shown: Strength,
    ) -> Result<SessionToken> {
        let person = &resolved.person;
        if let Some(step) = resolved.step
            && tx.query_opt(sql::END_PENDING, &[&step.as_bytes()]).await?.is_none()
        {
            return Err(Error::Over);
        }
        let row = tx.query_opt(sql::NEXT_EPOCH, &[&person.account]).await?.ok_or(Error::Over)?;
        let renewed = Person { epoch: row.get(0), ..person.clone() };
        self.write_session(tx, &renewed, shown.max(person.reached)).await
    }

    async fn write_codes(&self, tx: &OperatorTx, account: &str) -> Result<Vec<Secret>> {
        tx.execute(sql::DROP_CODES, &[&account]).await?;
        let now = self.clock.now();
        let mut shown = Vec::new();
        for (code, digest) in recovery::fresh(self.rng())? {
            tx.execute(sql::ADD_CODE, &[&account, &digest.as_slice(), &now]).await?;
            shown.push(code);
        }
        Ok(shown)
    }
}

/// The passkeys of an account, the oldest first.
pub(super) async fn passkeys(tx: &OperatorTx, account: &str) -> Result<Vec<PasskeyCard>> {
    let rows = tx.query(sql::LIST_PASSKEYS, &[&account]).await?;
    let card = |row: &store::Row| PasskeyCard {
        id: row.get(0),
        name: row.get(2),
        made_at: row.get(3),
        last_used_at: row.get(4),
    };
    Ok(rows.iter().map(card).collect())
}

/// A name as it is kept: without what cannot be seen, and never empty.
fn passkey_name(name: &str) -> String {
    let name: String =
        name.trim().chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
    if name.is_empty() { "Passkey".to_owned() } else { name }
}

/// The id of a passkey, if it has the form of one: anything else would be an error of the database.
fn uuid(text: &str) -> Option<&str> {
    let hex =
        |part: &str, digits| part.len() == digits && part.bytes().all(|b| b.is_ascii_hexdigit());
    let mut parts = text.split('-');
    let good = [8, 4, 4, 4, 12].iter().all(|digits| parts.next().is_some_and(|p| hex(p, *digits)));
    (good && parts.next().is_none()).then_some(text)
}
