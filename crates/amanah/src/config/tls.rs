//! What `[gateway.tls]` says: what is agreed with clients before anything is asked.

use gateway::{MinTls, TlsSettings};
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    min: Min,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum Min {
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

impl Tls {
    /// The same for the gateway.
    pub(crate) const fn settings(&self) -> TlsSettings {
        let min = match self.min {
            Min::V1_2 => MinTls::V1_2,
            Min::V1_3 => MinTls::V1_3,
        };
        TlsSettings { min }
    }
}

#[cfg(test)]
mod tests {
    use gateway::{MinTls, TlsSettings};

    use super::super::Config;

    /// The shipped default is what the crate has by itself; nothing older than TLS 1.2 can be asked
    /// for.
    #[test]
    fn tls_is_1_3_unless_1_2_is_asked_for() {
        let config = Config::load(None).unwrap();
        assert_eq!(config.gateway.tls.settings(), TlsSettings::default());
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("amanah.toml");
        let load = |min: &str| {
            std::fs::write(&file, format!("[gateway.tls]\nmin = \"{min}\"\n")).unwrap();
            Config::load(Some(&file)).map(|config| config.gateway.tls.settings().min)
        };
        assert_eq!(load("1.2").unwrap(), MinTls::V1_2);
        assert!(format!("{:#}", load("1.1").unwrap_err()).contains("1.2"));
    }
}
