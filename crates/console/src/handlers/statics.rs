//! The stylesheet and the mark.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::{Error, assets};

/// `GET /_amanah/static/{name}`.
pub(crate) async fn file(name: Result<Path<String>, PathRejection>) -> Result<Response, Error> {
    let Path(name) = name.map_err(|_| Error::NotFound)?;
    let asset = assets::find(&name).ok_or(Error::NotFound)?;
    let headers = [
        (CONTENT_TYPE, asset.media),
        // The name holds the digest, so what is under it never changes.
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, asset.text).into_response())
}
