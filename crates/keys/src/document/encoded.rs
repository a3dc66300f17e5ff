//! Bytes as the ring writes them: ids in hexadecimal, everything wrapped in base64.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{Rng, RngError, hex, unhex};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The length of an id, in bytes.
pub(crate) const ID_BYTES: usize = 8;
/// The longest wrapped key, in bytes. One of ours is 72 bytes.
const MAX_BLOB_BYTES: usize = 1024;

/// What a version of a key is known by: random, and unique in the ring.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(pub(crate) [u8; ID_BYTES]);

impl Id {
    /// A fresh one.
    pub(crate) fn generate(rng: &dyn Rng) -> Result<Self, RngError> {
        let mut id = [0; ID_BYTES];
        rng.fill(&mut id)?;
        Ok(Self(id))
    }

    /// 16 hexadecimal digits.
    pub(crate) fn text(self) -> String {
        hex(&self.0)
    }

    /// Reads them.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        unhex(text)?.try_into().ok().map(Self)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        Self::parse(text).ok_or_else(|| D::Error::custom("an id has 16 hexadecimal digits"))
    }
}

/// Wrapped bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Blob(pub(crate) Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        if text.len() > MAX_BLOB_BYTES * 4 / 3 {
            return Err(D::Error::custom("a wrapped key is too long"));
        }
        let bytes = STANDARD.decode(text).map_err(|_| D::Error::custom("this is no base64"))?;
        Ok(Self(bytes))
    }
}
