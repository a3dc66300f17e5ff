//! Rows against the SHA-256 that stands beside each, without their log.

use super::compare::Sight;

/// The most rows that are named one by one.
const NAMED: usize = 100;

/// How rows fit their own SHA-256.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hashes {
    /// How many were read.
    pub rows: u64,
    /// The numbers of the first of them that do not fit.
    pub unfit: Vec<i64>,
    /// How many more do not.
    pub more: u64,
}

impl Hashes {
    /// Takes one more row in.
    pub(crate) fn take(&mut self, row: &Sight) {
        self.rows += 1;
        if row.fits() {
            return;
        }
        if self.unfit.len() < NAMED {
            self.unfit.push(row.id());
        } else {
            self.more += 1;
        }
    }
}
