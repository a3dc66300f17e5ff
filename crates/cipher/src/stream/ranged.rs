//! Reading parts of a stream without opening the rest.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::{HEADER, SEGMENT, Slot, StreamKey, TAG, plaintext_len, start};
use crate::{Context, Error, Material, Result};

/// Something that can be read from any place in it.
pub trait ReadAt {
    /// How long it is, in bytes.
    ///
    /// # Errors
    /// Those of the system.
    fn size(&self) -> io::Result<u64>;

    /// Reads from `offset` on into `buf`, and says how many bytes it read: 0 at the end alone.
    ///
    /// # Errors
    /// Those of the system.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
}

impl ReadAt for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }
}

impl ReadAt for &[u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let mut rest = rest.unwrap_or_default();
        rest.read(buf)
    }
}

/// A stream that is read in parts, each of them authenticated.
///
/// It knows the text's true length: opening it authenticates the last segment, so a stream that
/// was cut off is refused at once and never looks like a shorter text. The segment that was read
/// last is kept, so that reading in order opens each one once.
pub struct Ranged<S> {
    source: S,
    key: StreamKey,
    sealed: u64,
    text: u64,
    slot: Slot,
    /// The number of the segment whose text is in the slot.
    held: Option<u64>,
}

impl<S: ReadAt> Ranged<S> {
    /// Opens the stream in `source`, sealed for `context` under `material`. Reads the header and
    /// the last segment.
    ///
    /// # Errors
    /// [`Error::Truncated`] when the stream's end is missing or damaged, [`Error::Refused`],
    /// [`Error::Malformed`], [`Error::Io`].
    pub fn new(source: S, material: &Material, context: &Context) -> Result<Self> {
        let sealed = source.size()?;
        let mut slot = Slot::new();
        slot.fill(&mut Part { source: &source, offset: 0 }, HEADER)?;
        let key = StreamKey::of(material, context, slot.bytes())?;
        let text = plaintext_len(sealed)?;
        let mut ranged = Self { source, key, sealed, text, slot, held: None };
        let last = ranged.last();
        match ranged.load(last) {
            Ok(()) => Ok(ranged),
            // It is the end that is wrong when the first segment opens as one with others behind.
            Err(Error::Refused) if last > 0 || sealed == SEGMENT as u64 => {
                ranged.fetch(0)?;
                let begins = ranged.key.open(&mut ranged.slot, 0, false);
                Err(begins.map_or_else(|e| e, |()| Error::Truncated))
            }
            Err(e) => Err(e),
        }
    }

    /// The text's length, in bytes.
    pub const fn size(&self) -> u64 {
        self.text
    }

    /// Reads the text from `offset` on into `buf`, and says how many bytes it read. They are
    /// fewer than asked for only at the text's true end.
    ///
    /// # Errors
    /// [`Error::Refused`] when a segment was changed, [`Error::Truncated`] when the source became
    /// shorter meanwhile, [`Error::Io`].
    pub fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut count = 0;
        while let Some(room) = buf.get_mut(count..)
            && !room.is_empty()
        {
            let text = self.from(offset.saturating_add(count as u64))?;
            let taken = text.len().min(room.len());
            let (Some(room), Some(text)) = (room.get_mut(..taken), text.get(..taken)) else {
                break;
            };
            if taken == 0 {
                break;
            }
            room.copy_from_slice(text);
            count += taken;
        }
        Ok(count)
    }

    /// Writes the text in `range` to `writer`, one segment at a time, and says how many bytes it
    /// wrote. They are fewer than asked for only at the text's true end.
    ///
    /// # Errors
    /// As for [`read`](Ranged::read).
    pub fn copy(&mut self, range: Range<u64>, mut writer: impl Write) -> Result<u64> {
        let end = range.end.min(self.text);
        let mut at = range.start.min(end);
        while at < end {
            let text = self.from(at)?;
            let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(text.len());
            writer.write_all(text.get(..wanted).unwrap_or_default())?;
            at += wanted as u64;
        }
        Ok(end - range.start.min(end))
    }

    /// The text from `offset` to the end of its segment; empty at the text's end alone.
    fn from(&mut self, offset: u64) -> Result<&[u8]> {
        if offset >= self.text {
            return Ok(&[]);
        }
        // Counted with the header, every segment holds as much text as the next.
        let place = offset + HEADER as u64;
        let number = place / TEXT;
        if self.held != Some(number) {
            self.load(number)?;
        }
        let begin = usize::try_from(place % TEXT).unwrap_or(usize::MAX);
        let begin = begin.saturating_sub(start(number));
        let text = self.slot.bytes().get(begin..).unwrap_or_default();
        if text.is_empty() { Err(Error::Truncated) } else { Ok(text) }
    }

    /// Puts the text of segment `number` into the slot.
    fn load(&mut self, number: u64) -> Result<()> {
        self.fetch(number)?;
        let last = number == self.last();
        self.key.open(&mut self.slot, number, last)?;
        self.held = Some(number);
        Ok(())
    }

    /// Puts segment `number` into the slot as it lies in the source.
    fn fetch(&mut self, number: u64) -> Result<()> {
        self.held = None;
        self.slot.clear();
        let offset = number * SEGMENT as u64;
        let length = self.sealed.saturating_sub(offset).min(SEGMENT as u64);
        let mut part = Part { source: &self.source, offset };
        self.slot.fill(&mut part, usize::try_from(length).unwrap_or(SEGMENT))?;
        if self.slot.len() as u64 == length { Ok(()) } else { Err(Error::Truncated) }
    }

    /// The number of the last segment.
    const fn last(&self) -> u64 {
        (self.sealed - 1) / SEGMENT as u64
    }
}

/// How much text a full segment holds, counting the header as text of the first, in bytes.
const TEXT: u64 = (SEGMENT - TAG) as u64;

/// A source, read from one place on.
struct Part<'a, S> {
    source: &'a S,
    offset: u64,
}

impl<S: ReadAt> Read for Part<'_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read_at(self.offset, buf)?;
        self.offset += count as u64;
        Ok(count)
    }
}
