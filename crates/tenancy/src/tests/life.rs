//! A tenant is shut out of everything that can be shut, and let in to Redis last.

use std::time::Duration;

use kernel::{Condition, FileName, Secret, SystemRng, TenantFiles as _, TenantId};

use super::archive::{Site, site};
use super::cells::{Ground, ground};
use super::fleet::tenant;
use super::moving::kill;
use crate::{
    CACHE_ROOM, Caches, Error, Life, Redis, RedisSettings, Server, ServerSettings, State, Turned,
};

const SHORT: Duration = Duration::from_mins(1);

/// A house with the cell `east`, files and a Redis.
struct House {
    site: Site,
    east: Ground,
    redis: Redis,
    server: Server,
    life: Life,
}

async fn house() -> House {
    let (site, east) = (site(true).await, ground().await);
    east.join(&site, "east").await;
    store::migrate(&site.registry, &[&CACHE_ROOM]).await.unwrap();
    let data = testkit::server_dir("redis/server.pid");
    let password = Secret::new("a-password-for-tests".to_owned());
    let settings = ServerSettings { data: data.clone(), program: None, memory_mib: 64, password };
    let server = Server::open(&settings, &SystemRng).await.unwrap().unwrap();
    let settings = RedisSettings {
        registry: site.registry.clone(),
        data,
        program: None,
        installation: "0123abcd".to_owned(),
        naming: Secret::new("a secret for names".to_owned()),
        trusted: Vec::new(),
        clock: super::fleet::cx().clock,
        rng: super::fleet::cx().rng,
    };
    let redis = Redis::on_managed(settings, &server);
    let life = Life {
        fleet: site.fleet.clone(),
        caches: Caches::new(redis.clone()),
        files: std::sync::Arc::new(site.files.clone()),
    };
    House { site, east, redis, server, life }
}

impl House {
    /// A tenant on `cell`, which has `logins` on Redis.
    async fn made(&self, id: &str, cell: &str, logins: usize) -> TenantId {
        let id = tenant(id);
        self.life.add(&id, Some(cell)).await.unwrap();
        for _ in 0..logins {
            self.redis.lease(&id, SHORT).await.unwrap();
        }
        id
    }
}

fn state(turned: &Turned) -> State {
    match turned {
        Turned::Whole(tenant) => tenant.state,
        Turned::OnRedis(state) => *state,
    }
}

/// The cell is down: Redis is shut all the same, also for one that had no place there, and nothing is
/// opened before the database is.
#[tokio::test]
async fn what_can_be_shut_is_shut_and_nothing_opens_first() {
    let house = house().await;
    let (a, b) = (house.made("a", "east", 1).await, house.made("b", "east", 0).await);
    kill(house.east.server.cluster());
    for id in [&a, &b] {
        let told = house.life.suspend(id).await.unwrap_err();
        assert!(matches!(told, Error::Partly { .. }), "{told}");
        let words = told.to_string();
        assert!(words.contains("is not shut out of its database and its files"), "{words}");
        assert!(words.contains("It is shut out of Redis"), "{words}");
        assert_eq!(house.life.fleet.find(id).await.unwrap().state, State::Active);
        assert_eq!(house.redis.standing(id).await.unwrap(), Some((true, 0)));
        let told = house.life.resume(id).await.unwrap_err();
        assert!(matches!(told, Error::Unreachable { .. }), "{told}");
        let refused = house.redis.lease(id, SHORT).await.unwrap_err();
        assert!(matches!(refused, Error::NoCache(_)), "{refused}");
    }
    house.east.server.cluster().revive().await.unwrap();
    assert_eq!(state(&house.life.suspend(&a).await.unwrap()), State::Suspended);
    assert_eq!(state(&house.life.resume(&a).await.unwrap()), State::Active);
    house.redis.lease(&a, SHORT).await.unwrap();
}

