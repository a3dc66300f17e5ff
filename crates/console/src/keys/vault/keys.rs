//! Vault's paths for the keys themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ::keys::{Change, Error, KeyCard, KeyRef, Keys, Kind, Operation, Spec};
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use kernel::TenantId;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::super::body::{Note, cover_ring};
use super::super::caller::{Asked, Caller, Named};
use super::super::{Api, Fault, manage};
use super::{Answer, answer};

/// About how long the answer for a key of one version is, in bytes.
const CARD_BYTES: usize = 1024;
const NO_EXPORT: Fault = Fault::unsupported(
    "keys cannot be exported or backed up in clear here; they never leave the ring",
);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    #[serde(default)]
    list: bool,
}

#[derive(Serialize)]
struct Names {
    keys: Vec<String>,
}

/// `LIST`, or `GET` with `?list=true`: the names of the tenant's keys that the caller may read.
pub(super) async fn list(
    State(api): State<Api>,
    who: Caller,
    method: Method,
    Asked(asked): Asked<Listing>,
) -> Answer {
    if method.as_str() != "LIST" && !(method == Method::GET && asked.list) {
        return Err(Fault::METHOD);
    }
    cover_ring(&api, &who.share).await?;
    let (asked, share) = (api.clone(), Arc::clone(&who.share));
    let names = spawn_blocking(move || {
        let wanted = |of: Option<&TenantId>| of == who.namespace.as_ref();
        let ours = asked.keys.readable(&who.card.client, wanted)?;
        Ok(ours.into_iter().map(|card| card.key.name.into()).collect::<Vec<String>>())
    });
    let keys = names.await.unwrap_or(Err(Fault::INTERNAL))?;
    if keys.is_empty() {
        // As Vault says that there are none.
        return Ok((StatusCode::NOT_FOUND, axum::Json(json!({ "errors": [] }))).into_response());
    }
    answer(&api, &share, StatusCode::OK, 70 * keys.len(), &Names { keys })
}

