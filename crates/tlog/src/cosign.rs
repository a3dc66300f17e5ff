//! Cosignatures (C2SP tlog-cosignature, `cosignature/v1`): what a witness says of a checkpoint.
//!
//! A cosignature says that at this time the checkpoint was the largest one of its log that the witness
//! has seen, and that it continues every one that the witness saw before. The time stands in the
//! signature, and is signed with the checkpoint's text.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};

use crate::note::{Named, Signature, pair};
use crate::{Error, Note, Result};

/// The algorithm byte of a witness's Ed25519 key.
const COSIGNATURE_KEY: u8 = 4;
/// The time before a cosignature, in bytes.
const TIME_BYTES: usize = 8;

/// A witness that signs.
pub struct Cosigner {
    witness: WitnessKey,
    pair: Ed25519KeyPair,
}

/// Whose cosignature is checked: a witness's verifier key. It must not be the key of anything else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WitnessKey(Named);

impl Cosigner {
    /// The witness whose Ed25519 key comes from `seed`. Whoever calls wipes the seed.
    ///
    /// # Errors
    /// When a name like this cannot stand in a note.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self> {
        let (pair, key) = pair(seed)?;
        Ok(Self { witness: WitnessKey::new(name, key)?, pair })
    }

    /// Who checks what it signs.
    pub const fn key(&self) -> &WitnessKey {
        &self.witness
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cosigner").field(&self.witness).finish()
    }
}

impl WitnessKey {
    /// The key `key` under `name`.
    ///
    /// # Errors
    /// When a name like this cannot stand in a note.
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self> {
        Named::new(COSIGNATURE_KEY, name, key).map(Self)
    }

    /// Under which name it signs.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(COSIGNATURE_KEY, f)
    }
}

impl FromStr for WitnessKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = "NAME+ID+KEY is expected, with a witness's Ed25519 key";
        Named::parse(COSIGNATURE_KEY, text, wrong).map(Self)
    }
}

impl Note {
    /// The line that says that `by` has seen this at `seconds` since 1970. It is only ever made of a
    /// checkpoint that was found to continue all that `by` has seen before.
    pub fn cosignature(&self, by: &Cosigner, seconds: u32) -> String {
        let seconds = u64::from(seconds);
        let signature = by.pair.sign(said(self.text(), seconds).as_bytes());
        let bytes = [&seconds.to_be_bytes(), signature.as_ref()].concat();
        Signature::of(&by.witness.0, bytes).to_string()
    }

    /// When `by` has seen this, in seconds since 1970.
    ///
    /// # Errors
    /// [`Error::Unsigned`] without a cosignature under its name, [`Error::Forged`] when there is one
    /// that does not fit.
    pub fn seen_by(&self, by: &WitnessKey) -> Result<u64> {
        let bytes = self.signature(&by.0)?;
        let forged = || Error::Forged(by.name().to_owned());
        let (time, signature) = bytes.split_first_chunk::<TIME_BYTES>().ok_or_else(forged)?;
        let seconds = u64::from_be_bytes(*time);
        if i64::try_from(seconds).is_err() {
            return Err(forged());
        }
        UnparsedPublicKey::new(&ED25519, by.0.key)
            .verify(said(self.text(), seconds).as_bytes(), signature)
            .map_err(|_| forged())?;
        Ok(seconds)
    }

    /// The same with the cosignature of `by` out of `lines`, which may hold others: those are left out.
    /// One that it had of `by` goes.
    ///
    /// # Errors
    /// As [`Note::seen_by`], and when `lines` are no signatures.
    pub fn with_cosignature(self, by: &WitnessKey, lines: &str) -> Result<Self> {
        let answered = Self::parse(&format!("{}\n{lines}", self.text()))?;
        answered.seen_by(by)?;
        let bytes = answered.signature(&by.0)?.to_vec();
        Ok(self.replacing(Signature::of(&by.0, bytes)))
    }
}

/// What is signed.
fn said(text: &str, seconds: u64) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}
