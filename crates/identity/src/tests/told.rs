//! Whatever changes about an account is told to whoever has it, in the transaction that changes it.

use kernel::{Bits, Enrolments as _, Secret, Sessions as _, Strength, own};

use super::factors::{Guarded, guarded, party, step};
use super::{EMAIL, House, house, right, secret};
use crate::{Again, Error, FactorBook, Holder, NewKey, reseal_seeds};

/// The kinds of the letters that wait, in their order, and what each says besides; they are gone then.
async fn told(house: &House) -> Vec<(String, String)> {
    let tx = house.base.owner.operator().await.unwrap();
    let rows =
        tx.query("SELECT kind, detail FROM identity.letters ORDER BY id", &[]).await.unwrap();
    tx.batch("DELETE FROM identity.letters").await.unwrap();
    tx.commit().await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn kinds(g: &Guarded) -> Vec<String> {
    told(&g.house).await.into_iter().map(|(kind, _)| kind).collect()
}

#[tokio::test]
async fn a_factor_that_comes_or_goes_is_told() {
    let g = guarded(Strength::One).await;
    let open = g.sign_in().await.session().unwrap();
    assert!(told(&g.house).await.is_empty());
    let identity = g.who(&open).await.unwrap();
    let (seed, enrolled) = g.enrol_app(Holder::Session(&identity)).await;
    assert_eq!(kinds(&g).await, ["app-added"]);
    let identity = g.who(&enrolled.session).await.unwrap();
    let codes = g.identities.renew_codes(&identity).await.unwrap();
    assert_eq!(kinds(&g).await, ["codes-renewed"]);
    let (_, enrolled) = g.enrol_key(Holder::Session(&identity)).await;
    assert_eq!(told(&g.house).await, [("passkey-added".to_owned(), "Key".to_owned())]);

    let token = step(g.sign_in().await);
    g.identities.prove_code(&token, &codes[0]).await.unwrap();
    assert_eq!(told(&g.house).await, [("code-used".to_owned(), "9".to_owned())]);
    // What was not done is not told.
    let token = step(g.sign_in().await);
    assert!(g.identities.prove_code(&token, &codes[0]).await.is_err());
    assert!(told(&g.house).await.is_empty());

    let identity = g.who(&enrolled.session).await.unwrap();
    let key = g.identities.factors(&identity).await.unwrap().passkeys[0].id.clone();
    let session = g.identities.remove_passkey(&identity, &key).await.unwrap();
    let identity = g.who(&session).await.unwrap();
    g.identities.remove_app(&identity).await.unwrap();
    assert_eq!(kinds(&g).await, ["passkey-removed", "app-removed"]);
    drop(seed);
}

#[tokio::test]
async fn an_end_is_told_once() {
    let house = house().await;
    let email = crate::Email::new(EMAIL).unwrap();
    let (account, _) = house.identities.account_of(&email).await.unwrap().unwrap();
    for _ in 0..2 {
        house.identities.close(&account, None).await.unwrap();
    }
    assert_eq!(told(&house).await, [("closed".to_owned(), String::new())]);
}

#[tokio::test]
async fn a_key_is_told_to_its_maker_and_to_whoever_answers_for_the_service() {
    let house = house().await;
    let token = house.sign_in().await;
    let mut maker = (*house.identities.decide(&token).await.unwrap().unwrap()).clone();
    maker.standing.permits = [own::PEOPLE_KEYS].into_iter().collect::<Bits>();
    let service = house.identities.make_service(&maker, "Nightly").await.unwrap();
    for service in [None, Some(service.account)] {
        let new = NewKey { name: "export".to_owned(), service, scopes: None, days: 1 };
        house.identities.make_key(&maker, &new).await.unwrap();
        assert_eq!(told(&house).await, [("key-made".to_owned(), "export".to_owned())]);
    }
}

/// Whoever knows the password alone can have every code wait, and not the way that is left.
#[tokio::test]
async fn a_recovery_code_does_not_wait_behind_the_guesses_of_others() {
    let g = guarded(Strength::One).await;
    let open = g.sign_in().await.session().unwrap();
    let identity = g.who(&open).await.unwrap();
    let (_, enrolled) = g.enrol_app(Holder::Session(&identity)).await;
    loop {
        let token = step(g.sign_in().await);
        let wrong = g.identities.prove_code(&token, &secret("00000x")).await;
        if matches!(wrong, Err(Error::Wait)) {
            break;
        }
        assert!(matches!(wrong, Err(Error::Wrong)), "{wrong:?}");
    }
    // A guess in its form takes a try of the step.
    let token = step(g.sign_in().await);
    let guess = || Secret::new("0000-0000-0000-0000".to_owned());
    for _ in 0..crate::pending::MAX_TRIES {
        let wrong = g.identities.prove_code(&token, &guess()).await;
        assert!(matches!(wrong, Err(Error::Wrong)), "{wrong:?}");
    }
    let over = g.identities.prove_code(&token, &enrolled.codes[0]).await;
    assert!(matches!(over, Err(Error::Over)), "{over:?}");
    let token = step(g.sign_in().await);
    let entered = g.identities.prove_code(&token, &enrolled.codes[0]).await.unwrap();
    assert!(entered.session().is_some());
}

#[tokio::test]
async fn a_seed_is_sealed_anew_and_opens_as_before() {
    let g = guarded(Strength::One).await;
    let open = g.sign_in().await.session().unwrap();
    let identity = g.who(&open).await.unwrap();
    let (seed, _) = g.enrol_app(Holder::Session(&identity)).await;
    let (db, vault) = (&g.house.base.engine, g.identities.vault());
    let other = kernel::TenantId::new("bintang").unwrap();
    assert_eq!(reseal_seeds(db, &*vault, Some(&other)).await.unwrap().seeds, 0);
    let done = reseal_seeds(db, &*vault, Some(&identity.tenant)).await.unwrap();
    assert_eq!((done.seeds, done.renewed, done.failed), (1, 1, 0), "{done:?}");
    let again = reseal_seeds(db, &*vault, None).await.unwrap();
    assert_eq!((again.seeds, again.renewed, again.failed), (1, 0, 0));
    let token = step(g.sign_in().await);
    assert!(g.identities.prove_code(&token, &g.code(&seed, 0)).await.is_ok());
    // What cannot be opened is told and left as it lies.
    g.house.alter("UPDATE identity.totp SET seed_sealed = 'bintang|x|00'").await;
    let broken = reseal_seeds(db, &*vault, None).await.unwrap();
    assert_eq!((broken.renewed, broken.failed), (0, 1));
    assert_eq!(g.count("SELECT count(*) FROM identity.totp WHERE seed_sealed LIKE 'b%'").await, 1);
}

/// How strong a session could be is known of whoever has signed in, and of nobody before.
#[tokio::test]
async fn the_book_knows_what_a_sign_in_could_reach() {
    let g = guarded(Strength::Two).await;
    let book = FactorBook::new(g.house.base.engine.clone());
    let email = crate::Email::new(EMAIL).unwrap();
    let (account, _) = g.identities.account_of(&email).await.unwrap().unwrap();
    assert_eq!(book.reach(&account).await, Ok(None));
    let token = step(g.sign_in().await);
    assert_eq!(book.reach(&account).await, Ok(None), "a password alone is no sign-in yet");
    let (_, enrolled) = g.enrol_app(Holder::Step(&token)).await;
    assert_eq!(book.reach(&account).await, Ok(Some(Strength::Two)));
    let identity = g.who(&enrolled.session).await.unwrap();
    let (_, enrolled) = g.enrol_key(Holder::Session(&identity)).await;
    assert_eq!(book.reach(&account).await, Ok(Some(Strength::Hardware)));
    *g.demands.0.lock().unwrap() = Strength::One;
    let mut session = enrolled.session;
    for key in g.identities.factors(&identity).await.unwrap().passkeys {
        let identity = g.who(&session).await.unwrap();
        session = g.identities.remove_passkey(&identity, &key.id).await.unwrap();
    }
    let identity = g.who(&session).await.unwrap();
    g.identities.remove_app(&identity).await.unwrap();
    assert_eq!(book.reach(&account).await, Ok(Some(Strength::One)));
    assert_eq!(book.reach("00000000-0000-4000-8000-000000000009").await, Ok(None));
    assert!(book.reach("no id").await.is_err());
    assert!(!party().id().is_empty());
}

/// The session after a factor was changed is called as the one before.
#[tokio::test]
async fn a_session_keeps_the_name_of_its_browser() {
    let g = guarded(Strength::One).await;
    let open = g.sign_in().await.session().unwrap();
    g.house.alter("UPDATE identity.sessions SET agent = 'Firefox on Linux'").await;
    let identity = g.who(&open).await.unwrap();
    let (_, enrolled) = g.enrol_app(Holder::Session(&identity)).await;
    let agent = async |session: &str| {
        let tx = g.house.base.owner.operator().await.unwrap();
        let sql = "SELECT agent FROM identity.sessions WHERE id = $1::text::uuid";
        tx.query_one(sql, &[&session]).await.unwrap().get::<_, String>(0)
    };
    let identity = g.who(&enrolled.session).await.unwrap();
    assert_eq!(agent(&identity.session).await, "Firefox on Linux");
    let again = Again::Code(&enrolled.codes[0]);
    let renewed = g.identities.step_up(&identity, &enrolled.session, again).await.unwrap();
    let identity = g.who(&renewed).await.unwrap();
    assert_eq!(agent(&identity.session).await, "Firefox on Linux");
    assert!(g.identities.sign_in(EMAIL, &right()).await.is_ok());
}
