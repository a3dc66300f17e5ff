//! How often somebody may try: per address, per neighbourhood of addresses, per account, and in all.
//!
//! It promises that its memory never grows, whoever comes; that what it says about an account does
//! not depend on whether there is one; and that an account's lock ends within 15 minutes, counts
//! nothing while it lasts, and does not hold for a browser that has signed in to it before. A password is
//! counted as wrong before it is looked at and forgiven when it was right, so that many at once are as
//! many. Where the table is full, the entry that says least is given up: the neighbourhood and the whole still
//! count what a single address was forgotten for.
//!
//! What is counted of everybody together is for strangers alone. Whoever shows that they are none (a browser
//! that has signed in to the account before, a link that is good, a directory's token) has an allowance of their
//! own and takes nothing from that of the house: however many networks use it up, they are not kept out.
//!
//! The proofs try all day, with addresses that nobody has. They show a secret of the installation, are counted with
//! everybody and by nothing else, and no lock holds for them. Where they come from counts for nothing: whoever is
//! on the same machine, or behind a proxy on it, is a stranger like others.
//!
//! It lives in one process. Nothing is remembered over a restart.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use kernel::{Rng, Secret, is_synthetic};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::Result;

/// How many entries a table has: 2 MiB in each.
const ENTRIES: usize = 1 << 16;
/// How many places an entry may have.
const WAYS: usize = 8;
/// How many wrong passwords are looked at before there is a wait where no configuration says it.
const FREE_FAILURES: u32 = 5;
/// How long the first lock lasts; each one after lasts twice as long as the one before.
const FIRST_LOCK: SignedDuration = SignedDuration::from_secs(5);
/// How long a lock lasts at most.
pub(crate) const LONGEST_LOCK: SignedDuration = SignedDuration::from_mins(15);
/// After how long without a wrong password the earlier ones are forgotten.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(1);

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempted {
    /// A password.
    SignIn,
    /// A letter with a new link.
    Reset,
    /// A link that is none, or is good no more.
    Link,
    /// Something that somebody asks for who says to be a tenant's directory, and shows no good token.
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
    fn rates(self, tries: &Tries) -> [Rate; 3] {
        let (seconds, millis) = (SignedDuration::from_secs, SignedDuration::from_millis);
        match self {
            Self::SignIn => {
                let [narrow, wide] = Tries::rates(tries.sign_in, tries.sign_in_every);
                [narrow, wide, rate(1_000, millis(20))]
            }
            // Each is one row; how many letters leave for one account is bounded where they leave.
            Self::Reset => {
                let [narrow, wide] = Tries::rates(tries.reset, tries.reset_every);
                [narrow, wide, rate(2_000, millis(20))]
            }
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

/// Somebody who is no stranger, by what they show. What it is was looked up before.
#[derive(Debug, Clone, Copy)]
pub enum Shows<'a> {
    /// The address that it is about, in a browser that has signed in there before: all such browsers
    /// together, so that another one brings no more.
    Known(&'a str),
    /// The same, for whoever asks for a letter.
    KnownReset(&'a str),
    /// The token of a link that is good.
    Link(&'a [u8]),
    /// The name of a directory's token.
    Directory(&'a str),
}

impl Shows<'_> {
    /// For each by itself.
    const fn rate(self) -> Rate {
        match self {
            Self::Known(_) => rate(30, SignedDuration::from_secs(2)),
            Self::KnownReset(_) => rate(5, SignedDuration::from_mins(1)),
            Self::Link(_) => rate(20, SignedDuration::from_secs(5)),
            Self::Directory(_) => rate(500, SignedDuration::from_millis(20)),
        }
    }

    /// Tells what is counted apart, and who.
    const fn name(&self) -> (u8, &[u8]) {
        match self {
            Self::Directory(token) => (12, token.as_bytes()),
            Self::Known(address) => (13, address.as_bytes()),
            Self::KnownReset(address) => (15, address.as_bytes()),
            Self::Link(token) => (14, token),
        }
    }
}

/// What the operator decides. The product hands over what its configuration says; without one, as in
/// tests: 60 sign-ins, then one in 2 s, and 5 letters, then one in 60 s, for one address; five times and
/// four times as many for its neighbourhood; 5 wrong passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    /// How many passwords may be tried from one address at once, and from its neighbourhood.
    pub sign_in: [u32; 2],
    /// In how long one address may try one more. The neighbourhood is whole again with it.
    pub sign_in_every: SignedDuration,
    /// The same of letters for a new password.
    pub reset: [u32; 2],
    /// The same.
    pub reset_every: SignedDuration,
    /// How many wrong passwords of one account are looked at before there is a wait.
    pub account: u32,
}

impl Default for Tries {
    fn default() -> Self {
        Self {
            sign_in: [60, 300],
            sign_in_every: SignedDuration::from_secs(2),
            reset: [5, 20],
            reset_every: SignedDuration::from_secs(60),
            account: FREE_FAILURES,
        }
    }
}

impl Tries {
    /// For one address, and for its neighbourhood, which is whole again when one address is.
    fn rates([narrow, wide]: [u32; 2], one_in: SignedDuration) -> [Rate; 2] {
        let burst = |n: u32| i32::try_from(n).unwrap_or(i32::MAX).max(1);
        let (narrow, wide) = (burst(narrow), burst(wide));
        let shared = one_in.saturating_mul(narrow) / wide;
        [rate(narrow, one_in), rate(wide, shared.max(SignedDuration::from_millis(1)))]
    }
}

/// The limits of one process.
pub struct Limits {
    tries: Tries,
    /// Nobody can choose addresses that meet in the table.
    key: [u8; 32],
    /// The SHA-256 of what the proofs show, where there is such a thing.
    proofs: Option<[u8; 32]>,
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
        let (peers, accounts) = (Mutex::new(Table::new()), Mutex::new(Table::new()));
        Ok(Self { tries: Tries::default(), key, proofs: None, peers, accounts })
    }

    /// The same, with what the operator has decided.
    #[must_use]
    pub const fn with_tries(mut self, tries: Tries) -> Self {
        self.tries = tries;
        self
    }

    /// The same, of an installation whose proofs show this secret.
    #[must_use]
    pub fn with_proofs(mut self, secret: &Secret) -> Self {
        self.proofs = Some(Sha256::digest(secret.expose()).into());
        self
    }

    /// Whether it is a proof of this installation that tries: it shows the installation's secret, and `address`
    /// is nobody's, so that there is nobody to guard.
    pub fn is_proof(&self, shown: Option<&Secret>, address: &str) -> bool {
        let (Some(shown), Some(ours)) = (shown, &self.proofs) else { return false };
        let shown: [u8; 32] = Sha256::digest(shown.expose()).into();
        bool::from(shown.ct_eq(ours)) && is_nobodys(address)
    }

    /// Whether a proof may try this now; if so, the try is counted with those of everybody.
    pub fn allow_proof(&self, what: Attempted, now: Timestamp) -> bool {
        self.take(&[self.of_all(what)], now)
    }

    /// Whether `peer` may try this now; if so, the try is counted.
    pub fn allow(&self, what: Attempted, peer: IpAddr, now: Timestamp) -> bool {
        let peer = peer.to_canonical();
        let [narrow, wide, _] = what.rates(&self.tries);
        let tag = what.tag();
        let keys = [
            (self.fingerprint(&[tag, 0], &prefix(peer, 32, 64)), narrow),
            (self.fingerprint(&[tag, 1], &prefix(peer, 24, 48)), wide),
            self.of_all(what),
        ];
        self.take(&keys, now)
    }

    /// What everybody has together.
    fn of_all(&self, what: Attempted) -> (u64, Rate) {
        let [.., all] = what.rates(&self.tries);
        (self.fingerprint(&[what.tag(), 2], &[]), all)
    }

    /// Takes from each of these, or from none.
    fn take(&self, keys: &[(u64, Rate)], now: Timestamp) -> bool {
        let now = now.as_millisecond();
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        // All or none: whoever is refused takes nothing from the others.
        let mut free = true;
        for &(key, rate) in keys {
            if let Some(held) = peers.find(key) {
                held.whole_at = held.ahead(rate, now);
                free &= held.has(rate, now);
            }
        }
        if free {
            for &(key, rate) in keys {
                let place = peers.place(key, now);
                *place = place.spend(rate, now);
            }
        }
        free
    }

    /// Whether `who` may do now what is theirs to do; if so, it is counted. What others do, from wherever,
    /// takes nothing from it.
    pub fn allow_known(&self, who: Shows<'_>, now: Timestamp) -> bool {
        let (rate, (tag, name)) = (who.rate(), who.name());
        self.take(&[(self.fingerprint(&[tag], &Sha256::digest(name)), rate)], now)
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
        let key = self.account(address, browser);
        let now = now.as_millisecond();
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = accounts.place(key, now);
        // A clock that went backwards locks nobody out for longer.
        lock.until = lock.until.min(now.saturating_add(Lock::millis(LONGEST_LOCK)));
        let left = lock.until.saturating_sub(now);
        if left > 0 {
            return Err(SignedDuration::from_millis(left));
        }
        *lock = lock.fail(now, self.tries.account);
        Ok(())
    }

    /// A try that was taken was no wrong guess: it was right and led no further, or was never looked at.
    pub fn undo(&self, address: &str, browser: Option<&[u8]>) {
        let key = self.account(address, browser);
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = accounts.find(key) {
            lock.failures = lock.failures.saturating_sub(1);
            // The one that was not looked at is open again, and the next one that is sets the lock.
            lock.until = lock.last;
        }
    }

    /// Somebody has shown that the account is theirs: the wrong passwords before do not count.
    pub fn forgive(&self, address: &str, browser: Option<&[u8]>) {
        let key = self.account(address, browser);
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.forget(key);
    }

    fn account(&self, address: &str, browser: Option<&[u8]>) -> u64 {
        let address = address.trim().to_ascii_lowercase();
        let tag: &[u8] = if browser.is_some() { &[11] } else { &[10] };
        let whose = Sha256::digest(browser.unwrap_or_default());
        self.fingerprint(tag, &[address.as_bytes(), &whose].concat())
    }

    /// Never zero, which is the mark of a free place.
    fn fingerprint(&self, tag: &[u8], what: &[u8]) -> u64 {
        let digest = Sha256::new().chain_update(self.key).chain_update(tag).chain_update(what);
        let digest = digest.finalize();
        let bytes = digest.first_chunk::<8>().copied().unwrap_or_default();
        u64::from_le_bytes(bytes).max(1)
    }
}

/// Whether nobody can have this address, so that there is nobody to guard.
fn is_nobodys(address: &str) -> bool {
    !address.contains('@') || is_synthetic(address)
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
    fn fail(self, now: i64, free: u32) -> Self {
        let age = now.saturating_sub(self.last);
        let earlier = if (0..Self::millis(FORGOTTEN)).contains(&age) { self.failures } else { 0 };
        let failures = earlier.saturating_add(1);
        let wait = match failures.checked_sub(free) {
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
mod tests;
