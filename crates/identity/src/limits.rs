//! How often somebody may try: per address, per neighbourhood of addresses, per account, and in all.
//!
//! It promises that its memory never grows, whoever comes; that what it says about an account does
//! not depend on whether there is one; and that an account's lock ends within 15 minutes, counts
//! nothing while it lasts, and does not hold for a browser that has signed in to it before. A password is
//! counted as wrong before it is looked at and forgiven when it was right, so that many at once are as
//! many. Where the table is full, the entry that says least is given up: the neighbourhood and the whole still
//! count what a single address was forgotten for.
//!
//! It lives in one process. Nothing is remembered over a restart.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use kernel::Rng;
use sha2::{Digest as _, Sha256};

use crate::Result;

/// How many entries a table has: 2 MiB in each.
const ENTRIES: usize = 1 << 16;
/// How many places an entry may have.
const WAYS: usize = 8;
/// How many wrong passwords are looked at before there is a wait.
const FREE_FAILURES: u32 = 5;
/// How long the first lock lasts; each one after lasts twice as long as the one before.
const FIRST_LOCK: SignedDuration = SignedDuration::from_secs(5);
/// How long a lock lasts at most.
pub(crate) const LONGEST_LOCK: SignedDuration = SignedDuration::from_mins(15);
/// After how long without a wrong password the earlier ones are forgotten.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(1);
/// A domain that nobody can have (RFC 2606). There is nobody to guard, and the proofs try canaries
/// there all day.
const NOWHERE: &str = ".invalid";

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempted {
    /// A password.
    SignIn,
    /// A letter with a new link.
    Reset,
    /// A link that somebody was sent.
    Link,
    /// Something that a tenant's directory asks for.
    Directory,
}

/// So many at once, and one more in each span.
#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: i32,
    one_in: SignedDuration,
}

const fn rate(burst: i32, one_in: SignedDuration) -> Rate {
    Rate { burst, one_in }
}

impl Attempted {
    /// For one address (IPv6: /64), for its neighbourhood (/24, /48), and for all together.
    const fn rates(self) -> [Rate; 3] {
        let (seconds, millis) = (SignedDuration::from_secs, SignedDuration::from_millis);
        match self {
            Self::SignIn => [rate(60, seconds(2)), rate(300, millis(500)), rate(1_000, millis(20))],
            Self::Reset => [rate(5, seconds(60)), rate(20, seconds(15)), rate(200, seconds(1))],
            Self::Link => [rate(30, seconds(10)), rate(100, seconds(2)), rate(500, millis(200))],
            Self::Directory => {
                [rate(500, millis(20)), rate(1_000, millis(10)), rate(4_000, millis(2))]
            }
        }
    }

    /// Tells what is counted apart.
    const fn tag(self) -> u8 {
        self as u8
    }
}

/// The limits of one process.
pub struct Limits {
    /// Nobody can choose addresses that meet in the table.
    key: [u8; 32],
    peers: Mutex<Table<Allowance>>,
    accounts: Mutex<Table<Lock>>,
}

