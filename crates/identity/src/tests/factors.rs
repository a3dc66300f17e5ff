//! Second factors on a real PostgreSQL: what opens a session, what does not, and what happens when two
//! come at once.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use kernel::{
    Clock as _, Fut, Identity, Secret, SessionToken, Sessions as _, Standing, Standings, Strength,
    SystemRng, TenantId,
};
use tokio::task::JoinSet;

use super::{EMAIL, House, SECOND, house, right, secret};
use crate::passkey::{Fault, SoftKey};
use crate::pending::{FREE_GUESSES, MAX_TRIES, STEP_LASTS};
use crate::totp::Seed;
use crate::vault::Envelope;
use crate::{
    Again, Ceremony, Enrolled, Error, Holder, Identities, Party, Result, SignedIn, Stage, StepToken,
};

/// Says what was last demanded.
pub(super) struct Demands(pub(super) Mutex<Strength>);

impl Standings for Demands {
    fn standing<'a>(
        &'a self,
        _account: &'a str,
        _tenant: &'a TenantId,
        _grant: Option<&'a str>,
    ) -> Fut<'a, std::result::Result<Option<Standing>, String>> {
        let needs = *self.0.lock().unwrap();
        Box::pin(async move { Ok(Some(Standing { needs, ..Standing::default() })) })
    }
}

pub(super) struct Guarded {
    pub(super) house: House,
    pub(super) identities: Arc<Identities>,
    pub(super) demands: Arc<Demands>,
}

pub(super) async fn guarded(needs: Strength) -> Guarded {
    let house = house().await;
    let demands = Arc::new(Demands(Mutex::new(needs)));
    let standings = Arc::<Demands>::clone(&demands);
    let clock = Arc::<kernel::ManualClock>::clone(&house.clock);
    let (rng, pool) = (Arc::new(SystemRng), crate::Pool::default());
    let identities = Identities::new(house.base.engine.clone(), clock, rng, pool, standings);
    let identities = Arc::new(identities.unwrap().with_vault(Arc::new(Envelope)));
    Guarded { house, identities, demands }
}

pub(super) fn party() -> Party {
    Party::new("localhost:8443", &["localhost".to_owned()]).unwrap()
}

pub(super) fn step(signed_in: SignedIn) -> StepToken {
    signed_in.step().unwrap()
}

impl Guarded {
    pub(super) async fn sign_in(&self) -> SignedIn {
        self.identities.sign_in(EMAIL, &right()).await.unwrap()
    }

    pub(super) async fn who(&self, token: &SessionToken) -> Option<Arc<Identity>> {
        self.identities.decide(token).await.unwrap()
    }

    pub(super) fn code(&self, seed: &Seed, steps: i64) -> Secret {
        seed.code_at(self.house.clock.now() + SignedDuration::from_secs(30 * steps))
    }

    /// Sets an app up, whose first code is used up then.
    pub(super) async fn enrol_app(&self, holder: Holder<'_>) -> (Seed, Enrolled) {
        let app = self.identities.start_app(holder, "Kios").await.unwrap();
        let seed = Seed::from_text(&app.text).unwrap();
        let code = self.code(&seed, 0);
        let enrolled = self.identities.confirm_app(holder, &code).await.unwrap();
        self.house.later(SECOND * 30);
        (seed, enrolled)
    }

    pub(super) async fn enrol_key(&self, holder: Holder<'_>) -> (SoftKey, Enrolled) {
        let asked = self.identities.start_passkey(holder, &party()).await.unwrap();
        let key = SoftKey::fresh(&SystemRng).unwrap();
        let answer = key.register(&party(), &asked.challenge, None).unwrap();
        let enrolled = self.identities.add_passkey(holder, &party(), "Key", &answer).await;
        (key, enrolled.unwrap())
    }

    pub(super) async fn ask(&self, token: &StepToken) -> Ceremony {
        self.identities.ask_passkey(token, &party()).await.unwrap()
    }

