//! Where the rest is, for programs.

use axum::extract::State;
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::Served;
use crate::keys::fault::Fault;

pub(super) fn routes() -> Router<Served> {
    Router::new().route("/.well-known/authzen-configuration", get(configuration))
}

/// The host is one of the listener's own names: it refuses others before anybody is asked.
async fn configuration(State(_): State<Served>, headers: HeaderMap) -> Result<Response, Fault> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let base = format!("http://{}", host.ok_or(Fault::NOWHERE)?);
    let document = serde_json::json!({
        "policy_decision_point": base,
        "access_evaluation_endpoint": format!("{base}/access/v1/evaluation"),
        "access_evaluations_endpoint": format!("{base}/access/v1/evaluations"),
        "search_subject_endpoint": format!("{base}/access/v1/search/subject"),
        "search_resource_endpoint": format!("{base}/access/v1/search/resource"),
        "search_action_endpoint": format!("{base}/access/v1/search/action"),
    });
    Ok((StatusCode::OK, Json(document)).into_response())
}
