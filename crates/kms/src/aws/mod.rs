//! A root in AWS KMS: each generation is a symmetric KMS key, and an alias names the current one.
//!
//! It stops who has this host's disk, a backup or the ring: what is wrapped opens only for who may
//! call `kms:Decrypt` with that key, and only with the context, which KMS binds (as encryption
//! context) and writes to `CloudTrail`. It does not stop who has this host's credentials while they
//! are valid, nor the administrators of the account.
//!
//! Destruction disables the key and schedules its deletion, since KMS deletes nothing at once: for
//! seven days an administrator can take the deletion back, and the answer says until when. After
//! that AWS states that the key is gone from its modules and their backups. To roll makes a new
//! key (with the same key policy, without tags) and moves the alias, because the versions that
//! KMS's own rotation makes cannot be destroyed one by one.
//!
//! The alias ends with the installation's id, and each key that is made names it in its description,
//! so that no other installation takes the key for its own and destroys it.
//!
//! Needs: `kms:DescribeKey`, `Encrypt`, `Decrypt`; to make it `CreateKey` and `CreateAlias`; to
//! roll `CreateKey`, `GetKeyPolicy`, `UpdateAlias`; to destroy `DisableKey`, `ScheduleKeyDeletion`.
//! What only the conformance suite calls so far would need `ReEncrypt*` and `EnableKey` besides.

mod api;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cipher::{Context, Material};
use jiff::Timestamp;
use kernel::Fut;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use self::api::{Api, Failure};
use crate::settings::{AwsSetting, own};
use crate::{Destruction, Error, Generation, Place, Result, Root, Wrapped};

/// How long a deletion can be taken back, in days: the least that KMS allows.
const DELETION_DAYS: u32 = 7;
/// The name under which KMS is given our context.
const CONTEXT: &str = "amanah";
/// What a key's description says before the id of the installation whose it is.
const WHOSE: &str = "installation ";

/// A root in AWS KMS. See the [module](self).
pub struct AwsRoot {
    api: Api,
    /// The alias, which ends with the installation's id, or the key that the settings name.
    key: String,
    installation: String,
    // An alias that was moved may point to the old key for a while. The keys that this process has
    // seen behind it, oldest first, keep us from wrapping with one that was left behind.
    seen: Mutex<Vec<String>>,
}

impl AwsRoot {
    /// Finds the key. With `create`, an alias that does not exist is made, with a key.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is no such key, [`Error::Settings`] when it is not a
    /// symmetric key for encryption, or another installation's.
    pub async fn open(setting: &AwsSetting, create: bool) -> Result<Self> {
        let own = own(&setting.key, &setting.installation)?;
        let key = if alias(&setting.key).is_some() { own } else { setting.key.clone() };
        let api = Api::new(setting, &key)?;
        let installation = setting.installation.clone();
        let root = Self { api, key, installation, seen: Mutex::default() };
        let card = match root.describe(&root.key).await {
            Err(Error::Missing { .. }) if create => {
                let fresh = root.make(None).await?;
                root.point("CreateAlias", &fresh).await?;
                return Ok(root);
            }
            card => card?,
        };
        if card.usage != "ENCRYPT_DECRYPT" || card.spec != "SYMMETRIC_DEFAULT" {
            let why = format!("{} is no symmetric key for encryption", root.key);
            return Err(Error::Settings(why));
        }
        if !root.owns(&card) {
            return Err(Error::Settings(format!(
                "the description of {} does not name this installation, and two that share a root \
                 destroy each other's keys; take another key, or write `{}` into its description \
                 if it is nobody else's",
                root.key,
                root.whose()
            )));
        }
        Ok(root)
    }

    /// How a key's description says whose it is.
    fn whose(&self) -> String {
        format!("{WHOSE}{}", self.installation)
    }

    /// Whether the key is this installation's: by its description, or by the alias alone where an
    /// administrator made the key and described it in other words.
    fn owns(&self, card: &KeyCard) -> bool {
        let said = card.description.as_deref().unwrap_or_default();
        said.contains(&self.whose()) || !said.contains(WHOSE) && alias(&self.key).is_some()
    }

