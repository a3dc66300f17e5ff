//! Which factors accounts have, for whoever gives roles that ask for some.

use kernel::{Enrolments, Fut, Strength};
use store::Db;

use crate::Result;
use crate::service::has_of;
use crate::sql::factors as sql;

/// What accounts could prove themselves with, read from the control database.
pub struct FactorBook(Db);

impl FactorBook {
    /// Over `db`, a login of the control database that is a member of `amanah_engine`.
    pub const fn new(db: Db) -> Self {
        Self(db)
    }

    async fn read(&self, account: &str) -> Result<Option<Strength>> {
        let tx = self.0.operator().await?;
        let row = tx.query_opt(sql::SIGNED_IN_WITH, &[&account]).await?;
        tx.rollback().await?;
        let Some(row) = row else { return Ok(None) };
        let has = has_of(&row);
        let of = [Strength::Hardware, Strength::Two].into_iter().find(|asked| has.reaches(*asked));
        Ok(Some(of.unwrap_or(Strength::One)))
    }
}

impl Enrolments for FactorBook {
    fn reach<'a>(
        &'a self,
        account: &'a str,
    ) -> Fut<'a, std::result::Result<Option<Strength>, String>> {
        Box::pin(async move { self.read(account).await.map_err(|error| error.to_string()) })
    }
}
