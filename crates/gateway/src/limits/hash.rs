//! SipHash-1-3: turns a key of a limit into 64 bits that nobody can aim at without the secret.

use kernel::Rng;

use crate::GatewayError;

/// Two secret words, drawn once for each process.
#[derive(Clone, Copy)]
pub(crate) struct HashKey(pub(super) [u64; 2]);

impl HashKey {
    /// A new one.
    ///
    /// # Errors
    /// When there is no randomness: then somebody could choose keys that meet.
    pub(crate) fn draw(rng: &dyn Rng) -> Result<Self, GatewayError> {
        let mut bytes = [0; 16];
        rng.fill(&mut bytes).map_err(|error| GatewayError::Random(error.to_string()))?;
        let (low, high) = bytes.split_at(8);
        let word = |half: &[u8]| half.first_chunk().map_or(0, |half| u64::from_le_bytes(*half));
        Ok(Self([word(low), word(high)]))
    }
}

/// The SipHash-1-3 of `bytes`.
pub(super) fn hash(key: HashKey, bytes: &[u8]) -> u64 {
    let HashKey([k0, k1]) = key;
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        absorb(&mut v, u64::from_le_bytes(*word));
    }
    // The last word holds what is left, and the length in its highest byte.
    let mut last = (bytes.len() as u64) << 56;
    for (at, byte) in rest.iter().enumerate() {
        last |= u64::from(*byte) << (8 * at);
    }
    absorb(&mut v, last);
    let [v0, v1, v2, v3] = v;
    let mut v = [v0, v1, v2 ^ 0xff, v3];
    for _ in 0..3 {
        v = round(v);
    }
    let [v0, v1, v2, v3] = v;
    v0 ^ v1 ^ v2 ^ v3
}

const fn absorb(v: &mut [u64; 4], word: u64) {
    let [v0, v1, v2, v3] = *v;
    let [v0, v1, v2, v3] = round([v0, v1, v2, v3 ^ word]);
    *v = [v0 ^ word, v1, v2, v3];
}

const fn round([v0, v1, v2, v3]: [u64; 4]) -> [u64; 4] {
    let v0 = v0.wrapping_add(v1);
    let v1 = v1.rotate_left(13) ^ v0;
    let v0 = v0.rotate_left(32);
    let v2 = v2.wrapping_add(v3);
    let v3 = v3.rotate_left(16) ^ v2;
    let v0 = v0.wrapping_add(v3);
    let v3 = v3.rotate_left(21) ^ v0;
    let v2 = v2.wrapping_add(v1);
    let v1 = v1.rotate_left(17) ^ v2;
    [v0, v1, v2.rotate_left(32), v3]
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hasher as _};

    use super::{HashKey, hash};

    /// It is the function that Rust's own tables use, which begin with the key of zeros.
    #[test]
    fn it_is_the_known_function() {
        for length in 0..70_u8 {
            let bytes: Vec<u8> = (0..length).collect();
            let mut theirs = DefaultHasher::new();
            theirs.write(&bytes);
            assert_eq!(hash(HashKey([0, 0]), &bytes), theirs.finish(), "{length} bytes");
        }
        assert_ne!(hash(HashKey([1, 0]), b"a"), hash(HashKey([0, 0]), b"a"));
    }
}
