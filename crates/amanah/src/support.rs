//! Support at the console's pages: `access` decides, `identity` opens the session.

use std::sync::Arc;

use access::{Access, Asking, SupportGrant, SupportState};
use console::{SupportCard, SupportDesk, SupportQuestion, SupportStanding, SupportUse, Trouble};
use identity::Identities;
use jiff::Timestamp;
use kernel::{Fut, Identity, Scope, SessionToken, TenantId};

/// The desk of support.
pub(crate) struct SupportAtDesk {
    pub(crate) access: Arc<Access>,
    pub(crate) identities: Arc<Identities>,
}

impl SupportDesk for SupportAtDesk {
    fn seen<'a>(&'a self, who: &'a Identity) -> Fut<'a, Result<Vec<SupportCard>, Trouble>> {
        Box::pin(async move {
            let seen = self.access.support_seen(who).await.map_err(trouble)?;
            Ok(seen.into_iter().map(card).collect())
        })
    }

    fn live<'a>(
        &'a self,
        who: &'a Identity,
    ) -> Fut<'a, Result<(usize, Option<Timestamp>), Trouble>> {
        Box::pin(async move {
            let all = self.access.support_list(Some(&who.tenant)).await.map_err(trouble)?;
            let live: Vec<SupportCard> = all
                .into_iter()
                .map(card)
                .filter(|card| card.standing == SupportStanding::Live)
                .collect();
            Ok((live.len(), live.iter().filter_map(|card| card.ends_at).max()))
        })
    }

    fn uses<'a>(
        &'a self,
        who: &'a Identity,
        id: &'a str,
    ) -> Fut<'a, Result<Vec<SupportUse>, Trouble>> {
        Box::pin(async move {
            let uses = self.access.support_uses(who, id).await.map_err(trouble)?;
            let told = |one: access::SupportUse| SupportUse {
                at: one.at,
                request: one.request,
                method: one.method,
                path: one.path,
            };
            Ok(uses.into_iter().map(told).collect())
        })
    }

    fn ask<'a>(
        &'a self,
        who: &'a Identity,
        question: &'a SupportQuestion,
    ) -> Fut<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let asking = Asking {
                tenant: TenantId::new(&question.tenant).map_err(|_| Trouble::Unfit)?,
                ticket: question.ticket.clone(),
                reason: question.reason.clone(),
                scope: if question.writes { Scope::ReadWrite } else { Scope::ReadOnly },
                hours: question.hours,
            };
            self.access.ask_support(who, &asking).await.map(drop).map_err(trouble)
        })
    }

    fn approve<'a>(&'a self, who: &'a Identity, id: &'a str) -> Fut<'a, Result<(), Trouble>> {
        Box::pin(async move { self.access.approve_support(who, id).await.map_err(trouble) })
    }

    fn end<'a>(&'a self, who: &'a Identity, id: &'a str) -> Fut<'a, Result<(), Trouble>> {
        Box::pin(async move { self.access.end_support(who, id).await.map_err(trouble) })
    }

    fn enter<'a>(
        &'a self,
        who: &'a Identity,
        old: &'a SessionToken,
        id: &'a str,
    ) -> Fut<'a, Result<SessionToken, Trouble>> {
        Box::pin(async move {
            use identity::Error;
            let entered = self.identities.enter_support(who, old, id).await;
            entered.map_err(|error| match error {
                Error::NoGrant => Trouble::Gone,
                Error::Refused => Trouble::Refused,
                other => Trouble::Unavailable(other.to_string()),
            })
        })
    }
}

pub(crate) fn trouble(error: access::Error) -> Trouble {
    use access::Error;
    match error {
        Error::Refused | Error::Escalation(_) => Trouble::Refused,
        Error::StepUp => Trouble::StepUp,
        Error::NoSupport | Error::NoAccount => Trouble::Gone,
        Error::Field { .. } => Trouble::Unfit,
        Error::Waiting(_) => Trouble::Full,
        other => Trouble::Unavailable(other.to_string()),
    }
}

fn card(grant: SupportGrant) -> SupportCard {
    SupportCard {
        id: grant.id,
        tenant: grant.tenant,
        asked_by: grant.asked_as,
        ticket: grant.ticket,
        reason: grant.reason,
        writes: grant.scope == Scope::ReadWrite,
        hours: u64::try_from(grant.hours).unwrap_or_default(),
        asked_at: grant.asked_at,
        approved: grant.approved,
        ends_at: grant.ends_at,
        ended: grant.ended,
        uses: u64::try_from(grant.uses).unwrap_or_default(),
        standing: match grant.state {
            SupportState::Asked => SupportStanding::Asked,
            SupportState::Lapsed => SupportStanding::Lapsed,
            SupportState::Denied => SupportStanding::Denied,
            SupportState::Live => SupportStanding::Live,
            SupportState::Ended => SupportStanding::Ended,
            SupportState::Over => SupportStanding::Over,
        },
    }
}
