//! Off-boarding: who somebody is ends, then what they may do, and then it is looked whether anything
//! is left.

use std::sync::Arc;

use access::{Access, Withdrawn};
use anyhow::{Context as _, ensure};
use console::{LeavingDesk, LeavingReport, Trouble};
use directory::Directory;
use identity::{Accepted, Closed, Email, Identities, Known, Mailroom};
use kernel::{Fut, Identity, TenantId};

/// By whom an account is ended that gave way to an invitation, as it is written down.
const GAVE_WAY: &str = "invitation:elsewhere";
const LEFT_OVER: &str = "what an account that gave way held is there still; it is tried again";
const WAITING: &str = "the roles of an invitation wait; they are tried again";

/// What came of an off-boarding.
pub(crate) struct Left {
    pub(crate) closed: Closed,
    pub(crate) withdrawn: Withdrawn,
    /// What their tenant's directory had of theirs, in words.
    pub(crate) of_directory: Vec<String>,
    /// What the account still has: nothing, or it has to be done again.
    pub(crate) remains: Vec<String>,
}

impl Left {
    /// Each thing that was ended, in words.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Self { closed, withdrawn, .. } = self;
        let mut lines: Vec<String> = closed
            .ended
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| format!("{what}: {count}"))
            .collect();
        lines.extend(withdrawn.roles.iter().map(|(of, role)| format!("role {role} in {of}")));
        lines.extend(withdrawn.support.iter().map(|(_, of)| format!("access of support to {of}")));
        lines.extend(self.of_directory.iter().cloned());
        lines.extend(closed.handed_over.iter().map(|email| format!("handed over: {email}")));
        lines.extend(closed.services_ended.iter().map(|email| format!("service {email}")));
        lines
    }
}

/// Who off-boards.
pub(crate) struct Offboarding {
    pub(crate) access: Arc<Access>,
    pub(crate) identities: Arc<Identities>,
    /// The directories of tenants: what they made for one ends, and each is told of it.
    pub(crate) directory: Arc<Directory>,
}

impl Offboarding {
    /// Whom the address belongs to.
    pub(crate) async fn find(&self, email: &str) -> anyhow::Result<Option<Known>> {
        let Ok(email) = Email::new(email) else { return Ok(None) };
        Ok(self.identities.known_as(&email).await?)
    }

    /// Ends everything that `account` has. Cut off in the middle, it may be done again.
    pub(crate) async fn end(
        &self,
        account: &str,
        by: &str,
        successor: Option<&str>,
    ) -> anyhow::Result<Left> {
        let closed = self.identities.close(account, successor).await?;
        let withdrawn = self.access.withdraw(account, by).await.context(
            "the account is closed; its roles, and what its tenant's directory has of it, are not \
             ended yet: do the same again",
        )?;
        let of_directory = self.directory.left(account, by).await.context(
            "the account is closed and its roles are taken; what its tenant's directory has of it is \
             not ended yet: do the same again",
        )?;
        let mut remains = self.access.left_of(account).await.context(
            "the account is closed and everything of it is ended, but it was not looked whether \
             anything is left: do the same again",
        )?;
        remains.extend(closed.unknown.iter().cloned());
        Ok(Left { closed, withdrawn, of_directory, remains })
    }

    /// What follows an invitation that was accepted: what the account held that gave way to it ends, and its
    /// roles are given. What fails, or is cut off, is done by [`Self::follow_up`].
    pub(crate) async fn welcome(&self, room: &Mailroom, accepted: &Accepted) {
        if let Some(account) = &accepted.gave_way
            && let Err(error) = self.end_in_the_way(room, account).await
        {
            tracing::warn!(%error, "{LEFT_OVER}");
        }
        let account = Some(accepted.account.as_str());
        if let Err(error) = room.grant_accepted(&*self.access, account).await {
            tracing::warn!(%error, "{WAITING}");
        }
    }

    /// What follows all invitations that were accepted, as far as it was not done at once. What fails is done
    /// at the next call, after a crash as well.
    pub(crate) async fn follow_up(&self, room: &Mailroom) {
        if let Err(error) = self.end_all_in_the_way(room).await {
            tracing::warn!(%error, "{LEFT_OVER}");
        }
        if let Err(error) = room.grant_accepted(&*self.access, None).await {
            tracing::warn!(%error, "{WAITING}");
        }
    }

    /// They are closed already: their roles end, and their directory is told. None waits for another.
    async fn end_all_in_the_way(&self, room: &Mailroom) -> anyhow::Result<()> {
        let mut failed = None;
        for account in room.gave_way().await? {
            if let Err(error) = self.end_in_the_way(room, &account).await {
                failed = Some(error);
                room.gave_way_tried(&account).await?;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn end_in_the_way(&self, room: &Mailroom, account: &str) -> anyhow::Result<()> {
        let ended = self.end(account, GAVE_WAY, None).await;
        let Left { remains, .. } = ended.with_context(|| account.to_owned())?;
        ensure!(remains.is_empty(), "{account}: {remains:?}");
        Ok(room.gave_way_ended(account).await?)
    }

    async fn ask(
        &self,
        who: &Identity,
        email: &str,
        successor: &str,
    ) -> Result<LeavingReport, Trouble> {
        let away = |error: anyhow::Error| Trouble::Unavailable(format!("{error:#}"));
        let known = self.find(email).await.map_err(away)?.ok_or(Trouble::Gone)?;
        let tenant = TenantId::new(&known.tenant).map_err(|_| Trouble::Gone)?;
        let may = self.access.may_offboard(who, &known.account, &tenant).await;
        may.map_err(crate::support::trouble)?;
        let heir = self.heir(who, successor, &known).await?;
        let by = who.actor.as_str();
        let left = self.end(&known.account, by, heir.as_deref()).await.map_err(away)?;
        let email = left.closed.email.clone();
        Ok(LeavingReport { email, ended: left.lines(), left: left.remains })
    }

    /// The account of the successor, who is somebody else of the same tenant.
    async fn heir(
        &self,
        who: &Identity,
        email: &str,
        leaves: &Known,
    ) -> Result<Option<String>, Trouble> {
        if email.trim().is_empty() {
            return Ok(None);
        }
        let found = self.find(email).await;
        let found = found.map_err(|error| Trouble::Unavailable(format!("{error:#}")))?;
        let fits = |heir: &Known| {
            heir.tenant == who.tenant.as_str() && !heir.closed && heir.account != leaves.account
        };
        found.filter(fits).map(|heir| Some(heir.account)).ok_or(Trouble::Unfit)
    }
}

impl LeavingDesk for Offboarding {
    fn offboard<'a>(
        &'a self,
        who: &'a Identity,
        email: &'a str,
        successor: &'a str,
    ) -> Fut<'a, Result<LeavingReport, Trouble>> {
        Box::pin(self.ask(who, email, successor))
    }
}
