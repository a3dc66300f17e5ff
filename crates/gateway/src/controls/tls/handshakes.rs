//! Real handshakes: what a server agrees to, and which certificate it shows for which name.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct,
    Error, NamedGroup, ProtocolVersion, RootCertStore, SignatureScheme, SupportedCipherSuite,
    SupportedProtocolVersion,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::certificates::strength;

/// How long one handshake may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a certificate must still be good for.
pub(super) const GOOD_FOR: SignedDuration = SignedDuration::from_hours(14 * 24);

/// One thing to agree on.
pub(super) struct Offer {
    pub(super) what: String,
    versions: Vec<&'static SupportedProtocolVersion>,
    provider: CryptoProvider,
}

/// What was agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) version: u16,
    pub(super) suite: String,
    /// The strength of the suite, in bits.
    pub(super) bits: u16,
    pub(super) group: NamedGroup,
    /// The strength of the certificate's key, in bits of RSA.
    pub(super) key: usize,
}

/// How an offer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Agreed(Agreed),
    Refused,
}

/// Whom a client trusts, and when it looks.
#[derive(Clone)]
pub(super) struct Trust {
    roots: Arc<RootCertStore>,
    at: Timestamp,
}

impl Trust {
    /// The authorities in the PEM text `own` and those of this machine, at `at`.
    pub(super) fn new(own: &[u8], at: Timestamp) -> Self {
        let mut roots = RootCertStore::empty();
        let own = CertificateDer::pem_slice_iter(own).filter_map(Result::ok);
        roots.add_parsable_certificates(own);
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self { roots: Arc::new(roots), at }
    }

    /// The same after `more` time.
    fn later(&self, more: SignedDuration) -> Self {
        let at = self.at.checked_add(more).unwrap_or(Timestamp::MAX);
        Self { roots: Arc::clone(&self.roots), at }
    }
}

/// Each suite with every group, and each group with every suite; the first offers all that we can.
pub(super) fn offers() -> Vec<Offer> {
    let whole = aws_lc_rs::default_provider();
    let all_groups = aws_lc_rs::ALL_KX_GROUPS.to_vec();
    let mut offers = vec![offer(
        "everything",
        aws_lc_rs::ALL_CIPHER_SUITES.to_vec(),
        all_groups.clone(),
        &whole,
    )];
    for suite in aws_lc_rs::ALL_CIPHER_SUITES {
        let what = format!("{:?}", suite.suite());
        offers.push(offer(&what, vec![*suite], all_groups.clone(), &whole));
    }
    for group in aws_lc_rs::ALL_KX_GROUPS {
        let what = format!("{:?}", group.name());
        offers.push(offer(&what, aws_lc_rs::ALL_CIPHER_SUITES.to_vec(), vec![*group], &whole));
    }
    offers
}

fn offer(
    what: &str,
    cipher_suites: Vec<SupportedCipherSuite>,
    kx_groups: Vec<&'static dyn SupportedKxGroup>,
    whole: &CryptoProvider,
) -> Offer {
    let spoken = |version: &&'static SupportedProtocolVersion| {
        cipher_suites.iter().any(|suite| suite.version() == *version)
    };
    let versions = rustls::ALL_VERSIONS.iter().copied().filter(spoken).collect();
    let provider = CryptoProvider { cipher_suites, kx_groups, ..whole.clone() };
    Offer { what: what.to_owned(), versions, provider }
}

impl Offer {
    /// Makes it to `address`, for a certificate of `name` that is to be trusted.
    ///
    /// # Errors
    /// When nobody answers, or what is shown is not good enough. The text says which.
    pub(super) async fn make(
        &self,
        address: SocketAddr,
        name: &str,
        trust: &Trust,
    ) -> Result<Answer, String> {
        match self.connect(address, name, trust).await? {
            Ok(agreed) => Ok(Answer::Agreed(agreed)),
            Err(Error::AlertReceived(
                AlertDescription::HandshakeFailure
                | AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity
                | AlertDescription::IllegalParameter,
            )) => Ok(Answer::Refused),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The outer error is a connection that failed.
    async fn connect(
        &self,
        address: SocketAddr,
        name: &str,
        trust: &Trust,
    ) -> Result<Result<Agreed, Error>, String> {
        let provider = Arc::new(self.provider.clone());
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::clone(&trust.roots),
            Arc::clone(&provider),
        );
        let inner = verifier.build().map_err(|error| error.to_string())?;
        let seconds = u64::try_from(trust.at.as_second()).unwrap_or_default();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AtTime { inner, at }))
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
        let talk = async {
            let tcp = TcpStream::connect(address).await?;
            TlsConnector::from(Arc::new(config)).connect(name, tcp).await
        };
        let talked = timeout(DEADLINE, talk).await;
        match talked.map_err(|_| "no answer in time".to_owned())? {
            Ok(tls) => Ok(Ok(agreed(tls.get_ref().1).ok_or("nothing was agreed")?)),
            Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
                Some(inner) => Ok(Err(inner.clone())),
                None => Err(error.to_string()),
            },
        }
    }
}

fn agreed(tls: &ClientConnection) -> Option<Agreed> {
    let suite = tls.negotiated_cipher_suite()?.suite();
    let suite = format!("{suite:?}");
    let bits = if suite.contains("_128_") { 128 } else { 256 };
    let version = match tls.protocol_version()? {
        ProtocolVersion::TLSv1_2 => 0x0303,
        ProtocolVersion::TLSv1_3 => 0x0304,
        _ => return None,
    };
    let key = strength(tls.peer_certificates()?.first()?)?;
    Some(Agreed { version, suite, bits, group: tls.negotiated_key_exchange_group()?.name(), key })
}

/// What is wrong with the certificate for `name`, now or in two weeks, if something is.
///
/// # Errors
/// When it could not be seen.
pub(super) async fn certificate(
    address: SocketAddr,
    name: &str,
    trust: &Trust,
) -> Result<Option<String>, String> {
    let all = offers();
    let offer = all.first().ok_or("there is nothing to offer")?;
    let now = offer.connect(address, name, trust).await?;
    if let Err(error) = now {
        return wrong(&error, "").map(Some);
    }
    let soon = offer.connect(address, name, &trust.later(GOOD_FOR)).await?;
    match soon {
        Ok(_) => Ok(None),
        Err(error) => wrong(&error, " within 14 days").map(Some),
    }
}

fn wrong(error: &Error, when: &str) -> Result<String, String> {
    use CertificateError as C;
    let said = match error {
        Error::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            format!("its certificate ends{when}")
        }
        Error::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => {
            "its certificate is not valid yet".to_owned()
        }
        Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "the certificate that is shown is for other names".to_owned()
        }
        Error::InvalidCertificate(C::UnknownIssuer) => {
            "its certificate leads to no authority that this machine trusts; complete its chain, or \
             add a private authority to this machine's"
                .to_owned()
        }
        Error::InvalidCertificate(other) => format!("its certificate is refused ({other:?})"),
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "no certificate is shown for it".to_owned()
        }
        other => return Err(other.to_string()),
    };
    Ok(said)
}

/// Looks at certificates as on another day.
#[derive(Debug)]
struct AtTime {
    inner: Arc<WebPkiServerVerifier>,
    at: UnixTime,
}

impl ServerCertVerifier for AtTime {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.inner.verify_server_cert(leaf, chain, name, ocsp, self.at)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
