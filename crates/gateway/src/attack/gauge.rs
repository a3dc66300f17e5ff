//! What one thread counts and how late it is. Only its own thread writes to it while requests are
//! answered, so that no request waits for another core's cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::refusal::Refusal;

/// How often a thread looks how late it is: often enough to see a stall, and nothing to a core.
const FEEL_EVERY: Duration = Duration::from_millis(100);

/// Who has a room of their own inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Strangers who passed the challenge.
    Passed,
    /// Programs that cannot be challenged, and show what they have in a way that only the page behind
    /// can judge: a refresh token, or a directory's.
    Programs,
}

/// The measurements of one thread. Aligned, so that two of them never share a line of a cache.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Gauge {
    strangers: AtomicU64,
    people: AtomicU64,
    /// Microseconds since the last look.
    lag: AtomicU64,
    passed: Room,
    programs: Room,
}

/// So many at one time.
#[derive(Debug, Default)]
struct Room {
    inside: AtomicU32,
    most: u32,
}

impl Gauge {
    /// For a thread that has so many strangers inside at one time.
    pub(super) fn new(share: u32) -> Self {
        let programs = (share / 4).max(1);
        let passed = share.saturating_sub(programs).max(1);
        let room = |most| Room { inside: AtomicU32::new(0), most };
        Self { passed: room(passed), programs: room(programs), ..Self::default() }
    }

    /// Counts a request once its own limits have judged it, and passes on what they said. What somebody
    /// may not ask for keeps no machine busy, so it neither switches the mode on nor keeps it off; what
    /// all strangers together may not is a flood.
    pub(crate) fn saw(&self, known: bool, counted: Result<(), Refusal>) -> Result<(), Refusal> {
        match (known, counted) {
            (true, Ok(())) => self.person(),
            (false, Ok(())) => self.stranger(),
            (false, Err(Refusal::Limited(over))) if over.limit.is_shared() => self.stranger(),
            _ => {}
        }
        counted
    }

    fn stranger(&self) {
        self.strangers.fetch_add(1, Ordering::Relaxed);
    }

    fn person(&self) {
        self.people.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted since the last time: strangers, people, and how late the thread was.
    pub(super) fn take(&self) -> (u64, u64, Duration) {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        (take(&self.strangers), take(&self.people), Duration::from_micros(take(&self.lag)))
    }

    fn late(&self, by: Duration) {
        let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.lag.fetch_max(by, Ordering::Relaxed);
    }

    /// A place inside, if there is one.
    pub(super) fn enter(self: &Arc<Self>, lane: Lane) -> Option<Inside> {
        let room = self.room(lane);
        if room.inside.fetch_add(1, Ordering::Relaxed) >= room.most {
            room.inside.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Inside { gauge: Arc::clone(self), lane })
    }

    const fn room(&self, lane: Lane) -> &Room {
        match lane {
            Lane::Passed => &self.passed,
            Lane::Programs => &self.programs,
        }
    }
}

/// A stranger's place inside, which is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Inside {
    gauge: Arc<Gauge>,
    lane: Lane,
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.gauge.room(self.lane).inside.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Feels how late the thread is that it runs on, for as long as that lives.
pub(crate) async fn feel(gauge: Arc<Gauge>) {
    loop {
        let begun = Instant::now();
        sleep(FEEL_EVERY).await;
        gauge.late(begun.elapsed().saturating_sub(FEEL_EVERY));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Gauge, Lane};

    #[test]
    fn a_room_is_full_and_free_again() {
        let gauge = Arc::new(Gauge::new(8));
        let passed: Vec<_> = (0..6).map(|_| gauge.enter(Lane::Passed).unwrap()).collect();
        assert!(gauge.enter(Lane::Passed).is_none());
        let programs: Vec<_> = (0..2).map(|_| gauge.enter(Lane::Programs).unwrap()).collect();
        assert!(gauge.enter(Lane::Programs).is_none(), "one room does not use up the other");
        drop(passed);
        assert!(gauge.enter(Lane::Passed).is_some());
        assert!(gauge.enter(Lane::Programs).is_none());
        drop(programs);
        assert!(gauge.enter(Lane::Programs).is_some());
        let small = Arc::new(Gauge::new(1));
        assert!(small.enter(Lane::Passed).is_some() && small.enter(Lane::Programs).is_some());
    }

    #[test]
    fn what_was_counted_is_taken_once() {
        let gauge = Gauge::new(8);
        gauge.stranger();
        gauge.stranger();
        gauge.person();
        gauge.late(Duration::from_millis(7));
        gauge.late(Duration::from_millis(3));
        assert_eq!(gauge.take(), (2, 1, Duration::from_millis(7)));
        assert_eq!(gauge.take(), (0, 0, Duration::ZERO));
    }
}
