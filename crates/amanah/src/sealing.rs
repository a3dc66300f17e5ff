//! A running `amanah up` seals the trail of each protected database, as they come and go.
//!
//! It promises that each has one sealer, that one which fails, or cannot even begin, is tried again every
//! second and holds up no other, and that a trail which could not be sealed for a minute is told: once in
//! the log, in the measurements, and to `amanah doctor`, with who holds it back.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use audit::erasing::Erasing;
use audit::seal::{Round, Sealer, SealerSettings, holder};
use kernel::Clock;
use serde::{Deserialize, Serialize};
use store::Db;
use tenancy::Guarded;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::data::Data;
use crate::installation::Installation;
use crate::known::name;
use crate::out;
use crate::trail::{self, Log, Pen};

/// How often it is looked for something to seal.
const SEAL_EVERY: Duration = Duration::from_secs(1);
/// A trail that waits longer than this for its seal is told.
const LATE: Duration = Duration::from_mins(1);
/// Where a running process tells others which trails wait, in the folder of the logs.
const WAITING: &str = "trail/waiting.json";

/// The sealers of this process.
#[derive(Default)]
pub(crate) struct Sealers {
    /// The logins for each trail, by its database's name.
    logins: ArcSwap<BTreeMap<String, Logins>>,
    standings: Mutex<BTreeMap<String, Standing>>,
    /// The logs that are to get entries about erasures.
    erasing: ArcSwap<BTreeSet<String>>,
}

/// What a trail is sealed with.
#[derive(Clone)]
struct Logins {
    /// Who reads it.
    reader: Db,
    /// Who sees what is open on the server: as much of it as there is a login for.
    watcher: Db,
}

impl Logins {
    fn of(guarded: &Guarded) -> Self {
        let reader = trail::reader(guarded).clone();
        let watcher = guarded.protected.superuser.clone().unwrap_or_else(|| reader.clone());
        Self { reader, watcher }
    }
}

/// How the sealing of one trail stands.
struct Standing {
    /// What stands for its log's name.
    id: String,
    /// Its log, once it is known where that lies.
    log: Option<Log>,
    /// The newest signed head.
    head: Option<String>,
    size: u64,
    rows: u64,
    heads: u64,
    failures: u64,
    /// How long the oldest row had waited, and when that was.
    lag: Option<Duration>,
    last_round: Instant,
    /// Why the last round failed.
    failing: Option<String>,
    /// Who holds it back, while it waits.
    held: Option<String>,
    /// Whether it was told that it waits.
    told: bool,
}

/// A trail that waits for its seal, for `amanah doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) database: String,
    pub(crate) why: String,
}

/// One measurement: name, what it counts, the log, value.
pub(crate) type Reading = (&'static str, &'static str, String, u64);

impl Sealers {
    fn standings(&self) -> MutexGuard<'_, BTreeMap<String, Standing>> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is measured of each log. It is named by a digest: whoever reads measurements need not
    /// know the names of databases.
    pub(crate) fn readings(&self) -> Vec<Reading> {
        let standings = self.standings();
        let mut all = Vec::new();
        let mut read = |name, help, of: fn(&Standing) -> u64| {
            all.extend(standings.values().map(|one| (name, help, one.id.clone(), of(one))));
        };
        let lag = |one: &Standing| one.lag().as_secs();
        read("trail_seal_lag_seconds", "How long the oldest unsealed row of a trail waits", lag);
        read("trail_entries", "Entries of a trail's log", |one| one.size);
        read("trail_sealed_rows_total", "Rows that were sealed since the start", |one| one.rows);
        read("trail_checkpoints_total", "Checkpoints that were signed since the start", |one| {
            one.heads
        });
        read("trail_seal_failures_total", "Rounds of sealing that failed", |one| one.failures);
        all
    }

    /// The newest head of each log that has one, behind the digest by which it is named.
    pub(crate) fn heads(&self) -> Vec<(String, String)> {
        let standings = self.standings();
        let head = |one: &Standing| Some((one.id.clone(), one.head.clone()?));
        standings.values().filter_map(head).collect()
    }

