//! What becomes of an invitation's roles after it was accepted, on a real PostgreSQL.

use jiff::SignedDuration;
use kernel::TenantId;

use crate::Error;
use crate::mail::tests::{house, secret};
use crate::tests_mail::{Roles, new, token_in};

const NEW: &str = "ninety quiet lamps fold";

#[tokio::test]
async fn each_role_of_an_invitation_is_given_once_and_not_for_ever() {
    let house = house().await;
    let (_, by) = house.whoever("correct horse battery").await;
    let roles = Roles::default();
    roles.withhold(true);
    let enter = async |email: &str| {
        house.room.invite(&by, &roles, &new(email, &["editor", "reader"])).await.unwrap();
        let link = token_in(&house.letters().await.pop().unwrap().body);
        house.room.accept(&link, "Budi", &secret(NEW)).await.unwrap();
    };
    enter("budi@sinar.example").await;
    for _ in 0..3 {
        let waits = house.room.grant_accepted(&roles, None).await;
        assert!(matches!(waits, Err(Error::Standing(_))), "{waits:?}");
    }
    assert_eq!(
        roles.given(),
        ["editor"],
        "what may have been taken again since is not given again"
    );
    // What waits is given when it can be, but not to an account that was closed meanwhile.
    enter("wati@sinar.example").await;
    assert!(house.room.grant_accepted(&roles, None).await.is_err());
    house
        .alter(
            "UPDATE identity.accounts SET disabled_at = now() WHERE email = 'wati@sinar.example'",
        )
        .await;
    roles.withhold(false);
    house.room.grant_accepted(&roles, None).await.unwrap();
    assert_eq!(roles.given(), ["editor", "editor", "reader"]);
    house.room.grant_accepted(&roles, None).await.unwrap();
    assert_eq!(roles.given().len(), 3);
    // After three days nobody expects it any more.
    house.alter("UPDATE identity.accounts SET disabled_at = NULL").await;
    house
        .alter("UPDATE identity.invitations SET accepted_at = accepted_at - interval '73 hours'")
        .await;
    house.room.grant_accepted(&roles, None).await.unwrap();
    assert_eq!(roles.given().len(), 3);
}

#[tokio::test]
async fn who_has_just_accepted_gets_their_roles_alone() {
    let house = house().await;
    let (_, by) = house.whoever("correct horse battery").await;
    let roles = Roles::default();
    let mut made = Vec::new();
    for email in ["budi@sinar.example", "wati@sinar.example"] {
        house.room.invite(&by, &roles, &new(email, &["editor"])).await.unwrap();
        let link = token_in(&house.letters().await.pop().unwrap().body);
        made.push(house.room.accept(&link, "Budi", &secret(NEW)).await.unwrap().account);
    }
    let given_to =
        || roles.given.lock().unwrap().iter().map(|(of, _)| of.clone()).collect::<Vec<_>>();
    house.room.grant_accepted(&roles, Some(&made[1])).await.unwrap();
    assert_eq!(given_to(), made[1..]);
    house.room.grant_accepted(&roles, None).await.unwrap();
    assert_eq!(given_to(), [made[1].clone(), made[0].clone()]);
}

#[tokio::test]
async fn of_those_who_gave_way_the_one_that_was_tried_last_comes_last() {
    let house = house().await;
    let (_, by) = house.whoever("correct horse battery").await;
    for n in 0..3 {
        let person = kernel::Provision {
            tenant: TenantId::new("gulf").unwrap(),
            email: format!("n{n}@sinar.example"),
            name: "Budi".to_owned(),
            language: "en".to_owned(),
        };
        house.room.provision(&person).await.unwrap();
        house.letters().await;
        house.room.invite(&by, &Roles::default(), &new(&person.email, &["editor"])).await.unwrap();
        let link = token_in(&house.letters().await.pop().unwrap().body);
        house.room.accept(&link, "Budi", &secret(NEW)).await.unwrap();
        house.later(SignedDuration::from_secs(1));
    }
    let first = house.room.gave_way().await.unwrap();
    assert_eq!(first.len(), 3);
    house.room.gave_way_tried(&first[0]).await.unwrap();
    let then = [&first[1], &first[2], &first[0]];
    assert_eq!(house.room.gave_way().await.unwrap().iter().collect::<Vec<_>>(), then);
    house.later(SignedDuration::from_secs(1));
    house.room.gave_way_tried(&first[1]).await.unwrap();
    house.room.gave_way_ended(&first[2]).await.unwrap();
    let then = [&first[0], &first[1]];
    assert_eq!(house.room.gave_way().await.unwrap().iter().collect::<Vec<_>>(), then);
}
