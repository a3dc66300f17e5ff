//! The address of a Redis of somebody else's, and the address that an application is given.

use std::path::PathBuf;

use ::redis::{ConnectionAddr, IntoConnectionInfo};
use kernel::Secret;

use super::tls::Trust;
use super::wire::{Address, Door};

/// An address that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It is no address of a Redis.
    #[error(
        "redis.url is not usable: {0}. Write redis://USER@HOST:PORT, or rediss:// for TLS; the \
         password comes from AMANAH_REDIS_PASSWORD"
    )]
    Form(&'static str),
    /// TLS cannot be set up.
    #[error("{0}")]
    Tls(String),
}

/// A Redis of somebody else's, as a user who may make others.
#[derive(Debug)]
pub struct Existing {
    pub(super) door: Door,
}

impl Existing {
    /// Reads `url`, which has no password. `ca` is a file of certificate authorities, where the
    /// machine's own are not meant.
    ///
    /// # Errors
    /// When it is no address of a Redis, or the authorities cannot be read.
    pub fn new(url: &str, password: Secret, ca: Option<&PathBuf>) -> Result<Self, UrlError> {
        // The handshake is ours, so the library is asked about the address alone.
        let secure = url.strip_prefix("rediss://");
        let plain = secure.map_or_else(|| url.to_owned(), |rest| format!("redis://{rest}"));
        let unreadable = |_| UrlError::Form("it cannot be read");
        let info = plain.as_str().into_connection_info().map_err(unreadable)?;
        let redis = info.redis_settings();
        if redis.password().is_some() {
            return Err(UrlError::Form("it holds a password"));
        }
        if redis.db() != 0 {
            return Err(UrlError::Form("tenants' places are in database 0"));
        }
        let ConnectionAddr::Tcp(host, port) = info.addr() else {
            return Err(UrlError::Form("applications need an address on the network"));
        };
        let tls = secure.map(|_| Trust::new(ca).map_err(UrlError::Tls)).transpose()?;
        let address = Address::Tcp { host: host.clone(), port: *port, tls };
        let user = redis.username().unwrap_or("default").to_owned();
        Ok(Self { door: Door { address, user, password } })
    }
}

/// The address with login and password, for an application.
pub(super) fn written(address: &Address, user: &str, password: &Secret) -> String {
    let password = password.expose();
    match address {
        Address::Tcp { host, port, tls } => {
            let scheme = if tls.is_some() { "rediss" } else { "redis" };
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            format!("{scheme}://{user}:{password}@{host}:{port}/0")
        }
        Address::Socket(path) => {
            format!("redis+unix://{}?user={user}&pass={password}", path.display())
        }
    }
}
