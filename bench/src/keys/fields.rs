//! Fields through a ring in use, and what it costs to change the key of a million of them.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, anyhow, ensure};
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use cipher::Material;
use kernel::{Fut, Secret, SystemClock, SystemRng, TenantId, random_hex};
use keys::{
    Ciphertext, Directory, FileAnchor, KeyName, KeyRef, Keys, Plain, Policy, Sealed, Settings, Spec,
};
use kms::FileRoot;

use super::api;
use crate::{Contestant, per_second, race, row, spread};

/// A batch, as an application sends it.
pub(super) const BATCH: usize = 1_000;
/// The batches in one turn.
const BATCHES: usize = 50;
/// What a field holds, in bytes: a number of an account, an address.
const FIELD_BYTES: usize = 64;
/// What the cipher alone authenticates with a field.
const CONTEXT: &[u8] = b"orders.note.123";
/// The fields that the rotated key protects.
const PROTECTED: usize = 1_000_000;

const ALONE: &str = "aws-lc-rs, AES-256-GCM and random nonces alone";
const ENCRYPTED: &str = "fields: encrypted, 64 bytes, in batches of 1,000, in the process";
const DECRYPTED: &str = "fields: decrypted, the same";
const ROTATED: &str = "fields: brought under a new version of their key, 1,000,000";
const AGAIN: &str = "encrypting each again, without the database";

/// Measures fields, and rotation.
pub(super) async fn measure() -> anyhow::Result<Vec<String>> {
    let house = House::build().await.context("the ring")?;
    let mut encrypt = Batches { house: &house, way: Way::Encrypt };
    let mut encrypt_alone = Alone::new(Way::Encrypt)?;
    let [ours, theirs] = race([&mut encrypt, &mut encrypt_alone]).await?;
    let mut rows = vec![row(ENCRYPTED, &ours, ALONE, &theirs)];
    let mut decrypt = Batches { house: &house, way: Way::Decrypt };
    let mut decrypt_alone = Alone::new(Way::Decrypt)?;
    let [ours, theirs] = race([&mut decrypt, &mut decrypt_alone]).await?;
    rows.push(row(DECRYPTED, &ours, ALONE, &theirs));
    rows.extend(api::measure(&house).await.context("the API")?);
    let [ours, theirs] = race([&mut Rotation(&house), &mut Again(&house)]).await?;
    rows.push(row(ROTATED, &ours, AGAIN, &theirs));
    let protected = milliseconds(PROTECTED, spread(&ours).1);
    let again = milliseconds(PROTECTED, spread(&theirs).1);
    rows.push(format!("| the same as time | {protected:.1} ms | {AGAIN}: {again:.0} ms | |"));
    Ok(rows)
}

/// A ring as the product opens it, with a tenant's key and a batch that it encrypted.
pub(crate) struct House {
    _dir: tempfile::TempDir,
    pub(crate) keys: Keys,
    pub(super) key: KeyRef,
    pub(super) texts: Vec<[u8; FIELD_BYTES]>,
    pub(super) contexts: Vec<String>,
    pub(super) sealed: Vec<Ciphertext>,
}

impl House {
    pub(crate) async fn build() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let secret = Secret::new(random_hex(&SystemRng, 32)?);
        let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
        let path = dir.path().join("root");
        let root = FileRoot::create(&path, &secret, clock.clone(), rng.clone()).await?;
        let settings = Settings {
            installation: "bench".to_owned(),
            shelf: Arc::new(Directory::new(dir.path().join("ring"))),
            root: Arc::new(root),
            anchors: vec![Arc::new(FileAnchor::new(dir.path().join("head")))],
            policy: Policy::default(),
            clock,
            rng,
        };
        let keys = Keys::open(settings).await?;
        let house = KeyRef { tenant: None, name: KeyName::new("orders")? };
        keys.create(&house, &Spec::default()).await?;
        let key = KeyRef { tenant: Some(TenantId::new("7")?), ..house };
        keys.ensure(&key).await?;
        let texts = vec![[0x5a; FIELD_BYTES]; BATCH];
        let contexts: Vec<_> = (0..BATCH).map(|row| format!("orders.note.{row}")).collect();
        let sealed = keys.encrypt(&key, &plain(&texts, &contexts))?;
        Ok(Self { _dir: dir, keys, key, texts, contexts, sealed })
    }

    fn sealed(&self) -> Vec<Sealed<'_>> {
        let fields = self.sealed.iter().zip(&self.contexts);
        fields.map(|(ciphertext, c)| Sealed { ciphertext, context: c.as_bytes() }).collect()
    }
}

