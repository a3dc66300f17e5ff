//! Vault's paths for work on texts, ciphertexts and tags.

use std::sync::Arc;

use ::keys::Operation;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use super::super::batch::{Done, Verb, vault_tag};
use super::super::body::{Held, work};
use super::super::caller::{Caller, Named};
use super::super::fields::new_data_key;
use super::super::item::{Batch, Text, context};
use super::super::{Api, Fault};
use super::{Answer, answer};

pub(super) fn routes() -> Router<Api> {
    let mut router = Router::new();
    for (word, verb) in [
        ("encrypt", Some(Verb::Encrypt)),
        ("decrypt", Some(Verb::Decrypt)),
        ("rewrap", Some(Verb::Rewrap)),
        ("hmac", Some(Verb::Hmac)),
        ("sign", Some(Verb::Sign)),
        ("verify", None),
    ] {
        let handler = move |api: State<Api>, who: Caller, key: Named, held: Held| {
            perform(api.0, who, key, held, verb)
        };
        let handler = post(handler).put(handler);
        router = router.route(&format!("/v1/transit/{word}/{{name}}"), handler.clone());
        if !matches!(verb, Some(Verb::Encrypt | Verb::Decrypt | Verb::Rewrap)) {
            router = router.route(&format!("/v1/transit/{word}/{{name}}/{{algorithm}}"), handler);
        }
    }
    router.route("/v1/transit/datakey/{form}/{name}", post(datakey).put(datakey))
}

async fn perform(
    api: Api,
    who: Caller,
    key: Named,
    held: Held,
    verb: Option<Verb>,
) -> Result<Response, Fault> {
    let job = Arc::new(Job { api: api.clone(), who, key, held, verb });
    let again = Arc::clone(&job);
    match work(&again.held, move || job.run()).await {
        Err(Fault { missing: Some(key), .. })
            if key.tenant.is_some() && verb.is_some_and(Verb::makes_keys) =>
        {
            api.keys.ensure(&key).await?;
            let job = Arc::clone(&again);
            work(&again.held, move || job.run()).await
        }
        answer => answer,
    }
}

struct Job {
    api: Api,
    who: Caller,
    key: Named,
    held: Held,
    verb: Option<Verb>,
}

impl Job {
    fn run(&self) -> Result<Response, Fault> {
        let mut batch: Batch<'_> = self.held.parse()?;
        if batch.items.is_some() {
            return Err(Fault::bad("json", "a batch stands in `batch_input` here"));
        }
        // As Vault does it: beside a batch, a single item is ignored.
        let one = batch.single();
        let (items, single) = match batch.vault_items.take() {
            Some(items) if items.0.is_empty() => {
                return Err(Fault::bad("empty", "`batch_input` is empty; nothing was done"));
            }
            Some(items) => (items.0, false),
            None => (vec![one], true),
        };
        let verb = self.verb.map_or_else(|| Verb::of_verify(&items), Ok)?;
        supported(&batch, verb, self.key.other("algorithm"))?;
        let tenant = batch.tenant.as_ref().map(Text::as_str);
        let key = self.who.vault_key(self.key.name.clone(), tenant)?;
        self.who.may(&self.api, &key, verb.operation())?;
        let version = verb.version(&self.api.keys, &key, batch.key_version)?;
        let done = verb.perform(&self.api.keys, &key, version, &items)?;
        let room = 2 * self.held.len() + 128 * items.len();
        if single {
            let done = done.into_iter().next().unwrap_or(Err(Fault::INTERNAL))?;
            return answer(&self.api, StatusCode::OK, room, &Shown(&Ok(done), None));
        }
        let failed = done.iter().filter(|done| done.is_err()).count();
        let partial = batch.partial_failure_response_code.filter(|_| failed < done.len());
        let status = match failed {
            0 => StatusCode::OK,
            _ => partial
                .and_then(|code| StatusCode::from_u16(code).ok())
                // A status below would promise another body, or none.
                .filter(|code| code.as_u16() >= 200 && *code != StatusCode::NO_CONTENT)
                .unwrap_or(StatusCode::BAD_REQUEST),
        };
        let shown = |(done, item)| {
            let item: &super::super::item::Item<'_> = item;
            Shown(done, item.reference.as_ref().map(Text::as_str))
        };
        let batch_results = done.iter().zip(&items).map(shown).collect();
        answer(&self.api, status, room, &Data { batch_results })
    }
}

