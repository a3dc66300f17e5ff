//! What the root's file says: its generations, each key sealed by the secret, and a seal over all.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cipher::{Context, MATERIAL_BYTES, Material, field::FieldKey};
use jiff::Timestamp;
use kernel::{Rng, Secret, hex, random_hex, unhex};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Error, Generation, Result};

/// What the file calls itself.
const FORMAT: &str = "amanah-root/1";
/// Argon2id's memory, in KiB: the first choice of OWASP's cheat sheet.
const MEMORY_KIB: u32 = 19_456;
/// Argon2id's passes.
const PASSES: u32 = 2;
/// Argon2id's lanes.
const LANES: u32 = 1;
/// More memory than this is not spent on a file's word, in KiB.
const MAX_MEMORY_KIB: u32 = 262_144;
/// Nor more passes or lanes.
const MAX_PASSES: u32 = 16;
/// The salt, in bytes.
const SALT_BYTES: usize = 16;
/// The root's own id, in bytes, so that two roots never share a generation's name.
const ID_BYTES: usize = 8;
/// A shorter secret is not taken for a new file, in bytes.
pub(super) const MIN_SECRET_BYTES: usize = 16;

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Book {
    format: String,
    /// The root's own id.
    id: String,
    sealing: Sealing,
    /// Opens with the right secret, so that a wrong one is told from a damaged file.
    check: String,
    /// The number of the newest generation. Lower ones that are not listed were destroyed.
    newest: u64,
    generations: Vec<Entry>,
    /// Over all of the above.
    seal: String,
}

/// How the secret becomes a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealing {
    algorithm: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    number: u64,
    made_at: Timestamp,
    state: State,
    key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Enabled,
    Disabled,
}

impl Book {
    /// A new root with its first generation, and the key that the secret gives.
    pub(super) fn new(secret: &Secret, now: Timestamp, rng: &dyn Rng) -> Result<(Self, FieldKey)> {
        let (sealing, key) = Sealing::new(secret, rng)?;
        let mut book = Self {
            format: FORMAT.to_owned(),
            id: random_hex(rng, ID_BYTES)?,
            sealing,
            check: String::new(),
            newest: 0,
            generations: Vec::new(),
            seal: String::new(),
        };
        book.roll(&key, now, rng)?;
        Ok((book, key))
    }

