//! Logins: what they reach, when they end, what is left of them.

use std::time::Duration;

use jiff::SignedDuration;
use kernel::Secret;

use super::{World, enter, tenant, world};
use crate::redis::wire::{text, texts};
use crate::redis::{Place, Redis, users};
use crate::{Error, MAX_LEASE};

const HOUR: Duration = Duration::from_hours(1);
/// How long is waited for what must come, however slow the machine is.
const PATIENCE: Duration = Duration::from_mins(2);

#[tokio::test]
async fn two_tenants_use_one_server_and_do_not_meet() {
    let world = world().await;
    let [a, b] = [tenant("Toko *[a]* Jaya"), tenant("مخبز الواحة")];
    let (a, b) =
        (world.redis.lease(&a, HOUR).await.unwrap(), world.redis.lease(&b, HOUR).await.unwrap());
    assert_ne!(a.prefix, b.prefix);
    let (mut mine, mut theirs) = (enter(&a).await.unwrap(), enter(&b).await.unwrap());
    for (wire, lease) in [(&mut mine, &a), (&mut theirs, &b)] {
        wire.ask(["SET", &format!("{}basket", lease.prefix), &lease.prefix]).await.unwrap();
    }
    let found = mine.ask(["GET", &format!("{}basket", a.prefix)]).await.unwrap();
    assert_eq!(text(&found), Some(a.prefix.clone()));
    for key in [format!("{}basket", b.prefix), "basket".to_owned()] {
        let refused = mine.ask(["GET", &key]).await.unwrap_err().to_string();
        assert!(refused.contains("NOPERM"), "{refused}");
    }
    assert!(!format!("{:?}", world.redis.standing(&tenant("nobody")).await.unwrap()).contains('('));
}

/// Nothing on the server tells whose place it is.
#[tokio::test]
async fn the_server_knows_no_tenant_by_name() {
    let world = world().await;
    let lease = world.redis.lease(&tenant("Warung Melati"), HOUR).await.unwrap();
    enter(&lease).await.unwrap().ask(["SET", &format!("{}k", lease.prefix), "v"]).await.unwrap();
    for line in ["ACL LIST", "KEYS *", "CLIENT LIST", "ACL LOG", "CONFIG GET *"] {
        let told = format!("{:?}", world.run(line).await);
        assert!(!told.contains("Melati") && !told.contains("Warung"), "{line}: {told}");
    }
}

#[tokio::test]
async fn a_login_ends_and_takes_its_connections_with_it() {
    let world = world().await;
    let id = tenant("a");
    let short = world.redis.lease(&id, Duration::from_mins(10)).await.unwrap();
    let long = world.redis.lease(&id, MAX_LEASE * 9).await.unwrap();
    assert_eq!(long.until.duration_since(world.redis.now()), SignedDuration::from_hours(24));
    let (mut a, mut b) = (enter(&short).await.unwrap(), enter(&long).await.unwrap());
    assert_eq!(world.redis.keep().await.unwrap(), (0, 0));
    world.clock.set(world.redis.now() + SignedDuration::from_mins(11));
    assert_eq!(world.redis.keep().await.unwrap(), (1, 0));
    assert!(a.ask(["PING"]).await.is_err(), "its connection is closed");
    assert!(enter(&short).await.is_err(), "it is not let in again");
    b.ask(["PING"]).await.unwrap();
    assert_eq!(world.redis.standing(&id).await.unwrap(), Some((false, 1)));
}

/// Redis keeps logins in memory alone.
#[tokio::test]
async fn logins_come_back_when_the_server_was_killed() {
    let world = world().await;
    let lease = world.redis.lease(&tenant("a"), HOUR).await.unwrap();
    world.run("ACL SETUSER amr_0123abcd_x on nopass ~* &* +@all").await;
    let pid = std::fs::read_to_string(world.server.pid_file()).unwrap();
    assert!(
        std::process::Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success()
    );
    let dead = async {
        while world.server.is_running() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, dead).await.expect("it goes on");
    assert!(world.server.revive().await.unwrap());
    assert!(enter(&lease).await.is_err(), "it was forgotten");
    assert_eq!(world.redis.keep().await.unwrap(), (0, 1));
    enter(&lease).await.unwrap().ask(["PING"]).await.unwrap();
}

/// What is on the server and in no registry goes; logins of others stay.
#[tokio::test]
async fn only_our_own_logins_are_kept_in_order() {
    let world = world().await;
    for line in [
        "ACL SETUSER amr_0123abcd_x on nopass ~*",
        "ACL SETUSER amr_ffffffff_x on",
        "ACL SETUSER clerk on",
    ] {
        world.run(line).await;
    }
    assert_eq!(world.redis.keep().await.unwrap(), (1, 0));
    let there = users(&mut world.admin().await).await.unwrap();
    assert_eq!(there, ["amanah", "amr_ffffffff_x", "clerk", "default"]);
}