/// Refuses what Vault would do and we do not, instead of doing something else.
fn supported(batch: &Batch<'_>, verb: Verb, in_path: Option<&str>) -> Result<(), Fault> {
    if batch.convergent_encryption {
        return Err(Fault::unsupported(
            "convergent encryption is not offered: equal texts would have equal ciphertexts",
        ));
    }
    if batch.prehashed {
        return Err(Fault::unsupported("Ed25519 signs the whole input here, never its digest"));
    }
    if batch.marshaling_algorithm.as_ref().is_some_and(|way| way.as_str() != "asn1") {
        return Err(Fault::unsupported("signatures are written in standard base64 alone"));
    }
    // Ed25519 has its own hash, as in Vault, where the parameter is ignored too.
    if matches!(verb, Verb::Hmac | Verb::VerifyHmac) {
        let stated = [batch.algorithm.as_ref(), batch.hash_algorithm.as_ref()];
        let stated = stated.into_iter().flatten().map(Text::as_str).chain(in_path);
        if stated.into_iter().any(|stated| !stated.is_empty() && stated != "sha2-256") {
            return Err(Fault::unsupported("HMACs are made with SHA-256 here (`sha2-256`)"));
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Data<'a> {
    batch_results: Vec<Shown<'a>>,
}

/// What came of an item, as Vault writes it, and the reference that it was given.
struct Shown<'a>(&'a Result<Done, Fault>, Option<&'a str>);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        match self.0 {
            Ok(Done::Ciphertext(text)) => {
                map.serialize_entry("ciphertext", &text.vault())?;
                map.serialize_entry("key_version", &text.version)
            }
            Ok(Done::Plaintext(text)) => map.serialize_entry("plaintext", text.as_str()),
            Ok(Done::Hmac(tag)) => map.serialize_entry("hmac", &vault_tag(tag)),
            Ok(Done::Signature(tag)) => {
                map.serialize_entry("signature", &vault_tag(tag))?;
                map.serialize_entry("key_version", &tag.version)
            }
            Ok(Done::Valid(valid)) => map.serialize_entry("valid", valid),
            Err(fault) => map.serialize_entry("error", &fault.message),
        }?;
        if let Some(reference) = self.1 {
            map.serialize_entry("reference", reference)?;
        }
        map.end()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDataKey<'a> {
    #[serde(borrow)]
    tenant: Option<Text<'a>>,
    context: Option<Text<'a>>,
    associated_data: Option<Text<'a>>,
    nonce: Option<Text<'a>>,
    bits: Option<usize>,
}

#[derive(Serialize)]
struct DataKey<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<&'a str>,
    ciphertext: &'a str,
    key_version: u32,
}

async fn datakey(State(api): State<Api>, who: Caller, named: Named, held: Held) -> Answer {
    let shown = match named.other("form") {
        Some("plaintext") => true,
        Some("wrapped") => false,
        _ => return Err(Fault::NOWHERE),
    };
    let asked: NewDataKey<'_> = held.parse()?;
    if asked.nonce.is_some() {
        return Err(Fault::unsupported("a nonce is never chosen by the client here"));
    }
    let key = who.vault_key(named.name, asked.tenant.as_ref().map(Text::as_str))?;
    who.may(&api, &key, Operation::Encrypt)?;
    let object = context(asked.context.as_ref(), asked.associated_data.as_ref())?;
    let (text, sealed) = new_data_key(&api, &key, asked.bits, &object).await?;
    let (text, ciphertext) = (Zeroizing::new(STANDARD.encode(&*text)), sealed.vault());
    let data = DataKey {
        plaintext: shown.then_some(text.as_str()),
        ciphertext: &ciphertext,
        key_version: sealed.version,
    };
    answer(&api, StatusCode::OK, text.len() + ciphertext.len() + 64, &data)
}
