//! The sum over the rows of a table: how many, how long, and a digest that does not depend on their
//! order, because a table has none.
//!
//! Each row is a line of `COPY` in text format. The sum has four numbers of 64 bits; the SHA-256 of
//! each line, without its end, is added to them as four big-endian numbers, each modulo 2^64. It
//! finds what was lost or changed on the way. Against somebody who forges archives it is no
//! defence, and need not be: that is the seal's work.

use kernel::hex;
use sha2::{Digest as _, Sha256};

/// The numbers of a sum, and the bytes of each.
const LANES: usize = 4;
const LANE_BYTES: usize = 8;

/// The sum over the rows that were seen.
#[derive(Debug, Default, Clone)]
pub(in super::super) struct Rows {
    count: u64,
    bytes: u64,
    sum: [u64; LANES],
    /// The line that is not at its end.
    line: Sha256,
    begun: bool,
}

impl Rows {
    /// Takes the next bytes of the text.
    pub(in super::super) fn take(&mut self, text: &[u8]) {
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        let mut rest = text;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(at);
            self.line.update(line);
            self.end_line();
            rest = after.get(1..).unwrap_or_default();
        }
        if !rest.is_empty() {
            self.line.update(rest);
            self.begun = true;
        }
    }

    fn end_line(&mut self) {
        let digest = self.line.finalize_reset();
        for (lane, bytes) in self.sum.iter_mut().zip(digest.chunks_exact(LANE_BYTES)) {
            let number = bytes.try_into().map_or(0, u64::from_be_bytes);
            *lane = lane.wrapping_add(number);
        }
        self.count = self.count.saturating_add(1);
        self.begun = false;
    }

    /// Rows, bytes and sum; `None` when the last line has no end.
    pub(in super::super) fn finish(self) -> Option<(u64, u64, String)> {
        let sum: Vec<u8> = self.sum.iter().flat_map(|lane| lane.to_be_bytes()).collect();
        (!self.begun).then(|| (self.count, self.bytes, hex(&sum)))
    }
}

#[cfg(test)]
mod tests {
    use super::Rows;

    fn sum(pieces: &[&str]) -> Option<(u64, u64, String)> {
        let mut rows = Rows::default();
        for piece in pieces {
            rows.take(piece.as_bytes());
        }
        rows.finish()
    }

    #[test]
    fn neither_the_order_of_rows_nor_the_cut_of_pieces_changes_the_sum() {
        let whole = sum(&["a\tb\nc\n\n"]).unwrap();
        assert_eq!((whole.0, whole.1), (3, 7));
        assert_eq!(sum(&["c\n", "", "\n", "a\t", "b", "\n"]), Some(whole.clone()));
        for other in [&["a\tb\nc\nc\n"][..], &["a\tb\nc\n"], &["a\tbc\n\n\n"], &["ab\tc\n\n\n"]] {
            assert_ne!(sum(other), Some(whole.clone()), "{other:?}");
        }
        assert_eq!(sum(&["a\nb"]), None, "its last line has no end");
        assert_eq!(sum(&[]), Some((0, 0, "0".repeat(64))));
    }

    /// What another implementer computes: the SHA-256 of one line is the sum of one row.
    #[test]
    fn the_sum_of_one_row_is_its_sha256() {
        let known = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
        assert_eq!(sum(&["a\n"]), Some((1, 2, known.to_owned())));
    }
}
