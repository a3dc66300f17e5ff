//! People whom the directory has here already, named once more under another name, and roles that are
//! mapped once more.

use jiff::SignedDuration;
use kernel::Clock as _;
use serde_json::{Value, json};

use super::house::{admin, group, house, tenant, user};
use crate::{By, Error, Kind, NewToken};

const CHIEF: &str = "chief@sinar.example";

/// A user of another name with the address of `CHIEF`.
fn alias(active: bool) -> Value {
    let mut body = user("employee 7");
    body["emails"] = json!([{"value": CHIEF, "primary": true}]);
    body["active"] = json!(active);
    body
}

#[tokio::test]
async fn another_name_for_somebody_who_is_here_changes_nothing() {
    let house = house().await;
    let who = house.caller("sinar").await;
    let chief = house.make(&who, Kind::User, &user(CHIEF)).await;
    let before = house.people.of(CHIEF).unwrap();
    for active in [false, true] {
        let made = house.directory.create(&who, Kind::User, &alias(active)).await;
        assert!(matches!(made, Err(Error::Uniqueness)), "{made:?}");
        assert_eq!(house.people.of(CHIEF).unwrap(), before);
    }
    // Deactivated, it stays closed, and nobody is sent a letter.
    let off = json!([{"op": "replace", "value": {"active": false}}]);
    let id = (Kind::User, chief.id.as_str());
    house.change(&who, id, off.clone()).await.unwrap();
    let before = house.people.of(CHIEF).unwrap();
    assert!(!before.1.open);
    for active in [true, false] {
        let made = house.directory.create(&who, Kind::User, &alias(active)).await;
        assert!(matches!(made, Err(Error::Uniqueness)), "{made:?}");
        assert_eq!(house.people.of(CHIEF).unwrap(), before);
    }
    // Whatever opened it: deactivating once more closes it.
    for operations in [off, json!([{"op": "replace", "path": "title", "value": "x"}])] {
        house.people.accounts.lock().unwrap().get_mut(&before.0).unwrap().open = true;
        house.change(&who, id, operations).await.unwrap();
        assert!(!house.people.of(CHIEF).unwrap().1.open);
    }
}

#[tokio::test]
async fn what_was_opened_and_not_written_down_is_closed_again() {
    let house = house().await;
    let who = house.caller("sinar").await;
    let chief = house.make(&who, Kind::User, &user(CHIEF)).await;
    let off = json!([{"op": "replace", "value": {"active": false}}]);
    house.change(&who, (Kind::User, &chief.id), off).await.unwrap();
    let (account, _) = house.people.of(CHIEF).unwrap();
    house.people.accounts.lock().unwrap().get_mut(&account).unwrap().open = true;
    house.directory.settle_all().await.unwrap();
    assert!(!house.people.of(CHIEF).unwrap().1.open);
    let events = house.directory.events(&tenant("sinar")).await.unwrap();
    assert_eq!(
        (events[0].target.as_str(), events[0].actor.as_str()),
        (chief.id.as_str(), "directory:upkeep")
    );
}

#[tokio::test]
async fn an_account_without_a_user_is_ended_like_every_other() {
    let house = house().await;
    let who = house.caller("sinar").await;
    // What a request that was cut off leaves: an account in hand, and no user of it.
    let account = house.people.settle("sinar", CHIEF);
    house.people.accounts.lock().unwrap().get_mut(&account).unwrap().in_hand = true;
    let owner = (account.clone(), "owner".to_owned(), false);
    house.people.roles.lock().unwrap().insert(owner.clone());
    let mut chief = admin();
    chief.account.clone_from(&account);
    let new = NewToken { name: "theirs".to_owned(), days: 9 };
    let made = house.directory.make_token(&tenant("sinar"), &new, &By::person(&chief)).await;
    let (_, theirs) = made.unwrap();
    let refused = house.directory.create(&who, Kind::User, &alias(false)).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "the last one stays: {refused:?}");
    assert!(house.people.of(CHIEF).unwrap().1.open);
    house.people.roles.lock().unwrap().remove(&owner);
    house.make(&who, Kind::User, &alias(false)).await;
    assert!(!house.people.of(CHIEF).unwrap().1.open);
    assert!(matches!(house.directory.admit(&theirs).await, Err(Error::Token)));
}

#[tokio::test]
async fn a_role_is_given_since_they_are_members_whenever_it_is_mapped() {
    let house = house().await;
    let who = house.caller("sinar").await;
    let sari = house.make(&who, Kind::User, &user("sari@sinar.example")).await;
    let joined = house.clock.now();
    house.make(&who, Kind::Group, &group("Pricing", &[&sari.id])).await;
    house.people.taken.lock().unwrap().insert("editor".to_owned());
    for _ in 0..2 {
        house.later(SignedDuration::from_hours(1));
        house.directory.map(&admin(), "Pricing", "editor").await.unwrap();
    }
    assert_eq!(*house.people.since.lock().unwrap(), [joined, joined]);
}
