//! Proves every promise again and again, by the cadence of its control, until it is told to stop.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use kernel::{Outcome, Params, Rng};
use tokio::time::Instant;

use crate::Result;
use crate::document::Page;
use crate::engine::Engine;
use crate::evidence::{Key, Record, Run, VERSION};
use crate::verdict::BITE_EVERY;
use crate::verify::{AT_ONCE, Filter, bite_of};

/// The wait after a run that gave no answer; it doubles with each.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait after a run that gave no answer.
const LAST_RETRY: Duration = Duration::from_mins(5);
/// And the shortest, in times that the run took: most have no answer because the machine was too busy,
/// and are not to keep it so.
const RESTS: u32 = 4;
/// How long runs may take to end when everything stops.
const FAREWELL: Duration = Duration::from_secs(10);
/// By how much of itself a wait is made longer or shorter, at most, in thousandths: installations
/// that were started together should not attack together for ever.
const JITTER: u32 = 100;

impl Engine {
    /// Proves what `pages` promise and bites what proves it, until `shutdown` ends; then lets what
    /// runs come to its end, for at most ten seconds.
    ///
    /// Nothing stops it otherwise: a run that hangs ends at its deadline, and while the evidence
    /// cannot be stored it tries again, ever more slowly, and says so in the log.
    pub async fn keep_proving(&self, pages: &[Arc<Page>], shutdown: impl Future<Output = ()>) {
        let mut timetable = Timetable::of(self, pages).await;
        let mut running = FuturesUnordered::new();
        tokio::pin!(shutdown);
        loop {
            let next = timetable.next(running.len());
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some((n, took, result)) = running.next() => timetable.ended(n, took, &result),
                () = until(next) => {
                    if let Some((n, key, params)) = timetable.take() {
                        running.push(async move {
                            let begun = Instant::now();
                            let result = self.run(&key, &params).await;
                            (n, begun.elapsed(), result)
                        });
                    }
                }
            }
        }
        let farewell = async { while running.next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::warn!("runs that did not end in time were cut short; nothing of them is kept");
        }
    }
}

/// Sleeps until `moment`, or for ever.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// One thing to be run again and again.
struct Job {
    key: Key,
    params: Params,
    every: Duration,
    /// How many runs in a row gave no answer.
    failures: u32,
}

struct Timetable {
    jobs: Vec<Job>,
    /// When each job that does not run is due, the earliest first.
    due: BTreeSet<(Instant, usize)>,
    rng: Arc<dyn Rng>,
}

impl Timetable {
    /// Everything that `pages` ask for. What was run lately, before a restart, waits for its turn.
    async fn of(engine: &Engine, pages: &[Arc<Page>]) -> Self {
        let mut jobs = Vec::new();
        for (key, params) in engine.proofs(pages, &Filter::default()) {
            let control = engine.control(&key.claim);
            let every = control.map_or(BITE_EVERY, |control| control.card().cadence);
            jobs.push(Job::new(key, params, every));
        }
        let claims: BTreeSet<String> = jobs.iter().map(|job| job.key.claim.clone()).collect();
        let bites = claims.into_iter().map(bite_of);
        jobs.extend(bites.map(|key| Job::new(key, Params::none(), BITE_EVERY)));
        let keys: Vec<Key> = jobs.iter().map(|job| job.key.clone()).collect();
        let latest = match engine.inner.evidence.latest(&keys, None).await {
            Ok(latest) => latest,
            Err(error) => {
                tracing::warn!(%error, "everything is run now, since what was run is not known");
                HashMap::default()
            }
        };
        let now = Instant::now();
        let wait = |job: &Job| {
            let last = latest.get(&job.key)?;
            job.wait(engine, last)
        };
        let due = jobs
            .iter()
            .enumerate()
            .map(|(n, job)| (now + wait(job).unwrap_or_default(), n))
            .collect();
        Self { jobs, due, rng: Arc::clone(&engine.inner.cx.rng) }
    }

    /// When the next job is due; never while enough are running.
    fn next(&self, running: usize) -> Option<Instant> {
        let free = running < AT_ONCE;
        self.due.first().map(|(at, _)| *at).filter(|_| free)
    }

    /// Takes the earliest job off the table until it has [ended](Self::ended).
    fn take(&mut self) -> Option<(usize, Key, Params)> {
        let (_, n) = self.due.pop_first()?;
        let job = self.jobs.get(n)?;
        Some((n, job.key.clone(), job.params.clone()))
    }

    fn ended(&mut self, n: usize, took: Duration, result: &Result<Arc<Record>>) {
        let Some(job) = self.jobs.get_mut(n) else {
            return;
        };
        let answered = matches!(result, Ok(record) if record.mark.outcome != Outcome::Unknown);
        if answered {
            job.failures = 0;
        } else {
            job.failures = job.failures.saturating_add(1);
        }
        let wait = pause(job.failures, took, job.every);
        if let Err(error) = result {
            let claim = &job.key.claim;
            let run = job.key.run.as_str();
            tracing::warn!(claim, run, %error, ?wait, "a run was not stored; it is tried again");
        }
        let wait = jitter(wait, self.rng.as_ref());
        self.due.insert((Instant::now() + wait, n));
    }
}

impl Job {
    const fn new(key: Key, params: Params, every: Duration) -> Self {
        Self { key, params, every, failures: 0 }
    }

    /// How long the job may wait after a start, given its `last` run before it; `None` when it
    /// may not wait.
    fn wait(&self, engine: &Engine, last: &Record) -> Option<Duration> {
        let answered = match self.key.run {
            // What another version found is not believed with this one's bite.
            Run::Proof => last.mark.outcome == Outcome::Holds && last.mark.version == VERSION,
            Run::Bite => engine.is_sharp(last),
        };
        let age = engine.inner.cx.clock.now().duration_since(last.mark.observed_at);
        let age = Duration::try_from(age).ok().filter(|_| answered)?;
        self.every.checked_sub(age)
    }
}

/// How long to wait after a run that `took` so long: the cadence after an answer, and soon after
/// `failures` runs in a row without one.
pub(crate) fn pause(failures: u32, took: Duration, every: Duration) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else {
        return every;
    };
    let retry = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(doublings));
    retry.max(took.saturating_mul(RESTS)).min(LAST_RETRY).min(every)
}

/// `wait`, longer or shorter by up to a tenth. Without randomness it stays as it is: time is no
/// secret.
pub(crate) fn jitter(wait: Duration, rng: &dyn Rng) -> Duration {
    let mut bytes = [0; 2];
    if rng.fill(&mut bytes).is_err() {
        return wait;
    }
    let thousandths = 1_000 - JITTER + u32::from(u16::from_be_bytes(bytes)) % (2 * JITTER + 1);
    wait.saturating_mul(thousandths) / 1_000
}
