//! A secret that the application must be able to read again: a supplier's API token.
//!
//! A password is hashed. A token is sent to the supplier, so it has to come back, and it is kept
//! encrypted by Amanah's keys. The whole of the integration is:
//!
//! 1. `AMANAH_KEYS_URL` and `AMANAH_KEYS_TOKEN` from the environment (`amanah keys client add`),
//! 2. `POST {url}/api/v1/keys/supplier-tokens/encrypt` with the tenant, the text and the *context*,
//!    which names the object it belongs to: moved to another row, the ciphertext does not open,
//! 3. the ciphertext into a column whose comment says `amanah: sealed`, so that the proof of
//!    `rest.fields` reads it, and `decrypt` with the same tenant and context to have it back.
//!
//! Each tenant has a key of its own. When a tenant leaves and its keys are destroyed, its tokens
//! are unreadable in every backup too; that answer is [`Problem::Destroyed`] and is final.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::problem::Problem;

/// The key, which Amanah keeps; each tenant has its own of this name.
const KEY: &str = "supplier-tokens";
/// How long Amanah may take for an answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// What the server calls a ciphertext whose key was destroyed.
const DESTROYED: &str = "shredded";

/// The way to Amanah's keys; none when the application was started without.
#[derive(Clone)]
pub(crate) struct Keys(Option<Access>);

#[derive(Clone)]
struct Access {
    client: Client,
    url: String,
    token: String,
}

impl Keys {
    /// With the address and the token of the environment.
    pub(crate) fn new(url: Option<String>, token: Option<String>) -> Result<Self, String> {
        let Some((url, token)) = url.zip(token) else { return Ok(Self(None)) };
        // Neither a proxy nor a redirect: the token is for this address alone.
        let client = Client::builder().timeout(DEADLINE).no_proxy().redirect(Policy::none());
        let client = client.build().map_err(|e| format!("Cannot make an HTTP client: {e}."))?;
        Ok(Self(Some(Access { client, url: url.trim_end_matches('/').to_owned(), token })))
    }

    /// The ciphertext of a supplier's token, for its column.
    pub(crate) async fn seal(&self, at: &Place<'_>, text: &str) -> Result<String, Problem> {
        let item = json!({"plaintext": BASE64.encode(text), "context": at.context()});
        let item = self.ask("encrypt", at, item).await?;
        item.ciphertext.ok_or_else(strange)
    }

    /// The token again.
    pub(crate) async fn open(&self, at: &Place<'_>, sealed: &str) -> Result<String, Problem> {
        let item = json!({"ciphertext": sealed, "context": at.context()});
        let item = self.ask("decrypt", at, item).await?;
        let bytes = item.plaintext.and_then(|text| BASE64.decode(text).ok()).ok_or_else(strange)?;
        String::from_utf8(bytes).map_err(|_| strange())
    }

    async fn ask(&self, what: &str, at: &Place<'_>, item: Value) -> Result<Item, Problem> {
        let Some(Access { client, url, token }) = &self.0 else { return Err(Problem::NoKeys) };
        let body = json!({"tenant": at.tenant, "items": [item]});
        let request = client.post(format!("{url}/api/v1/keys/{KEY}/{what}"));
        let answer = request.bearer_auth(token).json(&body).send().await.map_err(away)?;
        let status = answer.status();
        let answer: Answer = answer.json().await.map_err(away)?;
        let first = answer.items.into_iter().next();
        let error = answer.error.or(first.as_ref().and_then(|item| item.error.clone()));
        match (error, first) {
            (Some(error), _) if error.slug == DESTROYED => Err(Problem::Destroyed),
            (Some(error), _) => Err(refused(status, &error)),
            (None, Some(item)) if status.is_success() => Ok(item),
            (None, _) => Err(strange()),
        }
    }
}

/// Where a token belongs: whose it is, and of which supplier.
pub(crate) struct Place<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) supplier: &'a str,
}

impl Place<'_> {
    /// The object, as the bytes that the ciphertext is bound to.
    fn context(&self) -> String {
        BASE64.encode(format!("suppliers.api_token/{}", self.supplier))
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    items: Vec<Item>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Item {
    ciphertext: Option<String>,
    plaintext: Option<String>,
    error: Option<Refusal>,
}

#[derive(Clone, Deserialize)]
struct Refusal {
    slug: String,
    message: String,
}

fn away(error: reqwest::Error) -> Problem {
    // Without the address, which a log does not need.
    Problem::KeysAway(Box::new(error.without_url()))
}

fn refused(status: StatusCode, error: &Refusal) -> Problem {
    Problem::KeysAway(format!("{status}, {}: {}", error.slug, error.message).into())
}

fn strange() -> Problem {
    Problem::KeysAway("an answer without what was asked for".into())
}
