//! What the configuration decides about the gateway, and what others have to know of it.

use std::net::SocketAddr;
use std::path::{PathBuf, absolute};

use anyhow::Context;
use gateway::{CertificateFiles, Settings};
use serde::{Deserialize, Serialize};

use crate::config::Gateway;

/// The gateway at `listen`, as `config` has it, with nothing behind it yet.
pub(crate) fn settings(config: &Gateway, listen: SocketAddr) -> Settings {
    Settings {
        tls: config.tls.settings(),
        clear: config.http,
        public_port: config.public_port(),
        proxies: config.proxies.0.clone(),
        ..Settings::new(listen)
    }
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
