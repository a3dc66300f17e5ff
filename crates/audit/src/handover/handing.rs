//! The log's side: its newest checkpoint is handed to a witness, with the proof that it continues what
//! that one has seen.
//!
//! It promises that a cosignature counts only when it was checked, and that an answer which says that
//! the witness has seen another history is told apart from one that says nothing. It does not say that
//! such a witness is right: its signed checkpoint shows that, which anybody can fetch.

use std::fmt;
use std::sync::Arc;

use kernel::Fut;
use tlog::{Note, Submission, WitnessKey};

use crate::Result;
use crate::seal::LogReader;

/// How often the size that a witness names is taken up, before it is left for the next time.
const ATTEMPTS: usize = 3;

/// How a request reaches a witness: HTTP, which the binary speaks.
pub trait Door: Send + Sync {
    /// The answer to `request`; why there is none.
    fn add(&self, request: String) -> Fut<'_, std::result::Result<Reply, String>>;
}

/// What a witness answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status of HTTP.
    pub status: u16,
    /// The text, cut where it is longer than any answer of the protocol.
    pub text: String,
}

/// One witness of one log.
pub(super) struct Handing {
    pub(super) key: WitnessKey,
    door: Arc<dyn Door>,
    /// The size that it has seen, as far as we know.
    seen: u64,
}

/// What came of handing a checkpoint in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The lines with its cosignature, which was checked.
    Cosigned(String),
    /// It did not answer, or not what the protocol says; with the reason.
    Away(String),
    /// It does not watch this log, or not under this key; with its words.
    Stranger(String),
    /// It has seen another history.
    Contradicts(Contradiction),
}

/// How what a witness has seen and our log do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contradiction {
    /// It has seen more entries than there are now: the log was put back or cut.
    Ahead {
        /// How many it has seen.
        seen: u64,
        /// How many there are.
        ours: u64,
    },
    /// It has seen as many, and others.
    Split {
        /// How many.
        seen: u64,
    },
    /// What it has seen is not the beginning of our log.
    Forked {
        /// How many it has seen.
        seen: u64,
    },
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ahead { seen, ours } => {
                write!(
                    f,
                    "it has seen {seen} entries and the log has {ours}: entries were taken off"
                )
            }
            Self::Split { seen } => {
                write!(f, "it has seen another log of the same {seen} entries: they were rewritten")
            }
            Self::Forked { seen } => {
                write!(
                    f,
                    "the {seen} entries that it has seen are not the log's: they were rewritten"
                )
            }
        }
    }
}

impl Handing {
    pub(super) fn new(key: WitnessKey, door: Arc<dyn Door>) -> Self {
        Self { key, door, seen: 0 }
    }

    /// Learns from a checkpoint that was cosigned before where to go on, and returns when that was, in
    /// seconds since 1970.
    pub(super) fn recall(&mut self, cosigned: &Note, size: u64) -> Option<u64> {
        let at = cosigned.seen_by(&self.key).ok()?;
        self.seen = size;
        Some(at)
    }

    /// Hands in the checkpoint of the log that `reader` reads.
    ///
    /// # Errors
    /// When the log's own files cannot be read.
    pub(super) async fn hand_in(&mut self, reader: &LogReader, note: &Note) -> Result<Outcome> {
        let ours = reader.size();
        for _ in 0..ATTEMPTS {
            // More than there is: it is asked what it has seen, for we may be wrong.
            let old = if self.seen > ours { 0 } else { self.seen };
            let proof = reader.consistency(old).await?;
            let request = Submission { old, proof, checkpoint: note.clone() }.to_string();
            let reply = match self.door.add(request).await {
                Ok(reply) => reply,
                Err(why) => return Ok(Outcome::Away(why)),
            };
            match reply.status {
                200 => {
                    return Ok(match note.clone().with_cosignature(&self.key, &reply.text) {
                        Ok(_) => {
                            self.seen = ours;
                            Outcome::Cosigned(reply.text)
                        }
                        Err(error) => Outcome::Away(format!("its answer is not believed: {error}")),
                    });
                }
                409 => {
                    let Some(seen) = size(&reply.text) else {
                        return Ok(Outcome::Away("it names no size".to_owned()));
                    };
                    let contradiction = match seen {
                        seen if seen > ours => Some(Contradiction::Ahead { seen, ours }),
                        seen if seen == ours && old == ours => Some(Contradiction::Split { seen }),
                        _ => None,
                    };
                    self.seen = seen;
                    if let Some(contradiction) = contradiction {
                        return Ok(Outcome::Contradicts(contradiction));
                    }
                }
                422 => return Ok(Outcome::Contradicts(Contradiction::Forked { seen: old })),
                403 | 404 => return Ok(Outcome::Stranger(words(&reply))),
                _ => return Ok(Outcome::Away(words(&reply))),
            }
        }
        Ok(Outcome::Away("what it has seen changes with every request".to_owned()))
    }
}

/// The size in the answer to a conflict.
fn size(text: &str) -> Option<u64> {
    text.strip_suffix('\n')?.parse().ok()
}

/// The most characters of its words that are repeated.
const MAX_WORDS: usize = 200;

fn words(reply: &Reply) -> String {
    let words: String = reply.text.trim().chars().take(MAX_WORDS).collect();
    format!("it answered {}: {words}", reply.status)
}
