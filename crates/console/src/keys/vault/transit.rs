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

use super::super::batch::{Done, Verb};
use super::super::body::{Held, Note};
use super::super::budget::Share;
use super::super::caller::{Caller, Named};
use super::super::fields::new_data_key;
use super::super::item::{Batch, Item, Text, context};
use super::super::perform::{Dialect, Finished, Job, perform};
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
        let handler = async move |State(api): State<Api>, who: Caller, key: Named, held: Held| {
            perform(Job { api, who, key, held, verb, dialect: Dialect::Vault }).await
        };
        let handler = post(handler).put(handler);
        router = router.route(&format!("/v1/transit/{word}/{{name}}"), handler.clone());
        if !matches!(verb, Some(Verb::Encrypt | Verb::Decrypt | Verb::Rewrap)) {
            router = router.route(&format!("/v1/transit/{word}/{{name}}/{{algorithm}}"), handler);
        }
    }
    router.route("/v1/transit/datakey/{form}/{name}", post(datakey).put(datakey))
}

/// The answer, as Vault writes it.
pub(in super::super) fn written(
    api: &Api,
    share: &Arc<Share>,
    finished: Finished<'_>,
) -> Result<Response, Fault> {
    let room = finished.room;
    if finished.single {
        return answer(api, share, StatusCode::OK, room, &Shown(&Ok(finished.one()?), None));
    }
    let Finished { done, items, partial_status, .. } = finished;
    let failed = done.iter().filter(|done| done.is_err()).count();
    let partial = partial_status.filter(|_| failed < done.len());
    let status = match failed {
        0 => StatusCode::OK,
        _ => partial
            .and_then(|code| StatusCode::from_u16(code).ok())
            // A status below would promise another body, or none.
            .filter(|code| code.as_u16() >= 200 && *code != StatusCode::NO_CONTENT)
            .unwrap_or(StatusCode::BAD_REQUEST),
    };
    let shown = |(done, item)| {
        let item: &Item<'_> = item;
        Shown(done, item.reference.as_ref().map(Text::as_str))
    };
    let batch_results = done.iter().zip(&items).map(shown).collect();
    answer(api, share, status, room, &Data { batch_results })
}

/// Refuses what Vault would do and we do not, instead of doing something else.
pub(in super::super) fn supported(
    batch: &Batch<'_>,
    verb: Verb,
    in_path: Option<&str>,
) -> Result<(), Fault> {
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
            Ok(Done::Hmac(tag)) => map.serialize_entry("hmac", &tag.vault()),
            Ok(Done::Signature(tag)) => {
                map.serialize_entry("signature", &tag.vault())?;
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

async fn datakey(State(api): State<Api>, who: Caller, named: Named, Note(held): Note) -> Answer {
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
    answer(&api, &held.share, StatusCode::OK, text.len() + ciphertext.len() + 64, &data)
}
