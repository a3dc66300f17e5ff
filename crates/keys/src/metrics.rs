//! What is counted of the use of keys.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start. Counting is one relaxed addition, so that it is never in the way.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    done: [AtomicU64; USES.len()],
    refused: [AtomicU64; USES.len()],
    denied: AtomicU64,
}

/// What keys are used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Encrypt,
    Decrypt,
    Rewrap,
    Datakey,
    Stream,
    Hmac,
    Sign,
    Verify,
}

/// Each of them, in the order of its counters.
const USES: [&str; 8] =
    ["encrypt", "decrypt", "rewrap", "datakey", "stream", "hmac", "sign", "verify"];

/// One counter or reading as it stood when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Its name, without a prefix for the program. One that ends in `_total` only grows.
    pub name: &'static str,
    /// What it counts, as a sentence without its full stop.
    pub help: &'static str,
    /// What tells it apart from its siblings of the same name: label and value.
    pub label: Option<(&'static str, &'static str)>,
    /// The value.
    pub value: u64,
}

/// What is read off the ring rather than counted.
pub(crate) struct Reads {
    pub(crate) generation: u64,
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
    /// Seconds since the newest version of the key was made that was not rotated for longest.
    pub(crate) oldest: u64,
    /// Seconds since any key was rotated or made.
    pub(crate) newest: u64,
    pub(crate) ring_key: u64,
    pub(crate) pending: u64,
    pub(crate) tombstones: u64,
    pub(crate) passed: u64,
}

impl Metrics {
    /// Counts items of a batch.
    pub(crate) fn used(&self, does: Use, done: usize, refused: usize) {
        let add = |counters: &[AtomicU64], items: usize| {
            if let Some(counter) = counters.get(does as usize) {
                counter.fetch_add(items as u64, Ordering::Relaxed);
            }
        };
        add(&self.done, done);
        add(&self.refused, refused);
    }

    /// Counts a request that its token did not allow.
    pub(crate) fn denied(&self) {
        self.denied.fetch_add(1, Ordering::Relaxed);
    }

    /// Everything, each name's siblings side by side.
    pub(crate) fn snapshot(&self, reads: &Reads) -> Vec<Reading> {
        let mut all = Vec::new();
        for (name, help, counters) in [
            ("keys_operations_total", "Items that were worked on with a key", &self.done),
            ("keys_refused_total", "Items that did not open or were not allowed", &self.refused),
        ] {
            all.extend(USES.iter().zip(counters).map(|(does, counter)| Reading {
                name,
                help,
                label: Some(("operation", *does)),
                value: counter.load(Ordering::Relaxed),
            }));
        }
        let single = |(name, help, value)| Reading { name, help, label: None, value };
        let denied = self.denied.load(Ordering::Relaxed);
        all.extend(
            [
                ("keys_denied_total", "Requests that their token did not allow", denied),
                ("keys_ring_generation", "The key ring's generation", reads.generation),
                ("keys_count", "Keys in the ring", reads.keys),
                (
                    "keys_ring_bytes",
                    "Length of the key ring, of which 67108864 are the most",
                    reads.bytes,
                ),
                (
                    "keys_oldest_age_seconds",
                    "Age of the newest version of the key that was rotated longest ago",
                    reads.oldest,
                ),
                ("keys_newest_age_seconds", "Time since any key was rotated", reads.newest),
                ("keys_ring_key_age_seconds", "Age of the ring's own key", reads.ring_key),
                (
                    "keys_root_pending",
                    "Generations of the root that are still to be destroyed",
                    reads.pending,
                ),
                ("keys_tombstones", "Destructions that are remembered", reads.tombstones),
                (
                    "keys_forged_memories",
                    "Memories of the ring that its key did not sign, and that were passed over",
                    reads.passed,
                ),
            ]
            .map(single),
        );
        all
    }
}