pub(super) async fn read(State(api): State<Api>, who: Caller, named: Named) -> Answer {
    let key = who.vault_key(named.name, None)?;
    who.may(&api, &key, Operation::Read)?;
    show(&api, &who, &api.keys.card(&key)?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    #[serde(rename = "type")]
    kind: Option<String>,
    derived: Option<bool>,
    convergent_encryption: Option<bool>,
    exportable: Option<bool>,
    allow_plaintext_backup: Option<bool>,
    key_size: Option<u32>,
    auto_rotate_period: Option<Period>,
    tenant: Option<String>,
}

pub(super) async fn create(
    State(api): State<Api>,
    who: Caller,
    named: Named,
    Note(held): Note,
) -> Answer {
    let new: New = held.parse()?;
    let key = who.vault_key(named.name, new.tenant.as_deref())?;
    who.may(&api, &key, Operation::Manage)?;
    let spec = spec(&new)?;
    let rotate_after = new.auto_rotate_period.and_then(|Period(period)| period);
    if let Some(after) = rotate_after {
        manage::allow_age(&api, spec.purpose, after)?;
    }
    let card = match api.keys.create(&key, &spec).await {
        // To Vault it is no error when the key is there, as long as it is the same kind of key.
        Err(Error::Exists(_)) => {
            let card = api.keys.card(&key)?;
            if card.spec != spec {
                return Err(Error::Exists(Box::new(key)).into());
            }
            card
        }
        made => made?,
    };
    if rotate_after.is_none() {
        return show(&api, &who, &card);
    }
    let change = Change { rotate_after, ..Change::default() };
    show(&api, &who, &manage::configure(&api, &who, &key, &change).await?)
}

fn spec(new: &New) -> Result<Spec, Fault> {
    if new.convergent_encryption == Some(true) {
        return Err(Fault::unsupported(
            "convergent encryption is not offered: equal texts would have equal ciphertexts",
        ));
    }
    if new.exportable == Some(true) || new.allow_plaintext_backup == Some(true) {
        return Err(NO_EXPORT);
    }
    let kind = match new.kind.as_deref().unwrap_or("aes256-gcm96") {
        "aes256-gcm96" => Kind::Aes256Gcm,
        "ed25519" => Kind::Ed25519,
        "hmac" => Kind::Hmac,
        _ => {
            return Err(Fault::unsupported(
                "the types of keys offered here are aes256-gcm96, ed25519 and hmac",
            ));
        }
    };
    // Vault's key sizes are of HMAC keys, in bytes; zero is its default.
    if new.key_size.is_some_and(|size| !matches!(size, 0 | 32)) {
        return Err(Fault::unsupported("every key has 32 bytes here"));
    }
    let derived = new.derived == Some(true);
    if derived && kind != Kind::Aes256Gcm {
        return Err(Fault::unsupported("only a key that encrypts can be a derived one here"));
    }
    Ok(Spec { kind, needs_context: derived, ..Spec::default() })
}

pub(super) async fn remove(
    State(api): State<Api>,
    who: Caller,
    named: Named,
) -> Result<Response, Fault> {
    let key = who.vault_key(named.name, None)?;
    manage::destroying(&api, &who, &key)?;
    api.keys.remove(&key).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    min_decryption_version: Option<u32>,
    min_encryption_version: Option<u32>,
    deletion_allowed: Option<bool>,
    exportable: Option<bool>,
    allow_plaintext_backup: Option<bool>,
    auto_rotate_period: Option<Period>,
    tenant: Option<String>,
}

pub(super) async fn configure(
    State(api): State<Api>,
    who: Caller,
    named: Named,
    Note(held): Note,
) -> Answer {
    let config: Config = held.parse()?;
    let key = who.vault_key(named.name, config.tenant.as_deref())?;
    let change = Change {
        // To Vault zero is the first version.
        min_decryption: config.min_decryption_version.map(|version| version.max(1)),
        rotate_after: config.auto_rotate_period.and_then(|Period(period)| period),
        removable: config.deletion_allowed,
    };
    manage::may_configure(&api, &who, &key, &change)?;
    if config.exportable == Some(true) || config.allow_plaintext_backup == Some(true) {
        return Err(NO_EXPORT);
    }
    if config.min_encryption_version.is_some_and(|version| version != 0) {
        return Err(Fault::unsupported("the newest version encrypts here, and no other"));
    }
    show(&api, &who, &manage::configure(&api, &who, &key, &change).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    tenant: Option<String>,
}

pub(super) async fn rotate(
    State(api): State<Api>,
    who: Caller,
    named: Named,
    Note(held): Note,
) -> Answer {
    let asked: Rotation = held.parse()?;
    let key = who.vault_key(named.name, asked.tenant.as_deref())?;
    who.may(&api, &key, Operation::Manage)?;
    api.keys.rotate(&key).await?;
    show(&api, &who, &api.keys.card(&key)?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trim {
    min_available_version: u32,
    tenant: Option<String>,
}

pub(super) async fn trim(
    State(api): State<Api>,
    who: Caller,
    named: Named,
    Note(held): Note,
) -> Answer {
    let asked: Trim = held.parse()?;
    let key = who.vault_key(named.name, asked.tenant.as_deref())?;
    manage::destroying(&api, &who, &key)?;
    show(&api, &who, &api.keys.trim(&key, asked.min_available_version).await?)
}

/// A period as Vault's clients write it: seconds, or `720h`, `30m`, `5d`. Zero, which switches
/// rotation off in Vault, is `None`: the policy stays in force.
struct Period(Option<SignedDuration>);

impl Period {
    fn seconds(seconds: Option<i64>) -> Option<Self> {
        match seconds? {
            ..0 => None,
            0 => Some(Self(None)),
            seconds => Some(Self(Some(SignedDuration::from_secs(seconds)))),
        }
    }

    fn text(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(end)?;
        let unit = match unit {
            "" if text.is_empty() => return Some(Self(None)),
            "" | "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return None,
        };
        Self::seconds(number.parse::<i64>().ok()?.checked_mul(unit))
    }
}

/// A number or a text and nothing else, so that nothing larger is built from a body.
impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Period;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a period: a number of seconds, or like `720h`")
            }

            fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Period, E> {
                Period::seconds(i64::try_from(seconds).ok()).ok_or_else(|| E::custom(WRONG))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Period, E> {
                Period::text(text).ok_or_else(|| E::custom(WRONG))
            }
        }
        from.deserialize_any(Reader)
    }
}

/// As if another kind of value stood there.
const WRONG: &str = "another value, expected a period: a number of seconds, or like `720h`";

fn show(api: &Api, who: &Caller, card: &KeyCard) -> Answer {
    let shown = shown(&api.keys, &card.key, card)?;
    answer(api, &who.share, StatusCode::OK, CARD_BYTES + 256 * card.versions.len(), &shown)
}

/// A key in the words of Vault.
fn shown(keys: &Keys, key: &KeyRef, card: &KeyCard) -> Result<Value, Fault> {
    let (kind, signs) = match card.spec.kind {
        Kind::Aes256Gcm => ("aes256-gcm96", false),
        Kind::Ed25519 => ("ed25519", true),
        Kind::Hmac => ("hmac", false),
    };
    let encrypts = card.spec.kind == Kind::Aes256Gcm;
    let public: BTreeMap<u32, [u8; 32]> =
        if signs { keys.public_keys(key)?.into_iter().collect() } else { BTreeMap::new() };
    let version = |version: &::keys::VersionCard| {
        let shown = match public.get(&version.version) {
            Some(public) => json!({
                "creation_time": version.made_at.to_string(),
                "name": kind,
                "public_key": STANDARD.encode(public),
            }),
            None => json!(version.made_at.as_second()),
        };
        (version.version.to_string(), shown)
    };
    let versions: serde_json::Map<_, _> = card.versions.iter().map(version).collect();
    let oldest = card.versions.first().map_or(1, |oldest| oldest.version);
    Ok(json!({
        "name": card.key.name.as_str(),
        "type": kind,
        "keys": versions,
        "latest_version": card.newest().map_or(0, |newest| newest.version),
        "min_available_version": if oldest > 1 { oldest } else { 0 },
        "min_decryption_version": card.min_decryption,
        "min_encryption_version": 0,
        "auto_rotate_period": card.rotate_after.as_secs(),
        "deletion_allowed": card.removable,
        "derived": card.spec.needs_context,
        "convergent_encryption": false,
        "exportable": false,
        "allow_plaintext_backup": false,
        "imported_key": false,
        "supports_encryption": encrypts,
        "supports_decryption": encrypts,
        "supports_derivation": encrypts,
        "supports_signing": signs,
    }))
}
