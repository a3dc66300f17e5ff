//! Roles for whoever accepts an invitation.
//!
//! It promises that an invitation gives nothing that its inviter may not give when it is accepted:
//! it stops somebody who lost a right from handing it on by letters that are still out.

use kernel::{Fut, Grantable, Granting, Identity, Invited, own};

use crate::{Access, By, Error, NewGrant, Result};

impl Access {
    /// Gives `role` in the name of the inviter, who may invite and has everything that the role
    /// allows at this moment.
    async fn grant_invited(&self, invited: &Invited<'_>, role: &str) -> Result<()> {
        let Invited { invitation, by: (sender, name), account, tenant } = invited;
        let new = NewGrant {
            account: (*account).to_owned(),
            tenant: (*tenant).clone(),
            role: role.to_owned(),
            reason: "invited".to_owned(),
            until: None,
        };
        let by = By::in_name_of(sender, own::PEOPLE_INVITE, name)?;
        let once = format!("invitation:{invitation} {role}");
        // Whoever was invited sets up what it asks for in their first sign-in.
        match self.grant_once(&by, &new, Some(&once)).await {
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
        invited: &'a Invited<'a>,
        role: &'a str,
    ) -> Fut<'a, std::result::Result<(), String>> {
        Box::pin(async move {
            let granted = self.grant_invited(invited, role).await;
            granted.map_err(|error| error.to_string())
        })
    }
}
