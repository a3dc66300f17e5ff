//! What is kept, for how long, and what never comes back.

use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use kernel::{Actor, Door, FixedRng, Identity, Secret, SessionToken, Standing, Strength, TenantId};

use super::{Answer, Cache, Ended, FRESH, HEARD, MAX_IN_SHARD, Marks, SHARDS, Ticket};
use crate::token::{Digest, fresh};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const FAR: Timestamp = Timestamp::MAX;
const SECOND: SignedDuration = SignedDuration::from_secs(1);

fn identity(account: &str, tenant: &str) -> Arc<Identity> {
    Arc::new(Identity {
        account: account.into(),
        actor: Actor::new("a@b").unwrap(),
        name: "A".into(),
        tenant: TenantId::new(tenant).unwrap(),
        standing: Standing::default(),
        strength: Strength::One,
        authenticated_at: NOW,
        session: "s".into(),
        door: Door::Browser,
    })
}

fn get(cache: &Cache, token: &SessionToken, now: Timestamp) -> Answer {
    cache.get(token.0.expose(), Digest::read, now).unwrap().1
}

fn holds(cache: &Cache, token: &SessionToken, now: Timestamp) -> bool {
    matches!(get(cache, token, now), Answer::Holder(_))
}

fn ask(cache: &Cache, token: &SessionToken, now: Timestamp) -> Ticket {
    let Answer::Ask(ticket) = get(cache, token, now) else {
        panic!("already there");
    };
    ticket
}

fn put(cache: &Cache, token: &SessionToken, until: Timestamp) {
    put_for(cache, token, until, &identity("1", "1"), "1");
}

fn put_for(cache: &Cache, token: &SessionToken, until: Timestamp, who: &Arc<Identity>, home: &str) {
    let ticket = ask(cache, token, NOW);
    cache.put(ticket, digest(token), who, Marks::of(who, home), (NOW, until));
}

fn digest(token: &SessionToken) -> Digest {
    Digest::of(token).unwrap()
}

#[test]
fn a_decision_ages_and_never_outlives_its_session() {
    let cache = Cache::default();
    let rng = FixedRng::new(1);
    let (long, _) = fresh(&rng).unwrap();
    let (short, _) = fresh(&rng).unwrap();
    put(&cache, &long, FAR);
    put(&cache, &short, NOW + SECOND);
    assert!(holds(&cache, &long, NOW) && holds(&cache, &short, NOW));
    assert!(holds(&cache, &long, NOW + SECOND) && !holds(&cache, &short, NOW + SECOND));
    assert!(!holds(&cache, &long, NOW + FRESH));
    assert!(!holds(&cache, &long, NOW - SECOND));
}

#[test]
fn it_is_trusted_longer_while_others_are_heard_and_not_at_all_in_silence() {
    let cache = Cache::default();
    let (token, _) = fresh(&FixedRng::new(1)).unwrap();
    put(&cache, &token, FAR);
    cache.ear.attach();
    assert!(!holds(&cache, &token, NOW), "nothing was heard yet");
    cache.ear.beat(Instant::now());
    assert!(holds(&cache, &token, NOW + HEARD - SECOND) && !holds(&cache, &token, NOW + HEARD));
    cache.ear.deaf();
    assert!(!holds(&cache, &token, NOW));
    cache.ear.detach();
    assert!(holds(&cache, &token, NOW));
}

#[test]
fn a_reading_that_began_before_an_end_is_not_kept() {
    for ended in [
        Ended::All,
        Ended::account("1"),
        Ended::account("2"),
        Ended::tenant("1"),
        Ended::tenant("x"),
    ] {
        let cache = Cache::default();
        let (token, _) = fresh(&FixedRng::new(1)).unwrap();
        let ticket = ask(&cache, &token, NOW);
        cache.forget(ended);
        let who = identity("1", "1");
        cache.put(ticket, digest(&token), &who, Marks::of(&who, "1"), (NOW, FAR));
        assert!(!holds(&cache, &token, NOW), "{ended:?}");
    }
    let cache = Cache::default();
    let (token, _) = fresh(&FixedRng::new(1)).unwrap();
    let ticket = ask(&cache, &token, NOW);
    cache.forget(Ended::Session(digest(&token)));
    let who = identity("1", "1");
    cache.put(ticket, digest(&token), &who, Marks::of(&who, "1"), (NOW, FAR));
    assert!(!holds(&cache, &token, NOW));
}

