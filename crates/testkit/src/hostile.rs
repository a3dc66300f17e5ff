//! Hostile bytes without a fuzzer: real samples, and what becomes of them when they are damaged.
//!
//! The fuzzer's targets in `fuzz/` call the same readers. So that it need not find the formats by
//! itself, the samples are left for it in `fuzz/corpus`.

use std::fs;
use std::path::Path;

/// Places at which a sample is cut and changed; longer ones are tried at so many of theirs.
const PLACES: usize = 400;
/// What a byte is replaced with.
const BYTES: [u8; 6] = [0, 1, b'0', b'"', b'{', 0xff];

/// Reads every sample, which must be taken, and then thousands of damaged ones, which may be taken
/// or refused: whatever `read` asserts must hold for them. `target` is the fuzzer's name for it.
pub fn try_damaged(target: &str, samples: &[Vec<u8>], read: impl Fn(&[u8]) -> bool) {
    leave(target, samples);
    for (number, sample) in samples.iter().enumerate() {
        assert!(read(sample), "{target}: sample {number} is not read");
        let other = samples.get(number + 1).or_else(|| samples.first()).unwrap_or(sample);
        let step = sample.len().div_ceil(PLACES).max(1);
        for place in (0..sample.len()).step_by(step) {
            let (before, after) = sample.split_at(place);
            read(before);
            read(after);
            read(&[before, other.get(place..).unwrap_or_default()].concat());
            read(&[before, before, after].concat());
            let Some((first, rest)) = after.split_first() else { continue };
            read(&[before, rest].concat());
            for byte in BYTES.into_iter().chain([first ^ 0x80, first.wrapping_add(1)]) {
                read(&[before, &[byte], rest].concat());
            }
        }
    }
}

/// As [`try_damaged`], for readers that give back what they read as it is written: read again, that
/// is the same.
pub fn try_damaged_again(
    target: &str,
    samples: &[Vec<u8>],
    read: impl Fn(&[u8]) -> Option<Vec<u8>>,
) {
    try_damaged(target, samples, |bytes| {
        let Some(written) = read(bytes) else { return false };
        assert!(read(&written).as_ref() == Some(&written), "{target}: it is not read as written");
        true
    });
}

/// Where the checkout cannot be written to, the fuzzer goes without them.
fn leave(target: &str, samples: &[Vec<u8>]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    if fs::create_dir_all(&folder).is_ok() {
        for (number, sample) in samples.iter().enumerate() {
            let _ = fs::write(folder.join(format!("sample-{number}")), sample);
        }
    }
}
