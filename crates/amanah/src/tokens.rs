//! Tokens for programs: which key of the ring signs them, how the console gives them out, and how
//! the proof asks for them as a program would.

use std::sync::Arc;

use access::Catalogue;
use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use console::{AskedKey, Granted, KeyRack, KeyRefusal, TokenRefusal};
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use identity::{Error, Identities, KeyCard, NewKey, Pair, TokenProbe};
use kernel::{Bits, Fut, Identity, PermissionId, Secret, SessionToken, TokenKey, TokenKeys, own};
use keys::{KeyName, KeyRef, Keys, Kind, Purpose, Spec};
use serde_json::{Value, json};

use crate::probe::{ANSWER, Edge, MAX_PAGE_BYTES, NAME};

/// The house's key that signs tokens and assertions. Nobody is let to a key of this name by the
/// interface for applications.
const TOKENS_KEY: &str = "amanah.tokens";
/// Who uses it, for those who list keys.
const OWN_TOKENS: &str = "tokens and assertions";
/// How many of its versions are looked at: older ones have no token out.
const VERSIONS: usize = 4;
/// Where tokens are given out, ended, and tried.
const TOKEN: &str = "/_amanah/token";
const REVOKE: &str = "/_amanah/token/revoke";
const WHO: &str = "/_amanah/identity";

/// Signs with the house's key in the ring.
pub(crate) struct TokenPen {
    keys: Keys,
    key: KeyRef,
}

impl TokenPen {
    /// The key, which `amanah up` makes; until then nothing is signed.
    pub(crate) fn known(keys: &Keys) -> anyhow::Result<Self> {
        let key = KeyRef { tenant: None, name: KeyName::new(TOKENS_KEY)? };
        keys.registers(OWN_TOKENS, &key);
        Ok(Self { keys: keys.clone(), key })
    }

