//! Roles that people of a tenant give to one another and take, and what they try beyond that.

use jiff::{SignedDuration, Timestamp};
use kernel::{Actor, Clock as _, Door, Identity, Standings as _, Strength};

use super::rights::{DEWI, House, SARI, house, new_grant, operator, tenant};
use crate::Error;

/// Of another tenant.
const RUDI: &str = "00000000-0000-4000-8000-00000000000c";
/// Their account is closed.
const GONE: &str = "00000000-0000-4000-8000-00000000000d";

async fn people() -> House {
    let house = house().await;
    let tx = house.base.owner.operator().await.unwrap();
    tx.batch(&format!(
        "INSERT INTO identity.accounts VALUES ('{SARI}', 'sari@sinar.example', 'sinar', NULL), \
         ('{DEWI}', 'dewi@sinar.example', 'sinar', NULL), \
         ('{RUDI}', 'rudi@bintang.example', 'bintang', NULL), \
         ('{GONE}', 'gone@sinar.example', 'sinar', now())"
    ))
    .await
    .unwrap();
    tx.commit().await.unwrap();
    house
}

impl House {
    /// Whoever has the account, signed in a moment ago.
    async fn signed_in(&self, account: &str) -> Identity {
        let standing =
            self.access.standing(account, &tenant("sinar"), None).await.unwrap().unwrap();
        Identity {
            account: account.to_owned(),
            actor: Actor::new("dewi@sinar.example").unwrap(),
            name: "Dewi".to_owned(),
            tenant: tenant("sinar"),
            standing,
            strength: Strength::Two,
            authenticated_at: self.clock.now(),
            session: "s".to_owned(),
            door: Door::Browser,
        }
    }
}

#[tokio::test]
async fn who_may_gives_and_takes_and_both_are_told_afterwards() {
    let house = people().await;
    let access = &house.access;
    house.grant(&operator(), DEWI, "administrator").await.unwrap();
    let dewi = house.signed_in(DEWI).await;
    let until = house.clock.now() + SignedDuration::from_hours(24);
    let mut new = new_grant(SARI, "editor");
    new.until = Some(until);
    access.give(&dewi, &new).await.unwrap();
    assert!(matches!(access.give(&dewi, &new).await, Err(Error::Held(_))));
    access.give(&dewi, &new_grant(SARI, "viewer")).await.unwrap();
    let seen = access.holder(&dewi, SARI).await.unwrap();
    assert_eq!((seen.held.len(), seen.own, seen.closed), (2, false, false));
    assert_eq!((&*seen.held[0].role, &*seen.held[0].by), ("editor", "dewi@sinar.example"));
    assert_eq!((&*seen.held[0].reason, seen.held[0].until), ("a test", Some(until)));
    assert!(seen.over.is_empty() && seen.givable.iter().any(|role| role.name == "editor"));
    assert!(!seen.givable.iter().any(|role| role.name == "owner"));
    for bad in ["", " ", "a\nb", &"a".repeat(1_001)] {
        let taken = access.take(&dewi, SARI, "viewer", bad).await;
        assert!(matches!(taken, Err(Error::Field { .. })), "{taken:?}");
    }
    access.take(&dewi, SARI, "viewer", "left the team").await.unwrap();
    let again = access.take(&dewi, SARI, "viewer", "left the team").await;
    assert!(matches!(again, Err(Error::NotHeld(_))), "{again:?}");
    // The other one ends by itself, and both are told, the last that ended first.
    house.clock.set(until + SignedDuration::from_hours(1));
    let dewi = house.signed_in(DEWI).await;
    let seen = access.holder(&dewi, SARI).await.unwrap();
    assert!(seen.held.is_empty());
    let over: Vec<_> = seen.over.iter().map(|one| (&*one.role, one.ended_by.as_deref())).collect();
    assert_eq!(over, [("editor", None), ("viewer", Some("dewi@sinar.example"))]);
    assert_eq!(seen.over[0].ended, until);
    assert_eq!(seen.over[1].reason.as_deref(), Some("left the team"));
    // Why it was taken is evidence, too.
    for login in [&house.base.owner, &house.base.engine] {
        let told = house.attempt(login, "UPDATE access.grants SET revoked_reason = 'x'").await;
        assert!(told.contains("is evidence"), "{told}");
    }
}

