//! The service on a real PostgreSQL, under the login that the product runs with.

mod asked;
mod closing;
mod factors;
mod invited;
mod lost;
mod races;
mod tokens;
mod told;

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use jiff::SignedDuration;
use kernel::{
    Clock as _, ManualClock, NoStandings, Secret, SessionToken, Sessions as _, SystemRng, TenantId,
};
use testkit::TestDb;

use crate::cache::FRESH;
use crate::service::sessions::MAX_SESSIONS;
use crate::stored::Stored;
use crate::{Cost, Email, Error, Identities, NewAccount, Pool, ROOM};

mod listening;
mod sessions;
mod support;
mod synthetic;

const EMAIL: &str = "sari@sinar.example";
const SECOND: SignedDuration = SignedDuration::from_secs(1);
const IDLE: SignedDuration = SignedDuration::from_mins(30);
const ABSOLUTE: SignedDuration = SignedDuration::from_hours(12);

struct House {
    base: TestDb,
    clock: Arc<ManualClock>,
    identities: Identities,
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn right() -> Secret {
    secret("correct horse battery")
}

fn service(base: &TestDb, clock: &Arc<ManualClock>) -> Identities {
    service_at(base, clock, Cost::default())
}

fn service_at(base: &TestDb, clock: &Arc<ManualClock>, cost: Cost) -> Identities {
    let (clock, random) = (Arc::clone(clock), Arc::new(SystemRng));
    let pool = Pool { cost, ..Pool::default() };
    Identities::new(base.engine.clone(), clock, random, pool, Arc::new(NoStandings)).unwrap()
}

async fn house() -> House {
    let base = testkit::database(&[&ROOM]).await;
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let identities = service(&base, &clock);
    let new = NewAccount {
        email: Email::new(EMAIL).unwrap(),
        name: "Sari".into(),
        tenant: TenantId::new("sinar").unwrap(),
        password: right(),
    };
    identities.create_account(&new).await.unwrap();
    assert!(matches!(identities.create_account(&new).await, Err(Error::Taken)));
    House { base, clock, identities }
}

impl House {
    fn later(&self, by: SignedDuration) {
        self.clock.set(self.clock.now() + by);
    }

    async fn sign_in(&self) -> SessionToken {
        self.identities.sign_in(EMAIL, &right()).await.unwrap().session().unwrap()
    }

    async fn holds(&self, token: &SessionToken) -> bool {
        self.identities.decide(token).await.unwrap().is_some()
    }

