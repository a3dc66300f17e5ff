//! The logs of the trails: what they are called, where they lie, who signs them.
//!
//! It promises that each protected database has one log, the same for ever, and that the key which
//! signs it is in the ring, where no tenant, no application and no database reaches it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use audit::SealedLog;
use audit::seal::{Bucket, Folder, Shelf, Stored, origin};
use audit::verify::{Acceptances, Memory};
use kernel::{Cx, Signatory, hex};
use keys::{KeyName, KeyRef, Keys, Kind, Purpose, Spec};
use sha2::{Digest as _, Sha256};
use store::{Db, Protected};
use tenancy::Guarded;
use tlog::Verifier;

use crate::config::Config;
use crate::data::{Data, safe};
use crate::exit::Usage;
use crate::installation::Installation;
use crate::kept::Kept;
use crate::known::name;
use crate::roots;

/// The house's key that signs, made with the first log. Nobody is let to a key of this name by the
/// interface for applications.
const SEALS_KEY: &str = "amanah.trail";
/// Who uses it, for those who list keys.
const OWN_SEALS: &str = "logs of audit trails";
/// The house's key that signs what people vouch for, made with the first word of one.
const WORDS_KEY: &str = "amanah.attestations";
/// Who uses it, for those who list keys.
const OWN_WORDS: &str = "attestations";
/// The folder of the logs in the data directory.
pub(crate) const FOLDER: &str = "trail";
/// The folder with what was seen of them.
const SEEN: &str = "trail-seen";
/// The folder with epochs of theirs that somebody answers for.
const ACCEPTED: &str = "trail-accepted";
/// How many of its versions sign: whoever knows one of them goes over to the next.
const VERSIONS: usize = 16;
/// How much of a digest names a log where its own name should not stand, in bytes.
const ID_BYTES: usize = 8;

/// The log of one database.
#[derive(Clone)]
pub(crate) struct Log {
    /// Of which database: as [`name()`] calls it.
    pub(crate) database: String,
    /// Its name in checkpoints.
    pub(crate) origin: String,
    /// What stands for its name where that should not be read.
    pub(crate) id: String,
    /// Where it lies.
    pub(crate) shelf: Arc<dyn Shelf>,
}

impl Log {
    /// The log of a protected database.
    pub(crate) fn of(kept: &Kept, data: &Data, config: &Config, cx: &Cx) -> anyhow::Result<Self> {
        let installation = data.installation(&*cx.rng)?.expose().to_owned();
        let database = name(kept);
        let origin = origin(&installation, &database);
        let id = id(&origin);
        let shelf: Arc<dyn Shelf> = match config.trail.log.as_str() {
            "" => Arc::new(Folder::new(data.root().join(FOLDER).join(safe(&database)))),
            url => {
                let settings = roots::s3(url, &config.trail.s3)?;
                let within = format!("{installation}/{}", safe(&database));
                let opened = Bucket::new(&settings, &within);
                Arc::new(opened.map_err(|error| Usage(format!("trail.log: {error}")))?)
            }
        };
        Ok(Self { database, origin, id, shelf })
    }

    /// The file with the checkpoints under which it was verified here: apart from the log, so that who
    /// puts back one has not put back the other.
    pub(crate) fn seen(&self, data: &Data) -> PathBuf {
        data.root().join(SEEN).join(safe(&self.database))
    }

    /// The file with what somebody here has answered for.
    pub(crate) fn accepted(&self, data: &Data) -> PathBuf {
        data.root().join(ACCEPTED).join(safe(&self.database))
    }
}

/// What stands for a name where that should not be read.
pub(crate) fn id(name: &str) -> String {
    hex(Sha256::digest(name.as_bytes()).get(..ID_BYTES).unwrap_or_default())
}

