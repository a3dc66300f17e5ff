//! Bait: addresses that nobody has a reason to ask for, and a key that nobody has a reason to show.
//!
//! It promises that whoever takes it is told to [`Trap`], who writes it down; that their address is
//! then refused for a time as long as nobody is signed in; and that one hit alone never does that to an
//! address where people have signed in within a day. What a signed-in person asks for is never refused
//! for it. The answer is the same as for any other page that is not there, so that nobody can tell bait
//! by it.
//!
//! It stops scanners that try what is known to be weak elsewhere, from one network. It does not stop
//! one that asks for nothing of the sort, or from a new address each time.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use kernel::{Rng, Secret};

use crate::limits::{HashKey, Limit, Over, Rate, Source, Table, over};
use crate::{GatewayError, own};

/// How many addresses are remembered of each kind: 256 KiB each.
const KEYS: usize = 1 << 14;
/// How long an address counts as one where people have signed in.
const PEOPLE: Duration = Duration::from_hours(24);
/// How many bytes of a method are told.
const METHOD_BYTES: usize = 16;

/// What is laid out unless the operator says otherwise: what scanners ask every site for.
pub const SHIPPED_BAIT: [&str; 24] = [
    "/.aws/credentials",
    "/.env",
    "/.env.local",
    "/.env.production",
    "/.git/HEAD",
    "/.git/config",
    "/.htpasswd",
    "/.ssh/id_rsa",
    "/.svn/entries",
    "/administrator/index.php",
    "/backup.sql",
    "/backup.zip",
    "/cgi-bin/luci",
    "/config.php.bak",
    "/dump.sql",
    "/phpinfo.php",
    "/phpmyadmin/index.php",
    "/server-status",
    "/solr/admin/info/system",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/wp-admin/setup-config.php",
    "/wp-config.php.bak",
    "/wp-login.php",
    "/xmlrpc.php",
];

/// The name of the bait key among the routes.
pub const BAIT_KEY: &str = "key";

/// Somebody took bait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaitHit {
    /// Where from.
    pub source: IpAddr,
    /// How it was asked for, its first 16 letters.
    pub method: String,
    /// The route as it was laid out, or [`BAIT_KEY`].
    pub bait: String,
    /// Whoever was signed in, by account.
    pub account: Option<String>,
}

/// Writes down who took bait. Implemented by the binary.
pub trait Trap: Send + Sync {
    /// Somebody did. It is called on the way of a request and must not wait.
    fn caught(&self, hit: BaitHit);
}

/// What the operator decides about bait.
#[derive(Clone)]
pub struct BaitSettings {
    /// What is laid out; none of the application's own routes. Letters count alike in upper and lower
    /// case.
    pub routes: Vec<String>,
    /// The key that nobody has a reason to show.
    pub key: Option<Secret>,
    /// After how many hits an address is refused.
    pub alone: u32,
    /// After how many, where people have signed in.
    pub shared: u32,
    /// After how many a whole neighbourhood is refused in which nobody has signed in: /24, of version 6 /48.
    pub prefix: u32,
    /// For how long.
    pub ban: Duration,
    /// Who writes it down.
    pub trap: Option<Arc<dyn Trap>>,
}

impl fmt::Debug for BaitSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { routes, key, alone, shared, prefix, ban, trap } = self;
        f.debug_struct("BaitSettings")
            .field("routes", routes)
            .field("key", key)
            .field("hits", &[alone, shared, prefix])
            .field("ban", ban)
            .field("trap", &trap.is_some())
            .finish()
    }
}

impl Default for BaitSettings {
    /// The shipped routes, no key, and nobody who writes it down.
    fn default() -> Self {
        Self {
            routes: SHIPPED_BAIT.map(str::to_owned).to_vec(),
            key: None,
            alone: 1,
            shared: 3,
            prefix: 10,
            ban: Duration::from_mins(10),
            trap: None,
        }
    }
}

/// The bait of one process, and who took it.
pub(crate) struct Bait {
    started: Instant,
    settings: BaitSettings,
    alone: Table,
    shared: Table,
    prefix: Table,
    people: Table,
}

impl Bait {
    /// # Errors
    /// When there is no randomness.
    pub(crate) fn new(settings: BaitSettings, rng: &dyn Rng) -> Result<Self, GatewayError> {
        let key = HashKey::draw(rng)?;
        let table = |hits| Table::new(Rate::new(hits, settings.ban), KEYS, key);
        Ok(Self {
            started: Instant::now(),
            alone: table(settings.alone),
            shared: table(settings.shared),
            prefix: table(settings.prefix),
            people: Table::new(Rate::new(1, PEOPLE), KEYS, key),
            settings,
        })
    }

    /// The bait that `path` is, if it is one.
    pub(crate) fn laid_at(&self, path: &str) -> Option<&str> {
        let routes = self.settings.routes.iter().map(String::as_str);
        routes.into_iter().find(|bait| bait.eq_ignore_ascii_case(path) && !own::is_own(path))
    }

    /// Whether it is the key that was laid out.
    pub(crate) fn is_key(&self, shown: &Secret) -> bool {
        self.settings.key.as_ref().is_some_and(|key| same(key.expose(), shown.expose()))
    }

