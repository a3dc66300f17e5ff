//! How well what others end is heard, which decides how far memory is trusted.
//!
//! It promises that nothing is answered from memory while a process that listens may have missed an
//! end: only a beat that came back says that everything before it was heard. It stops a revoked
//! session from living on behind a cut line.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use rustix::time::{ClockId, Timespec, clock_gettime};

use super::{FRESH, HEARD};

/// How long nothing may be heard before memory is not trusted.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);
/// The upper ends of the classes in which the times of notices are counted, in milliseconds.
pub(crate) const CLASSES: [u64; 8] = [1, 5, 10, 25, 50, 100, 250, 1_000];

/// How long a decision may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Not at all.
    No,
    /// For so long.
    For(SignedDuration),
}

/// When something was last heard.
#[derive(Debug)]
pub(crate) struct Ear {
    /// Whether somebody listens in this process.
    listens: AtomicBool,
    /// The moment, in [milliseconds](ticks) and one more, up to which everything was heard; 0 is never.
    heard: AtomicU64,
    /// How long notices took, by class, and those beyond the last.
    took: [AtomicU64; CLASSES.len() + 1],
    notices: AtomicU64,
    // The fault of a bite's sandbox: silence is not minded.
    pub(crate) careless: AtomicBool,
}

impl Default for Ear {
    fn default() -> Self {
        Self {
            listens: AtomicBool::new(false),
            heard: AtomicU64::new(0),
            took: Default::default(),
            notices: AtomicU64::new(0),
            careless: AtomicBool::new(false),
        }
    }
}

impl Ear {
    /// How long memory may be trusted now.
    pub(crate) fn trust(&self) -> Trust {
        if !self.listens.load(Ordering::Acquire) {
            return Trust::For(FRESH);
        }
        if self.careless.load(Ordering::Relaxed) {
            return Trust::For(HEARD);
        }
        match self.silent_for() {
            Some(silent) if silent <= SILENCE => Trust::For(HEARD),
            _ => Trust::No,
        }
    }

    /// Whether somebody listens.
    pub(crate) fn listens(&self) -> bool {
        self.listens.load(Ordering::Acquire)
    }

    /// From now on somebody listens, and has not heard anything yet.
    pub(crate) fn attach(&self) {
        self.heard.store(0, Ordering::Release);
        self.listens.store(true, Ordering::Release);
    }

    /// Nobody listens any more.
    pub(crate) fn detach(&self) {
        self.listens.store(false, Ordering::Release);
        self.heard.store(0, Ordering::Release);
    }

    /// The line is gone: nothing is heard until the next beat.
    pub(crate) fn deaf(&self) {
        self.heard.store(0, Ordering::Release);
    }

    /// A beat came back that was sent at `sent`: whatever was committed before that was heard.
    pub(crate) fn beat(&self, sent: Instant) {
        let took = millis(sent.elapsed());
        let at = ticks().saturating_sub(took).saturating_add(1);
        self.heard.fetch_max(at, Ordering::AcqRel);
        let class = CLASSES.iter().position(|end| took <= *end).unwrap_or(CLASSES.len());
        if let Some(count) = self.took.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Something ended elsewhere.
    pub(crate) fn noticed(&self) {
        self.notices.fetch_add(1, Ordering::Relaxed);
    }

    /// How old the last beat is that came back.
    pub(crate) fn silent_for(&self) -> Option<Duration> {
        let at = self.heard.load(Ordering::Acquire).checked_sub(1)?;
        Some(Duration::from_millis(ticks().saturating_sub(at)))
    }

    /// How many notices were heard, and how many beats took at most so many milliseconds.
    pub(crate) fn heard(&self) -> (u64, Vec<(Option<u64>, u64)>) {
        let ends = CLASSES.iter().copied().map(Some).chain([None]);
        let counts = self.took.iter().map(|count| count.load(Ordering::Relaxed));
        (self.notices.load(Ordering::Relaxed), ends.zip(counts).collect())
    }
}

/// A clock that never goes back, in milliseconds. It is read for each decision, so it is the coarse one,
/// which costs a quarter of the exact one and is behind it by a few milliseconds: seconds are measured.
fn ticks() -> u64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::MonotonicCoarse);
    let millis = tv_sec.saturating_mul(1_000).saturating_add(tv_nsec / 1_000_000);
    u64::try_from(millis).unwrap_or_default()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
