//! How much one request may have looked at and compared.
//!
//! The bounds of a filter, of a change and of a resource are each small, and multiply. Looking at a value
//! and comparing it is counted in bytes, so that no request keeps a processor for longer than a blink,
//! however it is built.

use crate::{Error, Result};

/// What one request may spend, in bytes that are looked at.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// What a look costs, however short the value is, in bytes.
const LOOK_BYTES: usize = 4;
/// How many bytes that are compared as they are cost as much as one whose case is folded first.
const EXACT_BYTES: usize = 4;

/// What a request may spend still.
#[derive(Debug)]
pub(crate) struct Work {
    left: usize,
}

impl Work {
    pub(crate) const fn new() -> Self {
        Self { left: MOST_BYTES }
    }

    /// So many values are looked at.
    pub(crate) const fn look(&mut self, values: usize) {
        self.left = self.left.saturating_sub(values.saturating_mul(LOOK_BYTES));
    }

    /// A text of so many bytes is compared, as it is or without the case of its letters.
    pub(crate) const fn compare(&mut self, bytes: usize, exact: bool) {
        let bytes = if exact { bytes / EXACT_BYTES } else { bytes };
        self.left = self.left.saturating_sub(bytes.saturating_add(LOOK_BYTES));
    }

    /// Whether everything is spent: what was found is not to be relied on then.
    pub(crate) const fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// # Errors
    /// [`Error::TooMany`] when everything is spent.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_spent() {
            let words = "ask for less at once: narrow the filter, or send less operations";
            return Err(Error::TooMany(words.to_owned()));
        }
        Ok(())
    }
}
