//! Refresh tokens, access tokens and API keys on a real PostgreSQL.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use kernel::{
    Bits, Clock, Credentials as _, Door, Fut, Identity, ManualClock, Secret, SessionToken,
    Sessions as _, Standing, Standings, Strength, SystemRng, TenantId, own,
};
use testkit::TestDb;

use crate::signing::memory::MemoryKeys;
use crate::{Email, Error, Identities, NewAccount, NewKey, Pool, ROOM};

const PASSWORD: &str = "correct horse battery";

/// Says what a test wants it to say.
struct Says(std::sync::Mutex<Standing>);

impl Standings for Says {
    fn standing<'a>(
        &'a self,
        _account: &'a str,
        _tenant: &'a TenantId,
        _grant: Option<&'a str>,
    ) -> Fut<'a, Result<Option<Standing>, String>> {
        Box::pin(async { Ok(Some(self.0.lock().unwrap().clone())) })
    }
}

struct House {
    base: TestDb,
    identities: Arc<Identities>,
    clock: Arc<ManualClock>,
    keys: Arc<MemoryKeys>,
    says: Arc<Says>,
    session: SessionToken,
}

async fn house() -> House {
    let base = testkit::database(&[&ROOM]).await;
    let clock = Arc::new(ManualClock::at("2026-11-27T01:00:00Z".parse().unwrap()));
    let keys = Arc::new(MemoryKeys::default());
    keys.rotate(&SystemRng, clock.now()).unwrap();
    let says = Arc::new(Says(std::sync::Mutex::new(Standing {
        permits: [own::PEOPLE_READ, own::PEOPLE_KEYS].into_iter().collect(),
        ..Standing::default()
    })));
    let identities = Identities::new(
        base.engine.clone(),
        Arc::<ManualClock>::clone(&clock),
        Arc::new(SystemRng),
        Pool::default(),
        Arc::<Says>::clone(&says),
    );
    let identities =
        identities.unwrap().with_tokens(Arc::<MemoryKeys>::clone(&keys), "amanah:x".into());
    let identities = Arc::new(identities);
    let new = NewAccount {
        email: Email::new("sari@sinar.example").unwrap(),
        name: "Sari".into(),
        tenant: TenantId::new("sinar").unwrap(),
        password: Secret::new(PASSWORD.into()),
    };
    identities.create_account(&new).await.unwrap();
    let session = identities.sign_in("sari@sinar.example", &Secret::new(PASSWORD.into())).await;
    let session = session.unwrap().session().unwrap();
    House { base, identities, clock, keys, says, session }
}

impl House {
    fn pass(&self, seconds: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_secs(seconds));
    }

    async fn sign_in(&self) -> SessionToken {
        let password = Secret::new(PASSWORD.into());
        let session = self.identities.sign_in("sari@sinar.example", &password).await;
        session.unwrap().session().unwrap()
    }

    async fn accepts(&self, bearer: &Secret) -> bool {
        self.identities.bearer(bearer).await.unwrap().is_some()
    }

    async fn run(&self, sql: &str) {
        let tx = self.base.owner.operator().await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn count(&self, sql: &str) -> i64 {
        let tx = self.base.owner.operator().await.unwrap();
        tx.query_one(sql, &[]).await.unwrap().get(0)
    }

    async fn sari(&self) -> Arc<Identity> {
        self.identities.decide(&self.session).await.unwrap().unwrap()
    }
}

fn key(days: u16) -> NewKey {
    NewKey { name: "nightly export".into(), service: None, scopes: None, days }
}

/// A pair works, its refresh token once, and each pair is another.
#[tokio::test]
async fn tokens_follow_one_another() {
    let house = house().await;
    let first = house.identities.exchange(&house.session).await.unwrap();
    let who = house.identities.bearer(&first.access).await.unwrap().unwrap();
    assert_eq!((who.door, who.actor.as_str()), (Door::AccessToken, "sari@sinar.example"));
    assert!(who.may(own::PEOPLE_READ));
    let second = house.identities.refresh(&first.refresh).await.unwrap();
    assert_ne!(first.refresh, second.refresh);
    assert!(house.accepts(&first.access).await && house.accepts(&second.access).await);
    house.pass(299);
    assert!(house.accepts(&first.access).await);
    house.pass(1);
    assert!(!house.accepts(&first.access).await, "five minutes are over");
    // Neither kind of token is taken for another.
    assert!(!house.accepts(&second.refresh).await);
    assert!(!house.accepts(&house.session.0).await);
    for text in [&first.access, &first.refresh] {
        assert!(house.identities.decide(&SessionToken(text.clone())).await.unwrap().is_none());
        assert!(house.identities.exchange(&SessionToken(text.clone())).await.is_err());
    }
    // The database has none of them.
    let dump = "SELECT string_agg(t::text, ' ') FROM identity.refresh_tokens t";
    let tx = house.base.owner.operator().await.unwrap();
    let dump: String = tx.query_one(dump, &[]).await.unwrap().get(0);
    let hex = kernel::hex(second.refresh.expose().as_bytes());
    assert!(!dump.contains(second.refresh.expose()) && !dump.contains(&hex));
}

