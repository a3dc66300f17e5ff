//! Which root and which bucket: what the configuration names and the environment lets in.

use std::path::PathBuf;

use anyhow::Context;
use kernel::{Cx, Secret};
use keys::Bucket;
use kms::{AwsSetting, FileSetting, Pkcs11Setting, Setting, Token, TransitSetting};

use crate::config::{Keys, RootKind, S3};
use crate::data::Data;
use crate::environment;
use crate::exit::Usage;

/// The secret that seals the root's file, or the file that holds it with `_FILE` added.
pub(crate) const ROOT_SECRET: &str = "AMANAH_ROOT_SECRET";
/// The one to seal it with from now on.
pub(crate) const NEW_ROOT_SECRET: &str = "AMANAH_NEW_ROOT_SECRET";
/// The private file with the secret that was made where none was given.
pub(crate) const ROOT_PASSWORD: &str = "root.password";
/// What a token of Vault is called, by everybody.
const VAULT_TOKEN: &str = "VAULT_TOKEN";
/// A file with the certificates to trust for Vault, as its own tools call it.
const VAULT_AUTHORITY: &str = "VAULT_CACERT";
/// The PIN of the hardware module.
const PIN: &str = "AMANAH_PKCS11_PIN";

/// The root that the configuration names. `may_make` says that there was never a ring.
pub(crate) fn setting(
    config: &Keys,
    data: &Data,
    cx: &Cx,
    may_make: bool,
) -> anyhow::Result<Setting> {
    if config.root == RootKind::File {
        let path = root_file(data);
        let is_there = path.try_exists().with_context(|| path.display().to_string())?;
        let secret = root_secret(data, cx, !is_there && may_make)?;
        return Ok(Setting::File(FileSetting { path, secret }));
    }
    config.check_root().map_err(Usage)?;
    let installation = data.installation(&*cx.rng)?.expose().to_owned();
    elsewhere(config, installation)
}

/// A root that is not the file: each is given the installation, whose own it must be.
fn elsewhere(config: &Keys, installation: String) -> anyhow::Result<Setting> {
    Ok(match config.root {
        RootKind::File => anyhow::bail!("the root is a file"),
        RootKind::AwsKms => Setting::Aws(AwsSetting {
            key: config.aws.key.clone(),
            installation,
            region: config.aws.region.clone(),
            endpoint: said(&config.aws.endpoint),
            environment: environment::beginning_with("AWS_")?,
        }),
        RootKind::Transit => Setting::Transit(TransitSetting {
            address: config.transit.address.clone(),
            mount: config.transit.mount.clone(),
            key: config.transit.key.clone(),
            installation,
            namespace: said(&config.transit.namespace),
            token: vault_token()?,
            authority: authority()?,
        }),
        RootKind::Pkcs11 => Setting::Pkcs11(Pkcs11Setting {
            module: config.pkcs11.module.clone(),
            label: config.pkcs11.label.clone(),
            key: config.pkcs11.key.clone(),
            installation,
            pin: environment::secret(PIN)?.ok_or_else(|| missing(PIN))?,
        }),
    })
}

/// The file that holds the root.
pub(crate) fn root_file(data: &Data) -> PathBuf {
    data.root().join("keys").join("root")
}

/// The ring's bucket.
pub(crate) fn bucket(config: &Keys) -> anyhow::Result<Bucket> {
    let settings = s3(&config.ring, &config.s3)?;
    Bucket::new(&settings).map_err(|error| Usage(format!("keys.ring: {error}")).into())
}

/// A bucket of a service that speaks S3's language. Its access key comes from the environment, where
/// there is one.
pub(crate) fn s3(url: &str, config: &S3) -> anyhow::Result<bucket::Settings> {
    const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
    const ID: &str = "AWS_ACCESS_KEY_ID";
    let credentials = match environment::secret(SECRET)? {
        Some(secret_access_key) => Some(bucket::Credentials {
            access_key_id: environment::variable(ID)?.ok_or_else(|| missing(ID))?,
            secret_access_key,
            session_token: environment::secret("AWS_SESSION_TOKEN")?,
        }),
        None => None,
    };
    Ok(bucket::Settings {
        url: url.to_owned(),
        endpoint: said(&config.endpoint),
        region: said(&config.region),
        credentials,
    })
}

/// The secret of the environment, or the one that was made where none was given.
fn root_secret(data: &Data, cx: &Cx, may_make: bool) -> anyhow::Result<Secret> {
    if let Some(secret) = environment::secret(ROOT_SECRET)? {
        return Ok(secret);
    }
    match data.read_secret(ROOT_PASSWORD)? {
        Some(made) => Ok(made),
        None if may_make => data.password("root", &*cx.rng),
        None => anyhow::bail!(
            "the root of the keys is sealed by a secret that is not here: set {ROOT_SECRET}, or \
             {ROOT_SECRET}_FILE to a file that holds it. Nothing was overwritten"
        ),
    }
}

/// A token in a file is read anew each time, so that an agent beside us may renew it.
fn vault_token() -> anyhow::Result<Token> {
    if let Some(file) = environment::variable(&format!("{VAULT_TOKEN}_FILE"))? {
        return Ok(Token::File(PathBuf::from(file)));
    }
    let token = environment::secret(VAULT_TOKEN)?;
    Ok(Token::Fixed(token.ok_or_else(|| missing(VAULT_TOKEN))?))
}

fn authority() -> anyhow::Result<Option<String>> {
    let Some(file) = environment::variable(VAULT_AUTHORITY)? else { return Ok(None) };
    let text = std::fs::read_to_string(&file);
    Ok(Some(text.with_context(|| format!("{file} cannot be read; {VAULT_AUTHORITY} names it"))?))
}

fn missing(name: &str) -> anyhow::Error {
    let words = format!("{name} is not set, and the configuration asks for it");
    Usage(words).into()
}

/// A text of the configuration, where an empty one says nothing.
fn said(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
