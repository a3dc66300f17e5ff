//! The configuration: one file whose shipped default is the reference.

mod attack;
mod binding;
mod files;
mod headers;
mod honeypot;
mod identity;
mod keys;
mod limits;
mod mail;
mod review;
mod tls;
mod trail;
mod upstream;
mod witnesses;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::exit::Usage;
use attack::Attack;
pub(crate) use binding::Binding;
pub(crate) use files::{Files, bytes, shown};
use headers::Headers;
pub(crate) use honeypot::Honeypot;
pub(crate) use identity::{Identity, limit};
pub(crate) use keys::{Keys, RootKind, S3, period};
pub(crate) use limits::Limits;
pub(crate) use mail::{Line, Mail, Way};
use tls::{Proxies, Tls};
pub(crate) use trail::Trail;
pub(crate) use upstream::Upstream;
pub(crate) use witnesses::WitnessAt;

/// The shipped default.
const DEFAULT: &str = include_str!("../../../amanah.toml");
/// A configuration larger than this, in bytes, is a mistake.
const MAX_BYTES: u64 = 1 << 20;
/// Parts of key names that call for a secret.
const SECRET_NAMES: [&str; 6] =
    ["password", "passwd", "secret_", "token", "api_key", "private_key"];

/// What `amanah.toml` says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) gateway: Gateway,
    pub(crate) upstream: Upstream,
    pub(crate) binding: Binding,
    pub(crate) pages: Pages,
    pub(crate) access: Access,
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
    pub(crate) mail: Mail,
    pub(crate) secrets: Secrets,
    pub(crate) keys: Keys,
    pub(crate) files: Files,
    pub(crate) trail: Trail,
    pub(crate) identity: Identity,
    pub(crate) limits: Limits,
    pub(crate) honeypot: Honeypot,
    pub(crate) attack: Attack,
    pub(crate) headers: Headers,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gateway {
    pub(crate) listen: SocketAddr,
    #[serde(deserialize_with = "tls::address")]
    pub(crate) http: Option<SocketAddr>,
    public_port: u16,
    pub(crate) proxies: Proxies,
    pub(crate) names: Vec<String>,
    pub(crate) access_log: PathBuf,
    pub(crate) forward_auth: Proxies,
    pub(crate) tls: Tls,
}