/// Within the window a used token gives the same successor; later it ends the family.
#[tokio::test]
async fn a_copied_token_ends_the_family() {
    let house = house().await;
    let first = house.identities.exchange(&house.session).await.unwrap();
    let second = house.identities.refresh(&first.refresh).await.unwrap();
    house.pass(29);
    let again = house.identities.refresh(&first.refresh).await.unwrap();
    assert_eq!(again.refresh, second.refresh);
    assert_eq!(house.count("SELECT count(*) FROM identity.refresh_tokens").await, 2);
    let other = house.identities.exchange(&house.session).await.unwrap();
    let third = house.identities.refresh(&second.refresh).await.unwrap();
    house.pass(1);
    assert!(house.accepts(&third.access).await);
    assert!(matches!(house.identities.refresh(&first.refresh).await, Err(Error::Grant)));
    for token in [&first, &second, &third] {
        assert!(!house.accepts(&token.access).await);
        assert!(matches!(house.identities.refresh(&token.refresh).await, Err(Error::Grant)));
    }
    assert!(house.accepts(&other.access).await, "another family lives on");
    assert!(house.identities.refresh(&other.refresh).await.is_ok());
    let why = "SELECT count(*) FROM identity.families WHERE revoked_why = 'reused'";
    assert_eq!(house.count(why).await, 1);
    let told = "SELECT count(*) FROM identity.letters WHERE kind = 'tokens-reused'";
    assert_eq!(house.count(told).await, 1, "its holder is told, once");
}

/// Tokens outlive the session, so that a session proven long ago gets none; and what it was given goes on
/// when it gets a new name, until somebody signs out of that.
#[tokio::test]
async fn a_stale_session_gets_no_tokens_and_a_renewed_one_keeps_its_own() {
    let house = house().await;
    let pair = house.identities.exchange(&house.session).await.unwrap();
    house.pass(600);
    let stale = house.identities.exchange(&house.session).await;
    assert!(matches!(stale, Err(Error::StepUp)), "{stale:?}");
    let pair = house.identities.refresh(&pair.refresh).await.unwrap();
    let password = Secret::new(PASSWORD.into());
    let sari = house.sari().await;
    let proof = crate::Again::Password(&password);
    let renewed = house.identities.step_up(&sari, &house.session, proof).await.unwrap();
    assert!(house.identities.decide(&house.session).await.unwrap().is_none());
    assert!(house.accepts(&pair.access).await);
    let pair = house.identities.refresh(&pair.refresh).await.unwrap();
    assert!(house.identities.exchange(&house.session).await.is_err(), "it is over");
    let other = house.identities.exchange(&renewed).await.unwrap();
    house.identities.sign_out(&renewed).await.unwrap();
    house.pass(3);
    for pair in [pair, other] {
        assert!(!house.accepts(&pair.access).await);
        assert!(house.identities.refresh(&pair.refresh).await.is_err());
    }
}

/// What is remembered of somebody is read again when the first of their roles ends.
#[tokio::test]
async fn nothing_is_remembered_beyond_the_end_of_a_role() {
    let house = house().await;
    let (_, key) = house.identities.make_key(&*house.sari().await, &key(1)).await.unwrap();
    let pair = house.identities.exchange(&house.session).await.unwrap();
    let second = SignedDuration::from_secs(1);
    let who = async || {
        let permits = house.sari().await.standing.permits;
        for bearer in [&key, &pair.access] {
            let who = house.identities.bearer(bearer).await.unwrap().unwrap();
            assert_eq!(who.standing.permits, permits);
        }
        permits
    };
    // Read one second before the end, when memory would be good for two.
    house.pass(3);
    house.says.0.lock().unwrap().until = Some(house.clock.now() + second);
    assert!(who().await.has(own::PEOPLE_READ));
    house.says.0.lock().unwrap().permits = Bits::EMPTY;
    assert!(who().await.has(own::PEOPLE_READ), "from memory");
    house.pass(1);
    assert!(who().await.is_empty());
}

