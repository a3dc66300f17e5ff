//! Closing an account: in one transaction, everything that it ever was given is over.

use kernel::{Notice, Secret, random_hex};
use store::Tx;

use super::Identities;
use crate::account::Email;
use crate::cache::Ended;
use crate::mail::tell;
use crate::sql::close::{self as sql, Fate, RULES};
use crate::{Error, Result};

/// Random bytes of the password that nobody knows and that takes the place of theirs.
const PASSWORD_BYTES: usize = 32;

/// Whom an address belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The account's id.
    pub account: String,
    /// Its tenant.
    pub tenant: String,
    /// Whether it was closed already.
    pub closed: bool,
}

/// What was ended when an account was closed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// The account's id.
    pub account: String,
    /// Its address.
    pub email: String,
    /// Its tenant.
    pub tenant: String,
    /// What was ended, and how many of each.
    pub ended: Vec<(&'static str, u64)>,
    /// The services that went over to the successor.
    pub handed_over: Vec<String>,
    /// The services that ended, since nobody took them over.
    pub services_ended: Vec<String>,
    /// Places that name accounts and that this program does not know: none, as a test sees to.
    pub unknown: Vec<String>,
}

impl Identities {
    /// Whom this address belongs to, be it closed or not.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn known_as(&self, email: &Email) -> Result<Option<Known>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::BY_EMAIL, &[&email.as_str()]).await?;
        tx.commit().await?;
        Ok(row.map(|row| Known { account: row.get(0), tenant: row.get(1), closed: row.get(2) }))
    }

    /// Shuts an account out and ends everything that it was given: sessions, tokens, keys, factors,
    /// what waits. What it answered for goes to `successor`, or ends too. All of it or nothing.
    ///
    /// It may be done again: what has come to be since is ended then.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such account; the database otherwise.
    pub async fn close(&self, account: &str, successor: Option<&str>) -> Result<Closed> {
        self.shut(sql::SHUT, account, successor).await
    }

    /// The same by the directory of the tenant, which may open it again. Services that the holder answered
    /// for end.
    ///
    /// # Errors
    /// As for [`Identities::close`].
    pub async fn close_for_directory(&self, account: &str) -> Result<Closed> {
        self.shut(crate::sql::directory::SHUT, account, None).await
    }

    async fn shut(
        &self,
        statement: &str,
        account: &str,
        successor: Option<&str>,
    ) -> Result<Closed> {
        let nobody = Secret::new(random_hex(self.rng(), PASSWORD_BYTES)?);
        let hash = self.hash(&nobody).await?.to_string();
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        let row = tx.query_opt(statement, &[&account, &now, &hash]).await?;
        let row = row.ok_or(Error::Refused)?;
        let mut closed = Closed {
            account: account.to_owned(),
            email: row.get(0),
            tenant: row.get(1),
            ..Closed::default()
        };
        // When it is done again there is nothing new to tell.
        if row.get(2) {
            tell(&tx, account, Notice::Closed, "", now).await?;
        }
        for (table, column) in naming(&tx).await? {
            let rule = RULES.iter().find(|rule| rule.table == table && rule.column == column);
            match rule.map(|rule| (&rule.fate, rule.what)) {
                Some((Fate::End(statement), what)) => {
                    let count = tx.execute(statement, &[&account, &now]).await?;
                    closed.ended.push((what, count));
                }
                Some((Fate::Inherit, _)) => match successor {
                    Some(heir) => {
                        closed.handed_over =
                            emails(&tx, sql::HAND_OVER, &[&account, &heir]).await?;
                    }
                    None => {
                        closed.services_ended =
                            emails(&tx, sql::END_SERVICES, &[&account, &now]).await?;
                    }
                },
                Some((Fate::Stay, _)) => {}
                None => closed.unknown.push(format!("identity.{table}.{column}")),
            }
        }
        tx.commit().await?;
        // Its services are of the same tenant, and so is whoever it had let in for support.
        self.cache.forget(Ended::tenant(&closed.tenant));
        tracing::info!(account, email = closed.email, "an account was closed");
        Ok(closed)
    }
}

/// Every table and column that names an account, as the database has them now.
async fn naming(tx: &Tx) -> Result<Vec<(String, String)>> {
    let rows = tx.query(sql::NAMING, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn emails(tx: &Tx, statement: &str, bound: store::Bound<'_>) -> Result<Vec<String>> {
    let rows = tx.query(statement, bound).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
