//! Many strangers who ask again and again, one person among them, and how noisy the machine is.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::SessionToken;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::super::visitors::{Line, Networks, Told, Visitors, cookie};
use super::field::EXPENSIVE;

/// What a browser says that goes to a page.
pub(super) const BROWSER: &str = "Accept: text/html\r\nSec-Fetch-Site: none\r\n";
/// How long a stranger thinks between two requests: the proof shares the machine with those who work
/// on it. Forty-eight of them ask for more than the thread has all the same.
const THINKS: Duration = Duration::from_millis(60);
/// How long before one whose connection ended comes back.
const COMES_BACK: Duration = Duration::from_millis(100);
/// How often a person asks, and how long they think between.
const TIMES: usize = 200;
const PERSON_THINKS: Duration = Duration::from_millis(5);
/// How often it is looked whether something has come about.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long what listens for noise waits.
const LISTENS: Duration = Duration::from_millis(2);

/// Whether a stranger was shed.
pub(super) fn is_shed(told: &Told) -> bool {
    told.status == 503 && told.header("amanah-refused") == Some("under_attack")
}

#[derive(Default)]
struct Tally {
    shed: AtomicU64,
    let_in: AtomicU64,
}

/// The strangers. They leave when this is dropped.
pub(super) struct Crowd {
    tally: Arc<Tally>,
    strangers: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// So many, each from a neighbourhood of its own; every other one is a browser.
    pub(super) fn come(visitors: &Arc<Visitors>, networks: Networks, many: u16) -> Self {
        let tally = Arc::<Tally>::default();
        let one = |number: u16| {
            let (visitors, tally) = (Arc::clone(visitors), Arc::clone(&tally));
            let from = networks.address(number, 0);
            let lines = if number.is_multiple_of(2) { BROWSER } else { "" };
            tokio::spawn(async move { ask_for_ever(&visitors, from, lines, &tally).await })
        };
        let strangers = (0..many).map(one).collect();
        Self { tally, strangers }
    }

    /// Whether each of them was shed once, on average, before that time was over.
    pub(super) async fn is_shed_within(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let many = u64::try_from(self.strangers.len()).unwrap_or(u64::MAX);
        while self.shed() < many {
            if Instant::now() > until {
                return false;
            }
            sleep(LOOK_EVERY).await;
        }
        true
    }

    /// Begins to count anew.
    pub(super) fn forget(&self) {
        self.tally.shed.store(0, Ordering::Relaxed);
        self.tally.let_in.store(0, Ordering::Relaxed);
    }

    pub(super) fn shed(&self) -> u64 {
        self.tally.shed.load(Ordering::Relaxed)
    }

    pub(super) fn let_in(&self) -> u64 {
        self.tally.let_in.load(Ordering::Relaxed)
    }

    pub(super) fn seen(&self) -> u64 {
        self.shed() + self.let_in()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.strangers.iter().for_each(JoinHandle::abort);
    }
}

async fn ask_for_ever(visitors: &Visitors, from: Ipv4Addr, lines: &str, tally: &Tally) {
    loop {
        if let Ok(mut line) = visitors.line(from).await {
            while let Ok(told) = line.ask(EXPENSIVE, lines).await {
                let counter = if is_shed(&told) { &tally.shed } else { &tally.let_in };
                counter.fetch_add(1, Ordering::Relaxed);
                sleep(THINKS).await;
            }
        }
        sleep(COMES_BACK).await;
    }
}

/// Somebody who is signed in and goes on asking.
pub(super) struct Person {
    line: Line,
    lines: String,
    path: &'static str,
}

/// What came of asking often.
pub(super) struct Asked {
    /// The time that 99 of 100 answers took at most.
    pub(super) slowest: Duration,
    /// How often there was no answer that is one.
    pub(super) refused: usize,
}

impl Person {
    pub(super) async fn come(
        visitors: &Visitors,
        from: Ipv4Addr,
        token: &SessionToken,
        path: &'static str,
    ) -> Result<Self, String> {
        Ok(Self { line: visitors.line(from).await?, lines: cookie(token), path })
    }

    pub(super) async fn ask_often(&mut self) -> Result<Asked, String> {
        let (mut times, mut refused) = (Vec::with_capacity(TIMES), 0);
        for _ in 0..TIMES {
            let begun = Instant::now();
            let told = self.line.ask(self.path, &self.lines).await?;
            times.push(begun.elapsed());
            refused += usize::from(told.status != 200);
            sleep(PERSON_THINKS).await;
        }
        Ok(Asked { slowest: slowest(times), refused })
    }
}

/// What 99 of 100 take at most.
fn slowest(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let last = (times.len() * 99).div_ceil(100).saturating_sub(1);
    times.get(last).copied().unwrap_or_default()
}

/// Listens how late time itself comes, where no gateway is involved.
pub(super) struct Noise {
    late: Arc<Mutex<Vec<Duration>>>,
    task: JoinHandle<()>,
}

impl Noise {
    pub(super) fn listen() -> Self {
        let late = Arc::<Mutex<Vec<Duration>>>::default();
        let heard = Arc::clone(&late);
        let task = tokio::spawn(async move {
            loop {
                let begun = Instant::now();
                sleep(LISTENS).await;
                let by = begun.elapsed().saturating_sub(LISTENS);
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(by);
            }
        });
        Self { late, task }
    }

    /// How late 99 of 100 were at most.
    pub(super) fn worst(self) -> Duration {
        self.task.abort();
        slowest(std::mem::take(&mut *self.late.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::slowest;

    #[test]
    fn one_in_a_hundred_may_be_slower() {
        let millis = |n: u64| Duration::from_millis(n);
        assert_eq!(slowest((1..=200).map(millis).collect()), millis(198));
        assert_eq!(slowest(vec![millis(7)]), millis(7));
        assert_eq!(slowest(Vec::new()), Duration::ZERO);
    }
}
