//! What is wrong is seen before anything is taken, and no tenant waits for another one.

use serde_json::json;

use super::house::{admin, group, house, tenant, user};
use crate::{Error, Kind};

const SARI: &str = "sari@sinar.example";

#[tokio::test]
async fn a_change_of_a_group_that_cannot_be_takes_nothing() {
    let house = house().await;
    let who = house.caller("sinar").await;
    let sari = house.make(&who, Kind::User, &user(SARI)).await;
    let team = house.make(&who, Kind::Group, &group("Team", &[&sari.id])).await;
    house.make(&who, Kind::Group, &group("Other", &[])).await;
    house.directory.map(&admin(), "Team", "editor").await.unwrap();
    let (account, _) = house.people.of(SARI).unwrap();
    let remove = json!({"op": "remove", "path": "members", "value": [{"value": sari.id}]});
    let nobody = "00000000-0000-4000-8000-00000000dead";
    for other in [
        json!({"op": "add", "path": "members", "value": [{"value": nobody}]}),
        json!({"op": "replace", "path": "displayName", "value": "OTHER"}),
    ] {
        let at = (Kind::Group, team.id.as_str());
        let changed = house.change(&who, at, json!([remove, other])).await;
        assert!(matches!(changed, Err(Error::Value(_) | Error::Uniqueness)), "{changed:?}");
        assert_eq!(house.people.roles_of(&account), ["editor"]);
    }
}

#[tokio::test]
async fn a_tenant_that_is_busy_delays_no_other_and_upkeep_stops_at_once() {
    let house = house().await;
    let mut accounts = Vec::new();
    for of in ["gulf", "sinar"] {
        let who = house.caller(of).await;
        let name = format!("sari@{of}.example");
        let one = house.make(&who, Kind::User, &user(&name)).await;
        house.make(&who, Kind::Group, &group("Team", &[&one.id])).await;
        *house.people.broken.lock().unwrap() = true;
        let mut by = admin();
        by.tenant = tenant(of);
        assert!(house.directory.map(&by, "Team", "editor").await.is_err(), "given later");
        *house.people.broken.lock().unwrap() = false;
        accounts.push(house.people.of(&name).unwrap().0);
    }
    let turn = house.directory.turn(&tenant("gulf")).await;
    house.directory.settle_all().await.unwrap();
    assert!(house.people.roles_of(&accounts[0]).is_empty());
    assert_eq!(house.people.roles_of(&accounts[1]), ["editor"]);
    drop(turn);
    // Another one hangs in the middle of it: whoever stops does not wait for that.
    *house.people.hangs.lock().unwrap() = true;
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let directory = std::sync::Arc::clone(&house.directory);
    let kept = tokio::spawn(async move { directory.keep(async { drop(told.await) }).await });
    house.people.reached.notified().await;
    tell.send(()).unwrap();
    kept.await.unwrap();
    *house.people.hangs.lock().unwrap() = false;
    house.directory.settle_all().await.unwrap();
    assert_eq!(house.people.roles_of(&accounts[0]), ["editor"]);
}

#[tokio::test]
async fn who_may_give_a_role_is_asked_once_for_all_members() {
    let house = house().await;
    let who = house.caller("sinar").await;
    let mut ids = Vec::new();
    for n in 0..20 {
        let name = format!("n{n}@sinar.example");
        ids.push(house.make(&who, Kind::User, &user(&name)).await.id);
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    house.make(&who, Kind::Group, &group("Team", &ids)).await;
    house.people.beyond.lock().unwrap().insert("editor".to_owned());
    house.directory.map(&admin(), "Team", "editor").await.unwrap();
    house.directory.settle_all().await.unwrap();
    assert_eq!(*house.people.asked.lock().unwrap(), 2, "once each time");
    assert!(house.people.since.lock().unwrap().is_empty(), "and nobody tried to give it");
}