    /// Tells that `peer` took `bait`, and scores it, unless somebody is signed in.
    pub(crate) fn take(&self, peer: IpAddr, method: &Method, bait: &str, account: Option<&str>) {
        if let Some(trap) = &self.settings.trap {
            trap.caught(BaitHit {
                source: peer.to_canonical(),
                method: method.as_str().chars().take(METHOD_BYTES).collect(),
                bait: bait.to_owned(),
                account: account.map(str::to_owned),
            });
        }
        if account.is_none() {
            let (now, source) = (self.now(), Source::of(peer));
            self.alone.charge(&source.address, 1, now);
            self.shared.charge(&source.address, 1, now);
            self.prefix.charge(&source.prefix, 1, now);
        }
    }

    /// Somebody is signed in at `peer`.
    pub(crate) fn person(&self, peer: IpAddr) {
        let (now, source) = (self.now(), Source::of(peer));
        self.people.charge(&source.address, 1, now);
        self.people.charge(&source.prefix, 1, now);
    }

    /// Whether strangers at `peer` are heard.
    ///
    /// # Errors
    /// For how long they are not.
    pub(crate) fn may_ask(&self, peer: IpAddr) -> Result<(), Over> {
        let (now, source) = (self.now(), Source::of(peer));
        let has_people = |key: &[u8]| self.people.look(key, now).is_err();
        let own = if has_people(&source.address) { &self.shared } else { &self.alone };
        let banned = |table: &Table, key: &[u8]| {
            table.look(key, now).map_err(|wait| over(Limit::Banned, table.rate(), wait))
        };
        banned(own, &source.address)?;
        if has_people(&source.prefix) { Ok(()) } else { banned(&self.prefix, &source.prefix) }
    }

    /// Nanoseconds since the start.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Compares without telling by the time it takes where they differ.
fn same(one: &str, other: &str) -> bool {
    let differences = one.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::{Arc, Mutex};

    use http::Method;
    use kernel::{Secret, SystemRng};

    use super::{Bait, BaitHit, BaitSettings, Trap};

    #[derive(Default)]
    struct Book(Mutex<Vec<BaitHit>>);

    impl Trap for Book {
        fn caught(&self, hit: BaitHit) {
            self.0.lock().unwrap().push(hit);
        }
    }

    fn bait() -> (Bait, Arc<Book>) {
        let book = Arc::<Book>::default();
        let key = Some(Secret::new("amk_bait".to_owned()));
        let trap: Arc<dyn Trap> = Arc::<Book>::clone(&book);
        let settings = BaitSettings { key, trap: Some(trap), ..BaitSettings::default() };
        (Bait::new(settings, &SystemRng).unwrap(), book)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn bait_is_known_by_its_whole_path() {
        let (bait, _) = bait();
        for path in ["/.env", "/.ENV", "/wp-login.php", "/WP-Login.php"] {
            assert!(bait.laid_at(path).is_some(), "{path}");
        }
        for path in ["/", "/.env2", "/a/.env", "/trust", "/wp-login"] {
            assert!(bait.laid_at(path).is_none(), "{path}");
        }
        assert!(bait.is_key(&Secret::new("amk_bait".to_owned())));
        for other in ["amk_bai", "amk_baits", "", "amk_baiT"] {
            assert!(!bait.is_key(&Secret::new(other.to_owned())), "{other}");
        }
    }

    #[test]
    fn one_hit_refuses_an_address_where_nobody_is_signed_in() {
        let (bait, book) = bait();
        let scanner = ip("::ffff:192.0.2.1");
        assert!(bait.may_ask(scanner).is_ok());
        bait.take(scanner, &Method::GET, "/.env", None);
        let over = bait.may_ask(scanner).unwrap_err();
        assert!(over.wait > 590 && over.wait <= 600, "{over:?}");
        assert!(bait.may_ask(ip("192.0.2.2")).is_ok(), "its neighbours are heard");
        let seen = book.0.lock().unwrap().clone();
        let hit = BaitHit {
            source: ip("192.0.2.1"),
            method: "GET".to_owned(),
            bait: "/.env".to_owned(),
            account: None,
        };
        assert_eq!(seen, [hit]);
    }

    #[test]
    fn where_people_are_signed_in_one_hit_is_not_enough() {
        let (bait, _) = bait();
        let office = ip("192.0.2.1");
        bait.person(office);
        for hit in 1..=3 {
            assert!(bait.may_ask(office).is_ok(), "before hit {hit}");
            bait.take(office, &Method::GET, "/.env", None);
        }
        assert!(bait.may_ask(office).is_err());
    }

    #[test]
    fn a_person_who_takes_bait_is_written_down_and_no_address_is_scored() {
        let (bait, book) = bait();
        for _ in 0..20 {
            bait.take(ip("192.0.2.1"), &Method::GET, "/.env", Some("sari"));
        }
        assert!(bait.may_ask(ip("192.0.2.1")).is_ok());
        assert_eq!(book.0.lock().unwrap().len(), 20);
    }

    #[test]
    fn many_hits_refuse_a_neighbourhood_unless_people_are_in_it() {
        let (bait, _) = bait();
        for host in 1..=10 {
            for net in ["192.0.2", "198.51.100"] {
                bait.take(ip(&format!("{net}.{host}")), &Method::GET, "/.env", None);
            }
        }
        bait.person(ip("198.51.100.200"));
        assert!(bait.may_ask(ip("192.0.2.99")).is_err());
        assert!(bait.may_ask(ip("198.51.100.99")).is_ok());
        assert!(bait.may_ask(ip("198.51.100.1")).is_err(), "who took it is refused all the same");
        assert!(bait.may_ask(ip("203.0.113.1")).is_ok());
    }
}
