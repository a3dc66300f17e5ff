//! Who may do something, what somebody may do, and where.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use kernel::{Bits, TenantId};
use serde_json::{Value, json as value};

use super::evaluate::PEOPLE;
use super::wire::{Page, Question, Search};
use super::{MAX_RESULTS, Served, USUAL_RESULTS, unavailable};
use crate::keys::body::{Note, json};
use crate::keys::caller::Caller;
use crate::keys::fault::Fault;

/// About how long one result is, in bytes.
const ROOM_BYTES: usize = 96;

pub(super) fn routes() -> Router<Served> {
    Router::new()
        .route("/access/v1/search/subject", post(subjects))
        .route("/access/v1/search/resource", post(resources))
        .route("/access/v1/search/action", post(actions))
}

async fn subjects(
    State(served): State<Served>,
    who: Caller,
    Note(held): Note,
) -> Result<Response, Fault> {
    Served::admit(&who)?;
    let Search { question, page } = held.parse()?;
    let kind = &question.subject.as_ref().ok_or(missing("there is no subject in it"))?.kind;
    let action = question.action.as_ref().ok_or(missing("there is no action in it"))?;
    let limit = limit(&page)?;
    let tenant = question.tenant()?.filter(|tenant| served.reaches(&who, tenant));
    let permission = served.decisions.permission(&action.name);
    let (Some(tenant), Some(permission)) = (tenant, permission) else {
        return answer(&who, &[], "");
    };
    if !PEOPLE.contains(&kind.as_str()) {
        return answer(&who, &[], "");
    }
    let after = page.token.as_deref().filter(|token| !token.is_empty());
    let place = served.place(&who).await?;
    let found = served.decisions.holders(&tenant, permission, after, limit).await;
    let found = found.map_err(|why| unavailable(&why))?;
    drop(place);
    let next = found.next.unwrap_or_default();
    let results = found.accounts.iter().map(|id| value!({ "type": kind, "id": id }));
    answer(&who, &results.collect::<Vec<_>>(), &next)
}

async fn resources(
    State(served): State<Served>,
    who: Caller,
    Note(held): Note,
) -> Result<Response, Fault> {
    Served::admit(&who)?;
    let Search { question, page } = held.parse()?;
    let action = question.action.as_ref().ok_or(missing("there is no action in it"))?;
    let resource = question.resource.as_ref().ok_or(missing("there is no resource in it"))?;
    limit(&page)?;
    let found = named(&served, &who, &question).await?;
    let permission = served.decisions.permission(&action.name);
    let may = |bits: &Bits| permission.is_some_and(|permission| bits.has(permission));
    let home = found.filter(|(_, permits)| may(permits)).map(|(home, _)| home);
    // Which of a tenant's objects there are, the application alone knows.
    let results = home.filter(|_| resource.kind == "tenant");
    let results = results.map(|home| value!({ "type": "tenant", "id": home.as_str() }));
    answer(&who, results.as_slice(), "")
}

async fn actions(
    State(served): State<Served>,
    who: Caller,
    Note(held): Note,
) -> Result<Response, Fault> {
    Served::admit(&who)?;
    let Search { question, page } = held.parse()?;
    if question.resource.is_none() {
        return Err(missing("there is no resource in it"));
    }
    let limit = limit(&page)?;
    let Some((_, permits)) = named(&served, &who, &question).await? else {
        return answer(&who, &[], "");
    };
    let names = served.decisions.names(&permits);
    let after = page.token.as_deref().unwrap_or_default();
    let begin = names.iter().position(|name| name == after).map_or(0, |at| at + 1);
    let part: Vec<&String> = names.iter().skip(begin).take(limit).collect();
    let more = begin + part.len() < names.len();
    let next = part.last().filter(|_| more).map(|name| (*name).clone()).unwrap_or_default();
    let results = part.into_iter().map(|name| value!({ "name": name }));
    answer(&who, &results.collect::<Vec<_>>(), &next)
}

/// The tenant of the subject and what it may do there; `None` when there is none that the caller may ask
/// about.
async fn named(
    served: &Served,
    who: &Caller,
    question: &Question,
) -> Result<Option<(TenantId, Bits)>, Fault> {
    let subject = question.subject.as_ref().ok_or(missing("there is no subject in it"))?;
    let id = subject.id.as_deref().ok_or(missing("the subject has no id"))?;
    let tenant = question.tenant()?;
    if !PEOPLE.contains(&subject.kind.as_str()) {
        return Ok(None);
    }
    let read = served.people(who, &[id]).await?;
    let found = read.find(id, tenant.as_ref());
    Ok(found.map(|(subject, permits)| (subject.home.clone(), permits)))
}

fn missing(what: &'static str) -> Fault {
    Fault::bad("question", what)
}

fn limit(page: &Page) -> Result<usize, Fault> {
    match page.limit.unwrap_or(USUAL_RESULTS) {
        0 => Err(Fault::bad("page", "a page has at least one result")),
        limit => Ok(limit.min(MAX_RESULTS)),
    }
}

fn answer(who: &Caller, results: &[Value], next: &str) -> Result<Response, Fault> {
    let room = ROOM_BYTES * (results.len() + 1);
    let page = value!({ "next_token": next, "count": results.len() });
    let body = value!({ "results": results, "page": page });
    json(&who.share, StatusCode::OK, room, &body)
}
