//! Fields: XAES-256-GCM as C2SP specifies it, that is AES-256-GCM under a key of its own for each
//! message.
//!
//! Why no nonce is used twice: a message draws 192 random bits. The first 96 choose its key, by
//! the CMAC of NIST SP 800-108 over them, and the last 96 are the nonce under it. Two messages
//! under one [`Material`] share key and nonce only when all 192 bits agree; after 2^64 messages
//! that has a chance of 2^-65. AES-GCM with random nonces alone must stop after 2^32 messages.
//!
//! Layout: nonce (24 bytes), ciphertext (as long as the text), tag (16 bytes).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, UnboundCipherKey};
use kernel::Rng;
use zeroize::Zeroizing;

use crate::{Context, Error, Material, Result};

/// The random part of a message, in bytes.
const NONCE_BYTES: usize = 24;
/// Half of it chooses the key, half is AES-GCM's nonce.
const HALF: usize = 12;
/// The authentication tag, in bytes.
const TAG_BYTES: usize = 16;
/// AES works on blocks of so many bytes.
const BLOCK: usize = 16;
/// What a sealed field is longer than its text, in bytes.
pub const OVERHEAD: usize = NONCE_BYTES + TAG_BYTES;
/// The longest field, in bytes. Longer things are streams.
pub const MAX_FIELD_BYTES: usize = 64 << 20;

/// A key made ready for fields.
pub struct FieldKey {
    block: EncryptingKey,
    /// The subkey K1 of CMAC.
    subkey: [u8; BLOCK],
}

impl FieldKey {
    /// Makes `material` ready: one block of AES and the key's schedule.
    ///
    /// # Errors
    /// Never for 32 bytes of key.
    pub fn new(material: &Material) -> Result<Self> {
        let unbound = UnboundCipherKey::new(&AES_256, material.expose()).map_err(|_| KEY)?;
        let block = EncryptingKey::ecb(unbound).map_err(|_| KEY)?;
        let mut zero = [0; BLOCK];
        block.encrypt(&mut zero).map_err(|_| KEY)?;
        let (value, carry) = (u128::from_be_bytes(zero), zero.first().is_some_and(|b| b >> 7 == 1));
        // Doubling in GF(2^128), with the polynomial of CMAC.
        let subkey = ((value << 1) ^ (u128::from(carry) * 0x87)).to_be_bytes();
        Ok(Self { block, subkey })
    }

    /// Seals `text` for `context`.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above [`MAX_FIELD_BYTES`], [`Error::Random`] without randomness.
    pub fn seal(&self, context: &Context, text: &[u8], rng: &dyn Rng) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill(&mut nonce)?;
        self.seal_with(&nonce, context.as_bytes(), text)
    }

    /// Opens what [`FieldKey::seal`] gave for the same `context`.
    ///
    /// # Errors
    /// [`Error::Refused`] when anything differs.
    pub fn open(&self, context: &Context, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.open_with(context.as_bytes(), sealed)
    }

    fn seal_with(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], text: &[u8]) -> Result<Vec<u8>> {
        if text.len() > MAX_FIELD_BYTES {
            return Err(Error::TooLarge(MAX_FIELD_BYTES as u64));
        }
        let (key, inner) = self.message_key(nonce)?;
        let mut sealed = Vec::with_capacity(text.len() + OVERHEAD);
        sealed.extend_from_slice(nonce);
        sealed.extend_from_slice(text);
        let body = sealed.get_mut(NONCE_BYTES..).unwrap_or_default();
        let tag = key.seal_in_place_separate_tag(inner, Aad::from(aad), body);
        sealed.extend_from_slice(tag.map_err(|_| KEY)?.as_ref());
        Ok(sealed)
    }

    fn open_with(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SHORT)?;
        if body.len() < TAG_BYTES {
            return Err(SHORT);
        }
        let (key, inner) = self.message_key(nonce)?;
        let mut opened = Zeroizing::new(body.to_vec());
        let length = key
            .open_in_place(inner, Aad::from(aad), &mut opened)
            .map_err(|_| Error::Refused)?
            .len();
        opened.truncate(length);
        Ok(opened)
    }

    /// The message's own AES-GCM key and nonce.
    fn message_key(&self, nonce: &[u8; NONCE_BYTES]) -> Result<(LessSafeKey, Nonce)> {
        let (chooses, inner) = nonce.split_first_chunk::<HALF>().ok_or(SHORT)?;
        let mut derived = Zeroizing::new([0; BLOCK * 2]);
        for (half, counter) in derived.chunks_exact_mut(BLOCK).zip([1, 2]) {
            // SP 800-108 in counter mode: counter, label "X", separator, context.
            let block = [0, counter, b'X', 0].into_iter().chain(*chooses);
            for ((to, from), subkey) in half.iter_mut().zip(block).zip(self.subkey) {
                *to = from ^ subkey;
            }
        }
        // Both blocks at once: ECB treats each by itself.
        self.block.encrypt(derived.as_mut_slice()).map_err(|_| KEY)?;
        let unbound = UnboundKey::new(&AES_256_GCM, derived.as_slice()).map_err(|_| KEY)?;
        let inner = Nonce::try_assume_unique_for_key(inner).map_err(|_| SHORT)?;
        Ok((LessSafeKey::new(unbound), inner))
    }
}

const KEY: Error = Error::Malformed("the key cannot be used");
const SHORT: Error = Error::Malformed("it is shorter than an empty field");

#[cfg(test)]
mod tests {
    use kernel::{SystemRng, hex};
    use proptest::prelude::{any, proptest};

    use super::{FieldKey, OVERHEAD};
    use crate::{Context, Error, Material};

    fn key(byte: u8) -> FieldKey {
        FieldKey::new(&Material::new([byte; 32])).unwrap()
    }

    /// The two examples of C2SP's specification, one for each value of the carry.
    #[test]
    fn it_is_xaes_256_gcm() {
        let nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX";
        let sealed = key(1).seal_with(nonce, b"", b"XAES-256-GCM").unwrap();
        assert_eq!(hex(&sealed[24..]), "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271");
        let sealed = key(3).seal_with(nonce, b"c2sp.org/XAES-256-GCM", b"XAES-256-GCM").unwrap();
        assert_eq!(hex(&sealed[24..]), "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d");
    }

    #[test]
    fn only_its_key_and_context_open_it() {
        let context = Context::of("test").with("a");
        let sealed = key(1).seal(&context, b"secret", &SystemRng).unwrap();
        assert_eq!(sealed.len(), 6 + OVERHEAD);
        assert_eq!(key(1).open(&context, &sealed).unwrap().as_slice(), b"secret");
        let refused = |result: crate::Result<_>| matches!(result, Err(Error::Refused));
        assert!(refused(key(2).open(&context, &sealed)));
        assert!(refused(key(1).open(&Context::of("test").with("b"), &sealed)));
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(refused(key(1).open(&context, &changed)), "byte {place}");
        }
    }

    proptest! {
        /// Whatever comes in is refused, without a panic.
        #[test]
        fn hostile_bytes_are_refused(bytes: Vec<u8>) {
            assert!(key(1).open(&Context::of("test"), &bytes).is_err());
        }

        #[test]
        fn every_text_comes_back(text in any::<Vec<u8>>(), part: Vec<u8>) {
            let context = Context::of("test").with(part);
            let sealed = key(1).seal(&context, &text, &SystemRng).unwrap();
            assert_eq!(*key(1).open(&context, &sealed).unwrap(), text);
        }
    }
}
