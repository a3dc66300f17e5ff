//! Who takes part: a door, another process that ends things, and people of its own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use kernel::{Cx, Fut, Standing, Standings, Strength, TenantId, random_hex};
use store::Db;

use super::Took;
use super::ways::{ASKS_FOR_TWO, WAYS, Way, follow};
use crate::controls::door::Door;
use crate::controls::factors::CanaryRoles;
use crate::controls::visitors::{self, SHUT, TENANT};
use crate::{Identities, Mailroom, Post, Result, Unsent, Written, sql};

/// What is attacked, and with what.
pub(super) struct Cast<'a> {
    pub(super) door: &'a dyn Door,
    /// Another process over the same database.
    pub(super) other: Arc<Identities>,
    pub(super) room: Mailroom,
    pub(super) roles: &'a dyn CanaryRoles,
    pub(super) owner: &'a Db,
    /// How long is waited for a refusal.
    pub(super) patience: Duration,
    pub(super) cx: &'a Cx,
    /// The tenant that is shut out: one of this attack alone, since another may run beside it.
    pub(super) shut: TenantId,
}

impl<'a> Cast<'a> {
    pub(super) fn new(
        (door, patience): (&'a dyn Door, Duration),
        other: Arc<Identities>,
        roles: &'a dyn CanaryRoles,
        owner: &'a Db,
        cx: &'a Cx,
    ) -> Result<Self> {
        let world = (Arc::clone(&cx.clock), Arc::clone(&cx.rng));
        let room = Mailroom::new(Arc::clone(&other), world, Arc::new(Nowhere), "");
        let shut = visitors::tenant_id(&format!("{SHUT}{}", random_hex(&*cx.rng, 8)?))?;
        Ok(Self { door, other, room, roles, owner, patience, cx, shut })
    }

    /// Every way at once, each with a person of its own.
    pub(super) async fn attack(&self) -> Result<Vec<Took>> {
        let mut people = Vec::new();
        for (way, _) in WAYS {
            let tenant = if way == Way::Suspended { self.shut.as_str() } else { TENANT };
            people.push(visitors::make(&self.other, tenant).await?);
        }
        // One after the other: as many hashes at once would be too many for the pool.
        let mut inside = Vec::new();
        for person in &people {
            inside.push((person, self.door.open(&person.email, &person.password).await));
        }
        let tries = WAYS.into_iter().zip(&inside).map(async |((way, _), (person, session))| {
            let took = match session {
                Ok(session) => follow(self, way, (person, session)).await,
                Err(why) => Err(why.clone()),
            };
            if way == Way::Role {
                // It is nobody's from now on; a row that stays is listed as one of nobody.
                let tenant = visitors::tenant_id(TENANT)?;
                drop(self.roles.take(&person.account, &tenant, ASKS_FOR_TWO).await);
            }
            Ok((way, took))
        });
        let took = join_all(tries).await;
        visitors::remove(self.owner, &people, self.cx.clock.now()).await?;
        took.into_iter().collect()
    }
}

/// Letters of the attack leave by `amanah up`, which throws away what goes to nobody.
struct Nowhere;

impl Post for Nowhere {
    fn name(&self) -> String {
        "nowhere".to_owned()
    }

    fn send<'a>(&'a self, _: &'a Written) -> Fut<'a, std::result::Result<(), Unsent>> {
        Box::pin(async { Err(Unsent::Later("an attack sends no letters".to_owned())) })
    }
}

/// What the roles in a sandbox ask of whom. Whoever decides is told of a change, as the rights'
/// own triggers do it, unless nobody is told of anything there.
pub(super) struct SandboxRoles {
    pub(super) demanding: Arc<Demanding>,
    pub(super) owner: Db,
    pub(super) silent: bool,
}

/// Accounts of which two factors are asked.
#[derive(Default)]
pub(super) struct Demanding(Mutex<BTreeSet<String>>);

impl Standings for Demanding {
    fn standing<'a>(
        &'a self,
        account: &'a str,
        _tenant: &'a TenantId,
        _grant: Option<&'a str>,
    ) -> Fut<'a, std::result::Result<Option<Standing>, String>> {
        let listed = self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(account);
        let needs = if listed { Strength::Two } else { Strength::One };
        Box::pin(async move { Ok(Some(Standing { needs, ..Standing::default() })) })
    }
}

impl CanaryRoles for SandboxRoles {
    fn give<'a>(
        &'a self,
        account: &'a str,
        _tenant: &'a TenantId,
        _role: &'a str,
    ) -> Fut<'a, std::result::Result<(), String>> {
        let mut listed = self.demanding.0.lock().unwrap_or_else(PoisonError::into_inner);
        listed.insert(account.to_owned());
        drop(listed);
        Box::pin(async move {
            if self.silent {
                return Ok(());
            }
            let told = async {
                let tx = self.owner.operator().await?;
                tx.query(sql::TELL_ACCOUNT, &[&account]).await?;
                tx.commit().await
            };
            told.await.map_err(|error| error.to_string())
        })
    }

    fn take<'a>(
        &'a self,
        _account: &'a str,
        _tenant: &'a TenantId,
        _role: &'a str,
    ) -> Fut<'a, std::result::Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}
