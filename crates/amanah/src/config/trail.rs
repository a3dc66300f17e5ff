//! What `[trail]` says: where the logs of the trails lie, who watches over them, and where copies go.

use serde::Deserialize;

use super::keys::S3;
use super::witnesses::Witnesses;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trail {
    pub(crate) log: String,
    pub(crate) s3: S3,
    pub(crate) witnesses: Witnesses,
    pub(crate) offsite: String,
    pub(crate) offsite_s3: S3,
}
