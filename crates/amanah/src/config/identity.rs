//! What `[identity]` says: how long sessions live, and what a password costs whoever guesses.

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
    argon2: Argon2,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Argon2(identity::Cost);

impl TryFrom<String> for Argon2 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        identity::Cost::tuned(&text).map(Self)
    }
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

    /// What new hashes of passwords cost.
    pub(crate) const fn argon2(&self) -> identity::Cost {
        self.argon2.0
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
        assert_eq!(config.identity.argon2(), identity::Cost::default());
        assert!(super::limit("59s").is_err() && super::limit("soon").is_err());
    }

    #[test]
    fn a_cost_that_is_too_low_or_too_high_is_refused_and_said_why() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("amanah.toml");
        let load = |cost: &str| {
            std::fs::write(&file, format!("[identity]\nargon2 = \"{cost}\"\n")).unwrap();
            Config::load(Some(&file)).map(|config| config.identity.argon2().to_string())
        };
        assert_eq!(load("m=32768,t=3,p=1").unwrap(), "m=32768,t=3,p=1");
        let refused = |cost| format!("{:#}", load(cost).unwrap_err());
        assert!(refused("m=19456,t=1,p=1").contains("too cheap"), "{}", refused("m=19456,t=1,p=1"));
        assert!(refused("m=131072,t=2,p=1").contains("m=65536,t=10,p=4 at most"));
        assert!(refused("19456").contains("is not of the form"));
    }
}
