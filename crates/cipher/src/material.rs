//! The bytes of a key.

use std::fmt;

use aws_lc_rs::hkdf;
use kernel::{Rng, RngError};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{Error, Result};

/// The size of every key of ours, in bytes.
pub const MATERIAL_BYTES: usize = 32;

/// 256 bits of key: wiped when dropped, never shown, not serialisable.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Material([u8; MATERIAL_BYTES]);

impl Material {
    /// Takes ownership of `bytes`.
    pub const fn new(bytes: [u8; MATERIAL_BYTES]) -> Self {
        Self(bytes)
    }

    /// A fresh one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate(rng: &dyn Rng) -> std::result::Result<Self, RngError> {
        let mut fresh = Self([0; MATERIAL_BYTES]);
        rng.fill(&mut fresh.0)?;
        Ok(fresh)
    }

    /// The bytes themselves. The name is meant to stand out in a review.
    pub const fn expose(&self) -> &[u8; MATERIAL_BYTES] {
        &self.0
    }

    /// Another key, for `label` alone: HKDF-SHA256 without salt. Whoever has it learns nothing of
    /// this one, nor of one derived for another label.
    ///
    /// # Errors
    /// Never for labels of fewer than 64 KiB.
    pub fn derive(&self, label: &[u8]) -> Result<Self> {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&self.0);
        let mut derived = Self([0; MATERIAL_BYTES]);
        let info = [label];
        let okm = prk.expand(&info, hkdf::HKDF_SHA256);
        okm.and_then(|okm| okm.fill(&mut derived.0))
            .map_err(|_| Error::Malformed("the label is too long"))?;
        Ok(derived)
    }
}

impl TryFrom<&[u8]> for Material {
    type Error = Error;
    fn try_from(bytes: &[u8]) -> Result<Self> {
        let bytes = bytes.try_into().map_err(|_| Error::Malformed("a key has 32 bytes"))?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Material(…)")
    }
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;

    use super::Material;

    #[test]
    fn it_is_not_shown() {
        let material = Material::generate(&SystemRng).unwrap();
        assert_eq!(format!("{material:?}"), "Material(…)");
    }

    #[test]
    fn what_is_derived_depends_on_key_and_label() {
        let (one, two) = (Material::new([1; 32]), Material::new([2; 32]));
        let a = one.derive(b"a").unwrap();
        assert_eq!(a.expose(), one.derive(b"a").unwrap().expose());
        assert_ne!(a.expose(), one.derive(b"b").unwrap().expose());
        assert_ne!(a.expose(), two.derive(b"a").unwrap().expose());
    }
}
