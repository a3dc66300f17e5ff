//! Carries what gateways of one installation tell one another about limits, over Redis.
//!
//! It promises that no request waits for it, that what was taken here is told within half a second, and
//! that while Redis is away each gateway's own limits go on; that is logged once, and measured.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gateway::Sharing;
use tenancy::{Caches, Hearer, Teller};

/// The channel.
const CHANNEL: &str = "limits";
/// How often it is told what was taken: the most that others lag behind, beside the way to Redis.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// How long to wait before Redis is asked again.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// How it goes, for those who measure.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// Messages of others that were heard.
    heard: AtomicU64,
    /// Whether others are heard now: 1 or 0.
    meets: AtomicU64,
    /// How often they were lost.
    lost: AtomicU64,
}

impl Carried {
    /// Name, help and value of each.
    pub(crate) fn readings(&self) -> [(&'static str, &'static str, u64); 3] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            (
                "gateway_limits_heard_total",
                "Messages about limits that were read",
                read(&self.heard),
            ),
            ("gateway_limits_lost_total", "Losses of the channel of gateways", read(&self.lost)),
            ("gateway_limits_meets", "Whether gateways hear one another", read(&self.meets)),
        ]
    }

    /// Tells and hears until `stop` ends.
    pub(crate) async fn keep(
        &self,
        sharing: Option<Sharing>,
        caches: &Caches,
        stop: impl Future<Output = ()>,
    ) {
        let mut stop = std::pin::pin!(stop);
        let Some(sharing) = sharing else {
            stop.await;
            return;
        };
        // The same trouble is told once, not every two seconds.
        let mut told = String::new();
        loop {
            let ended = tokio::select! {
                () = &mut stop => return,
                ended = self.meet(&sharing, caches) => ended,
            };
            if self.meets.swap(0, Ordering::Relaxed) == 1 {
                self.lost.fetch_add(1, Ordering::Relaxed);
                told.clear();
            }
            let why = ended.err().map(|error| error.to_string()).unwrap_or_default();
            if why != told {
                tracing::warn!(why, "gateways do not hear one another: each limits by itself");
                told = why;
            }
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(TRY_AGAIN) => {}
            }
        }
    }

    async fn meet(&self, sharing: &Sharing, caches: &Caches) -> Result<(), tenancy::Error> {
        let (teller, hearer) = caches.redis().meet(CHANNEL).await?;
        self.meets.store(1, Ordering::Relaxed);
        tokio::select! {
            ended = tell(sharing, teller) => ended,
            ended = self.hear(sharing, hearer) => ended,
        }
    }

    async fn hear(&self, sharing: &Sharing, mut hearer: Hearer) -> Result<(), tenancy::Error> {
        loop {
            let message = hearer.hear().await?;
            if sharing.hear(&message).is_none() {
                tracing::warn!("a message about limits was none, and was passed over");
            }
            self.heard.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Tells also that there is nothing to tell, so that silence means something.
async fn tell(sharing: &Sharing, mut teller: Teller) -> Result<(), tenancy::Error> {
    let mut tick = tokio::time::interval(TELL_EVERY);
    loop {
        tick.tick().await;
        teller.tell(&sharing.message()).await?;
    }
}
