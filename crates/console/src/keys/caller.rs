//! Who asks, and for whose keys.

use std::sync::Arc;

use ::keys::{ClientCard, KeyName, KeyRef, Operation};
use axum::extract::{FromRef, FromRequestParts, Query, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Uri};
use kernel::{Secret, TenantId};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::budget::Share;
use super::{Api, Fault};

/// Where Vault's clients put their token.
const VAULT_TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
/// Where Vault's clients name their namespace, which is our tenant.
const VAULT_NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");

/// Vault's paths that are asked with a query, which they read themselves.
const LISTS: [&str; 2] = ["/v1/transit/keys", "/v1/transit/keys/"];

/// A program whose token is known. What it may do is asked key by key.
pub(crate) struct Caller {
    pub(super) token: Secret,
    /// The tenant that the header names.
    pub(super) namespace: Option<TenantId>,
    pub(crate) card: ClientCard,
    /// Its share of the memory, for this request.
    pub(crate) share: Arc<Share>,
}

impl Caller {
    /// The key `name` of `stated`, which the body or the query name: in our own API the header
    /// may only say the same.
    pub(super) fn own_key(&self, name: KeyName, stated: Stated<'_>) -> Result<KeyRef, Fault> {
        let tenant = stated.tenant()?;
        if self.namespace.is_some() && self.namespace != tenant {
            return Err(Fault::TENANTS);
        }
        Ok(KeyRef { tenant, name })
    }

    /// The key `name` of the tenant in the header, as Vault's clients ask for it. A body may name
    /// the same tenant, and no other.
    pub(super) fn vault_key(&self, name: KeyName, body: Option<&str>) -> Result<KeyRef, Fault> {
        if body.is_some() && body != self.namespace.as_ref().map(TenantId::as_str) {
            return Err(Fault::TENANTS);
        }
        Ok(KeyRef { tenant: self.namespace.clone(), name })
    }

    /// Goes on only when the token allows `operation` with `key`.
    pub(super) fn may(&self, api: &Api, key: &KeyRef, op: Operation) -> Result<(), Fault> {
        Ok(api.keys.authorise(&self.token, key, op)?)
    }

    /// One of the client's places for streams.
    pub(crate) fn place(&self, api: &Api) -> Result<Arc<Share>, Fault> {
        let place = api.streams.share(&self.card.client.name);
        if place.try_cover(1) { Ok(place) } else { Err(Fault::BUSY) }
    }

    /// Goes on only when the token allows `operation` for `tenant`. A header may only say the same
    /// tenant.
    pub(crate) fn acts_for(
        &self,
        api: &Api,
        tenant: &TenantId,
        op: Operation,
    ) -> Result<(), Fault> {
        if self.namespace.as_ref().is_some_and(|named| named != tenant) {
            return Err(Fault::TENANTS);
        }
        Ok(api.keys.authorise_for(&self.token, tenant, op)?)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Api: FromRef<S>,
{
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let api = Api::from_ref(state);
        let token = token(&parts.headers)?;
        let card = api.keys.client(&token).ok_or(Fault::DENIED)?;
        let namespace = match one(&parts.headers, &VAULT_NAMESPACE).map_err(|()| Fault::TENANTS)? {
            None | Some("") => None,
            Some(name) => Some(tenant(name)?),
        };
        let path = parts.uri.path();
        // Here, and not in each handler, so that none of them can forget it: a tenant that stands
        // in the query of Vault's paths would be ignored, and the house's key used.
        if path.starts_with("/v1/") && !LISTS.contains(&path) {
            plain(&parts.uri)?;
        }
        let share = api.bodies.share(&card.client.name);
        parts.extensions.insert(Arc::clone(&share));
        Ok(Self { token, namespace, card, share })
    }
}

/// Refuses a query where none is asked.
pub(crate) fn plain(uri: &Uri) -> Result<(), Fault> {
    if uri.query().is_none_or(str::is_empty) { Ok(()) } else { Err(Fault::QUERY) }
}

/// The token. Two headers that differ are one too many: nobody should have to guess which counts.
fn token(headers: &HeaderMap) -> Result<Secret, Fault> {
    let vault = one(headers, &VAULT_TOKEN).map_err(|()| Fault::DENIED)?;
    let bearer = one(headers, &AUTHORIZATION).map_err(|()| Fault::DENIED)?;
    let bearer = bearer.map(|text| text.split_once(' ').ok_or(Fault::DENIED)).transpose()?;
    let token = match (vault, bearer) {
        (Some(token), None) => token,
        (vault, Some((scheme, token))) if scheme.eq_ignore_ascii_case("bearer") => {
            if vault.is_some_and(|vault| vault != token) {
                return Err(Fault::DENIED);
            }
            token
        }
        _ => return Err(Fault::DENIED),
    };
    Ok(Secret::new(token.to_owned()))
}

/// The header's one value as text, if it is there.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => str::from_utf8(value.as_bytes()).map(Some).map_err(|_| ()),
        _ => Err(()),
    }
}

/// A tenant by its id.
pub(crate) fn tenant(text: &str) -> Result<TenantId, Fault> {
    TenantId::new(text).map_err(|_| Fault::bad("tenant", "this is not a tenant's id"))
}

/// Where our own API names a tenant: in the body or in the query.
#[derive(Clone, Copy)]
pub(super) struct Stated<'a> {
    pub(super) body: Option<&'a str>,
    pub(super) query: Option<&'a str>,
}

impl Stated<'_> {
    pub(super) fn tenant(&self) -> Result<Option<TenantId>, Fault> {
        if self.body.is_some() && self.query.is_some() && self.body != self.query {
            return Err(Fault::TENANTS);
        }
        self.body.or(self.query).map(tenant).transpose()
    }
}

/// `?tenant=`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    pub(super) tenant: Option<String>,
}

/// A query, with a refusal of our own.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let query = Query::try_from_uri(&parts.uri);
        query.map(|Query(asked)| Self(asked)).map_err(|_| Fault::QUERY)
    }
}

/// The `{name}` of the path, and the other segments by their names.
pub(super) struct Named {
    pub(super) name: KeyName,
    others: Vec<(String, String)>,
}

impl Named {
    /// Another segment of the path.
    pub(super) fn other(&self, name: &str) -> Option<&str> {
        let found = self.others.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl FromRequestParts<Api> for Named {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Fault> {
        let unreadable = || Fault::bad("name", "the path is not readable text");
        let params = RawPathParams::from_request_parts(parts, api).await;
        let params = params.map_err(|_| unreadable())?;
        let mut others: Vec<_> =
            params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let at = others.iter().position(|(name, _)| name == "name").ok_or_else(unreadable)?;
        let name = KeyName::new(others.swap_remove(at).1)?;
        if name.is_own() {
            return Err(Fault::bad(
                "name",
                "keys whose names begin with `amanah.` are Amanah's own; nothing was changed, \
                 choose another name",
            ));
        }
        Ok(Self { name, others })
    }
}