impl Limits {
    /// Empty tables.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(rng: &dyn Rng) -> Result<Self> {
        let mut key = [0; 32];
        rng.fill(&mut key)?;
        Ok(Self { key, peers: Mutex::new(Table::new()), accounts: Mutex::new(Table::new()) })
    }

    /// Whether `peer` may try this now, for the account of `address` if it is about one; if so, the
    /// try is counted.
    ///
    /// What comes from this machine and is about nobody's address is not counted, since the proofs do that
    /// all day; but what directories ask is.
    pub fn allow(&self, what: Attempted, peer: IpAddr, address: &str, now: Timestamp) -> bool {
        let peer = peer.to_canonical();
        if peer.is_loopback() && is_nobodys(address) && what != Attempted::Directory {
            return true;
        }
        let [narrow, wide, all] = what.rates();
        let tag = what.tag();
        let keys = [
            (self.fingerprint(&[tag, 0], &prefix(peer, 32, 64)), narrow),
            (self.fingerprint(&[tag, 1], &prefix(peer, 24, 48)), wide),
            (self.fingerprint(&[tag, 2], &[]), all),
        ];
        let now = now.as_millisecond();
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        // All or none: whoever is refused takes nothing from the others.
        let mut free = true;
        for (key, rate) in keys {
            if let Some(held) = peers.find(key) {
                held.whole_at = held.ahead(rate, now);
                free &= held.has(rate, now);
            }
        }
        if free {
            for (key, rate) in keys {
                let place = peers.place(key, now);
                *place = place.spend(rate, now);
            }
        }
        free
    }

    /// Takes a try of the password of the account at `address`, which counts as wrong until
    /// [`Self::forgive`] or [`Self::undo`]; `browser` is the token of a browser that has signed in to it
    /// before, which is counted by itself. Of many at once, no more pass than would one after the other.
    ///
    /// # Errors
    /// For how long nobody may try; the try does not count then.
    pub fn guess(
        &self,
        address: &str,
        browser: Option<&[u8]>,
        now: Timestamp,
    ) -> std::result::Result<(), SignedDuration> {
        let Some(key) = self.account(address, browser) else { return Ok(()) };
        let now = now.as_millisecond();
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = accounts.place(key, now);
        // A clock that went backwards locks nobody out for longer.
        lock.until = lock.until.min(now.saturating_add(Lock::millis(LONGEST_LOCK)));
        let left = lock.until.saturating_sub(now);
        if left > 0 {
            return Err(SignedDuration::from_millis(left));
        }
        *lock = lock.fail(now);
        Ok(())
    }

    /// A try that was taken was no wrong guess: it was right and led no further, or was never looked at.
    pub fn undo(&self, address: &str, browser: Option<&[u8]>) {
        let Some(key) = self.account(address, browser) else { return };
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = accounts.find(key) {
            lock.failures = lock.failures.saturating_sub(1);
            // The one that was not looked at is open again, and the next one that is sets the lock.
            lock.until = lock.last;
        }
    }

    /// Somebody has shown that the account is theirs: the wrong passwords before do not count.
    pub fn forgive(&self, address: &str, browser: Option<&[u8]>) {
        let Some(key) = self.account(address, browser) else { return };
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.forget(key);
    }

    fn account(&self, address: &str, browser: Option<&[u8]>) -> Option<u64> {
        let address = address.trim().to_ascii_lowercase();
        if is_nobodys(&address) {
            return None;
        }
        let tag: &[u8] = if browser.is_some() { &[11] } else { &[10] };
        let whose = Sha256::digest(browser.unwrap_or_default());
        Some(self.fingerprint(tag, &[address.as_bytes(), &whose].concat()))
    }

    /// Never zero, which is the mark of a free place.
    fn fingerprint(&self, tag: &[u8], what: &[u8]) -> u64 {
        let digest = Sha256::new().chain_update(self.key).chain_update(tag).chain_update(what);
        let digest = digest.finalize();
        let bytes = digest.first_chunk::<8>().copied().unwrap_or_default();
        u64::from_le_bytes(bytes).max(1)
    }
}

/// Whether nobody can have this address.
fn is_nobodys(address: &str) -> bool {
    !address.contains('@') || address.trim().to_ascii_lowercase().ends_with(NOWHERE)
}

/// The first bits of an address: `four` of IPv4's, `six` of IPv6's.
fn prefix(peer: IpAddr, four: u32, six: u32) -> Vec<u8> {
    match peer {
        IpAddr::V4(ip) => (ip.to_bits() & u32::MAX << (32 - four)).to_be_bytes().to_vec(),
        IpAddr::V6(ip) => (ip.to_bits() & u128::MAX << (128 - six)).to_be_bytes().to_vec(),
    }
}

