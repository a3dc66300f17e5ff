//! Health and metrics, for the machines that watch.

use axum::extract::State as Held;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::State;

/// The media type of the `OpenMetrics` text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /healthz`: `ok`, or 503.
pub(crate) async fn healthy(Held(state): Held<State>) -> Response {
    if state.vitals.healthy().await {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ok\n").into_response()
    }
}

/// `GET /metrics`.
pub(crate) async fn metrics(Held(state): Held<State>) -> Response {
    ([(CONTENT_TYPE, OPEN_METRICS)], state.vitals.metrics().await).into_response()
}
