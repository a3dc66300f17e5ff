//! Streams: what goes in comes out, however it is cut into pieces, and nothing else does.

mod hostile;
mod interop;
mod long;
mod ranges;

use std::io::{self, Read, Write};

use kernel::FixedRng;

use super::{
    HEADER, MAX_TEXT, Opener, Ranged, SEGMENT, Sealer, TAG, ciphertext_len, decrypt, encrypt,
    plaintext_len,
};
use crate::{Context, Error, Material, Result};

/// The text of a full first segment, in bytes.
const FIRST: usize = SEGMENT - HEADER - TAG;
/// The text of every other full one, in bytes.
const NEXT: usize = SEGMENT - TAG;

fn material() -> Material {
    Material::new(std::array::from_fn(|place| u8::try_from(place).unwrap() ^ 0x5a))
}

fn context() -> Context {
    Context::of("amanah/stream/1").with("a tenant").with("a file")
}

/// A text in which no two segments are alike.
fn text(bytes: usize) -> Vec<u8> {
    (0u32..)
        .flat_map(|number| (number.wrapping_mul(2_654_435_761)).to_le_bytes())
        .take(bytes)
        .collect()
}

fn sealed(text: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    encrypt(&material(), &context(), &FixedRng::new(7), 1, text, &mut sealed).unwrap();
    sealed
}

/// Opens it in each way there is. What each gave, and how it ended.
fn open_all_ways(
    material: &Material,
    context: &Context,
    sealed: &[u8],
) -> Vec<(&'static str, Vec<u8>, Result<()>)> {
    let mut ways = Vec::new();
    for (way, threads) in [("one thread", 1), ("three threads", 3)] {
        let mut text = Vec::new();
        let ended = decrypt(material, context, threads, sealed, &mut text).map(drop);
        ways.push((way, text, ended));
    }
    let mut text = Vec::new();
    let ended = open_in_pieces(material, context, sealed, 700_001, &mut text);
    ways.push(("pieces", text, ended));
    let mut text = Vec::new();
    let ended = Ranged::new(sealed, material, context)
        .and_then(|mut ranged| ranged.copy(0..u64::MAX, &mut text))
        .map(drop);
    ways.push(("ranges", text, ended));
    ways
}

fn open_in_pieces(
    material: &Material,
    context: &Context,
    sealed: &[u8],
    piece: usize,
    out: &mut Vec<u8>,
) -> Result<()> {
    let mut opener = Opener::new(material, context);
    for mut part in sealed.chunks(piece) {
        while let Some(text) = opener.push(&mut part)? {
            out.extend_from_slice(text);
        }
    }
    out.extend_from_slice(&opener.finish()?);
    Ok(())
}

/// Texts whose ends lie at, before and behind every border.
const SIZES: [usize; 9] =
    [0, 1, FIRST - 1, FIRST, FIRST + 1, FIRST + NEXT, FIRST + NEXT + 1, FIRST + 3 * NEXT, 5 << 20];

#[test]
fn every_text_comes_back_in_every_way() {
    for size in SIZES {
        let text = text(size);
        let whole = sealed(&text);
        for (way, opened, ended) in open_all_ways(&material(), &context(), &whole) {
            assert!(ended.is_ok() && opened == text, "{size} bytes, {way}: {ended:?}");
        }
    }
}

/// Threads and pieces are a matter of speed alone: the stream is the same.
#[test]
fn every_way_of_sealing_gives_the_same_stream() {
    for size in SIZES {
        let text = text(size);
        let whole = sealed(&text);
        for threads in [0, 2, 5, 1000] {
            let mut out = Vec::new();
            let rng = FixedRng::new(7);
            let count = encrypt(&material(), &context(), &rng, threads, &*text, &mut out);
            assert_eq!(count.unwrap(), size as u64);
            assert!(out == whole, "{size} bytes, {threads} threads");
        }
        for piece in [999_983, NEXT, SEGMENT * 3] {
            let mut out = Vec::new();
            let mut sealer = Sealer::new(&material(), &context(), &FixedRng::new(7)).unwrap();
            for mut part in text.chunks(piece) {
                while let Some(segment) = sealer.push(&mut part).unwrap() {
                    out.extend_from_slice(segment);
                }
            }
            out.extend(sealer.finish().unwrap());
            assert!(out == whole, "{size} bytes, pieces of {piece}");
        }
    }
}

