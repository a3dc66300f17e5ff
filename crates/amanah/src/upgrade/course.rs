//! How far a house that runs is on its way to its end, or to being another process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// The steps, in the only order that there is; from `Yielding` it can go back to `Working`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// All of it is done here.
    Working,
    /// What one alone may do rests, so that another process can begin with it. Requests are answered.
    Yielding,
    /// Another process is the house. Connections that are here are served for so long at most.
    Leaving(Duration),
    /// Nothing is left to do here, and what the house stands on goes on for the other process.
    Left,
    /// The house ends, with what it stands on.
    Stopping,
}

/// Copies share it.
#[derive(Clone)]
pub(crate) struct Course(Arc<watch::Sender<Phase>>);

impl Default for Course {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Working)))
    }
}

impl Course {
    /// Somebody wants this process to end, or it cannot go on.
    pub(crate) fn end(&self) {
        self.0.send_modify(|phase| {
            *phase = match phase {
                Phase::Leaving(_) | Phase::Left => Phase::Left,
                _ => Phase::Stopping,
            };
        });
    }

    /// What one alone may do is to rest. Whether it works at all.
    pub(super) fn yields(&self) -> bool {
        self.step(|phase| (phase == Phase::Working).then_some(Phase::Yielding))
    }

    /// Nobody has taken over: everything goes on here. Whether it does.
    pub(super) fn goes_on(&self) -> bool {
        self.step(|phase| (phase == Phase::Yielding).then_some(Phase::Working))
    }

    /// Another process has taken over. Whether this one has not begun to stop.
    pub(super) fn leaves_within(&self, drain: Duration) -> bool {
        self.step(|phase| (phase == Phase::Yielding).then_some(Phase::Leaving(drain)))
    }

    fn step(&self, next: impl Fn(Phase) -> Option<Phase>) -> bool {
        self.0.send_if_modified(|phase| match next(*phase) {
            Some(next) => {
                *phase = next;
                true
            }
            None => false,
        })
    }

    /// Whether another process is the house.
    pub(crate) fn is_given_over(&self) -> bool {
        matches!(*self.0.borrow(), Phase::Leaving(_) | Phase::Left)
    }

    /// Until this process has nothing to do any more.
    pub(crate) async fn over(self) {
        self.until(|phase| matches!(phase, Phase::Left | Phase::Stopping)).await;
    }

    /// Until what one alone may do has to rest.
    pub(crate) async fn rests(self) {
        self.until(|phase| phase != Phase::Working).await;
    }

    /// After a rest: whether it goes on, once that is known.
    pub(crate) async fn works_again(self) -> bool {
        self.until(|phase| phase != Phase::Yielding).await == Phase::Working
    }

    /// Until it goes on here after a rest.
    pub(crate) async fn comes_back(self) {
        self.until(|phase| phase == Phase::Yielding).await;
        self.until(|phase| phase == Phase::Working).await;
    }

    /// Until connections are left to another process; says for how long those that are here are served.
    pub(crate) async fn leaves(self) -> Duration {
        match self.until(|phase| matches!(phase, Phase::Leaving(_))).await {
            Phase::Leaving(drain) => drain,
            _ => Duration::ZERO,
        }
    }

    async fn until(&self, is: impl Fn(Phase) -> bool) -> Phase {
        let mut seen = self.0.subscribe();
        // It cannot be closed, since we hold it.
        match seen.wait_for(|phase| is(*phase)).await {
            Ok(phase) => *phase,
            Err(_) => Phase::Stopping,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::Course;

    const DRAIN: Duration = Duration::from_secs(3);

    /// It goes back or on; a house that stops does not become another process, and one that has become
    /// another does not take its ground with it when it is told to stop.
    #[test]
    fn it_goes_one_way() {
        let course = Course::default();
        assert!(!course.goes_on() && !course.leaves_within(DRAIN), "not before it yields");
        assert!(course.clone().rests().now_or_never().is_none());
        assert!(course.yields() && !course.yields());
        assert!(course.clone().rests().now_or_never().is_some());
        assert!(course.clone().works_again().now_or_never().is_none());
        assert!(course.goes_on());
        assert_eq!(course.clone().works_again().now_or_never(), Some(true));
        assert!(course.yields() && course.leaves_within(DRAIN) && !course.goes_on());
        assert_eq!(course.clone().leaves().now_or_never(), Some(DRAIN));
        assert_eq!(course.clone().works_again().now_or_never(), Some(false));
        assert!(course.is_given_over() && course.clone().over().now_or_never().is_none());
        course.end();
        assert!(course.is_given_over() && course.clone().over().now_or_never().is_some());

        let stops = Course::default();
        assert!(stops.yields());
        stops.end();
        assert!(!stops.leaves_within(DRAIN) && !stops.goes_on() && !stops.is_given_over());
        assert!(stops.clone().over().now_or_never().is_some());
        assert!(stops.leaves().now_or_never().is_none());
    }
}