#[test]
fn what_ends_is_forgotten_and_nothing_else() {
    let rng = FixedRng::new(3);
    let cache = Cache::default();
    let people = [("1", "sinar", "sinar"), ("2", "bintang", "bintang"), ("3", "sinar", "staff")];
    let tokens = people.map(|(account, acted, home)| {
        let (token, _) = fresh(&rng).unwrap();
        put_for(&cache, &token, FAR, &identity(account, acted), home);
        token
    });
    let held = || tokens.each_ref().map(|token| holds(&cache, token, NOW));
    assert_eq!(held(), [true; 3]);
    cache.forget(Ended::tenant("staff"));
    assert_eq!(held(), [true, true, false]);
    put_for(&cache, &tokens[2], FAR, &identity("3", "sinar"), "staff");
    cache.forget(Ended::tenant("sinar"));
    assert_eq!(held(), [false, true, false]);
    cache.forget(Ended::account("1"));
    assert_eq!(held(), [false, true, false]);
    cache.forget(Ended::account("2"));
    assert_eq!(held(), [false; 3]);
}

#[test]
fn it_stays_within_its_bound_and_makes_room_for_the_living() {
    let cache = Cache::default();
    let rng = FixedRng::new(1);
    for _ in 0..MAX_IN_SHARD * SHARDS + 20_000 {
        put(&cache, &fresh(&rng).unwrap().0, FAR);
    }
    let (kept, ..) = cache.counts();
    assert!(kept <= MAX_IN_SHARD * SHARDS && kept > MAX_IN_SHARD * (SHARDS - 1), "{kept}");
    // A minute later those are over, and another takes their place.
    let later = NOW + HEARD;
    let (token, _) = fresh(&rng).unwrap();
    let ticket = ask(&cache, &token, later);
    let who = identity("9", "9");
    cache.put(ticket, digest(&token), &who, Marks::of(&who, "9"), (later, FAR));
    assert!(holds(&cache, &token, later));
    cache.clear();
    assert_eq!(cache.counts().0, 0);
}

/// Where a decision lies says nothing about who it is: another credential that has its place by chance is
/// asked about, and what ended is so, too, however often it was found before.
#[test]
fn a_place_is_no_answer() {
    let cache = Cache::default();
    let rng = FixedRng::new(6);
    let people: Vec<_> = (0..200).map(|n| (fresh(&rng).unwrap().0, n.to_string())).collect();
    for (token, name) in &people {
        put_for(&cache, token, FAR, &identity(name, "1"), "1");
    }
    let who = |token: &SessionToken, now| match get(&cache, token, now) {
        Answer::Holder(identity) => Some(identity.account.clone()),
        Answer::Ask(_) => None,
    };
    for (token, name) in &people {
        assert_eq!(who(token, NOW).as_ref(), Some(name));
    }
    // As if the hash of one were the hash of another.
    let [(one, _), (two, name), ..] = people.as_slice() else { panic!("two hundred") };
    let mistaken = |now| cache.get(one.0.expose(), |_| Digest::of(two), now).unwrap().1;
    assert!(matches!(mistaken(NOW), Answer::Ask(_)), "the digest decides");
    assert_eq!(who(two, NOW).as_ref(), Some(name));
    for (token, _) in people.iter().step_by(2) {
        cache.forget(Ended::Session(digest(token)));
    }
    for (n, (token, name)) in people.iter().enumerate() {
        assert_eq!(who(token, NOW), (n % 2 == 1).then(|| name.clone()));
    }
    let none = SessionToken(Secret::new("no token".into()));
    assert!(cache.get(none.0.expose(), Digest::read, NOW).is_none());
}