    async fn call<T: DeserializeOwned>(
        &self,
        action: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T> {
        self.api.call(action, body).await.map_err(|failure| self.api.error(failure))
    }

    async fn describe(&self, key: &str) -> Result<KeyCard> {
        let described: Described = self.call("DescribeKey", &json!({ "KeyId": key })).await?;
        Ok(described.card)
    }

    /// The key behind the alias, as far as this process knows better than a stale alias.
    async fn newest(&self) -> Result<String> {
        let arn = self.describe(&self.key).await?.arn;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.contains(&arn) {
            seen.push(arn);
        }
        seen.last().cloned().ok_or_else(|| self.api.damaged("it names no key"))
    }

    /// The card of a generation that has not been destroyed.
    async fn alive(&self, generation: &Generation) -> Result<KeyCard> {
        // Whatever is no ARN is not a name that we gave.
        let ours = account(&generation.0).ok_or(Error::Refused)?;
        let gone = || Error::Destroyed(generation.0.clone());
        match self.describe(&generation.0).await {
            // A key that is gone was deleted, since KMS never gives a name twice; one of another
            // region or account was never ours.
            Err(Error::Missing { .. }) => {
                let here = self.describe(&self.key).await?.arn;
                Err(if account(&here) == Some(ours) { gone() } else { Error::Refused })
            }
            // Whoever may use another installation's key is not to touch it by mistake.
            Ok(card) if !self.owns(&card) => Err(Error::Refused),
            Ok(card) if card.deletion.is_some() => Err(gone()),
            card => card,
        }
    }

    /// Refuses a generation that KMS will not open, or not for long: a change of state takes KMS
    /// some time to spread, and is not waited for here.
    async fn usable(&self, generation: &Generation) -> Result<()> {
        match self.alive(generation).await?.state.as_str() {
            "Enabled" => Ok(()),
            "Disabled" => Err(Error::Disabled(generation.0.clone())),
            "PendingDeletion" | "PendingReplicaDeletion" => {
                Err(Error::Destroyed(generation.0.clone()))
            }
            state => Err(self.api.unavailable(&format!("the key is in state {state}"))),
        }
    }

    async fn encrypt(&self, arn: &str, material: &[u8], context: &Context) -> Result<Wrapped> {
        let text = Zeroizing::new(BASE64.encode(material));
        let body = Plain { key: arn, text: &text, context: bound(context) };
        let done: Encrypted = self.call("Encrypt", &body).await?;
        Ok(Wrapped { generation: Generation(done.key), bytes: done.blob })
    }

    /// Why KMS did not open `key`.
    async fn why(&self, failure: Failure, key: &Wrapped, context: &Context) -> Error {
        let generation = || key.generation.0.clone();
        match &failure {
            Failure::Said { exception, .. } => match exception.as_str() {
                "DisabledException" => Error::Disabled(generation()),
                "KMSInvalidStateException" | "NotFoundException" => {
                    match self.usable(&key.generation).await {
                        Err(error) => error,
                        Ok(()) => self.api.error(failure),
                    }
                }
                // Said of bytes that name another key, and of rights that are missing: whether it
                // is the bytes shows when others open.
                "AccessDeniedException" => match self.works(&key.generation, context).await {
                    Ok(()) => Error::Refused,
                    Err(_) => self.api.error(failure),
                },
                // Not even the form of a ciphertext.
                "ValidationException" | "SerializationException" => Error::Refused,
                _ => self.api.error(failure),
            },
            Failure::Not(_) => self.api.error(failure),
        }
    }

    /// Whether what is wrapped now under `generation` opens.
    async fn works(&self, generation: &Generation, context: &Context) -> Result<()> {
        let wrapped = self.encrypt(&generation.0, CONTEXT.as_bytes(), context).await?;
        let _: IgnoredAny = self.call("Decrypt", &opening(&wrapped, context)).await?;
        Ok(())
    }

    /// A new key with the policy of `like`, so that it is as narrow as the one before.
    async fn make(&self, like: Option<&str>) -> Result<String> {
        let mut body = json!({
            "Description": format!("Root of Amanah's keys behind {}, {}", self.key, self.whose()),
            "KeyUsage": "ENCRYPT_DECRYPT",
            "KeySpec": "SYMMETRIC_DEFAULT",
        });
        if let Some(like) = like {
            let named = json!({ "KeyId": like, "PolicyName": "default" });
            let policy: KeyPolicy = self.call("GetKeyPolicy", &named).await?;
            if let Some(fields) = body.as_object_mut() {
                fields.insert("Policy".to_owned(), policy.policy.into());
            }
        }
        let made: Described = self.call("CreateKey", &body).await?;
        Ok(made.card.arn)
    }

    /// Lets the alias name `arn`.
    async fn point(&self, action: &str, arn: &str) -> Result<()> {
        let alias = alias(&self.key).ok_or_else(|| {
            Error::Settings(format!("{} is a key; only an alias can move to a new one", self.key))
        })?;
        let body = json!({ "AliasName": alias, "TargetKeyId": arn });
        let pointed = self.api.call::<Nothing>(action, &body).await;
        if let Err(failure) = pointed {
            // A key that nothing names would be paid for and forgotten. When this fails too, there
            // is the first failure to tell.
            let _ = self.schedule(arn).await;
            return Err(self.api.error(failure));
        }
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(arn.to_owned());
        Ok(())
    }

    async fn schedule(&self, arn: &str) -> Result<Destruction> {
        let body = json!({ "KeyId": id(arn), "PendingWindowInDays": DELETION_DAYS });
        let scheduled: Scheduled = self.call("ScheduleKeyDeletion", &body).await?;
        Ok(Destruction::Scheduled(self.moment(scheduled.date)?))
    }

    /// How long the deletion of a destroyed generation can still be taken back.
    async fn until(&self, generation: &Generation) -> Result<Destruction> {
        match self.describe(&generation.0).await {
            Err(Error::Missing { .. }) => Ok(Destruction::Done),
            card => Ok(Destruction::Scheduled(self.moment(card?.deletion)?)),
        }
    }

    fn moment(&self, seconds: Option<f64>) -> Result<Timestamp> {
        // AWS writes seconds since 1970 as a floating number; the part of a second says nothing.
        #[expect(clippy::cast_possible_truncation, reason = "a moment out of range is refused")]
        let seconds = seconds.map(|seconds| seconds as i64);
        let moment = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        moment.ok_or_else(|| self.api.damaged("it does not say when the key will be deleted"))
    }

    async fn switch(&self, action: &str, generation: &Generation) -> Result<()> {
        self.alive(generation).await?;
        self.call::<Nothing>(action, &json!({ "KeyId": id(&generation.0) })).await?;
        Ok(())
    }
}

impl Root for AwsRoot {
    fn place(&self) -> Place {
        Place { kind: "aws-kms", place: self.api.place().to_owned(), host: self.api.host() }
    }

