//! What comes between the beginning of a move and its pause.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::super::cells::{Ground, ground};
use super::super::fleet::{World, tenant, world_of};
use super::{find, has};
use crate::{Error, Moved, Stage, State};

/// A tenant `toko`, and another cell, `east`.
async fn two() -> (World, Ground) {
    let (world, other) = (world_of(true).await, ground().await);
    other.join(&world, "east").await;
    world.fleet.add_on(&tenant("toko"), "home").await.unwrap();
    (world, other)
}

/// Moves it, and lets `meanwhile` happen when that has begun, and nothing is prepared.
async fn go(world: &World, meanwhile: impl AsyncFn() + Sync) -> Result<Moved, Error> {
    let watch = |stage: Stage| {
        if stage == Stage::Preparing {
            block_in_place(|| Handle::current().block_on(meanwhile()));
        }
    };
    world.fleet.move_to(&tenant("toko"), "east", Duration::ZERO, &watch).await
}

/// Whether logins of its own are let in where it is.
async fn is_let_in(world: &World) -> bool {
    let tx = world.root.operator().await.unwrap();
    let place = find(world, "toko").await.place;
    let sql = "SELECT has_database_privilege($1::name, $1::text, 'CONNECT')";
    let admitted = tx.query_one(sql, &[&place.name()]).await.unwrap().get(0);
    tx.rollback().await.unwrap();
    admitted
}

/// Else its keys would go while it is let in again.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_moved_is_not_erased() {
    let (world, _other) = two().await;
    let erase = async || {
        let taken = world.fleet.erase(&tenant("toko")).await.err().unwrap();
        assert!(matches!(taken, Error::Taken(_)), "{taken}");
        assert_eq!(find(&world, "toko").await.state, State::Moving);
    };
    let moved = go(&world, erase).await.unwrap();
    assert_eq!(moved.to, "east");
    let now = find(&world, "toko").await;
    assert_eq!((now.state, now.cell.as_str()), (State::Active, "east"));
    world.erase("toko").await;
}

/// A move that was called off does not let in who was shut out since, and leaves no copy.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_shut_out_meanwhile_stays_so() {
    let (world, other) = two().await;
    let shut = async || {
        world.fleet.resume(&tenant("toko")).await.unwrap();
        world.fleet.suspend(&tenant("toko")).await.unwrap();
    };
    let why = go(&world, shut).await.unwrap_err().to_string();
    assert!(why.contains("on home with everything, and suspended"), "{why}");
    let now = find(&world, "toko").await;
    assert_eq!((now.state, now.cell.as_str()), (State::Suspended, "home"));
    assert!(!is_let_in(&world).await, "it was shut out");
    assert!(!has(&other.root, now.place.name()).await, "a copy that nobody knows");
    world.fleet.resume(&tenant("toko")).await.unwrap();
    assert!(is_let_in(&world).await);
}
