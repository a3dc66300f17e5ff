//! Houses in which something about support is wrong: a copy of the control database, the same
//! services over it, and a gateway of the same code.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use access::Access;
use access::controls::{Asked, Denied, Fault, Inside, People, Premises, Workshop};
use gateway::controls::{ScratchGateway, ScratchPorts};
use identity::{Identities, Pool};
use jiff::{SignedDuration, Timestamp};
use kernel::{
    Actor, Binder, Cx, Fut, Gatekeeper, Identity, Passage, PermissionId, Scope, Secret,
    SessionToken, Standing, Standings, TenantId,
};
use keys::Keys;
use store::{Db, Programs, Scratch};
use tenancy::{Guarded, TenantBinder};

use super::{Gate, Here, rooms};
use crate::installation::Installation;
use crate::probe::{Authority, Edge};
use crate::reviews::Words;
use crate::tokens::TokenPen;
use crate::vault::KeyVault;
use crate::{mail, protection, provisioning};

/// How much longer than its end a grant counts, or a binding is good, where that is the fault.
const LONGER: SignedDuration = SignedDuration::from_mins(30);
/// In whose name its tokens are given out.
const ISSUER: &str = "amanah:sandbox";
/// The page of an application that answers everything.
const PAGE: &str = "/";
/// Each of the faults that the database itself would prevent begins by taking its guards away.
const NO_USES_GUARD: &str = "ALTER TABLE access.support_uses DISABLE TRIGGER support_uses_kept";
const NO_GRANTS_GUARD: &str = "ALTER TABLE access.support_grants DISABLE TRIGGER support_kept; \
    ALTER TABLE access.support_grants DROP CONSTRAINT support_not_by_asker";

/// Makes them.
pub(super) struct Bench {
    owner: Db,
    programs: Programs,
    binder: Option<TenantBinder>,
    tenants: Option<(TenantId, TenantId)>,
    pub(super) staff: TenantId,
    keys: Keys,
    cx: Cx,
}

impl Bench {
    pub(super) fn new(house: &Installation, behind: Option<&Guarded>, staff: TenantId) -> Self {
        let clock = Arc::clone(&house.cx.clock);
        Self {
            owner: house.ground.owner.clone(),
            programs: house.ground.programs.clone(),
            binder: behind.map(|guarded| protection::binder(guarded, clock)),
            tenants: behind.map(|guarded| guarded.protected.canaries.clone()),
            staff,
            keys: house.ring.keys.clone(),
            cx: house.cx.clone(),
        }
    }

    /// A house with a fault, over a copy of the control database.
    pub(super) async fn made(&self, fault: Fault) -> anyhow::Result<Made> {
        let (Some(binder), Some(tenants)) = (&self.binder, &self.tenants) else {
            anyhow::bail!("no database is protected, so none could refuse");
        };
        let scratch = self.owner.scratch(&self.programs, &*self.cx.rng).await?;
        match self.furnish(scratch.db(), fault, binder, tenants).await {
            Ok((here, gateway)) => {
                let (here, db) = (Arc::new(here), scratch.db().clone());
                Ok(Made { here, db, _gateway: gateway, scratch: Mutex::new(Some(scratch)) })
            }
            Err(error) => {
                // The first error is the one to report; a leftover is swept at the next start.
                drop(scratch.remove().await);
                Err(error)
            }
        }
    }

    async fn furnish(
        &self,
        db: &Db,
        fault: Fault,
        binder: &TenantBinder,
        tenants: &(TenantId, TenantId),
    ) -> anyhow::Result<(Here, ScratchGateway)> {
        let tx = db.operator().await?;
        tx.batch(access::CATALOGUE).await?;
        match fault {
            Fault::PastItsEnd => tx.batch(NO_USES_GUARD).await?,
            Fault::OwnApproval => tx.batch(NO_GRANTS_GUARD).await?,
            Fault::None | Fault::Unrecorded | Fault::Writes | Fault::Outlives => {}
        }
        tx.commit().await?;
        let (clock, rng) = (Arc::clone(&self.cx.clock), Arc::clone(&self.cx.rng));
        let access = Access::new(db.clone(), Arc::clone(&clock)).with_staff(self.staff.clone());
        let access = Arc::new(access);
        let standings = Lasting { access: Arc::clone(&access), fault, said: Mutex::default() };
        let identities =
            Identities::new(db.clone(), clock, rng, Pool::default(), Arc::new(standings))?;
        let identities = identities.with_vault(Arc::new(KeyVault::new(self.keys.clone())));
        let pen = Arc::new(TokenPen::known(&self.keys)?);
        let identities = Arc::new(identities.with_tokens(pen, ISSUER.to_owned()));
        let room = mail::waiting_room(&identities, &self.cx);
        let words = Words::beside(self.keys.clone(), db.clone(), Arc::clone(&self.cx.rng));
        let people = provisioning::People::of(&access, &identities, &room, &self.cx);
        let directory = provisioning::open(people, db, "");
        let own = rooms::pages((&identities, &access, &room), &directory, (words, &self.cx))?;
        let keeper = Arc::new(Keeper { access: Arc::clone(&access), fault });
        let ports = ScratchPorts {
            sessions: Arc::<Identities>::clone(&identities),
            credentials: Some(Arc::<Identities>::clone(&identities)),
            gatekeeper: Some(keeper),
            own: Some(Arc::new(own)),
        };
        let gateway = ScratchGateway::over(&self.cx, ports).await.map_err(anyhow::Error::msg)?;
        let (address, authority) = (gateway.address, Authority::Text(gateway.authority.clone()));
        let edge = Arc::new(Edge { address, authority, proof: None });
        let door = Gate { edge, page: PAGE.to_owned() };
        let here = Here {
            access,
            identities,
            room,
            directory,
            binder: Arc::new(Bent { binder: binder.clone(), fault }),
            door,
            tenants: tenants.clone(),
            staff: self.staff.clone(),
            cx: self.cx.clone(),
        };
        Ok((here, gateway))
    }
}

