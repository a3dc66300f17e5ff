//! Limits that hold, grow and end, against whoever comes.

use std::net::{IpAddr, Ipv6Addr};

use jiff::{SignedDuration, Timestamp};
use kernel::{FixedRng, Secret};

use super::{Attempted, ENTRIES, LONGEST_LOCK, Limits, Shows, Tries};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn limits() -> Limits {
    Limits::new(&FixedRng::new(1)).unwrap()
}

fn after(seconds: i64) -> Timestamp {
    NOW + SignedDuration::from_secs(seconds)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn burst(limits: &Limits, peers: impl Iterator<Item = IpAddr>, now: Timestamp) -> usize {
    peers.filter(|peer| limits.allow(Attempted::Reset, *peer, now)).count()
}

#[test]
fn an_address_has_a_burst_and_then_one_in_a_while() {
    let limits = limits();
    let peer = ip("192.0.2.1");
    assert_eq!(burst(&limits, std::iter::repeat_n(peer, 100), NOW), 5);
    assert_eq!(burst(&limits, std::iter::repeat_n(peer, 100), after(59)), 0);
    assert_eq!(burst(&limits, std::iter::repeat_n(peer, 100), after(60)), 1);
    assert_eq!(burst(&limits, std::iter::repeat_n(peer, 100), after(100_000)), 5);
    // Another kind of attempt is another allowance.
    assert!(limits.allow(Attempted::SignIn, peer, NOW));
}

#[test]
fn a_neighbourhood_counts_together_and_so_does_everybody() {
    let four = (0..=255).map(|n| ip(&format!("192.0.2.{n}")));
    assert_eq!(burst(&limits(), four, NOW), 20);
    // One /64 is one address, whatever its other half.
    let one = (0..1_000_u128).map(|n| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | n)));
    assert_eq!(burst(&limits(), one, NOW), 5);
    let site =
        (0..1_000_u128).map(|n| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | (n << 64))));
    assert_eq!(burst(&limits(), site, NOW), 20);
    let all =
        (0..5_000_u128).map(|n| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | (n << 80))));
    assert_eq!(burst(&limits(), all, NOW), 2_000);
}

#[test]
fn a_flood_of_addresses_takes_no_memory_and_does_not_set_others_free() {
    let limits = limits();
    let before = limits.peers.lock().unwrap().entries.len();
    let flood =
        (0..200_000_u128).map(|n| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | (n << 72))));
    let passed = burst(&limits, flood, NOW);
    assert_eq!(passed, 2_000);
    assert_eq!((before, limits.peers.lock().unwrap().entries.len()), (ENTRIES, ENTRIES));
    assert_eq!(burst(&limits, std::iter::once(ip("198.51.100.7")), NOW), 0, "all are busy");
}

#[test]
fn whoever_is_known_has_an_allowance_of_their_own_and_takes_nothing_from_others() {
    let limits = limits();
    let networks = || {
        (0..20_000_u128).map(|n| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | (n << 80))))
    };
    for what in [Attempted::SignIn, Attempted::Reset, Attempted::Link, Attempted::Directory] {
        let tried = |peer| limits.allow(what, peer, NOW);
        assert!(!networks().all(tried), "{what:?} is used up in the end");
        assert!(!tried(ip("198.51.100.7")), "{what:?}");
    }
    let often = |who: Shows<'_>, now| (0..1_000).filter(|_| limits.allow_known(who, now)).count();
    for (who, burst) in [
        (Shows::Known("one"), 30),
        (Shows::Known("other"), 30),
        (Shows::KnownReset("one"), 5),
        (Shows::Link(b"one"), 20),
        (Shows::Directory("one"), 500),
    ] {
        assert_eq!((often(who, NOW), often(who, NOW)), (burst, 0), "{who:?}");
        assert!((1..=500).contains(&often(who, after(60))), "{who:?}");
    }
    let fresh = self::limits();
    assert_eq!((0..5_000).filter(|_| fresh.allow_known(Shows::Known("one"), NOW)).count(), 30);
    assert!(fresh.allow(Attempted::SignIn, ip("192.0.2.1"), NOW));
}

#[test]
fn a_lock_grows_to_fifteen_minutes_and_counts_nothing_while_it_lasts() {
    let limits = limits();
    let address = "sari@toko.example";
    let mut now = NOW;
    let mut waits = Vec::new();
    for _ in 0..16 {
        assert_eq!(limits.guess(" Sari@Toko.example", None, now), Ok(()));
        let wait = wait(&limits, address, None, now);
        // A flood while it lasts.
        assert_eq!(self::wait(&limits, address, None, now), wait);
        waits.push(wait.as_secs());
        now += wait;
    }
    assert_eq!(waits[..8], [0, 0, 0, 0, 5, 10, 20, 40]);
    assert_eq!(waits.iter().max(), Some(&LONGEST_LOCK.as_secs()));
    assert_eq!(limits.guess(address, None, now), Ok(()));
    assert!(limits.guess(address, None, now).is_err());
    limits.forgive(address, None);
    assert_eq!(limits.guess(address, None, now), Ok(()));
}

