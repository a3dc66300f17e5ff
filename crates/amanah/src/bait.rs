//! Bait, as the binary lays it out: what and where, and who writes down who took it.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use access::{Access, BaitRow, METHODS, Routes};
use gateway::controls::{BaitBook, BaitTarget};
use gateway::{BaitHit, BaitSettings, Trap};
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, Fut, Secret};
use tokio::sync::{Mutex, mpsc};

use crate::attack::AttackBook;
use crate::installation::Installation;
use crate::rights;

/// The file of the key that nobody has a reason to show.
const KEY: &str = "bait.key";
/// How many hits wait to be written down. More are counted and forgotten.
const WAITING: usize = 1_000;
/// How often they are.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// How many rows are written in an hour: a scanner that never ends fills half a megabyte a day.
const ROWS_AN_HOUR: usize = 200;
/// How far back a proof looks for what it did itself.
const LOOK_BACK: SignedDuration = SignedDuration::from_mins(10);

/// Where hits wait until they are written down.
pub(crate) struct Pen {
    sender: mpsc::Sender<BaitHit>,
    receiver: Mutex<mpsc::Receiver<BaitHit>>,
    lost: AtomicU64,
    /// What else the gateway has written down.
    pub(crate) attacks: Arc<AttackBook>,
}

impl Default for Pen {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (lost, attacks) = (AtomicU64::new(0), Arc::default());
        Self { sender, receiver: Mutex::new(receiver), lost, attacks }
    }
}

impl Trap for Pen {
    fn caught(&self, hit: BaitHit) {
        if self.sender.try_send(hit).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Pen {
    /// How many hits were not written down since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Writes down what is caught, until `stop` ends.
    pub(crate) async fn keep(
        &self,
        access: &Access,
        clock: &dyn Clock,
        stop: impl Future<Output = ()>,
    ) {
        let mut receiver = self.receiver.lock().await;
        let mut tick = tokio::time::interval(WRITE_EVERY);
        let mut stop = std::pin::pin!(stop);
        let mut allowance = Allowance::default();
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = tick.tick() => {}
            }
            let now = clock.now();
            let caught = std::iter::from_fn(|| receiver.try_recv().ok()).take(WAITING);
            let mut rows = gathered(caught, now);
            let free = allowance.take(rows.len(), now);
            let beyond = rows.split_off(free);
            if !rows.is_empty()
                && let Err(error) = access.write_bait(&rows).await
            {
                tracing::warn!(%error, "it could not be written down who took bait");
                self.forget(&rows);
            }
            self.forget(&beyond);
        }
    }

    fn forget(&self, rows: &[BaitRow]) {
        let hits: u64 = rows.iter().map(|row| u64::try_from(row.times).unwrap_or(1)).sum();
        if hits > 0 {
            tracing::warn!(hits, "bait was taken more often than is written down");
            self.lost.fetch_add(hits, Ordering::Relaxed);
        }
    }
}

/// What was caught in a moment, each once with how often it was.
fn gathered(caught: impl Iterator<Item = BaitHit>, at: Timestamp) -> Vec<BaitRow> {
    let mut all: BTreeMap<(String, String, String, Option<String>), i32> = BTreeMap::new();
    for BaitHit { source, method, bait, account } in caught {
        let times = all.entry((source.to_string(), bait, method, account)).or_default();
        *times = times.saturating_add(1);
    }
    all.into_iter()
        .map(|((source, bait, method, holder), times)| BaitRow {
            at,
            source,
            method,
            bait,
            times,
            holder,
        })
        .collect()
}

/// How many rows of this hour are left.
#[derive(Default)]
struct Allowance {
    hour: i64,
    written: usize,
}

impl Allowance {
    fn take(&mut self, rows: usize, now: Timestamp) -> usize {
        let hour = now.as_second().div_euclid(3_600);
        if hour != self.hour {
            *self = Self { hour, written: 0 };
        }
        let free = rows.min(ROWS_AN_HOUR.saturating_sub(self.written));
        self.written += free;
        free
    }
}

/// The key of this installation that nobody has a reason to show, made at its first use.
pub(crate) fn key(installation: &Installation) -> anyhow::Result<Secret> {
    let Installation { data, cx, .. } = installation;
    data.secret(KEY, || Ok(identity::bait_key(&*cx.rng)?.expose().to_owned()))
}

/// What is laid out: none of it where the application has a route.
pub(crate) fn laid_out(installation: &Installation) -> anyhow::Result<Vec<String>> {
    let (wanted, access) = (&installation.config.honeypot.routes, &installation.access);
    rights::guard(access, installation.routes()?.as_ref())?;
    Ok(beside(wanted, access.routes()))
}

