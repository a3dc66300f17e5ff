//! What the registry refuses: names that are no customer's, and words of a newer Amanah.

use std::time::Duration;

use super::fleet::{World, tenant, world};
use crate::{Error, Result};

const SHORT: Duration = Duration::from_mins(1);

fn canary<T>(came_to: &Result<T>) -> bool {
    matches!(came_to, Err(Error::Canary))
}

/// Every name that a synthetic tenant of some cell may have is reserved, for every command alike.
#[tokio::test]
async fn no_command_takes_the_name_of_a_synthetic_tenant() {
    let world = world().await;
    let fleet = &world.fleet;
    fleet.ensure_canaries().await.unwrap();
    for name in ["amanah-canary-a", "amanah-canary-b-east", "amanah-canary-z", "amanah-canary-"] {
        let id = tenant(name);
        assert!(canary(&fleet.add(&id).await), "{name}: add");
        assert!(canary(&fleet.suspend(&id).await), "{name}: suspend");
        assert!(canary(&fleet.resume(&id).await), "{name}: resume");
        assert!(canary(&fleet.lease(&id, SHORT).await), "{name}: connect");
        assert!(canary(&fleet.move_to(&id, "east", Duration::ZERO, &|_| {}).await), "{name}: move");
        assert!(canary(&fleet.erase(&id).await), "{name}: erase");
        assert!(canary(&fleet.erase_missing(&id).await), "{name}: erase --missing");
    }
    let words = fleet.suspend(&tenant("amanah-canary-z")).await.unwrap_err().to_string();
    assert!(words.contains("`amanah-canary-`"), "{words}");
    for name in ["amanah-canary", "amanah-canaryx", "Amanah-canary-a"] {
        let unknown = fleet.suspend(&tenant(name)).await;
        assert!(matches!(unknown, Err(Error::NoTenant(_))), "{name}: {unknown:?}");
    }
}

async fn as_a_newer_one(world: &World, table: &str, check: &str) {
    let sql = format!(
        "ALTER TABLE tenancy.{table} DROP CONSTRAINT {check}; UPDATE tenancy.{table} SET state = 'frozen'"
    );
    world.sql("amanah", &sql).await;
}

/// A state that we do not know is taken for none that we do: one that is half made may be dropped.
#[tokio::test]
async fn a_word_of_a_newer_amanah_stops_us() {
    let world = world().await;
    let made = world.fleet.add(&tenant("shop")).await.unwrap();
    as_a_newer_one(&world, "tenants", "tenants_state_check").await;
    let fleet = &world.fleet;
    let id = tenant("shop");
    for refused in [
        fleet.add(&id).await.unwrap_err(),
        fleet.suspend(&id).await.unwrap_err(),
        fleet.erase_missing(&id).await.err().unwrap(),
        fleet.list().await.unwrap_err(),
    ] {
        assert!(matches!(refused, Error::Newer { .. }), "{refused}");
    }
    assert!(world.root.has_database(made.place.name()).await.unwrap(), "nothing was dropped");
    as_a_newer_one(&world, "cells", "cells_state_check").await;
    let words = fleet.cells().await.unwrap_err().to_string();
    assert!(words.contains("a cell is in the state `frozen`"), "{words}");
}
