//! A look that waits for one transaction: what nothing was compared in proves nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use store::Db;

use super::{Comparison, Look};
use crate::Result;

/// A transaction that somebody waits for.
#[derive(Debug)]
pub(crate) struct Awaited {
    xid: u32,
    met: AtomicBool,
}

impl Awaited {
    /// Takes in which transactions were compared.
    pub(super) fn look_for(&self, compared: &BTreeSet<u32>) {
        self.met.fetch_or(compared.contains(&self.xid), Ordering::AcqRel);
    }
}

impl Comparison {
    /// As [`Comparison::read`]; and whether the transaction `xid`, by the lower 32 bits of its number, was
    /// compared in that, with changes of recorded tables in it. What somebody else reads meanwhile is
    /// not met here.
    ///
    /// # Errors
    /// As [`Comparison::look`].
    pub(crate) async fn read_for(&self, superuser: &Db, xid: u32) -> Result<(Look, bool)> {
        let awaited = Arc::new(Awaited { xid, met: AtomicBool::new(false) });
        let mine = Self { awaited: Some(Arc::clone(&awaited)), ..self.clone() };
        let look = mine.read(superuser).await?;
        Ok((look, awaited.met.load(Ordering::Acquire)))
    }
}