    /// Makes the key if it is not there.
    pub(crate) async fn make(keys: &Keys) -> anyhow::Result<()> {
        let pen = Self::known(keys)?;
        if pen.keys.public_keys(&pen.key).is_ok() {
            return Ok(());
        }
        let spec = Spec { kind: Kind::Ed25519, purpose: Purpose::Signing, needs_context: false };
        match pen.keys.create(&pen.key, &spec).await {
            Ok(_) | Err(keys::Error::Exists(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Each version with its public half and when it was made, the newest first.
    fn versions(&self) -> Result<Vec<(u32, TokenKey)>, String> {
        let words = |error: keys::Error| error.to_string();
        let mut all = self.keys.public_keys(&self.key).map_err(words)?;
        all.sort_unstable_by_key(|(version, _)| std::cmp::Reverse(*version));
        all.truncate(VERSIONS);
        let card = self.keys.card(&self.key).map_err(words)?;
        let made = |version| card.versions.iter().find(|v| v.version == version).map(|v| v.made_at);
        let key = |(version, public)| Some((version, TokenKey { public, since: made(version)? }));
        Ok(all.into_iter().filter_map(key).collect())
    }
}

impl TokenKeys for TokenPen {
    fn keys(&self) -> Result<Vec<TokenKey>, String> {
        Ok(self.versions()?.into_iter().map(|(_, key)| key).collect())
    }

    fn sign(&self, key: &[u8; 32], text: &[u8]) -> Result<[u8; 64], String> {
        let all = self.versions()?;
        let version =
            all.iter().find_map(|(version, known)| (known.public == *key).then_some(*version));
        let version = version.ok_or("this version of the key is gone")?;
        let tags = self.keys.sign(&self.key, Some(version), &[text]);
        let tag = tags.map_err(|error| error.to_string())?.into_iter().next();
        let signature = tag.ok_or("there is no signature")?.bytes;
        signature.try_into().map_err(|_| "the signature is none of Ed25519".to_owned())
    }
}

/// The tokens and keys of programs, as the console asks for them.
pub(crate) struct Programs(pub(crate) Arc<Identities>);

impl console::Tokens for Programs {
    fn exchange<'a>(&'a self, session: &'a SessionToken) -> Fut<'a, Result<Granted, TokenRefusal>> {
        Box::pin(async move { granted(self.0.exchange(session).await) })
    }

    fn refresh<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<Granted, TokenRefusal>> {
        Box::pin(async move { granted(self.0.refresh(token).await) })
    }

    fn revoke<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<(), String>> {
        Box::pin(async move { self.0.revoke_token(token).await.map_err(|e| e.to_string()) })
    }

    fn key_set(&self) -> Result<String, String> {
        self.0.key_set().map_err(|error| error.to_string())
    }
}

impl console::ApiKeys for Programs {
    fn rack<'a>(&'a self, identity: &'a Identity) -> Fut<'a, Result<KeyRack, console::Error>> {
        Box::pin(async move {
            let lost = |error: Error| console::Error::Unavailable(error.to_string());
            let keys = self.0.keys_of(identity).await.map_err(lost)?;
            let services = self.0.services(identity).await.map_err(lost)?;
            let service = |card: identity::ServiceCard| console::Service {
                account: card.account,
                name: card.name,
                owner: card.owner,
            };
            Ok(KeyRack {
                keys: keys.into_iter().map(shown).collect(),
                services: services.into_iter().map(service).collect(),
                makes_services: identity.may(own::PEOPLE_KEYS),
                permits: names(&identity.standing.permits),
            })
        })
    }

    fn make<'a>(
        &'a self,
        identity: &'a Identity,
        asked: &'a AskedKey,
    ) -> Fut<'a, Result<Secret, KeyRefusal>> {
        Box::pin(async move {
            let scopes: Option<Bits> = asked.scopes.iter().map(|name| number(name)).collect();
            let scopes = scopes.ok_or(KeyRefusal::Scope)?;
            let new = NewKey {
                name: asked.name.clone(),
                service: asked.service.clone(),
                scopes: Some(scopes).filter(|_| !asked.scopes.is_empty()),
                days: asked.days,
            };
            let made = self.0.make_key(identity, &new).await;
            made.map(|(_, key)| key).map_err(refused)
        })
    }

    fn make_service<'a>(
        &'a self,
        identity: &'a Identity,
        name: &'a str,
    ) -> Fut<'a, Result<(), KeyRefusal>> {
        Box::pin(
            async move { self.0.make_service(identity, name).await.map(drop).map_err(refused) },
        )
    }

    fn revoke<'a>(
        &'a self,
        identity: &'a Identity,
        id: &'a str,
    ) -> Fut<'a, Result<(), console::Error>> {
        Box::pin(async move {
            let ended = self.0.revoke_key(identity, id).await;
            ended.map(drop).map_err(|error| console::Error::Unavailable(error.to_string()))
        })
    }
}

fn granted(pair: Result<Pair, Error>) -> Result<Granted, TokenRefusal> {
    match pair {
        Ok(Pair { access, refresh, expires_in }) => Ok(Granted { access, refresh, expires_in }),
        Err(Error::Grant | Error::Browser) => Err(TokenRefusal::Refused),
        Err(Error::StepUp) => Err(TokenRefusal::Stale),
        Err(other) => Err(TokenRefusal::Unavailable(other.to_string())),
    }
}

fn refused(error: Error) -> KeyRefusal {
    match error {
        Error::Field { .. } => KeyRefusal::Form,
        Error::Scope => KeyRefusal::Scope,
        Error::Grant | Error::Browser => KeyRefusal::Refused,
        other => KeyRefusal::Unavailable(other.to_string()),
    }
}

fn shown(card: KeyCard) -> console::ApiKey {
    console::ApiKey {
        scopes: names(&card.scopes),
        id: card.id,
        name: card.name,
        service: card.service,
        created_at: card.created_at,
        expires_at: card.expires_at,
        last_used_at: card.last_used_at,
        revoked: card.revoked,
    }
}

