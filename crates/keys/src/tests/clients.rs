//! Tokens: what they allow, and everything that they do not.

use std::collections::BTreeSet;

use kernel::{Secret, TenantId};

use super::world::{World, house, of};
use crate::{Client, Error, Operation, Reach};

fn client(name: &str) -> Client {
    Client {
        name: name.to_owned(),
        keys: vec!["orders*".to_owned(), "prices".to_owned()],
        operations: BTreeSet::from([Operation::Encrypt, Operation::Decrypt]),
        reach: Reach::Tenants(BTreeSet::from([TenantId::new("a").unwrap()])),
        databases: BTreeSet::new(),
        expires_at: None,
    }
}

#[tokio::test]
async fn a_token_allows_what_it_was_given_for() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let token = keys.admit(client("shop")).await.unwrap();
    let random = token.expose().strip_prefix("amk_").unwrap();
    assert_eq!(random.len(), 43);
    assert!(random.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    let may = |key, does| keys.authorise(&token, &key, does).is_ok();
    assert!(may(of("a", "orders"), Operation::Encrypt));
    assert!(may(of("a", "orders.2026"), Operation::Decrypt));
    assert!(may(of("a", "prices"), Operation::Decrypt));
    for (key, does) in [
        (of("a", "prices2"), Operation::Decrypt),
        (of("a", "order"), Operation::Decrypt),
        (of("b", "orders"), Operation::Decrypt),
        (house("orders"), Operation::Decrypt),
        (of("a", "orders"), Operation::Rewrap),
        (of("a", "orders"), Operation::Manage),
    ] {
        let refused = keys.authorise(&token, &key, does);
        assert!(matches!(refused, Err(Error::Denied)), "{key} {does:?}");
    }
    let ring = world.shelf.copy().into_values().next_back().unwrap();
    assert!(!String::from_utf8(ring).unwrap().contains(random), "the token itself is kept nowhere");
}

#[tokio::test]
async fn reaches_do_not_overlap() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let all = keys.admit(Client { reach: Reach::All, ..client("all") }).await.unwrap();
    let own = keys.admit(Client { reach: Reach::House, ..client("own") }).await.unwrap();
    let may = |token, key| keys.authorise(token, &key, Operation::Encrypt).is_ok();
    assert!(may(&all, of("a", "orders")) && may(&all, house("orders")));
    assert!(may(&own, house("orders")) && !may(&own, of("a", "orders")));
}

#[tokio::test]
async fn a_token_ends() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let soon = Some("2026-01-02T00:00:00Z".parse().unwrap());
    let short = keys.admit(Client { expires_at: soon, ..client("short") }).await.unwrap();
    let first = keys.admit(client("shop")).await.unwrap();
    let second = keys.admit(client("shop")).await.unwrap();
    assert!(keys.client(&first).is_none(), "who is admitted again gets a new token");
    assert_eq!(keys.client(&second).unwrap().client, client("shop"));
    assert!(keys.client(&short).is_some());
    world.pass(1);
    assert!(keys.client(&short).is_none());
    assert!(keys.authorise(&short, &of("a", "orders"), Operation::Encrypt).is_err());
    assert_eq!(keys.clients().len(), 2);
    assert!(keys.dismiss("shop").await.unwrap());
    assert!(!keys.dismiss("shop").await.unwrap());
    assert!(keys.client(&second).is_none());
    for nobody in [String::new(), "amk_".to_owned(), "x".repeat(1 << 20)] {
        assert!(keys.client(&Secret::new(nobody)).is_none());
    }
}

/// A client that could do nothing, or whose patterns say more than they seem to, is not admitted.
#[tokio::test]
async fn senseless_clients_are_refused() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    for wrong in [
        Client { name: String::new(), ..client("x") },
        Client { name: "a b".to_owned(), ..client("x") },
        Client { keys: vec![], ..client("x") },
        Client { keys: vec![String::new()], ..client("x") },
        Client { keys: vec!["a*b".to_owned()], ..client("x") },
        Client { keys: vec!["**".to_owned()], ..client("x") },
        Client { keys: vec!["x".repeat(65)], ..client("x") },
        Client { operations: BTreeSet::new(), ..client("x") },
        Client { reach: Reach::Tenants(BTreeSet::new()), ..client("x") },
        Client { expires_at: Some("2026-01-01T00:00:00Z".parse().unwrap()), ..client("x") },
    ] {
        let refused = keys.admit(wrong.clone()).await;
        assert!(matches!(refused, Err(Error::Setting(_))), "{wrong:?}");
    }
    assert_eq!(keys.clients(), []);
}

/// Who uses a key is shown with it: rooms that said so, and clients that may.
#[tokio::test]
async fn users_are_listed() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let key = of("a", "orders");
    super::world::made(&keys, &key).await;
    keys.admit(client("shop")).await.unwrap();
    keys.admit(Client { reach: Reach::House, ..client("own") }).await.unwrap();
    keys.registers("strongbox", &key);
    assert_eq!(keys.card(&key).unwrap().users, ["strongbox", "shop"]);
}
