//! What `[identity]` says: how long sessions live.

use std::time::Duration;

use jiff::SignedDuration;
use kernel::{Unit, Value};
use serde::Deserialize;

/// No limit below this can be kept.
const SHORTEST: Duration = Duration::from_mins(1);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    idle: Limit,
    absolute: Limit,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Limit(SignedDuration);

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        limit(&text).map(Self)
    }
}

/// Reads how long a session may live.
pub(crate) fn limit(text: &str) -> Result<SignedDuration, String> {
    match Unit::Period.parse(text).map_err(|error| error.to_string())? {
        Value::Period(time) if time >= SHORTEST => {
            SignedDuration::try_from(time).map_err(|error| error.to_string())
        }
        _ => Err(format!("`{text}` is shorter than a minute, and cannot be kept")),
    }
}

impl Identity {
    /// The limits of the house.
    pub(crate) const fn lifetime(&self) -> identity::Lifetime {
        identity::Lifetime { idle: self.idle.0, absolute: self.absolute.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    /// The shipped default is what the crate has by itself.
    #[test]
    fn the_default_is_the_houses() {
        let config = Config::load(None).unwrap();
        assert_eq!(config.identity.lifetime(), identity::Lifetime::default());
        assert!(super::limit("59s").is_err() && super::limit("soon").is_err());
    }
}
