//! What a step or a session asked for is its own: somebody who knows the password as well, or has
//! another session, neither sees it nor keeps its holder from it.

use kernel::Strength;

use super::factors::{guarded, party, step};
use crate::pending::STEP_LASTS;
use crate::service::MAX_CHALLENGES;
use crate::totp::Seed;
use crate::{Again, Error, Holder};

/// Somebody who knows the password signs in too, and waits for the seed of the holder's app.
#[tokio::test]
async fn a_new_seed_is_shown_to_the_step_that_asked_and_no_other() {
    let g = guarded(Strength::Two).await;
    let (theirs, thief) = (step(g.sign_in().await), step(g.sign_in().await));
    let (theirs, thief) = (Holder::Step(&theirs), Holder::Step(&thief));
    let app = g.identities.start_app(theirs, "Kios").await.unwrap();
    let seed = Seed::from_text(&app.text).unwrap();
    let shown = g.identities.waiting_app(thief, "Kios").await;
    assert!(matches!(shown, Err(Error::NoSuch("app"))), "{shown:?}");
    let taken = g.identities.confirm_app(thief, &g.code(&seed, 0)).await;
    assert!(matches!(taken, Err(Error::NoSuch("app"))), "{taken:?}");
    // Nor does one of the thief's own take it away, or is left when the holder's counts.
    let other = g.identities.start_app(thief, "Kios").await.unwrap();
    assert_ne!(other.text.expose(), app.text.expose());
    let again = g.identities.waiting_app(theirs, "Kios").await.unwrap();
    assert_eq!(again.text.expose(), app.text.expose());
    let enrolled = g.identities.confirm_app(theirs, &g.code(&seed, 0)).await.unwrap();
    assert!(g.who(&enrolled.session).await.is_some());
    let other = Seed::from_text(&other.text).unwrap();
    let late = g.identities.confirm_app(thief, &g.code(&other, 0)).await;
    assert!(matches!(late, Err(Error::Over)), "{late:?}");
    assert_eq!(g.count("SELECT count(*) FROM identity.totp").await, 1);
}

/// The same for sessions, of which one may be stolen. What waited for longer than a proof counts goes.
#[tokio::test]
async fn a_new_seed_is_shown_to_the_session_that_asked_and_no_other() {
    let g = guarded(Strength::One).await;
    let mut both = Vec::new();
    for _ in 0..2 {
        let open = g.sign_in().await.session().unwrap();
        both.push(g.who(&open).await.unwrap());
    }
    let (theirs, thief) = (Holder::Session(&both[0]), Holder::Session(&both[1]));
    g.identities.start_app(theirs, "Kios").await.unwrap();
    let shown = g.identities.waiting_app(thief, "Kios").await;
    assert!(matches!(shown, Err(Error::NoSuch("app"))), "{shown:?}");
    g.identities.start_app(theirs, "Kios").await.unwrap();
    assert_eq!(g.count("SELECT count(*) FROM identity.totp").await, 1);
    g.house.later(kernel::RECENT + super::SECOND);
    let open = g.sign_in().await.session().unwrap();
    let fresh = g.who(&open).await.unwrap();
    g.identities.start_app(Holder::Session(&fresh), "Kios").await.unwrap();
    assert_eq!(g.count("SELECT count(*) FROM identity.totp").await, 1);
}

/// Somebody who knows the password asks for challenges without end: the holder's key opens all the same, and
/// whoever asks most has the newest left.
#[tokio::test]
async fn challenges_of_others_keep_no_key_from_working() {
    let g = guarded(Strength::Hardware).await;
    let first = step(g.sign_in().await);
    let (mut key, enrolled) = g.enrol_key(Holder::Step(&first)).await;
    let (theirs, thief) = (step(g.sign_in().await), step(g.sign_in().await));
    let asked = g.ask(&theirs).await;
    let mut last = g.ask(&thief).await;
    let oldest = last.clone();
    for _ in 0..2 * MAX_CHALLENGES {
        g.house.later(super::SECOND);
        last = g.ask(&thief).await;
    }
    let kept = "SELECT count(*) FROM identity.challenges";
    assert_eq!(g.count(kept).await, MAX_CHALLENGES + 1);
    // Nor is an answer of one step good in another, or one to what was crowded out.
    for challenge in [&asked.challenge, &oldest.challenge] {
        let answer = key.assert(&party(), challenge, None).unwrap();
        let refused = g.identities.prove_passkey(&thief, &party(), &answer).await;
        assert!(matches!(refused, Err(Error::Passkey)), "{refused:?}");
    }
    let answer = key.assert(&party(), &asked.challenge, None).unwrap();
    let inside = g.identities.prove_passkey(&theirs, &party(), &answer).await.unwrap();
    let session = inside.session().unwrap();
    let answer = key.assert(&party(), &last.challenge, None).unwrap();
    assert!(g.identities.prove_passkey(&thief, &party(), &answer).await.is_ok());
    // The same with sessions: another one neither answers nor crowds out.
    let identity = g.who(&session).await.unwrap();
    let other = g.who(&enrolled.session).await.unwrap();
    let asked = g.identities.ask_again(&identity, &party()).await.unwrap();
    for _ in 0..=MAX_CHALLENGES {
        g.identities.ask_again(&other, &party()).await.unwrap();
    }
    let (party, answer) = (party(), key.assert(&party(), &asked.challenge, None).unwrap());
    let again = || Again::Passkey(&party, &answer);
    let refused = g.identities.step_up(&other, &enrolled.session, again()).await;
    assert!(matches!(refused, Err(Error::Passkey)), "{refused:?}");
    assert!(g.identities.step_up(&identity, &session, again()).await.is_ok());
}

#[tokio::test]
async fn seeds_of_steps_that_are_over_are_gone_with_them() {
    let g = guarded(Strength::Two).await;
    let waiting = "SELECT count(*) FROM identity.totp WHERE confirmed_at IS NULL";
    let begin = async || {
        let token = step(g.sign_in().await);
        g.identities.start_app(Holder::Step(&token), "Kios").await.unwrap();
        token
    };
    // Whoever knows the password begins, and never ends.
    begin().await;
    begin().await;
    assert_eq!(g.count(waiting).await, 2);
    g.house.later(STEP_LASTS);
    let token = begin().await;
    assert_eq!(g.count(waiting).await, 1, "theirs went with their steps");
    // A step that ends otherwise takes its seed along.
    g.enrol_key(Holder::Step(&token)).await;
    assert_eq!(g.count(waiting).await, 0);
    assert_eq!(g.count("SELECT count(*) FROM identity.pending").await, 0);
}
