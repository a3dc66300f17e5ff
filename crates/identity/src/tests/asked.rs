//! What a step or a session asked for is its own: somebody who knows the password as well, or has
//! another session, neither sees it nor keeps its holder from it.

use kernel::Strength;

use super::factors::{guarded, step};
use crate::totp::Seed;
use crate::{Error, Holder};

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
