//! `access.permissions`: so many permissions and roles, and every pair is decided as it was reviewed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use kernel::{
    Actor, Card, Control, Cx, Door, Finding, Fut, Identity, Params, Passage, PermissionId,
    Population, Proof, Standing, Strength, TenantId, Value,
};
use store::{Row, Tx};

use super::{House, seeds};
use crate::gate::decide;
use crate::{Catalogue, Matrix, ROOM, Result, Routes, service, sql};

static CARD: Card = Card {
    id: "access.permissions",
    title: "Permissions and roles are what was reviewed",
    attack: "Counts permissions and roles in the database, gives each role in turn to somebody who \
             has nothing else, has every permission decided by the code that decides requests, and \
             compares each pair with the reviewed matrix; then grants a role of another tenant.",
    bite: "Rights added, taken away and inherited, a ring of parents, a permission and a role too \
           few and too many, and a grant of another tenant's role, in a copy of the control database.",
    cadence: Duration::from_mins(5),
    deadline: Duration::from_mins(2),
    not_covered: &[
        "roles that tenants define for themselves: those may permit what whoever defined them has",
        "whether the application asks for the right permission: access.per-action looks at that",
        "who has which role: access reviews look at that",
    ],
};

const OF: &str = "pairs of a permission and a role";
/// Whoever is given each role, and nothing of it lasts.
const SOMEBODY: &str = "00000000-0000-4000-8000-0000000000aa";
/// A tenant that is nobody's, and another one.
const HERE: &str = "amanah-canary";
const ELSEWHERE: &str = "amanah-canary-other";

/// The control.
pub(super) struct Permissions {
    pub(super) house: House,
}

impl Control for Permissions {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let now = cx.clock.now();
            let promised = |name: &str| match params.value(name) {
                Some(Value::Count(count)) => Some(*count),
                _ => None,
            };
            let promised = (promised("permissions"), promised("roles"));
            match self.attack(now).await {
                Ok(seen) => seen.weigh(now, promised),
                Err(error) => Proof::unknown(now, error.to_string()),
            }
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let now = cx.clock.now();
            match self.seed(cx).await {
                Ok(proof) => proof,
                Err(error) => Proof::unknown(now, error.to_string()),
            }
        })
    }
}

impl Permissions {
    async fn attack(&self, now: Timestamp) -> Result<Seen> {
        let tx = self.house.access.db.operator().await?;
        let seen = attack(&tx, now).await;
        tx.rollback().await?;
        seen
    }

    async fn seed(&self, cx: &Cx) -> Result<Proof> {
        let now = cx.clock.now();
        let scratch = self.house.owner.scratch(&self.house.programs, &*cx.rng).await?;
        let found = find_seeds(scratch.db(), now).await;
        scratch.remove().await?;
        found
    }
}

/// What one attack saw.
#[derive(Default)]
struct Seen {
    permissions: usize,
    roles: usize,
    decided: usize,
    findings: Vec<Finding>,
}

impl Seen {
    fn weigh(mut self, now: Timestamp, promised: (Option<u64>, Option<u64>)) -> Proof {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        for (what, has, wanted) in
            [("permissions", self.permissions, promised.0), ("roles", self.roles, promised.1)]
        {
            if wanted.is_some_and(|wanted| wanted != count(has)) {
                let wanted = wanted.unwrap_or_default();
                let what_of = format!("the database has {has}, the page says {wanted}");
                self.findings.push(Finding::new(what, what_of));
            }
        }
        let population = Population::new(self.decided, self.permissions * self.roles, OF);
        let measured = format!(
            "{} permissions, {} roles, {} pairs decided",
            self.permissions, self.roles, self.decided
        );
        Proof::weigh(
            now,
            population,
            measured,
            "each pair as in the reviewed matrix",
            self.findings,
        )
    }
}

