//! Sessions of support, where the rights answer, refuse, or cannot be read.

use std::sync::{Arc, Mutex};

use kernel::{
    Fut, ManualClock, Scope, Secret, Sessions as _, Standing, Standings, Strength, Support,
    SystemRng, TenantId,
};

use crate::{Email, Error, Identities, NewAccount, Opening, Pool, ROOM};

const GRANT: &str = "11111111-1111-4111-8111-111111111111";

/// Says of grants what a test wants it to say.
struct OfGrants(Mutex<Result<Option<Standing>, String>>);

impl Standings for OfGrants {
    fn standing<'a>(
        &'a self,
        _account: &'a str,
        _tenant: &'a TenantId,
        grant: Option<&'a str>,
    ) -> Fut<'a, Result<Option<Standing>, String>> {
        let said = match grant {
            Some(_) => self.0.lock().unwrap().clone(),
            None => Ok(Some(Standing::default())),
        };
        Box::pin(async move { said })
    }
}

#[tokio::test]
async fn rights_that_cannot_be_read_are_no_refusal() {
    let base = testkit::database(&[&ROOM]).await;
    let clock = Arc::new(ManualClock::at("2026-11-27T01:00:00Z".parse().unwrap()));
    let support = Support {
        grant: GRANT.to_owned(),
        tenant: TenantId::new("sinar").unwrap(),
        scope: Scope::ReadOnly,
        until: "2026-11-27T09:00:00Z".parse().unwrap(),
    };
    let lives = Ok(Some(Standing { support: Some(support), ..Standing::default() }));
    let says = Arc::new(OfGrants(Mutex::new(lives.clone())));
    let say = |what| *says.0.lock().unwrap() = what;
    let (db, rng) = (base.engine.clone(), Arc::new(SystemRng));
    let rights = Arc::<OfGrants>::clone(&says);
    let identities = Identities::new(db, clock, rng, Pool::default(), rights).unwrap();
    let new = NewAccount {
        email: Email::new("rudi@house.example").unwrap(),
        name: "Rudi".into(),
        tenant: TenantId::new("house").unwrap(),
        password: Secret::new("correct horse battery".into()),
    };
    let account = identities.create_account(&new).await.unwrap();
    let before =
        identities.open_session(&account, Strength::One, Opening::default()).await.unwrap();
    let who = identities.decide(&before).await.unwrap().unwrap();

    say(Err("all connections stayed busy".to_owned()));
    let unread = identities.enter_support(&who, &before, GRANT).await;
    assert!(matches!(unread, Err(Error::Standing(_))), "{unread:?}");
    say(Ok(None));
    let refused = identities.enter_support(&who, &before, GRANT).await;
    assert!(matches!(refused, Err(Error::NoGrant)), "{refused:?}");
    say(lives.clone());
    let inside = identities.enter_support(&who, &before, GRANT).await.unwrap();

    // Not kept in memory yet: each answer is the rights' own.
    say(Err("all connections stayed busy".to_owned()));
    assert!(identities.decide(&inside).await.is_err(), "nobody knows whether the grant lives");
    say(Ok(None));
    assert_eq!(identities.decide(&inside).await.unwrap(), None);
    say(lives);
    let inside = identities.decide(&inside).await.unwrap().unwrap();
    assert_eq!(inside.tenant.as_str(), "sinar");
}
