//! What the gateway and its probes agree to speak.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::handshake::Terms;
use crate::http2;
use crate::{CertificateFiles, Certificates, GatewayError, LocalAuthority, UnknownName};

/// Both versions that are ever spoken. In both, rustls knows only suites with authenticated
/// encryption and forward secrecy.
static VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
/// The best one alone.
static BEST: [&SupportedProtocolVersion; 1] = [&TLS13];
/// The older of the two protocols offered inside TLS, and the one that our own probes ask for.
const ALPN: &[u8] = b"http/1.1";

/// What the operator decides about TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsSettings {
    /// The oldest version that is spoken.
    pub min: MinTls,
    /// Certificates of the operator's. The local authority's is there beside them, for its names.
    pub certificates: Vec<CertificateFiles>,
    /// What is presented for a name that none of them is for. Without any, the local authority's.
    pub unknown_name: UnknownName,
}

/// The oldest version of TLS that a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum MinTls {
    /// TLS 1.2 with authenticated encryption and forward secrecy, for clients that know no newer one.
    V1_2,
    /// TLS 1.3 alone.
    #[default]
    V1_3,
}

impl MinTls {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::V1_2 => &VERSIONS,
            Self::V1_3 => &BEST,
        }
    }
}

/// The listener's side: its certificates, key exchange X25519MLKEM768 first.
///
/// # Errors
/// When a certificate cannot be presented, or the cryptographic library refuses the versions.
pub(crate) fn terms(
    settings: TlsSettings,
    authority: &Arc<LocalAuthority>,
) -> Result<Terms, GatewayError> {
    let TlsSettings { min, certificates, unknown_name } = settings;
    let certificates = Certificates::open(certificates, unknown_name, Arc::clone(authority))?;
    let certificates = Arc::new(certificates);
    let usual = server_config(min, &certificates)?;
    let best = match min {
        MinTls::V1_2 => server_config(MinTls::V1_3, &certificates)?,
        MinTls::V1_3 => Arc::clone(&usual),
    };
    Ok(Terms { usual, best, certificates })
}

fn server_config(
    min: MinTls,
    certificates: &Arc<Certificates>,
) -> Result<Arc<ServerConfig>, GatewayError> {
    let certificates = Arc::<Certificates>::clone(certificates);
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(min.versions())
        .map_err(|e| GatewayError::Certificate(e.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![http2::ALPN.to_vec(), ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// A client that trusts the authorities in the PEM text `trusted` and no others.
///
/// # Errors
/// When `trusted` holds no usable certificate.
pub fn client_config(trusted: &[u8]) -> Result<Arc<ClientConfig>, GatewayError> {
    let wrong = |error: &dyn std::fmt::Display| GatewayError::Certificate(error.to_string());
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(trusted) {
        let authority = authority.map_err(|e| wrong(&e))?;
        roots.add(authority).map_err(|e| wrong(&e))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"there is no certificate to trust"));
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&VERSIONS)
        .map_err(|e| wrong(&e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// Never the process-wide provider: another crate could have set it to something else.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    use super::provider;

    /// The post-quantum hybrid is what both sides ask for first.
    #[test]
    fn the_hybrid_key_exchange_is_preferred() {
        let first = provider().kx_groups.first().unwrap().name();
        assert_eq!(first, NamedGroup::X25519MLKEM768);
    }
}
