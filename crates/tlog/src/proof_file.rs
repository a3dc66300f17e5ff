//! A proof in one text (C2SP tlog-proof) that whoever has the log's key checks without asking anybody.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Checkpoint, Error, Hash, Note, Result, Verifier, verify_inclusion};

/// The first line.
const HEAD: &str = "c2sp.org/tlog-proof@v1";
/// The longest file with a proof, in bytes: the longest entry in base64, 64 hashes, and a checkpoint
/// with a hundred signatures.
pub const MAX_PROOF_BYTES: usize = 1 << 18;
/// The most hashes that lead to a root: one for each level of a tree of 2^64.
const MAX_HASHES: usize = 64;

/// That an entry is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFile {
    /// What the log's owner says beside it; no proof of anything.
    pub extra: Option<Vec<u8>>,
    /// Which entry.
    pub index: u64,
    /// The hashes from the entry to the root.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

impl ProofFile {
    /// Reads a proof. Nothing is believed of it until it was [checked](Self::check).
    ///
    /// # Errors
    /// When it is no such text.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = Error::Proof;
        let (head, note) = text.split_once("\n\n").ok_or(wrong("it has no checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEAD) {
            return Err(wrong("it does not begin as one"));
        }
        let mut line = lines.next().ok_or(wrong("it names no entry"))?;
        let mut extra = None;
        if let Some(said) = line.strip_prefix("extra ") {
            extra = Some(STANDARD.decode(said).map_err(|_| wrong("its extra line is no base64"))?);
            line = lines.next().ok_or(wrong("it names no entry"))?;
        }
        let count = line.strip_prefix("index ").ok_or(wrong("it names no entry"))?;
        let index: u64 = count.parse().map_err(|_| wrong("its index is no number"))?;
        if index.to_string() != count {
            return Err(wrong("its index is not spelled as it should be"));
        }
        let hashes = lines.take(MAX_HASHES + 1).map(str::parse).collect::<Result<Vec<Hash>>>()?;
        if hashes.len() > MAX_HASHES {
            return Err(wrong("it has more hashes than any tree"));
        }
        Ok(Self { extra, index, hashes, checkpoint: Note::parse(note)? })
    }

    /// The checkpoint, when `by` has signed it, it is of the log that `by` is named after, and `entry`
    /// is where the proof says.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self, entry: &[u8], by: &Verifier) -> Result<Checkpoint> {
        let opened = self.checkpoint.open(by)?;
        let checkpoint = Checkpoint::parse(opened.text())?;
        if checkpoint.origin != by.name() {
            return Err(Error::Checkpoint("it is of another log"));
        }
        let Checkpoint { size, root, .. } = checkpoint;
        verify_inclusion(Hash::leaf(entry), self.index, size, root, &self.hashes)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for ProofFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