/// However many come at once, all get the same successor.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_race_has_one_outcome() {
    let house = house().await;
    let mut pair = house.identities.exchange(&house.session).await.unwrap();
    for _ in 0..5 {
        let tasks: Vec<_> = (0..24)
            .map(|_| {
                let (identities, token) = (Arc::clone(&house.identities), pair.refresh.clone());
                tokio::spawn(async move { identities.refresh(&token).await })
            })
            .collect();
        let mut successors = BTreeSet::new();
        for task in tasks {
            let next = task.await.unwrap().unwrap();
            successors.insert(next.refresh.expose().to_owned());
            pair = next;
        }
        assert_eq!(successors.len(), 1);
    }
    assert_eq!(house.count("SELECT count(*) FROM identity.refresh_tokens").await, 6);
    assert_eq!(
        house.count("SELECT count(*) FROM identity.refresh_tokens WHERE used_at IS NULL").await,
        1
    );
}

/// Every way in which a family ends, ends its access tokens at once.
#[tokio::test]
async fn whatever_ends_a_family_ends_its_tokens() {
    for end in [
        "UPDATE identity.accounts SET epoch = epoch + 1",
        "UPDATE identity.accounts SET disabled_at = now()",
        "UPDATE identity.families SET revoked_at = now(), revoked_why = 'x'",
        "UPDATE identity.sessions SET revoked_at = now()",
        "INSERT INTO identity.tenants (tenant, epoch) VALUES ('sinar', 1)",
        "INSERT INTO identity.tenants (tenant, suspended_at) VALUES ('sinar', now())",
        "UPDATE identity.families SET idle_expires_at = '2026-11-27T01:00:00Z'",
        "DELETE FROM identity.families",
    ] {
        let house = house().await;
        let pair = house.identities.exchange(&house.session).await.unwrap();
        assert!(house.accepts(&pair.access).await);
        house.run(end).await;
        house.pass(3);
        assert!(!house.accepts(&pair.access).await, "{end}");
        assert!(
            matches!(house.identities.refresh(&pair.refresh).await, Err(Error::Grant)),
            "{end}"
        );
    }
}

/// Revoking takes either token, signing out takes the session, and both count at once.
#[tokio::test]
async fn a_family_is_revoked_at_once() {
    let house = house().await;
    for by_access in [true, false] {
        let pair = house.identities.exchange(&house.session).await.unwrap();
        assert!(house.accepts(&pair.access).await);
        let token = if by_access { &pair.access } else { &pair.refresh };
        house.identities.revoke_token(token).await.unwrap();
        assert!(!house.accepts(&pair.access).await);
        assert!(house.identities.refresh(&pair.refresh).await.is_err());
    }
    house.identities.revoke_token(&Secret::new("nothing".into())).await.unwrap();
    let pair = house.identities.exchange(&house.session).await.unwrap();
    house.identities.sign_out(&house.session).await.unwrap();
    house.pass(3);
    assert!(!house.accepts(&pair.access).await);
    assert!(house.identities.refresh(&pair.refresh).await.is_err());
    assert!(house.identities.exchange(&house.session).await.is_err());
}

/// Idle and absolute ends, as the standing wants them, and its demand for a factor.
#[tokio::test]
async fn a_family_ends_by_itself() {
    let house = house().await;
    house.says.0.lock().unwrap().idle = Some(SignedDuration::from_mins(10));
    house.says.0.lock().unwrap().absolute = Some(SignedDuration::from_mins(25));
    let mut pair = house.identities.exchange(&house.session).await.unwrap();
    for _ in 0..2 {
        house.pass(599);
        pair = house.identities.refresh(&pair.refresh).await.unwrap();
    }
    house.pass(302);
    assert!(house.identities.refresh(&pair.refresh).await.is_err(), "absolute");
    house.says.0.lock().unwrap().absolute = None;
    let pair = house.identities.exchange(&house.sign_in().await).await.unwrap();
    house.pass(600);
    assert!(house.identities.refresh(&pair.refresh).await.is_err(), "idle");

    let pair = house.identities.exchange(&house.sign_in().await).await.unwrap();
    house.says.0.lock().unwrap().needs = Strength::Two;
    house.pass(3);
    assert!(!house.accepts(&pair.access).await);
    assert!(house.identities.refresh(&pair.refresh).await.is_err());
}

