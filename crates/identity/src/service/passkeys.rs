//! The two ceremonies of passkeys: challenges given, and answers taken.

use jiff::SignedDuration;
use kernel::Identity;
use store::OperatorTx;

use super::Identities;
use super::enrol::Holder;
use super::step::Person;
use crate::lifetime::later;
use crate::passkey::{self, Assertion, CHALLENGE_BYTES, Credential, Party, Registration};
use crate::pending::StepToken;
use crate::sql::factors as sql;
use crate::{Error, Result};

/// How long a challenge can be answered.
pub(crate) const CHALLENGE_LASTS: SignedDuration = SignedDuration::from_mins(5);
/// How many challenges of one step or session can be open at once; one more ends the oldest. They are not
/// counted for the whole account: nobody who knows the password, or has another session, keeps its
/// holder's keys from working.
pub(crate) const MAX_CHALLENGES: i64 = 10;
/// Purposes, as the table knows them.
const MAKE: &str = "make";
const USE: &str = "use";

/// What a browser is to ask a key for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceremony {
    /// Random bytes that the answer is bound to. They can be answered once, within five minutes.
    pub challenge: Vec<u8>,
    /// The host's name.
    pub party: String,
    /// The account's id, which says nothing about the person.
    pub account: String,
    /// The address that the person signs in with.
    pub email: String,
    /// Their name.
    pub name: String,
    /// The ids of the account's keys: those to be used, or not to be made again.
    pub keys: Vec<Vec<u8>>,
}

impl Identities {
    /// Begins the making of a passkey.
    ///
    /// # Errors
    /// [`Error::StepUp`] or [`Error::Over`].
    pub async fn start_passkey(&self, holder: Holder<'_>, party: &Party) -> Result<Ceremony> {
        let resolved = self.resolve(holder, false).await?;
        self.challenge(&resolved.person, party, MAKE).await
    }

    /// Begins the use of a passkey in a sign-in.
    ///
    /// # Errors
    /// [`Error::Over`].
    pub async fn ask_passkey(&self, token: &StepToken, party: &Party) -> Result<Ceremony> {
        let (_, person) = self.waiting(token).await?;
        self.challenge(&person, party, USE).await
    }

    /// Begins the use of a passkey by somebody with a session, who proves once more who they are.
    ///
    /// # Errors
    /// [`Error::Over`] when the session is, [`Error::Refused`] when it is none of a browser.
    pub async fn ask_again(&self, identity: &Identity, party: &Party) -> Result<Ceremony> {
        self.challenge(&self.person(identity).await?, party, USE).await
    }

    async fn challenge(&self, person: &Person, party: &Party, purpose: &str) -> Result<Ceremony> {
        let mut challenge = vec![0; CHALLENGE_BYTES];
        self.rng().fill(&mut challenge)?;
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        tx.execute(sql::FORGET_CHALLENGES, &[&person.account, &now]).await?;
        let end = later(now, CHALLENGE_LASTS);
        let (account, asked_by) = (&person.account, &person.asked_by);
        let bound: store::Bound<'_> = &[&challenge, account, &purpose, &end, asked_by];
        tx.execute(sql::ADD_CHALLENGE, bound).await?;
        tx.execute(sql::DROP_CHALLENGES, &[account, asked_by, &MAX_CHALLENGES]).await?;
        let rows = tx.query(sql::LIST_PASSKEYS, &[&person.account]).await?;
        tx.commit().await?;
        Ok(Ceremony {
            challenge,
            party: party.id().to_owned(),
            account: person.account.clone(),
            email: person.email.clone(),
            name: person.name.clone(),
            keys: rows.iter().map(|row| row.get(1)).collect(),
        })
    }

    /// The new key in an answer, whose challenge is spent.
    pub(super) async fn take_registration(
        &self,
        person: &Person,
        party: &Party,
        answer: &Registration,
    ) -> Result<Credential> {
        let tx = self.db.operator().await?;
        let challenge = self.spend(&tx, person, &answer.client_data, MAKE).await?;
        tx.commit().await?;
        let challenge = challenge.ok_or(Error::Passkey)?;
        passkey::register(party, &challenge, answer, self.rules).map_err(|flaw| {
            tracing::info!(account = person.account, %flaw, "a new passkey was refused");
            Error::Passkey
        })
    }

    /// Whether the answer is that of a key of this account. Its challenge is spent either way.
    pub(super) async fn take_passkey(
        &self,
        tx: &OperatorTx,
        person: &Person,
        party: &Party,
        answer: &Assertion,
    ) -> Result<bool> {
        if answer.id.len() > passkey::MAX_ID_BYTES {
            return Ok(false);
        }
        let Some(challenge) = self.spend(tx, person, &answer.client_data, USE).await? else {
            return Ok(false);
        };
        let Some(row) = tx.query_opt(sql::FIND_PASSKEY, &[&person.account, &answer.id]).await?
        else {
            return Ok(false);
        };
        let known = Credential {
            id: answer.id.clone(),
            key: row.get(0),
            party: row.get(1),
            count: u32::try_from(row.get::<_, i64>(2)).unwrap_or(u32::MAX),
        };
        match passkey::assert(party, &challenge, &known, answer, self.rules) {
            Ok(count) => {
                let (uses, now) = (i64::from(count), self.clock.now());
                let bound: [&(dyn store::ToSql + Sync); 4] =
                    [&person.account, &answer.id, &uses, &now];
                Ok(tx.execute(sql::USE_PASSKEY, &bound).await? == 1)
            }
            Err(flaw) => {
                tracing::info!(account = person.account, %flaw, "a passkey was refused");
                Ok(false)
            }
        }
    }

    /// The challenge that an answer is for, if it was given to this step or session for this, and nobody
    /// has answered it.
    async fn spend(
        &self,
        tx: &OperatorTx,
        person: &Person,
        client_data: &[u8],
        purpose: &str,
    ) -> Result<Option<Vec<u8>>> {
        let Some(challenge) = passkey::challenge_of(client_data) else {
            return Ok(None);
        };
        let bound: store::Bound<'_> =
            &[&challenge, &person.account, &purpose, &self.clock.now(), &person.asked_by];
        let spent = tx.execute(sql::TAKE_CHALLENGE, bound).await?;
        Ok((spent == 1).then_some(challenge))
    }
}
