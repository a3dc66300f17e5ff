//! Seals that do not seal, or seal for everybody. They are toys: what matters is what they tell
//! apart, and what not.

use kernel::{FileFault, Fut, Opened, Sealable, SealedSource, Sealer, Sealing, Seals};
use sha2::{Digest as _, Sha256};

/// What is wrong with a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes stay as they are.
    Clear,
    /// They cannot be read, and can be changed unnoticed.
    Loose,
    /// What one tenant's key has sealed, every tenant's opens.
    OneKey,
    /// What a tenant's key has sealed, it opens as any of its objects.
    OneObject,
}

/// What makes bytes unreadable, and nothing else.
const MASK: u8 = 0x5a;
/// How long what tells changes is, in bytes.
const TAG_BYTES: u64 = 32;

/// Seals with a fault.
pub(super) struct Careless(pub(super) Fault);

impl Careless {
    const fn mask(&self) -> u8 {
        if matches!(self.0, Fault::Clear) { 0 } else { MASK }
    }

    /// What changes are told by, begun with what an object is sealed for; `None` where none are.
    fn tag(&self, what: Sealable<'_>) -> Option<Sha256> {
        match self.0 {
            Fault::Clear | Fault::Loose => None,
            Fault::OneKey => Some(Sha256::new()),
            Fault::OneObject => Some(Sha256::new_with_prefix(what.tenant.as_str())),
        }
    }
}

impl Seals for Careless {
    fn seal<'a>(&'a self, what: Sealable<'a>) -> Fut<'a, Result<Sealing, FileFault>> {
        Box::pin(async move {
            let sealer = Box::new(Masking { mask: self.mask(), tag: self.tag(what) });
            Ok(Sealing { sealer, key: String::from("none") })
        })
    }

    fn open(
        &self,
        what: Sealable<'_>,
        _: &str,
        source: Box<dyn SealedSource>,
    ) -> Result<Box<dyn Opened>, FileFault> {
        let size = source.size().map_err(|_| FileFault::Damaged)?;
        let mut bytes = vec![0; usize::try_from(size).map_err(|_| FileFault::Damaged)?];
        let read = source.read_at(0, &mut bytes).map_err(|_| FileFault::Damaged)?;
        bytes.truncate(read);
        if let Some(mut tag) = self.tag(what) {
            let end = bytes.len().saturating_sub(usize::try_from(TAG_BYTES).unwrap_or(0));
            let told = bytes.split_off(end);
            tag.update(&bytes);
            if told != tag.finalize().as_slice() {
                return Err(FileFault::Damaged);
            }
        }
        for byte in &mut bytes {
            *byte ^= self.mask();
        }
        Ok(Box::new(Unmasked(bytes)))
    }

    fn holds(&self, _: Sealable<'_>, _: &str) -> Result<(), FileFault> {
        Ok(())
    }

    fn renew(&self, _: Sealable<'_>, _: &str) -> Result<Option<String>, FileFault> {
        Ok(None)
    }

    fn sealed_bytes(&self, bytes: u64) -> Result<u64, FileFault> {
        let tagged = matches!(self.0, Fault::OneKey | Fault::OneObject);
        Ok(bytes.saturating_add(if tagged { TAG_BYTES } else { 0 }))
    }
}

struct Masking {
    mask: u8,
    tag: Option<Sha256>,
}

impl Sealer for Masking {
    fn push(&mut self, text: &mut &[u8]) -> Result<Option<Vec<u8>>, FileFault> {
        if text.is_empty() {
            return Ok(None);
        }
        let masked: Vec<u8> = text.iter().map(|byte| byte ^ self.mask).collect();
        if let Some(tag) = &mut self.tag {
            tag.update(&masked);
        }
        *text = &[];
        Ok(Some(masked))
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, FileFault> {
        Ok(self.tag.map(|tag| tag.finalize().to_vec()).unwrap_or_default())
    }
}

struct Unmasked(Vec<u8>);

impl Opened for Unmasked {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, FileFault> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let rest = self.0.get(from..).unwrap_or_default();
        let count = rest.len().min(buf.len());
        for (to, byte) in buf.iter_mut().zip(rest) {
            *to = *byte;
        }
        Ok(count)
    }
}
