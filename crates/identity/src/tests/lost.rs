//! Somebody lost their second factor, and it was taken off: nothing from before counts, and the password
//! leads no further than roles let it.

use kernel::Strength;

use super::factors::{Guarded, guarded, party, step};
use super::{EMAIL, right};
use crate::{Email, Error, Holder, SignedIn, Stage};

async fn account(g: &Guarded) -> String {
    let email = Email::new(EMAIL).unwrap();
    g.identities.account_of(&email).await.unwrap().unwrap().0
}

#[tokio::test]
async fn nothing_from_before_counts_and_the_holder_is_told() {
    let g = guarded(Strength::One).await;
    let account = account(&g).await;
    let none = g.identities.remove_factors(&account).await;
    assert!(matches!(none, Err(Error::NoSuch("factor"))), "{none:?}");
    let open = g.sign_in().await.session().unwrap();
    assert!(g.who(&open).await.is_some(), "what changed nothing ended nothing");
    let identity = g.who(&open).await.unwrap();
    let (_, with_app) = g.enrol_app(Holder::Session(&identity)).await;
    let identity = g.who(&with_app.session).await.unwrap();
    let (mut key, with_key) = g.enrol_key(Holder::Session(&identity)).await;
    let listed = g.identities.factors_of(&account).await.unwrap();
    assert_eq!((listed.has.app, listed.has.codes, listed.has.passkeys), (true, 10, 1));
    assert_eq!((&*listed.passkeys[0].name, listed.passkeys[0].last_used_at), ("Key", None));

    // A session in use, a sign-in on its way, and a challenge that waits for its answer.
    assert!(g.who(&with_key.session).await.is_some());
    let half_way = step(g.sign_in().await);
    let asked = g.ask(&half_way).await;
    let removed = g.identities.remove_factors(&account).await.unwrap();
    assert_eq!(removed, listed);
    assert!(g.who(&with_key.session).await.is_none());
    let answer = key.assert(&party(), &asked.challenge, None).unwrap();
    let late = g.identities.prove_passkey(&half_way, &party(), &answer).await;
    assert!(matches!(late, Err(Error::Over)), "{late:?}");
    let late = g.identities.prove_code(&half_way, &with_app.codes[0]).await;
    assert!(matches!(late, Err(Error::Over)), "{late:?}");
    let kinds = "SELECT count(*) FROM identity.letters WHERE kind = 'factors-removed'";
    assert_eq!(g.count(kinds).await, 1);
    for table in ["totp", "recovery_codes", "passkeys"] {
        assert_eq!(g.count(&format!("SELECT count(*) FROM identity.{table}")).await, 0, "{table}");
    }
    // No role asks for a factor, so that the password is enough again; and nothing can be done twice.
    let open = g.sign_in().await.session().unwrap();
    assert_eq!(g.who(&open).await.unwrap().strength, Strength::One);
    assert!(matches!(g.identities.remove_factors(&account).await, Err(Error::NoSuch(_))));
    assert!(g.who(&open).await.is_some());
}

#[tokio::test]
async fn where_a_role_asks_for_one_the_password_leads_to_setting_it_up_and_nowhere_else() {
    for needs in [Strength::Two, Strength::Hardware] {
        let g = guarded(needs).await;
        let account = account(&g).await;
        let first = step(g.sign_in().await);
        let (mut old_key, enrolled) = g.enrol_key(Holder::Step(&first)).await;
        g.identities.remove_factors(&account).await.unwrap();
        assert!(g.who(&enrolled.session).await.is_none());

        let SignedIn::Enrol(token) = g.sign_in().await else { panic!("{needs:?}") };
        let app = needs == Strength::Two;
        assert_eq!(g.identities.stage(&token).await.unwrap(), Stage::Enrol { app });
        // Nor does the step open anything, or an old code, or the key that was removed.
        assert!(g.who(&kernel::SessionToken(token.0.clone())).await.is_none());
        let code = g.identities.prove_code(&token, &enrolled.codes[0]).await;
        assert!(matches!(code, Err(Error::Over)), "{code:?}");
        let asked = g.ask(&token).await;
        assert!(asked.keys.is_empty());
        let answer = old_key.assert(&party(), &asked.challenge, None).unwrap();
        let shown = g.identities.prove_passkey(&token, &party(), &answer).await;
        assert!(matches!(shown, Err(Error::Passkey)), "{shown:?}");
        let offered = g.identities.start_app(Holder::Step(&token), "Kios").await;
        assert_eq!(offered.is_ok(), app, "{offered:?}");

        let (_, renewed) = g.enrol_key(Holder::Step(&token)).await;
        assert_eq!(renewed.codes.len(), 10);
        let identity = g.who(&renewed.session).await.unwrap();
        assert_eq!(identity.strength, Strength::Hardware);
        assert!(g.identities.sign_in(EMAIL, &right()).await.is_ok());
    }
}

#[tokio::test]
async fn of_an_account_that_is_closed_or_nobodys_nothing_is_told() {
    let g = guarded(Strength::One).await;
    let account = account(&g).await;
    g.identities.close(&account, None).await.unwrap();
    for account in [&*account, "00000000-0000-4000-8000-000000000009"] {
        assert!(matches!(g.identities.factors_of(account).await, Err(Error::Refused)));
        assert!(matches!(g.identities.remove_factors(account).await, Err(Error::Refused)));
    }
}
