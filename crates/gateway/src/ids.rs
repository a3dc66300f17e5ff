//! Ids of requests, traces and spans: random, and no secrets.
//!
//! The system is asked for many at a time, since each question to it costs as much as the rest of what the
//! gateway decides about a request. Whatever must stay secret is drawn by itself, and not here.

use std::cell::RefCell;

use kernel::{Rng, RngError, hex};

/// How much is drawn at a time, in bytes.
const STOCK_BYTES: usize = 1024;

thread_local! {
    /// What this thread has drawn and not used.
    static STOCK: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// An id of `bytes` random bytes as lower-case hexadecimal.
///
/// # Errors
/// When the random source does not answer.
pub(crate) fn fresh(rng: &dyn Rng, bytes: usize) -> Result<String, RngError> {
    STOCK.with_borrow_mut(|stock| {
        if stock.len() < bytes {
            let mut drawn = vec![0; STOCK_BYTES.max(bytes)];
            rng.fill(&mut drawn)?;
            *stock = drawn;
        }
        let rest = stock.len().saturating_sub(bytes);
        Ok(hex(&stock.split_off(rest)))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use kernel::{FixedRng, SystemRng};

    use super::{STOCK_BYTES, fresh};

    /// None comes twice, also where the stock ends and is drawn anew.
    #[test]
    fn no_id_is_given_twice() {
        let all: HashSet<String> =
            (0..STOCK_BYTES).map(|_| fresh(&SystemRng, 12).unwrap()).collect();
        assert_eq!(all.len(), STOCK_BYTES);
        assert!(all.iter().all(|id| id.len() == 24));
    }

    /// Whatever is asked for is given, in full.
    #[test]
    fn an_id_is_as_long_as_was_asked() {
        for bytes in [0, 1, 16, STOCK_BYTES, STOCK_BYTES + 1] {
            assert_eq!(fresh(&FixedRng::new(1), bytes).unwrap().len(), 2 * bytes);
        }
    }
}
