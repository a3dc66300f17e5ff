//! What the controls have in common that are about customers: somebody must be there before an
//! attack on the synthetic tenants says anything.

use jiff::Timestamp;
use kernel::{Cx, Proof};

/// Something that customers live behind, each on his own. Errors are for the reader of the page.
pub(super) trait Inhabited: Sync {
    /// What is known of the customers.
    type Customers: Send;

    /// Said where there is none, with what makes the first one.
    const NOBODY: &'static str;

    /// The customers, or `None`: the synthetic tenants alone would prove nothing of anybody.
    fn customers(&self) -> impl Future<Output = Result<Option<Self::Customers>, String>> + Send;

    /// What the attacks come to.
    fn attack(
        &self,
        now: Timestamp,
        customers: Self::Customers,
    ) -> impl Future<Output = Result<Proof, String>> + Send;

    /// What was found of the violations that were seeded.
    fn seed(&self, now: Timestamp) -> impl Future<Output = Result<Proof, String>> + Send;
}

/// Attacks what customers live behind.
pub(super) async fn prove(it: &impl Inhabited, cx: &Cx) -> Proof {
    let now = cx.clock.now();
    let proven = async { it.attack(now, inhabited(it).await?).await };
    proven.await.unwrap_or_else(|why| Proof::unknown(now, why))
}

/// Bites beside it, unless there is nothing to prove.
pub(super) async fn bite(it: &impl Inhabited, cx: &Cx) -> Proof {
    let now = cx.clock.now();
    let seeded = async {
        inhabited(it).await?;
        it.seed(now).await
    };
    seeded.await.unwrap_or_else(|why| Proof::unknown(now, why))
}

async fn inhabited<T: Inhabited>(it: &T) -> Result<T::Customers, String> {
    it.customers().await?.ok_or_else(|| T::NOBODY.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kernel::{Outcome, Population, SystemClock, SystemRng};

    use super::*;

    #[derive(Default)]
    struct Rooms {
        customers: Option<usize>,
        attacked: AtomicUsize,
    }

    impl Inhabited for Rooms {
        type Customers = usize;

        const NOBODY: &'static str = "nobody lives here";

        async fn customers(&self) -> Result<Option<usize>, String> {
            Ok(self.customers)
        }

        async fn attack(&self, now: Timestamp, customers: usize) -> Result<Proof, String> {
            self.attacked.fetch_add(1, Ordering::Relaxed);
            let population = Population::new(customers, customers, "rooms");
            Ok(Proof::weigh(now, population, "0", "0", Vec::new()))
        }

        async fn seed(&self, _: Timestamp) -> Result<Proof, String> {
            self.attacked.fetch_add(1, Ordering::Relaxed);
            Err("the scratch room failed".to_owned())
        }
    }

    #[tokio::test]
    async fn where_nobody_lives_nothing_is_attacked_and_nothing_proven() {
        let cx = Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) };
        let empty = Rooms::default();
        for proof in [prove(&empty, &cx).await, bite(&empty, &cx).await] {
            assert_eq!((proof.outcome(), proof.detail()), (Outcome::Unknown, Rooms::NOBODY));
        }
        assert_eq!(empty.attacked.load(Ordering::Relaxed), 0);
        let full = Rooms { customers: Some(3), ..Rooms::default() };
        assert_eq!(prove(&full, &cx).await.outcome(), Outcome::Holds);
        let failed = bite(&full, &cx).await;
        assert_eq!(
            (failed.outcome(), failed.detail()),
            (Outcome::Unknown, "the scratch room failed")
        );
    }
}
