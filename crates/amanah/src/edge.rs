//! What the configuration decides about the gateway, and what others have to know of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;

use anyhow::Context;
use gateway::{AccessLog, CertificateFiles, Settings};
use kernel::Clock;
use serde::{Deserialize, Serialize};

use crate::config::Gateway;

/// The gateway at `listen`, as `config` has it, with nothing behind it yet.
///
/// # Errors
/// When the access log cannot be written to.
pub(crate) fn settings(
    config: &Gateway,
    listen: SocketAddr,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Settings> {
    let settings = Settings {
        tls: config.tls.settings(),
        clear: config.http,
        public_port: config.public_port(),
        proxies: config.proxies.0.clone(),
        access_log: access_log(&config.access_log, clock)?,
        forward_auth: config.forward_auth.0.clone(),
        ..Settings::new(listen)
    };
    Ok(settings)
}

/// The file for requests, unless they are not written down.
fn access_log(file: &Path, clock: &Arc<dyn Clock>) -> anyhow::Result<Option<AccessLog>> {
    let named = Some(file).filter(|file| !file.as_os_str().is_empty());
    Ok(named.map(|file| AccessLog::open(file, Arc::clone(clock))).transpose()?)
}

/// How the gateway shows itself to the world, for the proofs that look.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Faces {
    /// Where it listens for plain HTTP.
    clear: Option<SocketAddr>,
    names: Vec<String>,
    /// The files of its certificates, chain and key, as absolute paths.
    certificates: Vec<(PathBuf, PathBuf)>,
}

impl Faces {
    /// As `config` has it, with the address for plain HTTP that was taken.
    ///
    /// # Errors
    /// When a path of the configuration cannot be made absolute.
    pub(crate) fn of(config: &Gateway, clear: Option<SocketAddr>) -> anyhow::Result<Self> {
        let whole = |file: PathBuf| absolute(&file).with_context(|| file.display().to_string());
        let certificates = config.tls.certificates().into_iter();
        let certificates = certificates.map(|pair| Ok((whole(pair.chain)?, whole(pair.key)?)));
        let certificates = certificates.collect::<anyhow::Result<_>>()?;
        Ok(Self { clear, names: config.names.clone(), certificates })
    }

    /// The same for the gateway's proofs: names, certificates, and the address for plain HTTP.
    pub(crate) fn parts(self) -> (Vec<String>, Vec<CertificateFiles>, Option<SocketAddr>) {
        let files =
            self.certificates.into_iter().map(|(chain, key)| CertificateFiles { chain, key });
        (self.names, files.collect(), self.clear)
    }
}
