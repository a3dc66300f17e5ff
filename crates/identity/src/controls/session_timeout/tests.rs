//! What letting time pass leaves alone.

use super::super::tests::{cx, house};
use super::{TENANT, by_the_clock, visitors};
use crate::Email;

/// Twelve hours ahead, whomever another proof has just made looks like left behind.
#[tokio::test]
async fn whom_another_proof_made_is_not_removed() {
    let house = house().await;
    let other = visitors::make(&house.identities, TENANT).await.unwrap();
    let limits = house.identities.lifetime();
    let owner = &house.base.owner;
    let seen = by_the_clock(owner, (limits, limits), limits, &cx()).await.unwrap();
    assert_eq!((seen.tried, seen.unclear), (4, None));
    let email = Email::new(&other.email).unwrap();
    assert!(house.identities.account_of(&email).await.unwrap().is_some());
}
