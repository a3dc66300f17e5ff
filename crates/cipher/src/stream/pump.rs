//! Whole streams between a reader and a writer, on as many threads as are wanted.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use kernel::Rng;

use super::{HEADER, SEGMENT, Slot, StreamKey, TAG};
use crate::{Context, Error, Material, Result};

/// The most threads that work on one stream.
const MAX_THREADS: usize = 64;
/// So many segments wait for or lie with each thread, so that it always finds the next one. The
/// memory for a stream of any length is this many MiB for each thread, and two more.
const SLOTS_PER_THREAD: usize = 2;

/// Seals what `reader` gives for `context` under `material`, and writes the stream to `writer`.
/// Returns the text's length in bytes.
///
/// The calling thread reads and writes. With 0 or 1 `threads` it also does the work; otherwise so
/// many others do it, at most 64.
///
/// # Errors
/// [`Error::Io`], [`Error::Random`], and [`Error::TooLarge`] above
/// [`MAX_TEXT`](super::MAX_TEXT). What was written until then is not a whole stream.
pub fn encrypt(
    material: &Material,
    context: &Context,
    rng: &dyn Rng,
    threads: usize,
    mut reader: impl Read,
    mut writer: impl Write,
) -> Result<u64> {
    let (key, header) = StreamKey::draw(material, context, rng)?;
    let source = Source::new(&mut reader, Slot::holding(&header), SEGMENT - TAG);
    let written = pump(source, &mut writer, threads, &|piece| {
        key.seal(&mut piece.slot, piece.number, piece.last)
    })?;
    Ok(written.bytes - HEADER as u64 - written.segments * TAG as u64)
}

/// Opens the stream that `reader` gives, sealed for `context` under `material`, and writes its
/// text to `writer`. Returns the text's length in bytes. Threads as for [`encrypt`].
///
/// What was written before an error is a true beginning of the text, but no more than that: the
/// caller throws it away.
///
/// # Errors
/// [`Error::Truncated`] when the stream's end is missing or damaged, [`Error::Refused`],
/// [`Error::Malformed`], [`Error::Io`].
pub fn decrypt(
    material: &Material,
    context: &Context,
    threads: usize,
    mut reader: impl Read,
    mut writer: impl Write,
) -> Result<u64> {
    let mut first = Slot::new();
    first.fill(&mut reader, HEADER)?;
    let key = StreamKey::of(material, context, first.bytes())?;
    let source = Source::new(&mut reader, first, SEGMENT);
    let written = pump(source, &mut writer, threads, &|piece| {
        if piece.last {
            key.open_last(&mut piece.slot, piece.number)
        } else {
            key.open(&mut piece.slot, piece.number, false)
        }
    })?;
    Ok(written.bytes)
}

/// One segment on its way.
struct Piece {
    slot: Slot,
    number: u64,
    last: bool,
}

/// What the work on a piece is.
type Work<'a> = &'a (dyn Fn(&mut Piece) -> Result<()> + Sync);

/// What was written.
#[derive(Default)]
struct Written {
    segments: u64,
    bytes: u64,
}

/// Reads, has the work done, writes.
fn pump(
    mut source: Source<'_>,
    writer: &mut dyn Write,
    threads: usize,
    work: Work<'_>,
) -> Result<Written> {
    let mut written = Written::default();
    if threads <= 1 {
        while let Some(mut piece) = source.next()? {
            work(&mut piece)?;
            write(&mut source, writer, &mut written, piece)?;
        }
        return Ok(written);
    }
    thread::scope(|scope| {
        let lanes: Vec<Lane> = (0..threads.min(MAX_THREADS))
            .map(|_| Lane::start(scope, work))
            .collect::<io::Result<_>>()?;
        // Each takes its turn in giving and in taking, so the order stays.
        let mut turns = lanes.iter().cycle();
        let mut returns = lanes.iter().cycle();
        let mut under_way = 0;
        loop {
            let piece = source.next()?;
            let ended = piece.is_none();
            if let (Some(piece), Some(lane)) = (piece, turns.next()) {
                lane.give.send(piece).map_err(|_| lost())?;
                under_way += 1;
            }
            while under_way > 0 && (ended || under_way >= lanes.len() * SLOTS_PER_THREAD) {
                let lane = returns.next().ok_or_else(lost)?;
                let piece = lane.take.recv().map_err(|_| lost())??;
                under_way -= 1;
                write(&mut source, writer, &mut written, piece)?;
            }
            if ended {
                return Ok(written);
            }
        }
    })
}

fn write(
    source: &mut Source<'_>,
    writer: &mut dyn Write,
    written: &mut Written,
    piece: Piece,
) -> Result<()> {
    writer.write_all(piece.slot.bytes())?;
    written.segments += 1;
    written.bytes += piece.slot.len() as u64;
    source.spare.push(piece.slot);
    Ok(())
}

/// A thread and what goes to it and comes back. It ends when nothing more can come.
struct Lane {
    give: SyncSender<Piece>,
    take: Receiver<Result<Piece>>,
}

impl Lane {
    fn start<'scope>(
        scope: &'scope thread::Scope<'scope, '_>,
        work: Work<'scope>,
    ) -> io::Result<Self> {
        let (give, given) = sync_channel::<Piece>(SLOTS_PER_THREAD);
        let (done, take) = sync_channel(SLOTS_PER_THREAD);
        let thread = thread::Builder::new().name("stream".to_owned());
        thread.spawn_scoped(scope, move || {
            for mut piece in given {
                let result = work(&mut piece).map(|()| piece);
                if done.send(result).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { give, take })
    }
}

fn lost() -> Error {
    Error::Io(io::Error::other("a thread that worked on it ended early"))
}

/// Cuts what is read into pieces. Whether a full one is the last is known only by nothing coming
/// after it, so a single byte is read ahead. Not a whole piece: that would push the one before it
/// out of the processor's cache before it was worked on.
struct Source<'a> {
    reader: &'a mut dyn Read,
    /// How much is read into a slot.
    limit: usize,
    /// What the next piece begins with; `None` when there is no next one.
    next: Option<Slot>,
    /// The number of the next piece.
    number: u64,
    spare: Vec<Slot>,
}

impl<'a> Source<'a> {
    /// Begins with `first`, which holds the header and has room for the rest of its piece.
    const fn new(reader: &'a mut dyn Read, first: Slot, limit: usize) -> Self {
        Self { reader, limit, next: Some(first), number: 0, spare: Vec::new() }
    }

    fn next(&mut self) -> Result<Option<Piece>> {
        let Some(mut slot) = self.next.take() else { return Ok(None) };
        if slot.fill(self.reader, self.limit)? {
            let mut ahead = self.spare.pop().unwrap_or_else(Slot::new);
            ahead.clear();
            self.next = ahead.fill(self.reader, 1)?.then_some(ahead);
        }
        let piece = Piece { slot, number: self.number, last: self.next.is_none() };
        self.number += 1;
        Ok(Some(piece))
    }
}
