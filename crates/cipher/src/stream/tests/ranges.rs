//! Parts of a stream.

use std::cell::Cell;
use std::io::{self, Write as _};

use proptest::prelude::{ProptestConfig, proptest};

use super::{FIRST, NEXT, context, material, sealed, text};
use crate::Error;
use crate::stream::{Ranged, ReadAt, SEGMENT};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A range of the stream is that range of the text, also where it ends behind its end.
    #[test]
    fn a_range_is_that_of_the_text(
        size in 0usize..3 << 20,
        reads in proptest::collection::vec((0u64..4 << 20, 0usize..2 << 20), 1..6),
    ) {
        let text = text(size);
        let whole = sealed(&text);
        let mut ranged = Ranged::new(&*whole, &material(), &context()).unwrap();
        assert_eq!(ranged.size(), size as u64);
        for (offset, length) in reads {
            let begin = usize::try_from(offset).unwrap().min(size);
            let expected = &text[begin..(begin + length).min(size)];
            let mut buf = vec![0; length];
            let count = ranged.read(offset, &mut buf).unwrap();
            assert!(&buf[..count] == expected, "{offset}, {length} of {size}");
            let mut copied = Vec::new();
            let count = ranged.copy(offset..offset + length as u64, &mut copied).unwrap();
            assert!(copied == expected && count == copied.len() as u64);
        }
        assert_eq!(ranged.read(u64::MAX, &mut [0; 9]).unwrap(), 0);
    }
}

/// Every border between segments, from both sides.
#[test]
fn borders() {
    let text = text(FIRST + 2 * NEXT);
    let whole = sealed(&text);
    let mut ranged = Ranged::new(&*whole, &material(), &context()).unwrap();
    for border in [0, FIRST, FIRST + NEXT, FIRST + 2 * NEXT] {
        for begin in border.saturating_sub(2)..(border + 2).min(text.len()) {
            for end in begin..(border + 3).min(text.len()) {
                let mut buf = vec![0; end - begin];
                assert_eq!(ranged.read(begin as u64, &mut buf).unwrap(), end - begin);
                assert!(buf == text[begin..end], "{begin}..{end}");
            }
        }
    }
}

#[test]
fn a_file_can_be_read_in_parts() {
    let text = text(2 << 20);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&sealed(&text)).unwrap();
    let mut ranged = Ranged::new(file, &material(), &context()).unwrap();
    let mut buf = [0; 100];
    assert_eq!(ranged.read(FIRST as u64 - 50, &mut buf).unwrap(), 100);
    assert!(buf == text[FIRST - 50..FIRST + 50]);
}

/// A changed segment spoils what lies in it, and nothing else.
#[test]
fn only_touched_segments_are_opened() {
    let text = text(3 << 20);
    let mut bad = sealed(&text);
    bad[SEGMENT + 77] ^= 1;
    let mut ranged = Ranged::new(&*bad, &material(), &context()).unwrap();
    let mut buf = [0; 64];
    assert_eq!(ranged.read(5, &mut buf).unwrap(), 64);
    assert!(buf == text[5..69]);
    let inside = FIRST as u64 + 5;
    assert!(matches!(ranged.read(inside, &mut buf), Err(Error::Refused)));
    assert!(matches!(ranged.read(FIRST as u64 - 1, &mut buf), Err(Error::Refused)));
    let third = FIRST + NEXT;
    assert_eq!(ranged.read(third as u64, &mut buf).unwrap(), 64);
    assert!(buf == text[third..third + 64]);
}

/// The source becomes shorter while it is read: that is an error, never a shorter text.
#[test]
fn a_source_that_shrinks() {
    struct Shrinking<'a>(&'a [u8], &'a Cell<usize>);
    impl ReadAt for Shrinking<'_> {
        fn size(&self) -> io::Result<u64> {
            Ok(self.1.get() as u64)
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
            (&self.0[..self.1.get()]).read_at(offset, buf)
        }
    }
    let text = text(3 << 20);
    let whole = sealed(&text);
    let size = Cell::new(whole.len());
    let mut ranged = Ranged::new(Shrinking(&whole, &size), &material(), &context()).unwrap();
    for shorter in [2 * SEGMENT, SEGMENT + 9, 9, 0] {
        size.set(shorter);
        let mut buf = vec![0; text.len()];
        let result = ranged.read(0, &mut buf);
        assert!(matches!(result, Err(Error::Truncated)), "{shorter}: {result:?}");
    }
}
