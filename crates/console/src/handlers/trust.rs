//! The security pages, for people and for programs.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{self, Path, Query};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{fresh, html};
use crate::pages::index::IndexPage;
use crate::pages::trust::TrustPage;
use crate::words::Words;
use crate::{Error, State, moment};

/// What the address asks for.
#[derive(Deserialize)]
pub(crate) struct Asked {
    page: Option<String>,
    at: Option<String>,
}

type Wanted = Result<Query<Asked>, QueryRejection>;

/// `GET /trust`: the primary page, or the list when there is none.
pub(crate) async fn primary(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    query: Wanted,
) -> Result<Response, Error> {
    let asked = read(query)?;
    let at = at(&state, &asked)?;
    match state.trust.primary() {
        Some(name) => show(&state, &name, at).await,
        None => html(&IndexPage::new(Words::asked(&headers), &state.trust.pages())),
    }
}

/// `GET /trust/{page}`.
pub(crate) async fn named(
    extract::State(state): extract::State<State>,
    name: Result<Path<String>, PathRejection>,
    query: Wanted,
) -> Result<Response, Error> {
    let Path(name) = name.map_err(|_| Error::NotFound)?;
    let at = at(&state, &read(query)?)?;
    show(&state, &name, at).await
}

/// `GET /.well-known/trust.json`: the report of `?page=`, else of the primary page, else the list.
pub(crate) async fn json(
    extract::State(state): extract::State<State>,
    query: Wanted,
) -> Result<Response, Error> {
    let asked = read(query)?;
    let at = at(&state, &asked)?;
    let Some(name) = asked.page.or_else(|| state.trust.primary()) else {
        return Ok(fresh(Json(list(&state)).into_response()));
    };
    let report = state.trust.report(&name, at).await?;
    Ok(fresh(Json(report).into_response()))
}

/// `GET /trust/checkpoint/{log}`: the newest checkpoint of an audit trail's log, as it was signed.
pub(crate) async fn checkpoint(
    extract::State(state): extract::State<State>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let Path(name) = name.map_err(|_| Error::NotFound)?;
    let note = state.trust.checkpoint(&name).ok_or(Error::NotFound)?;
    Ok(fresh(note.into_response()))
}

async fn show(state: &State, name: &str, at: Option<Timestamp>) -> Result<Response, Error> {
    let pages = state.trust.pages();
    let page = pages.iter().find(|page| page.name == name).ok_or(Error::NotFound)?;
    let report = state.trust.report(name, at).await?;
    // What a log was in the past is not kept here: that is what witnesses are for.
    let logs = if at.is_some() { Vec::new() } else { state.trust.logs() };
    html(&TrustPage::new(page, &report, &pages, at.is_some(), &logs)).map(fresh)
}

fn read(query: Wanted) -> Result<Asked, Error> {
    let Query(asked) = query.map_err(|_| Error::BadRequest)?;
    Ok(asked)
}

fn at(state: &State, asked: &Asked) -> Result<Option<Timestamp>, Error> {
    let text = asked.at.as_deref();
    text.map(|text| moment::read(text, state.clock.now())).transpose()
}

#[derive(Serialize)]
struct List {
    pages: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    page: String,
    title: String,
    language: claims::Language,
}

fn list(state: &State) -> List {
    let pages = state.trust.pages();
    let listed = pages.iter().map(|page| Listed {
        page: page.name.clone(),
        title: page.title.clone(),
        language: page.language,
    });
    List { pages: listed.collect() }
}
