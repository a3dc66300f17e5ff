//! Vault's paths that have to do with no key: whether the service is up, whose token this is,
//! random bytes and digests.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::hex;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::super::body::{Held, Note, work};
use super::super::caller::{Asked, Caller};
use super::super::item::Text;
use super::super::{Api, Fault};
use super::{Answer, answer};

/// The most random bytes that are given at once; Vault's bound.
const MAX_RANDOM_BYTES: usize = 128 * 1024;
/// The random bytes that are given when no number is named.
const RANDOM_BYTES: usize = 32;
/// About how long the answer about a token is, in bytes.
const LOOKUP_BYTES: usize = 1024;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/sys/health", get(health))
        .route("/v1/sys/init", get(initialised))
        .route("/v1/sys/seal-status", get(seal_status))
        .route("/v1/auth/token/lookup-self", get(lookup_self))
        .route("/v1/transit/random", post(random).put(random))
        .route("/v1/transit/random/{first}", post(random).put(random))
        .route("/v1/transit/random/{first}/{second}", post(random).put(random))
        .route("/v1/transit/hash", post(hash).put(hash))
        .route("/v1/transit/hash/{algorithm}", post(hash).put(hash))
}

/// What Vault's clients may ask besides. None of it says anything about a service that is never
/// sealed and never stands by.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Health {
    #[serde(rename = "standbyok")]
    _standby_ok: Option<String>,
    #[serde(rename = "perfstandbyok")]
    _performance_standby_ok: Option<String>,
    #[serde(rename = "standbycode")]
    _standby_code: Option<String>,
    #[serde(rename = "drsecondarycode")]
    _secondary_code: Option<String>,
    #[serde(rename = "performancestandbycode")]
    _performance_standby_code: Option<String>,
    #[serde(rename = "sealedcode")]
    _sealed_code: Option<String>,
    #[serde(rename = "uninitcode")]
    _uninitialised_code: Option<String>,
}

/// Nothing is asked in the query.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Like Vault's, it asks for no token. Whoever can ask at all has opened the ring.
async fn health(State(api): State<Api>, _: Asked<Health>) -> Json<Value> {
    Json(json!({
        "initialized": true,
        "sealed": false,
        "standby": false,
        "performance_standby": false,
        "replication_performance_mode": "disabled",
        "replication_dr_mode": "disabled",
        "server_time_utc": api.clock.now().as_second(),
        "version": env!("CARGO_PKG_VERSION"),
        "cluster_name": "amanah",
    }))
}

async fn initialised(_: Asked<Nothing>) -> Json<Value> {
    Json(json!({ "initialized": true }))
}

async fn seal_status(_: Asked<Nothing>) -> Json<Value> {
    Json(json!({
        "type": "amanah",
        "initialized": true,
        "sealed": false,
        "t": 1,
        "n": 1,
        "progress": 0,
        "nonce": "",
        "version": env!("CARGO_PKG_VERSION"),
        "migration": false,
        "recovery_seal": false,
        "storage_type": "ring",
        "cluster_name": "amanah",
    }))
}

/// What the token allows, without the token.
async fn lookup_self(State(api): State<Api>, who: Caller) -> Answer {
    let (client, admitted) = (&who.card.client, who.card.admitted_at);
    let seconds =
        |until: jiff::Timestamp, from: jiff::Timestamp| until.duration_since(from).as_secs().max(0);
    let now = api.clock.now();
    let data = json!({
        "id": "",
        "accessor": "",
        "display_name": client.name,
        "policies": [client.name],
        "path": "auth/token/create",
        "type": "service",
        "creation_time": admitted.as_second(),
        "creation_ttl": client.expires_at.map_or(0, |end| seconds(end, admitted)),
        "expire_time": client.expires_at.map(|end| end.to_string()),
        "ttl": client.expires_at.map_or(0, |end| seconds(end, now)),
        "explicit_max_ttl": 0,
        "num_uses": 0,
        "orphan": true,
        "renewable": false,
        "entity_id": "",
        "meta": { "keys": client.keys, "operations": client.operations },
    });
    answer(&api, &who.share, StatusCode::OK, LOOKUP_BYTES, &data)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Random<'a> {
    bytes: Option<usize>,
    #[serde(borrow)]
    format: Option<Text<'a>>,
    source: Option<Text<'a>>,
}

/// Either segment of the path may be the number, as in Vault.
async fn random(
    State(api): State<Api>,
    _: Caller,
    path: axum::extract::RawPathParams,
    Note(held): Note,
) -> Answer {
    let asked: Random<'_> = held.parse()?;
    let (mut bytes, mut source) = (asked.bytes, asked.source.as_ref().map(Text::as_str));
    for (_, segment) in &path {
        match segment.parse() {
            Ok(number) => bytes = Some(number),
            Err(_) => source = Some(segment),
        }
    }
    if source.is_some_and(|source| source != "platform") {
        return Err(Fault::unsupported("the one source of randomness here is `platform`"));
    }
    let wanted = bytes.unwrap_or(RANDOM_BYTES);
    if !(1..=MAX_RANDOM_BYTES).contains(&wanted) {
        return Err(Fault::bad("bytes", "at least 1 and at most 131072 random bytes"));
    }
    let mut bytes = Zeroizing::new(vec![0; wanted]);
    api.rng.fill(&mut bytes).map_err(::keys::Error::from)?;
    let text = Zeroizing::new(written(&bytes, asked.format.as_ref(), "base64")?);
    answer(&api, &held.share, StatusCode::OK, text.len() + 32, &json_of("random_bytes", &text))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hash<'a> {
    #[serde(borrow)]
    input: Text<'a>,
    algorithm: Option<Text<'a>>,
    format: Option<Text<'a>>,
}

async fn hash(
    State(api): State<Api>,
    _: Caller,
    path: axum::extract::RawPathParams,
    held: Held,
) -> Answer {
    let in_path = path.iter().next().map(|(_, algorithm)| algorithm.to_owned());
    work(held.len(), move || hashed(&api, &held, in_path.as_deref())).await
}

fn hashed(api: &Api, held: &Held, in_path: Option<&str>) -> Answer {
    let asked: Hash<'_> = held.parse()?;
    let algorithm = asked.algorithm.as_ref().map(Text::as_str).or(in_path).unwrap_or("sha2-256");
    let input = asked.input.bytes()?;
    let sum = match algorithm {
        "sha2-224" => Sha224::digest(&*input).to_vec(),
        "sha2-256" => Sha256::digest(&*input).to_vec(),
        "sha2-384" => Sha384::digest(&*input).to_vec(),
        "sha2-512" => Sha512::digest(&*input).to_vec(),
        _ => return Err(Fault::unsupported("the hashes here are sha2-224, -256, -384 and -512")),
    };
    let text = written(&sum, asked.format.as_ref(), "hex")?;
    answer(api, &held.share, StatusCode::OK, text.len() + 32, &json_of("sum", &text))
}

fn json_of<'a>(name: &'a str, text: &'a str) -> std::collections::BTreeMap<&'a str, &'a str> {
    [(name, text)].into()
}

fn written(bytes: &[u8], format: Option<&Text<'_>>, usual: &str) -> Result<String, Fault> {
    match format.map_or(usual, Text::as_str) {
        "hex" => Ok(hex(bytes)),
        "base64" => Ok(STANDARD.encode(bytes)),
        _ => Err(Fault::bad("format", "a format is `hex` or `base64`")),
    }
}