    /// Reads a file. Its seal is not looked at: see [`Book::verify`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let book: Self = serde_json::from_slice(bytes)
            .map_err(|error| format!("it is no file of a root, or its end is missing ({error})"))?;
        if book.format != FORMAT {
            return Err(format!("it is not of the format {FORMAT}; a newer program wrote it"));
        }
        Ok(book)
    }

    /// Reads a file's bytes, asks `key` for its seal, and writes them again: for [`crate::fuzzing`].
    pub(crate) fn reread(bytes: &[u8], key: &FieldKey) -> Option<Vec<u8>> {
        let book = Self::parse(bytes).ok()?;
        let _ = book.verify(key);
        serde_json::to_vec(&book).ok()
    }

    /// The file's bytes, sealed by `key`.
    pub(super) fn to_bytes(&self, key: &FieldKey, rng: &dyn Rng) -> Result<Vec<u8>> {
        let mut book = self.clone();
        let check = key.seal(&check_context(), b"", rng)?;
        book.check = BASE64.encode(check);
        let seal = key.seal(&book.seal_context()?, b"", rng)?;
        book.seal = BASE64.encode(seal);
        let mut bytes = serde_json::to_vec_pretty(&book).map_err(|error| unwritable(&error))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The key that `secret` gives for this file.
    pub(super) fn key(&self, secret: &Secret) -> std::result::Result<FieldKey, String> {
        self.sealing.derive(secret)
    }

    /// Whether `key` sealed it, and if so whether it is as it was sealed.
    pub(super) fn verify(&self, key: &FieldKey) -> Verdict {
        let opens = |context: Result<Context>, text: &str| {
            let sealed = BASE64.decode(text).unwrap_or_default();
            context.is_ok_and(|context| key.open(&context, &sealed).is_ok())
        };
        if !opens(Ok(check_context()), &self.check) {
            Verdict::OtherSecret
        } else if opens(self.seal_context(), &self.seal) {
            Verdict::Good
        } else {
            Verdict::Changed
        }
    }

    /// Whether `old` holds a sealed key that this one does not.
    pub(super) fn forgets(&self, old: &Self) -> bool {
        let kept = |sealed: &String| self.generations.iter().any(|entry| entry.key == *sealed);
        !old.generations.iter().all(|entry| kept(&entry.key))
    }

    pub(super) fn current(&self) -> Generation {
        self.name(self.newest)
    }

    /// The key of the generation called `name`.
    pub(super) fn open(&self, key: &FieldKey, name: &Generation) -> Result<FieldKey> {
        let entry = self.entry(name)?.ok_or_else(|| Error::Destroyed(name.0.clone()))?;
        if entry.state == State::Disabled {
            return Err(Error::Disabled(name.0.clone()));
        }
        let material = self.unseal(key, entry)?;
        Ok(FieldKey::new(&material)?)
    }

    pub(super) fn roll(&mut self, key: &FieldKey, now: Timestamp, rng: &dyn Rng) -> Result<()> {
        let number = self.newest.saturating_add(1);
        let material = Material::generate(rng)?;
        let sealed = key.seal(&self.key_context(number), material.expose(), rng)?;
        let sealed = BASE64.encode(sealed);
        self.generations.push(Entry { number, made_at: now, state: State::Enabled, key: sealed });
        self.newest = number;
        Ok(())
    }

    pub(super) fn enable(&mut self, name: &Generation, enable: bool) -> Result<()> {
        let number = self.entry(name)?.map(|entry| entry.number);
        let entry = self.generations.iter_mut().find(|entry| Some(entry.number) == number);
        let entry = entry.ok_or_else(|| Error::Destroyed(name.0.clone()))?;
        entry.state = if enable { State::Enabled } else { State::Disabled };
        Ok(())
    }

    pub(super) fn destroy(&mut self, name: &Generation) -> Result<()> {
        if *name == self.current() {
            return Err(Error::Current(name.0.clone()));
        }
        let number = self.entry(name)?.map(|entry| entry.number);
        self.generations.retain(|entry| Some(entry.number) != number);
        Ok(())
    }

    /// The same generations sealed by another secret.
    pub(super) fn reseal(
        &self,
        key: &FieldKey,
        secret: &Secret,
        rng: &dyn Rng,
    ) -> Result<(Self, FieldKey)> {
        let (sealing, fresh) = Sealing::new(secret, rng)?;
        let mut book = Self { sealing, ..self.clone() };
        for entry in &mut book.generations {
            let material = self.unseal(key, entry)?;
            let sealed = fresh.seal(&self.key_context(entry.number), material.expose(), rng)?;
            entry.key = BASE64.encode(sealed);
        }
        Ok((book, fresh))
    }

    /// `None` when it was destroyed.
    fn entry(&self, name: &Generation) -> Result<Option<&Entry>> {
        let number = name.0.strip_prefix(&self.id).and_then(|rest| rest.strip_prefix('-'));
        let number = number.and_then(|number| number.parse::<u64>().ok());
        let known = number.filter(|number| (1..=self.newest).contains(number));
        let number = known.ok_or(Error::Refused)?;
        Ok(self.generations.iter().find(|entry| entry.number == number))
    }

    fn unseal(&self, key: &FieldKey, entry: &Entry) -> Result<Material> {
        let sealed = BASE64.decode(&entry.key).map_err(|_| Error::Refused)?;
        let opened = key.open(&self.key_context(entry.number), &sealed)?;
        Ok(Material::try_from(opened.as_slice())?)
    }

    fn name(&self, number: u64) -> Generation {
        Generation(format!("{}-{number}", self.id))
    }

    fn key_context(&self, number: u64) -> Context {
        Context::of("amanah/root-file-key/1").with(&self.id).with(number.to_be_bytes())
    }

    fn seal_context(&self) -> Result<Context> {
        let bare = Self { seal: String::new(), ..self.clone() };
        let body = serde_json::to_vec(&bare).map_err(|error| unwritable(&error))?;
        Ok(Context::of("amanah/root-file/1").with(body))
    }
}

/// What [`Book::verify`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    OtherSecret,
    Changed,
}

impl Sealing {
    fn new(secret: &Secret, rng: &dyn Rng) -> Result<(Self, FieldKey)> {
        if secret.expose().len() < MIN_SECRET_BYTES {
            let short = format!("AMANAH_ROOT_SECRET has fewer than {MIN_SECRET_BYTES} bytes");
            return Err(Error::Settings(short));
        }
        let mut salt = [0; SALT_BYTES];
        rng.fill(&mut salt)?;
        let sealing = Self {
            algorithm: "argon2id".to_owned(),
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt: hex(&salt),
        };
        let key = sealing.derive(secret).map_err(Error::Settings)?;
        Ok((sealing, key))
    }

    fn derive(&self, secret: &Secret) -> std::result::Result<FieldKey, String> {
        let bounded = (MEMORY_KIB..=MAX_MEMORY_KIB).contains(&self.memory_kib)
            && (PASSES..=MAX_PASSES).contains(&self.passes)
            && (LANES..=MAX_PASSES).contains(&self.lanes);
        let salt = unhex(&self.salt).filter(|salt| salt.len() == SALT_BYTES);
        let (Some(salt), true, "argon2id") = (salt, bounded, self.algorithm.as_str()) else {
            return Err("how it was sealed is not what this program does".to_owned());
        };
        let failed = |error: argon2::Error| error.to_string();
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(MATERIAL_BYTES));
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(failed)?);
        let mut bytes = Zeroizing::new([0; MATERIAL_BYTES]);
        let done =
            argon.hash_password_into(secret.expose().as_bytes(), &salt, bytes.as_mut_slice());
        done.map_err(failed)?;
        FieldKey::new(&Material::new(*bytes)).map_err(|error| error.to_string())
    }
}

fn check_context() -> Context {
    Context::of("amanah/root-file-check/1")
}

fn unwritable(error: &serde_json::Error) -> Error {
    Error::Settings(error.to_string())
}
