//! Sessions: what somebody has, how they end, and how long they live.

use kernel::{Clock as _, Sessions as _, Strength};
use store::DatabaseUrl;

use super::*;
use crate::{Lifetime, Opening};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

async fn account(house: &House) -> String {
    let email = Email::new(EMAIL).unwrap();
    house.identities.find(&email).await.unwrap().unwrap().0
}

async fn opened(house: &House, account: &str) -> SessionToken {
    house.identities.open_session(account, Strength::One, Opening::default()).await.unwrap()
}

async fn id(house: &House, token: &SessionToken) -> String {
    house.identities.decide(token).await.unwrap().unwrap().session.clone()
}

#[tokio::test]
async fn somebody_sees_their_sessions_and_ends_them() {
    let house = house().await;
    let account = account(&house).await;
    let agent = "Firefox on Linux\u{7}".to_owned();
    let with = Opening { agent, ..Opening::default() };
    let first = house.identities.open_session(&account, Strength::Two, with).await.unwrap();
    house.later(SECOND);
    let (second, third) = (opened(&house, &account).await, opened(&house, &account).await);
    let cards = house.identities.sessions(&account).await.unwrap();
    assert_eq!(cards.len(), 3);
    let card = cards.last().unwrap();
    assert_eq!(card.id, id(&house, &first).await);
    assert_eq!((card.strength, card.agent.as_str()), (Strength::Two, "Firefox on Linux"));

    // Another account's session is none, whatever its name.
    let stranger = "00000000-0000-4000-8000-000000000000";
    for name in [card.id.as_str(), "", "no id", "' OR true --", "nul\u{0}"] {
        let ended = house.identities.end_session(stranger, name).await;
        assert!(!ended.is_ok_and(|ended| ended), "{name}");
    }
    assert!(house.holds(&first).await);
    assert!(house.identities.end_session(&account, &card.id).await.unwrap());
    assert!(!house.identities.end_session(&account, &card.id).await.unwrap());
    assert!(!house.holds(&first).await && house.holds(&second).await);

    let keep = id(&house, &third).await;
    assert_eq!(house.identities.end_others(&account, &keep).await.unwrap(), 1);
    assert!(!house.holds(&second).await && house.holds(&third).await);
    house.identities.end_all(&account).await.unwrap();
    assert!(!house.holds(&third).await);
    assert!(house.identities.sessions(&account).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_renewed_session_has_a_new_name_and_its_old_limit() {
    let house = house().await;
    let account = account(&house).await;
    let old = opened(&house, &account).await;
    let name = id(&house, &old).await;
    house.later(MINUTE * 20);
    let new = house.identities.renew(&old, Strength::Two).await.unwrap();
    let identity = house.identities.decide(&new).await.unwrap().unwrap();
    assert!(!house.holds(&old).await && identity.session != name);
    assert_eq!(identity.strength, Strength::Two);
    assert_eq!(identity.authenticated_at, house.clock.now());
    let again = house.identities.renew(&old, Strength::Two).await;
    assert!(matches!(again, Err(Error::Refused)));
    // Of two at once, one is renewed.
    let (one, two) = tokio::join!(
        house.identities.renew(&new, Strength::One),
        house.identities.renew(&new, Strength::One)
    );
    assert!(one.is_ok() ^ two.is_ok());
    let mut token = one.or(two).unwrap();
    let mut age = MINUTE * 20;
    while age + MINUTE * 20 < ABSOLUTE {
        house.later(MINUTE * 20);
        age += MINUTE * 20;
        token = house.identities.renew(&token, Strength::One).await.unwrap();
        let identity = house.identities.decide(&token).await.unwrap().unwrap();
        assert_eq!(identity.strength, Strength::Two);
    }
    house.later(ABSOLUTE - age);
    assert!(!house.holds(&token).await);
}

#[tokio::test]
async fn a_session_is_opened_only_while_nothing_changed() {
    let house = house().await;
    let account = account(&house).await;
    let at = |epoch| Opening { epoch: Some(epoch), ..Opening::default() };
    assert!(house.identities.open_session(&account, Strength::One, at(0)).await.is_ok());
    house.identities.end_all(&account).await.unwrap();
    let late = house.identities.open_session(&account, Strength::One, at(0)).await;
    assert!(matches!(late, Err(Error::Refused)));
    house.alter("UPDATE identity.accounts SET disabled_at = now()").await;
    let shut = house.identities.open_session(&account, Strength::One, at(1)).await;
    assert!(matches!(shut, Err(Error::Refused)));
}

#[tokio::test]
async fn a_tenant_has_limits_of_its_own_and_is_shut_out_at_once() {
    let house = house().await;
    let sinar = TenantId::new("sinar").unwrap();
    let before = house.sign_in().await;
    house.identities.limit_tenant(&sinar, Some(300), Some(3_600)).await.unwrap();
    assert!(house.identities.limit_tenant(&sinar, Some(59), None).await.is_err());
    // It counts for a session that was open already.
    assert!(house.holds(&before).await);
    house.later(MINUTE * 5);
    assert!(!house.holds(&before).await);
    let busy = house.sign_in().await;
    for _ in 0..14 {
        house.later(MINUTE * 4);
        assert!(house.holds(&busy).await);
    }
    house.later(MINUTE * 4);
    assert!(!house.holds(&busy).await);

    let shut = house.sign_in().await;
    assert!(house.holds(&shut).await);
    house.identities.suspend_tenant(&sinar).await.unwrap();
    assert!(!house.holds(&shut).await);
    let answer = house.identities.sign_in(EMAIL, &right()).await;
    assert!(matches!(answer, Err(Error::Refused)));
    house.identities.resume_tenant(&sinar).await.unwrap();
    assert!(!house.holds(&shut).await);
    assert!(house.holds(&house.sign_in().await).await);
}

#[tokio::test]
async fn a_house_that_became_stricter_ends_what_is_open() {
    let mut house = house().await;
    let token = house.sign_in().await;
    let strict = Lifetime { idle: MINUTE * 5, absolute: MINUTE * 10 };
    house.identities = house.identities.with_lifetime(strict);
    assert_eq!(house.identities.shorten_sessions().await.unwrap(), 1);
    assert_eq!(house.identities.shorten_sessions().await.unwrap(), 0);
    assert!(house.holds(&token).await);
    house.later(MINUTE * 5);
    assert!(!house.holds(&token).await);
}

/// A clock that goes back shows a session from the future: its age cannot be told.
#[tokio::test]
async fn a_clock_that_goes_back_lengthens_no_session() {
    let house = house().await;
    let token = house.sign_in().await;
    house.later(-MINUTE * 4);
    assert!(house.holds(&token).await);
    house.later(-MINUTE * 2);
    assert!(!house.holds(&token).await);
    house.later(MINUTE * 6);
    assert!(house.holds(&token).await);
}

/// Everything that ends a session is told in the transaction that does it, and nothing else is.
#[tokio::test]
async fn whatever_ends_is_told_to_who_listens() {
    let house = house().await;
    let url: &DatabaseUrl = house.base.engine.url();
    let mut listener = store::Listener::connect(url, &["amanah_identity"]).await.unwrap();
    let account = account(&house).await;
    let token = opened(&house, &account).await;
    house.later(MINUTE * 2);
    assert!(house.holds(&token).await);
    let mut heard = async |wanted: &str| {
        let (_, told) = listener.next().await.unwrap();
        assert!(told.starts_with(wanted), "{told} is not {wanted}");
    };
    house.identities.sign_out(&token).await.unwrap();
    heard("s:").await;
    house.identities.end_all(&account).await.unwrap();
    heard(&format!("a:{account}")).await;
    house.identities.suspend_tenant(&TenantId::new("sinar").unwrap()).await.unwrap();
    heard("t:sinar").await;
    house.alter("UPDATE identity.sessions SET revoked_at = NULL WHERE false").await;
    house.alter("UPDATE identity.accounts SET disabled_at = now()").await;
    heard("a:").await;
    house.alter("TRUNCATE identity.sessions").await;
    heard("*").await;
    house.alter("DELETE FROM identity.accounts").await;
    heard("a:").await;
}
