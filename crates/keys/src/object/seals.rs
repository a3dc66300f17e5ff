//! Objects of tenants, sealed for a store that knows nothing of keys.

use std::io;
use std::sync::Arc;

use cipher::stream::{Ranged, ReadAt, Sealer, ciphertext_len};
use kernel::{
    FileFault, Fut, Opened, Rng, Sealable, SealedSource, Sealer as Seal, Sealing, Seals, TenantId,
};

use super::{Object, Sidecar, open_range, sealer};
use crate::{Ciphertext, Error, KeyName, KeyRef, Keys, Kind, Purpose, Sealed, Spec};

type Result<T, E = Error> = std::result::Result<T, E>;

/// The key under which tenants' files are sealed: each tenant's own key of this name, so that they
/// go when its keys are destroyed. The house's is only what those are made like.
pub const FILES_KEY: &str = "amanah.files";

/// Who uses the keys, for those who list keys.
const USER: &str = "files of tenants";

/// Seals each object under a key of its own, which the tenant's key encrypts. It refuses
/// applications' keys: no client's token opens a file beside the store.
#[derive(Clone)]
pub struct FileSeals {
    keys: Keys,
    rng: Arc<dyn Rng>,
}

impl FileSeals {
    /// Over the ring; `rng` is for the streams.
    pub const fn new(keys: Keys, rng: Arc<dyn Rng>) -> Self {
        Self { keys, rng }
    }

    /// The tenant's key, made where it is missing.
    async fn key(&self, tenant: &TenantId) -> Result<KeyRef> {
        let key = named(Some(tenant))?;
        if self.keys.card(&key).is_err() {
            let house = named(None)?;
            let spec = Spec { kind: Kind::Aes256Gcm, purpose: Purpose::Files, needs_context: true };
            if matches!(self.keys.card(&house), Err(Error::Unknown(_))) {
                match self.keys.create(&house, &spec).await {
                    // Another process was faster.
                    Ok(_) | Err(Error::Exists(_)) => {}
                    Err(other) => return Err(other),
                }
            }
            self.keys.registers(USER, &house);
            self.keys.ensure(&key).await?;
        }
        self.keys.registers(USER, &key);
        Ok(key)
    }

    async fn begin(&self, what: Sealable<'_>) -> Result<Sealing> {
        let key = self.key(what.tenant).await?;
        let object = Object { key: &key, name: what.object };
        let (sealer, sidecar) = sealer(&self.keys, &*self.rng, object)?;
        Ok(Sealing { sealer: Box::new(Pieces(sealer)), key: sidecar.ciphertext()?.text() })
    }

    fn whole(
        &self,
        what: Sealable<'_>,
        sealed: &str,
        source: Box<dyn SealedSource>,
    ) -> Result<Box<dyn Opened>> {
        let key = named(Some(what.tenant))?;
        let object = Object { key: &key, name: what.object };
        let sidecar = Sidecar::new(object, &Ciphertext::parse(sealed)?)?;
        let ranged = open_range(&self.keys, object, &sidecar, Source(source))?;
        Ok(Box::new(Open(ranged)))
    }

    fn fresh(&self, what: Sealable<'_>, sealed: &str) -> Result<Option<String>> {
        let key = named(Some(what.tenant))?;
        let ciphertext = Ciphertext::parse(sealed)?;
        let newest = self.keys.card(&key)?.versions.last().map(|version| version.version);
        if newest == Some(ciphertext.version) {
            return Ok(None);
        }
        let sealed = Sealed { ciphertext: &ciphertext, context: what.object.as_bytes() };
        Ok(Some(self.keys.rewrap_stream_key(&key, sealed)?.text()))
    }

    fn opens(&self, what: Sealable<'_>, sealed: &str) -> Result<()> {
        let ciphertext = Ciphertext::parse(sealed)?;
        let sealed = Sealed { ciphertext: &ciphertext, context: what.object.as_bytes() };
        self.keys.open_stream_key(&named(Some(what.tenant))?, sealed).map(|_| ())
    }
}

impl Seals for FileSeals {
    fn seal<'a>(&'a self, what: Sealable<'a>) -> Fut<'a, Result<Sealing, FileFault>> {
        Box::pin(async move { self.begin(what).await.map_err(fault) })
    }

    fn open(
        &self,
        what: Sealable<'_>,
        key: &str,
        source: Box<dyn SealedSource>,
    ) -> Result<Box<dyn Opened>, FileFault> {
        self.whole(what, key, source).map_err(fault)
    }

    fn holds(&self, what: Sealable<'_>, key: &str) -> Result<(), FileFault> {
        self.opens(what, key).map_err(fault)
    }

    fn renew(&self, what: Sealable<'_>, key: &str) -> Result<Option<String>, FileFault> {
        self.fresh(what, key).map_err(fault)
    }

    fn sealed_bytes(&self, bytes: u64) -> Result<u64, FileFault> {
        ciphertext_len(bytes).map_err(|error| fault(error.into()))
    }
}

struct Pieces(Sealer);

impl Seal for Pieces {
    fn push(&mut self, text: &mut &[u8]) -> Result<Option<Vec<u8>>, FileFault> {
        let piece = self.0.push(text).map_err(|error| fault(error.into()))?;
        Ok(piece.map(<[u8]>::to_vec))
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, FileFault> {
        self.0.finish().map_err(|error| fault(error.into()))
    }
}

struct Source(Box<dyn SealedSource>);

impl ReadAt for Source {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buf)
    }
}

struct Open(Ranged<Source>);

impl Opened for Open {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, FileFault> {
        self.0.read(offset, buf).map_err(|error| fault(error.into()))
    }
}

fn named(tenant: Option<&TenantId>) -> Result<KeyRef> {
    Ok(KeyRef { tenant: tenant.cloned(), name: KeyName::new(FILES_KEY)? })
}

fn fault(error: Error) -> FileFault {
    match error {
        Error::Shredded { .. } => FileFault::Shredded,
        Error::Cipher(cipher::Error::TooLarge(most)) => FileFault::TooLarge(most),
        Error::Cipher(cipher::Error::Io(error)) if error.kind() != io::ErrorKind::NotFound => {
            FileFault::Unavailable(error.to_string())
        }
        Error::Cipher(cipher::Error::Random(error)) => FileFault::Unavailable(error.to_string()),
        // A tenant that has no key has sealed nothing, so this is another's.
        Error::Unknown(_) | Error::Refused | Error::Malformed(_) | Error::Cipher(_) => {
            FileFault::Damaged
        }
        other => FileFault::Unavailable(other.to_string()),
    }
}
