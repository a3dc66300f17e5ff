//! A tenant's place on Redis: what its keys and channels begin with.
//!
//! It is derived from the tenant's name under a secret of the installation, so that a tenant of a
//! shared database has one too, and nobody who reads it learns whose it is.

use hmac::{Hmac, KeyInit, Mac};
use kernel::{Secret, TenantId, hex};
use sha2::Sha256;

/// What every place begins with, and every login.
const PREFIX: &str = "amr_";
/// Bytes of the MAC that make a place.
const PLACE_BYTES: usize = 16;
/// Characters of a lease's own part of a login.
const LEASE_CHARS: usize = 8;

/// A place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place(String);

/// What all places of an installation begin with.
pub(super) fn family(installation: &str) -> String {
    format!("{PREFIX}{installation}_")
}

impl Place {
    /// The place of `tenant`.
    pub(super) fn of(tenant: &TenantId, installation: &str, key: &Secret) -> Option<Self> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).ok()?;
        mac.update(b"amanah redis place\0");
        mac.update(tenant.as_str().as_bytes());
        let tag = mac.finalize().into_bytes();
        let name = hex(tag.get(..PLACE_BYTES)?);
        Some(Self(format!("{}{name}", family(installation))))
    }

    /// The place that a login belongs to, when it has the form of one.
    pub(super) fn of_login(login: &str) -> Option<Self> {
        let (place, own) = login.rsplit_once('_')?;
        let digits = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let (family, name) = place.rsplit_once('_')?;
        let whole = own.len() == LEASE_CHARS
            && name.len() == PLACE_BYTES * 2
            && family.starts_with(PREFIX)
            && digits(own)
            && digits(name);
        whole.then(|| Self(place.to_owned()))
    }

    /// As the registry has it.
    pub(super) const fn known(name: String) -> Self {
        Self(name)
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// What its keys and channels begin with.
    pub(super) fn prefix(&self) -> String {
        format!("{}:", self.0)
    }
}

#[cfg(test)]
mod tests {
    use kernel::{Secret, TenantId};

    use super::Place;

    #[test]
    fn a_place_is_always_the_same_and_tells_nothing() {
        let key = |text: &str| Secret::new(text.to_owned());
        let of = |tenant: &str, secret: &str| {
            let tenant = TenantId::new(tenant).unwrap();
            Place::of(&tenant, "0123abcd", &key(secret)).unwrap()
        };
        let place = of("Toko *[a]* Jaya", "k");
        assert_eq!(place, of("Toko *[a]* Jaya", "k"));
        assert_ne!(place, of("toko *[a]* jaya", "k"));
        assert_ne!(place, of("Toko *[a]* Jaya", "another key"));
        let name = place.name();
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "no glob: {name}");
        assert_eq!(Place::of_login(&format!("{name}_01234567")), Some(place.clone()));
        for other in ["default", "amanah", name, &format!("{name}_0123456"), "amr_x_y_z"] {
            assert_eq!(Place::of_login(other), None, "{other}");
        }
    }
}