fn plain<'a>(texts: &'a [[u8; FIELD_BYTES]], contexts: &'a [String]) -> Vec<Plain<'a>> {
    let fields = texts.iter().zip(contexts);
    fields.map(|(text, context)| Plain { text, context: context.as_bytes() }).collect()
}

#[derive(Clone, Copy)]
pub(super) enum Way {
    Encrypt,
    Decrypt,
}

pub(super) struct Batches<'a> {
    pub(super) house: &'a House,
    pub(super) way: Way,
}

impl Contestant for Batches<'_> {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let House { keys, key, texts, contexts, .. } = self.house;
            let (plain, sealed) = (plain(texts, contexts), self.house.sealed());
            let began = Instant::now();
            for _ in 0..BATCHES {
                match self.way {
                    Way::Encrypt => {
                        black_box(keys.encrypt(key, &plain)?);
                    }
                    Way::Decrypt => {
                        let opened = keys.decrypt(key, &sealed)?;
                        ensure!(opened.iter().all(Result::is_ok), "a field does not open");
                        black_box(opened);
                    }
                }
            }
            Ok(per_second(BATCHES * BATCH, began))
        })
    }
}

/// Each field under one key with a random nonce, and nothing that says which key or context: what
/// the cipher's library does in one call.
struct Alone {
    way: Way,
    key: RandomizedNonceKey,
    sealed: (Vec<u8>, [u8; 12]),
}

impl Alone {
    fn new(way: Way) -> anyhow::Result<Self> {
        let material = Material::generate(&SystemRng)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, material.expose());
        let key = key.map_err(|_| unusable())?;
        let mut sealed = vec![0x5a; FIELD_BYTES];
        let nonce = key.seal_in_place_append_tag(Aad::from(CONTEXT), &mut sealed);
        let nonce = *nonce.map_err(|_| unusable())?.as_ref();
        Ok(Self { way, key, sealed: (sealed, nonce) })
    }
}

impl Contestant for Alone {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let began = Instant::now();
            for _ in 0..BATCHES * BATCH {
                match self.way {
                    Way::Encrypt => {
                        let mut field = vec![0x5a; FIELD_BYTES];
                        let aad = Aad::from(CONTEXT);
                        let sealed = self.key.seal_in_place_append_tag(aad, &mut field);
                        black_box((sealed.map_err(|_| unusable())?, field));
                    }
                    Way::Decrypt => {
                        let (mut field, nonce) = (self.sealed.0.clone(), self.sealed.1);
                        let nonce = Nonce::assume_unique_for_key(nonce);
                        let aad = Aad::from(CONTEXT);
                        let opened = self.key.open_in_place(nonce, aad, &mut field);
                        black_box(opened.map_err(|_| unusable())?);
                    }
                }
            }
            Ok(per_second(BATCHES * BATCH, began))
        })
    }
}

/// Rotates the key: whatever the number of fields, that is one change of the ring.
struct Rotation<'a>(&'a House);

impl Contestant for Rotation<'_> {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let began = Instant::now();
            self.0.keys.rotate(&self.0.key).await?;
            let speed = per_second(PROTECTED, began);
            // What the older versions encrypted still opens.
            let opened = self.0.keys.decrypt(&self.0.key, &self.0.sealed())?;
            ensure!(opened.iter().all(Result::is_ok), "a field does not open after rotation");
            Ok(speed)
        })
    }
}

/// What rotation would be without key versions: each field opened and encrypted again.
struct Again<'a>(&'a House);

impl Contestant for Again<'_> {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let sealed = self.0.sealed();
            let began = Instant::now();
            for _ in 0..PROTECTED / BATCH {
                let fresh = self.0.keys.rewrap(&self.0.key, &sealed)?;
                ensure!(fresh.iter().all(Result::is_ok), "a field does not open");
                black_box(fresh);
            }
            Ok(per_second(PROTECTED, began))
        })
    }
}

fn unusable() -> anyhow::Error {
    anyhow!("the cipher refuses")
}
/// How long so many take at this speed.
#[expect(clippy::cast_precision_loss, reason = "a million at most")]
fn milliseconds(count: usize, speed: f64) -> f64 {
    count as f64 / speed * 1_000.0
}
