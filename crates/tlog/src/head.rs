//! The signed head of a log, with the time at which it was signed.
//!
//! It promises that a head is believed only when one of the given keys has signed it for this log.
//! The attack it stops: a checkpoint of another log, or of nobody, put in the place of ours.

use jiff::Timestamp;

use crate::{Checkpoint, Error, Hash, Note, Result, Verifier};

/// What the further line of a checkpoint with the time begins with.
pub const TIME: &str = "time ";

/// The signed head of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// When it was signed, to the second, by the clock of who signed; `None` in one without a time.
    pub time: Option<Timestamp>,
}

impl Head {
    /// The head in `note`, if it is of the log `origin` and one of `keys` has signed it.
    ///
    /// # Errors
    /// When it is none, of another log, or signed by nobody of these.
    pub fn open(note: &str, origin: &str, keys: &[Verifier]) -> Result<Self> {
        let note = Note::parse(note)?;
        // What is wrong with the newest key's signature says most.
        let mut wrong = None;
        let opened = keys.iter().find_map(|key| match note.open(key) {
            Ok(opened) => Some(opened),
            Err(error) => {
                wrong.get_or_insert(error);
                None
            }
        });
        let unsigned = || Error::Unsigned(origin.to_owned());
        let opened = opened.ok_or_else(|| wrong.unwrap_or_else(unsigned))?;
        let checkpoint = Checkpoint::parse(opened.text())?;
        if checkpoint.origin != origin {
            return Err(Error::Checkpoint("it is of another log"));
        }
        Ok(Self::of(&checkpoint))
    }

    /// What a checkpoint says. Whether anybody has signed it is another question.
    pub fn of(checkpoint: &Checkpoint) -> Self {
        let Checkpoint { size, root, more, .. } = checkpoint;
        let time = more.iter().find_map(|line| line.strip_prefix(TIME)?.parse().ok());
        Self { size: *size, root: *root, time }
    }
}
