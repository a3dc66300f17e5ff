//! A root in the transit engine of Vault or `OpenBao`: one named key, whose versions are the
//! generations.
//!
//! It stops who has this host's disk, a backup or the ring: what is wrapped opens only for who has
//! a token that may decrypt with this key. It does not stop who takes such a token from this host,
//! nor the operators of the server. A key that could be exported or backed up in clear is refused:
//! it would be no root.
//!
//! The context is sealed together with the wrapped key and compared when that is opened. The
//! engine's own ways to bind it are not used: servers that do not know `associated_data` ignore it
//! without a word, and the derivation of keys depends on how the key was made.
//!
//! Destruction raises the lowest version that decrypts and trims the key: the engine removes the
//! version and every one before it, and refuses to lower that again. It can only take versions
//! from the lower end, so to disable or destroy one does the same to all before it. That is final
//! for the running server. A backup of its storage holds the old version, sealed by the server.
//!
//! The key's name ends with the installation's id: two installations on one key would trim each
//! other's versions.
//!
//! Needs, for the mount `transit` and the key `NAME`, that is `amanah-root-INSTALLATION`: `read` on
//! `transit/keys/NAME`, `update` on `transit/encrypt/NAME` and `transit/decrypt/NAME`; to roll and
//! destroy also `update` on `transit/keys/NAME/rotate`, `/config` and `/trim`; to make it also
//! `create` and `update` on the key itself.

#[cfg(test)]
pub(crate) mod stand_in;
#[cfg(test)]
pub(crate) mod tests;

use std::io::ErrorKind;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cipher::{Context, MATERIAL_BYTES, Material};
use kernel::{Fut, Secret};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use crate::http::{Answer, Http, body, words};
use crate::settings::{Token, TransitSetting, own};
use crate::{Destruction, Error, Generation, Place, Result, Root, Wrapped, blocking};

/// The kind of key that is made. Others that authenticate what they encrypt do as well.
const KIND: &str = "aes256-gcm96";
/// The kinds of keys that authenticate what they encrypt with 256 bits.
const KINDS: [&str; 3] = [KIND, "chacha20-poly1305", "xchacha20-poly1305"];
/// A token's file is never larger, in bytes.
const MAX_TOKEN_BYTES: u64 = 8 << 10;

/// A root in a transit engine. See the [module](self).
pub struct TransitRoot {
    http: Http,
    mount: String,
    key: String,
    namespace: Option<String>,
    token: Token,
}

impl TransitRoot {
    /// Finds the key. With `create`, one that does not exist is made.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is no such key, [`Error::Settings`] when it can be exported
    /// or does not encrypt.
    pub async fn open(setting: &TransitSetting, create: bool) -> Result<Self> {
        let mount = setting.mount.trim_matches('/').to_owned();
        let key = own(&setting.key, &setting.installation)?;
        if !mount.split('/').all(is_segment) || !is_segment(&key) {
            let odd = format!("`{mount}` or `{key}` is no mount or key");
            return Err(Error::Settings(odd));
        }
        let mut spaces =
            setting.namespace.iter().flat_map(|space| space.trim_matches('/').split('/'));
        if !spaces.all(is_segment) {
            return Err(Error::Settings("the namespace is no namespace".to_owned()));
        }
        let address = setting.address.trim_end_matches('/');
        let place = format!("{address}/v1/{mount}/keys/{key}");
        let http = Http::new(&setting.address, place, setting.authority.as_deref())?;
        let root = Self {
            http,
            mount,
            key,
            namespace: setting.namespace.clone(),
            token: setting.token.clone(),
        };
        match root.card().await {
            Err(Error::Missing { .. }) if create => {
                let body = json!({ "type": KIND });
                root.done(&root.write("keys", "", &body).await?)?;
                root.check(&root.card().await?)?;
            }
            card => root.check(&card?)?,
        }
        Ok(root)
    }

    /// A key that others can take out is no root.
    fn check(&self, card: &KeyCard) -> Result<()> {
        let why = if card.exportable || card.allow_plaintext_backup {
            "can be exported or backed up in clear, so it is no root"
        } else if card.derived {
            "is derived, which needs what a root does not give"
        } else if !KINDS.contains(&card.kind.as_str()) {
            "does not encrypt with 256 bits and authentication"
        } else {
            return Ok(());
        };
        Err(Error::Settings(format!("the key at {} {why}", self.http.place())))
    }