/// What a program was given lives by the limits of sessions, and ends with its own at the latest.
#[tokio::test]
async fn a_family_lives_no_longer_than_a_session() {
    let house = house().await;
    let mut pair = house.identities.exchange(&house.session).await.unwrap();
    // Used all the time, until twelve hours after the sign-in.
    for _ in 0..24 {
        house.pass(29 * 60);
        pair = house.identities.refresh(&pair.refresh).await.unwrap();
    }
    house.pass(24 * 60);
    assert!(house.identities.refresh(&pair.refresh).await.is_err(), "twelve hours are over");
    // Unused for half an hour.
    let session = house.sign_in().await;
    let pair = house.identities.exchange(&session).await.unwrap();
    house.pass(30 * 60);
    assert!(house.identities.refresh(&pair.refresh).await.is_err(), "half an hour is over");
    // Opened late in the life of its session, it ends with it.
    let session = house.sign_in().await;
    for _ in 0..23 {
        house.pass(29 * 60);
        assert!(house.identities.decide(&session).await.unwrap().is_some());
    }
    assert!(matches!(house.identities.exchange(&session).await, Err(Error::StepUp)));
    let who = house.identities.decide(&session).await.unwrap().unwrap();
    let (password, identities) = (Secret::new(PASSWORD.into()), &house.identities);
    let proof = crate::Again::Password(&password);
    let session = identities.step_up(&who, &session, proof).await.unwrap();
    let mut pair = identities.exchange(&session).await.unwrap();
    house.pass(29 * 60);
    pair = house.identities.refresh(&pair.refresh).await.unwrap();
    house.pass(24 * 60);
    assert!(house.identities.refresh(&pair.refresh).await.is_err(), "its session is over");
    // Limits that became shorter count for those that are open.
    let session = house.sign_in().await;
    house.identities.exchange(&session).await.unwrap();
    let late = format!(
        "SELECT count(*) FROM identity.families WHERE revoked_at IS NULL \
             AND idle_expires_at > timestamptz '{}' + interval '5 min'",
        house.clock.now()
    );
    assert_eq!(house.count(&late).await, 1);
    let tenant = TenantId::new("sinar").unwrap();
    house.identities.limit_tenant(&tenant, Some(300), None).await.unwrap();
    assert_eq!(house.count(&late).await, 0);
}

/// No more families than the bound live; the oldest ends.
#[tokio::test]
async fn families_are_bounded() {
    let house = house().await;
    let first = house.identities.exchange(&house.session).await.unwrap();
    for _ in 0..50 {
        house.pass(1);
        house.identities.exchange(&house.session).await.unwrap();
    }
    assert!(house.identities.refresh(&first.refresh).await.is_err());
    let living = "SELECT count(*) FROM identity.families WHERE revoked_at IS NULL";
    assert_eq!(house.count(living).await, 50);
}

/// A new key of ours signs at once; tokens of the old one are good until they end.
#[tokio::test]
async fn signing_keys_rotate() {
    let house = house().await;
    let before = house.identities.exchange(&house.session).await.unwrap();
    house.pass(1);
    house.keys.rotate(&SystemRng, house.clock.now()).unwrap();
    let after = house.identities.refresh(&before.refresh).await.unwrap();
    assert!(house.accepts(&before.access).await && house.accepts(&after.access).await);
    assert_eq!(house.identities.key_set().unwrap().matches("kid").count(), 2);
}