    fn current(&self) -> Fut<'_, Result<Generation>> {
        Box::pin(async { Ok(Generation(self.newest().await?)) })
    }

    fn wrap<'a>(&'a self, key: &'a Material, context: &'a Context) -> Fut<'a, Result<Wrapped>> {
        Box::pin(async move {
            let newest = Generation(self.newest().await?);
            self.usable(&newest).await?;
            self.encrypt(&newest.0, key.expose(), context).await
        })
    }

    fn unwrap<'a>(&'a self, key: &'a Wrapped, context: &'a Context) -> Fut<'a, Result<Material>> {
        Box::pin(async move {
            self.usable(&key.generation).await?;
            let body = opening(key, context);
            let opened: Decrypted = match self.api.call("Decrypt", &body).await {
                Ok(opened) => opened,
                Err(failure) => return Err(self.why(failure, key, context).await),
            };
            let text = Zeroizing::new(opened.text);
            let bytes = BASE64.decode(text.as_bytes()).map_err(|_| Error::Refused)?;
            let bytes = Zeroizing::new(bytes);
            Material::try_from(bytes.as_slice()).map_err(|_| Error::Refused)
        })
    }

    fn roll(&self) -> Fut<'_, Result<Generation>> {
        Box::pin(async {
            if alias(&self.key).is_none() {
                let why = format!("{} is a key; only an alias can move to a new one", self.key);
                return Err(Error::Settings(why));
            }
            let old = self.newest().await?;
            let fresh = self.make(Some(&old)).await?;
            self.point("UpdateAlias", &fresh).await?;
            Ok(Generation(fresh))
        })
    }

    fn rewrap<'a>(
        &'a self,
        keys: &'a [Wrapped],
        context: &'a Context,
    ) -> Fut<'a, Result<Vec<Wrapped>>> {
        Box::pin(async move {
            let newest = Generation(self.newest().await?);
            self.usable(&newest).await?;
            let mut fresh = Vec::with_capacity(keys.len());
            for key in keys {
                self.usable(&key.generation).await?;
                let body = json!({
                    "CiphertextBlob": key.bytes,
                    "SourceKeyId": key.generation.0,
                    "SourceEncryptionContext": bound(context),
                    "DestinationKeyId": newest.0,
                    "DestinationEncryptionContext": bound(context),
                });
                let done: Encrypted = match self.api.call("ReEncrypt", &body).await {
                    Ok(done) => done,
                    Err(failure) => return Err(self.why(failure, key, context).await),
                };
                fresh.push(Wrapped { generation: Generation(done.key), bytes: done.blob });
            }
            Ok(fresh)
        })
    }

    fn disable<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<()>> {
        Box::pin(self.switch("DisableKey", generation))
    }

    fn enable<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<()>> {
        Box::pin(self.switch("EnableKey", generation))
    }

    fn destroy<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<Destruction>> {
        Box::pin(async move {
            if *generation == Generation(self.newest().await?) {
                return Err(Error::Current(generation.0.clone()));
            }
            match self.alive(generation).await {
                Err(Error::Destroyed(_)) => return self.until(generation).await,
                card => card?,
            };
            // First, so that nothing opens while the deletion is being scheduled.
            self.switch("DisableKey", generation).await?;
            self.schedule(&generation.0).await
        })
    }
}