#[tokio::test]
async fn a_suspended_tenant_is_out_until_it_is_let_in_again() {
    let world = world().await;
    let id = tenant("a");
    let lease = world.redis.lease(&id, HOUR).await.unwrap();
    let key = format!("{}k", lease.prefix);
    let mut wire = enter(&lease).await.unwrap();
    wire.ask(["SET", &key, "kept"]).await.unwrap();
    assert_eq!(world.redis.suspend(&id).await.unwrap(), 1);
    assert!(wire.ask(["PING"]).await.is_err());
    let refused = world.redis.lease(&id, HOUR).await.unwrap_err();
    assert!(matches!(refused, Error::NoCache(_)), "{refused}");
    assert_eq!(world.redis.keep().await.unwrap(), (0, 0), "nothing brings it back");
    world.redis.resume(&id).await.unwrap();
    let again = world.redis.lease(&id, HOUR).await.unwrap();
    let found = enter(&again).await.unwrap().ask(["GET", &key]).await.unwrap();
    assert_eq!(text(&found).as_deref(), Some("kept"));
}

/// A tenant with a database of its own, as the registry has it, in a world where none is made.
async fn stands(world: &World, id: &str, state: &str) {
    let tx = world.redis.settings.registry.operator().await.unwrap();
    let sql =
        "INSERT INTO tenancy.tenants (id, place, state, canary, made_at, cell, target, before)
               VALUES ($1, 'amt_0123abcd_' || left(md5($1), 16), $2, false, now(), 'home',
                       CASE WHEN $2 = 'moving' THEN 'home' END,
                       CASE WHEN $2 = 'moving' THEN 'suspended' END)";
    tx.execute(sql, &[&id, &state]).await.unwrap();
    tx.commit().await.unwrap();
}

/// Where there was no place before, there is none to be suspended: the registry of tenants is asked.
#[tokio::test]
async fn a_tenant_that_is_shut_out_gets_no_first_place() {
    let world = world().await;
    for state in ["suspended", "moving", "erasing"] {
        stands(&world, state, state).await;
        let id = tenant(state);
        for refused in [
            world.redis.lease(&id, HOUR).await.map(drop).unwrap_err(),
            world.redis.resume(&id).await.unwrap_err(),
        ] {
            assert!(matches!(refused, Error::NotActive { .. }), "{state}: {refused}");
        }
        assert_eq!(world.redis.standing(&id).await.unwrap(), None, "{state}");
    }
    for state in ["active", "making"] {
        stands(&world, state, state).await;
        world.redis.lease(&tenant(state), HOUR).await.unwrap();
    }
    let there = users(&mut world.admin().await).await.unwrap();
    assert_eq!(there.iter().filter(|user| user.starts_with("amr_")).count(), 2, "{there:?}");
}

/// A name that is left of an erasure is nobody's until somebody is made of it.
#[tokio::test]
async fn an_erased_tenant_gets_no_place_by_its_name() {
    let world = world().await;
    let id = tenant("gone");
    world.redis.lease(&id, HOUR).await.unwrap();
    world.redis.erase(&id).await.unwrap();
    let tx = world.redis.settings.registry.operator().await.unwrap();
    let sql = "INSERT INTO tenancy.erasures (tenant_sha256, place, erased_at, bytes, keys)
               VALUES (sha256(convert_to('gone', 'UTF8')), 'p', now(), 1, 0)";
    tx.execute(sql, &[]).await.unwrap();
    tx.commit().await.unwrap();
    let refused = world.redis.lease(&id, HOUR).await.unwrap_err();
    assert!(matches!(refused, Error::WasErased(_)), "{refused}");
    assert_eq!(world.redis.standing(&id).await.unwrap(), None);
    stands(&world, "gone", "active").await;
    world.redis.lease(&id, HOUR).await.unwrap();
}

