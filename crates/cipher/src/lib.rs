//! The formats in which Amanah encrypts: fields and streams, both AES-256-GCM.
//!
//! It promises that a ciphertext opens only with its key and in its context (tenant, purpose,
//! object), that no nonce is used twice under one key ([`field`] and [`stream`] say why), that
//! nothing is handed out before it was authenticated, and that both formats are public ones
//! which others can read: XAES-256-GCM for fields, Tink's `AES256_GCM_HKDF_1MB` for streams.
//!
//! It keeps no keys and does no I/O of its own; where keys live and who may use them is the
//! business of `keys`.
//!
//! The attacks it stops: reading a stolen ciphertext, changing one, and moving one to another
//! tenant, purpose or object.

mod context;
mod error;
pub mod field;
mod material;
pub mod stream;

pub use context::Context;
pub use error::{Error, Result};
pub use material::{MATERIAL_BYTES, Material};