    /// Runs `sql` as the owner of the control database.
    async fn alter(&self, sql: &str) {
        let tx = self.base.owner.operator().await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn hash(&self) -> String {
        let email = Email::new(EMAIL).unwrap();
        self.identities.find(&email).await.unwrap().unwrap().1
    }
}

#[tokio::test]
async fn somebody_signs_in_is_recognised_and_signs_out() {
    let house = house().await;
    let signed_in = house.identities.sign_in(" Sari@SINAR.example", &right()).await.unwrap();
    let token = signed_in.session().unwrap();
    let identity = house.identities.decide(&token).await.unwrap().unwrap();
    assert_eq!(identity.actor.as_str(), EMAIL);
    assert_eq!(identity.name, "Sari");
    assert_eq!(identity.standing, kernel::Standing::default());
    assert_eq!(identity.tenant.as_str(), "sinar");
    // From memory, then ended: the memory must not bring it back.
    assert!(house.holds(&token).await);
    house.identities.sign_out(&token).await.unwrap();
    assert!(!house.holds(&token).await);
    house.identities.sign_out(&token).await.unwrap();
}

#[tokio::test]
async fn every_wrong_sign_in_gets_the_same_answer() {
    let house = house().await;
    let long = "x".repeat(1 << 20);
    for (email, password) in [
        (EMAIL, "wrong horse battery"),
        (EMAIL, "short"),
        (EMAIL, &*long),
        ("nobody@sinar.example", "correct horse battery"),
        ("' OR true --@x", "correct horse battery"),
        (&*long, "correct horse battery"),
        ("", ""),
        ("nul\0@x.example", "nul\0nul\0nul\0"),
    ] {
        let answer = house.identities.sign_in(email, &secret(password)).await;
        assert!(matches!(answer, Err(Error::Refused)));
    }
    house.alter("UPDATE identity.accounts SET disabled_at = now()").await;
    let answer = house.identities.sign_in(EMAIL, &right()).await;
    assert!(matches!(answer, Err(Error::Refused)));
}

#[tokio::test]
async fn a_session_ends_when_idle_and_at_its_absolute_limit() {
    let house = house().await;
    let idle = house.sign_in().await;
    house.later(IDLE - SECOND);
    assert!(house.holds(&idle).await);
    // That use was written down, so it lives on from there.
    house.later(IDLE - SECOND);
    assert!(house.holds(&idle).await);
    house.later(IDLE);
    assert!(!house.holds(&idle).await);

    let busy = house.sign_in().await;
    let mut age = SignedDuration::ZERO;
    while age + IDLE / 2 < ABSOLUTE {
        house.later(IDLE / 2);
        age += IDLE / 2;
        assert!(house.holds(&busy).await, "after {age}");
    }
    // Up to the last second, and from memory too.
    house.later(ABSOLUTE - age - SECOND);
    assert!(house.holds(&busy).await);
    house.later(SECOND);
    assert!(!house.holds(&busy).await);
}

#[tokio::test]
async fn what_ends_elsewhere_ends_here_within_seconds() {
    let house = house().await;
    let elsewhere = service(&house.base, &house.clock);
    let (first, second) = (house.sign_in().await, house.sign_in().await);
    assert!(house.holds(&first).await && house.holds(&second).await);
    elsewhere.sign_out(&first).await.unwrap();
    house.later(FRESH);
    assert!(!house.holds(&first).await && house.holds(&second).await);
    house.alter("UPDATE identity.accounts SET disabled_at = now()").await;
    house.later(FRESH);
    assert!(!house.holds(&second).await);
}

#[tokio::test]
async fn no_token_but_ours_is_recognised_and_the_table_gives_none_away() {
    let house = house().await;
    let token = house.sign_in().await;
    let tx = house.base.owner.operator().await.unwrap();
    let row = tx.query_one("SELECT s::text FROM identity.sessions s", &[]).await.unwrap();
    let row: String = row.get(0);
    assert!(!row.contains(token.0.expose()), "{row}");
    tx.rollback().await.unwrap();
    for junk in ["", "a", &"A".repeat(43), &"é".repeat(43), &"A".repeat(1 << 20)] {
        assert!(!house.holds(&SessionToken(secret(junk))).await);
    }
}

#[tokio::test]
async fn without_its_database_nobody_is_recognised() {
    let house = house().await;
    let token = house.sign_in().await;
    house.base.engine.close();
    assert!(house.identities.decide(&token).await.is_err());
    assert!(house.identities.sign_out(&token).await.is_err());
    let answer = house.identities.sign_in(EMAIL, &right()).await;
    assert!(matches!(answer, Err(Error::Store(_))));
}

#[tokio::test]
async fn a_cheap_hash_is_made_anew_when_its_owner_signs_in() {
    let house = house().await;
    let params = Params::new(8_192, 1, 1, None).unwrap();
    let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(right().expose().as_bytes(), b"sixteen bytes sa")
        .unwrap()
        .to_string();
    house.alter(&format!("UPDATE identity.accounts SET password_hash = '{cheap}'")).await;
    let wrong = house.identities.sign_in(EMAIL, &secret("wrong horse")).await;
    assert!(matches!(wrong, Err(Error::Refused)));
    assert_eq!(house.hash().await, cheap);
    let token = house.sign_in().await;
    assert!(Stored::judge(&house.hash().await).is_ok());
    assert!(house.holds(&token).await);
    house.sign_in().await;
}

#[tokio::test]
async fn a_hash_of_another_cost_is_made_anew_at_sign_in_up_and_down() {
    let mut house = house().await;
    for cost in ["m=19456,t=3,p=1", "m=32768,t=2,p=2", "m=19456,t=2,p=1"] {
        let before = house.hash().await;
        house.identities = service_at(&house.base, &house.clock, Cost::tuned(cost).unwrap());
        let wrong = house.identities.sign_in(EMAIL, &secret("wrong horse")).await;
        assert!(matches!(wrong, Err(Error::Refused)));
        assert_eq!(house.hash().await, before);
        house.sign_in().await;
        let renewed = house.hash().await;
        assert!(renewed.contains(&format!("${cost}$")), "{renewed}");
        house.sign_in().await;
        assert_eq!(house.hash().await, renewed);
    }
}

#[tokio::test]
async fn sessions_of_one_account_are_bounded_and_old_ones_are_forgotten() {
    let house = house().await;
    let first = house.sign_in().await;
    house.later(SECOND);
    assert!(house.holds(&first).await);
    // As many more as it may have, without the cost of their passwords.
    house
        .alter(&format!(
            "INSERT INTO identity.sessions (token_sha256, account, authenticated_at, created_at,
                    last_seen_at, idle_expires_at, absolute_expires_at)
             SELECT sha256(n::text::bytea), account, created_at, created_at + interval '1 s',
                    last_seen_at, idle_expires_at, absolute_expires_at
               FROM identity.sessions, generate_series(1, {MAX_SESSIONS} - 1) n"
        ))
        .await;
    let newest = house.sign_in().await;
    assert!(!house.holds(&first).await && house.holds(&newest).await);

