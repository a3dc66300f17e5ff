//! One row as a file that anybody checks with the log's public key alone (C2SP tlog-proof).
//!
//! The entry itself stands in the line `extra`, so that the file needs nothing beside it: what it says
//! is the entry whose hash the proof leads from.

use jiff::Timestamp;
use tlog::{Checkpoint, Note, ProofFile, Verifier};

use super::signed::Signed;
use crate::row::TrailRow;
use crate::seal::LogReader;
use crate::{Error, Leaf, Result};

/// What a checked proof says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The entry.
    pub leaf: Leaf,
    /// Its number in the log.
    pub index: u64,
    /// The checkpoint that it stands under.
    pub checkpoint: Checkpoint,
    /// When that was signed, by the sealer's clock.
    pub at: Option<Timestamp>,
}

/// The proof that `row` stands in the log that `reader` reads, under the checkpoint `head`.
///
/// # Errors
/// When it is not sealed yet, never was, or is not what was sealed; when the log cannot be read, or
/// does not give a proof that holds.
pub async fn prove(
    reader: &LogReader,
    head: &Signed,
    key: &Verifier,
    row: &TrailRow,
) -> Result<String> {
    let refused = |why: &str| Error::Unproven { row: row.id, why: why.to_owned() };
    let epochs = reader.epochs().await?;
    let Some((index, leaf)) = reader.row(&epochs, (row.xid, row.id)).await? else {
        return Err(refused(
            "it is not in the log. A row that was just written is sealed within seconds: try again. \
             `amanah audit verify` says whether it should be there",
        ));
    };
    if leaf.row_hash != row.digest() {
        return Err(refused(
            "what stands in the database is not what was sealed. `amanah audit verify` says more",
        ));
    }
    let entry = Leaf::Row(leaf).encode()?;
    let hashes = reader.inclusion(index).await?;
    let checkpoint = Note::parse(&head.note)?;
    let file = ProofFile { extra: Some(entry), index, hashes, checkpoint };
    let text = file.to_string();
    // What would be refused elsewhere is not handed out.
    match check(&text, key) {
        Ok(_) => Ok(text),
        Err(_) => Err(refused(
            "the log's tiles do not lead from its entry to the checkpoint. `amanah audit verify` names \
             what is damaged",
        )),
    }
}

/// Checks a proof with nothing but the public key of its log.
///
/// # Errors
/// When it is no proof, one of another log, one that another key has signed, or one that was changed:
/// each has words of its own.
pub fn check(text: &str, key: &Verifier) -> Result<Checked> {
    let damaged = |error: tlog::Error| Error::Proof(error.to_string());
    let file = ProofFile::parse(text).map_err(damaged)?;
    let entry = file.extra.as_deref().ok_or_else(|| {
        Error::Proof("it does not hold the entry that it proves, in a line `extra`".to_owned())
    })?;
    let origin = file.checkpoint.text().lines().next().unwrap_or_default().to_owned();
    let checkpoint = file.check(entry, key).map_err(|error| match error {
        _ if origin != key.name() => {
            Error::OtherLog { origin: origin.clone(), key: key.name().to_owned() }
        }
        tlog::Error::Unsigned(_) => Error::OtherKey(origin.clone()),
        error => damaged(error),
    })?;
    let signed = Signed::open(&file.checkpoint.to_string(), std::slice::from_ref(key))?;
    let leaf = Leaf::decode(entry)?;
    Ok(Checked { leaf, index: file.index, checkpoint, at: signed.head.time })
}

impl Checked {
    /// Why `row` is not the one that was sealed, if it is not.
    pub fn refutes(&self, row: &TrailRow) -> Option<&'static str> {
        let Leaf::Row(leaf) = &self.leaf else { return Some("the entry is of no row") };
        if (leaf.id, leaf.xid) != (row.id, row.xid) {
            return Some("the proof is of another row");
        }
        if leaf.at_micros != row.event_timestamp.as_microsecond() || leaf.row_hash != row.digest() {
            return Some("this is not what was sealed: its content was changed");
        }
        None
    }
}