fn beside(wanted: &[String], routes: Option<&Routes>) -> Vec<String> {
    let mapped = |path: &str| {
        routes
            .is_some_and(|routes| METHODS.iter().any(|method| routes.need(method, path).is_some()))
    };
    wanted.iter().filter(|path| !mapped(path)).cloned().collect()
}

/// As the gateway lays it out.
pub(crate) fn settings(installation: &Installation) -> anyhow::Result<BaitSettings> {
    let told = &installation.config.honeypot;
    let routes = laid_out(installation)?;
    let left = told.routes.len().saturating_sub(routes.len());
    if left > 0 {
        tracing::info!(left, "the application has routes where bait was to be laid out");
    }
    Ok(BaitSettings {
        routes,
        key: Some(key(installation)?),
        alone: told.alone.0,
        shared: told.shared.0,
        prefix: told.prefix.0,
        ban: told.ban(),
        trap: Some(Arc::<Pen>::clone(&installation.pen)),
    })
}

/// Whether a proof did it: at addresses of this machine that nobody else has.
pub(crate) fn is_proof(hit: &BaitRow) -> bool {
    hit.source.parse().is_ok_and(|source: Ipv4Addr| {
        let [first, second, ..] = source.octets();
        first == 127 && (64..128).contains(&second)
    })
}

/// What the proof takes.
pub(crate) fn target(installation: &Installation) -> anyhow::Result<BaitTarget> {
    let (access, clock) = (Arc::clone(&installation.access), Arc::clone(&installation.cx.clock));
    Ok(BaitTarget {
        routes: laid_out(installation)?,
        key: key(installation)?,
        book: Arc::new(Book { access, clock }),
    })
}

/// What was written down, read back.
struct Book {
    access: Arc<Access>,
    clock: Arc<dyn Clock>,
}

impl BaitBook for Book {
    fn taken(&self, source: Ipv4Addr) -> Fut<'_, Result<Vec<String>, String>> {
        Box::pin(async move {
            let now = self.clock.now();
            let since = now.checked_sub(LOOK_BACK).unwrap_or(now);
            let taken = self.access.bait_taken(since, Some(&source.to_string())).await;
            let taken = taken.map_err(|error| error.to_string())?;
            Ok(taken.into_iter().map(|hit| hit.bait).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use access::{Catalogue, Routes};
    use gateway::{BaitHit, SHIPPED_BAIT, Trap};
    use jiff::Timestamp;

    use super::{Allowance, Pen, ROWS_AN_HOUR, WAITING, beside, gathered};

    fn hit(host: u8, bait: &str) -> BaitHit {
        BaitHit {
            source: [192, 0, 2, host].into(),
            method: "GET".to_owned(),
            bait: bait.to_owned(),
            account: None,
        }
    }

    #[test]
    fn hits_of_a_moment_are_rows_with_how_often() {
        let caught = [hit(1, "/.env"), hit(1, "/.env"), hit(2, "/.env"), hit(1, "/.git/HEAD")];
        let rows = gathered(caught.into_iter(), Timestamp::UNIX_EPOCH);
        let told: Vec<_> =
            rows.iter().map(|row| (row.source.as_str(), row.bait.as_str(), row.times)).collect();
        assert_eq!(
            told,
            [("192.0.2.1", "/.env", 2), ("192.0.2.1", "/.git/HEAD", 1), ("192.0.2.2", "/.env", 1)]
        );
    }

    #[test]
    fn an_hour_has_so_many_rows_and_what_does_not_fit_is_counted() {
        let mut allowance = Allowance::default();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert_eq!(allowance.take(150, at(0)), 150);
        assert_eq!(allowance.take(150, at(3_599)), ROWS_AN_HOUR - 150);
        assert_eq!(allowance.take(1, at(3_599)), 0);
        assert_eq!(allowance.take(150, at(3_600)), 150);
        let pen = Pen::default();
        for _ in 0..WAITING + 7 {
            pen.caught(hit(1, "/.env"));
        }
        assert_eq!(pen.lost(), 7);
    }

    #[test]
    fn no_bait_is_laid_where_the_application_has_a_route() {
        let wanted = SHIPPED_BAIT.map(str::to_owned);
        assert_eq!(beside(&wanted, None).len(), wanted.len());
        let text = "[[route]]\npath = \"/wp-login.php\"\nPOST = \"products.read\"\n";
        let routes = Routes::read(text, Catalogue::shipped().unwrap()).unwrap();
        let laid = beside(&wanted, Some(&routes));
        assert_eq!(laid.len(), wanted.len() - 1);
        assert!(!laid.iter().any(|path| path == "/wp-login.php"));
    }
}
