//! A transparency log's forms: the Merkle tree of RFC 6962, the tiles, checkpoints, notes and proofs
//! of C2SP. Nothing here reads a clock, a disk or a network.
//!
//! It promises that what it verifies is what the formats say, bit for bit, so that other programs of
//! the field read what Amanah writes: a checked inclusion means that the entry stands at that place
//! under that root, a checked consistency that the older tree is the beginning of the newer, and an
//! opened note that the holder of a named key signed exactly this text.
//!
//! The attack it stops: an entry that was changed, taken out, moved or put in later, shown with a
//! proof that belongs to another tree, another place, or another log.
//!
//! It does not say that a log shows everybody the same tree: that takes a witness who keeps its
//! checkpoints, and whose cosignature can be checked here. Nor does it say that an entry is true.

mod bundle;
mod checkpoint;
mod cosign;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod hash;
mod head;
mod note;
mod proof;
mod proof_file;
mod submission;
#[cfg(test)]
mod tests;
mod tile;
mod tree;

pub use bundle::{MAX_ENTRY, open_bundle, put_entry};
pub use checkpoint::Checkpoint;
pub use cosign::{Cosigner, WitnessKey};
pub use error::{Error, Result};
pub use hash::{HASH_BYTES, Hash};
pub use head::{Head, TIME};
pub use note::{Note, Opened, Signer, Verifier};
pub use proof::{consistency, inclusion, verify_consistency, verify_inclusion};
pub use proof_file::{MAX_PROOF_BYTES, ProofFile};
pub use submission::{MAX_SUBMISSION, Submission};
pub use tile::{HEIGHT, Tile, WIDTH, bundle_path, hashes_at, tiles};
pub use tree::{Edge, Node, nodes_of};