/// Decides every pair inside `tx`, which the caller undoes.
async fn attack(tx: &Tx, now: Timestamp) -> Result<Seen> {
    let golden = Matrix::golden()?;
    let live = service::names(tx).await?;
    let roles: Vec<(String, i32)> = tx
        .query(sql::SHIPPED_ROLES, &[])
        .await?
        .iter()
        .map(|row: &Row| (row.get(0), row.get(1)))
        .collect();
    let mut seen = Seen { permissions: live.len(), roles: roles.len(), ..Seen::default() };
    let here = tenant(HERE)?;
    let (routes, paths) = routes(&live)?;
    catalogue(&golden, &live, &roles, &mut seen.findings);
    rings(tx, &mut seen.findings).await?;
    for (name, id) in &roles {
        let (why, until, once) = ("a proof", None::<Timestamp>, None::<&str>);
        tx.execute(sql::GRANT, &[&SOMEBODY, &HERE, id, &why, &why, &now, &until, &once]).await?;
        let standing = service::read(tx, SOMEBODY, &here, now).await?;
        tx.execute(sql::REVOKE, &[&SOMEBODY, &HERE, id, &now, &"a proof", &None::<&str>]).await?;
        let who = somebody(standing, here.clone(), now)?;
        let permits = golden.permits(name).copied().unwrap_or_default();
        for (permission, path) in &paths {
            let (passage, _) = decide(&routes, &who, ("GET", path), now);
            seen.decided += 1;
            let may = passage == Passage::Open;
            if may != permits.has(*permission) {
                let said = if may {
                    "is permitted, and was reviewed as refused"
                } else {
                    "is refused, and was reviewed as permitted"
                };
                let title = live.iter().find(|(id, _)| id == permission);
                let title = title.map(|(_, name)| name.as_str()).unwrap_or_default();
                seen.findings.push(Finding::new(format!("{name} × {title}"), said));
            }
        }
    }
    foreign(tx, now, &mut seen.findings).await?;
    Ok(seen)
}

/// One route for each permission, so that a decision about it is a decision about a request.
fn routes(live: &[(PermissionId, String)]) -> Result<(Routes, Vec<(PermissionId, String)>)> {
    let mut text = String::new();
    let catalogue = Catalogue::shipped()?;
    let known = live.iter().filter(|(id, name)| catalogue.number(name) == Some(*id));
    let mut paths = Vec::new();
    for (id, name) in known {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "[[route]]\npath = \"/{name}\"\nGET = \"{name}\"\n");
        paths.push((*id, format!("/{name}")));
    }
    Ok((Routes::read(&text, catalogue)?, paths))
}

/// What the database has beside the matrix, and the other way round.
fn catalogue(
    golden: &Matrix,
    live: &[(PermissionId, String)],
    roles: &[(String, i32)],
    findings: &mut Vec<Finding>,
) {
    let reviewed: BTreeMap<_, _> = golden.permissions.iter().map(|(id, n)| (*id, n)).collect();
    let there: BTreeMap<_, _> = live.iter().map(|(id, n)| (*id, n)).collect();
    for (id, name) in &reviewed {
        if there.get(id) != Some(name) {
            findings.push(Finding::new(name.as_str(), "was reviewed, and is not in the database"));
        }
    }
    for (id, name) in &there {
        if reviewed.get(id) != Some(name) {
            findings.push(Finding::new(name.as_str(), "is in the database, and was not reviewed"));
        }
    }
    let known: BTreeSet<&str> = golden.roles.iter().map(String::as_str).collect();
    let has: BTreeSet<&str> = roles.iter().map(|(name, _)| name.as_str()).collect();
    for name in known.symmetric_difference(&has) {
        let what = if has.contains(name) { "was not reviewed" } else { "is missing" };
        findings.push(Finding::new(format!("role {name}"), what));
    }
}

/// Rings of parents: the reading survives them, and nobody can say what was meant.
async fn rings(tx: &Tx, findings: &mut Vec<Finding>) -> Result<()> {
    for row in tx.query(sql::RINGS, &[]).await? {
        let name: String = row.get(0);
        findings.push(Finding::new(format!("role {name}"), "inherits from itself"));
    }
    Ok(())
}

