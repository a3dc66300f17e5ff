//! The formats in which Amanah encrypts: fields and streams, both AES-256-GCM.
//!
//! It promises that a ciphertext opens only with its key and in the [`Context`] it was made for
//! (in which `keys` writes purpose, tenant, key and object), that no nonce is used twice under one key ([`field`] and [`stream`] say why), that
//! nothing is handed out before it was authenticated, and that both formats are public ones
//! which others can read: XAES-256-GCM for fields, Tink's `AES256_GCM_HKDF_1MB` for streams.
//!
//! It keeps no keys and opens no files; where keys live and who may use them is the business of
//! `keys`. What it reads and writes are readers, writers and open files that it is given, on the
//! caller's thread, and it starts threads only where [`stream::encrypt`] and [`stream::decrypt`]
//! are asked for more than one: those end before the call does.
//!
//! The attacks it stops: reading a stolen ciphertext, changing one, cutting off a stream, and moving
//! one to another tenant, purpose or object.

mod context;
mod error;
pub mod field;
mod material;
pub mod stream;

pub use context::Context;
pub use error::{Error, Result};
pub use material::{MATERIAL_BYTES, Material};