    /// The logs that are sealed at the moment.
    pub(crate) fn logs(&self) -> Vec<Log> {
        self.standings().values().filter_map(|one| one.log.clone()).collect()
    }

    /// A trail is to be sealed: from here on it is measured, whatever comes of it.
    fn expects(&self, name: &str, id: String) {
        self.standings().entry(name.to_owned()).or_insert_with(|| Standing::new(id));
    }

    fn begins(&self, name: &str, log: &Log) {
        if let Some(one) = self.standings().get_mut(name) {
            one.log = Some(log.clone());
        }
    }

    fn went(&self, name: &str, round: &Round, head: Option<&str>) {
        let mut standings = self.standings();
        let Some(one) = standings.get_mut(name) else { return };
        one.size = round.size;
        one.rows += round.rows;
        one.heads += u64::from(round.signed);
        one.head = head.map(str::to_owned);
        (one.lag, one.last_round) = (round.lag, Instant::now());
        if one.failing.take().is_some() {
            tracing::info!(database = name, "the trail is being sealed again");
        }
        if let Some(finding) = &round.finding {
            tracing::warn!(
                database = name,
                finding,
                "the trail is another one than was sealed before"
            );
        }
    }

    fn failed(&self, name: &str, why: String) {
        let mut standings = self.standings();
        let Some(one) = standings.get_mut(name) else { return };
        one.failures += 1;
        if one.failing.is_none() {
            tracing::warn!(
                database = name,
                why,
                "the trail is not being sealed; it is tried again"
            );
        }
        one.failing = Some(why);
    }

    fn held(&self, name: &str, by: Option<String>) {
        if let Some(one) = self.standings().get_mut(name) {
            one.held = by;
        }
    }

    /// The trails that wait for too long; each is told once in the log.
    fn waiting(&self) -> Vec<Waiting> {
        let mut found = Vec::new();
        for (database, one) in self.standings().iter_mut() {
            let lag = one.lag();
            if lag < LATE {
                one.told = false;
                continue;
            }
            let why = one.failing.clone().or_else(|| one.held.clone()).unwrap_or_else(|| {
                "a transaction that began before is still open: look in pg_stat_activity and \
                 pg_prepared_xacts, and end it"
                    .to_owned()
            });
            if !one.told {
                one.told = true;
                let seconds = lag.as_secs();
                tracing::error!(database, seconds, why, "the trail waits for its seal");
            }
            found.push(Waiting { database: database.clone(), why });
        }
        found
    }
}

impl Standing {
    fn new(id: String) -> Self {
        Self {
            id,
            log: None,
            head: None,
            size: 0,
            rows: 0,
            heads: 0,
            failures: 0,
            lag: None,
            last_round: Instant::now(),
            failing: None,
            held: None,
            told: false,
        }
    }

    /// While rounds fail, whatever is written waits, and nobody sees whether something was.
    fn lag(&self) -> Duration {
        let since = if self.failing.is_some() { self.last_round.elapsed() } else { Duration::ZERO };
        self.lag.unwrap_or_default() + since
    }
}

/// One for each trail; a second one is begun when the first has ended.
#[derive(Default)]
struct Tasks {
    set: JoinSet<String>,
    running: BTreeSet<String>,
}

impl Tasks {
    /// Forgets those that have ended.
    fn forget(&mut self) {
        while let Some(ended) = self.set.try_join_next() {
            match ended {
                Ok(name) => drop(self.running.remove(&name)),
                // It has not said which it was: each begins anew, and finishes what it was at.
                Err(broken) if broken.is_panic() => {
                    self.set.abort_all();
                    self.running.clear();
                }
                Err(_) => {}
            }
        }
    }
}

