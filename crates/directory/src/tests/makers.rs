//! Tokens that people made: what their makers may not do, or not any more, the tokens may not either.

use jiff::SignedDuration;
use kernel::Secret;
use serde_json::json;

use super::house::{ADMIN, House, admin, group, house, tenant, user};
use crate::{By, Caller, Error, Kind, NewToken, Precondition};

const CHIEF: &str = "chief@sinar.example";
const SARI: &str = "sari@sinar.example";

impl House {
    async fn made_by(&self, account: &str) -> Result<Secret, Error> {
        let mut maker = admin();
        account.clone_into(&mut maker.account);
        let new = NewToken { name: "theirs".to_owned(), days: 9 };
        let made = self.directory.make_token(&tenant("sinar"), &new, &By::person(&maker)).await;
        made.map(|(_, token)| token)
    }

    /// The directory by a token of somebody who may give everything but the role of owners.
    async fn lesser(&self) -> Caller {
        let maker = self.people.settle("sinar", "rudi@sinar.example");
        self.directory.admit(&self.made_by(&maker).await.unwrap()).await.unwrap()
    }

    fn owns(&self, email: &str) -> bool {
        let (account, _) = self.people.of(email).unwrap();
        self.people.roles_of(&account).contains(&"owner".to_owned())
    }
}

#[tokio::test]
async fn a_token_is_good_while_its_maker_may_look_after_the_directory() {
    let house = house().await;
    let theirs = house.made_by(ADMIN).await.unwrap();
    let command = house.token("sinar").await;
    house.directory.admit(&theirs).await.unwrap();
    house.people.lost.lock().unwrap().insert(ADMIN.to_owned());
    assert!(matches!(house.directory.admit(&theirs).await, Err(Error::Token)));
    house.directory.admit(&command).await.unwrap();
    // What is made behind the end of their tokens is never given out, and does not live.
    assert!(matches!(house.made_by(ADMIN).await, Err(Error::Refused(_))));
    let cards = house.directory.tokens(Some(&tenant("sinar"))).await.unwrap();
    assert_eq!(cards.iter().filter(|card| card.revoked.is_none()).count(), 2, "{cards:?}");
    house.people.lost.lock().unwrap().clear();
    house.directory.admit(&theirs).await.unwrap();
}

#[tokio::test]
async fn whoever_waited_for_their_turn_is_asked_again() {
    let house = house().await;
    let who = house.caller("sinar").await;
    let sari = house.make(&who, Kind::User, &user(SARI)).await;
    let team = house.make(&who, Kind::Group, &group("Team", &[])).await;
    house.people.shut.lock().unwrap().insert("sinar".to_owned());
    let any = Precondition::default();
    for (kind, id) in [(Kind::User, &sari.id), (Kind::Group, &team.id)] {
        let body = if kind == Kind::User { user("b@c.example") } else { group("Else", &[]) };
        let made = house.directory.create(&who, kind, &body).await;
        assert!(matches!(made, Err(Error::Token)), "{made:?}");
        let put = house.directory.replace(&who, (kind, id), &body, &any).await;
        assert!(matches!(put, Err(Error::Token)), "{put:?}");
        let gone = house.directory.remove(&who, (kind, id), &any).await;
        assert!(matches!(gone, Err(Error::Token)), "{gone:?}");
    }
    house.people.shut.lock().unwrap().clear();
    let by = By::operator("a test");
    assert!(house.directory.revoke_token(None, who.token(), &by).await.unwrap());
    let made = house.directory.create(&who, Kind::User, &user("b@c.example")).await;
    assert!(matches!(made, Err(Error::Token)), "{made:?}");
}

#[tokio::test]
async fn whoever_made_the_token_answers_for_whom_it_puts_into_groups() {
    let house = house().await;
    let (command, lesser) = (house.caller("sinar").await, house.lesser().await);
    let chief = house.make(&command, Kind::User, &user(CHIEF)).await;
    let sari = house.make(&command, Kind::User, &user(SARI)).await;
    let owners = house.make(&command, Kind::Group, &group("Owners", &[&chief.id])).await;
    house.directory.map(&admin(), "Owners", "owner").await.unwrap();
    assert!(house.owns(CHIEF));
    let at = (Kind::Group, owners.id.as_str());
    let add = json!([{"op": "add", "path": "members", "value": [{"value": sari.id}]}]);
    house.change(&lesser, at, add.clone()).await.unwrap();
    house.directory.settle_all().await.unwrap();
    assert!(!house.owns(SARI), "they could not give it themselves");
    // Neither is it taken, nor is whoever has it moved or ended.
    let refused = |done: Result<_, Error>| assert!(matches!(done, Err(Error::Refused(_))));
    let remove = json!([{"op": "remove", "path": "members", "value": [{"value": chief.id}]}]);
    refused(house.change(&lesser, at, remove).await.map(drop));
    let any = Precondition::default();
    refused(house.directory.remove(&lesser, at, &any).await);
    let at = (Kind::User, chief.id.as_str());
    for value in [json!({"active": false}), json!({"userName": "theirs@sinar.example"})] {
        let operations = json!([{"op": "replace", "value": value}]);
        refused(house.change(&lesser, at, operations).await.map(drop));
    }
    refused(house.directory.remove(&lesser, at, &any).await);
    assert!(house.owns(CHIEF) && house.people.of(CHIEF).unwrap().1.open);
    let title = json!([{"op": "replace", "path": "title", "value": "Chief"}]);
    house.change(&lesser, at, title).await.unwrap();
    house.later(SignedDuration::from_hours(1));
    // Whoever maps the role anew has seen who is in the group, and answers for them.
    house.directory.map(&admin(), "Owners", "owner").await.unwrap();
    assert!(house.owns(SARI));
    // Others are theirs to end, as they are by hand.
    house.people.roles.lock().unwrap().retain(|one| one.1 != "owner" || one.0 == ADMIN);
    house.directory.remove(&lesser, (Kind::User, &sari.id), &any).await.unwrap();
    assert!(!house.people.of(SARI).unwrap().1.open);
}