/// The permissions of `bits` by name.
fn names(bits: &Bits) -> Vec<String> {
    let Ok(catalogue) = Catalogue::shipped() else { return Vec::new() };
    catalogue.names(bits).into_iter().map(str::to_owned).collect()
}

fn number(name: &str) -> Option<PermissionId> {
    Catalogue::shipped().ok()?.number(name)
}

impl Edge {
    /// One request on a connection of its own: the status and the body.
    async fn ask(
        &self,
        request: http::request::Builder,
        body: String,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut connection = self.connect().await?;
        let host = format!("{NAME}:{}", self.address.port());
        let request = request.header(HOST, host).body(Full::from(body))?;
        let answer = connection.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_PAGE_BYTES).collect().await;
        Ok((status, body.map_err(|e| anyhow!("the answer broke off: {e}"))?.to_bytes()))
    }

    /// A pair, or the refusal that the standard has for one.
    async fn grant(
        &self,
        cookie: Option<&SessionToken>,
        body: Value,
    ) -> anyhow::Result<Option<Pair>> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(TOKEN)
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = cookie {
            let place = format!("https://{NAME}:{}", self.address.port());
            request = request
                .header(ORIGIN, place)
                .header(COOKIE, format!("{}={}", gateway::SESSION_COOKIE, token.0.expose()));
        }
        let (status, body) = self.ask(request, body.to_string()).await?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |name: &str| {
            answer.get(name).and_then(Value::as_str).map(|text| Secret::new(text.to_owned()))
        };
        if status == StatusCode::BAD_REQUEST {
            let error = answer.get("error").and_then(Value::as_str);
            return match error {
                Some("invalid_grant") => Ok(None),
                other => Err(anyhow!("it was answered with the error {other:?}")),
            };
        }
        if status != StatusCode::OK {
            return Err(anyhow!("it was answered with status {status}"));
        }
        let access = text("access_token").context("there is no access_token in the answer")?;
        let refresh = text("refresh_token").context("there is no refresh_token in the answer")?;
        let expires_in = answer.get("expires_in").and_then(Value::as_i64).unwrap_or_default();
        Ok(Some(Pair { access, refresh, expires_in }))
    }

    async fn within<T>(&self, asked: impl Future<Output = anyhow::Result<T>>) -> Result<T, String> {
        let answer = tokio::time::timeout(ANSWER, asked).await;
        let answer = answer.unwrap_or_else(|_| Err(anyhow!("no answer within {ANSWER:?}")));
        answer.map_err(|error| {
            format!(
                "the gateway at https://{} gives no tokens ({error:#}); is `amanah up` running?",
                self.address
            )
        })
    }
}

impl TokenProbe for Edge {
    fn exchange<'a>(&'a self, session: &'a SessionToken) -> Fut<'a, Result<Option<Pair>, String>> {
        let body = json!({"grant_type": "urn:amanah:grant:session"});
        Box::pin(self.within(self.grant(Some(session), body)))
    }

    fn refresh<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<Option<Pair>, String>> {
        let body = json!({"grant_type": "refresh_token", "refresh_token": token.expose()});
        Box::pin(self.within(self.grant(None, body)))
    }

    fn revoke<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<(), String>> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(REVOKE)
            .header(CONTENT_TYPE, "application/json");
        let body = json!({"token": token.expose()}).to_string();
        Box::pin(self.within(async move {
            match self.ask(request, body).await? {
                (StatusCode::OK, _) => Ok(()),
                (status, _) => Err(anyhow!("it was answered with status {status}")),
            }
        }))
    }

    fn accepts<'a>(&'a self, bearer: &'a Secret) -> Fut<'a, Result<bool, String>> {
        let request = Request::builder()
            .uri(WHO)
            .header(AUTHORIZATION, format!("Bearer {}", bearer.expose()));
        Box::pin(self.within(async move {
            match self.ask(request, String::new()).await? {
                (StatusCode::OK, _) => Ok(true),
                (StatusCode::UNAUTHORIZED, _) => Ok(false),
                (status, _) => Err(anyhow!("it was answered with status {status}")),
            }
        }))
    }
}
