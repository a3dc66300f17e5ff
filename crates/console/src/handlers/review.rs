//! Reviews of what people may do: starting one, deciding row by row, closing it, and its report.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{self, Path};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use kernel::{Identity, own};
use serde::Deserialize;

use super::account::{Holder, browsing};
use super::people::allowed;
use super::{confirm, html, stale, unreadable, with_cookie};
use crate::csrf::{self, FormToken};
use crate::pages::review::{ReviewPage, ReviewReportPage};
use crate::reviewing::ReviewTrouble;
use crate::words::Words;
use crate::{Error, State};

/// Where the page is.
const PAGE: &str = "/_amanah/people/review";
const SIGN_IN: &str = "/_amanah/sign-in?next=/_amanah/people/review";

/// Beginning one.
#[derive(Deserialize)]
pub(crate) struct Starting {
    token: String,
}

/// What is to become of a row.
#[derive(Deserialize)]
pub(crate) struct Deciding {
    token: String,
    id: String,
    n: String,
    decision: String,
    #[serde(default)]
    reason: String,
}

/// Closing one.
#[derive(Deserialize)]
pub(crate) struct Closing {
    token: String,
    id: String,
    #[serde(default)]
    finding: String,
}

/// `GET /_amanah/people/review`. For whoever may not review, there is no such page.
pub(crate) async fn page(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Some(who) = browsing(holder) else { return Ok(Redirect::to(SIGN_IN).into_response()) };
    allowed(&who, own::PEOPLE_REVIEW)?;
    show(&state, &who, &headers, None).await
}

/// `GET /_amanah/people/review/{id}`: what was decided.
pub(crate) async fn report(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let Some(who) = browsing(holder) else { return Ok(Redirect::to(SIGN_IN).into_response()) };
    allowed(&who, own::PEOPLE_REVIEW)?;
    let sheet = state.reviews.report(&who, &id).await.map_err(unavailable)?;
    html(&ReviewReportPage::new(Words::asked(&headers), sheet))
}

/// `GET /_amanah/people/review/{id}/csv`: the same for a spreadsheet.
pub(crate) async fn csv(
    extract::State(state): extract::State<State>,
    holder: Holder,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let Some(who) = browsing(holder) else { return Ok(Redirect::to(SIGN_IN).into_response()) };
    allowed(&who, own::PEOPLE_REVIEW)?;
    let text = state.reviews.csv(&who, &id).await.map_err(unavailable)?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"review.csv\""),
    ];
    Ok((headers, text).into_response())
}

/// `POST /_amanah/people/review/start`.
pub(crate) async fn start(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
    form: Result<Form<Starting>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(who) = browsing(holder) else { return Ok(Redirect::to(SIGN_IN).into_response()) };
    allowed(&who, own::PEOPLE_REVIEW)?;
    let done = state.reviews.start(&who).await;
    settled(&state, &who, &headers, done).await
}

/// `POST /_amanah/people/review/decide`. Whoever takes something away proves who they are once more,
/// when they did so too long ago.
pub(crate) async fn decide(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
    form: Result<Form<Deciding>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(who) = browsing(holder) else { return Ok(Redirect::to(SIGN_IN).into_response()) };
    allowed(&who, own::PEOPLE_REVIEW)?;
    let keep = match form.decision.as_str() {
        "keep" => true,
        "revoke" => false,
        _ => return Err(Error::BadRequest),
    };
    let n = form.n.parse().map_err(|_| Error::BadRequest)?;
    if !keep && let Some(way) = stale(&state, &who, PAGE) {
        return Ok(way);
    }
    let done = state.reviews.decide(&who, (&form.id, n), (keep, form.reason.trim())).await;
    settled(&state, &who, &headers, done).await
}

/// `POST /_amanah/people/review/close`.
pub(crate) async fn close(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
    form: Result<Form<Closing>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(who) = browsing(holder) else { return Ok(Redirect::to(SIGN_IN).into_response()) };
    allowed(&who, own::PEOPLE_REVIEW)?;
    if let Some(way) = stale(&state, &who, PAGE) {
        return Ok(way);
    }
    let done = state.reviews.close(&who, &form.id, form.finding.trim()).await;
    settled(&state, &who, &headers, done).await
}

async fn settled(
    state: &State,
    who: &Identity,
    headers: &HeaderMap,
    done: Result<(), ReviewTrouble>,
) -> Result<Response, Error> {
    match done {
        Ok(()) => Ok(Redirect::to(PAGE).into_response()),
        Err(trouble) => show(state, who, headers, Some(trouble)).await,
    }
}

/// The page, after what was not done.
async fn show(
    state: &State,
    who: &Identity,
    headers: &HeaderMap,
    trouble: Option<ReviewTrouble>,
) -> Result<Response, Error> {
    let words = Words::asked(headers);
    let seen = state.reviews.seen(who).await.map_err(unavailable)?;
    let token = FormToken::issue(headers, &*state.rng)?;
    let page = ReviewPage::new(words, seen, token.value, state.clock.now());
    let (status, problem) = match trouble {
        None => return Ok(with_cookie(html(&page)?, token.cookie)),
        Some(ReviewTrouble::Refused) => (StatusCode::FORBIDDEN, words.say("review-refused")),
        Some(ReviewTrouble::StepUp) => return Ok(confirm(PAGE)),
        Some(ReviewTrouble::Gone) => (StatusCode::NOT_FOUND, words.say("review-gone")),
        Some(ReviewTrouble::Unfit) => (StatusCode::BAD_REQUEST, words.say("review-unfit")),
        Some(ReviewTrouble::Open) => (StatusCode::CONFLICT, words.say("review-is-open")),
        Some(ReviewTrouble::StillCounts) => {
            (StatusCode::CONFLICT, words.say("review-still-counts"))
        }
        Some(ReviewTrouble::Undecided) => (StatusCode::CONFLICT, words.say("review-undecided")),
        Some(ReviewTrouble::Unavailable(cause)) => return Err(Error::Unavailable(cause)),
    };
    let page = page.again(problem);
    Ok(with_cookie((status, html(&page)?).into_response(), token.cookie))
}

fn unavailable(trouble: ReviewTrouble) -> Error {
    match trouble {
        ReviewTrouble::Unavailable(cause) => Error::Unavailable(cause),
        _ => Error::NotFound,
    }
}
