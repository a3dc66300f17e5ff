//! Proving once more who one is, before what is sensitive.

use kernel::{Door, Identity, Secret, SessionToken, Strength};

use super::Identities;
use super::step::Person;
use crate::cache::Ended;
use crate::passkey::{Assertion, Party};
use crate::password::fits;
use crate::sql::SHARE_ACCOUNT;
use crate::sql::factors as sql;
use crate::stored::Stored;
use crate::token::Digest;
use crate::{Error, Result};

/// How somebody proves it.
#[derive(Debug, Clone, Copy)]
pub enum Again<'a> {
    /// With the password, where the account has nothing else.
    Password(&'a Secret),
    /// With a code of the app, or a recovery code.
    Code(&'a Secret),
    /// With a passkey.
    Passkey(&'a Party, &'a Assertion),
}

impl Identities {
    /// Takes the proof, ends the session of `token`, and opens another one that counts as just
    /// authenticated. Where the account has a second factor, its password does not do: whoever
    /// has found an open browser may have seen it typed.
    ///
    /// # Errors
    /// [`Error::Wrong`], [`Error::Passkey`], [`Error::Wait`]; the session stays as it was then.
    pub async fn step_up(
        &self,
        identity: &Identity,
        token: &SessionToken,
        proof: Again<'_>,
    ) -> Result<SessionToken> {
        let person = self.person(identity).await?;
        let digest = Digest::of(token).ok_or(Error::Refused)?;
        let (has, _) = self.has(&person.account).await?;
        match proof {
            Again::Password(_) => self.guess(&person.account, None, None).await?,
            Again::Code(code) => self.guess(&person.account, None, Some(code)).await?,
            Again::Passkey(..) => {}
        }
        if let Again::Password(password) = proof
            && (has.any() || !self.is_password(&person, password).await?)
        {
            return Err(Error::Wrong);
        }
        let tx = self.db.operator().await?;
        // Before anything else of theirs is held, so that whoever changes factors does not wait in a circle.
        tx.query_opt(SHARE_ACCOUNT, &[&person.account]).await?;
        let shown = match proof {
            Again::Password(_) => {
                tx.execute(sql::FORGIVE, &[&person.account, &self.clock.now()]).await?;
                Strength::One
            }
            Again::Code(code) => {
                if !self.take_code(&tx, &person, code).await? {
                    tx.rollback().await?;
                    return Err(Error::Wrong);
                }
                Strength::Two
            }
            Again::Passkey(party, answer) => {
                if !self.take_passkey(&tx, &person, party, answer).await? {
                    tx.commit().await?;
                    return Err(Error::Passkey);
                }
                Strength::Hardware
            }
        };
        // Its limits and its grant of support go on.
        let session = match self.renew_in(&tx, token, shown).await {
            Err(Error::Refused) => return Err(Error::Over),
            renewed => renewed?,
        };
        tx.commit().await?;
        self.cache.forget(Ended::Session(digest));
        Ok(session)
    }

    async fn is_password(&self, person: &Person, password: &Secret) -> Result<bool> {
        if !fits(password.expose()) {
            return Ok(false);
        }
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::LOCK_ACCOUNT, &[&person.account]).await?;
        tx.rollback().await?;
        let hash: String = row.ok_or(Error::Refused)?.get("password_hash");
        match Stored::read(&hash) {
            Ok(stored) => self.matches(password, &stored).await,
            Err(_) => Ok(false),
        }
    }

    /// Whoever has this session, while it lives: what was decided when the request began may be over.
    /// Support sessions and programs do not change the account.
    pub(super) async fn person(&self, identity: &Identity) -> Result<Person> {
        if identity.door != Door::Browser || identity.standing.support.is_some() {
            return Err(Error::Refused);
        }
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::LIVE_EPOCH, &[&identity.account, &identity.session]).await?;
        tx.rollback().await?;
        let ends = self.ends(&identity.account, None).await?;
        let row = row.ok_or(Error::Over)?;
        Ok(Person {
            account: identity.account.clone(),
            email: identity.actor.as_str().to_owned(),
            name: identity.name.clone(),
            tenant: identity.tenant.clone(),
            epoch: row.get("epoch"),
            reached: identity.strength,
            asked_by: identity.session.clone(),
            agent: row.get("agent"),
            ends,
        })
    }
}
