//! What `[mail]` says: how letters leave, and where their links lead.

use std::path::PathBuf;

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mail {
    pub(crate) way: Way,
    pub(crate) site: String,
    pub(crate) name: String,
    pub(crate) from: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) line: Line,
    pub(crate) user: String,
    pub(crate) ca: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    Folder,
    Smtp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Line {
    Tls,
    StartTls,
    Plain,
}
