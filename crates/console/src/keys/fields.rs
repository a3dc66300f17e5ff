//! Our own API: work on texts, ciphertexts and tags.

use std::sync::Arc;

use ::keys::{KeyRef, Operation};
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

use super::batch::{Done, Verb};
use super::body::{Held, Note, json};
use super::budget::Share;
use super::caller::{Asked, Caller, Named, Of, Stated};
use super::item::{Text, context};
use super::perform::{Dialect, Finished, Job, perform};
use super::{Api, Fault};

pub(super) fn routes() -> Router<Api> {
    let mut router = Router::new();
    for (word, verb) in [
        ("encrypt", Some(Verb::Encrypt)),
        ("decrypt", Some(Verb::Decrypt)),
        ("rewrap", Some(Verb::Rewrap)),
        ("hmac", Some(Verb::Hmac)),
        ("sign", Some(Verb::Sign)),
        // Whether it is about HMACs or signatures stands in its body.
        ("verify", None),
    ] {
        let handler = async move |State(api): State<Api>,
                                  who: Caller,
                                  key: Named,
                                  Asked(of): Asked<Of>,
                                  held: Held| {
            perform(Job { api, who, key, held, verb, dialect: Dialect::Own(of) }).await
        };
        router = router.route(&format!("/api/v1/keys/{{name}}/{word}"), post(handler));
    }
    router.route("/api/v1/keys/{name}/datakey", post(datakey))
}

/// The answer, as our own API writes it.
pub(super) fn written(share: &Arc<Share>, finished: Finished<'_>) -> Result<Response, Fault> {
    let room = finished.room;
    if finished.single {
        return json(share, StatusCode::OK, room, &Shown(&Ok(finished.one()?)));
    }
    let items = finished.done.iter().map(Shown).collect();
    json(share, StatusCode::OK, room, &All { items })
}

#[derive(Serialize)]
struct All<'a> {
    items: Vec<Shown<'a>>,
}

/// What came of an item, as our own API writes it.
struct Shown<'a>(&'a Result<Done, Fault>);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(1))?;
        match self.0 {
            Ok(Done::Ciphertext(text)) => map.serialize_entry("ciphertext", &text.text()),
            Ok(Done::Plaintext(text)) => map.serialize_entry("plaintext", text.as_str()),
            Ok(Done::Hmac(tag)) => map.serialize_entry("hmac", &tag.text()),
            Ok(Done::Signature(tag)) => map.serialize_entry("signature", &tag.text()),
            Ok(Done::Valid(valid)) => map.serialize_entry("valid", valid),
            Err(fault) => map.serialize_entry("error", &fault.value()),
        }?;
        map.end()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDataKey<'a> {
    #[serde(borrow)]
    tenant: Option<Text<'a>>,
    context: Option<Text<'a>>,
    bits: Option<usize>,
}

#[derive(Serialize)]
struct DataKey<'a> {
    plaintext: &'a str,
    ciphertext: &'a str,
}

async fn datakey(
    State(api): State<Api>,
    who: Caller,
    named: Named,
    Asked(of): Asked<Of>,
    Note(held): Note,
) -> Result<Response, Fault> {
    let asked: NewDataKey<'_> = held.parse()?;
    let stated =
        Stated { body: asked.tenant.as_ref().map(Text::as_str), query: of.tenant.as_deref() };
    let key = who.own_key(named.name, stated)?;
    who.may(&api, &key, Operation::Encrypt)?;
    let object = context(asked.context.as_ref(), None)?;
    let (text, sealed) = new_data_key(&api, &key, asked.bits, &object).await?;
    let (plaintext, ciphertext) = (Zeroizing::new(STANDARD.encode(&*text)), sealed.text());
    let shown = DataKey { plaintext: &plaintext, ciphertext: &ciphertext };
    json(&held.share, StatusCode::OK, 4 * plaintext.len() + ciphertext.len() + 64, &shown)
}

/// A new data key of 128, 256 or 512 bits, in clear and encrypted.
pub(super) async fn new_data_key(
    api: &Api,
    key: &KeyRef,
    bits: Option<usize>,
    context: &[u8],
) -> Result<(Zeroizing<Vec<u8>>, ::keys::Ciphertext), Fault> {
    let bits = bits.unwrap_or(256);
    if !matches!(bits, 128 | 256 | 512) {
        return Err(Fault::bad("bits", "a data key has 128, 256 or 512 bits"));
    }
    let made = first_use(api, key, || api.keys.datakey(key, bits / 8, context)).await?;
    Ok(made)
}

/// Does `with` the key, which a tenant's first use of it makes.
pub(super) async fn first_use<T>(
    api: &Api,
    key: &KeyRef,
    with: impl Fn() -> ::keys::Result<T>,
) -> ::keys::Result<T> {
    match with() {
        Err(::keys::Error::Unknown(_)) if key.tenant.is_some() => {
            api.keys.ensure(key).await?;
            with()
        }
        done => done,
    }
}
