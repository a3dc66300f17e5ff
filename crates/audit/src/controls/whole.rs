//! One reading of the whole of a trail, from which two claims judge.
//!
//! `audit.hash` and `audit.tamper-evident` need every row once an hour, and a trail is long. It promises
//! that a claim judges no reading twice, nor one that began longer than [`FRESH`] ago, so that a claim
//! that is asked again looks again; and that its proof bears the time of the reading.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::Result;
use crate::verify::Report;

/// How long ago a reading of another claim may have begun. Of two claims that are proven once an hour,
/// one always comes within half an hour after the other.
const FRESH: SignedDuration = SignedDuration::from_mins(30);

/// Who judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judge {
    Hash,
    Tamper,
}

/// What was read.
#[derive(Clone)]
pub(super) struct Reading {
    /// When that began.
    pub(super) at: Timestamp,
    pub(super) report: Arc<Report>,
}

/// The reading of a trail that one claim has made, until another has judged from it.
#[derive(Clone, Default)]
pub struct Whole(Arc<Mutex<Option<(Judge, Reading)>>>);

impl Whole {
    /// What `judge`, who asks at `now`, judges from: what the other one has read, or is reading, or else
    /// what comes of `read`.
    pub(super) async fn read(
        &self,
        judge: Judge,
        now: Timestamp,
        read: impl Future<Output = Result<Report>>,
    ) -> Result<Reading> {
        let mut last = self.0.lock().await;
        if let Some((by, reading)) = last.take()
            && by != judge
            && now.duration_since(reading.at) <= FRESH
        {
            return Ok(reading);
        }
        let reading = Reading { at: now, report: Arc::new(read.await?) };
        *last = Some((judge, reading.clone()));
        Ok(reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads at this minute, and says when what it got was read.
    async fn minute(whole: &Whole, judge: Judge, minute: i64) -> i64 {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
        let reading = whole.read(judge, now, async { Ok(Report::default()) }).await.unwrap();
        reading.at.as_second() / 60
    }

    /// One reading for both in each hour, whichever comes first; and nobody gets one twice, or an old one.
    #[tokio::test]
    async fn a_reading_is_judged_once_by_each() {
        let whole = Whole::default();
        assert_eq!(minute(&whole, Judge::Tamper, 0).await, 0);
        assert_eq!(minute(&whole, Judge::Hash, 20).await, 0, "what the other one read");
        assert_eq!(minute(&whole, Judge::Hash, 21).await, 21, "not twice");
        assert_eq!(minute(&whole, Judge::Tamper, 51).await, 21, "the other way round");
        assert_eq!(minute(&whole, Judge::Tamper, 52).await, 52);
        assert_eq!(minute(&whole, Judge::Tamper, 53).await, 53, "nor its own");
        assert_eq!(minute(&whole, Judge::Hash, 84).await, 84, "it is too old");
    }

    /// Whoever asks while the other one reads waits for it; what failed is nobody's reading.
    #[tokio::test]
    async fn a_reading_that_is_under_way_is_waited_for() {
        let whole = Whole::default();
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let slow = async {
            wait.await.unwrap();
            Ok(Report { rows: 7, ..Report::default() })
        };
        let failing = async { panic!("it was read a second time") };
        let now = Timestamp::UNIX_EPOCH;
        let first = whole.read(Judge::Tamper, now, slow);
        let second = whole.read(Judge::Hash, now, failing);
        let (first, second, ()) =
            tokio::join!(biased; first, second, async { go.send(()).unwrap() });
        assert_eq!((first.unwrap().report.rows, second.unwrap().report.rows), (7, 7));
        let lost = async { Err(crate::Error::Unsealed("a test".to_owned())) };
        assert!(whole.read(Judge::Tamper, now, lost).await.is_err());
        assert_eq!(minute(&whole, Judge::Hash, 1).await, 1);
    }
}
