//! What happens when the system has no descriptor left for another connection.
//!
//! Those that are open are served on, and a new one waits in the system's queue until another ends. It is asked
//! again after a pause, so that no core is busy with being refused; each refusal is counted, and the log says so
//! once a minute, however long it goes on. It does not make room by ending connections: their own deadlines do.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::Metrics;

/// How long to wait when the system has no file descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often the log says so.
const TOLD_EACH: Duration = Duration::from_mins(1);

/// When that was last told in the log.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<Option<Instant>>);

impl Told {
    /// Counts that a connection could not be accepted, and waits.
    pub(crate) async fn pause(&self, metrics: &Metrics, error: &io::Error) {
        metrics.not_accepted();
        if self.is_due(Instant::now()) {
            tracing::warn!(
                %error,
                "connections cannot be accepted; those that are open are served on, and new ones wait until \
                 some end. If the system has no descriptors left, let this program have more (ulimit -n, \
                 LimitNOFILE)"
            );
        }
        sleep(ACCEPT_PAUSE).await;
    }

    fn is_due(&self, now: Instant) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.is_none_or(|last| now.saturating_duration_since(last) >= TOLD_EACH);
        if due {
            *told = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Told;

    #[test]
    fn it_is_told_once_a_minute() {
        let (told, now) = (Told::default(), Instant::now());
        let at = |seconds| told.is_due(now + Duration::from_secs(seconds));
        assert_eq!([at(0), at(1), at(59), at(60), at(61)], [true, false, false, true, false]);
    }
}
