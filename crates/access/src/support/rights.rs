//! What a grant of support allows, and the note of each request that is made under it.

use kernel::{Bits, Identity, Scope, Standing, Support, TenantId, own};
use store::Tx;

use super::sql;
use crate::service::{names, read, role_permits};
use crate::{Access, Error, Result};

/// What begins the names of permissions about people: none of them is lent to anybody.
const PEOPLE: &str = "people.";

impl Access {
    /// What `account`, a member of staff whose home is `home`, may do under `grant` at this moment.
    ///
    /// # Errors
    /// [`Error::NoSupport`] when the grant is another's, waits, or is over; [`Error::Refused`] when
    /// they may not ask for such grants any more.
    pub async fn support_standing(
        &self,
        account: &str,
        home: &TenantId,
        grant: &str,
    ) -> Result<Standing> {
        let id = super::grant_id(grant)?;
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        let staff = self.staff()?;
        let own = read(&tx, account, staff, now).await?;
        if home != staff || !own.permits.has(own::SUPPORT_ASK) {
            return Err(Error::Refused);
        }
        let row = tx.query_opt(sql::LIVE, &[&id, &account, &now]).await?;
        let row = row.ok_or(Error::NoSupport)?;
        let tenant = TenantId::new(row.get::<_, String>(0))
            .map_err(|e| Error::Field { field: "tenant", why: e.to_string() })?;
        let scope =
            if row.get::<_, String>(1) == "rw" { Scope::ReadWrite } else { Scope::ReadOnly };
        let until = row.get(2);
        let permits = lent(&tx, &tenant).await?;
        tx.commit().await?;
        let support = Support { grant: id.to_owned(), tenant, scope, until };
        let roles = vec!["support".to_owned()];
        // As strong, and for as short, as their own roles ask for.
        Ok(Standing { roles, permits, support: Some(support), ..own })
    }

    /// Writes a request down that is made under a grant. The database refuses it when the grant is
    /// over, whatever this process believes.
    ///
    /// # Errors
    /// When it was not written down; the request must not pass then.
    pub async fn note_support(
        &self,
        identity: &Identity,
        request: &str,
        method: &str,
        path: &str,
    ) -> Result<()> {
        let support = identity.standing.support.as_ref().ok_or(Error::NoSupport)?;
        let tx = self.db.operator().await?;
        let now = self.clock.now();
        let bound: store::Bound<'_> = &[&support.grant, &now, &request, &method, &path];
        match tx.execute(sql::USE, bound).await {
            Err(error) if error.sqlstate() == Some(super::CHECK) => return Err(Error::NoSupport),
            noted => noted?,
        };
        Ok(tx.commit().await?)
    }
}

/// What the shipped role of support permits in `tenant`, without anything about people, and without
/// asking for more.
async fn lent(tx: &Tx, tenant: &TenantId) -> Result<Bits> {
    let Some(role) = tx.query_opt(sql::ROLE, &[]).await? else {
        return Ok(Bits::EMPTY);
    };
    let mut permits = role_permits(tx, &[role.get(0)], tenant).await?;
    for (id, name) in names(tx).await? {
        if name.starts_with(PEOPLE) || id == own::SUPPORT_ASK {
            permits.remove(id);
        }
    }
    Ok(permits)
}