/// What an entry of a table is.
trait Entry: Copy + Default {
    /// How much it would be missed, at `now` in milliseconds; zero for not at all.
    fn weight(&self, now: i64) -> i64;
}

/// A table that never grows.
struct Table<E> {
    entries: Vec<(u64, E)>,
}

impl<E: Entry> Table<E> {
    fn new() -> Self {
        Self { entries: vec![(0, E::default()); ENTRIES] }
    }

    fn ways(key: u64) -> std::ops::Range<usize> {
        let sets = u64::try_from(ENTRIES / WAYS).unwrap_or(1);
        let first = usize::try_from(key % sets).unwrap_or_default() * WAYS;
        first..first + WAYS
    }

    fn find(&mut self, key: u64) -> Option<&mut E> {
        let ways = self.entries.get_mut(Self::ways(key)).unwrap_or_default();
        ways.iter_mut().find(|(held, _)| *held == key).map(|(_, entry)| entry)
    }

    /// The entry of `key`, a new one in the place of the least if there is none.
    fn place(&mut self, key: u64, now: i64) -> &mut E {
        let range = Self::ways(key);
        let ways = self.entries.get(range.clone()).unwrap_or_default();
        let held = ways.iter().position(|(held, _)| *held == key);
        let least = || {
            let by_weight = ways.iter().enumerate().min_by_key(|(_, (held, entry))| {
                if *held == 0 { i64::MIN } else { entry.weight(now) }
            });
            by_weight.map(|(at, _)| at).unwrap_or_default()
        };
        let at = held.unwrap_or_else(least);
        // The index is within the set, which is within the table.
        #[expect(clippy::indexing_slicing, reason = "`ways` gives a set of the table")]
        let (mark, entry) = &mut self.entries[range.start + at];
        if held.is_none() {
            (*mark, *entry) = (key, E::default());
        }
        entry
    }

    fn forget(&mut self, key: u64) {
        for (held, entry) in self.entries.get_mut(Self::ways(key)).unwrap_or_default() {
            if *held == key {
                (*held, *entry) = (0, E::default());
            }
        }
    }
}

/// What somebody has left: when their allowance would be whole again, in milliseconds (GCRA).
#[derive(Debug, Clone, Copy, Default)]
struct Allowance {
    whole_at: i64,
}

impl Allowance {
    fn span(rate: Rate) -> i64 {
        i64::try_from(rate.one_in.as_millis()).unwrap_or(i64::MAX)
    }

    /// The moment from which on it is whole, never further ahead than a whole allowance takes: a
    /// clock that went backwards refuses nobody for longer.
    fn ahead(self, rate: Rate, now: i64) -> i64 {
        let most = Self::span(rate).saturating_mul(i64::from(rate.burst));
        self.whole_at.clamp(now, now.saturating_add(most))
    }

    fn has(self, rate: Rate, now: i64) -> bool {
        let most = Self::span(rate).saturating_mul(i64::from(rate.burst - 1));
        self.ahead(rate, now) - now <= most
    }

    fn spend(self, rate: Rate, now: i64) -> Self {
        Self { whole_at: self.ahead(rate, now).saturating_add(Self::span(rate)) }
    }
}

impl Entry for Allowance {
    fn weight(&self, now: i64) -> i64 {
        self.whole_at.saturating_sub(now).max(0)
    }
}

/// The wrong passwords of one account.
#[derive(Debug, Clone, Copy, Default)]
struct Lock {
    failures: u32,
    /// In milliseconds, as the next.
    last: i64,
    until: i64,
}

impl Lock {
    /// One more; nobody asks while the lock lasts.
    fn fail(self, now: i64) -> Self {
        let age = now.saturating_sub(self.last);
        let earlier = if (0..Self::millis(FORGOTTEN)).contains(&age) { self.failures } else { 0 };
        let failures = earlier.saturating_add(1);
        let wait = match failures.checked_sub(FREE_FAILURES) {
            None => 0,
            Some(beyond) => {
                let doubled = Self::millis(FIRST_LOCK).checked_shl(beyond.min(20));
                doubled.unwrap_or(i64::MAX).min(Self::millis(LONGEST_LOCK))
            }
        };
        Self { failures, last: now, until: now.saturating_add(wait) }
    }

