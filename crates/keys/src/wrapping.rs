//! Which key wraps which, and for what: each layer has a context of its own, so that what was
//! wrapped at one place opens at no other.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use cipher::field::FieldKey;
use cipher::{Context, Material};
use kernel::{Rng, TenantId};

use crate::document::{Document, Id, Kek, KekRef, Key, RingKey, Version};
use crate::{Error, KeyRef, Kind, Purpose, Result};

/// A key that wraps others.
pub(crate) struct Wrapping {
    pub(crate) material: Material,
    field: FieldKey,
}

impl Wrapping {
    pub(crate) fn new(material: Material) -> Result<Self> {
        let field = FieldKey::new(&material)?;
        Ok(Self { material, field })
    }

    pub(crate) fn wrap(&self, cx: &Context, inner: &Material, rng: &dyn Rng) -> Result<Vec<u8>> {
        Ok(self.field.seal(cx, inner.expose(), rng)?)
    }

    pub(crate) fn unwrap(&self, context: &Context, sealed: &[u8]) -> Result<Material> {
        Ok(Material::try_from(self.field.open(context, sealed)?.as_slice())?)
    }
}

/// What the root opened: everything that is needed to write a ring. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Opened {
    /// The id of the ring key.
    pub(crate) id: Id,
    pub(crate) ring: Arc<Wrapping>,
    pub(crate) keks: BTreeMap<KekRef, Arc<Wrapping>>,
    pub(crate) seed: Material,
    pub(crate) signer: Arc<Ed25519KeyPair>,
}

impl Opened {
    /// Opens the layer below the ring key.
    pub(crate) fn new(document: &Document, ring: Arc<Wrapping>) -> Result<Self> {
        let installation = &document.installation;
        let seed = ring.unwrap(&seed_context(installation), &document.signing_seed.0)?;
        let open = |kek: &Kek| {
            let material = ring.unwrap(&kek_context(installation, kek), &kek.sealed.0)?;
            Ok((kek.key(), Arc::new(Wrapping::new(material)?)))
        };
        let keks = document.key_encryption_keys.iter().map(open).collect::<Result<_>>()?;
        let signer = Arc::new(signer(&seed)?);
        // A document that somebody signed with a key of his own names that one.
        if kernel::hex(signer.public_key().as_ref()) != document.public_key {
            return Err(Error::Refused);
        }
        Ok(Self { id: document.ring_key.id, ring, keks, seed, signer })
    }
}

/// A version of a named key, made ready for use once.
pub(crate) struct Ready {
    pub(crate) version: u32,
    pub(crate) id: Id,
    pub(crate) material: Material,
    field: Option<FieldKey>,
    field_context: Context,
    stream_context: Context,
    hmac: OnceLock<Option<hmac::Key>>,
    signer: OnceLock<Option<Ed25519KeyPair>>,
}

/// What a ciphertext holds. The one never opens as the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// A text.
    Field,
    /// The key of a stream.
    Stream,
}

impl Ready {
    /// The version `at` of the key. Kind and purpose are fixed when a key is made, so what is bound
    /// to them opens for as long as the key is there.
    pub(crate) fn new(
        key: &KeyRef,
        (kind, purpose): (Kind, Purpose),
        at: (u32, Id),
        material: Material,
    ) -> Result<Self> {
        let (version, id) = at;
        let field = (kind == Kind::Aes256Gcm).then(|| FieldKey::new(&material)).transpose()?;
        let context = |layer: &'static str| {
            Context::of(layer)
                .with(word(purpose))
                .maybe(tenant(key.tenant.as_ref()))
                .with(key.name.as_str())
                .with(id.0)
        };
        Ok(Self {
            version,
            id,
            material,
            field,
            field_context: context("amanah/field/1"),
            stream_context: context("amanah/stream-key/1"),
            hmac: OnceLock::new(),
            signer: OnceLock::new(),
        })
    }

    /// The key for fields, if it is of that kind, and the context of `object` under it.
    pub(crate) fn field(&self, layer: Layer, object: &[u8]) -> Option<(&FieldKey, Context)> {
        let context = match layer {
            Layer::Field => &self.field_context,
            Layer::Stream => &self.stream_context,
        };
        Some((self.field.as_ref()?, context.clone().with(object)))
    }

    /// The key for HMAC: another one than the one that encrypts, derived from it.
    pub(crate) fn hmac(&self) -> Option<&hmac::Key> {
        let make = || {
            let derived = self.material.derive(b"amanah/hmac/1").ok()?;
            Some(hmac::Key::new(hmac::HMAC_SHA256, derived.expose()))
        };
        self.hmac.get_or_init(make).as_ref()
    }

    /// The key pair, whose seed is the version itself.
    pub(crate) fn signer(&self) -> Option<&Ed25519KeyPair> {
        self.signer.get_or_init(|| signer(&self.material).ok()).as_ref()
    }
}

