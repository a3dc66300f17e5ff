//! Encrypting and opening.

use std::sync::Arc;

use cipher::Material;
use zeroize::Zeroizing;

use super::Keys;
use crate::document::Key;
use crate::metrics::Use;
use crate::state::{KeyState, State};
use crate::wrapping::{Layer, Ready};
use crate::{Ciphertext, Error, KeyRef, Kind, Plain, Result, Sealed};

/// The longest data key, in bytes.
pub const MAX_DATAKEY_BYTES: usize = 64;

impl Keys {
    /// Encrypts a batch under the newest version.
    ///
    /// # Errors
    /// For the batch as a whole: when there is no such key, it is of another kind, or it needs a
    /// context and one item has none.
    pub fn encrypt(&self, key: &KeyRef, texts: &[Plain<'_>]) -> Result<Vec<Ciphertext>> {
        let state = self.state();
        let done = || {
            let (found, ready) = self.newest(&state, key)?;
            let seal = |plain: &Plain<'_>| {
                self.seal(found, ready, Layer::Field, plain.context, plain.text)
            };
            texts.iter().map(seal).collect::<Result<Vec<_>>>()
        };
        self.count(Use::Encrypt, texts.len(), done())
    }

    /// Opens a batch: each item by itself.
    ///
    /// # Errors
    /// For the batch as a whole: when there is no such key, or it is of another kind. Each item:
    /// [`Error::Shredded`], [`Error::Version`], [`Error::NoContext`], [`Error::Refused`].
    pub fn decrypt(
        &self,
        key: &KeyRef,
        sealed: &[Sealed<'_>],
    ) -> Result<Vec<Result<Zeroizing<Vec<u8>>>>> {
        self.each(Use::Decrypt, key, sealed, |opened| Ok(opened.1))
    }

    /// Encrypts a batch again under the newest version, without giving out its texts.
    ///
    /// # Errors
    /// As [`Keys::decrypt`].
    pub fn rewrap(&self, key: &KeyRef, sealed: &[Sealed<'_>]) -> Result<Vec<Result<Ciphertext>>> {
        let state = self.state();
        self.each(Use::Rewrap, key, sealed, |(context, text)| {
            let (found, ready) = self.newest(&state, key)?;
            self.seal(found, ready, Layer::Field, context, &text)
        })
    }

    /// A new data key of so many bytes (1 to 64), in clear and encrypted, as [`Keys::encrypt`]
    /// does it.
    ///
    /// # Errors
    /// As [`Keys::encrypt`].
    pub fn datakey(
        &self,
        key: &KeyRef,
        bytes: usize,
        context: &[u8],
    ) -> Result<(Zeroizing<Vec<u8>>, Ciphertext)> {
        let state = self.state();
        let done = || {
            if !(1..=MAX_DATAKEY_BYTES).contains(&bytes) {
                return Err(Error::Setting("a data key has 1 to 64 bytes"));
            }
            let (found, ready) = self.newest(&state, key)?;
            let mut fresh = Zeroizing::new(vec![0; bytes]);
            self.inner.settings.rng.fill(&mut fresh)?;
            let sealed = self.seal(found, ready, Layer::Field, context, &fresh)?;
            Ok((fresh, sealed))
        };
        self.count(Use::Datakey, 1, done())
    }

    /// A data key of a stream, in clear and encrypted: [`Keys::open_stream_key`] opens it, and
    /// [`Keys::decrypt`] does not.
    ///
    /// # Errors
    /// As [`Keys::encrypt`].
    pub fn stream_key(&self, key: &KeyRef, context: &[u8]) -> Result<(Material, Ciphertext)> {
        let state = self.state();
        let done = || {
            let (found, ready) = self.newest(&state, key)?;
            let fresh = Material::generate(self.inner.settings.rng.as_ref())?;
            let sealed = self.seal(found, ready, Layer::Stream, context, fresh.expose())?;
            Ok((fresh, sealed))
        };
        self.count(Use::Stream, 1, done())
    }

    /// Opens what [`Keys::stream_key`] gave.
    ///
    /// # Errors
    /// As an item of [`Keys::decrypt`].
    pub fn open_stream_key(&self, key: &KeyRef, sealed: Sealed<'_>) -> Result<Material> {
        let state = self.state();
        let done = || {
            let (keys, found) = encrypting(&state, key, &[sealed])?;
            let opened = self.unseal(&state, (keys, found), Layer::Stream, sealed)?;
            Ok(Material::try_from(opened.as_slice())?)
        };
        self.count(Use::Stream, 1, done())
    }

    /// Encrypts a stream's key again under the newest version. The stream itself stays as it is.
    ///
    /// # Errors
    /// As an item of [`Keys::decrypt`].
    pub fn rewrap_stream_key(&self, key: &KeyRef, sealed: Sealed<'_>) -> Result<Ciphertext> {
        let state = self.state();
        let done = || {
            let (keys, found) = encrypting(&state, key, &[sealed])?;
            let opened = self.unseal(&state, (keys, found), Layer::Stream, sealed)?;
            let ready = keys.newest().ok_or_else(|| self.closed())?;
            self.seal(found, ready, Layer::Stream, sealed.context, &opened)
        };
        self.count(Use::Rewrap, 1, done())
    }

    /// Opens each item and goes on with its context and text.
    fn each<T>(
        &self,
        does: Use,
        key: &KeyRef,
        sealed: &[Sealed<'_>],
        then: impl Fn((&[u8], Zeroizing<Vec<u8>>)) -> Result<T>,
    ) -> Result<Vec<Result<T>>> {
        let state = self.state();
        let all = encrypting(&state, key, sealed).map(|keys| {
            let one = |item: &Sealed<'_>| {
                let opened = self.unseal(&state, keys, Layer::Field, *item);
                opened.and_then(|text| then((item.context, text)))
            };
            sealed.iter().map(one).collect::<Vec<_>>()
        });
        let refused = match &all {
            Ok(all) => all.iter().filter(|one| one.is_err()).count(),
            Err(_) => sealed.len(),
        };
        self.metrics().used(does, sealed.len().saturating_sub(refused), refused);
        all
    }

    fn newest<'a>(&self, state: &'a State, key: &KeyRef) -> Result<(&'a Key, &'a Arc<Ready>)> {
        let (keys, found) = encrypting(state, key, &[])?;
        Ok((found, keys.newest().ok_or_else(|| self.closed())?))
    }

    fn seal(
        &self,
        key: &Key,
        ready: &Ready,
        layer: Layer,
        context: &[u8],
        text: &[u8],
    ) -> Result<Ciphertext> {
        if key.needs_context && context.is_empty() {
            return Err(Error::NoContext(Box::new(key.key())));
        }
        let (field, context) =
            ready.field(layer, context).ok_or_else(|| Error::Kind(Box::new(key.key())))?;
        let sealed = field.seal(&context, text, self.inner.settings.rng.as_ref())?;
        Ok(Ciphertext { version: ready.version, id: ready.id.0, sealed })
    }

    fn unseal(
        &self,
        state: &State,
        (keys, key): (&KeyState, &Key),
        layer: Layer,
        item: Sealed<'_>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let Sealed { ciphertext, context } = item;
        let id = crate::document::Id(ciphertext.id);
        let Some(slot) = keys.id(id) else {
            return Err(state.destroyed(id).map_or(Error::Refused, |at| Error::Shredded { at }));
        };
        let version = slot.version;
        if version != ciphertext.version {
            return Err(Error::Refused);
        }
        if version < key.min_decryption {
            let oldest = key.min_decryption;
            return Err(Error::Version { key: Box::new(key.key()), version, oldest });
        }
        if key.needs_context && context.is_empty() {
            return Err(Error::NoContext(Box::new(key.key())));
        }
        let ready = slot.ready.as_ref().ok_or_else(|| self.closed())?;
        let field = ready.field(layer, context);
        let (field, context) = field.ok_or_else(|| Error::Kind(Box::new(key.key())))?;
        field.open(&context, &ciphertext.sealed).map_err(|error| match error {
            cipher::Error::Refused => Error::Refused,
            cipher::Error::Malformed(why) => Error::Malformed(why),
            other => other.into(),
        })
    }

    /// Another process made this version, and the root was not asked yet for what opens it.
    pub(super) fn closed(&self) -> Error {
        Error::Root(kms::Error::Unavailable {
            place: self.inner.settings.root.place().place,
            why: "it has not opened yet what another process wrote; try again".to_owned(),
        })
    }

    /// Counts so many items of one use, which succeed or fail together.
    pub(super) fn count<T>(&self, does: Use, items: usize, done: Result<T>) -> Result<T> {
        match &done {
            Ok(_) => self.metrics().used(does, items, 0),
            Err(_) => self.metrics().used(does, 0, items),
        }
        done
    }
}

/// A key that encrypts. Where there is none any more, and `sealed` holds what a single destroyed
/// one encrypted, that is said.
fn encrypting<'a>(
    state: &'a State,
    key: &KeyRef,
    sealed: &[Sealed<'_>],
) -> Result<(&'a KeyState, &'a Key)> {
    match state.key(key) {
        Ok((_, found)) if found.kind != Kind::Aes256Gcm => Err(Error::Kind(Box::new(key.clone()))),
        Err(Error::Unknown(unknown)) => {
            let ids = sealed.iter().map(|item| crate::document::Id(item.ciphertext.id));
            let destroyed = ids.filter_map(|id| state.destroyed(id)).max();
            Err(destroyed.map_or(Error::Unknown(unknown), |at| Error::Shredded { at }))
        }
        found => found,
    }
}
