//! Whether a release is healthy: it answers one page, with less than 500 and in time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::Step;
use crate::Upstream;
use crate::upstream::Pool;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long after one answer the next is asked for, before a release is taken.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// The same while it is watched.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many bad answers in a row make a release that was taken unhealthy.
const LOST_AFTER: u32 = 2;

/// The page of a release that is asked.
pub(super) struct Health {
    /// No connection is ever kept in it.
    pool: Arc<Pool>,
    path: String,
}

impl Health {
    pub(super) fn of(release: &Upstream, path: &str) -> Self {
        Self { pool: Pool::new(release.clone()), path: path.to_owned() }
    }

    /// Waits until it answered well so often in a row; or says, after so long, how it answered last.
    pub(super) async fn wait(
        &self,
        row: u32,
        within: Duration,
        tell: &(dyn Fn(Step) + Send + Sync),
    ) -> Result<(), String> {
        let end = Instant::now() + within;
        let (mut well, mut last) = (0, None);
        while well < row {
            let answer = self.ask().await;
            well = if answer.is_ok() { well + 1 } else { 0 };
            // The same failure again and again is told once.
            if answer.is_ok() || last.as_ref() != Some(&answer) {
                tell(Step::Asked(answer.clone(), well));
            }
            if let Err(why) = &answer
                && Instant::now() >= end
            {
                return Err(format!("it {why}"));
            }
            last = Some(answer);
            if well < row {
                sleep(ASK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Waits until it is not healthy any more, and says why.
    pub(super) async fn lost(&self) -> String {
        let mut bad = 0;
        loop {
            sleep(LOOK_EVERY).await;
            let Err(why) = self.ask().await else {
                bad = 0;
                continue;
            };
            bad += 1;
            if bad >= LOST_AFTER {
                return format!("asked for its health {bad} times in a row, it {why}");
            }
        }
    }

    /// The status of a good answer, or in words what was wrong.
    async fn ask(&self) -> Result<u16, String> {
        let path = &self.path;
        match timeout(ANSWER_WITHIN, self.pool.ask(path)).await {
            Ok(Ok(status)) if !status.is_server_error() => Ok(status.as_u16()),
            Ok(Ok(status)) => Err(format!("answered {path} with {}", status.as_u16())),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(format!("did not answer {path} within {ANSWER_WITHIN:?}")),
        }
    }
}
