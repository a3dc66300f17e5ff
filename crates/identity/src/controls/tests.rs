//! The control on a real PostgreSQL: it holds when all is well, is broken when something is not,
//! and says that it cannot tell when it cannot.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Control, Cx, Fut, Outcome, Params, Proof, Secret, SystemClock, SystemRng};
use testkit::TestDb;

use super::timing::{CANARY, InProcess};
use super::{Attempt, SignInProbe, controls};
use crate::stored::{Cost, Stored};
use crate::{Identities, Pool, ROOM};

mod sessions;

/// How often a busy machine is asked again.
const TRIES_WHEN_BUSY: usize = 6;

pub(super) struct House {
    pub(super) base: TestDb,
    pub(super) identities: Arc<Identities>,
}

pub(super) async fn house() -> House {
    let base = testkit::database(&[&ROOM]).await;
    let identities = Identities::new(
        base.engine.clone(),
        Arc::new(SystemClock),
        Arc::new(SystemRng),
        Pool::default(),
        Arc::new(kernel::NoStandings),
    );
    let identities = Arc::new(identities.unwrap());
    House { base, identities }
}

pub(super) fn cx() -> Cx {
    Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) }
}

impl House {
    fn control(&self, probe: Option<Arc<dyn SignInProbe>>) -> Arc<dyn Control> {
        let all = controls(
            Arc::clone(&self.identities),
            self.base.owner.clone(),
            self.base.programs.clone(),
            probe,
            None,
        );
        Arc::clone(&all[0])
    }

    /// Tests run beside each other, and a machine that is too busy to compare times says so: then it
    /// is asked again.
    async fn prove(&self, probe: Option<Arc<dyn SignInProbe>>) -> Proof {
        let mut proof = self.control(probe.clone()).prove(&cx(), &Params::none()).await;
        for _ in 1..TRIES_WHEN_BUSY {
            if !proof.detail().contains("too busy") {
                break;
            }
            proof = self.control(probe.clone()).prove(&cx(), &Params::none()).await;
        }
        proof
    }

    async fn alter(&self, sql: &str) {
        let tx = self.base.owner.operator().await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// What is done to the answer for an address.
type Fault = fn(&str, Attempt) -> Attempt;

/// A gateway with a fault.
struct Faulty {
    identities: Arc<Identities>,
    fault: Fault,
}

impl SignInProbe for Faulty {
    fn attempt<'a>(
        &'a self,
        email: &'a str,
        password: &'a Secret,
    ) -> Fut<'a, Result<Attempt, String>> {
        Box::pin(async move {
            let true_answer = InProcess(&self.identities).attempt(email, password).await?;
            Ok((self.fault)(email, true_answer))
        })
    }
}

#[tokio::test]
async fn it_holds_on_a_good_house_and_is_never_without_a_population() {
    let house = house().await;
    let proof = house.prove(None).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{proof:?}");
    assert_eq!(proof.population().to_string(), "1 of 1 stored hashes");
    assert!(proof.measured().starts_with("weakest m=19456,t=2,p=1; refusals took"));
    assert!(proof.detail().contains("inside the program"), "{proof:?}");
}

/// The decoy, and the canary of before, cost what new hashes do: the times are those of one another.
#[tokio::test]
async fn it_holds_at_another_cost_and_asks_for_no_more_than_before() {
    let mut house = house().await;
    let before = house.prove(None).await;
    let pool = Pool { cost: Cost::tuned("m=19456,t=6,p=1").unwrap(), ..Pool::default() };
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let nobody = Arc::new(kernel::NoStandings);
    let service = Identities::new(house.base.engine.clone(), clock, random, pool, nobody).unwrap();
    house.identities = Arc::new(service);
    let proof = house.prove(None).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{proof:?}");
    assert!(proof.measured().starts_with("weakest m=19456,t=6,p=1; refusals took"), "{proof:?}");
    assert_eq!(proof.threshold(), before.threshold());
}

#[tokio::test]
async fn a_weak_hash_is_named_by_its_account_and_never_shown() {
    let house = house().await;
    let weak = Stored { cost: Cost::new(1_024, 2), salt: vec![7; 16], output: vec![9; 32] };
    house
        .alter(&format!(
            "INSERT INTO identity.accounts VALUES ('00000000-0000-4000-8000-000000000007',
             'old@x.example', 'Old', 't', '{weak}', now())"
        ))
        .await;
    let proof = house.prove(None).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
    assert_eq!(
        proof.detail().split(';').next(),
        Some(
            "account 00000000-0000-4000-8000-000000000007: its hash is too cheap to guess against: \
             m=1024,t=2,p=1"
        )
    );
    assert!(!format!("{proof:?}").contains("$argon2id$"));
    assert_eq!(proof.population().total, 2);
}

#[tokio::test]
async fn it_bites() {
    let house = house().await;
    let proof = house.control(None).bite(&cx()).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
    assert_eq!(proof.population().to_string(), "8 of 8 seeded violations");
    assert_eq!(proof.findings().len(), 8, "{proof:?}");
    assert!(!proof.detail().contains("left behind"), "{proof:?}");
}

#[tokio::test]
async fn a_canary_that_cannot_sign_in_proves_nothing() {
    let house = house().await;
    assert_eq!(house.prove(None).await.outcome(), Outcome::Holds);
    house
        .alter(&format!(
            "UPDATE identity.accounts SET disabled_at = now() WHERE email = '{CANARY}'"
        ))
        .await;
    let proof = house.prove(None).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{proof:?}");
    assert!(proof.detail().contains("canary's account"), "{proof:?}");
}

#[tokio::test]
async fn answers_that_differ_are_broken_and_answers_that_say_nothing_are_unknown() {
    let house = house().await;
    let faults: [(Fault, Outcome, &str); 5] = [
        (|_, a| a, Outcome::Holds, ""),
        (
            |email, a| Attempt { body_len: a.body_len + usize::from(email == CANARY), ..a },
            Outcome::Broken,
            "a known address gets",
        ),
        (
            |email, a| Attempt { status: if email == CANARY { 403 } else { 401 }, ..a },
            Outcome::Broken,
            "status 403",
        ),
        (|_, a| Attempt { status: 429, ..a }, Outcome::Unknown, "answered 429"),
        (
            |_, a| Attempt { took: Duration::from_micros(50), ..a },
            Outcome::Unknown,
            "was not reached",
        ),
    ];
    for (fault, want, words) in faults {
        let identities = Arc::clone(&house.identities);
        let proof = house.prove(Some(Arc::new(Faulty { identities, fault }))).await;
        assert_eq!(proof.outcome(), want, "{proof:?}");
        assert!(proof.detail().contains(words), "{proof:?}");
    }
}
