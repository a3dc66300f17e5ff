//! A checkpoint with the note that it was signed in, so that it can be kept and handed on.

use std::time::Duration;

use jiff::Timestamp;
use tlog::{Head, Note, Verifier};

use crate::Result;

/// A checkpoint that one of the log's keys has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What it says.
    pub head: Head,
    /// All of it, as it was signed.
    pub note: String,
}

impl Signed {
    /// Reads a checkpoint of the log that `keys` belong to.
    ///
    /// # Errors
    /// When none of them has signed it, it is one of another log, or it is no checkpoint.
    pub fn open(note: &str, keys: &[Verifier]) -> Result<Self> {
        let origin = keys.first().map(Verifier::name).unwrap_or_default();
        Ok(Self { head: Head::open(note, origin, keys)?, note: note.to_owned() })
    }

    /// Why it does not speak of `now`, if it does not: a log's head is renewed even when nothing
    /// happens.
    pub(super) fn stale(&self, now: Timestamp, limit: Duration) -> Option<String> {
        let limit = i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
        let Some(time) = self.head.time else {
            return Some("it does not say when it was signed".to_owned());
        };
        let age = now.as_second() - time.as_second();
        if age > limit {
            return Some(format!("it is {age} s old, and a new one comes within {limit} s"));
        }
        (-age > limit).then(|| format!("it is from {} s ahead", -age))
    }

    /// Whether it does not speak of `now`.
    pub(crate) fn is_stale(&self, now: Timestamp, limit: Duration) -> bool {
        self.stale(now, limit).is_some()
    }

    /// Whether this key is among those that have signed it.
    pub(super) fn is_signed_by(&self, key: &Verifier) -> bool {
        Note::parse(&self.note).is_ok_and(|note| note.open(key).is_ok())
    }

    /// Which one it is, for people.
    pub fn named(&self) -> String {
        match self.head.time {
            Some(time) => format!("the checkpoint of {time}"),
            None => format!("a checkpoint of {} entries", self.head.size),
        }
    }
}
