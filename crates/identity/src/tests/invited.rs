//! What becomes of an invitation's roles after it was accepted, on a real PostgreSQL.

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
        let waits = house.room.grant_accepted(&roles).await;
        assert!(matches!(waits, Err(Error::Standing(_))), "{waits:?}");
    }
    assert_eq!(
        roles.given(),
        ["editor"],
        "what may have been taken again since is not given again"
    );
    // What waits is given when it can be, but not to an account that was closed meanwhile.
    enter("wati@sinar.example").await;
    assert!(house.room.grant_accepted(&roles).await.is_err());
    house
        .alter(
            "UPDATE identity.accounts SET disabled_at = now() WHERE email = 'wati@sinar.example'",
        )
        .await;
    roles.withhold(false);
    house.room.grant_accepted(&roles).await.unwrap();
    assert_eq!(roles.given(), ["editor", "editor", "reader"]);
    house.room.grant_accepted(&roles).await.unwrap();
    assert_eq!(roles.given().len(), 3);
    // After three days nobody expects it any more.
    house.alter("UPDATE identity.accounts SET disabled_at = NULL").await;
    house
        .alter("UPDATE identity.invitations SET accepted_at = accepted_at - interval '73 hours'")
        .await;
    house.room.grant_accepted(&roles).await.unwrap();
    assert_eq!(roles.given().len(), 3);
}