    pub(super) async fn count(&self, sql: &str) -> i64 {
        let tx = self.house.base.owner.operator().await.unwrap();
        tx.query_one(sql, &[]).await.unwrap().get(0)
    }
}

#[tokio::test]
async fn a_code_is_asked_for_once_there_is_an_app_and_is_good_once() {
    let g = guarded(Strength::One).await;
    let open = g.sign_in().await.session().unwrap();
    let identity = g.who(&open).await.unwrap();
    let (seed, enrolled) = g.enrol_app(Holder::Session(&identity)).await;
    assert_eq!(enrolled.codes.len(), 10);
    // The session from before is over; the new one is stronger.
    assert!(g.who(&open).await.is_none());
    assert_eq!(g.who(&enrolled.session).await.unwrap().strength, Strength::Two);

    let token = step(g.sign_in().await);
    let Stage::Prove(offer) = g.identities.stage(&token).await.unwrap() else { panic!("enrol") };
    assert!(offer.app && offer.codes && !offer.passkeys);
    // The token of the step is no session.
    assert!(g.who(&SessionToken(token.0.clone())).await.is_none());
    let code = g.code(&seed, 0);
    let session = g.identities.prove_code(&token, &code).await.unwrap().session().unwrap();
    assert_eq!(g.who(&session).await.unwrap().strength, Strength::Two);
    // The step is over, and so is the code; so is one of an older step.
    assert!(matches!(g.identities.prove_code(&token, &code).await, Err(Error::Over)));
    let token = step(g.sign_in().await);
    for old in [0, -1, -2, 2] {
        let answer = g.identities.prove_code(&token, &g.code(&seed, old)).await;
        assert!(matches!(answer, Err(Error::Wrong)), "{old}");
    }
    let next = g.code(&seed, 1);
    assert!(g.identities.prove_code(&token, &next).await.unwrap().session().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_with_one_code_one_gets_in() {
    let g = Arc::new(guarded(Strength::One).await);
    let open = g.sign_in().await.session().unwrap();
    let identity = g.who(&open).await.unwrap();
    let (seed, enrolled) = g.enrol_app(Holder::Session(&identity)).await;
    for code in [g.code(&seed, 0), enrolled.codes[0].clone()] {
        let mut steps = Vec::new();
        for _ in 0..8 {
            steps.push(step(g.sign_in().await));
        }
        let mut many = JoinSet::new();
        for token in steps {
            let (g, code) = (Arc::clone(&g), code.clone());
            many.spawn(async move { g.identities.prove_code(&token, &code).await });
        }
        let answers = many.join_all().await;
        let inside = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(inside, 1, "{answers:?}");
    }
    // Many at once in one step: no more than its tries, and one session at most.
    let token = step(g.sign_in().await);
    let mut many = JoinSet::new();
    let code = g.code(&seed, 1);
    for n in 0..20 {
        let (g, token) = (Arc::clone(&g), token.clone());
        let code = if n == 10 { code.clone() } else { secret("000000") };
        many.spawn(async move { g.identities.prove_code(&token, &code).await });
    }
    let answers = many.join_all().await;
    let looked = answers.iter().filter(|a| !matches!(a, Err(Error::Over | Error::Wait))).count();
    assert!(looked <= usize::try_from(MAX_TRIES).unwrap(), "{answers:?}");
    assert!(answers.iter().filter(|answer| answer.is_ok()).count() <= 1);
}

#[tokio::test]
async fn a_recovery_code_is_good_once_and_a_new_set_voids_the_old() {
    let g = guarded(Strength::One).await;
    let open = g.sign_in().await.session().unwrap();
    let identity = g.who(&open).await.unwrap();
    let (_, enrolled) = g.enrol_app(Holder::Session(&identity)).await;
    let code = &enrolled.codes[3];
    let token = step(g.sign_in().await);
    let session = g.identities.prove_code(&token, code).await.unwrap().session().unwrap();
    let identity = g.who(&session).await.unwrap();
    assert_eq!(g.identities.factors(&identity).await.unwrap().has.codes, 9);
    let token = step(g.sign_in().await);
    assert!(matches!(g.identities.prove_code(&token, code).await, Err(Error::Wrong)));
    let fresh = g.identities.renew_codes(&identity).await.unwrap();
    let old = &enrolled.codes[4];
    assert!(matches!(g.identities.prove_code(&token, old).await, Err(Error::Wrong)));
    assert!(g.identities.prove_code(&token, &fresh[0]).await.is_ok());
}

#[tokio::test]
async fn tries_and_time_are_bounded_and_guesses_outlive_the_step() {
    let g = guarded(Strength::One).await;
    let open = g.sign_in().await.session().unwrap();
    let identity = g.who(&open).await.unwrap();
    let (seed, _) = g.enrol_app(Holder::Session(&identity)).await;
    let late = step(g.sign_in().await);
    g.house.later(STEP_LASTS);
    assert!(matches!(g.identities.prove_code(&late, &g.code(&seed, 0)).await, Err(Error::Over)));
    let mut wrong = 0;
    while wrong < FREE_GUESSES {
        let token = step(g.sign_in().await);
        for _ in 0..MAX_TRIES {
            let answer = g.identities.prove_code(&token, &secret("000000")).await;
            assert!(matches!(answer, Err(Error::Wrong)), "{answer:?}");
            wrong += 1;
        }
        let answer = g.identities.prove_code(&token, &g.code(&seed, 0)).await;
        let over = matches!(answer, Err(Error::Over | Error::Wait));
        assert!(over, "{answer:?}");
    }
    // A new step does not help, the right code neither: the account waits. And it waits longer each
    // time, but never for good.
    let token = step(g.sign_in().await);
    assert!(matches!(g.identities.prove_code(&token, &g.code(&seed, 0)).await, Err(Error::Wait)));
    g.house.later(SECOND * 10);
    let answer = g.identities.prove_code(&token, &secret("000000")).await;
    assert!(matches!(answer, Err(Error::Wrong)), "{answer:?}");
    g.house.later(SECOND * 19);
    assert!(matches!(g.identities.prove_code(&token, &g.code(&seed, 0)).await, Err(Error::Wait)));
    for _ in 0..40 {
        g.house.later(SECOND * 901);
        let token = step(g.sign_in().await);
        let answer = g.identities.prove_code(&token, &secret("000000")).await;
        assert!(matches!(answer, Err(Error::Wrong)), "{answer:?}");
    }
    g.house.later(SECOND * 901);
    let token = step(g.sign_in().await);
    assert!(g.identities.prove_code(&token, &g.code(&seed, 0)).await.is_ok());
}

#[tokio::test]
async fn a_role_that_asks_for_two_factors_has_one_set_up_before_a_session() {
    let g = guarded(Strength::Two).await;
    let SignedIn::Enrol(token) = g.sign_in().await else { panic!("no enrolment") };
    assert_eq!(g.identities.stage(&token).await.unwrap(), Stage::Enrol { app: true });
    assert!(matches!(g.identities.prove_code(&token, &secret("000000")).await, Err(Error::Over)));
    let holder = Holder::Step(&token);
    let app = g.identities.start_app(holder, "Kios").await.unwrap();
    let again = g.identities.waiting_app(holder, "Kios").await.unwrap();
    assert_eq!(app.text.expose(), again.text.expose());
    let wrong = g.identities.confirm_app(holder, &secret("000000")).await;
    assert!(matches!(wrong, Err(Error::Wrong)));
    // What is not confirmed does not count.
    assert_eq!(g.identities.stage(&token).await.unwrap(), Stage::Enrol { app: true });
    let seed = Seed::from_text(&app.text).unwrap();
    let enrolled = g.identities.confirm_app(holder, &g.code(&seed, 0)).await.unwrap();
    let identity = g.who(&enrolled.session).await.unwrap();
    assert_eq!(identity.strength, Strength::Two);
    assert!(matches!(g.identities.stage(&token).await, Err(Error::Over)));
    // The factor that a role asks for stays.
    assert!(matches!(g.identities.remove_app(&identity).await, Err(Error::LastFactor)));
    *g.demands.0.lock().unwrap() = Strength::One;
    let session = g.identities.remove_app(&identity).await.unwrap();
    assert_eq!(g.count("SELECT count(*) FROM identity.recovery_codes").await, 0);
    // And a role that comes later is felt by sessions that are open.
    *g.demands.0.lock().unwrap() = Strength::Hardware;
    g.house.later(crate::cache::FRESH);
    assert!(g.who(&session).await.is_none());
}

#[tokio::test]
async fn a_role_that_asks_for_a_key_takes_nothing_else() {
    let g = guarded(Strength::Two).await;
    let token = step(g.sign_in().await);
    let (seed, _) = g.enrol_app(Holder::Step(&token)).await;
    *g.demands.0.lock().unwrap() = Strength::Hardware;
    // An app is not enough, and leads to a key that has to be set up.
    let token = step(g.sign_in().await);
    let raised = g.identities.prove_code(&token, &g.code(&seed, 0)).await.unwrap();
    assert_eq!(raised, SignedIn::Enrol(token.clone()));
    assert_eq!(g.identities.stage(&token).await.unwrap(), Stage::Enrol { app: false });
    let holder = Holder::Step(&token);
    assert!(matches!(g.identities.start_app(holder, "Kios").await, Err(Error::Over)));
    let (mut key, enrolled) = g.enrol_key(holder).await;
    assert!(enrolled.codes.is_empty());
    assert_eq!(g.who(&enrolled.session).await.unwrap().strength, Strength::Hardware);
    // From now on a code does not even begin.
    g.house.later(SECOND * 30);
    let token = step(g.sign_in().await);
    let answer = g.identities.prove_code(&token, &g.code(&seed, 0)).await;
    assert!(matches!(answer, Err(Error::Wrong)));
    let asked = g.ask(&token).await;
    assert_eq!(asked.keys, [key.id().to_vec()]);
    let answer = key.assert(&party(), &asked.challenge, None).unwrap();
    let session = g.identities.prove_passkey(&token, &party(), &answer).await.unwrap();
    let identity = g.who(&session.session().unwrap()).await.unwrap();
    assert_eq!(identity.strength, Strength::Hardware);
    let card = g.identities.factors(&identity).await.unwrap().passkeys.remove(0);
    assert!(card.last_used_at.is_some());
    let removed = g.identities.remove_passkey(&identity, &card.id).await;
    assert!(matches!(removed, Err(Error::LastFactor)));
    assert!(g.identities.name_passkey(&identity, &card.id, " Blue\u{7} ").await.is_ok());
    for bad in ["", "x", "00000000-0000-0000-0000-000000000000", &"a".repeat(1 << 20)] {
        let named = g.identities.name_passkey(&identity, bad, "x").await;
        assert!(matches!(named, Err(Error::NoSuch(_))));
    }
}

#[tokio::test]
async fn every_wrong_answer_of_a_key_is_refused_and_spends_its_challenge() {
    let g = guarded(Strength::Hardware).await;
    let token = step(g.sign_in().await);
    let (mut key, _) = g.enrol_key(Holder::Step(&token)).await;
    for fault in Fault::ALL {
        let token = step(g.sign_in().await);
        let asked = g.ask(&token).await;
        let answer = key.assert(&party(), &asked.challenge, Some(fault)).unwrap();
        let refused = g.identities.prove_passkey(&token, &party(), &answer).await;
        assert!(matches!(refused, Err(Error::Passkey)), "{fault:?}");
    }
    // A challenge that was answered, and one that is too old.
    let token = step(g.sign_in().await);
    let asked = g.ask(&token).await;
    let answer = key.assert(&party(), &asked.challenge, None).unwrap();
    assert!(g.identities.prove_passkey(&token, &party(), &answer).await.is_ok());
    let token = step(g.sign_in().await);
    let again = key.assert(&party(), &asked.challenge, None).unwrap();
    let refused = g.identities.prove_passkey(&token, &party(), &again).await;
    assert!(matches!(refused, Err(Error::Passkey)));
    let other = Party::new("localhost:1", &["localhost".to_owned()]).unwrap();
    let asked = g.ask(&token).await;
    let answer = key.assert(&other, &asked.challenge, None).unwrap();
    let refused = g.identities.prove_passkey(&token, &party(), &answer).await;
    assert!(matches!(refused, Err(Error::Passkey)));
}

#[tokio::test]
async fn what_is_sensitive_asks_again_and_gives_a_new_session() {
    let g = guarded(Strength::One).await;
    let open = g.sign_in().await.session().unwrap();
    let identity = g.who(&open).await.unwrap();
    g.house.later(kernel::RECENT);
    let late = g.identities.start_app(Holder::Session(&identity), "Kios").await;
    assert!(matches!(late, Err(Error::StepUp)));
    let wrong = Again::Password(&secret("wrong horse battery")).try_on(&g, &identity, &open).await;
    assert!(matches!(wrong, Err(Error::Wrong)));
    let renewed = Again::Password(&right()).try_on(&g, &identity, &open).await.unwrap();
    assert!(g.who(&open).await.is_none());
    let identity = g.who(&renewed).await.unwrap();
    let (seed, enrolled) = g.enrol_app(Holder::Session(&identity)).await;
    // With a factor, the password alone does not do.
    let identity = g.who(&enrolled.session).await.unwrap();
    let password = Again::Password(&right()).try_on(&g, &identity, &enrolled.session).await;
    assert!(matches!(password, Err(Error::Wrong)));
    let code = g.code(&seed, 0);
    let renewed = Again::Code(&code).try_on(&g, &identity, &enrolled.session).await.unwrap();
    assert_eq!(g.who(&renewed).await.unwrap().strength, Strength::Two);
}

/// A password that looks like a recovery code is counted as any other: there is no code that could be meant.
#[tokio::test]
async fn a_password_in_the_form_of_a_code_is_a_guess() {
    let g = guarded(Strength::One).await;
    let open = g.sign_in().await.session().unwrap();
    let identity = g.who(&open).await.unwrap();
    let guess = secret("ABCD-EFGH-JKMN-PQRS");
    assert!(crate::recovery::digest(guess.expose()).is_some());
    for n in 0..=FREE_GUESSES {
        let tried = Again::Password(&guess).try_on(&g, &identity, &open).await;
        let waits = n == FREE_GUESSES;
        assert!(matches!(tried, Err(Error::Wait)) == waits, "{n}: {tried:?}");
    }
}

impl Again<'_> {
    async fn try_on(
        self,
        g: &Guarded,
        identity: &Identity,
        token: &SessionToken,
    ) -> Result<SessionToken> {
        g.identities.step_up(identity, token, self).await
    }
}

#[tokio::test]
async fn a_password_is_the_same_on_every_keyboard() {
    let house = house().await;
    let (composed, split) =
        ("caf\u{e9} hujan di atas genting", "cafe\u{301} hujan di atas genting");
    let new = crate::NewAccount {
        email: crate::Email::new("b@sinar.example").unwrap(),
        name: "B".into(),
        tenant: TenantId::new("sinar").unwrap(),
        password: secret(split),
    };
    house.identities.create_account(&new).await.unwrap();
    for typed in [composed, split] {
        let signed_in = house.identities.sign_in("b@sinar.example", &secret(typed)).await;
        assert!(signed_in.is_ok(), "{typed}");
    }
    let weak = crate::NewAccount {
        email: crate::Email::new("c@sinar.example").unwrap(),
        password: secret("password1"),
        ..new
    };
    let refused = house.identities.create_account(&weak).await;
    assert!(matches!(refused, Err(Error::Weak(crate::Weakness::Breached))));
}
