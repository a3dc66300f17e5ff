//! What `[gateway.tls]` says: what is agreed with clients before anything is asked.

use std::net::SocketAddr;
use std::path::PathBuf;

use gateway::{CertificateFiles, MinTls, Network, TlsSettings, UnknownName};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    min: Min,
    certificates: Vec<Files>,
    unknown_name: Unknown,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    chain: PathBuf,
    key: PathBuf,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unknown {
    Refuse,
    First,
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
    pub(crate) fn settings(&self) -> TlsSettings {
        TlsSettings {
            min: match self.min {
                Min::V1_2 => MinTls::V1_2,
                Min::V1_3 => MinTls::V1_3,
            },
            certificates: self.certificates(),
            unknown_name: match self.unknown_name {
                Unknown::Refuse => UnknownName::Refuse,
                Unknown::First => UnknownName::First,
            },
        }
    }

    /// Where the operator's certificates lie.
    pub(crate) fn certificates(&self) -> Vec<CertificateFiles> {
        let files = |Files { chain, key }: &Files| CertificateFiles {
            chain: chain.clone(),
            key: key.clone(),
        };
        self.certificates.iter().map(files).collect()
    }
}

/// Proxies that may say whom they speak for.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub(crate) struct Proxies(pub(crate) Vec<Network>);

impl TryFrom<Vec<String>> for Proxies {
    type Error = String;

    fn try_from(all: Vec<String>) -> Result<Self, String> {
        all.iter().map(|one| one.parse()).collect::<Result<_, _>>().map(Self)
    }
}

/// An address, or "" for none.
pub(super) fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    match String::deserialize(from)?.as_str() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(D::Error::custom),
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
        assert_eq!((config.gateway.http, config.gateway.public_port()), (None, None));
        std::fs::write(&file, "[gateway]\nhttp = \"0.0.0.0:80\"\npublic_port = 443\n").unwrap();
        let own = Config::load(Some(&file)).unwrap().gateway;
        assert!(config.gateway.proxies.0.is_empty());
        std::fs::write(&file, "[gateway]\nproxies = [\"10.0.0.0/40\"]\n").unwrap();
        let wrong = format!("{:#}", Config::load(Some(&file)).unwrap_err());
        assert!(wrong.contains("write it as 10.0.0.5 or 10.0.0.0/24"), "{wrong}");
        assert_eq!((own.http.unwrap().port(), own.public_port()), (80, Some(443)));
    }
}
