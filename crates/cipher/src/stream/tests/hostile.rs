//! Everything that is not a whole stream in its place is refused, and no byte of it is given out.

use proptest::prelude::{ProptestConfig, any, proptest};

use super::{FIRST, NEXT, context, material, open_all_ways, sealed, text};
use crate::stream::{HEADER, SEGMENT, Sealer};
use crate::{Context, Error, Material};

/// Opens `bad` in each way: the same error in all of them, and what was given before it is a true
/// beginning of `text`.
fn refused(what: &str, bad: &[u8], text: &[u8], expected: fn(&Error) -> bool) {
    for (way, given, ended) in open_all_ways(&material(), &context(), bad) {
        let error = ended.expect_err(what);
        assert!(expected(&error), "{what}, {way}: {error:?}");
        assert!(text.starts_with(&given), "{what}, {way}: {} false bytes", given.len());
    }
}

const fn is_refused(error: &Error) -> bool {
    matches!(error, Error::Refused)
}

const fn is_truncated(error: &Error) -> bool {
    matches!(error, Error::Truncated)
}

#[test]
fn a_stream_that_was_cut_off() {
    let text = text(3 << 20);
    let whole = sealed(&text);
    // From the second segment on it is known that key and context were right.
    let places = [0, 1, HEADER - 1, HEADER, HEADER + 15, SEGMENT, SEGMENT + 1, SEGMENT + 16]
        .into_iter()
        .chain([SEGMENT + 17, 2 * SEGMENT - 1, 2 * SEGMENT, 2 * SEGMENT + 1, whole.len() - 1]);
    for place in places {
        refused(&format!("cut at {place}"), &whole[..place], &text, is_truncated);
    }
    // Before that, a cut cannot be told from another change.
    for place in [HEADER + 16, HEADER + 17, SEGMENT / 2, SEGMENT - 1] {
        refused(&format!("cut at {place}"), &whole[..place], &text, is_refused);
    }
}

#[test]
fn a_stream_whose_segments_were_moved() {
    let text = text(4 * SEGMENT);
    let whole = sealed(&text);
    let segment =
        |number: usize| &whole[number * SEGMENT..((number + 1) * SEGMENT).min(whole.len())];
    let glue =
        |order: &[usize]| order.iter().flat_map(|&n| segment(n)).copied().collect::<Vec<_>>();
    assert!(glue(&[0, 1, 2, 3, 4]) == whole);
    refused("swapped", &glue(&[0, 2, 1, 3, 4]), &text, is_refused);
    // Who begins at the end sees that the end is not at its number.
    let either = |error: &Error| is_refused(error) || is_truncated(error);
    refused("repeated", &glue(&[0, 1, 1, 2, 3, 4]), &text, either);
    refused("left out", &glue(&[0, 2, 3, 4]), &text, either);
    refused("twice over", &glue(&[0, 1, 2, 3, 4, 0, 1, 2, 3, 4]), &text, either);
    refused("without the one before the end", &glue(&[0, 1, 2, 4]), &text, is_truncated);
    refused("without a beginning", &glue(&[1, 2, 3, 4]), &text, |e| {
        matches!(e, Error::Malformed(_) | Error::Refused)
    });
}

#[test]
fn bytes_behind_the_end() {
    for size in [0, 1, FIRST, FIRST + NEXT, FIRST + NEXT + 5] {
        let text = text(size);
        for more in [1, 16, SEGMENT, SEGMENT + 1] {
            let bad = [sealed(&text), vec![0; more]].concat();
            let what = format!("{more} bytes behind {size}");
            refused(&what, &bad, &text, |e| is_refused(e) || is_truncated(e));
        }
    }
}

/// Segments of another stream under the same key and context: that stream has another salt.
#[test]
fn a_stream_with_parts_of_another() {
    let text = text(3 << 20);
    let whole = sealed(&text);
    let mut other = Vec::new();
    let mut sealer = Sealer::new(&material(), &context(), &kernel::FixedRng::new(8)).unwrap();
    let mut rest = &*text;
    while let Some(segment) = sealer.push(&mut rest).unwrap() {
        other.extend_from_slice(segment);
    }
    other.extend(sealer.finish().unwrap());
    for number in 0..3 {
        let mut bad = whole.clone();
        let place = number * SEGMENT..(number + 1) * SEGMENT;
        bad[place.clone()].copy_from_slice(&other[place]);
        refused(&format!("segment {number} of another"), &bad, &text, |e| {
            is_refused(e) || is_truncated(e)
        });
    }
    let bad = [&other[..HEADER], &whole[HEADER..]].concat();
    refused("the header of another", &bad, &text, is_refused);
}

#[test]
fn another_key_or_context() {
    for size in [0, 9, FIRST, 2 << 20] {
        let whole = sealed(&text(size));
        let other_key = (Material::new([9; 32]), context());
        let other_context = (material(), Context::of("amanah/stream/1").with("another tenant"));
        for (material, context) in [other_key, other_context] {
            for (way, given, ended) in open_all_ways(&material, &context, &whole) {
                assert!(matches!(ended, Err(Error::Refused)), "{size}, {way}: {ended:?}");
                assert!(given.is_empty(), "{size}, {way}");
            }
        }
    }
}

/// One changed bit, anywhere that matters.
#[test]
fn a_changed_byte() {
    let text = text(2 << 20);
    let whole = sealed(&text);
    let second = [SEGMENT, 2 * SEGMENT - 17, 2 * SEGMENT - 1, 2 * SEGMENT, whole.len() - 1];
    for place in [1, HEADER - 1, HEADER, SEGMENT - 17, SEGMENT - 1].into_iter().chain(second) {
        let mut bad = whole.clone();
        bad[place] ^= 0x40;
        refused(&format!("changed at {place}"), &bad, &text, |e| is_refused(e) || is_truncated(e));
    }
    let mut bad = whole;
    bad[0] ^= 0x40;
    refused("another length of header", &bad, &text, |e| matches!(e, Error::Malformed(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Bytes from nowhere: an error, never a panic, never a text.
    #[test]
    fn hostile_bytes(mut bytes in proptest::collection::vec(any::<u8>(), 0..4096), as_header: bool) {
        if let (true, Some(first)) = (as_header, bytes.first_mut()) {
            *first = 40;
        }
        refused("hostile", &bytes, &[], |_| true);
    }

    /// A stream that was cut, spliced or changed at places nobody chose.
    #[test]
    fn hostile_changes(size in 0..SEGMENT + 99, at: usize, change in 1u8.., drop in 0usize..40) {
        let text = text(size);
        let mut bad = sealed(&text);
        let place = at % bad.len();
        bad[place] ^= change;
        bad.drain(place..(place + drop).min(bad.len()));
        refused("changed", &bad, &text, |_| true);
    }
}
