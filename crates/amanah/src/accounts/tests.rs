//! Guesses, floods and proofs against the limits, as the sign-in page meets them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use console::{Accounts as _, SignIn as _};
use identity::{Identities, NewAccount, Pool};
use kernel::{Cx, ManualClock, NoStandings, SystemClock, SystemRng, TenantId};
use tokio::task::JoinSet;

use super::*;
use crate::bridge::SignIn;

const EMAIL: &str = "sari@sinar.example";
const PROOF: &str = "what the proofs show";
const RIGHT: &str = "correct horse battery";

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

async fn front() -> (testkit::TestDb, Arc<Front>) {
    let (base, front, _) = house().await;
    (base, front)
}

/// Its limits are at one moment, so that nothing of them comes back while they are tried.
async fn house() -> (testkit::TestDb, Arc<Front>, Arc<Pile>) {
    let base = testkit::database(&[&identity::ROOM, &access::ROOM]).await;
    let cx = Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) };
    let (clock, rng) = (Arc::clone(&cx.clock), Arc::clone(&cx.rng));
    // Nobody is told "busy", so that what is looked at is what the lock lets through.
    let pool = Pool { at_once: 2, queue: 200, ..Pool::default() };
    let nobody = Arc::new(NoStandings);
    let identities = Identities::new(base.engine.clone(), clock, rng, pool, nobody).unwrap();
    let identities = Arc::new(identities);
    let account = NewAccount {
        email: Email::new(EMAIL).unwrap(),
        name: "Sari".to_owned(),
        tenant: TenantId::new("sinar").unwrap(),
        password: secret(RIGHT),
    };
    identities.create_account(&account).await.unwrap();
    let letters = Arc::new(Pile::default());
    let world = (Arc::clone(&cx.clock), Arc::clone(&cx.rng));
    let post = Arc::<Pile>::clone(&letters);
    let room = Mailroom::new(Arc::clone(&identities), world, post, "https://a.example");
    let room = Arc::new(room);
    let access = Arc::new(Access::new(base.engine.clone(), Arc::clone(&cx.clock)));
    let people = crate::provisioning::People::of(&access, &identities, &room, &cx);
    let directory = crate::provisioning::open(people, &base.engine, "");
    let front = Front {
        room,
        identities,
        access,
        directory,
        limits: Limits::new(&*cx.rng).unwrap().with_proofs(&secret(PROOF)),
        clock: Arc::new(ManualClock::at(cx.clock.now())),
    };
    (base, Arc::new(front), letters)
}

fn from(n: u8, browser: Option<SessionToken>) -> Origin {
    let peer = [192, 0, 2, n].into();
    Origin { peer, browser, family: "Firefox".to_owned(), proof: None }
}