/// How long there is to wait, without a try being taken.
fn wait(limits: &Limits, address: &str, browser: Option<&[u8]>, now: Timestamp) -> SignedDuration {
    let waits = limits.guess(address, browser, now).err();
    if waits.is_none() {
        limits.undo(address, browser);
    }
    waits.unwrap_or_default()
}

#[test]
fn of_many_at_once_no_more_pass_than_of_one_after_the_other() {
    let limits = limits();
    let passed =
        |n: usize| (0..n).filter(|_| limits.guess("sari@toko.example", None, NOW).is_ok()).count();
    assert_eq!(passed(60), 5);
    // What was not looked at makes room for as many, and for no more.
    limits.undo("sari@toko.example", None);
    limits.undo("sari@toko.example", None);
    assert_eq!(passed(60), 2);
    // Whoever is known is counted alone, and a success in the middle forgives.
    assert_eq!(limits.guess("sari@toko.example", Some(b"known"), NOW), Ok(()));
    limits.forgive("sari@toko.example", None);
    assert_eq!(passed(60), 5);
    limits.undo("nobody@toko.example", None);
}

#[test]
fn a_browser_that_is_known_waits_for_its_own_mistakes_alone() {
    let limits = limits();
    let (address, browser) = ("sari@toko.example", Some(&b"token"[..]));
    let tries = |browser| (0..10).filter(|_| limits.guess(address, browser, NOW).is_ok()).count();
    assert_eq!((tries(None), tries(None)), (5, 0));
    assert_eq!((tries(browser), tries(browser)), (5, 0));
}

#[test]
fn a_proof_is_told_by_what_it_shows_and_counted_with_everybody() {
    let secret = |text: &str| Secret::new(text.to_owned());
    let (ours, theirs) = (secret("ours"), secret("theirs"));
    let limits = limits().with_proofs(&ours);
    let canary = "canary-1@amanah.invalid";
    assert!(limits.is_proof(Some(&ours), canary) && limits.is_proof(Some(&ours), ""));
    assert!(!limits.is_proof(Some(&theirs), canary) && !limits.is_proof(None, canary));
    for address in ["sari@toko.example", "sari@other.invalid"] {
        assert!(!limits.is_proof(Some(&ours), address), "{address}");
    }
    let without = self::limits();
    assert!(!without.is_proof(Some(&ours), canary) && !without.is_proof(None, canary));
    // Of its own machine, and of nobody's address, whoever shows nothing is counted like others.
    let here = ip("::ffff:127.0.0.1");
    assert_eq!((0..500).filter(|_| limits.allow(Attempted::SignIn, here, NOW)).count(), 60);
    assert_eq!((0..9).filter(|_| limits.guess(canary, None, NOW).is_ok()).count(), 5);
    // What is left to everybody is left to the proofs.
    let proofs = (0..5_000).filter(|_| limits.allow_proof(Attempted::SignIn, NOW)).count();
    assert_eq!(proofs, 1_000 - 60);
    assert!(!limits.allow(Attempted::SignIn, ip("192.0.2.1"), NOW));
}

#[test]
fn a_clock_that_went_backwards_refuses_nobody_for_longer() {
    let limits = limits();
    let later = after(1_000_000);
    let peer = ip("192.0.2.1");
    assert_eq!(burst(&limits, std::iter::repeat_n(peer, 10), later), 5);
    for _ in 0..20 {
        let wait = wait(&limits, "a@b.example", None, later);
        assert_eq!(limits.guess("a@b.example", None, later + wait), Ok(()));
    }
    assert_eq!(burst(&limits, std::iter::repeat_n(peer, 10), NOW), 0);
    assert_eq!(burst(&limits, std::iter::repeat_n(peer, 10), after(600)), 5);
    assert!(limits.guess("a@b.example", None, NOW).unwrap_err() <= LONGEST_LOCK);
}

/// What the operator decides counts for addresses, neighbourhoods and accounts, and nothing else changes.
#[test]
fn the_operator_decides_how_often_one_may_try() {
    let tries = Tries {
        sign_in: [10, 50],
        sign_in_every: SignedDuration::from_secs(30),
        reset: [3, 6],
        account: 7,
        ..Tries::default()
    };
    let limits = limits().with_tries(tries);
    let often = |what, peer: &str, now| {
        let peer = ip(peer);
        (0..99).filter(|_| limits.allow(what, peer, now)).count()
    };
    for host in 1..=5 {
        assert_eq!(often(Attempted::SignIn, &format!("192.0.2.{host}"), NOW), 10);
    }
    assert_eq!(often(Attempted::SignIn, "192.0.2.6", NOW), 0, "the neighbourhood has had its 50");
    assert_eq!(often(Attempted::SignIn, "192.0.2.6", after(6)), 1);
    assert_eq!(often(Attempted::SignIn, "192.0.2.1", after(31)), 1);
    assert_eq!(often(Attempted::Reset, "192.0.2.1", NOW), 3);
    assert_eq!(often(Attempted::Link, "192.0.2.1", NOW), 30);
    assert_eq!((0..99).filter(|_| limits.guess("a@toko.example", None, NOW).is_ok()).count(), 7);
}
