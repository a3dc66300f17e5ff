//! What is kept, for how long, and what never comes back.

use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use kernel::{Actor, Door, FixedRng, Identity, Standing, Strength, TenantId};

use super::{Answer, Cache, Ended, FRESH, HEARD, MAX_IN_SHARD, Marks, SHARDS};
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

fn holds(cache: &Cache, digest: &Digest, now: Timestamp) -> bool {
    matches!(cache.get(digest, now), Answer::Holder(_))
}

fn put(cache: &Cache, digest: Digest, until: Timestamp) {
    put_for(cache, digest, until, &identity("1", "1"), "1");
}

fn put_for(cache: &Cache, digest: Digest, until: Timestamp, who: &Arc<Identity>, home: &str) {
    let Answer::Ask(ticket) = cache.get(&digest, NOW) else {
        panic!("already there");
    };
    cache.put(ticket, digest, who, Marks::of(who, home), (NOW, until));
}

#[test]
fn a_decision_ages_and_never_outlives_its_session() {
    let cache = Cache::default();
    let rng = FixedRng::new(1);
    let (_, long) = fresh(&rng).unwrap();
    let (_, short) = fresh(&rng).unwrap();
    put(&cache, long, FAR);
    put(&cache, short, NOW + SECOND);
    assert!(holds(&cache, &long, NOW) && holds(&cache, &short, NOW));
    assert!(holds(&cache, &long, NOW + SECOND) && !holds(&cache, &short, NOW + SECOND));
    assert!(!holds(&cache, &long, NOW + FRESH));
    assert!(!holds(&cache, &long, NOW - SECOND));
}

#[test]
fn it_is_trusted_longer_while_others_are_heard_and_not_at_all_in_silence() {
    let cache = Cache::default();
    let (_, digest) = fresh(&FixedRng::new(1)).unwrap();
    put(&cache, digest, FAR);
    cache.ear.attach();
    assert!(!holds(&cache, &digest, NOW), "nothing was heard yet");
    cache.ear.beat(Instant::now());
    assert!(holds(&cache, &digest, NOW + HEARD - SECOND) && !holds(&cache, &digest, NOW + HEARD));
    cache.ear.deaf();
    assert!(!holds(&cache, &digest, NOW));
    cache.ear.detach();
    assert!(holds(&cache, &digest, NOW));
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
        let (_, digest) = fresh(&FixedRng::new(1)).unwrap();
        let Answer::Ask(ticket) = cache.get(&digest, NOW) else {
            panic!("empty");
        };
        cache.forget(ended);
        let who = identity("1", "1");
        cache.put(ticket, digest, &who, Marks::of(&who, "1"), (NOW, FAR));
        assert!(!holds(&cache, &digest, NOW), "{ended:?}");
    }
    let cache = Cache::default();
    let (_, digest) = fresh(&FixedRng::new(1)).unwrap();
    let Answer::Ask(ticket) = cache.get(&digest, NOW) else {
        panic!("empty");
    };
    cache.forget(Ended::Session(digest));
    let who = identity("1", "1");
    cache.put(ticket, digest, &who, Marks::of(&who, "1"), (NOW, FAR));
    assert!(!holds(&cache, &digest, NOW));
}

#[test]
fn what_ends_is_forgotten_and_nothing_else() {
    let rng = FixedRng::new(3);
    let cache = Cache::default();
    let people = [("1", "sinar", "sinar"), ("2", "bintang", "bintang"), ("3", "sinar", "staff")];
    let digests = people.map(|(account, acted, home)| {
        let (_, digest) = fresh(&rng).unwrap();
        put_for(&cache, digest, FAR, &identity(account, acted), home);
        digest
    });
    let held = || digests.map(|digest| holds(&cache, &digest, NOW));
    assert_eq!(held(), [true; 3]);
    cache.forget(Ended::tenant("staff"));
    assert_eq!(held(), [true, true, false]);
    put_for(&cache, digests[2], FAR, &identity("3", "sinar"), "staff");
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
        put(&cache, fresh(&rng).unwrap().1, FAR);
    }
    let (kept, ..) = cache.counts();
    assert!(kept <= MAX_IN_SHARD * SHARDS && kept > MAX_IN_SHARD * (SHARDS - 1), "{kept}");
    // A minute later those are over, and another takes their place.
    let later = NOW + HEARD;
    let (_, digest) = fresh(&rng).unwrap();
    let Answer::Ask(ticket) = cache.get(&digest, later) else {
        panic!("already there");
    };
    let who = identity("9", "9");
    cache.put(ticket, digest, &who, Marks::of(&who, "9"), (later, FAR));
    assert!(holds(&cache, &digest, later));
    cache.clear();
    assert_eq!(cache.counts().0, 0);
}