/// What the sign-in page does with a password. Whether it was looked at.
async fn attempt(front: &Front, password: &str, from: &Origin) -> (bool, Option<SessionToken>) {
    if front.may_try(EMAIL, from).await.is_err() {
        return (false, None);
    }
    let entered = SignIn(Arc::clone(&front.identities)).sign_in(EMAIL, &secret(password)).await;
    match entered {
        Ok(console::Entered::Session(session)) => {
            (true, front.signed_in(&session, from).await.or(Some(session)))
        }
        Err(Refusal::Refused) => (true, None),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_guesses_at_once_five_are_looked_at_and_whoever_is_known_gets_in() {
    let (_base, front) = front().await;
    let (_, known) = attempt(&front, RIGHT, &from(1, None)).await;
    assert!(known.is_some());
    let looked_at = Arc::new(AtomicUsize::new(0));
    let mut flood = JoinSet::new();
    for n in 0..60 {
        let (front, looked_at) = (Arc::clone(&front), Arc::clone(&looked_at));
        flood.spawn(async move {
            let (looked, session) = attempt(&front, "a wrong guess", &from(2 + n, None)).await;
            looked_at.fetch_add(usize::from(looked), Ordering::Relaxed);
            assert!(session.is_none());
        });
    }
    let honest = from(1, known);
    let (wrong, _) = attempt(&front, "mistyped once", &honest).await;
    let (looked, session) = attempt(&front, RIGHT, &honest).await;
    assert!(wrong && looked && session.is_some(), "in the middle of it");
    while let Some(done) = flood.join_next().await {
        done.unwrap();
    }
    // The success of whoever is known forgives what others had guessed until then, once.
    let looked_at = looked_at.load(Ordering::Relaxed);
    assert!((5..=10).contains(&looked_at), "{looked_at} were looked at");
}

/// Has strangers in thousands of networks use up what everybody has together.
fn exhaust(front: &Front, what: Attempted) {
    let network = |n: u16| std::net::Ipv6Addr::new(0x2001, 0xdb8, n, 0, 0, 0, 0, 0).into();
    let now = front.clock.now();
    let refused = (0..u16::MAX).find(|n| !front.limits.allow(what, network(*n), now));
    assert!(refused.is_some(), "{what:?}");
}

/// Letters that came.
#[derive(Default)]
struct Pile(Mutex<Vec<identity::Written>>);

impl identity::Post for Pile {
    fn name(&self) -> String {
        "a pile".to_owned()
    }

    fn send<'a>(&'a self, letter: &'a identity::Written) -> Fut<'a, Result<(), identity::Unsent>> {
        self.0.lock().unwrap().push(letter.clone());
        Box::pin(async { Ok(()) })
    }
}

/// The link for a new password that comes by letter.
async fn link_of(front: &Front, letters: &Pile, known: &Origin) -> SessionToken {
    front.ask_reset(EMAIL, "en", known).await.unwrap();
    front.room.deliver().await.unwrap();
    let letters = std::mem::take(&mut *letters.0.lock().unwrap());
    let body = &letters.iter().find(|letter| letter.body.contains("?t=")).unwrap().body;
    let (_, token) = body.split_once("?t=").unwrap();
    SessionToken(secret(token.split_whitespace().next().unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_in_many_networks_keep_out_nobody_who_is_none() {
    let (_base, front, letters) = house().await;
    let (_, known) = attempt(&front, RIGHT, &from(1, None)).await;
    assert!(known.is_some());
    for what in [Attempted::SignIn, Attempted::Reset, Attempted::Link] {
        exhaust(&front, what);
    }
    let known = from(2, known);
    assert!(!attempt(&front, RIGHT, &from(3, None)).await.0);
    let (_, session) = attempt(&front, RIGHT, &known).await;
    assert!(session.is_some(), "the browser had signed in before");
    // Another account's browser is a stranger's, and is told so.
    let other = front.ask_reset("dewi@sinar.example", "en", &known).await;
    assert_eq!(other, Err(Hindrance::Later));

    let none = SessionToken(secret("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    let new = secret("a-canary-sings-in-the-mine-7");
    assert_eq!(front.reset(&none, &new, &from(3, None)).await, Err(Hindrance::Later));
    let accepted = front.accept(&none, "Sari", &new, &from(3, None)).await;
    assert_eq!(accepted, Err(Hindrance::Later));
    let link = link_of(&front, &letters, &known).await;
    assert_eq!(front.reset(&link, &new, &from(3, None)).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_on_the_same_machine_is_no_proof_without_its_secret() {
    let (_base, front) = front().await;
    let here = |n: u8, proof: Option<&str>| Origin {
        peer: [127, 0, 0, n].into(),
        proof: proof.map(secret),
        ..from(1, None)
    };
    let passed = async |email: &str, from: Origin| {
        let mut passed = 0;
        for _ in 0..100 {
            passed += usize::from(front.may_try(email, &from).await.is_ok());
        }
        passed
    };
    let canary = "canary-1@amanah.invalid";
    assert_eq!(passed(canary, here(1, Some(PROOF))).await, 100);
    assert_eq!(passed(canary, here(2, None)).await, 5);
    assert_eq!(passed("canary-2@amanah.invalid", here(3, Some("something else"))).await, 5);
    assert_eq!(passed(EMAIL, here(4, Some(PROOF))).await, 5, "somebody is to be guarded");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_guesses_at_once_no_more_than_the_free_ones_are_looked_at() {
    let (_base, front) = front().await;
    let mut flood = JoinSet::new();
    for n in 0..60 {
        let front = Arc::clone(&front);
        flood.spawn(async move { attempt(&front, "a wrong guess", &from(n, None)).await.0 });
    }
    let looked = flood.join_all().await.into_iter().filter(|looked| *looked).count();
    assert_eq!(looked, 5);
    // What was never looked at does not count: room for one more, and only one.
    front.not_wrong(EMAIL, &from(1, None)).await;
    assert!(front.may_try(EMAIL, &from(1, None)).await.is_ok());
    assert!(front.may_try(EMAIL, &from(1, None)).await.is_err());
}