/// A role of another tenant: it can be granted there, it cannot be granted here, and the one who
/// has it there has nothing by it here.
async fn foreign(tx: &Tx, now: Timestamp, findings: &mut Vec<Finding>) -> Result<()> {
    let title = "of a proof";
    let none = None::<i32>;
    let bound: store::Bound<'_> = &[&ELSEWHERE, &"Amanah proof", &title, &1i16, &none, &none];
    let made = tx.query_opt(sql::ADD_ROLE, bound).await?;
    let Some(role) = made.map(|row| row.get::<_, i32>(0)) else {
        let what = "a proof's own role was left over, so that this could not be tried";
        return Err(crate::Error::Catalogue(what.to_owned()));
    };
    tx.execute(sql::FILL_ROLE, &[&role, &vec![0i16, 2]]).await?;
    let (until, once) = (None::<Timestamp>, None::<&str>);
    let grant: store::Bound<'_> = &[&SOMEBODY, &HERE, &role, &title, &title, &now, &until, &once];
    if tx.attempt(sql::GRANT, grant).await?.is_ok() {
        let what = "can be granted in a tenant that it is not of";
        findings.push(Finding::new("a role of another tenant", what));
    }
    let there: store::Bound<'_> =
        &[&SOMEBODY, &ELSEWHERE, &role, &title, &title, &now, &until, &once];
    tx.execute(sql::GRANT, there).await?;
    let count = async |place: &str| -> Result<u32> {
        Ok(service::read(tx, SOMEBODY, &tenant(place)?, now).await?.permits.count())
    };
    if count(ELSEWHERE).await? != 2 {
        let what = "permits something else than what it was given";
        findings.push(Finding::new("a role of a tenant's own", what));
    }
    if count(HERE).await? != 0 {
        let what = "counts in a tenant that it is not of";
        findings.push(Finding::new("a role of another tenant", what));
    }
    Ok(())
}

fn somebody(standing: Standing, tenant: TenantId, now: Timestamp) -> Result<Identity> {
    let wrong =
        |error: kernel::IdError| crate::Error::Field { field: "name", why: error.to_string() };
    Ok(Identity {
        account: SOMEBODY.to_owned(),
        actor: Actor::new("a proof").map_err(wrong)?,
        name: "A proof".to_owned(),
        tenant,
        standing,
        strength: Strength::Hardware,
        authenticated_at: now,
        session: SOMEBODY.to_owned(),
        door: Door::Browser,
    })
}

fn tenant(name: &str) -> Result<TenantId> {
    TenantId::new(name)
        .map_err(|error| crate::Error::Field { field: "tenant", why: error.to_string() })
}

/// Seeds one violation after the other, each in a transaction that is undone, and attacks.
async fn find_seeds(db: &store::Db, now: Timestamp) -> Result<Proof> {
    let tx = db.operator().await?;
    tx.execute(sql::SEED_LINEAGE, &[]).await?;
    for migration in ROOM.migrations.iter().filter(|m| m.name.ends_with("catalogue")) {
        tx.batch(migration.sql).await?;
    }
    tx.commit().await?;
    let tx = db.operator().await?;
    let intact = attack(&tx, now).await?;
    tx.rollback().await?;
    if let Some(finding) = intact.findings.first() {
        return Ok(Proof::unknown(now, format!("a whole copy does not pass: {finding}")));
    }
    let (mut findings, mut missed) = (Vec::new(), Vec::new());
    for (what, seed, wanted) in seeds::RIGHTS {
        let tx = db.operator().await?;
        tx.batch(seed).await?;
        let seen = attack(&tx, now).await?;
        tx.rollback().await?;
        let found = seen.findings.iter().find(|finding| finding.to_string().starts_with(wanted));
        match found {
            Some(found) => findings.push(Finding::new(what, found.to_string())),
            None => missed.push(what),
        }
    }
    let population = Population::new(findings.len(), seeds::RIGHTS.len(), "violations");
    if !missed.is_empty() {
        return Ok(Proof::missed(now, population, format!("not found: {}", missed.join(", "))));
    }
    let measured = format!("{} of {} found", findings.len(), seeds::RIGHTS.len());
    Ok(Proof::weigh(now, population, measured, "all of them", findings))
}