impl Workshop for Bench {
    fn build(&self, fault: Fault) -> Fut<'_, Result<Box<dyn Premises>, String>> {
        Box::pin(async move {
            let made = self.made(fault).await.map_err(|error| format!("no sandbox: {error:#}"))?;
            Ok(Box::new(made) as Box<dyn Premises>)
        })
    }
}

/// A house beside the running one.
pub(super) struct Made {
    pub(super) here: Arc<Here>,
    /// Its control database, under the login that owns it.
    pub(super) db: Db,
    _gateway: ScratchGateway,
    scratch: Mutex<Option<Scratch>>,
}

impl Made {
    /// Removes it.
    pub(super) async fn remove(&self) {
        let scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(scratch) = scratch
            && let Err(error) = scratch.remove().await
        {
            tracing::warn!(%error, "a sandbox was left behind");
        }
    }
}

impl Premises for Made {
    fn access(&self) -> &Access {
        self.here.access()
    }

    fn people(&self) -> Fut<'_, Result<People, String>> {
        self.here.people()
    }

    fn session<'a>(&'a self, account: &'a str) -> Fut<'a, Result<Inside, String>> {
        self.here.session(account)
    }

    fn enter<'a>(&'a self, inside: &'a Inside, grant: &'a str) -> Fut<'a, Result<Inside, Denied>> {
        self.here.enter(inside, grant)
    }

    fn ask<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Result<Asked, String>> {
        self.here.ask(token)
    }

    fn binding(&self, identity: &Identity, writing: bool) -> Option<Secret> {
        self.here.binding(identity, writing)
    }

    fn close(&self) -> Fut<'_, ()> {
        Box::pin(self.remove())
    }
}

/// Says what the rights say; with the fault, of a grant what it said first, for longer.
struct Lasting {
    access: Arc<Access>,
    fault: Fault,
    said: Mutex<HashMap<String, Standing>>,
}

impl Standings for Lasting {
    fn standing<'a>(
        &'a self,
        account: &'a str,
        tenant: &'a TenantId,
        grant: Option<&'a str>,
    ) -> Fut<'a, Result<Option<Standing>, String>> {
        Box::pin(async move {
            let said = self.access.standing(account, tenant, grant).await;
            let (Fault::PastItsEnd, Some(grant)) = (self.fault, grant) else {
                return said;
            };
            let mut kept = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(mut standing) = said? {
                if let Some(support) = &mut standing.support {
                    support.until = later(support.until);
                }
                kept.entry(grant.to_owned()).or_insert(standing);
            }
            Ok(kept.get(grant).cloned())
        })
    }
}

/// Lets everything through that has a session, and writes it down, unless that is the fault.
struct Keeper {
    access: Arc<Access>,
    fault: Fault,
}

impl Gatekeeper for Keeper {
    fn pass(&self, _: &Identity, _: &str, _: &str) -> Passage {
        Passage::Open
    }

    fn permission(&self, _: &str, _: &str) -> Option<PermissionId> {
        None
    }

    fn note<'a>(
        &'a self,
        identity: &'a Identity,
        request: &'a str,
        method: &'a str,
        path: &'a str,
    ) -> Fut<'a, Result<(), String>> {
        Box::pin(async move {
            if self.fault == Fault::Unrecorded {
                return Ok(());
            }
            self.access.note(identity, request, method, path).await
        })
    }
}

/// Makes bindings; with a fault, such as are good for more or for longer.
struct Bent {
    binder: TenantBinder,
    fault: Fault,
}

impl Binder for Bent {
    fn mint(
        &self,
        tenant: &TenantId,
        actor: &Actor,
        scope: Scope,
        until: Option<Timestamp>,
    ) -> Option<Secret> {
        let (scope, until) = match self.fault {
            Fault::Writes => (Scope::ReadWrite, until),
            Fault::Outlives => (scope, until.map(later)),
            _ => (scope, until),
        };
        self.binder.mint(tenant, actor, scope, until)
    }
}

fn later(at: Timestamp) -> Timestamp {
    at.saturating_add(LONGER).unwrap_or(Timestamp::MAX)
}
