//! Which root, and what opens it. The binary fills these from its configuration and environment.

use std::path::PathBuf;
use std::sync::Arc;

use kernel::{Clock, Rng, Secret};

use crate::aws::AwsRoot;
use crate::pkcs11::Pkcs11Root;
use crate::transit::TransitRoot;
use crate::{Error, FileRoot, Result, Root};

/// Which root.
#[derive(Debug, Clone)]
pub enum Setting {
    /// A file, sealed by a secret that is not on the disk.
    File(FileSetting),
    /// AWS KMS.
    Aws(AwsSetting),
    /// The transit engine of Vault or `OpenBao`.
    Transit(TransitSetting),
    /// A PKCS#11 token.
    Pkcs11(Pkcs11Setting),
}

/// See [`FileRoot`].
#[derive(Debug, Clone)]
pub struct FileSetting {
    /// The file.
    pub path: PathBuf,
    /// What seals it, of at least 16 bytes.
    pub secret: Secret,
}

/// See [`AwsRoot`].
#[derive(Debug, Clone)]
pub struct AwsSetting {
    /// `alias/NAME`, to which the installation's id is added; or a key's id or ARN, whose
    /// description must name the installation. Only an alias can move on to a new key.
    pub key: String,
    /// The id of the installation whose root it is.
    pub installation: String,
    /// The region, as `eu-west-1`; empty for the one that the environment names.
    pub region: String,
    /// Another address than the region's own: a VPC endpoint, or a stand-in.
    pub endpoint: Option<String>,
    /// The variables of the environment that begin with `AWS_`, from which the credentials are
    /// taken as AWS's own tools take them. Without any, the machine's metadata service is asked.
    pub environment: Vec<(String, Secret)>,
}

/// See [`TransitRoot`].
#[derive(Debug, Clone)]
pub struct TransitSetting {
    /// `https://HOST:PORT`. Plain `http` is taken for this machine's loopback alone.
    pub address: String,
    /// Where the engine is mounted; `transit` unless somebody moved it.
    pub mount: String,
    /// What the key's name begins with, as `amanah-root`; the installation's id is added.
    pub key: String,
    /// The id of the installation whose root it is.
    pub installation: String,
    /// The namespace, where there are any.
    pub namespace: Option<String>,
    /// What lets us in.
    pub token: Token,
    /// Certificates to trust instead of the system's, in PEM.
    pub authority: Option<String>,
}

/// A token of Vault or `OpenBao`.
#[derive(Debug, Clone)]
pub enum Token {
    /// The token. Nobody renews it: it should not expire.
    Fixed(Secret),
    /// A file that holds it, read anew for each request, so that an agent beside us may renew it.
    File(PathBuf),
}

/// See [`Pkcs11Root`].
#[derive(Debug, Clone)]
pub struct Pkcs11Setting {
    /// The vendor's library.
    pub module: PathBuf,
    /// The token's label.
    pub label: String,
    /// What the labels of our keys begin with, as `amanah-root`; the installation's id is added.
    pub key: String,
    /// The id of the installation whose root it is.
    pub installation: String,
    /// The user's PIN.
    pub pin: Secret,
}

/// The name of the root that belongs to `installation`, where the settings say `name`.
///
/// Installations that share a root destroy each other's keys: each destroys what came before its
/// own newest generation. So each has a name of its own, also when their settings are the same.
///
/// # Errors
/// When the installation has no name that fits into one of a root.
pub(crate) fn own(name: &str, installation: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_alphanumeric();
    if installation.is_empty() || !installation.chars().all(plain) {
        let why = format!("`{}` is no id of an installation", installation.escape_debug());
        return Err(Error::Settings(why));
    }
    let end = format!("-{installation}");
    Ok(if name.is_empty() || name.ends_with(&end) {
        name.to_owned()
    } else {
        name.to_owned() + &end
    })
}

impl Setting {
    /// Opens the root. Where there is none, and only when `create` says that there never was one,
    /// it is made: the file, the key and its alias, the key of the engine or of the token.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none and `create` is false; whatever keeps us from it.
    pub async fn open(
        &self,
        create: bool,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Arc<dyn Root>> {
        match self {
            Self::File(FileSetting { path, secret }) => {
                let opened = FileRoot::open(path, secret, clock.clone(), rng.clone()).await;
                match opened {
                    Err(Error::Missing { .. }) if create => {
                        Ok(Arc::new(FileRoot::create(path, secret, clock, rng).await?))
                    }
                    opened => Ok(Arc::new(opened?)),
                }
            }
            Self::Aws(setting) => Ok(Arc::new(AwsRoot::open(setting, create).await?)),
            Self::Transit(setting) => Ok(Arc::new(TransitRoot::open(setting, create).await?)),
            Self::Pkcs11(setting) => Ok(Arc::new(Pkcs11Root::open(setting, create, rng).await?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::own;

    #[test]
    fn an_installation_has_a_name_of_its_own() {
        assert_eq!(own("alias/root", "0badc0de").unwrap(), "alias/root-0badc0de");
        assert_eq!(own("root-0badc0de", "0badc0de").unwrap(), "root-0badc0de", "said already");
        assert_ne!(own("root", "0badc0de").unwrap(), own("root", "0badc0df").unwrap());
        for wrong in ["", "a/b", "a b", "-"] {
            assert!(own("root", wrong).is_err(), "{wrong}");
        }
    }
}