    async fn card(&self) -> Result<KeyCard> {
        let answer = self.http.send(self.ask(Method::GET, "keys", "").await?).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(Error::Missing { place: self.http.place().to_owned() });
        }
        self.data(&answer)
    }

    /// A request for `MOUNT/WHAT/KEY` and what follows it.
    async fn ask(&self, method: Method, what: &str, end: &str) -> Result<RequestBuilder> {
        let url = self.http.url(&format!("/v1/{}/{what}/{}{end}", self.mount, self.key));
        let mut request = self
            .http
            .request(method, url)
            .header("x-vault-token", self.token().await?)
            .header("x-vault-request", "true");
        if let Some(namespace) = &self.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        Ok(request)
    }

    async fn write(
        &self,
        what: &str,
        end: &str,
        content: &(impl Serialize + Sync),
    ) -> Result<Answer> {
        let request = self.ask(Method::POST, what, end).await?;
        let request = request.header(CONTENT_TYPE, "application/json");
        self.http.send(request.body(body(content)?)).await
    }

    async fn token(&self) -> Result<HeaderValue> {
        let token = match &self.token {
            Token::Fixed(token) => token.clone(),
            Token::File(path) => {
                let (path, place) = (path.clone(), self.http.place().to_owned());
                blocking(move || read_token(&path, place)).await?
            }
        };
        let text = token.expose().trim();
        let value = HeaderValue::from_str(text).ok().filter(|_| !text.is_empty());
        let mut value = value.ok_or_else(|| self.http.denied("the token is no token"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// What an answer holds under `data`.
    fn data<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T> {
        #[derive(Deserialize)]
        struct Envelope<T> {
            data: T,
        }
        self.done(answer)?;
        Ok(self.http.json::<Envelope<T>>(answer)?.data)
    }

    /// Whether it was done.
    fn done(&self, answer: &Answer) -> Result<()> {
        #[derive(Deserialize)]
        struct Said {
            errors: Vec<String>,
        }
        if answer.status.is_success() {
            return Ok(());
        }
        let said = serde_json::from_slice::<Said>(&answer.body).map(|said| said.errors.join("; "));
        let why = words(&format!("status {}: {}", answer.status, said.unwrap_or_default()));
        Err(match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.http.denied(&why),
            StatusCode::BAD_REQUEST => Error::Settings(why),
            StatusCode::NOT_FOUND => Error::Missing { place: self.http.place().to_owned() },
            _ => self.http.unavailable(&why),
        })
    }

    /// Lets `least` be the lowest version that decrypts. A lowest version that encrypts may not
    /// lie below it, where there is one; with `set` there is one afterwards.
    async fn allow_from(&self, card: &KeyCard, least: u64, set: bool) -> Result<()> {
        let encrypts = match card.min_encryption_version {
            0 if !set => 0,
            version => version.max(least),
        };
        let body = json!({
            "min_decryption_version": least,
            "min_encryption_version": encrypts,
        });
        self.done(&self.write("keys", "/config", &body).await?)
    }

    /// Whether `version` opens, by what the key's card says.
    fn usable(card: &KeyCard, version: u64) -> Result<()> {
        let name = || Generation::of(version).0;
        if version > card.latest_version {
            Err(Error::Refused)
        } else if !card.has(version) {
            Err(Error::Destroyed(name()))
        } else if version < card.min_decryption_version {
            Err(Error::Disabled(name()))
        } else {
            Ok(())
        }
    }
}

impl Root for TransitRoot {
    fn place(&self) -> Place {
        Place { kind: "transit", place: self.http.place().to_owned(), host: self.http.host() }
    }

    fn current(&self) -> Fut<'_, Result<Generation>> {
        Box::pin(async { Ok(Generation::of(self.card().await?.latest_version)) })
    }

    fn wrap<'a>(&'a self, key: &'a Material, context: &'a Context) -> Fut<'a, Result<Wrapped>> {
        Box::pin(async move {
            // Borrowed: the key in clear is nowhere twice.
            #[derive(Serialize)]
            struct Plain<'a> {
                plaintext: &'a str,
            }
            #[derive(Deserialize)]
            struct Encrypted {
                ciphertext: String,
            }
            // An engine makes a key that it does not have when it is asked to encrypt: that would
            // be another root.
            self.card().await?;
            let text = Zeroizing::new([key.expose(), context.as_bytes()].concat());
            let text = Zeroizing::new(BASE64.encode(text.as_slice()));
            let answer = self.write("encrypt", "", &Plain { plaintext: &text }).await?;
            let sealed = self.data::<Encrypted>(&answer)?.ciphertext;
            let version = version(&sealed)
                .ok_or_else(|| self.http.damaged("it gives a ciphertext of another form"))?;
            Ok(Wrapped { generation: Generation::of(version), bytes: BASE64.encode(sealed) })
        })
    }

    fn unwrap<'a>(&'a self, key: &'a Wrapped, context: &'a Context) -> Fut<'a, Result<Material>> {
        Box::pin(async move {
            #[derive(Deserialize)]
            struct Decrypted {
                plaintext: String,
            }
            let sealed = BASE64.decode(&key.bytes).map_err(|_| Error::Refused)?;
            let sealed = String::from_utf8(sealed).map_err(|_| Error::Refused)?;
            let version = version(&sealed).ok_or(Error::Refused)?;
            if Generation::of(version) != key.generation {
                return Err(Error::Refused);
            }
            let body = json!({ "ciphertext": sealed });
            let answer = self.write("decrypt", "", &body).await?;
            if answer.status == StatusCode::BAD_REQUEST {
                // The version may not be used any more, or the bytes are not its own: the key's
                // card tells.
                Self::usable(&self.card().await?, version)?;
                return Err(Error::Refused);
            }
            let text = Zeroizing::new(self.data::<Decrypted>(&answer)?.plaintext);
            let text = Zeroizing::new(BASE64.decode(text.as_bytes()).map_err(|_| Error::Refused)?);
            let (material, bound) =
                text.split_first_chunk::<MATERIAL_BYTES>().ok_or(Error::Refused)?;
            // The context is no secret, so how long this takes tells nothing.
            if bound == context.as_bytes() {
                Ok(Material::new(*material))
            } else {
                Err(Error::Refused)
            }
        })
    }

    fn roll(&self) -> Fut<'_, Result<Generation>> {
        Box::pin(async {
            let body = json!({});
            self.done(&self.write("keys", "/rotate", &body).await?)?;
            self.current().await
        })
    }

    fn disable<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<()>> {
        Box::pin(async move {
            let card = self.card().await?;
            let version = generation.version().ok_or(Error::Refused)?;
            if version >= card.latest_version {
                return Err(Error::Current(generation.0.clone()));
            }
            match Self::usable(&card, version) {
                Err(Error::Disabled(_)) => Ok(()),
                Err(error) => Err(error),
                Ok(()) => self.allow_from(&card, version + 1, false).await,
            }
        })
    }

    fn enable<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<()>> {
        Box::pin(async move {
            let card = self.card().await?;
            let version = generation.version().ok_or(Error::Refused)?;
            match Self::usable(&card, version) {
                Err(Error::Disabled(_)) => self.allow_from(&card, version, false).await,
                usable => usable,
            }
        })
    }

    fn destroy<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<Destruction>> {
        Box::pin(async move {
            let card = self.card().await?;
            let version = generation.version().ok_or(Error::Refused)?;
            if version == card.latest_version {
                return Err(Error::Current(generation.0.clone()));
            }
            match Self::usable(&card, version) {
                Err(Error::Destroyed(_)) => return Ok(Destruction::Done),
                Err(Error::Disabled(_)) | Ok(()) => {}
                Err(error) => return Err(error),
            }
            // What is left must begin with a version that may encrypt and decrypt, or the engine
            // does not trim.
            let least = version + 1;
            self.allow_from(&card, least.max(card.min_decryption_version), true).await?;
            let body = json!({ "min_available_version": least });
            self.done(&self.write("keys", "/trim", &body).await?)?;
            match Self::usable(&self.card().await?, version) {
                Err(Error::Destroyed(_)) => Ok(Destruction::Done),
                _ => Err(self.http.damaged("it trimmed the key and still has the version")),
            }
        })
    }
}