/// Who is shut out at the same moment is either let in before, and then found, or not at all.
#[tokio::test]
async fn a_login_and_a_suspension_do_not_pass_each_other() {
    let world = world().await;
    let id = tenant("shop");
    stands(&world, "shop", "active").await;
    let registry = &world.redis.settings.registry;
    let suspension = registry.operator().await.unwrap();
    let sql = "UPDATE tenancy.tenants SET state = 'suspended' WHERE id = 'shop'";
    suspension.execute(sql, &[]).await.unwrap();
    let lease = world.redis.lease(&id, HOUR);
    let ends = async {
        // Not before the login waits for it.
        let tx = registry.operator().await.unwrap();
        let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted
                       AND pid <> pg_backend_pid()
                       AND pg_blocking_pids(pid) && ARRAY[$1::int4])";
        let own = suspension.query_one("SELECT pg_backend_pid()", &[]).await.unwrap();
        let waiting = async {
            while !tx.query_one(waits, &[&own.get::<_, i32>(0)]).await.unwrap().get::<_, bool>(0) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("it does not wait");
        tx.rollback().await.unwrap();
        suspension.commit().await.unwrap();
    };
    let refused = tokio::join!(lease, ends).0.unwrap_err();
    assert!(matches!(refused, Error::NotActive { .. }), "{refused}");

    let active = registry.operator().await.unwrap();
    active.batch("UPDATE tenancy.tenants SET state = 'active'").await.unwrap();
    active.commit().await.unwrap();
    let (place, now) = (world.redis.place(&id).unwrap(), world.redis.now());
    let (login, until) = (world.redis.fresh(&place).unwrap(), now + SignedDuration::from_mins(1));
    let digest = "0".repeat(64);
    let noted =
        world.redis.registry().lease((&login, &id, false), &digest, (now, until)).await.unwrap();
    let late = registry.operator().await.unwrap();
    let hurried = late.batch("SELECT FROM tenancy.tenants FOR NO KEY UPDATE NOWAIT").await;
    assert_eq!(hurried.unwrap_err().sqlstate(), Some("55P03"), "a suspension waits for the login");
    noted.commit().await.unwrap();
}

#[tokio::test]
async fn an_erased_tenant_leaves_nothing_and_others_everything() {
    let world = world().await;
    let [gone, stays] = [tenant("gone"), tenant("stays")];
    let (a, b) = (
        world.redis.lease(&gone, HOUR).await.unwrap(),
        world.redis.lease(&stays, HOUR).await.unwrap(),
    );
    let mut wire = enter(&a).await.unwrap();
    for number in 0..2500 {
        wire.ask(["SET", &format!("{}{number}", a.prefix), "x"]).await.unwrap();
    }
    wire.ask(["RPUSH", &format!("{}\0list", a.prefix), "x"]).await.unwrap();
    enter(&b).await.unwrap().ask(["SET", &format!("{}k", b.prefix), "kept"]).await.unwrap();
    let cleared = world.redis.erase(&gone).await.unwrap();
    assert_eq!((cleared.keys, cleared.logins), (2501, 1));
    assert_eq!(format!("{}:", cleared.place), a.prefix);
    assert!(enter(&a).await.is_err());
    assert_eq!(texts(&world.run("KEYS *").await), [format!("{}k", b.prefix)]);
    assert_eq!(world.get(&format!("{}k", b.prefix)).await.as_deref(), Some("kept"));
    assert_eq!(world.redis.standing(&gone).await.unwrap(), None);
    assert_eq!(world.redis.erase(&gone).await.unwrap().keys, 0, "once more is no error");
}

/// The registry and the server may be asked by two processes at once.
#[tokio::test]
async fn logins_are_made_while_others_are_put_in_order() {
    let world = world().await;
    let made = async {
        for number in 0..20 {
            let lease = world.redis.lease(&tenant(&format!("t{number}")), HOUR).await.unwrap();
            enter(&lease).await.unwrap().ask(["PING"]).await.unwrap();
        }
    };
    let kept = async {
        for _ in 0..20 {
            assert_eq!(world.redis.keep().await.unwrap(), (0, 0));
        }
    };
    tokio::join!(made, kept);
}

#[tokio::test]
async fn the_synthetic_tenants_are_nobodys() {
    let world = world().await;
    let refused = world.redis.lease(&tenant("amanah-canary-b"), HOUR).await.unwrap_err();
    assert!(matches!(refused, Error::Canary), "{refused}");
}

/// With a server that does not answer nothing is promised, and what was meant is done later.
#[tokio::test]
async fn a_server_that_is_gone_is_told() {
    let world = world().await;
    let id = tenant("a");
    world.redis.lease(&id, HOUR).await.unwrap();
    world.server.stop().await.unwrap();
    let refused = world.redis.lease(&id, HOUR).await.unwrap_err().to_string();
    assert!(refused.contains("Redis at"), "{refused}");
    assert!(world.redis.suspend(&id).await.is_err());
    assert_eq!(world.redis.standing(&id).await.unwrap(), Some((true, 0)), "and it is suspended");
    assert!(world.server.revive().await.unwrap());
    assert_eq!(world.redis.keep().await.unwrap(), (0, 0));
    let other = Redis {
        settings: crate::RedisSettings {
            naming: Secret::new("another".to_owned()),
            ..world.redis.settings.clone()
        },
        ..world.redis.clone()
    };
    let (a, b): (Place, Place) = (world.redis.place(&id).unwrap(), other.place(&id).unwrap());
    assert_ne!(a, b, "places depend on the installation's secret");
}
