//! Making accounts.

use std::collections::HashMap;

use kernel::{Secret, TenantId, is_synthetic};

use super::Identities;
use crate::account::is_reserved;
use crate::password::fits;
use crate::strength::judge;
use crate::{Email, Error, NewAccount, Result, sql};

impl Identities {
    /// Makes an account of somebody and returns its id.
    ///
    /// # Errors
    /// [`Error::Taken`] when there is one with this address; [`Error::Reserved`] when the address or the
    /// tenant is the proofs' own; [`Error::PasswordSize`], [`Error::Weak`] or [`Error::Field`] when
    /// something does not fit.
    pub async fn create_account(&self, new: &NewAccount) -> Result<String> {
        if is_reserved(new.email.as_str(), &new.tenant) {
            return Err(Error::Reserved);
        }
        self.create(new, false).await
    }

    /// Makes an account of the proofs' own, at [`kernel::SYNTHETIC_DOMAIN`], and returns its id. The
    /// database takes that address from nobody else.
    ///
    /// # Errors
    /// As for [`Identities::create_account`]; [`Error::Reserved`] when the address is not of that domain.
    pub async fn create_synthetic(&self, new: &NewAccount) -> Result<String> {
        if !is_synthetic(new.email.as_str()) {
            return Err(Error::Reserved);
        }
        self.create(new, true).await
    }

    async fn create(&self, new: &NewAccount, synthetic: bool) -> Result<String> {
        new.check()?;
        if !fits(new.password.expose()) {
            return Err(Error::PasswordSize(new.password.expose().len()));
        }
        let known = [new.email.as_str(), &new.name, new.tenant.as_str()];
        self.judge_password(&new.password, &known).await?;
        let hash = self.hash(&new.password).await?;
        let tx = self.db.operator().await?;
        let row = tx
            .query_opt(
                sql::ADD_ACCOUNT,
                &[
                    &new.email.as_str(),
                    &new.name,
                    &new.tenant.as_str(),
                    &hash.to_string(),
                    &self.clock.now(),
                    &synthetic,
                ],
            )
            .await?;
        tx.commit().await?;
        row.map(|row| row.get(0)).ok_or(Error::Taken)
    }

    /// Judges a new password of somebody of whom `known` is public: their address, names, tenant.
    ///
    /// # Errors
    /// [`Error::Weak`] with what is wrong with it.
    pub async fn judge_password(&self, password: &Secret, known: &[&str]) -> Result<()> {
        let (password, known) = (password.clone(), known.iter().map(|s| (*s).to_owned()));
        let known: Vec<String> = known.collect();
        // Some milliseconds of a core: not on a thread that serves others.
        let judged = tokio::task::spawn_blocking(move || {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            judge(password.expose(), &known)
        });
        Ok(judged.await.map_err(|e| Error::Hash(e.to_string()))??)
    }

    /// The id and the tenant of the account with this address, whether or not it may sign in.
    ///
    /// # Errors
    /// When the database does not answer, or what it keeps names no tenant.
    pub async fn account_of(&self, email: &Email) -> Result<Option<(String, TenantId)>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::ACCOUNT_OF, &[&email.as_str()]).await?;
        tx.commit().await?;
        let Some(row) = row else { return Ok(None) };
        let tenant = TenantId::new(row.get::<_, String>(1))
            .map_err(|error| Error::Field { field: "tenant", why: error.to_string() })?;
        Ok(Some((row.get(0), tenant)))
    }

    /// The id and the tenant of each account with one of these ids or addresses, under the name that it was
    /// asked by; those that are shut out are left out. It is one statement, however many there are and whoever
    /// they are.
    ///
    /// # Errors
    /// When the database does not answer, or what it keeps names no tenant.
    pub async fn people_of(&self, names: &[&str]) -> Result<HashMap<String, (String, TenantId)>> {
        let (mut emails, mut ids) = (Vec::new(), Vec::new());
        for name in names {
            let name = name.to_ascii_lowercase();
            if is_id(&name) {
                ids.push(name);
            } else if name.contains('@') && !name.contains('\0') {
                emails.push(name);
            }
        }
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::PEOPLE_OF, &[&emails, &ids]).await?;
        tx.commit().await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in rows {
            let tenant = TenantId::new(row.get::<_, String>(2))
                .map_err(|error| Error::Field { field: "tenant", why: error.to_string() })?;
            found.insert(row.get::<_, String>(0), (row.get(1), tenant));
        }
        let asked = |name: &&str| {
            let person = found.get(&name.to_ascii_lowercase())?;
            Some(((*name).to_owned(), person.clone()))
        };
        Ok(names.iter().filter_map(asked).collect())
    }

    /// Whether one of these accounts belongs to a person who is not shut out.
    ///
    /// # Errors
    /// When the database does not answer, or something else than the ids of accounts was given.
    pub async fn any_open_person(&self, accounts: &[&str]) -> Result<bool> {
        let tx = self.db.operator().await?;
        let row = tx.query_one(sql::ANY_OPEN_PERSON, &[&accounts]).await?;
        tx.commit().await?;
        Ok(row.get(0))
    }
}

/// Whether it is written as the id of an account, in small letters.
fn is_id(text: &str) -> bool {
    let form = |(n, b): (usize, u8)| match n {
        8 | 13 | 18 | 23 => b == b'-',
        _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
    };
    text.len() == 36 && text.bytes().enumerate().all(form)
}