    fn millis(span: SignedDuration) -> i64 {
        i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
    }
}

impl Entry for Lock {
    fn weight(&self, now: i64) -> i64 {
        let lasts = self.until.saturating_sub(now).max(0);
        lasts.saturating_add(i64::from(self.failures))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use jiff::{SignedDuration, Timestamp};
    use kernel::FixedRng;

    use super::{Attempted, ENTRIES, LONGEST_LOCK, Limits};

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
        peers.filter(|peer| limits.allow(Attempted::Reset, *peer, "a@b.example", now)).count()
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
        assert!(limits.allow(Attempted::SignIn, peer, "a@b.example", NOW));
    }

    #[test]
    fn a_neighbourhood_counts_together_and_so_does_everybody() {
        let four = (0..=255).map(|n| ip(&format!("192.0.2.{n}")));
        assert_eq!(burst(&limits(), four, NOW), 20);
        // One /64 is one address, whatever its other half.
        let one = (0..1_000_u128).map(|n| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | n)));
        assert_eq!(burst(&limits(), one, NOW), 5);
        let site = (0..1_000_u128)
            .map(|n| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | (n << 64))));
        assert_eq!(burst(&limits(), site, NOW), 20);
        let all = (0..5_000_u128)
            .map(|n| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | (n << 80))));
        assert_eq!(burst(&limits(), all, NOW), 200);
    }

    #[test]
    fn a_flood_of_addresses_takes_no_memory_and_does_not_set_others_free() {
        let limits = limits();
        let before = limits.peers.lock().unwrap().entries.len();
        let flood = (0..200_000_u128)
            .map(|n| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | (n << 72))));
        let passed = burst(&limits, flood, NOW);
        assert_eq!(passed, 200);
        assert_eq!((before, limits.peers.lock().unwrap().entries.len()), (ENTRIES, ENTRIES));
        assert_eq!(burst(&limits, std::iter::once(ip("198.51.100.7")), NOW), 0, "all are busy");
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
    fn wait(
        limits: &Limits,
        address: &str,
        browser: Option<&[u8]>,
        now: Timestamp,
    ) -> SignedDuration {
        let waits = limits.guess(address, browser, now).err();
        if waits.is_none() {
            limits.undo(address, browser);
        }
        waits.unwrap_or_default()
    }

    #[test]
    fn of_many_at_once_no_more_pass_than_of_one_after_the_other() {
        let limits = limits();
        let passed = |n: usize| {
            (0..n).filter(|_| limits.guess("sari@toko.example", None, NOW).is_ok()).count()
        };
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
        let tries =
            |browser| (0..10).filter(|_| limits.guess(address, browser, NOW).is_ok()).count();
        assert_eq!((tries(None), tries(None)), (5, 0));
        assert_eq!((tries(browser), tries(browser)), (5, 0));
    }

    #[test]
    fn canaries_are_tried_from_this_machine_alone_and_never_locked() {
        let limits = limits();
        let (here, far) = (ip("::ffff:127.0.0.1"), ip("192.0.2.1"));
        let allowed = |peer, address| {
            (0..500).filter(|_| limits.allow(Attempted::SignIn, peer, address, NOW)).count()
        };
        assert_eq!(allowed(here, "canary-1@amanah.invalid"), 500);
        assert_eq!(allowed(far, "canary-1@amanah.invalid"), 60);
        assert_eq!(allowed(here, "sari@toko.example"), 60);
        for _ in 0..100 {
            assert_eq!(limits.guess("canary-1@amanah.invalid", None, NOW), Ok(()));
        }
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
}
