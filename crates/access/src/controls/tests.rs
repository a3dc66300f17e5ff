//! The controls on a real PostgreSQL: what holds, what is broken, and what bites.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use kernel::catalogue::find;
use kernel::{
    Actor, Clock as _, Control, Cx, Door as Way, Fut, Gatekeeper, Identity, ManualClock, Outcome,
    Params, Passage, Standing, Strength, SystemRng, TenantId,
};
use testkit::TestDb;

use super::{Answer, Caller, Door, House, STALE_AFTER, Scratch, controls};
use crate::{Access, By, Catalogue, Matrix, NewGrant, Routes};

/// A gateway of a few lines, which decides by the gatekeeper as the real one does.
struct Fake {
    gatekeeper: Arc<dyn Gatekeeper>,
    callers: BTreeMap<Caller, Standing>,
    answered: Mutex<usize>,
}

impl Door for Fake {
    fn ask<'a>(
        &'a self,
        caller: &'a Caller,
        requests: &'a [(String, String)],
    ) -> Fut<'a, Result<Vec<Answer>, String>> {
        Box::pin(async move {
            *self.answered.lock().unwrap() += requests.len();
            let mut who = self.callers.get(caller).map(|standing| identity(standing.clone()));
            if let Some(who) = who.as_mut().filter(|_| *caller == Caller::Stale) {
                who.authenticated_at -= STALE_AFTER;
            }
            let answer = |(method, path): &(String, String)| match &who {
                None => Answer::Refused("signed_out".to_owned()),
                Some(who) => match self.gatekeeper.pass(who, method, path) {
                    Passage::Open => Answer::LetThrough,
                    Passage::Denied => Answer::Refused("denied".to_owned()),
                    Passage::Unmapped => Answer::Refused("unmapped".to_owned()),
                    Passage::StepUp => Answer::Refused("step_up".to_owned()),
                },
            };
            Ok(requests.iter().map(answer).collect())
        })
    }
}

struct Fakes;

impl Scratch for Fakes {
    fn start(
        &self,
        gatekeeper: Arc<dyn Gatekeeper>,
        callers: Vec<(Caller, Standing)>,
    ) -> Fut<'_, Result<Box<dyn Door>, String>> {
        let callers = callers.into_iter().collect();
        let fake = Fake { gatekeeper, callers, answered: Mutex::new(0) };
        Box::pin(async move { Ok(Box::new(fake) as Box<dyn Door>) })
    }
}

fn identity(standing: Standing) -> Identity {
    Identity {
        account: "00000000-0000-4000-8000-000000000001".to_owned(),
        actor: Actor::new("a@b").unwrap(),
        name: "A".to_owned(),
        tenant: TenantId::new("sinar").unwrap(),
        standing,
        strength: Strength::One,
        authenticated_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        session: "s".to_owned(),
        door: Way::Browser,
    }
}

struct Trial {
    base: TestDb,
    clock: Arc<ManualClock>,
    cx: Cx,
    access: Arc<Access>,
}

impl Trial {
    async fn new() -> Self {
        let base = testkit::database(&[&crate::ROOM]).await;
        let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
        let cx = Cx { clock: Arc::<ManualClock>::clone(&clock), rng: Arc::new(SystemRng) };
        let access = Arc::new(Access::new(base.engine.clone(), Arc::clone(&cx.clock)));
        Self { base, clock, cx, access }
    }

    fn guard(&self) {
        let text = include_str!("../../../../demo/routes.toml");
        self.access.guard(Routes::read(text, Catalogue::shipped().unwrap()).unwrap());
    }

    fn control(&self, id: &str, door: Option<Arc<dyn Door>>) -> Arc<dyn Control> {
        let house = House {
            access: Arc::clone(&self.access),
            owner: self.base.owner.clone(),
            programs: self.base.programs.clone(),
            door,
            scratch: Arc::new(Fakes),
            canaries: vec![TenantId::new("canary").unwrap()],
        };
        controls(house).into_iter().find(|control| control.card().id == id).unwrap()
    }

    async fn prove(&self, id: &str, door: Option<Arc<dyn Door>>, given: &str) -> kernel::Proof {
        let pairs = given.split('&').filter_map(|pair| pair.split_once('='));
        let params = Params::check(find(id).unwrap(), pairs).unwrap();
        self.control(id, door).prove(&self.cx, &params).await
    }

    async fn alter(&self, sql: &str) {
        let tx = self.base.owner.operator().await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
    }
}

const COUNTS: &str = "permissions=528&roles=18";

#[tokio::test]
async fn every_pair_is_decided_and_nothing_of_it_stays() {
    let trial = Trial::new().await;
    let proof = trial.prove("access.permissions", None, COUNTS).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    assert_eq!(proof.population().checked, 528 * 18);
    let tx = trial.base.owner.operator().await.unwrap();
    let left = "SELECT (SELECT count(*) FROM access.grants) + (SELECT count(*) FROM access.roles)";
    assert_eq!(tx.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 18);
    tx.commit().await.unwrap();
    let other = trial.prove("access.permissions", None, "permissions=529&roles=18").await;
    assert_eq!(other.detail(), "permissions: the database has 528, the page says 529");

    trial
        .alter(
            "INSERT INTO access.role_permissions SELECT r.id, p.id FROM access.roles r, access.permissions p \
             WHERE r.name = 'canary' AND p.name = 'trail.erase'",
        )
        .await;
    let broken = trial.prove("access.permissions", None, COUNTS).await;
    assert!(
        broken.detail().starts_with("canary × trail.erase: is permitted"),
        "{}",
        broken.detail()
    );
}

