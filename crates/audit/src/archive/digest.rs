//! The digest over the rows of a month, by which the database knows that they are those in the archive.

use sha2::{Digest as _, Sha256};

/// So many rows have a digest of their own, so that the database can take it over any number of them.
const PIECE: u32 = 4_096;

/// A digest that is being taken, over rows in the order of transaction and number.
#[derive(Default)]
pub(super) struct OfRows {
    all: Sha256,
    piece: Sha256,
    rows: u32,
}

impl OfRows {
    /// Takes the next row in.
    pub(super) fn push(&mut self, id: i64, row_hash: &[u8]) {
        self.piece.update(id.to_be_bytes());
        self.piece.update(row_hash);
        self.rows += 1;
        if self.rows == PIECE {
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.all.update(self.piece.finalize_reset());
        self.rows = 0;
    }

    /// The digest, as `audit.remove_month` takes it.
    pub(super) fn end(mut self) -> [u8; 32] {
        if self.rows > 0 {
            self.turn();
        }
        self.all.finalize().into()
    }
}
