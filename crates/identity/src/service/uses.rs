//! When sessions were last used, written down in batches off the way of requests.
//!
//! A process that dies loses the uses of its last second: those sessions end a second early. What
//! could not be written is tried again, and counts in memory meanwhile.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::Identities;
use crate::token::Digest;
use crate::{Result, sql};

/// How many uses wait to be written; beyond it, requests write their own.
const MAX_WAITING: usize = 200_000;
/// How many are written with one statement.
const BATCH: usize = 5_000;

/// One use: when, and when the session ends unless it is used again.
type Use = (Timestamp, Timestamp);

/// Uses that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Uses(Mutex<HashMap<Digest, Use>>);

impl Uses {
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether it was taken.
    fn add(&self, digest: Digest, (seen, end): Use) -> bool {
        let mut waiting = self.lock();
        if waiting.len() >= MAX_WAITING && !waiting.contains_key(&digest) {
            return false;
        }
        let one = waiting.entry(digest).or_insert((seen, end));
        *one = (one.0.max(seen), one.1.max(end));
        true
    }

    fn take(&self) -> Vec<(Digest, Use)> {
        let mut waiting = self.lock();
        let some: Vec<(Digest, Use)> = waiting.iter().take(BATCH).map(|(d, u)| (*d, *u)).collect();
        for (digest, _) in &some {
            waiting.remove(digest);
        }
        drop(waiting);
        let mut some = some;
        // Two processes that write the same rows take them in the same order.
        some.sort_unstable();
        some
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Use>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Identities {
    /// Notes that a session was used. Where nobody writes uses down, it is written at once.
    pub(super) async fn used(&self, digest: Digest, seen: Timestamp, end: Timestamp) -> Result<()> {
        if self.cache.ear.listens() && self.uses.add(digest, (seen, end)) {
            return Ok(());
        }
        self.write(&[(digest, (seen, end))]).await
    }

    /// Writes down what waits. What cannot be written waits on.
    pub(crate) async fn flush_uses(&self) {
        loop {
            let some = self.uses.take();
            if some.is_empty() {
                return;
            }
            if let Err(error) = self.write(&some).await {
                tracing::warn!(%error, waiting = some.len(), "uses of sessions could not be \
                    written down; they are kept and tried again");
                for (digest, one) in some {
                    self.uses.add(digest, one);
                }
                return;
            }
            if some.len() < BATCH {
                return;
            }
        }
    }

    async fn write(&self, used: &[(Digest, Use)]) -> Result<()> {
        let tokens: Vec<&[u8]> = used.iter().map(|(digest, _)| digest.as_bytes()).collect();
        let seen: Vec<Timestamp> = used.iter().map(|(_, one)| one.0).collect();
        let ends: Vec<Timestamp> = used.iter().map(|(_, one)| one.1).collect();
        let tx = self.db.operator().await?;
        tx.execute(sql::TOUCH_SESSIONS, &[&tokens, &seen, &ends]).await?;
        Ok(tx.commit().await?)
    }
}
