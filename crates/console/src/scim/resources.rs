//! Users and groups, asked for and changed: RFC 7644, section 3.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{self, Path, RawQuery};
use axum::http::StatusCode;
use axum::http::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use axum::response::{IntoResponse as _, Response};
use directory::{Kind, Page, Precondition, Query, Resource, Wanted};
use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::{admit, answer, read, told};
use crate::{Origin, State};

/// The schema of a list.
pub(super) const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// The schema of a search.
const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

type Told = Result<Response, Fault>;
type Body = Result<Bytes, BytesRejection>;
type House = extract::State<State>;

macro_rules! handlers {
    ($kind:expr, $list:ident $search:ident $create:ident $one:ident $replace:ident $patch:ident $remove:ident) => {
        /// `GET`, a list.
        pub(crate) async fn $list(h: House, from: Origin, q: RawQuery, headers: HeaderMap) -> Told {
            list(&h.0, &from, Some($kind), q.0.as_deref(), &headers).await
        }

        /// `POST …/.search`.
        pub(crate) async fn $search(
            h: House,
            from: Origin,
            headers: HeaderMap,
            body: Body,
        ) -> Told {
            find(&h.0, &from, Some($kind), (&headers, body)).await
        }

        /// `POST`.
        pub(crate) async fn $create(
            h: House,
            from: Origin,
            q: RawQuery,
            headers: HeaderMap,
            body: Body,
        ) -> Told {
            create(&h.0, &from, ($kind, q.0.as_deref()), (&headers, body)).await
        }

        /// `GET`, one of them.
        pub(crate) async fn $one(
            h: House,
            from: Origin,
            Path(id): Path<String>,
            q: RawQuery,
            headers: HeaderMap,
        ) -> Told {
            get(&h.0, &from, ($kind, &id, q.0.as_deref()), &headers).await
        }

        /// `PUT`.
        pub(crate) async fn $replace(
            h: House,
            from: Origin,
            Path(id): Path<String>,
            q: RawQuery,
            headers: HeaderMap,
            body: Body,
        ) -> Told {
            change(&h.0, &from, ($kind, &id, q.0.as_deref()), (&headers, body), Change::Whole).await
        }

        /// `PATCH`.
        pub(crate) async fn $patch(
            h: House,
            from: Origin,
            Path(id): Path<String>,
            q: RawQuery,
            headers: HeaderMap,
            body: Body,
        ) -> Told {
            change(&h.0, &from, ($kind, &id, q.0.as_deref()), (&headers, body), Change::Part).await
        }

        /// `DELETE`.
        pub(crate) async fn $remove(
            h: House,
            from: Origin,
            Path(id): Path<String>,
            headers: HeaderMap,
        ) -> Told {
            remove(&h.0, &from, ($kind, &id), &headers).await
        }
    };
}

handlers!(Kind::User, users search_users create_user user replace_user patch_user remove_user);
handlers!(Kind::Group, groups search_groups create_group group replace_group patch_group remove_group);

/// `GET /_amanah/scim/v2/`: everything.
pub(crate) async fn all(h: House, from: Origin, q: RawQuery, headers: HeaderMap) -> Told {
    list(&h.0, &from, None, q.0.as_deref(), &headers).await
}

/// `POST /_amanah/scim/v2/.search`.
pub(crate) async fn search(h: House, from: Origin, headers: HeaderMap, body: Body) -> Told {
    find(&h.0, &from, None, (&headers, body)).await
}

/// What is changed.
#[derive(Clone, Copy)]
enum Change {
    Whole,
    Part,
}

