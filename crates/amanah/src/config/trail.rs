//! What `[trail]` says: where the logs of the trails lie.

use serde::Deserialize;

use super::keys::S3;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trail {
    pub(crate) log: String,
    pub(crate) s3: S3,
}
