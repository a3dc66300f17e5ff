//! Whether an archived month can be opened, and is what the log's key has vouched for.

use tlog::Verifier;

use super::Archive;
use super::digest::OfRows;
use super::piece::{Kept, origin};
use crate::retention::Month;
use crate::{Error, Result};

/// What was found of a month.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Rows that were opened and are what was sealed.
    pub rows: u64,
    /// The digest over them, by which the database knows that they are the rows that it has; it says
    /// nothing where something is wrong.
    pub digest: [u8; 32],
    /// What is wrong, if anything.
    pub wrong: Vec<String>,
}

/// Opens everything that there is of a month, and verifies it with the log's keys alone.
///
/// # Errors
/// When the place cannot be read now, so that nothing can be said.
pub async fn check(archive: &Archive, keys: &[Verifier], month: Month) -> Result<Checked> {
    let mut checked = Checked::default();
    let manifest = match archive.manifest(origin(keys), month).await {
        Ok(Some(manifest)) => manifest,
        Ok(None) => {
            checked.wrong.push(format!("the archive has nothing of {month}"));
            return Ok(checked);
        }
        Err(Error::Damaged { what, .. }) => {
            checked.wrong.push(what);
            return Ok(checked);
        }
        Err(error) => return Err(error),
    };
    let mut digest = OfRows::default();
    // The entries of one epoch are in order; those of several are put in order first.
    let mut mixed = Vec::new();
    for part in &manifest.parts {
        match archive.piece(month, *part, keys).await {
            Ok(piece) => {
                checked.rows += piece.rows.len() as u64;
                for Kept { row, .. } in piece.rows.into_values() {
                    if manifest.epochs.len() > 1 {
                        mixed.push((row.xid, row.id, row.row_hash));
                    } else {
                        digest.push(row.id, &row.row_hash);
                    }
                }
            }
            Err(Error::Damaged { what, .. }) => checked.wrong.push(what),
            Err(error) => return Err(error),
        }
    }
    mixed.sort_unstable();
    for (_, id, row_hash) in &mixed {
        digest.push(*id, row_hash);
    }
    checked.digest = digest.end();
    if checked.wrong.is_empty() && checked.rows != manifest.rows {
        let (rows, wanted) = (checked.rows, manifest.rows);
        checked
            .wrong
            .push(format!("{month} has {rows} rows there, and was archived with {wanted}"));
    }
    Ok(checked)
}