async fn list(
    state: &State,
    from: &Origin,
    kind: Option<Kind>,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Told {
    let admitted = admit(state, from, headers).await?;
    paged(&admitted, kind, &asked(query)?).await
}

async fn find(
    state: &State,
    from: &Origin,
    kind: Option<Kind>,
    (headers, body): (&HeaderMap, Body),
) -> Told {
    let admitted = admit(state, from, headers).await?;
    paged(&admitted, kind, &searched(&read(headers, body)?)?).await
}

async fn paged(admitted: &super::Admitted<'_>, kind: Option<Kind>, query: &Query) -> Told {
    let page = match kind {
        Some(kind) => admitted.directory.list(&admitted.who, kind, query).await?,
        None => admitted.directory.list_all(&admitted.who, query).await?,
    };
    Ok(answer(StatusCode::OK, &shown(page)))
}

fn shown(page: Page) -> Map<String, Value> {
    let Page { total, start, resources } = page;
    Map::from_iter([
        ("schemas".to_owned(), json!([LIST])),
        ("totalResults".to_owned(), json!(total)),
        ("startIndex".to_owned(), json!(start)),
        ("itemsPerPage".to_owned(), json!(resources.len())),
        (
            "Resources".to_owned(),
            resources.into_iter().map(|one| Value::Object(one.fields)).collect(),
        ),
    ])
}

async fn create(
    state: &State,
    from: &Origin,
    (kind, query): (Kind, Option<&str>),
    (headers, body): (&HeaderMap, Body),
) -> Told {
    let admitted = admit(state, from, headers).await?;
    let wanted = asked(query)?.wanted;
    let made = admitted.directory.create(&admitted.who, kind, &read(headers, body)?).await?;
    let base = admitted.directory.base();
    Ok(one(StatusCode::CREATED, (kind, base), &part(&admitted, kind, made, &wanted).await?))
}

async fn get(
    state: &State,
    from: &Origin,
    (kind, id, query): (Kind, &str, Option<&str>),
    headers: &HeaderMap,
) -> Told {
    let admitted = admit(state, from, headers).await?;
    let wanted = asked(query)?.wanted;
    let found = admitted.directory.get(&admitted.who, kind, id, &wanted).await?;
    if let Some(tags) = header(headers, &IF_NONE_MATCH)?
        && found.is_named(&tags)
    {
        let mut same = StatusCode::NOT_MODIFIED.into_response();
        if let Ok(tag) = HeaderValue::try_from(found.tag()) {
            same.headers_mut().insert(ETAG, tag);
        }
        return Ok(same);
    }
    Ok(one(StatusCode::OK, (kind, admitted.directory.base()), &found))
}

async fn change(
    state: &State,
    from: &Origin,
    (kind, id, query): (Kind, &str, Option<&str>),
    (headers, body): (&HeaderMap, Body),
    what: Change,
) -> Told {
    let admitted = admit(state, from, headers).await?;
    let wanted = asked(query)?.wanted;
    let condition = Precondition { if_match: header(headers, &IF_MATCH)? };
    let body = read(headers, body)?;
    let (directory, who) = (admitted.directory, &admitted.who);
    let changed = match what {
        Change::Whole => directory.replace(who, (kind, id), &body, &condition).await?,
        Change::Part => directory.patch(who, (kind, id), &body, &condition).await?,
    };
    let base = directory.base();
    Ok(one(StatusCode::OK, (kind, base), &part(&admitted, kind, changed, &wanted).await?))
}

/// What is wanted of a resource that was made or changed.
async fn part(
    admitted: &super::Admitted<'_>,
    kind: Kind,
    whole: Resource,
    wanted: &Wanted,
) -> Result<Resource, Fault> {
    if *wanted == Wanted::default() {
        return Ok(whole);
    }
    Ok(admitted.directory.get(&admitted.who, kind, &whole.id, wanted).await?)
}

async fn remove(
    state: &State,
    from: &Origin,
    (kind, id): (Kind, &str),
    headers: &HeaderMap,
) -> Told {
    let admitted = admit(state, from, headers).await?;
    let condition = Precondition { if_match: header(headers, &IF_MATCH)? };
    admitted.directory.remove(&admitted.who, (kind, id), &condition).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn one(status: StatusCode, (kind, base): (Kind, &str), resource: &Resource) -> Response {
    let location = format!("{base}{}/{}", kind.endpoint(), resource.id);
    told(status, resource, &location)
}

/// A header with tags. One that cannot be read is no condition that could be kept.
fn header(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Fault> {
    let all: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
    let text = |value: &&HeaderValue| value.to_str().ok().map(str::to_owned);
    let texts: Option<Vec<String>> = all.iter().map(text).collect();
    let texts = texts.ok_or_else(Fault::query)?;
    Ok((!texts.is_empty()).then(|| texts.join(",")))
}

/// What the query of an address asks for. Parameters that are not known are ignored.
fn asked(query: Option<&str>) -> Result<Query, Fault> {
    let pairs: Vec<(String, String)> = extract::Query::try_from_uri(&uri(query)?)
        .map(|extract::Query(pairs)| pairs)
        .map_err(|_| Fault::query())?;
    let mut asked = Query::default();
    for (name, value) in pairs {
        match name.to_ascii_lowercase().as_str() {
            "filter" => asked.filter = Some(value),
            "attributes" => asked.wanted.attributes.extend(names(&value)),
            "excludedattributes" => asked.wanted.excluded.extend(names(&value)),
            "startindex" => asked.start = Some(value.trim().parse().map_err(|_| Fault::query())?),
            "count" => asked.count = Some(value.trim().parse().map_err(|_| Fault::query())?),
            _ => {}
        }
    }
    Ok(asked)
}

fn uri(query: Option<&str>) -> Result<axum::http::Uri, Fault> {
    format!("/?{}", query.unwrap_or_default()).parse().map_err(|_| Fault::query())
}

fn names(list: &str) -> impl Iterator<Item = String> + '_ {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// What a search asks for.
fn searched(body: &Value) -> Result<Query, Fault> {
    let named = |one: &Value| one.as_str().is_some_and(|urn| urn.eq_ignore_ascii_case(SEARCH));
    let schemas = body.get("schemas").and_then(Value::as_array);
    if !schemas.is_some_and(|all| all.iter().any(named)) {
        return Err(Fault::syntax());
    }
    let list = |name: &str| -> Result<Vec<String>, Fault> {
        match body.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(names(text).collect()),
            Some(Value::Array(all)) => {
                let text = |one: &Value| one.as_str().map(str::to_owned).ok_or_else(Fault::query);
                all.iter().map(text).collect()
            }
            Some(_) => Err(Fault::query()),
        }
    };
    let number = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(Fault::query),
    };
    let filter = match body.get("filter") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_str().ok_or_else(Fault::query)?.to_owned()),
    };
    Ok(Query {
        filter,
        wanted: Wanted { attributes: list("attributes")?, excluded: list("excludedAttributes")? },
        start: number("startIndex")?,
        count: number("count")?,
    })
}
