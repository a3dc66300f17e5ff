//! The binding token: who is bound to which tenant, until when, for reading or for writing.
//!
//! `amb1.KID.HEX(TENANT).HEX(ACTOR).EXPIRY.SCOPE.HEX(MAC)`, where EXPIRY is in seconds since 1970,
//! SCOPE is `ro` or `rw`, and MAC is HMAC-SHA256 over the lines `amanah.binding.1`, the database's
//! name and everything before the MAC. `amanah.open_token` in `sql/0002_portable.sql` reads the
//! same layout; a property test holds the two together. Nothing here does I/O, so that a native
//! extension can share it.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use kernel::{Actor, Rng, RngError, Scope, Secret, TenantId, hex};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The longest that a token is good for, in seconds.
pub(crate) const MAX_LIFE_SECONDS: i64 = 60;
/// A key's length, in bytes.
const KEY_BYTES: usize = 32;
/// The block of SHA-256, in bytes: how long the pads of HMAC are.
const PAD_BYTES: usize = 64;
/// The longest key name, in bytes.
const MAX_KID_BYTES: usize = 32;
/// Keeps the MACs of tokens apart from any other use of the same key.
const DOMAIN: &str = "amanah.binding.1";
/// The same for the marks of canary rows.
const MARK_DOMAIN: &str = "amanah.canary.1";

/// A key that makes bindings. Wiped when it is dropped, never shown.
#[derive(Clone)]
pub struct BindingKey {
    kid: String,
    secret: Zeroizing<[u8; KEY_BYTES]>,
    /// What the marks of canary rows are made with: the first key's secret. The rows stay when the
    /// key is rotated, and so must their marks.
    marker: Zeroizing<[u8; KEY_BYTES]>,
}

/// A key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Its name is not fit for a token.
    #[error("a binding key's name has 1 to 32 of the characters a-z, 0-9 and -")]
    Name,
    /// It has another length.
    #[error("a binding key has 32 bytes, this one has {0}")]
    Length(usize),
}

/// What a token says.
#[derive(Debug, Clone, Copy)]
pub struct Claims<'a> {
    /// The tenant whose rows are seen.
    pub tenant: &'a TenantId,
    /// Whoever acts.
    pub actor: &'a Actor,
    /// For reading or for writing.
    pub scope: Scope,
    /// The database that the token is good in.
    pub database: &'a str,
}

impl BindingKey {
    /// A key called `kid` with the 32 bytes `secret`.
    ///
    /// # Errors
    /// When the name or the length does not fit.
    pub fn new(kid: &str, secret: &[u8]) -> Result<Self, KeyError> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if kid.is_empty() || kid.len() > MAX_KID_BYTES || !kid.chars().all(fits) {
            return Err(KeyError::Name);
        }
        let secret = Zeroizing::new(bytes(secret)?);
        Ok(Self { kid: kid.to_owned(), marker: secret.clone(), secret })
    }

    /// A new key.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate(rng: &dyn Rng) -> Result<Self, RngError> {
        let kid = kernel::random_hex(rng, 4)?;
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        rng.fill(secret.as_mut())?;
        Ok(Self { kid, marker: secret.clone(), secret })
    }

    /// A new key to follow this one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn successor(&self, rng: &dyn Rng) -> Result<Self, RngError> {
        Ok(Self { marker: self.marker.clone(), ..Self::generate(rng)? })
    }

    /// The same key with the marker that [`BindingKey::expose_marker`] gave.
    ///
    /// # Errors
    /// When the length does not fit.
    pub fn marked(self, marker: &[u8]) -> Result<Self, KeyError> {
        Ok(Self { marker: Zeroizing::new(bytes(marker)?), ..self })
    }

    /// Its name, which is no secret.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its 32 bytes, for whoever keeps it. The name is meant to stand out in a review.
    pub fn expose(&self) -> &[u8] {
        self.secret.as_ref()
    }

    /// What the marks of canary rows are made with, 32 bytes, for whoever keeps the key.
    pub fn expose_marker(&self) -> &[u8] {
        self.marker.as_ref()
    }

    /// A token for `claims`, good from now for a minute at most; the part of a second is cut off,
    /// so it is good for a little less.
    pub fn mint(&self, claims: &Claims<'_>, now: Timestamp) -> Secret {
        self.mint_until(claims, now.as_second().saturating_add(MAX_LIFE_SECONDS))
    }

    /// A token with any expiry, in seconds since 1970. The battery of attacks needs expired ones;
    /// nobody outside this crate can make one that lives longer than [`MAX_LIFE_SECONDS`].
    pub(crate) fn mint_until(&self, claims: &Claims<'_>, expiry: i64) -> Secret {
        let (tenant, actor) = (claims.tenant.as_str(), claims.actor.as_str());
        let token = format!(
            "amb1.{}.{}.{}.{expiry}.{}",
            self.kid,
            hex(tenant.as_bytes()),
            hex(actor.as_bytes()),
            claims.scope.as_str()
        );
        let mac = mac(&self.secret, &[DOMAIN, claims.database, &token]);
        Secret::new(format!("{token}.{}", hex(&mac)))
    }

    /// The text that recognises a canary's rows in this installation, 23 characters.
    pub(crate) fn mark(&self, tenant: &TenantId) -> String {
        let mac = mac(&self.marker, &[MARK_DOMAIN, tenant.as_str()]);
        format!("amanah-{}", hex(mac.get(..8).unwrap_or_default()))
    }

    /// The two pads of HMAC: what the database keeps of the key, and as secret as the key.
    pub(crate) fn pads(&self) -> (Zeroizing<Vec<u8>>, Zeroizing<Vec<u8>>) {
        let pad = |with: u8| {
            let key = self.secret.iter().copied();
            let padded = key.chain(std::iter::repeat(0)).take(PAD_BYTES);
            Zeroizing::new(padded.map(|byte| byte ^ with).collect())
        };
        (pad(0x36), pad(0x5c))
    }
}

