//! What a log sends to a witness (C2SP tlog-witness, `add-checkpoint`): what the witness has seen as
//! far as the log knows, the proof that the log continues it, and the checkpoint.

use std::fmt;

use crate::{Hash, Note};

/// The longest request that is read, in bytes.
pub const MAX_SUBMISSION: usize = 64 << 10;
/// The most hashes of a proof, as the protocol has it.
const MAX_HASHES: usize = 63;

/// A checkpoint that is handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The size that the witness has seen.
    pub old: u64,
    /// That the log continues it.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

impl Submission {
    /// Reads what somebody has sent.
    ///
    /// # Errors
    /// With the reason, for whoever sent it.
    pub fn parse(body: &[u8]) -> Result<Self, &'static str> {
        if body.len() > MAX_SUBMISSION {
            return Err("it is longer than 64 KiB");
        }
        let text = std::str::from_utf8(body).map_err(|_| "it is no UTF-8")?;
        let (head, note) = text.split_once("\n\n").ok_or("no empty line stands in it")?;
        let mut lines = head.split('\n');
        let count = lines.next().and_then(|line| line.strip_prefix("old "));
        let count = count.ok_or("its first line is not `old` and a size")?;
        let old: u64 = count.parse().map_err(|_| "its old size is no number")?;
        if old.to_string() != count {
            return Err("its old size is not spelled as it should be");
        }
        let hashes = lines.take(MAX_HASHES + 1).map(str::parse).collect::<Result<Vec<Hash>, _>>();
        let proof = hashes.map_err(|_| "a line of its proof is no hash in base64")?;
        if proof.len() > MAX_HASHES {
            return Err("its proof has more than 63 lines");
        }
        let checkpoint = Note::parse(note).map_err(|_| "what it hands in is no signed note")?;
        Ok(Self { old, proof, checkpoint })
    }
}

impl fmt::Display for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
