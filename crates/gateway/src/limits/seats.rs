//! How many connections there may be, and whose.
//!
//! A connection is known once a request with a valid session came over it, and a stranger before. It
//! promises that strangers never take all: beyond their share, a new connection is on probation, and
//! has to begin with a request of somebody who is signed in, within the few seconds that a handshake
//! and a head may take. Nothing is special about any address.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{SeatSettings, Source};

/// The connections of one process. What is kept is as much as there are connections.
pub(crate) struct Seats {
    settings: SeatSettings,
    /// How many strangers there may be that are not on probation.
    strangers: u32,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    strangers: u32,
    addresses: HashMap<[u8; 9], u32>,
    prefixes: HashMap<[u8; 9], u32>,
    accounts: HashMap<String, u32>,
}

/// Why a connection is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSeat {
    /// There are too many strangers from its address.
    Address,
    /// There are too many from its neighbourhood.
    Prefix,
}

impl NoSeat {
    /// One of each, for counting.
    pub(crate) const ALL: [Self; 2] = [Self::Address, Self::Prefix];

    /// The word that metrics use.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Prefix => "prefix",
        }
    }
}

impl Seats {
    /// For `most` connections together.
    pub(crate) fn new(settings: SeatSettings, most: usize) -> Arc<Self> {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let share =
            (u64::from(most) * u64::from(settings.strangers_percent.min(100))).div_ceil(100);
        let strangers = u32::try_from(share).unwrap_or(u32::MAX);
        Arc::new(Self { settings, strangers, book: Mutex::default() })
    }

    /// A seat for a new connection from `peer`.
    ///
    /// # Errors
    /// When there are too many already.
    pub(crate) fn sit(self: &Arc<Self>, peer: IpAddr) -> Result<Seat, NoSeat> {
        let source = Source::of(peer);
        let mut book = self.book();
        if held(&book.addresses, &source.address) >= self.settings.address {
            return Err(NoSeat::Address);
        }
        if held(&book.prefixes, &source.prefix) >= self.settings.prefix {
            return Err(NoSeat::Prefix);
        }
        let probation = book.strangers >= self.strangers;
        if !probation {
            book.strangers += 1;
        }
        *book.addresses.entry(source.address).or_default() += 1;
        *book.prefixes.entry(source.prefix).or_default() += 1;
        drop(book);
        Ok(Seat {
            seats: Arc::clone(self),
            source,
            probation: AtomicBool::new(probation),
            seen: AtomicBool::new(false),
            account: Mutex::new(None),
            away: Notify::new(),
        })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn held<K: Hash + Eq>(counts: &HashMap<K, u32>, key: &K) -> u32 {
    counts.get(key).copied().unwrap_or_default()
}

fn release<K: Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// A connection's place, which is free again when it is dropped.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    source: Source,
    probation: AtomicBool,
    /// Whether a session was seen, however that was counted: it is looked at once.
    seen: AtomicBool,
    /// Whose it is, once it is known.
    account: Mutex<Option<String>>,
    /// Whoever waits for its end.
    away: Notify,
}

impl Seat {
    /// Whether it may not go on as a stranger.
    pub(crate) fn is_on_probation(&self) -> bool {
        self.probation.load(Ordering::Relaxed)
    }

    /// A request of `account` came over it. It is known from now on, unless that account has too many.
    pub(crate) fn recognise(&self, account: &str) {
        if self.seen.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut book = self.seats.book();
        if book.accounts.get(account).copied().unwrap_or_default() >= self.seats.settings.account {
            return;
        }
        *book.accounts.entry(account.to_owned()).or_default() += 1;
        self.leave_strangers(&mut book);
        *self.account() = Some(account.to_owned());
        self.probation.store(false, Ordering::Relaxed);
    }

    /// A stranger on probation has had their chance: the connection is to end.
    pub(crate) fn turn_away(&self) {
        self.away.notify_one();
    }

    /// Ends when it was turned away.
    pub(crate) async fn turned_away(&self) {
        self.away.notified().await;
    }

    fn leave_strangers(&self, book: &mut Book) {
        if !self.is_on_probation() {
            book.strangers = book.strangers.saturating_sub(1);
        }
        release(&mut book.addresses, &self.source.address);
        release(&mut book.prefixes, &self.source.prefix);
    }

    fn account(&self) -> MutexGuard<'_, Option<String>> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut book = self.seats.book();
        match self.account().take() {
            Some(account) => release(&mut book.accounts, &account),
            None => self.leave_strangers(&mut book),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{NoSeat, SeatSettings, Seats};

    const SETTINGS: SeatSettings =
        SeatSettings { address: 3, prefix: 5, strangers_percent: 50, account: 2 };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn strangers_of_one_place_have_so_many() {
        let seats = Seats::new(SETTINGS, 1_000);
        let here: Vec<_> = (0..3).map(|_| seats.sit(ip("127.0.0.1")).unwrap()).collect();
        assert_eq!(seats.sit(ip("127.0.0.1")).err(), Some(NoSeat::Address), "also of this machine");
        let beside: Vec<_> = (0..2).map(|_| seats.sit(ip("127.0.0.2")).unwrap()).collect();
        assert_eq!(seats.sit(ip("127.0.0.3")).err(), Some(NoSeat::Prefix));
        drop(here);
        drop(beside);
        assert!(seats.sit(ip("127.0.0.1")).is_ok());
        assert!(seats.book().addresses.is_empty() && seats.book().prefixes.is_empty());
    }

    #[test]
    fn whoever_is_known_makes_room_for_strangers_of_their_address() {
        let seats = Seats::new(SETTINGS, 1_000);
        let mut all = Vec::new();
        for account in ["a", "a", "b"] {
            let seat = seats.sit(ip("192.0.2.1")).unwrap();
            seat.recognise(account);
            seat.recognise("somebody else");
            all.push(seat);
        }
        assert_eq!(seats.book().strangers, 0);
        // A third of one account counts as a stranger's.
        let third = seats.sit(ip("192.0.2.1")).unwrap();
        third.recognise("a");
        assert_eq!(seats.book().strangers, 1);
        drop(third);
        drop(all);
        let book = seats.book();
        assert!(book.strangers == 0 && book.accounts.is_empty() && book.addresses.is_empty());
    }

    #[test]
    fn beyond_their_share_strangers_are_on_probation() {
        let seats = Seats::new(SETTINGS, 4);
        let peer = |n: u8| ip(&format!("192.0.{n}.1"));
        let first: Vec<_> = (0..2).map(|n| seats.sit(peer(n)).unwrap()).collect();
        assert!(first.iter().all(|seat| !seat.is_on_probation()));
        let late = seats.sit(peer(9)).unwrap();
        assert!(late.is_on_probation());
        late.recognise("a");
        assert!(!late.is_on_probation(), "a session ends it");
        assert_eq!(seats.book().strangers, 2);
        drop(first);
        drop(late);
        assert_eq!(seats.book().strangers, 0);
        assert!(!seats.sit(peer(10)).unwrap().is_on_probation());
    }
}