/// Ed25519 of a seed.
pub(crate) fn signer(seed: &Material) -> Result<Ed25519KeyPair> {
    let refused = |_| Error::Malformed("this is no seed of a signing key");
    Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(refused)
}

/// For the root, around the ring key.
pub(crate) fn ring_context(installation: &str, id: Id) -> Context {
    Context::of("amanah/ring-key/1").with(installation).with(id.0)
}

/// For the root, around the ring key of a document.
pub(crate) fn ring_key_context(installation: &str, key: &RingKey) -> Context {
    ring_context(installation, key.id)
}

/// For the ring key, around the signing seed.
pub(crate) fn seed_context(installation: &str) -> Context {
    Context::of("amanah/ring-seed/1").with(installation)
}

/// For the ring key, around a key-encryption key.
pub(crate) fn kek_context(installation: &str, kek: &Kek) -> Context {
    Context::of("amanah/kek/1")
        .with(installation)
        .with(word(kek.purpose))
        .maybe(tenant(kek.tenant.as_ref()))
        .with(kek.version.to_be_bytes())
        .with(kek.id.0)
}

/// For a key-encryption key, around a version of a key.
pub(crate) fn version_context(installation: &str, key: &Key, version: &Version) -> Context {
    let kind = match key.kind {
        Kind::Aes256Gcm => "aes256-gcm",
        Kind::Ed25519 => "ed25519",
        Kind::Hmac => "hmac",
    };
    Context::of("amanah/data-key/1")
        .with(installation)
        .with(word(key.purpose))
        .maybe(tenant(key.tenant.as_ref()))
        .with(key.name.as_str())
        .with(kind)
        .with(version.number.to_be_bytes())
        .with(version.id.0)
}

fn tenant(tenant: Option<&TenantId>) -> Option<&str> {
    tenant.map(TenantId::as_str)
}

/// A purpose in a context.
const fn word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Fields => "fields",
        Purpose::Files => "files",
        Purpose::Backups => "backups",
        Purpose::Signing => "signing",
    }
}

#[cfg(test)]
mod tests {
    use cipher::{Context, Material};
    use kernel::{SystemRng, TenantId};

    use super::{Layer, Ready};
    use crate::document::Id;
    use crate::{KeyName, KeyRef, Kind, Purpose};

    const ID: Id = Id(*b"eight by");

    fn ready(tenant: Option<&str>, name: &str, purpose: Purpose) -> Ready {
        let tenant = tenant.map(|tenant| TenantId::new(tenant).unwrap());
        let key = KeyRef { tenant, name: KeyName::new(name).unwrap() };
        let material = Material::new([7; 32]);
        Ready::new(&key, (Kind::Aes256Gcm, purpose), (3, ID), material).unwrap()
    }

    /// Even under one and the same key, what was sealed for one purpose, tenant, name or layer
    /// opens for no other.
    #[test]
    fn a_ciphertext_opens_for_its_purpose_alone() {
        let ours = ready(Some("17"), "archive", Purpose::Backups);
        for layer in [Layer::Field, Layer::Stream] {
            let (key, context) = ours.field(layer, b"object").unwrap();
            let sealed = key.seal(&context, b"text", &SystemRng).unwrap();
            assert_eq!(key.open(&context, &sealed).unwrap().as_slice(), b"text");
            for other in [
                ready(Some("17"), "archive", Purpose::Fields),
                ready(Some("17"), "archive", Purpose::Files),
                ready(Some("18"), "archive", Purpose::Backups),
                ready(None, "archive", Purpose::Backups),
                ready(Some("17"), "archives", Purpose::Backups),
            ] {
                let (key, context) = other.field(layer, b"object").unwrap();
                assert!(key.open(&context, &sealed).is_err());
            }
            let other = if layer == Layer::Field { Layer::Stream } else { Layer::Field };
            let (key, context) = ours.field(other, b"object").unwrap();
            assert!(key.open(&context, &sealed).is_err());
        }
    }

    /// `docs/streams.md` tells others how to write these contexts.
    #[test]
    fn the_contexts_are_those_that_are_documented() {
        let ours = ready(Some("17"), "archive", Purpose::Backups);
        let documented = |begins: &'static str| {
            let context = Context::of(begins).with("backups").with([1]).with("17");
            context.with("archive").with(ID.0).with("object")
        };
        let context = |layer| ours.field(layer, b"object").unwrap().1;
        assert_eq!(context(Layer::Field), documented("amanah/field/1"));
        assert_eq!(context(Layer::Stream), documented("amanah/stream-key/1"));
    }
}
