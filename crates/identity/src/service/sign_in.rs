//! Signing in: whether a password is right, in a time that tells nothing.

use kernel::Secret;

use super::Identities;
use crate::account::Email;
use crate::password::fits;
use crate::pending::SignedIn;
use crate::stored::Stored;
use crate::strength::normal;
use crate::{Error, Result, sql};

/// An account whose password was right.
pub(super) struct Account {
    pub(super) id: String,
    /// Its hash as it was checked.
    pub(super) hash: String,
    /// A better one to put in its place.
    pub(super) rehash: Option<String>,
}

impl Identities {
    /// Signs somebody in: a new session's token, or the step in which a second factor is asked for
    /// or set up.
    ///
    /// # Errors
    /// [`Error::Refused`] for an unknown address, a wrong password and a disabled account alike,
    /// after the same work; [`Error::Busy`] when too many sign in at once.
    pub async fn sign_in(&self, email: &str, password: &Secret) -> Result<SignedIn> {
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
        self.after_password(&account).await
    }

    /// The id and the hash of an account that is not disabled.
    pub(crate) async fn find(&self, email: &Email) -> Result<Option<(String, String)>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::FIND_ACCOUNT, &[&email.as_str()]).await?;
        tx.commit().await?;
        Ok(row.map(|row| (row.get(0), row.get(1))))
    }

    /// The account if the password is right. Every refusal costs as much as a hash at the current cost
    /// does, or more where the account's own is an old, dearer one.
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
                self.matches(password, decoy).await?;
            }
            return Ok(None);
        };
        let right = self.matches(password, &stored).await?;
        let current = self.hasher.cost();
        if !right {
            // An old, cheaper hash would be refused sooner than an address that nobody has.
            if let Some((cost, decoy)) = current.beyond(stored.cost).zip(self.decoy.as_ref()) {
                self.matches(password, &Stored { cost, ..decoy.clone() }).await?;
            }
            return Ok(None);
        }
        let rehash = if stored.is_other_than(current) {
            Some(self.hash(password).await?.to_string())
        } else {
            None
        };
        Ok(Some(Account { id, hash, rehash }))
    }

    /// Whether `password` is the one behind `stored`, as it was typed or in its normal form: hashes
    /// from before know the first alone. What is not in normal form costs two hashes, whosever it is.
    pub(crate) async fn matches(&self, password: &Secret, stored: &Stored) -> Result<bool> {
        let typed = self.hasher.verify(password, stored).await?;
        let normal = normal(password.expose());
        if *normal == password.expose() {
            return Ok(typed);
        }
        let normal = Secret::new(normal.to_string());
        Ok(self.hasher.verify(&normal, stored).await? | typed)
    }

    /// The hash of a password's normal form, which is stored.
    pub(crate) async fn hash(&self, password: &Secret) -> Result<Stored> {
        let normal = Secret::new(normal(password.expose()).to_string());
        self.hasher.make(&normal, &*self.rng).await
    }
}