/// Seals until `stop` ends.
pub(crate) async fn keep(
    installation: &Installation,
    seals: &Arc<Sealers>,
    stop: impl Future<Output = ()>,
) {
    let sealing = async {
        let mut tasks = Tasks::default();
        let mut tick = tokio::time::interval(SEAL_EVERY);
        let mut told = None;
        loop {
            tick.tick().await;
            tasks.forget();
            follow(installation, seals, &mut tasks).await;
            // A control database that is away for a moment erases nothing.
            let waiting = installation.erasing().waiting_logs().await.unwrap_or_default();
            seals.erasing.store(Arc::new(waiting));
            let waiting = seals.waiting();
            if told.as_ref() != Some(&waiting) && announce(&installation.data, &waiting).is_ok() {
                told = Some(waiting);
            }
        }
    };
    tokio::select! {
        () = stop => {}
        () = sealing => {}
    }
}

/// Has each database that is known sealed, and no other. What one cannot begin with is told of it, and
/// keeps no other from beginning.
async fn follow(installation: &Installation, seals: &Arc<Sealers>, tasks: &mut Tasks) {
    let Installation { ground, data, config, cx, .. } = installation;
    let known = installation.known();
    let (mut names, mut logins) = (BTreeSet::new(), BTreeMap::new());
    let mut fresh = Vec::new();
    for kept in &known.kept {
        let name = name(kept);
        // One that cannot be opened for now is still to be sealed, and told.
        if let Ok(guarded) = known.at(kept, ground) {
            logins.insert(name.clone(), Logins::of(guarded));
        }
        names.insert(name.clone());
        if !tasks.running.contains(&name) {
            fresh.push((name, Log::of(kept, data, config, cx)));
        }
    }
    seals.standings().retain(|name, _| names.contains(name));
    seals.logins.store(Arc::new(logins));
    for (name, log) in fresh {
        let id = log.as_ref().map_or_else(|_| trail::id(&name), |log| log.id.clone());
        seals.expects(&name, id);
        if let Err(error) = begin(installation, seals, tasks, log).await {
            seals.failed(&name, out::words(&error));
        }
    }
}

/// Sets a sealer to work.
async fn begin(
    installation: &Installation,
    seals: &Arc<Sealers>,
    tasks: &mut Tasks,
    log: anyhow::Result<Log>,
) -> anyhow::Result<()> {
    let log = log?;
    let pen = Arc::new(Pen::ready(&installation.ring.keys).await?);
    seals.begins(&log.database, &log);
    let (seals, clock) = (Arc::clone(seals), Arc::clone(&installation.cx.clock));
    let erasing = installation.erasing();
    tasks.running.insert(log.database.clone());
    tasks.set.spawn(async move {
        seal((&seals, &erasing), &log, pen, clock).await;
        log.database
    });
    Ok(())
}