    house.later(SignedDuration::from_hours(31 * 24));
    house.sign_in().await;
    let tx = house.base.engine.operator().await.unwrap();
    let sql = "SELECT count(*) FROM identity.sessions";
    let left: i64 = tx.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(left, 1);
}

#[tokio::test]
async fn the_running_program_cannot_do_more_than_it_must() {
    let house = house().await;
    house.identities.sign_out(&house.sign_in().await).await.unwrap();
    let tx = house.base.engine.operator().await.unwrap();
    for refused in [
        "DELETE FROM identity.accounts",
        "UPDATE identity.accounts SET tenant = 'bintang'",
        "UPDATE identity.accounts SET synthetic = true",
        "UPDATE identity.sessions SET account = gen_random_uuid()",
        "UPDATE identity.sessions SET absolute_expires_at = 'infinity'",
        "UPDATE identity.sessions SET revoked_at = NULL",
        "TRUNCATE identity.sessions",
        "DELETE FROM identity.tenants",
        "ALTER TABLE identity.accounts DISABLE TRIGGER ALL",
    ] {
        let answer = tx.attempt(refused, &[]).await.unwrap();
        assert!(answer.unwrap_err().is_denied(), "{refused}");
    }
    for unfit in ["in clear", "$2b$12$abcdefghijklmnopqrstuv", ""] {
        let sql = "UPDATE identity.accounts SET password_hash = $1";
        let answer = tx.attempt(sql, &[&unfit]).await.unwrap();
        assert_eq!(answer.unwrap_err().sqlstate(), Some("23514"));
    }
    tx.rollback().await.unwrap();
}

#[tokio::test]
async fn an_account_that_does_not_fit_is_not_made() {
    let house = house().await;
    let good = NewAccount {
        email: Email::new("budi@bintang.example").unwrap(),
        name: "Budi".into(),
        tenant: TenantId::new("bintang").unwrap(),
        password: right(),
    };
    for bad in [
        NewAccount { password: secret("short"), ..good.clone() },
        NewAccount { password: secret(&"x".repeat(1_025)), ..good.clone() },
        NewAccount { name: String::new(), ..good.clone() },
        NewAccount { name: "a\0b".into(), ..good.clone() },
    ] {
        let answer = house.identities.create_account(&bad).await;
        assert!(matches!(answer, Err(Error::PasswordSize(_) | Error::Field { .. })));
    }
    house.identities.create_account(&good).await.unwrap();
}

#[tokio::test]
async fn people_are_found_by_what_they_are_called_many_at_once() {
    let house = house().await;
    let mut new = NewAccount {
        email: Email::new("Dewi@Toko.example").unwrap(),
        name: "Dewi".into(),
        tenant: TenantId::new("toko").unwrap(),
        password: right(),
    };
    let dewi = house.identities.create_account(&new).await.unwrap();
    new.email = Email::new("amal@gulf.example").unwrap();
    let amal = house.identities.create_account(&new).await.unwrap();
    let sari = house.identities.account_of(&Email::new(EMAIL).unwrap()).await.unwrap().unwrap();
    let shouted = dewi.to_uppercase();
    let nobody = "00000000-0000-4000-8000-000000000001";
    let names = [EMAIL, "SARI@sinar.example", "dewi@toko.example", &dewi, &shouted, &amal];
    let others = ["", "x", "a@b\0", "\0", nobody, "none@toko.example", "%@%"];
    let all: Vec<&str> = names.into_iter().chain(others).collect();
    let found = house.identities.people_of(&all).await.unwrap();
    assert_eq!((found[EMAIL].clone(), &found["SARI@sinar.example"]), (sari.clone(), &sari));
    let toko = TenantId::new("toko").unwrap();
    for name in ["dewi@toko.example", &dewi, &shouted] {
        assert_eq!(found[name], (dewi.clone(), toko.clone()), "{name}");
    }
    assert_eq!(found.len(), names.len(), "{found:?}");
    assert!(house.identities.people_of(&others).await.unwrap().is_empty());
    assert!(house.identities.people_of(&[]).await.unwrap().is_empty());
    // Who is shut out is nobody.
    let shut = format!("UPDATE identity.accounts SET disabled_at = now() WHERE id = '{amal}'");
    let tx = house.base.owner.operator().await.unwrap();
    tx.execute(&shut, &[]).await.unwrap();
    tx.commit().await.unwrap();
    assert!(house.identities.people_of(&[&amal, "amal@gulf.example"]).await.unwrap().is_empty());
}
