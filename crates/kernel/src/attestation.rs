//! What a person vouches for: evidence that no machine can give.

use jiff::Timestamp;

use crate::Fut;

/// That somebody vouches for something, on the ground of a document, until a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// The claim that it is evidence for.
    pub claim: String,
    /// What of the claim it is about: a month of a trail, a person, a contract.
    pub subject: String,
    /// What is vouched for, in a sentence.
    pub statement: String,
    /// The SHA-256 of the document.
    pub digest: [u8; 32],
    /// Where the document is kept.
    pub document: String,
    /// Who vouches: its owner.
    pub by: String,
    /// When, to the second.
    pub at: Timestamp,
    /// Until when it counts, to the second.
    pub until: Timestamp,
}

/// An attestation as it is kept, and whether it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// Its number.
    pub id: i64,
    /// What is kept.
    pub attestation: Attestation,
    /// Why it does not count: it is not what was signed. Anybody who gets at the table can put a row
    /// there.
    pub wrong: Option<String>,
}

/// Keeps attestations, signed with a key outside of every database. Implemented by `claims`, used by
/// the rooms whose claims need a person's word.
pub trait Attestations: Send + Sync {
    /// What is kept about `claim`, the oldest first, whether it counts or not.
    ///
    /// # Errors
    /// When it cannot be read; the text says why.
    fn about<'a>(&'a self, claim: &'a str) -> Fut<'a, Result<Vec<Vouched>, String>>;

    /// Signs it and keeps it for ever. Its number.
    ///
    /// # Errors
    /// When it cannot be signed or kept, or a text of it is empty, too long or has control characters;
    /// the text says why. Nothing was kept then.
    fn attest<'a>(&'a self, one: &'a Attestation) -> Fut<'a, Result<i64, String>>;

    /// What [`Attestations::about`] would say if these were signed and kept, with a key that is gone
    /// afterwards, and then somebody put the `forged` ones into the table with the signature of another.
    /// Nothing of it stays. What is really kept about the claim is not signed by that key.
    ///
    /// # Errors
    /// As [`Attestations::attest`].
    fn rehearse<'a>(
        &'a self,
        claim: &'a str,
        signed: &'a [Attestation],
        forged: &'a [Attestation],
    ) -> Fut<'a, Result<Vec<Vouched>, String>>;
}
