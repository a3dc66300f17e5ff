//! The witness (C2SP tlog-witness): a second trust domain that keeps the newest checkpoint of each log
//! that it knows, and says so with a signature and the time.
//!
//! It promises that it cosigns a checkpoint only when it continues every one that it has cosigned of
//! the same log; that a checkpoint is on its disk before its cosignature leaves; and that of two
//! checkpoints which do not fit each other it never cosigns both, whoever asks at the same time,
//! and however its process dies.
//!
//! The attack it stops: whoever holds a log's key and its whole disk writes another history, or cuts
//! the newest entries off, and signs that. The witness has seen what was before, refuses, and keeps
//! both signed checkpoints as evidence.
//!
//! It does not read entries, so it does not know whether they are true, and it does not find what was
//! changed before a checkpoint reached it. Whoever holds the witness's disk too can begin it anew: run
//! it where the log's owner has no login. It opens no port; `console` serves it.

mod judge;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use kernel::{Clock, Rng};
use tlog::{Checkpoint, Cosigner, Hash, Head, Note, Submission, Verifier, WitnessKey};

pub use judge::{Judgement, Misfit, judge};
pub use tlog::MAX_SUBMISSION;

use record::{Folder, Kept};

/// The result of a witness's work.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a witness does not start, or could not keep something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder or a file in it cannot be used.
    #[error("{path} cannot be used: {why}; nothing was cosigned")]
    Folder {
        /// Which.
        path: PathBuf,
        /// The system's words. They are in the message, so they are no source beside it.
        why: io::Error,
    },
    /// Another witness runs on the folder.
    #[error("another witness runs on {0}. Stop it, or choose another folder with --data")]
    Held(PathBuf),
    /// Its key cannot be used.
    #[error("the witness's key {path} is not used: {why}")]
    Key {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        why: &'static str,
    },
    /// It has another name already.
    #[error("this witness is called {is}, and a name is for ever: leave --name out")]
    Named {
        /// Its name.
        is: String,
    },
    /// A kept checkpoint is not what this witness wrote.
    #[error(
        "{path} is not a checkpoint of {log} that this witness cosigned ({why}). It was left as it is, \
         and no witness starts without knowing what it has seen: put the folder's backup back"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The log.
        log: String,
        /// What is wrong.
        why: tlog::Error,
    },
    /// No log was named.
    #[error("no log is named: name each with --log, by the line that its owner gives")]
    NoLogs,
    /// The clock says no time that a cosignature can hold.
    #[error("the clock of this machine is wrong; nothing was cosigned")]
    Clock,
    /// A name or a key cannot stand in a note.
    #[error(transparent)]
    Log(#[from] tlog::Error),
    /// There is no randomness.
    #[error(transparent)]
    Rng(#[from] kernel::RngError),
}

/// A witness, with its folder held.
pub struct Witness {
    cosigner: Cosigner,
    logs: BTreeMap<String, Log>,
    folder: Folder,
    clock: Arc<dyn Clock>,
}

/// A log that it knows.
struct Log {
    keys: Vec<Verifier>,
    /// Held from the look at what is known until what replaces it is on the disk.
    known: Mutex<Known>,
}

struct Known {
    head: Head,
    /// Signed and cosigned; `None` before the first one.
    note: Option<Note>,
}

/// What a witness answers.
#[derive(Debug)]
pub enum Answer {
    /// It was seen: the line with the cosignature.
    Cosigned(String),
    /// What was sent is no request; with the reason.
    Malformed(&'static str),
    /// The log is not known here.
    UnknownLog,
    /// No key that is known for the log has signed it.
    Unsigned,
    /// Another size was seen, or another tree of this size.
    Conflict {
        /// The size that was seen.
        size: u64,
        /// How the log contradicts itself, if it does.
        misfit: Option<Misfit>,
    },
    /// It is not shown to continue what was seen.
    Unproven,
    /// It could not be kept, so it is not cosigned.
    Failed(Error),
}

impl Witness {
    /// The witness in `folder`, which is made at the first start, as is its key under `name`. It knows
    /// the logs of these keys; one log may have several. What it has seen of others stays.
    ///
    /// # Errors
    /// When the folder cannot be used or is held, or holds something that this witness did not write.
    pub fn open(
        folder: &Path,
        name: Option<&str>,
        keys: Vec<Verifier>,
        clock: Arc<dyn Clock>,
        rng: &dyn Rng,
    ) -> Result<Self> {
        let folder = Folder::open(folder)?;
        let cosigner = folder.cosigner(name, rng)?;
        let mut logs = BTreeMap::<String, Log>::new();
        for key in keys {
            let log = key.name().to_owned();
            if let Some(log) = logs.get_mut(&log) {
                log.keys.push(key);
                continue;
            }
            let known = Mutex::new(Known::read(&folder, &log, cosigner.key())?);
            logs.insert(log, Log { keys: vec![key], known });
        }
        if logs.is_empty() {
            return Err(Error::NoLogs);
        }
        Ok(Self { cosigner, logs, folder, clock })
    }

    /// Who checks what it signs.
    pub const fn key(&self) -> &WitnessKey {
        self.cosigner.key()
    }

    /// The logs that it knows, and what it has seen of each.
    pub fn seen(&self) -> Vec<(&str, Option<u64>)> {
        let size = |log: &Log| log.locked(|known| known.note.as_ref().map(|_| known.head.size));
        self.logs.iter().map(|(name, log)| (name.as_str(), size(log))).collect()
    }

    /// The newest checkpoint of a log, signed and cosigned. `None` when it has seen none.
    pub fn newest(&self, log: &str) -> Option<String> {
        self.logs.get(log)?.locked(|known| known.note.as_ref().map(ToString::to_string))
    }

    /// Whether it knows this log.
    pub fn knows(&self, log: &str) -> bool {
        self.logs.contains_key(log)
    }

    /// Takes what somebody has sent. It waits for the disk.
    pub fn add(&self, body: &[u8]) -> Answer {
        let request = match Submission::parse(body) {
            Ok(request) => request,
            Err(why) => return Answer::Malformed(why),
        };
        let Ok(shown) = Checkpoint::parse(request.checkpoint.text()) else {
            return Answer::Malformed("what it hands in is no checkpoint");
        };
        let Some(log) = self.logs.get(&shown.origin) else { return Answer::UnknownLog };
        let Some(signed) = request.checkpoint.signed_by(&log.keys) else {
            return Answer::Unsigned;
        };
        let request = Submission { checkpoint: signed, ..request };
        log.locked(|known| self.weigh(known, &shown, request).unwrap_or_else(Answer::Failed))
    }

    /// Decides on a checkpoint that the log has signed. `known` is held meanwhile.
    fn weigh(&self, known: &mut Known, shown: &Checkpoint, request: Submission) -> Result<Answer> {
        let (log, head) = (shown.origin.as_str(), Head::of(shown));
        match judge(&known.head, request.old, &head, &request.proof) {
            Judgement::Continues => self.cosign(known, log, head, request.checkpoint),
            Judgement::Elsewhere => Ok(Answer::Conflict { size: known.head.size, misfit: None }),
            Judgement::Backwards => {
                Ok(Answer::Malformed("its old size is larger than its checkpoint"))
            }
            Judgement::Worthless => Ok(Answer::Unproven),
            Judgement::Misfit(misfit) => {
                self.keep(known, log, misfit, &request)?;
                Ok(match misfit {
                    Misfit::Unproven => Answer::Unproven,
                    proven => Answer::Conflict { size: known.head.size, misfit: Some(proven) },
                })
            }
        }
    }

    fn cosign(&self, known: &mut Known, log: &str, head: Head, note: Note) -> Result<Answer> {
        let seconds = u32::try_from(self.clock.now().as_second()).map_err(|_| Error::Clock)?;
        let line = note.cosignature(&self.cosigner, seconds);
        let grown = known.note.is_none() || head.size > known.head.size;
        let later = head.size == known.head.size && head.time > known.head.time;
        // The same once more is on the disk already, and whoever repeats what others signed moves
        // nothing.
        if grown || later {
            let note = note.with_cosignature(self.key(), &line)?;
            self.folder.put(log, &note.to_string())?;
            *known = Known { head, note: Some(note) };
        }
        Ok(Answer::Cosigned(line))
    }

    fn keep(&self, known: &Known, log: &str, misfit: Misfit, request: &Submission) -> Result<()> {
        let before = known.note.as_ref().map(ToString::to_string);
        let at = self.clock.now();
        let (size, shown) = (known.head.size, request.checkpoint.text());
        match self.folder.keep(log, misfit, request, before.as_deref(), at)? {
            Kept::New(path) => {
                let path = path.display();
                tracing::error!(log, size, shown, %path, "{misfit}; it was refused and kept");
            }
            Kept::Known => tracing::debug!(log, size, "{misfit}; it was refused once more"),
            Kept::Newest(path) => {
                let path = path.display();
                tracing::error!(
                    log, size, shown, %path,
                    "{misfit}; it was refused and kept in the place of the newest one"
                );
            }
        }
        Ok(())
    }
}

impl Log {
    fn locked<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        // What is known changes last, and at once: a panic before leaves it as it was.
        work(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Known {
    /// What was kept of `log`. It must be what the holder of `own` wrote.
    fn read(folder: &Folder, log: &str, own: &WitnessKey) -> Result<Self> {
        let Some(text) = folder.newest(log)? else {
            let head = Head { size: 0, root: Hash::empty(), time: None };
            return Ok(Self { head, note: None });
        };
        let read = || {
            let note = Note::parse(&text)?;
            note.seen_by(own)?;
            let checkpoint = Checkpoint::parse(note.text())?;
            if checkpoint.origin != log {
                return Err(tlog::Error::Checkpoint("it is of another log"));
            }
            Ok((Head::of(&checkpoint), note))
        };
        let damaged = |why| Error::Damaged { path: folder.file_of(log), log: log.to_owned(), why };
        let (head, note) = read().map_err(damaged)?;
        Ok(Self { head, note: Some(note) })
    }
}

impl Answer {
    /// The status of HTTP, as the protocol has it.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Cosigned(_) => 200,
            Self::Malformed(_) => 400,
            Self::Unsigned => 403,
            Self::UnknownLog => 404,
            Self::Conflict { .. } => 409,
            Self::Unproven => 422,
            Self::Failed(_) => 500,
        }
    }

    /// The type of its text.
    pub const fn content_type(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "text/x.tlog.size",
            _ => "text/plain; charset=utf-8",
        }
    }

    /// Its text. Why something failed here is not told to strangers.
    pub fn text(&self) -> String {
        match self {
            Self::Cosigned(line) => line.clone(),
            Self::Conflict { size, .. } => format!("{size}\n"),
            Self::Malformed(why) => format!("this is no request: {why}\n"),
            Self::Unsigned => "no key of this log that is known here has signed it\n".to_owned(),
            Self::UnknownLog => "this log is not known here\n".to_owned(),
            Self::Unproven => "it is not shown to continue what was seen\n".to_owned(),
            Self::Failed(_) => "it could not be kept, so it is not cosigned\n".to_owned(),
        }
    }
}