/// A key does what its maker may, no more, and only while they may.
#[tokio::test]
async fn a_key_does_what_its_owner_may() {
    let house = house().await;
    let sari = house.sari().await;
    let (card, key_) = house.identities.make_key(&sari, &key(30)).await.unwrap();
    let who = house.identities.bearer(&key_).await.unwrap().unwrap();
    assert_eq!((who.door, who.session.as_str()), (Door::ApiKey, card.id.as_str()));
    assert!(who.may(own::PEOPLE_KEYS) && !who.may(own::SUPPORT_ASK));
    let only = NewKey { scopes: Some([own::PEOPLE_READ].into_iter().collect()), ..key(1) };
    let (_, narrow) = house.identities.make_key(&sari, &only).await.unwrap();
    let who = house.identities.bearer(&narrow).await.unwrap().unwrap();
    assert!(who.may(own::PEOPLE_READ) && !who.may(own::PEOPLE_KEYS));
    let wide = NewKey { scopes: Some([own::SUPPORT_ASK].into_iter().collect()), ..key(1) };
    assert!(matches!(house.identities.make_key(&sari, &wide).await, Err(Error::Scope)));
    // What the owner loses, the key loses; what they gain later, it does not.
    house.says.0.lock().unwrap().permits =
        [own::PEOPLE_KEYS, own::SUPPORT_ASK].into_iter().collect();
    house.pass(3);
    let who = house.identities.bearer(&narrow).await.unwrap().unwrap();
    assert_eq!(who.standing.permits, Bits::EMPTY);
    let who = house.identities.bearer(&key_).await.unwrap().unwrap();
    assert!(who.may(own::PEOPLE_KEYS) && !who.may(own::SUPPORT_ASK));
    // A key makes no keys, whatever it may.
    assert!(matches!(house.identities.make_key(&who, &key(1)).await, Err(Error::Browser)));
    assert!(matches!(house.identities.revoke_key(&who, &card.id).await, Err(Error::Browser)));
}

/// Every way in which a key ends.
#[tokio::test]
async fn a_key_ends() {
    let house = house().await;
    let sari = house.sari().await;
    for days in [0, 366, u16::MAX] {
        assert!(matches!(
            house.identities.make_key(&sari, &key(days)).await,
            Err(Error::Field { .. })
        ));
    }
    let (card, first) = house.identities.make_key(&sari, &key(1)).await.unwrap();
    let (_, second) = house.identities.make_key(&sari, &key(2)).await.unwrap();
    assert!(house.accepts(&first).await);
    let listed = house.identities.keys_of(&sari).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().any(|k| k.id == card.id && k.last_used_at.is_some() && !k.revoked));
    assert!(house.identities.revoke_key(&sari, &card.id).await.unwrap());
    assert!(!house.identities.revoke_key(&sari, &card.id).await.unwrap());
    assert!(!house.accepts(&first).await, "revoked");
    house.pass(2 * 24 * 3_600 - 1);
    assert!(house.accepts(&second).await);
    house.pass(1);
    assert!(!house.accepts(&second).await, "expired");
    let sari = house.identities.decide(&house.sign_in().await).await.unwrap().unwrap();
    let (_, third) = house.identities.make_key(&sari, &key(365)).await.unwrap();
    house.run("UPDATE identity.accounts SET epoch = epoch + 1").await;
    assert!(!house.accepts(&third).await, "epoch");
    assert!(
        matches!(house.identities.make_key(&sari, &key(1)).await, Err(Error::Grant)),
        "signed out"
    );
}

/// A service has keys and no way to sign in; whoever may not give keys does not see it.
#[tokio::test]
async fn a_service_has_keys_alone() {
    let house = house().await;
    let sari = house.sari().await;
    let service = house.identities.make_service(&sari, "Export").await.unwrap();
    let new = NewKey { service: Some(service.account.clone()), ..key(9) };
    let (_, key_) = house.identities.make_key(&sari, &new).await.unwrap();
    let who = house.identities.bearer(&key_).await.unwrap().unwrap();
    assert_eq!((&who.account, who.name.as_str()), (&service.account, "Export"));
    assert_eq!(house.identities.services(&sari).await.unwrap(), [service]);
    let address = who.actor.as_str();
    for password in ["", PASSWORD] {
        let tried = house.identities.sign_in(address, &Secret::new(password.into())).await;
        assert!(matches!(tried, Err(Error::Refused)));
    }
    let mut plain = Arc::unwrap_or_clone(sari);
    plain.standing.permits = Bits::EMPTY;
    let refused = NewKey { scopes: Some(Bits::EMPTY), ..new };
    assert!(matches!(house.identities.make_key(&plain, &refused).await, Err(Error::Scope)));
    assert!(house.identities.services(&plain).await.unwrap().is_empty());
    assert!(house.identities.keys_of(&plain).await.unwrap().is_empty());
    assert_eq!(house.identities.keys_of(&*house.sari().await).await.unwrap().len(), 1);
}
