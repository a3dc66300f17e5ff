//! Lists that are read at once: few of them, and few of one tenant.
//!
//! A list goes through many resources, on a connection that everybody shares. Whoever asks for more at
//! once waits outside, without one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::{Error, Result};

/// How many lists are read at once.
const ALL: usize = 4;
/// How many of them are one tenant's.
const OF_ONE: usize = 2;
/// How long a list waits for its place.
const WAIT: Duration = Duration::from_secs(10);

/// The places.
pub(super) struct Places {
    all: Semaphore,
    of_one: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

/// A place, until it is dropped.
pub(super) struct Place<'a> {
    _own: OwnedSemaphorePermit,
    _all: SemaphorePermit<'a>,
}

impl Places {
    pub(super) fn new() -> Self {
        Self { all: Semaphore::new(ALL), of_one: Mutex::default() }
    }

    /// A place for a list of `tenant`. Whoever asked first has it first.
    ///
    /// # Errors
    /// [`Error::Busy`] when none was free for a while.
    pub(super) async fn enter(&self, tenant: &TenantId) -> Result<Place<'_>> {
        let own = self.of(tenant);
        let both = async {
            let own = own.acquire_owned().await.map_err(|_| Error::Busy)?;
            let all = self.all.acquire().await.map_err(|_| Error::Busy)?;
            Ok(Place { _own: own, _all: all })
        };
        tokio::time::timeout(WAIT, both).await.unwrap_or(Err(Error::Busy))
    }

    fn of(&self, tenant: &TenantId) -> Arc<Semaphore> {
        let mut all = self.of_one.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever waits or reads holds theirs.
        all.retain(|_, own| Arc::strong_count(own) > 1);
        let own = all.entry(tenant.as_str().to_owned());
        Arc::clone(own.or_insert_with(|| Arc::new(Semaphore::new(OF_ONE))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether there is a place at once.
    async fn free<'a>(places: &'a Places, tenant: &str) -> Option<Place<'a>> {
        let tenant = TenantId::new(tenant).unwrap();
        tokio::select! {
            biased;
            place = places.enter(&tenant) => place.ok(),
            () = std::future::ready(()) => None,
        }
    }

    #[tokio::test]
    async fn one_tenant_has_few_places_and_all_have_some() {
        let places = Places::new();
        let first = free(&places, "a").await.expect("a place");
        let _second = free(&places, "a").await.expect("another");
        assert!(free(&places, "a").await.is_none());
        let _other = free(&places, "b").await.expect("others have theirs");
        let _third = free(&places, "c").await.expect("others have theirs");
        assert!(free(&places, "d").await.is_none(), "no more than {ALL}");
        drop(first);
        assert!(free(&places, "d").await.is_some());
        assert!(free(&places, "a").await.is_some());
        assert_eq!(places.of_one.lock().unwrap().len(), 3, "nobody is remembered who has none");
    }
}