/// What KMS authenticates with a wrapped key. It is readable in the account's log.
fn bound(context: &Context) -> Value {
    json!({ CONTEXT: BASE64.encode(context.as_bytes()) })
}

fn opening(key: &Wrapped, context: &Context) -> Value {
    json!({
        "KeyId": key.generation.0,
        "CiphertextBlob": key.bytes,
        "EncryptionContext": bound(context),
    })
}

/// The alias in `key`, without the region and account that an ARN puts before it.
fn alias(key: &str) -> Option<&str> {
    let start = if key.starts_with("arn:") { key.find(":alias/")? + 1 } else { 0 };
    key.get(start..).filter(|name| name.starts_with("alias/"))
}

/// What a key's ARN says before the key's own id: the region and account.
fn account(arn: &str) -> Option<&str> {
    let (account, _) = arn.rsplit_once('/')?;
    account.ends_with(":key").then_some(account)
}

/// The key's own id: what changes a key works within the account alone, and asks for no more.
fn id(arn: &str) -> &str {
    arn.rsplit_once('/').map_or(arn, |(_, id)| id)
}

/// A key in clear on its way to KMS, borrowed so that it is nowhere twice.
#[derive(Serialize)]
struct Plain<'a> {
    #[serde(rename = "KeyId")]
    key: &'a str,
    #[serde(rename = "Plaintext")]
    text: &'a str,
    #[serde(rename = "EncryptionContext")]
    context: Value,
}

/// An answer with nothing in it, or with nothing that we need.
type Nothing = Option<IgnoredAny>;

#[derive(Deserialize)]
struct Described {
    #[serde(rename = "KeyMetadata")]
    card: KeyCard,
}

#[derive(Deserialize)]
struct KeyCard {
    #[serde(rename = "Arn")]
    arn: String,
    #[serde(rename = "KeyState")]
    state: String,
    #[serde(rename = "KeyUsage")]
    usage: String,
    #[serde(rename = "KeySpec")]
    spec: String,
    #[serde(rename = "DeletionDate")]
    deletion: Option<f64>,
    #[serde(rename = "Description", default)]
    description: Option<String>,
}

#[derive(Deserialize)]
struct Encrypted {
    #[serde(rename = "KeyId")]
    key: String,
    #[serde(rename = "CiphertextBlob")]
    blob: String,
}

#[derive(Deserialize)]
struct Decrypted {
    #[serde(rename = "Plaintext")]
    text: String,
}

#[derive(Deserialize)]
struct KeyPolicy {
    #[serde(rename = "Policy")]
    policy: String,
}

#[derive(Deserialize)]
struct Scheduled {
    #[serde(rename = "DeletionDate")]
    date: Option<f64>,
}
