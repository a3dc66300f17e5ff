//! TLS towards a Redis on another machine: the certificate is checked, against the authorities of
//! this machine or one that the configuration names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error as Refusal, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whose certificates are taken.
#[derive(Clone)]
pub(super) struct Trust(Arc<ClientConfig>);

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// Trusts the authorities in `file`, or those of the machine.
    pub(super) fn new(file: Option<&PathBuf>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        match file {
            Some(file) => named(&mut roots, file)?,
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if roots.is_empty() {
            return Err("no certificate authority is known here; name one in redis.ca".to_owned());
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

fn named(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    let unreadable = |why: String| format!("redis.ca: {} cannot be read: {why}", file.display());
    let certs = CertificateDer::pem_file_iter(file).map_err(|e| unreadable(e.to_string()))?;
    for cert in certs {
        let cert = cert.map_err(|e| unreadable(e.to_string()))?;
        roots.add(cert).map_err(|e| unreadable(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(format!("redis.ca: {} holds no certificate", file.display()));
    }
    Ok(())
}

/// Makes the handshake.
pub(super) async fn secured(
    trust: &Trust,
    host: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, String> {
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::clone(&trust.0));
    connector.connect(name, stream).await.map_err(|error| explained(&error, host))
}

/// Why a connection ended, in words of its own where the handshake was refused after its end: only
/// then a server says that it misses a certificate of ours.
pub(super) fn late(words: String) -> String {
    if words.contains(&format!("{:?}", AlertDescription::CertificateRequired)) {
        "it asks for a certificate, and Amanah logs in with a password: set tls-auth-clients no there"
            .to_owned()
    } else {
        words
    }
}

/// What went wrong in TLS, and what to do.
fn explained(error: &std::io::Error, host: &str) -> String {
    let refusal = error.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>());
    match refusal {
        Some(Refusal::InvalidCertificate(why)) => unfit(why, host),
        Some(Refusal::InvalidMessage(_)) => {
            "it does not speak TLS there; write redis:// or the port that does".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Why a certificate is not taken.
fn unfit(why: &CertificateError, host: &str) -> String {
    match why {
        // Two authorities may have one name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is of no authority that is trusted here; name a file with the one that \
             it is of in redis.ca"
                .to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "its certificate is for another name than {host} ({why}); write a name into \
                 redis.url that it is for"
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("its certificate is over ({why}); renew it")
        }
        other => format!("its certificate is not taken: {other}"),
    }
}