/// Seals one trail as long as it is known.
async fn seal(
    (seals, erasing): (&Sealers, &Erasing),
    log: &Log,
    pen: Arc<Pen>,
    clock: Arc<dyn Clock>,
) {
    let name = log.database.as_str();
    let mut tick = tokio::time::interval(SEAL_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sealer: Option<Sealer> = None;
    loop {
        tick.tick().await;
        // More rows than one step takes are waited for by nobody's clock.
        loop {
            if !seals.standings().contains_key(name) {
                return;
            }
            let Some(Logins { reader, watcher }) = seals.logins.load().get(name).cloned() else {
                sealer = None;
                seals.failed(name, "the database cannot be opened".to_owned());
                break;
            };
            let settings = || SealerSettings {
                db: reader,
                shelf: Arc::clone(&log.shelf),
                signatory: Arc::<Pen>::clone(&pen),
                origin: log.origin.clone(),
                clock: Arc::clone(&clock),
            };
            let round = async {
                let open = match sealer.take() {
                    Some(open) => open,
                    None => Sealer::open(settings()).await?,
                };
                let (open, round) = open.round().await?;
                if round.more || !seals.erasing.load().contains(&log.origin) {
                    return Ok((open, round));
                }
                let (open, _) = erasing.enter(open).await?;
                audit::Result::Ok((open, round))
            };
            match round.await {
                Ok((open, round)) => {
                    seals.went(name, &round, open.checkpoint());
                    sealer = Some(open);
                    if !round.more {
                        seals.held(name, held(&round, &watcher).await);
                        break;
                    }
                }
                Err(error) => {
                    seals.failed(name, error.to_string());
                    break;
                }
            }
        }
    }
}

/// Who holds a trail back that waits for too long. That it cannot be told is no failure of the seal.
async fn held(round: &Round, watcher: &Db) -> Option<String> {
    round.lag.filter(|lag| *lag >= LATE)?;
    holder(watcher).await.ok().flatten().map(|holder| holder.to_string())
}

fn announce(data: &Data, waiting: &[Waiting]) -> anyhow::Result<()> {
    data.folder(trail::FOLDER)?;
    data.replace(Path::new(WAITING), &serde_json::to_vec_pretty(waiting)?)
}

/// The trails that a running process says are waiting.
pub(crate) fn waiting(data: &Data) -> Vec<Waiting> {
    let told = std::fs::read(data.root().join(WAITING)).ok();
    told.and_then(|told| serde_json::from_slice(&told).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use audit::seal::Round;
    use tokio::time::Instant;

    use super::{LATE, Sealers, Waiting};

    fn seals() -> Sealers {
        let seals = Sealers::default();
        seals.expects("shop", "ab12".to_owned());
        seals
    }

    fn told(seals: &Sealers) -> Vec<String> {
        seals.waiting().into_iter().map(|Waiting { why, .. }| why).collect()
    }

    /// Rows that wait are told after a minute, for whichever reason, and no longer when they are sealed.
    #[test]
    fn a_trail_that_waits_is_told() {
        let seals = seals();
        let went = |lag| {
            let lag = Some(lag).filter(|lag| *lag > Duration::ZERO);
            let round = Round { lag, rows: 2, signed: true, size: 3, ..Round::default() };
            seals.went("shop", &round, Some("signed"));
        };
        went(Duration::from_secs(5));
        assert_eq!(told(&seals), [""; 0]);
        went(LATE);
        assert!(told(&seals)[0].contains("pg_prepared_xacts"));
        seals.held("shop", Some("process 7".to_owned()));
        assert_eq!(told(&seals), ["process 7"]);
        went(Duration::ZERO);
        assert_eq!(told(&seals), [""; 0]);
        seals.failed("shop", "no space left".to_owned());
        assert_eq!(told(&seals), [""; 0], "not at once");
        let before = Instant::now().checked_sub(LATE).unwrap();
        seals.standings().get_mut("shop").unwrap().last_round = before;
        assert_eq!(told(&seals), ["no space left"]);
        let lag = |seals: &Sealers| seals.readings()[0].3;
        assert!(lag(&seals) >= LATE.as_secs());
        went(Duration::ZERO);
        assert_eq!((told(&seals).len(), lag(&seals)), (0, 0));
        let values: Vec<u64> = seals.readings().iter().map(|reading| reading.3).collect();
        assert_eq!(values, [0, 3, 8, 4, 1]);
        assert_eq!(seals.heads(), [("ab12".to_owned(), "signed".to_owned())]);
        assert!(seals.readings().iter().all(|reading| reading.2 == "ab12"));
    }

    /// One that cannot even begin is measured and told all the same.
    #[test]
    fn a_trail_that_cannot_begin_is_told() {
        let seals = seals();
        assert_eq!((seals.readings()[0].2.as_str(), seals.readings()[0].3), ("ab12", 0));
        seals.failed("shop", "the bucket is not there".to_owned());
        seals.expects("shop", "ab12".to_owned());
        let before = Instant::now().checked_sub(LATE).unwrap();
        seals.standings().get_mut("shop").unwrap().last_round = before;
        assert_eq!(told(&seals), ["the bucket is not there"]);
        let values: Vec<u64> = seals.readings().iter().map(|reading| reading.3).collect();
        assert!(values[0] >= LATE.as_secs() && values[1..] == [0, 0, 0, 1], "{values:?}");
        assert!(seals.logs().is_empty() && seals.heads().is_empty());
    }
}