#[tokio::test]
async fn the_bites_find_all_that_they_seed() {
    let trial = Trial::new().await;
    for (id, seeded) in
        [("access.permissions", 9), ("access.per-action", 8), ("access.least-privilege", 3)]
    {
        let bite = trial.control(id, None).bite(&trial.cx).await;
        assert_eq!(bite.outcome(), Outcome::Broken, "{id}: {}", bite.detail());
        assert_eq!(bite.population().checked, seeded, "{id}");
    }
}

#[tokio::test]
async fn requests_are_judged_by_the_matrix() {
    let trial = Trial::new().await;
    let unknown = trial.prove("access.per-action", None, "").await;
    assert_eq!(unknown.outcome(), Outcome::Unknown);
    trial.guard();
    assert_eq!(trial.prove("access.per-action", None, "").await.outcome(), Outcome::Unknown);
    let golden = Matrix::golden().unwrap();
    let door = |change: &dyn Fn(&mut BTreeMap<Caller, Standing>)| {
        let mut callers: BTreeMap<Caller, Standing> = golden
            .roles
            .iter()
            .map(|role| {
                let permits = *golden.permits(role).unwrap();
                (Caller::Role(role.clone()), Standing { permits, ..Standing::default() })
            })
            .collect();
        callers.insert(Caller::Foreign, Standing::default());
        let all = golden.roles.iter().flat_map(|role| golden.permits(role).unwrap().iter());
        let permits = all.collect();
        callers.insert(Caller::Stale, Standing { permits, ..Standing::default() });
        change(&mut callers);
        let gatekeeper = Arc::<Access>::clone(&trial.access);
        Some(Arc::new(Fake { gatekeeper, callers, answered: Mutex::new(0) }) as Arc<dyn Door>)
    };
    let proof = trial.prove("access.per-action", door(&|_| ()), "").await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    assert!(proof.population().total > 13 * 7 * 20, "{}", proof.population());
    let viewer = Caller::Role("viewer".to_owned());
    let much = trial
        .prove(
            "access.per-action",
            door(&|callers| {
                let owner = callers[&Caller::Role("owner".to_owned())].clone();
                callers.insert(viewer.clone(), owner);
            }),
            "",
        )
        .await;
    assert!(much.detail().contains("as viewer: was let through"), "{}", much.detail());
    // Whoever is not recognised proves nothing.
    let gone =
        trial.prove("access.per-action", door(&|callers| drop(callers.remove(&viewer))), "").await;
    assert_eq!(gone.outcome(), Outcome::Unknown, "{}", gone.detail());
}

#[tokio::test]
async fn what_nobody_uses_is_named_once_the_history_is_long_enough() {
    let trial = Trial::new().await;
    assert_eq!(
        trial.prove("access.least-privilege", None, "unused=90d").await.outcome(),
        Outcome::Unknown
    );
    trial.guard();
    let tenant = TenantId::new("sinar").unwrap();
    for (account, role, place) in
        [(1, "viewer", "sinar"), (2, "approver", "sinar"), (3, "editor", "canary")]
    {
        let new = NewGrant {
            account: format!("00000000-0000-4000-8000-00000000000{account}"),
            tenant: TenantId::new(place).unwrap(),
            role: role.to_owned(),
            reason: "a test".to_owned(),
            until: None,
        };
        trial.access.grant(&By::operator("a test").unwrap(), &new).await.unwrap();
    }
    let young = trial.prove("access.least-privilege", None, "unused=90d").await;
    assert!(young.detail().contains("since 2026-01-01"), "{}", young.detail());
    trial.clock.set(trial.clock.now() + SignedDuration::from_hours(91 * 24));
    let standing = trial.access.standing_now("00000000-0000-4000-8000-000000000001", &tenant).await;
    trial.access.pass(&identity(standing.unwrap()), "GET", "/products");
    let proof = trial.prove("access.least-privilege", None, "unused=90d").await;
    assert_eq!(
        (proof.outcome(), proof.findings().len()),
        (Outcome::Broken, 1),
        "{}",
        proof.detail()
    );
    assert!(proof.detail().starts_with("approver (grant "), "{}", proof.detail());
    let since = trial.clock.now() - SignedDuration::from_hours(90 * 24);
    let listed = trial.access.unused(since, &[TenantId::new("canary").unwrap()]).await.unwrap();
    assert_eq!(listed.len(), 1);
    trial
        .access
        .revoke(&By::operator("a test").unwrap(), &listed[0][1], &tenant, "approver")
        .await
        .unwrap();
    let proof = trial.prove("access.least-privilege", None, "unused=90d").await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
}
