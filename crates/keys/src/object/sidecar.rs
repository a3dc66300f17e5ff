//! What lies beside a sealed object: its stream key, encrypted.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use cipher::Material;
use kernel::{Rng, TenantId};
use serde::{Deserialize, Serialize};

use super::{Ciphertext, Error, KeyRef, Keys, Object, Result, Sealed};
use crate::KeyName;
use crate::whole::Unfinished;

/// What a sidecar's name has more than its object's.
pub(super) const SIDECAR_SUFFIX: &str = ".key";
/// The longest name of an object, in bytes.
pub const MAX_OBJECT_BYTES: usize = 1024;
/// The largest sidecar, in bytes.
pub(super) const MAX_SIDECAR_BYTES: u64 = 16 * 1024;

/// The only format there is.
const FORMAT: u32 = 1;

/// An object's stream key, encrypted, and which object it belongs to. It is no secret: who has the
/// object and this, but not the named key, has nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    format: u32,
    key: KeyName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    object: String,
    stream_key: String,
}

impl Sidecar {
    /// The sidecar of `object` with its stream key's ciphertext, for whoever keeps these apart.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the object's name is empty or too long.
    pub fn new(object: Object<'_>, stream_key: &Ciphertext) -> Result<Self> {
        Ok(Self::check(object)?.with(stream_key))
    }

    /// Reads a sidecar's text.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is none.
    pub fn parse(text: &[u8]) -> Result<Self> {
        if text.len() as u64 > MAX_SIDECAR_BYTES {
            return Err(Error::Malformed("a sidecar is not so large"));
        }
        let parsed = serde_json::from_slice::<Self>(text);
        let sidecar = parsed.map_err(|_| Error::Malformed("this is no sidecar of an object"))?;
        if sidecar.format != FORMAT {
            return Err(Error::Malformed("this sidecar is of a format that is not known here"));
        }
        check_name(&sidecar.object)?;
        sidecar.ciphertext()?;
        Ok(sidecar)
    }

    /// Its text: a readable JSON document.
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Where the sidecar of the object at `path` lies.
    pub fn beside(path: &Path) -> PathBuf {
        with_suffix(path, SIDECAR_SUFFIX)
    }

    /// Reads the sidecar of the object at `path`.
    ///
    /// # Errors
    /// [`Error::Sidecar`] when it is not there, cannot be read or is none.
    pub fn read(path: &Path) -> Result<Self> {
        Self::load(&Self::beside(path))
    }

    /// Writes it beside the object at `path`, whole and lasting, in place of the one before if
    /// there is one, whose owner and mode it takes over.
    ///
    /// # Errors
    /// [`Error::Sidecar`]; the one before is as it was then.
    pub fn write(&self, path: &Path, rng: &dyn Rng) -> Result<()> {
        self.store(&Self::beside(path), rng)
    }

    /// Which key protects the object.
    pub fn key(&self) -> KeyRef {
        KeyRef { tenant: self.tenant.clone(), name: self.key.clone() }
    }

    /// What the object's owner calls it.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// The object's stream key, encrypted.
    ///
    /// # Errors
    /// Never for one that was parsed or made here.
    pub fn ciphertext(&self) -> Result<Ciphertext> {
        Ciphertext::parse(&self.stream_key)
    }

    /// The same with its stream key encrypted under the newest version of the named key. The
    /// object stays as it is.
    ///
    /// # Errors
    /// [`Error::Shredded`], or as for [`Keys::rewrap_stream_key`].
    pub fn rewrap(&self, keys: &Keys) -> Result<Self> {
        let ciphertext = self.ciphertext()?;
        let sealed = Sealed { ciphertext: &ciphertext, context: self.object.as_bytes() };
        let fresh = keys.rewrap_stream_key(&self.key(), sealed)?;
        Ok(self.clone().with(&fresh))
    }

    /// One without a stream key yet.
    pub(super) fn check(object: Object<'_>) -> Result<Self> {
        check_name(object.name)?;
        let KeyRef { tenant, name } = object.key.clone();
        let (object, stream_key) = (object.name.to_owned(), String::new());
        Ok(Self { format: FORMAT, key: name, tenant, object, stream_key })
    }

    pub(super) fn with(self, stream_key: &Ciphertext) -> Self {
        Self { stream_key: stream_key.text(), ..self }
    }

    /// The stream key of `object`. The sidecar lies beside the object, where others may write, so
    /// what it says of itself is not believed.
    pub(super) fn material(&self, keys: &Keys, object: Object<'_>) -> Result<Material> {
        if self.object != object.name || self.key() != *object.key {
            return Err(Error::Refused);
        }
        let ciphertext = self.ciphertext()?;
        let sealed = Sealed { ciphertext: &ciphertext, context: object.name.as_bytes() };
        keys.open_stream_key(object.key, sealed)
    }

    /// Reads the sidecar at `place` itself.
    pub(super) fn load(place: &Path) -> Result<Self> {
        let read = || {
            let mut text = Vec::new();
            // One byte more shows that it is too large.
            File::open(place)?.take(MAX_SIDECAR_BYTES + 1).read_to_end(&mut text)?;
            Ok(text)
        };
        let text = read().map_err(|e: io::Error| failed(place, &e))?;
        Self::parse(&text).map_err(|e| failed(place, &e))
    }

    /// Writes it to `place` itself.
    pub(super) fn store(&self, place: &Path, rng: &dyn Rng) -> Result<()> {
        let write = || {
            let fresh = self.unfinished(place, rng)?;
            fresh.take_after_target()?;
            fresh.replace()
        };
        write().map_err(|error| failed(place, &error))
    }

    /// Writes it beside the object at `path` where there is none. `false` when there is one.
    pub(super) fn create(&self, path: &Path, rng: &dyn Rng) -> Result<bool> {
        let place = Self::beside(path);
        let written = self.unfinished(&place, rng).and_then(Unfinished::create);
        written.map_err(|error| failed(&place, &error))
    }

    fn unfinished(&self, place: &Path, rng: &dyn Rng) -> io::Result<Unfinished> {
        let fresh = Unfinished::begin(place, rng)?;
        fresh.file().write_all(self.text().as_bytes())?;
        Ok(fresh)
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn failed(place: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::Sidecar { place: place.display().to_string(), why: why.to_string() }
}

const fn check_name(name: &str) -> Result<()> {
    match name.len() {
        1..=MAX_OBJECT_BYTES => Ok(()),
        _ => Err(Error::Malformed("an object's name has 1 to 1024 bytes")),
    }
}
