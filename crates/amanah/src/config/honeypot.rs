//! What `[honeypot]` says: what is laid out for scanners, and what comes of taking it.

use std::time::Duration;

use serde::Deserialize;

use super::limits::{Burst, Every};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Honeypot {
    pub(crate) routes: Vec<String>,
    pub(crate) alone: Burst,
    pub(crate) shared: Burst,
    pub(crate) prefix: Burst,
    ban: Every,
}

impl Honeypot {
    /// For how long somebody is not heard.
    pub(crate) const fn ban(&self) -> Duration {
        self.ban.0
    }
}

#[cfg(test)]
mod tests {
    use gateway::BaitSettings;

    use super::super::Config;

    /// The shipped default is what the gateway has by itself.
    #[test]
    fn the_default_is_the_gateways() {
        let told = Config::load(None).unwrap().honeypot;
        let own = BaitSettings::default();
        assert_eq!(told.routes, own.routes);
        assert_eq!(
            (told.alone.0, told.shared.0, told.prefix.0),
            (own.alone, own.shared, own.prefix)
        );
        assert_eq!(told.ban(), own.ban);
    }
}