/// Redis is down: the database is shut, and there is no new login.
#[tokio::test]
async fn a_redis_that_is_down_is_told() {
    let house = house().await;
    let id = house.made("a", "home", 1).await;
    let alone = tenant("kios");
    house.redis.lease(&alone, SHORT).await.unwrap();
    house.server.stop().await.unwrap();
    let told = house.life.suspend(&alone).await.unwrap_err().to_string();
    assert!(told.contains("gets no login on Redis any more"), "{told}");
    assert_eq!(house.redis.standing(&alone).await.unwrap(), Some((true, 0)));
    let told = house.life.suspend(&id).await.unwrap_err().to_string();
    assert!(told.contains("is shut out of its database and its files"), "{told}");
    assert!(told.contains("may still be good"), "{told}");
    assert_eq!(house.life.fleet.find(&id).await.unwrap().state, State::Suspended);
    assert!(house.server.revive().await.unwrap());
    assert_eq!(state(&house.life.suspend(&id).await.unwrap()), State::Suspended);
    let refused = house.redis.lease(&id, SHORT).await.unwrap_err();
    assert!(matches!(refused, Error::NotActive { .. }), "{refused}");
}

/// What is refused changes nothing, anywhere.
#[tokio::test]
async fn who_is_refused_finds_everything_as_it_was() {
    let house = house().await;
    let id = house.made("a", "home", 1).await;
    let erasing = house.life.fleet.erase(&id).await.unwrap();
    house.site.sql("amanah", "UPDATE tenancy.tenants SET state = 'active' WHERE id = 'a'").await;
    for busy in [house.life.suspend(&id).await, house.life.resume(&id).await] {
        assert!(matches!(busy, Err(Error::Taken(_))), "{busy:?}");
    }
    assert_eq!(house.redis.standing(&id).await.unwrap(), Some((false, 1)));
    house.site.sql("amanah", "UPDATE tenancy.tenants SET state = 'erasing' WHERE id = 'a'").await;
    erasing.leave().await;
    house.redis.suspend(&id).await.unwrap();
    for refused in [house.life.resume(&id).await, house.life.suspend(&id).await] {
        assert!(matches!(refused, Err(Error::NotActive { .. })), "{refused:?}");
    }
    assert_eq!(house.redis.standing(&id).await.unwrap(), Some((true, 0)), "still shut");
    let unknown = tenant("nobody");
    for refused in [house.life.suspend(&unknown).await, house.life.resume(&unknown).await] {
        assert!(matches!(refused, Err(Error::NoTenant(_))), "{refused:?}");
    }
    assert_eq!(house.redis.standing(&unknown).await.unwrap(), None);
}

/// A tenant of a shared database has a place on Redis alone.
#[tokio::test]
async fn a_place_alone_is_shut_and_opened() {
    let house = house().await;
    let id = tenant("kios");
    house.redis.lease(&id, SHORT).await.unwrap();
    let turned = house.life.suspend(&id).await.unwrap();
    assert!(matches!(turned, Turned::OnRedis(State::Suspended)), "{turned:?}");
    assert!(house.redis.lease(&id, SHORT).await.is_err());
    let turned = house.life.resume(&id).await.unwrap();
    assert!(matches!(turned, Turned::OnRedis(State::Active)), "{turned:?}");
    house.redis.lease(&id, SHORT).await.unwrap();
}

/// Files that lie under a name from before are not the new tenant's, and are not lost either.
#[tokio::test]
async fn a_new_tenant_gets_no_files_of_an_old_one() {
    let house = house().await;
    house.site.put("shop", "left", b"theirs").await;
    for _ in 0..2 {
        let refused = house.life.add(&tenant("shop"), None).await.unwrap_err();
        assert!(matches!(refused, Error::HasFiles(_)), "{refused}");
    }
    assert_eq!(house.site.get("shop", "left").await.unwrap(), b"theirs");
    let left = FileName::new("left").unwrap();
    house.site.files.remove(&tenant("shop"), &left, &Condition::None).await.unwrap();
    house.life.add(&tenant("shop"), None).await.unwrap();
    house.site.put("shop", "own", b"x").await;
    let twin = house.life.add(&tenant("shop"), None).await.unwrap_err();
    assert!(matches!(twin, Error::Exists(_)), "{twin}");
    house.site.sql("amanah", "UPDATE tenancy.tenants SET state = 'making' WHERE id = 'shop'").await;
    let half = house.life.add(&tenant("shop"), None).await.unwrap_err();
    assert!(matches!(half, Error::HasFiles(_)), "{half}");
    assert_eq!(house.site.get("shop", "own").await.unwrap(), b"x");
}