/// The log, with its keys and what is known of it.
///
/// # Errors
/// When the ring has no such key.
pub(crate) fn looked_after(house: &Installation, log: &Log) -> anyhow::Result<SealedLog> {
    let (pen, origin) = (Pen::known(&house.ring.keys)?, log.origin.clone());
    Ok(SealedLog {
        shelf: Arc::clone(&log.shelf),
        keys: Arc::new(move || audit::seal::keys(&pen, &origin)),
        memory: Some(Memory::at(log.seen(&house.data))),
        accepted: Some(Acceptances::at(log.accepted(&house.data))),
        clock: Arc::clone(&house.cx.clock),
    })
}

/// A login that reads the trail of a database: that of the sealer, or else the owner of the tables.
pub(crate) fn reader(guarded: &Guarded) -> &Db {
    let Protected { reader, owner, .. } = &guarded.protected;
    reader.as_ref().unwrap_or(owner)
}

/// The newest checkpoint of a log.
///
/// # Errors
/// When there is none, or the place of the log cannot be read.
pub(crate) async fn newest(log: &Log) -> anyhow::Result<Stored> {
    let stored = log.shelf.checkpoint().await?;
    stored.with_context(|| {
        format!("the trail of {} was not sealed yet; `amanah up` does it", log.database)
    })
}

/// Signs with the house's key in the ring.
pub(crate) struct Pen {
    keys: Keys,
    key: KeyRef,
}

impl Pen {
    /// The key, if one was made.
    pub(crate) fn known(keys: &Keys) -> anyhow::Result<Self> {
        Self::of(keys, SEALS_KEY, OWN_SEALS)
    }

    /// That for what people vouch for, if one was made.
    pub(crate) fn of_words(keys: &Keys) -> anyhow::Result<Self> {
        Self::of(keys, WORDS_KEY, OWN_WORDS)
    }

    fn of(keys: &Keys, name: &str, user: &str) -> anyhow::Result<Self> {
        let key = KeyRef { tenant: None, name: KeyName::new(name)? };
        keys.registers(user, &key);
        Ok(Self { keys: keys.clone(), key })
    }

    /// The same, made if it is not there.
    pub(crate) async fn ready(keys: &Keys) -> anyhow::Result<Self> {
        Self::known(keys)?.made().await
    }

    /// The same key, made if it is not there.
    pub(crate) async fn made(self) -> anyhow::Result<Self> {
        let (pen, keys) = (&self, &self.keys);
        if keys.public_keys(&pen.key).is_err() {
            let spec =
                Spec { kind: Kind::Ed25519, purpose: Purpose::Signing, needs_context: false };
            match keys.create(&pen.key, &spec).await {
                Ok(_) | Err(keys::Error::Exists(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self)
    }

    /// What checks the heads of a log, the newest key first.
    pub(crate) fn verifiers(&self, log: &Log) -> anyhow::Result<Vec<Verifier>> {
        audit::seal::keys(self, &log.origin).with_context(|| {
            format!(
                "the log of {} has no key yet: `amanah up` makes it with the first checkpoint",
                log.database
            )
        })
    }

    /// Each version with its public key, the newest first.
    fn versions(&self) -> Result<Vec<(u32, [u8; 32])>, String> {
        let mut all = self.keys.public_keys(&self.key).map_err(|error| error.to_string())?;
        all.sort_unstable_by_key(|(version, _)| std::cmp::Reverse(*version));
        all.truncate(VERSIONS);
        Ok(all)
    }
}

impl Signatory for Pen {
    fn public_keys(&self) -> Result<Vec<[u8; 32]>, String> {
        Ok(self.versions()?.into_iter().map(|(_, key)| key).collect())
    }

    fn sign(&self, key: &[u8; 32], text: &[u8]) -> Result<[u8; 64], String> {
        let all = self.versions()?;
        let version = all.iter().find_map(|(version, public)| (public == key).then_some(*version));
        let version = version.ok_or("this version of the key is gone")?;
        let tags = self.keys.sign(&self.key, Some(version), &[text]);
        let tag = tags.map_err(|error| error.to_string())?.into_iter().next();
        let signature = tag.ok_or("there is no signature")?.bytes;
        signature.try_into().map_err(|_| "the signature is none of Ed25519".to_owned())
    }
}
