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

use super::batch::{Done, Verb, own_tag};
use super::body::{Held, json, work};
use super::caller::{Asked, Caller, Named, Of, Stated};
use super::item::{Batch, Item, Text, context};
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
        let handler = move |api: State<Api>, who: Caller, key: Named, of: Asked<Of>, held: Held| {
            perform(api.0, who, key, of.0, held, verb)
        };
        router = router.route(&format!("/api/v1/keys/{{name}}/{word}"), post(handler));
    }
    router.route("/api/v1/keys/{name}/datakey", post(datakey))
}

async fn perform(
    api: Api,
    who: Caller,
    key: Named,
    of: Of,
    held: Held,
    verb: Option<Verb>,
) -> Result<Response, Fault> {
    let job = Arc::new(Job { api: api.clone(), who, key, of, held, verb });
    let again = Arc::clone(&job);
    let once = move || job.run();
    match work(&again.held, once).await {
        Err(Fault { missing: Some(key), .. }) if key.tenant.is_some() && again.makes_keys() => {
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
    of: Of,
    held: Held,
    verb: Option<Verb>,
}

impl Job {
    fn makes_keys(&self) -> bool {
        self.verb.is_some_and(Verb::makes_keys)
    }

    fn run(&self) -> Result<Response, Fault> {
        let mut batch: Batch<'_> = self.held.parse()?;
        if batch.vault_items.is_some() {
            return Err(Fault::bad("json", "a batch stands in `items` here"));
        }
        let one = batch.single();
        let (items, single) = match batch.items {
            Some(items) if items.0.is_empty() => {
                return Err(Fault::bad("empty", "`items` is empty; nothing was done"));
            }
            Some(_) if !one.is_bare() => {
                return Err(Fault::bad("json", "a request has one item or a batch, not both"));
            }
            Some(items) => (items.0, false),
            None => (vec![one], true),
        };
        let verb = self.verb.map_or_else(|| Verb::of_verify(&items), Ok)?;
        let stated = Stated {
            body: batch.tenant.as_ref().map(Text::as_str),
            query: self.of.tenant.as_deref(),
        };
        let key = self.who.own_key(self.key.name.clone(), stated)?;
        self.who.may(&self.api, &key, verb.operation())?;
        let version = verb.version(&self.api.keys, &key, batch.key_version)?;
        let done = verb.perform(&self.api.keys, &key, version, &items)?;
        let room = 2 * self.held.len() + 128 * items.len();
        if single {
            let done = done.into_iter().next().unwrap_or(Err(Fault::INTERNAL))?;
            return json(StatusCode::OK, room, &Shown(&Ok(done)));
        }
        let items = done.iter().map(Shown).collect();
        json(StatusCode::OK, room, &All { items })
    }
}

impl Item<'_> {
    /// Whether nothing is in it.
    fn is_bare(&self) -> bool {
        let Self { plaintext, ciphertext, input, hmac, signature, .. } = self;
        let main = [plaintext, ciphertext, input, hmac, signature];
        let besides = [&self.context, &self.associated_data, &self.nonce, &self.reference];
        main.into_iter().chain(besides).all(Option::is_none)
    }
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
            Ok(Done::Hmac(tag)) => map.serialize_entry("hmac", &own_tag(tag)),
            Ok(Done::Signature(tag)) => map.serialize_entry("signature", &own_tag(tag)),
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
    held: Held,
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
    json(StatusCode::OK, 4 * plaintext.len() + ciphertext.len() + 64, &shown)
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
