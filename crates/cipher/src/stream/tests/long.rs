//! Streams that are longer than 32 bits can count, and longer than any test could write down.

use std::io;

use kernel::FixedRng;

use super::{FIRST, HEADER, NEXT, SEGMENT, context, material};
use crate::Error;
use crate::stream::{
    MAX_SEGMENTS, MAX_TEXT, Ranged, ReadAt, Slot, StreamKey, TAG, ciphertext_len, plaintext_len,
};

/// The text of a segment is its number, again and again.
fn text_at(number: u64, bytes: usize) -> Vec<u8> {
    number.to_be_bytes().into_iter().cycle().take(bytes).collect()
}

/// A stream that is nowhere: its header is kept, and each segment is sealed when it is read.
struct Synthetic {
    key: StreamKey,
    header: [u8; HEADER],
    text: u64,
    /// How much is missing from its end, in bytes.
    cut: u64,
    /// Segments that are answered with another one's bytes.
    swapped: [u64; 2],
}

impl Synthetic {
    fn new(text: u64) -> Self {
        let (key, header) = StreamKey::draw(&material(), &context(), &FixedRng::new(7)).unwrap();
        Self { key, header, text, cut: 0, swapped: [0, 0] }
    }

    fn last(&self) -> u64 {
        (ciphertext_len(self.text).unwrap() - 1) / SEGMENT as u64
    }

    /// Segment `number` as it lies in the stream.
    fn segment(&self, number: u64) -> Vec<u8> {
        let before = if number == 0 { 0 } else { FIRST as u64 + (number - 1) * NEXT as u64 };
        let room = if number == 0 { FIRST } else { NEXT };
        let rest = usize::try_from(self.text - before).unwrap_or(usize::MAX);
        let mut bytes = if number == 0 { self.header.to_vec() } else { Vec::new() };
        bytes.extend(text_at(number, rest.min(room)));
        let mut slot = Slot::holding(&bytes);
        self.key.seal(&mut slot, number, number == self.last()).unwrap();
        slot.bytes().to_vec()
    }
}

impl ReadAt for Synthetic {
    fn size(&self) -> io::Result<u64> {
        Ok(ciphertext_len(self.text).unwrap() - self.cut)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let number = match offset / SEGMENT as u64 {
            number if number == self.swapped[0] => self.swapped[1],
            number => number,
        };
        let bytes = self.segment(number);
        let within = usize::try_from(offset % SEGMENT as u64).unwrap();
        let rest = bytes.get(within..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// What stands at `offset` of the text.
fn expected(offset: u64) -> u8 {
    let place = offset + HEADER as u64;
    let number = place / NEXT as u64;
    let within = place % NEXT as u64 - if number == 0 { HEADER as u64 } else { 0 };
    number.to_be_bytes()[usize::try_from(within % 8).unwrap()]
}

/// Reads the same bytes at each of `offsets`, one at a time and across what lies there.
fn reads(ranged: &mut Ranged<Synthetic>, offsets: &[u64]) {
    let size = ranged.size();
    for &offset in offsets {
        let mut buf = [0xee; 64];
        let count = ranged.read(offset, &mut buf).unwrap();
        assert_eq!(count as u64, (size.saturating_sub(offset)).min(64), "at {offset}");
        for (place, byte) in buf.iter().take(count).enumerate() {
            assert_eq!(*byte, expected(offset + place as u64), "at {offset} + {place}");
        }
        let mut copied = Vec::new();
        let count = ranged.copy(offset..offset.saturating_add(9), &mut copied).unwrap();
        assert_eq!(count, (size.saturating_sub(offset)).min(9), "at {offset}");
        assert!(copied == buf[..copied.len()], "at {offset}");
    }
}

const HUNDRED_GB: u64 = 100_000_000_000;

#[test]
fn a_hundred_gigabytes_open_anywhere() {
    let mut ranged = Ranged::new(Synthetic::new(HUNDRED_GB), &material(), &context()).unwrap();
    assert_eq!(ranged.size(), HUNDRED_GB);
    let border = FIRST as u64 + 95_000 * NEXT as u64;
    let around_32_bits = (1 << 32) - 1..=(1 << 32) + 1;
    let mut offsets = vec![0, 1, FIRST as u64 - 1, border - 1, border, HUNDRED_GB - 64];
    offsets.extend([(1 << 31) - 1, 1 << 31, HUNDRED_GB - 1, HUNDRED_GB, u64::MAX - 8]);
    offsets.extend(around_32_bits);
    reads(&mut ranged, &offsets);
}

/// Offsets in the stream pass 2⁵¹ there, and numbers of segments 2³¹.
#[test]
fn the_longest_stream_opens_anywhere() {
    let mut ranged = Ranged::new(Synthetic::new(MAX_TEXT), &material(), &context()).unwrap();
    assert_eq!(ranged.size(), MAX_TEXT);
    let half = FIRST as u64 + ((1 << 31) - 1) * NEXT as u64;
    reads(&mut ranged, &[0, half - 1, half, MAX_TEXT - NEXT as u64 - 1, MAX_TEXT - 1, MAX_TEXT]);
}

/// What is wrong far behind is as wrong as at the beginning.
#[test]
fn a_hundred_gigabytes_that_were_spoilt() {
    for cut in [1, TAG as u64, SEGMENT as u64, 40 * SEGMENT as u64, HUNDRED_GB / 2, 1 << 32] {
        let source = Synthetic { cut, ..Synthetic::new(HUNDRED_GB) };
        let error = Ranged::new(source, &material(), &context()).err();
        assert!(matches!(error, Some(Error::Truncated)), "cut by {cut}: {error:?}");
    }
    // 2¹⁶ segments apart, so that the lower half of the number is the same.
    let (here, other) = (70_000_u64, 70_000 - (1 << 16));
    let source = Synthetic { swapped: [here, other], ..Synthetic::new(HUNDRED_GB) };
    let mut ranged = Ranged::new(source, &material(), &context()).unwrap();
    let inside = here * NEXT as u64;
    assert!(matches!(ranged.read(inside, &mut [0; 9]), Err(Error::Refused)));
    assert_eq!(ranged.read(inside + NEXT as u64, &mut [0; 9]).unwrap(), 9);
}

/// Every length near a power of two and near a border, there and back.
#[test]
fn lengths_beyond_32_bits() {
    let segment = SEGMENT as u64;
    assert_eq!(ciphertext_len(HUNDRED_GB).unwrap(), 100_001_525_944);
    for shift in 31..52 {
        let borders = ((1_u64 << shift) / NEXT as u64) * NEXT as u64 - HEADER as u64;
        for text in [1_u64 << shift, borders].into_iter().flat_map(|at| at - 20..at + 20) {
            let sealed = ciphertext_len(text).unwrap();
            assert_eq!(plaintext_len(sealed).unwrap(), text, "{text}");
            let segments = sealed.div_ceil(segment);
            assert_eq!(sealed, text + HEADER as u64 + segments * TAG as u64, "{text}");
        }
    }
    assert_eq!(ciphertext_len(MAX_TEXT).unwrap(), MAX_SEGMENTS * segment);
}
