//! One segment's place in memory.

use std::io::{self, ErrorKind, Read};

use zeroize::Zeroize;

use super::{SEGMENT, TAG};

/// A buffer as large as a full segment with what it shares its place with. It is used again and
/// again for one stream, and wiped once, when the stream ends: all it held is one stream's text.
pub(super) struct Slot {
    bytes: Box<[u8]>,
    /// What is in it, or after sealing or opening: what is to be given out.
    begin: usize,
    end: usize,
    /// How far it was ever written to, so that short streams need not wipe a whole slot.
    used: usize,
}

impl Slot {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; SEGMENT].into_boxed_slice(), begin: 0, end: 0, used: 0 }
    }

    /// One that holds `bytes`, as far as they fit.
    pub(super) fn holding(mut bytes: &[u8]) -> Self {
        let mut slot = Self::new();
        slot.take(&mut bytes, SEGMENT);
        slot
    }

    /// One that holds the same.
    pub(super) fn copy_of(other: &Self) -> Self {
        Self::holding(other.bytes())
    }

    /// Forgets what is in it.
    pub(super) const fn clear(&mut self) {
        self.begin = 0;
        self.end = 0;
    }

    /// What is in it.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.begin..self.end).unwrap_or_default()
    }

    /// Whether it holds a whole segment.
    pub(super) const fn is_full(&self) -> bool {
        self.end == SEGMENT
    }

    /// So many bytes are in it.
    pub(super) const fn len(&self) -> usize {
        self.end - self.begin
    }

    /// Takes bytes from the beginning of `from` until it holds `limit` of them.
    pub(super) fn take(&mut self, from: &mut &[u8], limit: usize) {
        let room = self.bytes.get_mut(self.end..limit).unwrap_or_default();
        let count = room.len().min(from.len());
        if let (Some(room), Some((taken, rest))) =
            (room.get_mut(..count), from.split_at_checked(count))
        {
            room.copy_from_slice(taken);
            *from = rest;
        }
        self.grow(count);
    }

    /// Reads until it holds `limit` bytes or there are no more. Whether it holds so many.
    pub(super) fn fill(&mut self, reader: &mut dyn Read, limit: usize) -> io::Result<bool> {
        while let Some(room) = self.bytes.get_mut(self.end..limit)
            && !room.is_empty()
        {
            match reader.read(room) {
                Ok(0) => return Ok(false),
                Ok(count) => self.grow(count),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// What it holds from `start` on, and the room behind that.
    pub(super) fn split(&mut self, start: usize) -> Option<(&mut [u8], &mut [u8])> {
        let length = self.end.checked_sub(start)?;
        self.bytes.get_mut(start..)?.split_at_mut_checked(length)
    }

    /// A tag was written behind what it holds.
    pub(super) fn add_tag(&mut self) {
        self.grow(TAG);
    }

    /// Of what it holds, only `length` bytes from `begin` on are to be given out.
    pub(super) const fn narrow(&mut self, begin: usize, length: usize) {
        self.begin = begin;
        self.end = begin + length;
    }

    fn grow(&mut self, count: usize) {
        self.end += count;
        self.used = self.used.max(self.end);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(used) = self.bytes.get_mut(..self.used) {
            used.zeroize();
        }
    }
}