impl Generation {
    fn of(version: u64) -> Self {
        Self(format!("v{version}"))
    }

    fn version(&self) -> Option<u64> {
        let digits = self.0.strip_prefix('v')?;
        digits.parse().ok().filter(|version: &u64| *version > 0 && digits == version.to_string())
    }
}

/// What the engine says of a key.
#[derive(Debug, Deserialize)]
struct KeyCard {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    derived: bool,
    exportable: bool,
    allow_plaintext_backup: bool,
    latest_version: u64,
    min_decryption_version: u64,
    #[serde(default)]
    min_encryption_version: u64,
    #[serde(default)]
    min_available_version: u64,
}

impl KeyCard {
    /// Whether it still holds `version`.
    const fn has(&self, version: u64) -> bool {
        version >= self.min_available_version
    }
}

/// The version that a ciphertext of the form `vault:v3:…` names.
fn version(sealed: &str) -> Option<u64> {
    let mut parts = sealed.split(':');
    let version = parts.nth(1)?;
    Generation(version.to_owned()).version()
}

/// One name in a path, which needs no escaping and leads nowhere else.
fn is_segment(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text != "." && text != ".." && text.chars().all(plain)
}

fn read_token(path: &std::path::Path, place: String) -> Result<Secret> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(MAX_TOKEN_BYTES).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(Secret::new(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Error::Denied { place, why: "the token's file is not there".to_owned() })
        }
        Err(error) => Err(Error::Denied { place, why: format!("the token's file: {error}") }),
    }
}
