//! What `[keys]` says: where the root lives, where the ring lies, when keys are rotated.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use kernel::{Unit, Value};
use keys::{Policy, Purpose};
use serde::Deserialize;

/// A shorter period would rotate the keys again and again.
const SHORTEST: Duration = Duration::from_hours(1);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    pub(crate) root: RootKind,
    pub(crate) ring: String,
    listen: String,
    pub(crate) allow_remote: bool,
    pub(crate) names: Vec<String>,
    rotate_after: RotateAfter,
    pub(crate) aws: Aws,
    pub(crate) transit: Transit,
    pub(crate) pkcs11: Pkcs11,
    pub(crate) s3: S3,
}

/// Where the root of all keys lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RootKind {
    File,
    AwsKms,
    Transit,
    Pkcs11,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateAfter {
    default: Period,
    fields: Period,
    files: Period,
    backups: Period,
    signing: Period,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Aws {
    pub(crate) key: String,
    pub(crate) region: String,
    pub(crate) endpoint: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transit {
    pub(crate) address: String,
    pub(crate) mount: String,
    pub(crate) key: String,
    pub(crate) namespace: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pkcs11 {
    pub(crate) module: PathBuf,
    pub(crate) label: String,
    pub(crate) key: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct S3 {
    pub(crate) endpoint: String,
    pub(crate) region: String,
}

impl Keys {
    /// Where applications ask for keys; `None` when they are not served.
    pub(crate) fn listen(&self) -> Result<Option<SocketAddr>, String> {
        if self.listen.is_empty() {
            return Ok(None);
        }
        let wrong = |e| format!("keys.listen: `{}` is no address and port: {e}", self.listen);
        self.listen.parse().map(Some).map_err(wrong)
    }

    /// Whether the root that is chosen has what its own table must say: there is no guess at which
    /// server or module is meant.
    pub(crate) fn check_root(&self) -> Result<(), String> {
        let (name, is_empty, example) = match self.root {
            RootKind::File => return Ok(()),
            RootKind::AwsKms => ("aws.key", self.aws.key.is_empty(), "alias/amanah-root"),
            RootKind::Transit if self.transit.key.is_empty() => {
                ("transit.key", true, "amanah-root")
            }
            RootKind::Transit => {
                ("transit.address", self.transit.address.is_empty(), "https://vault.example:8200")
            }
            RootKind::Pkcs11 if self.pkcs11.key.is_empty() => ("pkcs11.key", true, "amanah-root"),
            RootKind::Pkcs11 => {
                let is_empty = self.pkcs11.module.as_os_str().is_empty();
                ("pkcs11.module", is_empty, "/usr/lib/softhsm/libsofthsm2.so")
            }
        };
        if is_empty {
            let why =
                "is empty, and keys.root asks for it; nothing was changed. Set it, for example";
            return Err(format!("keys.{name} {why} to {example} (docs/roots.md)"));
        }
        Ok(())
    }

    /// At what age keys are rotated.
    pub(crate) fn policy(&self) -> Policy {
        let after = &self.rotate_after;
        let purposes = [
            (Purpose::Fields, after.fields),
            (Purpose::Files, after.files),
            (Purpose::Backups, after.backups),
            (Purpose::Signing, after.signing),
        ];
        let said = purposes.into_iter().filter_map(|(purpose, Period(age))| Some((purpose, age?)));
        Policy {
            default: after.default.0.unwrap_or_else(|| SignedDuration::from_hours(60 * 24)),
            purposes: said.collect::<BTreeMap<_, _>>(),
        }
    }
}

/// A length of time such as `60d`; an empty one is the default's.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Period(Option<SignedDuration>);

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        period(&text).map(|age| Self(Some(age)))
    }
}

/// Reads a length of time such as `60d`, of an hour or more.
pub(crate) fn period(text: &str) -> Result<SignedDuration, String> {
    match Unit::Period.parse(text).map_err(|error| error.to_string())? {
        Value::Period(age) if age >= SHORTEST => {
            SignedDuration::try_from(age).map_err(|error| error.to_string())
        }
        _ => Err(format!("`{text}` is shorter than an hour")),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use keys::Purpose;

    use super::super::Config;
    use super::period;

    fn with(text: &str) -> anyhow::Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("amanah.toml");
        std::fs::write(&file, text).unwrap();
        Config::load(Some(&file))
    }

    /// What the default promises in its comments, and that one purpose can be overruled.
    #[test]
    fn the_default_rotates_before_the_pages_promise_it() {
        let sixty = SignedDuration::from_hours(60 * 24);
        let default = Config::load(None).unwrap().keys;
        assert_eq!(default.policy().of(Purpose::Fields), sixty);
        assert_eq!(default.listen().unwrap().unwrap().to_string(), "127.0.0.1:8200");
        let own = with("[keys]\nlisten = \"\"\n[keys.rotate_after]\nfiles = \"30d\"").unwrap().keys;
        assert_eq!(own.policy().of(Purpose::Files), SignedDuration::from_hours(30 * 24));
        assert_eq!(own.policy().of(Purpose::Backups), sixty);
        assert_eq!(own.listen(), Ok(None));
    }

    #[test]
    fn nonsense_is_refused_with_its_name() {
        let error = |text: &str| format!("{:#}", with(text).unwrap_err());
        assert!(error("[keys]\nroot = \"paper\"").contains("pkcs11"));
        assert!(error("[keys.rotate_after]\nfields = \"1s\"").contains("shorter than an hour"));
        assert!(error("[keys.rotate_after]\nfields = \"soon\"").contains("90d"));
        assert!(error("[keys.s3]\nkey = \"x\"").contains("key"));
        assert!(period("90d").is_ok() && period("").is_err());
    }

    /// No server and no module is assumed: our own listener stands where Vault's does by default.
    #[test]
    fn a_root_elsewhere_says_where() {
        let check = |text: &str| with(text).unwrap().keys.check_root();
        assert_eq!(check("[keys]\nroot = \"file\""), Ok(()));
        assert_eq!(check("[keys]\nroot = \"aws-kms\""), Ok(()));
        for (root, named) in [("transit", "keys.transit.address"), ("pkcs11", "keys.pkcs11.module")]
        {
            let error = check(&format!("[keys]\nroot = \"{root}\"")).unwrap_err();
            assert!(error.starts_with(named) && error.contains("docs/roots.md"), "{error}");
        }
        for (root, table) in [("aws-kms", "aws"), ("transit", "transit"), ("pkcs11", "pkcs11")] {
            let text = format!("[keys]\nroot = \"{root}\"\n[keys.{table}]\nkey = \"\"");
            assert!(check(&text).unwrap_err().starts_with(&format!("keys.{table}.key")));
        }
        let said =
            "[keys]\nroot = \"transit\"\n[keys.transit]\naddress = \"https://vault.example\"";
        assert_eq!(check(said), Ok(()));
    }
}
