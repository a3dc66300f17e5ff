//! Roles that people of a tenant give to one another, and take.
//!
//! It promises that nobody gives or takes a role of their own, of somebody of another tenant, or one that
//! allows more than they may themselves, and that they have just proven who they are. It stops whoever has a
//! role for a time from making it last, and whoever is about to lose one from giving it to themselves anew.

use jiff::Timestamp;
use kernel::{Grantable, Identity, own};
use store::Row;

use crate::service::account;
use crate::{Access, Error, Held, NewGrant, Result, sql};

/// How many grants that are over are told.
const MAX_OVER: i64 = 50;

/// The roles of somebody, for another of their tenant who may give and take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// What they have, in the order of the roles' names.
    pub held: Vec<Held>,
    /// What they had, the last that ended first.
    pub over: Vec<Over>,
    /// The roles that whoever asks may give, and take.
    pub givable: Vec<Grantable>,
    /// Whether it is the one who asks: somebody else gives to them, and takes.
    pub own: bool,
    /// Whether the account is closed: nothing is given to it.
    pub closed: bool,
}

/// A role that somebody had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// The role's name.
    pub role: String,
    /// Who gave it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Who took it; none when it ended by itself.
    pub ended_by: Option<String>,
    /// Why, where that was asked for.
    pub reason: Option<String>,
}

impl Access {
    /// What `id` has in the tenant of `who`, and what `who` may do about it. To look, it does not matter how
    /// long ago they proved who they are.
    ///
    /// # Errors
    /// [`Error::Refused`] unless they may give and take roles and came through a browser;
    /// [`Error::NoAccount`] when the account is not of their tenant.
    pub async fn holder(&self, who: &Identity, id: &str) -> Result<Holder> {
        match self.role_keeper(who).await {
            Ok(_) | Err(Error::StepUp) => {}
            Err(error) => return Err(error),
        }
        let (id, closed) = self.of_tenant(who, id).await?;
        let held = self.roles_of(&id, &who.tenant).await?;
        let givable = self.givable(who, own::PEOPLE_ROLES).await?;
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> = &[&id, &who.tenant.as_str(), &self.clock.now(), &MAX_OVER];
        let rows = tx.query(sql::GRANTS_OVER, bound).await?;
        tx.commit().await?;
        let over = |row: &Row| Over {
            role: row.get(0),
            by: row.get(1),
            at: row.get(2),
            ended: row.get(3),
            ended_by: row.get(4),
            reason: row.get(5),
        };
        let over = rows.iter().map(over).collect();
        Ok(Holder { held, over, givable, own: is_own(who, &id), closed })
    }

    /// `who` gives a role to somebody else of their tenant.
    ///
    /// # Errors
    /// As [`Access::role_keeper`] and [`Access::grant`]; [`Error::Own`]; [`Error::NoAccount`] when the
    /// account is closed, or not of their tenant.
    pub async fn give(&self, who: &Identity, new: &NewGrant) -> Result<()> {
        let by = self.role_keeper(who).await?;
        let (id, closed) = self.of_tenant(who, &new.account).await?;
        if closed || new.tenant != who.tenant {
            return Err(Error::NoAccount);
        }
        if is_own(who, &id) {
            return Err(Error::Own);
        }
        self.grant(&by, new).await.map(drop)
    }

    /// `who` takes a role from somebody else of their tenant; `why` has up to 1,000 bytes.
    ///
    /// # Errors
    /// As [`Access::role_keeper`] and [`Access::revoke`]; [`Error::Own`]; [`Error::NoAccount`] when the
    /// account is not of their tenant; [`Error::Field`] without a reason.
    pub async fn take(&self, who: &Identity, id: &str, role: &str, why: &str) -> Result<()> {
        let by = self.role_keeper(who).await?;
        let (id, _) = self.of_tenant(who, id).await?;
        if is_own(who, &id) {
            return Err(Error::Own);
        }
        self.revoke_for(&by, &id, (&who.tenant, role), why).await
    }

    /// The account, which is of `who`'s tenant, and whether it is closed. What is no id is nobody's.
    async fn of_tenant(&self, who: &Identity, id: &str) -> Result<(String, bool)> {
        let id = account(id).map_err(|_| Error::NoAccount)?.to_ascii_lowercase();
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::IS_OF, &[&id, &who.tenant.as_str()]).await?;
        tx.commit().await?;
        row.map(|row| (id, row.get(0))).ok_or(Error::NoAccount)
    }
}

/// The database reads an id in letters of either case.
fn is_own(who: &Identity, id: &str) -> bool {
    who.account.eq_ignore_ascii_case(id)
}