#[test]
fn lengths_can_be_computed() {
    for size in SIZES {
        let length = sealed(&text(size)).len() as u64;
        assert_eq!(ciphertext_len(size as u64).unwrap(), length);
        assert_eq!(plaintext_len(length).unwrap(), size as u64);
    }
    let segment = SEGMENT as u64;
    for none in [0, 1, 55, segment + 1, segment + 16, 3 * segment + 16] {
        assert!(matches!(plaintext_len(none), Err(Error::Truncated)), "{none}");
    }
    let most = ciphertext_len(MAX_TEXT).unwrap();
    assert_eq!(plaintext_len(most).unwrap(), MAX_TEXT);
    assert!(matches!(ciphertext_len(MAX_TEXT + 1), Err(Error::TooLarge(MAX_TEXT))));
    assert!(matches!(plaintext_len(most + 1), Err(Error::TooLarge(MAX_TEXT))));
    assert!(matches!(plaintext_len(u64::MAX), Err(Error::TooLarge(MAX_TEXT))));
}

/// Random salts: the same text twice gives nothing alike.
#[test]
fn two_streams_share_nothing() {
    let seal = || {
        let mut out = Vec::new();
        encrypt(&material(), &context(), &kernel::SystemRng, 1, &[0; 4096][..], &mut out).unwrap();
        out
    };
    let (one, two) = (seal(), seal());
    assert!(one[1..HEADER] != two[1..HEADER]);
    assert!(one[HEADER..].chunks(16).zip(two[HEADER..].chunks(16)).all(|(a, b)| a != b));
}

/// However long the stream, only a few segments of it are in memory.
#[test]
fn memory_does_not_grow_with_the_stream() {
    struct Zeros<'a>(&'a std::cell::Cell<u64>, u64);
    impl Read for Zeros<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let count = buf.len().min(usize::try_from(self.1 - self.0.get()).unwrap());
            self.0.set(self.0.get() + count as u64);
            Ok(count)
        }
    }
    struct Behind<'a> {
        read: &'a std::cell::Cell<u64>,
        written: u64,
        most: u64,
    }
    impl Write for Behind<'_> {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.most = self.most.max(self.read.get().saturating_sub(self.written));
            self.written += buf.len() as u64;
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for (threads, slots) in [(1, 2), (2, 6)] {
        let read = std::cell::Cell::new(0);
        let mut behind = Behind { read: &read, written: 0, most: 0 };
        let source = Zeros(&read, 48 << 20);
        let rng = FixedRng::new(1);
        encrypt(&material(), &context(), &rng, threads, source, &mut behind).unwrap();
        assert_eq!(behind.written, ciphertext_len(48 << 20).unwrap());
        assert!(behind.most <= slots << 20, "{threads} threads: {} bytes", behind.most);
    }
}

/// A disk that is full, or a connection that breaks, is an error and no endless wait.
#[test]
fn a_broken_reader_or_writer_ends_it() {
    struct Broken(usize);
    impl Read for Broken {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::ConnectionReset)?;
            Ok(buf.len())
        }
    }
    impl Write for Broken {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let text = text(12 << 20);
    let whole = sealed(&text);
    let (material, context) = (material(), context());
    for threads in [1, 3] {
        for after in [0, 1, 5, 9] {
            let rng = FixedRng::new(1);
            let reading = encrypt(&material, &context, &rng, threads, Broken(after), io::sink());
            let writing = encrypt(&material, &context, &rng, threads, &*text, Broken(after));
            let opening = decrypt(&material, &context, threads, &*whole, Broken(after));
            for result in [reading, writing, opening] {
                assert!(matches!(result, Err(Error::Io(_))), "{threads} threads, after {after}");
            }
        }
    }
}
