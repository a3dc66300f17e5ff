//! Which keys sign tokens, and which still verify them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kernel::{TokenKey, TokenKeys};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::jwt::{self, KeyId, Unverified};

/// How long an access token is good. Nothing that is signed here lives longer.
pub(crate) const ACCESS_LIFE: SignedDuration = SignedDuration::from_mins(5);
/// How far the clocks of two of our machines may be apart.
pub(crate) const SKEW: SignedDuration = SignedDuration::from_secs(30);

/// Signs and verifies under one issuer's name.
pub(crate) struct Signing {
    keys: Arc<dyn TokenKeys>,
    issuer: String,
}

impl Signing {
    pub(crate) fn new(keys: Arc<dyn TokenKeys>, issuer: String) -> Self {
        Self { keys, issuer }
    }

    /// Who says what is signed here.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// A token that says `claims`, signed by the newest key.
    ///
    /// # Errors
    /// When there is no key, or it cannot sign; the text says why.
    pub(crate) fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, String> {
        let newest = self.newest()?;
        let sign = |text: &[u8]| self.keys.sign(&newest, text);
        jwt::write(typ, &KeyId::of(&newest), claims, sign)
    }

    /// The claims of `text`, when one of our keys signed it that may still have tokens out at
    /// `now`.
    pub(crate) fn verify<C: DeserializeOwned>(
        &self,
        text: &str,
        typ: &str,
        now: Timestamp,
    ) -> Option<C> {
        let token = Unverified::read(text, typ)?;
        let keys = self.living(now).ok()?;
        let key = keys.iter().find(|public| KeyId::of(public).as_str() == token.kid())?;
        token.verify(key)
    }

    /// The keys that verify at `now`, for whoever does so without us: the newest, and each older
    /// one until the last token that it can have signed is dead.
    ///
    /// # Errors
    /// When the keys cannot be had; the text says why.
    pub(crate) fn key_set(&self, now: Timestamp) -> Result<String, String> {
        Ok(jwt::key_set(&self.living(now)?))
    }

    /// The public half of the key that signs now.
    ///
    /// # Errors
    /// When there is none; the text says why.
    pub(crate) fn newest(&self) -> Result<[u8; 32], String> {
        let newest = self.keys.keys()?.first().map(|key| key.public);
        newest.ok_or_else(|| "there is no key that signs tokens".to_owned())
    }

    fn living(&self, now: Timestamp) -> Result<Vec<[u8; 32]>, String> {
        let keys = self.keys.keys()?;
        let mut living = Vec::new();
        let mut ended: Option<Timestamp> = None;
        for TokenKey { public, since } in keys {
            if ended.is_none_or(|ended| now.duration_since(ended) < ACCESS_LIFE + SKEW) {
                living.push(public);
            }
            ended = Some(since);
        }
        Ok(living)
    }
}

/// Keys in memory, for tests and for the sandbox of a bite.
pub(crate) mod memory {
    use std::sync::Mutex;

    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use jiff::Timestamp;
    use kernel::{Rng, TokenKey, TokenKeys};
    use zeroize::Zeroizing;

    /// Key pairs that end with the process.
    #[derive(Default)]
    pub(crate) struct MemoryKeys(Mutex<Vec<(TokenKey, Ed25519KeyPair)>>);

    impl MemoryKeys {
        /// From `since` on, a new key signs.
        ///
        /// # Errors
        /// When there is no randomness; the text says so.
        pub(crate) fn rotate(&self, rng: &dyn Rng, since: Timestamp) -> Result<(), String> {
            let mut seed = Zeroizing::new([0; 32]);
            rng.fill(&mut *seed).map_err(|error| error.to_string())?;
            let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|e| e.to_string())?;
            let public = pair.public_key().as_ref().try_into();
            let public = public.map_err(|_| "the key is none of Ed25519")?;
            self.held().insert(0, (TokenKey { public, since }, pair));
            Ok(())
        }

        fn held(&self) -> std::sync::MutexGuard<'_, Vec<(TokenKey, Ed25519KeyPair)>> {
            // A list of keys is whole whoever panicked beside it.
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }

    impl TokenKeys for MemoryKeys {
        fn keys(&self) -> Result<Vec<TokenKey>, String> {
            Ok(self.held().iter().map(|(key, _)| *key).collect())
        }

        fn sign(&self, key: &[u8; 32], text: &[u8]) -> Result<[u8; 64], String> {
            let held = self.held();
            let (_, pair) = held
                .iter()
                .find(|(known, _)| known.public == *key)
                .ok_or("there is no such key")?;
            let signature = pair.try_sign(text).map_err(|e| e.to_string())?;
            signature.as_ref().try_into().map_err(|_| "the signature is none of Ed25519".to_owned())
        }
    }
}
