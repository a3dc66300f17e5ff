//! The roles of a tenant, and of its people, at the console's pages: `access` decides.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::{Access, Catalogue, Error, NewGrant, NewRole};
use console::{
    HeldRole, OfferedPermission, PastRole, RoleCard, RoleDesk, RoleDraft, RoleGift, RoleHolder,
    RoleOffers, RoleTrouble,
};
use identity::Mailroom;
use kernel::{Fut, Identity, PermissionId, Strength};

/// The desk of roles.
pub(crate) struct RolesAtDesk {
    pub(crate) access: Arc<Access>,
    /// Where the names of people are.
    pub(crate) room: Arc<Mailroom>,
}

impl RolesAtDesk {
    /// Whoever is not in person, or may not change roles, is told nothing of them.
    async fn may(&self, who: &Identity) -> Result<(), RoleTrouble> {
        match self.access.role_keeper(who).await {
            // To look, it does not matter how long ago they proved who they are.
            Ok(_) | Err(Error::StepUp) => Ok(()),
            Err(error) => Err(trouble(error)),
        }
    }

    async fn cards(&self, who: &Identity) -> Result<Vec<RoleCard>, RoleTrouble> {
        self.may(who).await?;
        let all = self.access.roles(Some(&who.tenant)).await.map_err(trouble)?;
        let card = |role: access::Listed| RoleCard {
            name: role.name,
            title: role.title,
            shipped: role.shipped,
            permissions: role.permits.count(),
            holders: u64::try_from(role.holders).unwrap_or_default(),
            parents: role.parents,
        };
        Ok(all.into_iter().map(card).collect())
    }

    async fn offered(&self, who: &Identity) -> Result<RoleOffers, RoleTrouble> {
        self.may(who).await?;
        let may =
            self.access.standing_now(&who.account, &who.tenant).await.map_err(trouble)?.permits;
        let mut areas: Vec<(String, Vec<OfferedPermission>)> = Vec::new();
        for one in catalogue()?.permissions().iter().filter(|one| may.has(one.id)) {
            let offered = OfferedPermission {
                number: one.id.number(),
                name: one.name.clone(),
                title: one.title.clone(),
            };
            match areas.iter_mut().find(|(area, _)| *area == one.area) {
                Some((_, all)) => all.push(offered),
                None => areas.push((one.area.clone(), vec![offered])),
            }
        }
        let roles = self.access.roles(Some(&who.tenant)).await.map_err(trouble)?;
        let within = roles.into_iter().filter(|role| role.permits.within(&may));
        Ok(RoleOffers { areas, parents: within.map(|role| (role.name, role.title)).collect() })
    }

    async fn draft(&self, who: &Identity, name: &str) -> Result<RoleDraft, RoleTrouble> {
        self.may(who).await?;
        let sheet = self.access.role(&who.tenant, name).await.map_err(trouble)?;
        if sheet.shipped {
            return Err(RoleTrouble::Gone);
        }
        let catalogue = catalogue()?;
        let numbers = sheet.role.permits.iter().filter_map(|name| catalogue.number(name));
        Ok(RoleDraft {
            permits: numbers.map(PermissionId::number).collect(),
            name: sheet.role.name,
            title: sheet.role.title,
            factor: u8::try_from(sheet.role.factor.level()).unwrap_or(1),
            parents: sheet.role.parents,
            known: true,
        })
    }

    async fn write(&self, who: &Identity, draft: &RoleDraft) -> Result<(), RoleTrouble> {
        let by = self.access.role_keeper(who).await.map_err(trouble)?;
        let factor = match draft.factor {
            1 => Strength::One,
            2 => Strength::Two,
            3 => Strength::Hardware,
            _ => return Err(RoleTrouble::Unfit),
        };
        let names: BTreeMap<u16, &str> = catalogue()?
            .permissions()
            .iter()
            .map(|one| (one.id.number(), one.name.as_str()))
            .collect();
        let permits = draft.permits.iter().map(|number| names.get(number).map(|n| (*n).to_owned()));
        let permits: Option<Vec<String>> = permits.collect();
        // The limits of sessions are not on the page: they stay what they are.
        let before = match self.access.role(&who.tenant, &draft.name).await {
            Ok(sheet) => Some(sheet.role),
            Err(Error::NoRole(_)) => None,
            Err(error) => return Err(trouble(error)),
        };
        if draft.known != before.is_some() {
            return Err(if draft.known { RoleTrouble::Gone } else { RoleTrouble::Taken });
        }
        let new = NewRole {
            tenant: who.tenant.clone(),
            name: draft.name.clone(),
            title: draft.title.clone(),
            factor,
            idle: before.as_ref().and_then(|role| role.idle),
            absolute: before.as_ref().and_then(|role| role.absolute),
            permits: permits.ok_or(RoleTrouble::Unfit)?,
            parents: draft.parents.clone(),
        };
        self.access.define_role(&by, &new).await.map_err(trouble)
    }