fn bytes(secret: &[u8]) -> Result<[u8; KEY_BYTES], KeyError> {
    secret.try_into().map_err(|_| KeyError::Length(secret.len()))
}

/// HMAC-SHA256 over `lines`, with a line feed between them. The last line alone may be of
/// another's choosing: none of the others can hold a line feed, or it has a fixed form.
fn mac(key: &[u8; KEY_BYTES], lines: &[&str]) -> [u8; 32] {
    // HMAC takes a key of any length, so this fallback is never taken; it fails closed, since the
    // database would compute another MAC.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    for (n, line) in lines.iter().enumerate() {
        if n > 0 {
            mac.update(b"\n");
        }
        mac.update(line.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

impl std::fmt::Debug for BindingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BindingKey({})", self.kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked_and_not_shown() {
        assert_eq!(BindingKey::new("K", &[0; 32]).unwrap_err(), KeyError::Name);
        assert_eq!(BindingKey::new("k", &[0; 31]).unwrap_err(), KeyError::Length(31));
        let key = BindingKey::new("k-1", &[7; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "BindingKey(k-1)");
    }

    /// A rotation changes every token and no mark.
    #[test]
    fn a_successor_keeps_the_marks() {
        let first = BindingKey::new("k-1", &[7; 32]).unwrap();
        let second = first.successor(&kernel::SystemRng).unwrap();
        let tenant = TenantId::new("41").unwrap();
        assert_ne!((first.kid(), first.expose()), (second.kid(), second.expose()));
        assert_eq!(first.mark(&tenant), second.mark(&tenant));
        let kept = BindingKey::new(second.kid(), second.expose()).unwrap();
        assert_ne!(kept.mark(&tenant), first.mark(&tenant));
        let kept = kept.marked(second.expose_marker()).unwrap();
        assert_eq!(kept.mark(&tenant), first.mark(&tenant));
    }

    /// The layout is a contract with the SQL, with other languages' clients and with the extension
    /// to come: a change of any byte of it has to be seen.
    #[test]
    fn the_layout_is_fixed() {
        let key = BindingKey::new("k1", &[7; 32]).unwrap();
        let claims = Claims {
            tenant: &TenantId::new("41").unwrap(),
            actor: &Actor::new("é").unwrap(),
            scope: Scope::ReadOnly,
            database: "shop",
        };
        let token = key.mint(&claims, Timestamp::from_second(1_000).unwrap());
        insta::assert_snapshot!(token.expose());
    }
}
