//! Sealed objects: files, uploads and archives of any size, each under a stream key of its own.
//!
//! The stream key lies beside the object in a [`Sidecar`], encrypted by a named key. So rotation
//! rewrites sidecars and never an object, and destroying the named key destroys every object that
//! it was used for, wherever copies of them lie.
//!
//! Everything here blocks: in asynchronous code it belongs on a thread of its own. Only [`sealer`]
//! and [`opener`] do not, which work on pieces as they arrive.

mod place;
mod seals;
mod sidecar;
#[cfg(test)]
pub(crate) mod tests;
mod tree;

use std::io::{Read, Write};

use cipher::Context;
use cipher::stream::{self, Opener, Ranged, ReadAt, Sealer};
use kernel::{Rng, TenantId};

use crate::{Ciphertext, Error, KeyRef, Keys, Result, Sealed};

pub use place::{settle, vacate};
pub use seals::{FILES_KEY, FileSeals};
pub use sidecar::{MAX_OBJECT_BYTES, Sidecar};
pub use tree::{Left, Rewrapped, rewrap_tree};

/// Which object: it opens under this key and this name alone.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    /// The key that protects its stream key.
    pub key: &'a KeyRef,
    /// What its owner calls it: 1 to [`MAX_OBJECT_BYTES`] bytes. Who may put one object in another's
    /// place must not be able to choose it.
    pub name: &'a str,
}

/// Seals what `reader` gives, and writes the stream to `writer`. `threads` as for
/// [`cipher::stream::encrypt`].
///
/// Without the sidecar the object is lost, so write the sidecar before the object gets its name:
/// [`settle`] does both for files.
///
/// # Errors
/// As for [`Keys::stream_key`]; [`Error::Cipher`] when reading or writing fails.
pub fn seal(
    keys: &Keys,
    rng: &dyn Rng,
    object: Object<'_>,
    threads: usize,
    reader: impl Read,
    writer: impl Write,
) -> Result<Sidecar> {
    let sidecar = Sidecar::check(object)?;
    let (material, sealed) = keys.stream_key(object.key, object.name.as_bytes())?;
    stream::encrypt(&material, &context(object), rng, threads, reader, writer)?;
    Ok(sidecar.with(&sealed))
}

/// Opens the stream that `reader` gives, and writes its text to `writer`. Returns the text's
/// length in bytes. What was written before an error is to be thrown away.
///
/// # Errors
/// [`Error::Shredded`] when its key was destroyed, [`Error::Refused`] when the sidecar is another
/// object's, [`Error::Cipher`] when the stream is, was changed or was cut off; else as for
/// [`Keys::open_stream_key`].
pub fn open(
    keys: &Keys,
    object: Object<'_>,
    sidecar: &Sidecar,
    threads: usize,
    reader: impl Read,
    writer: impl Write,
) -> Result<u64> {
    let material = sidecar.material(keys, object)?;
    Ok(stream::decrypt(&material, &context(object), threads, reader, writer)?)
}

/// Opens the stream in `source` for reading parts of it.
///
/// # Errors
/// As for [`open`].
pub fn open_range<S: ReadAt>(
    keys: &Keys,
    object: Object<'_>,
    sidecar: &Sidecar,
    source: S,
) -> Result<Ranged<S>> {
    let material = sidecar.material(keys, object)?;
    Ok(Ranged::new(source, &material, &context(object))?)
}

/// Begins to seal an object whose bytes arrive in pieces.
///
/// # Errors
/// As for [`Keys::stream_key`].
pub fn sealer(keys: &Keys, rng: &dyn Rng, object: Object<'_>) -> Result<(Sealer, Sidecar)> {
    let sidecar = Sidecar::check(object)?;
    let (material, wrapped) = keys.stream_key(object.key, object.name.as_bytes())?;
    Ok((Sealer::new(&material, &context(object), rng)?, sidecar.with(&wrapped)))
}

/// Begins to open an object whose bytes arrive in pieces.
///
/// # Errors
/// As for [`open`].
pub fn opener(keys: &Keys, object: Object<'_>, sidecar: &Sidecar) -> Result<Opener> {
    let material = sidecar.material(keys, object)?;
    Ok(Opener::new(&material, &context(object)))
}

/// What an object's stream is sealed for.
fn context(object: Object<'_>) -> Context {
    Context::of("amanah/stream/1")
        .maybe(object.key.tenant.as_ref().map(TenantId::as_str))
        .with(object.key.name.as_str())
        .with(object.name)
}
