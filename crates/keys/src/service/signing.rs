//! HMACs and signatures.

use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, KeyPair as _, UnparsedPublicKey};

use super::Keys;
use crate::document::Key;
use crate::metrics::Use;
use crate::state::{KeyState, State};
use crate::wrapping::Ready;
use crate::{Error, KeyRef, Kind, Result, Tag};

impl Keys {
    /// HMAC-SHA256 of each text, under `version` or the newest.
    ///
    /// # Errors
    /// When there is no such key or version.
    pub fn hmac(&self, key: &KeyRef, version: Option<u32>, texts: &[&[u8]]) -> Result<Vec<Tag>> {
        let state = self.state();
        let done = || {
            let (keys, found) = state.key(key)?;
            let ready = self.version((keys, found), version)?;
            let hmac = ready.hmac().ok_or(UNFIT)?;
            let tag = |text: &&[u8]| Tag {
                version: ready.version,
                bytes: hmac::sign(hmac, text).as_ref().to_vec(),
            };
            Ok(texts.iter().map(tag).collect())
        };
        self.count(Use::Hmac, texts.len(), done())
    }

    /// Whether each tag is the HMAC of its text, in constant time. A tag of a version that is not
    /// there, or may no longer be used, is not.
    ///
    /// # Errors
    /// When there is no such key.
    pub fn verify_hmac(&self, key: &KeyRef, items: &[(&[u8], &Tag)]) -> Result<Vec<bool>> {
        let state = self.state();
        let done = || {
            let keys = state.key(key)?;
            let verify = |(text, tag): &(&[u8], &Tag)| {
                let Some(ready) = usable(keys, tag.version) else { return false };
                ready.hmac().is_some_and(|hmac| hmac::verify(hmac, text, &tag.bytes).is_ok())
            };
            Ok(items.iter().map(verify).collect())
        };
        self.count(Use::Verify, items.len(), done())
    }

    /// Signs each text, under `version` or the newest.
    ///
    /// # Errors
    /// When there is no such key or version, or it is of another kind.
    pub fn sign(&self, key: &KeyRef, version: Option<u32>, texts: &[&[u8]]) -> Result<Vec<Tag>> {
        let state = self.state();
        let done = || {
            let ready = self.version(signing(&state, key)?, version)?;
            let signer = ready.signer().ok_or(UNFIT)?;
            let sign = |text: &&[u8]| {
                let signature = signer.try_sign(text).map_err(|_| UNFIT)?;
                Ok(Tag { version: ready.version, bytes: signature.as_ref().to_vec() })
            };
            texts.iter().map(sign).collect()
        };
        self.count(Use::Sign, texts.len(), done())
    }

    /// Whether each signature is its text's. One of a version that is not there, or may no longer
    /// be used, is not.
    ///
    /// # Errors
    /// When there is no such key, or it is of another kind.
    pub fn verify(&self, key: &KeyRef, items: &[(&[u8], &Tag)]) -> Result<Vec<bool>> {
        let state = self.state();
        let done = || {
            let keys = signing(&state, key)?;
            let verify = |(text, tag): &(&[u8], &Tag)| {
                let Some(ready) = usable(keys, tag.version) else { return false };
                let public = ready.signer().map(|signer| signer.public_key().as_ref().to_vec());
                public.is_some_and(|public| {
                    UnparsedPublicKey::new(&ED25519, public).verify(text, &tag.bytes).is_ok()
                })
            };
            Ok(items.iter().map(verify).collect())
        };
        self.count(Use::Verify, items.len(), done())
    }

    /// The public keys of a signing key, by version: 32 bytes of Ed25519 each.
    ///
    /// # Errors
    /// When there is no such key, or it is of another kind.
    pub fn public_keys(&self, key: &KeyRef) -> Result<Vec<(u32, [u8; 32])>> {
        let state = self.state();
        let (keys, _) = signing(&state, key)?;
        let public = |ready: &Arc<Ready>| {
            let public = ready.signer().ok_or(UNFIT)?.public_key().as_ref().try_into();
            Ok((ready.version, public.map_err(|_| UNFIT)?))
        };
        keys.open().map(public).collect()
    }

    /// The version to work with: the newest, or the one that was asked for.
    fn version<'a>(
        &self,
        (keys, key): (&'a KeyState, &Key),
        version: Option<u32>,
    ) -> Result<&'a Arc<Ready>> {
        let Some(version) = version else { return keys.newest().ok_or_else(|| self.closed()) };
        let oldest = key.min_decryption;
        match keys.version(version) {
            Some(slot) if version >= oldest => slot.ready.as_ref().ok_or_else(|| self.closed()),
            _ => Err(Error::Version { key: Box::new(key.key()), version, oldest }),
        }
    }
}

/// Whether `signature` is Ed25519's of `text`: for whoever has a public key and no ring.
pub fn verify_signature(public_key: &[u8; 32], text: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key).verify(text, signature).is_ok()
}

/// A key that signs.
fn signing<'a>(state: &'a State, key: &KeyRef) -> Result<(&'a KeyState, &'a Key)> {
    match state.key(key)? {
        (_, found) if found.kind != Kind::Ed25519 => Err(Error::Kind(Box::new(key.clone()))),
        found => Ok(found),
    }
}

fn usable<'a>((keys, key): (&'a KeyState, &Key), version: u32) -> Option<&'a Arc<Ready>> {
    keys.version(version).filter(|_| version >= key.min_decryption)?.ready.as_ref()
}

/// Cannot happen: 32 bytes are a key of either kind.
const UNFIT: Error = Error::Malformed("the key cannot be used");
