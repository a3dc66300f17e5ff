//! The two claims: who is attacked by what, and what is found.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use kernel::{Control, Cx, Outcome, Params, Proof, SystemRng};

use super::{World, tenant, world};
use crate::Caches;
use crate::redis::bite::called;
use crate::redis::{Claim, Redis};

const HOUR: Duration = Duration::from_hours(1);

impl World {
    fn controls(&self) -> [Arc<dyn Control>; 2] {
        Caches::new(self.redis.clone()).controls().try_into().ok().unwrap()
    }

    fn cx(&self) -> Cx {
        Cx { clock: Arc::<kernel::ManualClock>::clone(&self.clock), rng: Arc::new(SystemRng) }
    }

    async fn prove(&self) -> [Proof; 2] {
        let (cx, [keys, channels]) = (self.cx(), self.controls());
        let none = Params::default();
        [keys.prove(&cx, &none).await, channels.prove(&cx, &none).await]
    }
}

#[tokio::test]
async fn the_attacks_are_held_off() {
    let world = world().await;
    world.redis.lease(&tenant("a"), HOUR).await.unwrap();
    let (mut table, mut kinds) = (String::new(), Vec::new());
    for (claim, least) in [(Claim::Cache, 30), (Claim::Channels, 12)] {
        let report = world.redis.attack(claim).await.unwrap();
        assert!(report.findings.is_empty() && report.missed.is_empty(), "{report:#?}");
        assert!(report.matrix.len() >= least, "{}", report.matrix.len());
        writeln!(table, "{claim:?}: {} attempts", report.strikes).unwrap();
        kinds.push(report.matrix.len());
        for (name, word) in &report.matrix {
            writeln!(table, "  {word:<6} {name}").unwrap();
        }
    }
    insta::assert_snapshot!("matrix", table);
    let [keys, channels] = kinds[..] else { panic!("{kinds:?}") };
    let told = format!("keys by {keys} kinds of attack and for its channels by {channels};");
    testkit::told("docs/redis.md", &told);
}

#[tokio::test]
async fn it_is_proven_when_somebody_is_there_and_nothing_is_left() {
    let world = world().await;
    for proof in world.prove().await {
        assert_eq!(proof.outcome(), Outcome::Unknown);
        assert!(proof.detail().contains("no tenant has a place"), "{}", proof.detail());
    }
    world.redis.lease(&tenant("a"), HOUR).await.unwrap();
    for proof in world.prove().await {
        assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
        // The tenant's, the three of the battery, Amanah's own and `default`.
        assert_eq!(proof.population().to_string(), "6 of 6 logins");
    }
    assert_eq!(crate::redis::wire::texts(&world.run("KEYS *").await), [""; 0]);
    assert_eq!(crate::redis::users(&mut world.admin().await).await.unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_open_on_the_running_server_is_found() {
    let world = world().await;
    world.redis.lease(&tenant("a"), HOUR).await.unwrap();
    for (seed, undo, told) in [
        ("ACL SETUSER default on nopass ~* &* +@all", "ACL SETUSER default reset off", "is on"),
        ("ACL SETUSER clerk on >x ~* &* +get +publish", "ACL DELUSER clerk", "may reach tenants'"),
    ] {
        world.run(seed).await;
        for proof in world.prove().await {
            assert_eq!(proof.outcome(), Outcome::Broken);
            assert!(proof.detail().contains(told), "{}", proof.detail());
        }
        world.run(undo).await;
    }
    world.run("ACL SETUSER operator on >x ~* &* +@all").await;
    for proof in world.prove().await {
        assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
        assert!(
            proof.detail().contains("trusted by redis.trusted: operator"),
            "{}",
            proof.detail()
        );
    }
    // Over its time, and nobody removed it.
    world.clock.set(world.redis.now() + SignedDuration::from_mins(62));
    for proof in world.prove().await {
        assert!(proof.detail().contains("its time is over"), "{}", proof.detail());
    }
}

#[tokio::test]
async fn without_a_server_it_is_unknown_until_there_is_one() {
    let world = world().await;
    let [kept, shut, gone] = ["kept", "shut", "gone"].map(tenant);
    for id in [&kept, &shut, &gone] {
        world.redis.lease(id, HOUR).await.unwrap();
    }
    world.server.stop().await.unwrap();
    for proof in world.prove().await {
        assert_eq!(proof.outcome(), Outcome::Unknown);
        assert!(proof.detail().contains("Redis at"), "{}", proof.detail());
    }
    // As after a start that finds no program.
    let why = "redis-server is not there".to_owned();
    let redis = Redis::absent(world.redis.settings.clone(), why.clone());
    let (caches, cx) = (Caches::new(redis.clone()), world.cx());
    for control in caches.controls() {
        for proof in [control.prove(&cx, &Params::default()).await, control.bite(&cx).await] {
            assert_eq!(proof.outcome(), Outcome::Unknown);
            assert!(proof.detail().contains(&why), "{}", proof.detail());
        }
    }
    let refused = redis.lease(&kept, HOUR).await.unwrap_err();
    assert!(refused.to_string().contains(&why), "{refused}");
    assert!(redis.keep().await.is_err());
    // Nobody comes back with the server who was shut out or erased without it.
    assert_eq!(caches.suspend(&shut).await.unwrap(), Some(0));
    let cleared = caches.erase(&gone).await.unwrap().unwrap();
    assert_eq!((cleared.keys, cleared.logins), (0, 0));
    assert_eq!(caches.erase(&tenant("nobody")).await.unwrap(), None);

    assert!(world.server.revive().await.unwrap());
    redis.take_up(&world.server);
    assert_eq!(redis.absence(), None);
    assert_eq!(redis.keep().await.unwrap(), (0, 1), "the one login that is still meant");
    assert!(matches!(redis.lease(&shut, HOUR).await, Err(crate::Error::NoCache(_))));
    for control in caches.controls() {
        let proof = control.prove(&cx, &Params::default()).await;
        assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    }
}

#[tokio::test]
async fn every_violation_is_found() {
    let world = world().await;
    world.redis.lease(&tenant("a"), HOUR).await.unwrap();
    let mut seeded = Vec::new();
    for (control, claim) in world.controls().iter().zip([Claim::Cache, Claim::Channels]) {
        let bite = control.bite(&world.cx()).await;
        assert_eq!(bite.outcome(), Outcome::Broken, "{}", bite.detail());
        let names: BTreeSet<&str> = called(claim).collect();
        let checked = usize::try_from(bite.population().checked).unwrap();
        assert_eq!(checked, names.len(), "each has a name of its own");
        seeded.push(names.len());
    }
    let [keys, channels] = seeded[..] else { panic!("{seeded:?}") };
    let told = format!("The bite seeds {keys} violations for keys and {channels} for channels,");
    testkit::told("docs/redis.md", &told);
}