impl Gateway {
    /// The port at which people reach the gateway, where it is not the one that it listens on.
    pub(crate) fn public_port(&self) -> Option<u16> {
        Some(self.public_port).filter(|port| *port != 0)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Access {
    routes: PathBuf,
    pub(crate) staff: String,
}

impl Access {
    /// The file of routes, unless nobody is asked what they may do.
    pub(crate) fn routes(&self) -> Option<&Path> {
        Some(self.routes.as_path()).filter(|file| !file.as_os_str().is_empty())
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pages {
    pub(crate) directory: PathBuf,
    pub(crate) primary: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Postgres {
    pub(crate) programs: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redis {
    pub(crate) url: String,
    pub(crate) ca: PathBuf,
    program: PathBuf,
    pub(crate) memory_mib: u32,
    pub(crate) trusted: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    pub(crate) scan: Vec<PathBuf>,
}

impl Redis {
    /// The program of the managed server, unless Debian's is meant.
    pub(crate) fn program(&self) -> Option<&Path> {
        Some(self.program.as_path()).filter(|file| !file.as_os_str().is_empty())
    }
}

impl Config {
    /// Reads `file` over the shipped default, or the default alone.
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        Self::read(file).map_err(|error| Usage(format!("{error:#}")).into())
    }

    /// What edge.headers asks of the application. Where one is named and none of its paths is, the
    /// first page: a proof that never saw the application would say too much.
    pub(crate) fn upstream_paths(&self) -> Vec<String> {
        let Upstream { url, paths, .. } = &self.upstream;
        if paths.is_empty() && !url.is_empty() { vec!["/".to_owned()] } else { paths.clone() }
    }

    /// The folder of PostgreSQL's programs, unless the newest installed one is meant.
    pub(crate) fn programs(&self) -> Option<&Path> {
        Some(self.postgres.programs.as_path()).filter(|dir| !dir.as_os_str().is_empty())
    }

    fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        let mut all: toml::Table = DEFAULT.parse().context("the shipped default is broken")?;
        if let Some(file) = file {
            let own = table(file)?;
            refuse_secrets(&own, "").with_context(|| file.display().to_string())?;
            merge(&mut all, own);
        }
        let name = file.map_or_else(|| "the default".to_owned(), |f| f.display().to_string());
        let config: Self =
            all.try_into().with_context(|| format!("{name}: see amanah.toml for every key"))?;
        config.trail.check().map_err(anyhow::Error::msg).with_context(|| name.clone())?;
        config.headers.policy().map_err(anyhow::Error::msg).with_context(|| name.clone())?;
        Ok(config)
    }
}

fn table(file: &Path) -> anyhow::Result<toml::Table> {
    let what = || format!("the configuration {} cannot be read", file.display());
    if std::fs::metadata(file).with_context(what)?.len() > MAX_BYTES {
        bail!("{} is larger than 1 MiB: it is no configuration", file.display());
    }
    let text = std::fs::read_to_string(file).with_context(what)?;
    text.parse().with_context(|| format!("{} is not TOML", file.display()))
}

/// Lays `over` on top of `under`, table by table.
fn merge(under: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => merge(below, above),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// A secret in a file that is copied, mailed and committed is no secret.
fn refuse_secrets(table: &toml::Table, path: &str) -> anyhow::Result<()> {
    for (key, value) in table {
        let place = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if SECRET_NAMES.iter().any(|name| key.to_lowercase().contains(name)) {
            bail!("`{place}` looks like a secret. Take it out and set it in the environment");
        }
        match value {
            toml::Value::Table(inner) => refuse_secrets(inner, &place)?,
            toml::Value::String(text) if has_password(text) => {
                bail!("`{place}` holds a password. Take it out and set it in the environment");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether `text` is an address with a password in it: `scheme://user:password@host`.
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or(rest);
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::{Config, merge, refuse_secrets};

    pub(super) fn with(text: &str) -> anyhow::Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("amanah.toml");
        std::fs::write(&file, text).unwrap();
        Config::load(Some(&file))
    }

    #[test]
    fn the_default_is_complete_and_a_file_overrules_it() {
        let default = Config::load(None).unwrap();
        assert_eq!(default.pages.primary, "amanah");
        let own = with("[pages]\nprimary = \"shop\"").unwrap();
        assert_eq!(own.pages.primary, "shop");
        assert_eq!(own.gateway.listen, default.gateway.listen);
        assert!(default.upstream_paths().is_empty());
        let behind = with("[upstream]\nurl = \"http://127.0.0.1:3000\"").unwrap();
        assert_eq!(behind.upstream_paths(), ["/"], "an application is always asked something");
    }

    #[test]
    fn secrets_and_unknown_keys_are_refused() {
        let error = |text: &str| format!("{:#}", with(text).unwrap_err());
        let key = ["pass", "word"].concat();
        assert!(error(&format!("[postgres]\n{key} = \"x\"")).contains("looks like a secret"));
        let url = ["http://me:", "hidden", "@host/"].concat();
        assert!(error(&format!("[upstream]\nurl = \"{url}\"")).contains("holds a password"));
        assert!(error("[pages]\nprimry = \"shop\"").contains("primry"));
        assert!(error("[gateway]\nlisten = \"here\"").contains("socket address"));
        assert!(error("not toml").contains("not TOML"));
    }

    #[test]
    fn tables_are_merged_key_by_key() {
        let mut under: toml::Table = "[a]\nx = 1\ny = 2".parse().unwrap();
        merge(&mut under, "[a]\ny = 3".parse().unwrap());
        assert_eq!(under, "[a]\nx = 1\ny = 3".parse().unwrap());
        assert!(refuse_secrets(&under, "").is_ok());
    }
}
