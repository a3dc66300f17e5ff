//! A file that is being read.

use std::io;
use std::ops::Range;

use kernel::{FileCard, FileFault, FileReader, Fut, Opened, Sealable, SealedSource, TenantId};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::index::Filed;
use super::shelf::{FileShelf, Spot};
use super::{Files, sealed_name, unavailable};

/// How much is given out at a time, in bytes.
const PIECE_BYTES: u64 = 1 << 20;

/// A file that is open: the end of its stream was seen.
pub(super) struct Reading {
    card: FileCard,
    /// Away while it works.
    opened: Option<Box<dyn Opened>>,
}

/// Opens a file. Its stream must be as long as its row says, and end as it should.
pub(super) async fn open(
    all: &Files,
    tenant: &TenantId,
    filed: Filed,
) -> Result<Reading, FileFault> {
    let Filed { card, spot, sealed_key } = filed;
    let sealed = all.shelf.size(&spot).await?.ok_or(FileFault::Damaged)?;
    if sealed != all.seals.sealed_bytes(card.bytes)? {
        return Err(FileFault::Damaged);
    }
    let object = sealed_name(&spot.object, &card.name);
    let source = Source { shelf: all.shelf.clone(), spot, sealed, runtime: Handle::current() };
    let (seals, tenant) = (all.seals.clone(), tenant.clone());
    let opened = spawn_blocking(move || {
        let what = Sealable { tenant: &tenant, object: &object };
        seals.open(what, &sealed_key, Box::new(source))
    });
    let opened = opened.await.map_err(|error| unavailable(&error))??;
    if opened.size() != card.bytes {
        return Err(FileFault::Damaged);
    }
    Ok(Reading { card, opened: Some(opened) })
}

impl FileReader for Reading {
    fn card(&self) -> &FileCard {
        &self.card
    }

    fn next(&mut self, range: Range<u64>) -> Fut<'_, Result<Zeroizing<Vec<u8>>, FileFault>> {
        Box::pin(async move {
            let end = range.end.min(self.card.bytes);
            let wanted = end.saturating_sub(range.start).min(PIECE_BYTES);
            let mut opened = self.opened.take().ok_or(FileFault::Damaged)?;
            let piece = spawn_blocking(move || {
                let mut piece = Zeroizing::new(vec![0; usize::try_from(wanted).unwrap_or(0)]);
                let read = opened.read(range.start, &mut piece)?;
                piece.truncate(read);
                Ok((opened, piece))
            });
            let (opened, piece) = piece.await.map_err(|error| unavailable(&error))??;
            if piece.is_empty() && wanted > 0 {
                return Err(FileFault::Damaged);
            }
            self.opened = Some(opened);
            Ok(piece)
        })
    }
}

/// An object as something to read from, on a thread that may wait.
struct Source {
    shelf: FileShelf,
    spot: Spot,
    sealed: u64,
    runtime: Handle,
}

impl SealedSource for Source {
    fn size(&self) -> io::Result<u64> {
        Ok(self.sealed)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let end = self.sealed.min(offset.saturating_add(buf.len() as u64));
        if offset >= end {
            return Ok(0);
        }
        let read = self.runtime.block_on(self.shelf.read(&self.spot, offset..end));
        let bytes = read.map_err(io::Error::other)?;
        let gone = || io::Error::new(io::ErrorKind::NotFound, "the object is gone");
        let bytes = bytes.ok_or_else(gone)?;
        let count = bytes.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(bytes.iter()) {
            *to = *from;
        }
        Ok(count)
    }
}
