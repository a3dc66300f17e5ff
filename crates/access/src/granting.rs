//! Roles for whoever accepts an invitation.
//!
//! It promises that an invitation gives nothing that its inviter may not give when it is accepted:
//! it stops somebody who lost a right from handing it on by letters that are still out.

use kernel::{Fut, Grantable, Granting, Identity, TenantId, own};

use crate::{Access, By, Error, NewGrant, Result};

impl Access {
    /// Gives `role` in the name of the account `by`, which may invite and has everything that the role
    /// allows at this moment.
    async fn grant_invited(
        &self,
        by: (&str, &str),
        account: &str,
        tenant: &TenantId,
        role: &str,
    ) -> Result<()> {
        let (inviter, name) = by;
        let new = NewGrant {
            account: account.to_owned(),
            tenant: tenant.clone(),
            role: role.to_owned(),
            reason: "invited".to_owned(),
            until: None,
        };
        // Whoever was invited sets up what it asks for in their first sign-in.
        match self.grant_ahead(&By::in_name_of(inviter, own::PEOPLE_INVITE, name)?, &new).await {
            Ok(_) | Err(Error::Held(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Granting for Access {
    fn grantable<'a>(
        &'a self,
        by: &'a Identity,
    ) -> Fut<'a, std::result::Result<Vec<Grantable>, String>> {
        Box::pin(async move {
            let givable = self.givable(by, own::PEOPLE_INVITE).await;
            givable.map_err(|error| error.to_string())
        })
    }

    fn grant<'a>(
        &'a self,
        by: (&'a str, &'a str),
        account: &'a str,
        tenant: &'a TenantId,
        role: &'a str,
    ) -> Fut<'a, std::result::Result<(), String>> {
        Box::pin(async move {
            let granted = self.grant_invited(by, account, tenant, role).await;
            granted.map_err(|error| error.to_string())
        })
    }
}
