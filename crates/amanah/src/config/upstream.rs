//! What `[upstream]` says: the application behind the gateway.

use std::time::Duration;

use gateway::SwitchTerms;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    pub(crate) url: String,
    pub(crate) database: String,
    pub(crate) paths: Vec<String>,
    health: Health,
}

impl Upstream {
    /// The page that a release's health is asked at.
    pub(crate) fn health(&self) -> &str {
        &self.health.0
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
struct Health(String);

impl TryFrom<String> for Health {
    type Error = String;

    fn try_from(path: String) -> Result<Self, String> {
        SwitchTerms::new(&path, Duration::ZERO).map_err(|error| error.to_string())?;
        Ok(Self(path))
    }
}
