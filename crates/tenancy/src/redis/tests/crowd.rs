//! One tenant takes all connections of the server: nobody else is let in, Amanah as little.

use std::time::Duration;

use jiff::Timestamp;

use super::{World, enter, tenant, world};
use crate::CacheLease;
use crate::redis::wire::{Wire, text};

const HOUR: Duration = Duration::from_hours(1);

/// Connects until the server takes no more.
async fn crowd(world: &World, lease: &CacheLease) -> Vec<Wire> {
    world.run("CONFIG SET maxclients 20").await;
    let mut all = Vec::new();
    while let Ok(wire) = enter(lease).await {
        assert!(all.len() < 20, "the server has a limit");
        all.push(wire);
    }
    all
}

#[tokio::test]
async fn who_takes_all_connections_is_shut_out_all_the_same() {
    let world = world().await;
    let (greedy, other) = (tenant("greedy"), tenant("other"));
    let lease = world.redis.lease(&greedy, HOUR).await.unwrap();
    let theirs = world.redis.lease(&other, HOUR).await.unwrap();
    assert_eq!(world.redis.keep().await.unwrap(), (0, 0));
    let clients = text(&world.run("CLIENT LIST").await).unwrap();
    let flags = |line: &str| Some(line.split_once(" flags=")?.1.split_once(' ')?.0.to_owned());
    let stays = |line: &str| {
        line.contains(" user=amanah ") && flags(line).is_some_and(|flags| flags.contains('e'))
    };
    assert!(clients.lines().any(stays), "it is not closed for want of memory: {clients}");
    let mut all = crowd(&world, &lease).await;
    assert!(enter(&theirs).await.is_err(), "nobody is let in");
    assert_eq!(world.redis.keep().await.unwrap(), (0, 0), "Amanah is in");

    let told = world.redis.suspend(&greedy).await.unwrap_err().to_string();
    assert!(told.contains("max number of clients"), "{told}");
    assert_eq!(world.redis.keep().await.unwrap(), (1, 0));
    for wire in &mut all {
        assert!(wire.ask(["PING"]).await.is_err(), "its connections are closed");
    }
    enter(&theirs).await.unwrap().ask(["PING"]).await.unwrap();
    assert_eq!(world.redis.suspend(&greedy).await.unwrap(), 0, "nothing is left of it");
}

/// The registry is away for a moment, while no second connection to the server is to be had.
#[tokio::test]
async fn a_registry_that_is_away_shuts_nobody_but_the_tenant_out() {
    let world = world().await;
    let lease = world.redis.lease(&tenant("greedy"), HOUR).await.unwrap();
    assert_eq!(world.redis.keep().await.unwrap(), (0, 0));
    let mut all = crowd(&world, &lease).await;
    let registry = async |sql| {
        let tx = world.redis.settings.registry.operator().await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
    };
    registry("ALTER TABLE cache.leases RENAME TO away").await;
    for _ in 0..2 {
        let told = world.redis.keep().await.unwrap_err().to_string();
        assert!(told.contains("cache.leases"), "{told}");
    }
    registry("ALTER TABLE cache.away RENAME TO leases").await;
    world.clock.set(Timestamp::UNIX_EPOCH + 2 * HOUR);
    assert_eq!(world.redis.keep().await.unwrap(), (1, 0));
    for wire in &mut all {
        assert!(wire.ask(["PING"]).await.is_err(), "its connections are closed");
    }
}

/// A server that takes nobody in is still there: it is adopted, and it can be stopped.
#[tokio::test]
async fn a_server_that_takes_nobody_in_is_adopted_and_stopped() {
    let world = world().await;
    let lease = world.redis.lease(&tenant("greedy"), HOUR).await.unwrap();
    let all = crowd(&world, &lease).await;
    let again = super::server(&world.data).await;
    assert_eq!(again.pid_file(), world.server.pid_file());
    assert!(!again.revive().await.unwrap(), "it is not dead");
    again.stop().await.unwrap();
    assert!(!world.server.is_running());
    drop(all);
}

/// Without its program a server that runs is still the one to be asked.
#[tokio::test]
async fn a_server_whose_program_is_gone_is_adopted() {
    let world = world().await;
    let program = world.data.join("gone");
    let settings =
        super::ServerSettings { program: Some(program.clone()), ..super::settings(&world.data) };
    let impossible = || super::Server::impossible(&world.data, Some(&program));
    assert_eq!(impossible(), None);
    let server = super::Server::open(&settings, &kernel::SystemRng).await.unwrap().unwrap();
    server.door().enter().await.unwrap().ask(["PING"]).await.unwrap();
    server.stop().await.unwrap();
    let why = impossible().unwrap();
    assert!(why.contains("gone is not there; install it"), "{why}");
    let dead = server.revive().await.unwrap_err().to_string();
    assert!(dead.contains(&why), "{dead}");
}
