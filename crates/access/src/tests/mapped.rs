//! Roles that the groups of a directory give.

use jiff::SignedDuration;
use kernel::{Clock as _, MappedRole};

use super::rights::{DEWI, House, SARI, house, operator, tenant};
use crate::NewGrant;

impl House {
    async fn mapped(&self, since: jiff::Timestamp) -> bool {
        self.mapped_by(since, None).await
    }

    async fn mapped_by(&self, since: jiff::Timestamp, filler: Option<&str>) -> bool {
        let of = tenant("sinar");
        let role = MappedRole {
            mapper: DEWI,
            filler,
            account: SARI,
            tenant: &of,
            role: "editor",
            by: "directory:0123456789ab",
            reason: "member of the group Pricing",
            since,
        };
        self.access.grant_mapped(&role).await.unwrap()
    }

    async fn given(&self, account: &str, role: &str) {
        let new = NewGrant {
            account: account.to_owned(),
            tenant: tenant("sinar"),
            role: role.to_owned(),
            reason: "a test".to_owned(),
            until: None,
        };
        self.access.grant(&operator(), &new).await.unwrap();
    }

    fn in_an_hour(&self) -> jiff::Timestamp {
        self.clock.set(self.clock.now().saturating_add(SignedDuration::from_hours(1)).unwrap());
        self.clock.now()
    }
}

#[tokio::test]
async fn a_directory_does_no_more_than_whoever_answers_for_it() {
    let house = house().await;
    let (of, joined) = (tenant("sinar"), house.clock.now());
    let lesser = "00000000-0000-4000-8000-000000000003";
    house.given(DEWI, "owner").await;
    house.given(lesser, "editor").await;
    let may = async |who| house.access.may_map(who, &of, "editor").await.unwrap();
    assert!(may(DEWI).await && !may(lesser).await, "they may not look after the directory");
    assert!(!house.mapped_by(joined, Some(lesser)).await);
    assert!(!house.access.may_direct(lesser, &of).await.unwrap());
    house.given(lesser, "administrator").await;
    assert!(house.access.may_direct(lesser, &of).await.unwrap() && may(lesser).await);
    assert!(!house.access.may_map(lesser, &of, "owner").await.unwrap());
    assert!(!house.access.may_map(DEWI, &of, "emperor").await.unwrap());
    assert!(house.mapped_by(joined, Some(lesser)).await);
    // Nobody is ended by somebody who may do less.
    let ends = async |maker, whom| house.access.may_end(maker, whom, &of).await.unwrap();
    assert!(ends(DEWI, lesser).await && !ends(lesser, DEWI).await);
    assert!(ends(lesser, SARI).await && ends(lesser, lesser).await && !ends(SARI, SARI).await);
}

#[tokio::test]
async fn what_people_take_is_not_given_again_whoever_had_given_it() {
    let house = house().await;
    house.given(DEWI, "owner").await;
    let joined = house.clock.now();
    // Somebody gave it by hand, and the group has nothing to give.
    house.given(SARI, "editor").await;
    house.in_an_hour();
    assert!(house.mapped(joined).await);
    house.in_an_hour();
    let of = tenant("sinar");
    house.access.revoke(&operator(), SARI, &of, "editor").await.unwrap();
    house.in_an_hour();
    assert!(!house.mapped(joined).await, "a review would be undone");
    assert!(house.access.roles_of(SARI, &of).await.unwrap().is_empty());
    // Out of the group and into it again: that is the directory's word.
    let again = house.in_an_hour();
    assert!(house.mapped(again).await);
    let held = house.access.roles_of(SARI, &of).await.unwrap();
    assert_eq!(held.len(), 1);
}
