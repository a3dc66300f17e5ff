//! The checkpoint of a log, believed only once one of the log's keys has signed it.

use std::time::Duration;

use jiff::Timestamp;
use tlog::{Checkpoint, Note, Verifier};

/// What the line with the time begins with.
const TIME: &str = "time ";

/// A checkpoint that one of the log's keys has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// When it was signed, by the sealer's clock.
    pub at: Option<Timestamp>,
    /// All of it, as it was signed.
    pub note: String,
}

impl Head {
    /// Reads a checkpoint of the log that `keys` belong to.
    ///
    /// # Errors
    /// When none of them has signed it, it is one of another log, or it is no checkpoint.
    pub fn open(note: &str, keys: &[Verifier]) -> tlog::Result<Self> {
        let parsed = Note::parse(note)?;
        let mut why = tlog::Error::Unsigned("any key of this log".to_owned());
        for key in keys {
            match parsed.open(key) {
                Ok(opened) => {
                    let checkpoint = Checkpoint::parse(opened.text())?;
                    if checkpoint.origin != key.name() {
                        return Err(tlog::Error::Checkpoint("it is of another log"));
                    }
                    let at = checkpoint.more.iter().find_map(|line| line.strip_prefix(TIME));
                    let at = at.and_then(|at| at.parse().ok());
                    return Ok(Self { checkpoint, at, note: note.to_owned() });
                }
                Err(error @ tlog::Error::Forged(_)) => why = error,
                Err(_) => {}
            }
        }
        Err(why)
    }

    /// Why it does not speak of `now`, if it does not: a log's head is renewed even when nothing
    /// happens.
    pub(super) fn stale(&self, now: Timestamp, limit: Duration) -> Option<String> {
        let limit = i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
        let Some(at) = self.at else {
            return Some("it does not say when it was signed".to_owned());
        };
        let age = now.as_second() - at.as_second();
        if age > limit {
            return Some(format!("it is {age} s old, and a new one comes within {limit} s"));
        }
        (-age > limit).then(|| format!("it is from {} s ahead", -age))
    }

    /// Which one it is, for people.
    pub fn named(&self) -> String {
        match self.at {
            Some(at) => format!("the checkpoint of {}", at.strftime("%Y-%m-%dT%H:%M:%SZ")),
            None => format!("a checkpoint of {} entries", self.checkpoint.size),
        }
    }
}