    async fn person(&self, who: &Identity, account: &str) -> Result<RoleHolder, RoleTrouble> {
        // Whether they may is asked first: whoever may not is told nobody's name.
        let found = self.access.holder(who, account).await.map_err(trouble)?;
        let person = self.room.person(&who.tenant, &account.to_ascii_lowercase()).await;
        let person = person.map_err(|error| RoleTrouble::Unavailable(error.to_string()))?;
        let person = person.ok_or(RoleTrouble::Gone)?;
        let takable = |role: &str| found.givable.iter().any(|one| one.name == role);
        let held = found.held.iter().map(|one| HeldRole {
            role: one.role.clone(),
            by: one.by.clone(),
            at: one.at,
            reason: one.reason.clone(),
            until: one.until,
            takable: takable(&one.role),
        });
        let held = held.collect();
        let over = found.over.into_iter().map(|one| PastRole {
            role: one.role,
            by: one.by,
            at: one.at,
            ended: one.ended,
            ended_by: one.ended_by,
            reason: one.reason,
        });
        Ok(RoleHolder {
            person: crate::accounts::person(person),
            own: found.own,
            held,
            over: over.collect(),
            givable: found.givable.into_iter().map(|role| (role.name, role.title)).collect(),
        })
    }
}

impl RoleDesk for RolesAtDesk {
    fn roles<'a>(&'a self, who: &'a Identity) -> Fut<'a, Result<Vec<RoleCard>, RoleTrouble>> {
        Box::pin(self.cards(who))
    }

    fn offers<'a>(&'a self, who: &'a Identity) -> Fut<'a, Result<RoleOffers, RoleTrouble>> {
        Box::pin(self.offered(who))
    }

    fn role<'a>(
        &'a self,
        who: &'a Identity,
        name: &'a str,
    ) -> Fut<'a, Result<RoleDraft, RoleTrouble>> {
        Box::pin(self.draft(who, name))
    }

    fn define<'a>(
        &'a self,
        who: &'a Identity,
        draft: &'a RoleDraft,
    ) -> Fut<'a, Result<(), RoleTrouble>> {
        Box::pin(self.write(who, draft))
    }

    fn retire<'a>(
        &'a self,
        who: &'a Identity,
        name: &'a str,
        anyway: bool,
    ) -> Fut<'a, Result<(), RoleTrouble>> {
        Box::pin(async move {
            let by = self.access.role_keeper(who).await.map_err(trouble)?;
            let lost = self.access.retire_role(&by, &who.tenant, name, anyway).await;
            lost.map(drop).map_err(trouble)
        })
    }

    fn holder<'a>(
        &'a self,
        who: &'a Identity,
        account: &'a str,
    ) -> Fut<'a, Result<RoleHolder, RoleTrouble>> {
        Box::pin(self.person(who, account))
    }

    fn give<'a>(
        &'a self,
        who: &'a Identity,
        account: &'a str,
        gift: &'a RoleGift,
    ) -> Fut<'a, Result<(), RoleTrouble>> {
        Box::pin(async move {
            let new = NewGrant {
                account: account.to_owned(),
                tenant: who.tenant.clone(),
                role: gift.role.clone(),
                reason: gift.reason.clone(),
                until: gift.until,
            };
            self.access.give(who, &new).await.map_err(trouble)
        })
    }

    fn take<'a>(
        &'a self,
        who: &'a Identity,
        account: &'a str,
        role: &'a str,
        reason: &'a str,
    ) -> Fut<'a, Result<(), RoleTrouble>> {
        Box::pin(async move { self.access.take(who, account, role, reason).await.map_err(trouble) })
    }
}

fn catalogue() -> Result<&'static Catalogue, RoleTrouble> {
    Catalogue::shipped().map_err(trouble)
}

fn trouble(error: Error) -> RoleTrouble {
    match error {
        Error::Refused => RoleTrouble::Refused,
        Error::StepUp => RoleTrouble::StepUp,
        Error::NoRole(_) | Error::NoAccount => RoleTrouble::Gone,
        Error::Own => RoleTrouble::Own,
        Error::Held(_) => RoleTrouble::Held,
        Error::NotHeld(_) => RoleTrouble::NotHeld,
        Error::Factor { asked, .. } => {
            RoleTrouble::Factor { hardware: asked == Strength::Hardware }
        }
        Error::Name { .. } | Error::Field { .. } | Error::NoPermission(_) => RoleTrouble::Unfit,
        Error::Taken(_) => RoleTrouble::Taken,
        Error::Escalation(what) => RoleTrouble::Beyond(what),
        Error::Weak { role, factor } => RoleTrouble::Weak(role, factor == Strength::Hardware),
        Error::Strength { role, factor } => {
            RoleTrouble::Strength(role, factor == Strength::Hardware)
        }
        Error::Cycle(_) => RoleTrouble::Cycle,
        Error::InUse { by, .. } => RoleTrouble::InUse(by),
        Error::TooMany(_) => RoleTrouble::Full,
        other => RoleTrouble::Unavailable(other.to_string()),
    }
}