#[tokio::test]
async fn nobody_gives_or_takes_what_is_not_theirs_to_give() {
    let house = people().await;
    let access = &house.access;
    let everybody = house.signed_in(DEWI).await;
    let refused = access.holder(&everybody, SARI).await;
    assert!(matches!(refused, Err(Error::Refused)), "{refused:?}");
    house.grant(&operator(), DEWI, "administrator").await.unwrap();
    house.grant(&operator(), SARI, "owner").await.unwrap();
    let dewi = house.signed_in(DEWI).await;
    let given = access.give(&dewi, &new_grant(SARI, "owner")).await;
    assert!(matches!(given, Err(Error::Escalation(_))), "{given:?}");
    let taken = access.take(&dewi, SARI, "owner", "a coup").await;
    assert!(matches!(taken, Err(Error::Escalation(_))), "{taken:?}");
    // One's own, however the id is written.
    for own in [DEWI.to_owned(), DEWI.to_uppercase()] {
        let given = access.give(&dewi, &new_grant(&own, "editor")).await;
        assert!(matches!(given, Err(Error::Own)), "{given:?}");
        let taken = access.take(&dewi, &own, "administrator", "enough").await;
        assert!(matches!(taken, Err(Error::Own)), "{taken:?}");
        assert!(access.holder(&dewi, &own).await.unwrap().own);
    }
    // Nobody of another tenant, nobody at all; and nothing is given to who is gone.
    for other in [RUDI, "x", "00000000-0000-4000-8000-00000000000e"] {
        let told = [
            access.holder(&dewi, other).await.map(drop),
            access.give(&dewi, &new_grant(other, "editor")).await,
            access.take(&dewi, other, "editor", "because").await,
        ];
        for one in told {
            assert!(matches!(one, Err(Error::NoAccount)), "{other}: {one:?}");
        }
    }
    assert!(access.holder(&dewi, GONE).await.unwrap().closed);
    let given = access.give(&dewi, &new_grant(GONE, "editor")).await;
    assert!(matches!(given, Err(Error::NoAccount)), "{given:?}");
    let mut elsewhere = new_grant(SARI, "editor");
    elsewhere.tenant = tenant("bintang");
    assert!(matches!(access.give(&dewi, &elsewhere).await, Err(Error::NoAccount)));
    // Too long ago they are only shown it, and a program and support nothing.
    let tired = Identity { authenticated_at: Timestamp::UNIX_EPOCH, ..dewi.clone() };
    assert!(access.holder(&tired, SARI).await.is_ok());
    let given = access.give(&tired, &new_grant(SARI, "editor")).await;
    assert!(matches!(given, Err(Error::StepUp)), "{given:?}");
    let program = Identity { door: Door::ApiKey, ..dewi.clone() };
    assert!(matches!(access.holder(&program, SARI).await, Err(Error::Refused)));
    let taken = access.take(&program, SARI, "editor", "because").await;
    assert!(matches!(taken, Err(Error::Refused)), "{taken:?}");
    assert_eq!(access.roles_of(SARI, &tenant("sinar")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_two_who_take_it_from_one_another_one_keeps_it() {
    let house = people().await;
    for who in [SARI, DEWI] {
        house.grant(&operator(), who, "owner").await.unwrap();
    }
    let (sari, dewi) = (house.signed_in(SARI).await, house.signed_in(DEWI).await);
    let (one, other) = tokio::join!(
        house.access.take(&sari, DEWI, "owner", "first"),
        house.access.take(&dewi, SARI, "owner", "first"),
    );
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let mut left = 0;
    for who in [SARI, DEWI] {
        left += house.access.roles_of(who, &tenant("sinar")).await.unwrap().len();
    }
    assert_eq!(left, 1);
}
