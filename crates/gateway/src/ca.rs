//! A certificate authority of one's own, so that the first start is already TLS.
//!
//! Browsers trust it once its `ca.pem` is imported; our own probes trust it and nothing else.
//! A key that does not parse is never overwritten: whoever imported the certificate would have
//! to trust a new one, and that is for a person to decide.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, hex};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore};

use crate::GatewayError;
use files::Folder;

mod files;

/// The authority's certificate in its folder, for browsers to import.
pub const AUTHORITY_FILE: &str = "ca.pem";
const AUTHORITY_KEY_FILE: &str = "ca.key";
const LEAF_FILE: &str = "server.pem";
const LEAF_KEY_FILE: &str = "server.key";

/// The names that every certificate holds.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// How long the authority is valid, in days.
const AUTHORITY_DAYS: i64 = 10 * 365;
/// How long a certificate is valid, in days.
const LEAF_DAYS: i64 = 90;
/// A certificate with fewer days left is renewed.
const RENEW_BELOW_DAYS: i64 = 30;

const NEW_AUTHORITY: &str = "restore it from a copy, or move ca.pem, ca.key, server.pem and \
                             server.key away to make a new authority that browsers must trust anew";
const NEW_LEAF: &str = "restore it from a copy, or move server.pem and server.key away and a new \
                        certificate is made at the next start";

/// A certificate authority of this installation, and the certificate it has issued for it.
pub struct LocalAuthority {
    mint: Mint,
    pem: String,
    leaf: RwLock<Arc<CertifiedKey>>,
}

/// What it takes to issue a certificate and to judge one.
struct Mint {
    folder: Option<Folder>,
    names: BTreeSet<String>,
    clock: Arc<dyn Clock>,
    issuer: Issuer<'static, KeyPair>,
    anchor: CertificateDer<'static>,
}

impl LocalAuthority {
    /// Opens the authority in `dir`, or makes one: ECDSA P-256, ten years.
    ///
    /// Its certificate is for `localhost`, `127.0.0.1`, `::1` and `names`, valid for 90 days, and
    /// renewed when fewer than 30 are left or when the names have changed. Keys are readable by
    /// their owner alone.
    ///
    /// # Errors
    /// When a file cannot be read, written or understood, when a key can be read by others, or
    /// when the authority itself is about to expire. No existing authority is ever replaced.
    pub fn open_or_create(
        dir: &Path,
        names: &[String],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, GatewayError> {
        let folder = Folder::open(dir)?;
        let (key, pem) = match (folder.read_key(AUTHORITY_KEY_FILE)?, folder.read(AUTHORITY_FILE)?)
        {
            (None, None) => {
                let key = generate()?;
                // The key first: a certificate without its key could not be repaired.
                folder.write_key(AUTHORITY_KEY_FILE, &key.serialize_pem())?;
                let pem = self_sign(&key, clock.now())?;
                folder.write(AUTHORITY_FILE, &pem)?;
                (key, pem)
            }
            (None, Some(_)) => {
                let why = "the authority's key is missing";
                return Err(folder.damaged(AUTHORITY_KEY_FILE, why, NEW_AUTHORITY));
            }
            (Some(text), pem) => {
                let key = KeyPair::from_pem(&text).map_err(|error| {
                    let why = format!("not a private key ({error})");
                    folder.damaged(AUTHORITY_KEY_FILE, why, NEW_AUTHORITY)
                })?;
                let pem = if let Some(pem) = pem {
                    pem
                } else {
                    let pem = self_sign(&key, clock.now())?;
                    folder.write(AUTHORITY_FILE, &pem)?;
                    pem
                };
                (key, pem)
            }
        };
        let anchor = check_anchor(&folder, &pem, &key, clock.now())?;
        Self::assemble(Some(folder), names, clock, key, anchor, pem)
    }

    /// An authority that lives in memory and dies with the process, for scratch gateways.
    pub(crate) fn in_memory(clock: Arc<dyn Clock>) -> Result<Self, GatewayError> {
        let key = generate()?;
        let pem = self_sign(&key, clock.now())?;
        let anchor = parse_pem(&pem)
            .ok_or_else(|| GatewayError::Certificate("the new authority does not parse".into()))?;
        Self::assemble(None, &[], clock, key, anchor, pem)
    }

    /// The authority's certificate, as PEM text.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The clock by which it judges.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.mint.clock)
    }

    /// Whether its certificate is for `name`.
    pub(crate) fn covers(&self, name: &str) -> bool {
        self.mint.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// The certificate that is presented at this moment.
    pub(crate) fn certificate(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.leaf.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Renews the certificate if fewer than 30 days are left, and says whether it did. Running
    /// listeners present the new one from their next handshake on.
    ///
    /// # Errors
    /// When a new one cannot be made or kept; the old one stays in use.
    pub(crate) fn renew_if_due(&self) -> Result<bool, GatewayError> {
        let current = self.certificate();
        let due = match current.cert.first() {
            Some(leaf) => self.mint.is_due(leaf)?,
            None => true,
        };
        if due {
            let renewed = Arc::new(self.mint.issue()?);
            *self.leaf.write().unwrap_or_else(PoisonError::into_inner) = renewed;
        }
        Ok(due)
    }

    fn assemble(
        folder: Option<Folder>,
        names: &[String],
        clock: Arc<dyn Clock>,
        key: KeyPair,
        anchor: CertificateDer<'static>,
        pem: String,
    ) -> Result<Self, GatewayError> {
        let own = OWN_NAMES.iter().map(ToString::to_string);
        let mint = Mint {
            folder,
            names: own.chain(names.iter().cloned()).collect(),
            clock,
            issuer: Issuer::new(authority_params(&key), key),
            anchor,
        };
        let leaf = match mint.stored_leaf()? {
            Some(leaf) => leaf,
            None => mint.issue()?,
        };
        Ok(Self { mint, pem, leaf: RwLock::new(Arc::new(leaf)) })
    }
}

impl Mint {
    /// The certificate in the folder, if it is there and not due.
    fn stored_leaf(&self) -> Result<Option<CertifiedKey>, GatewayError> {
        let Some(folder) = &self.folder else {
            return Ok(None);
        };
        let (Some(key), Some(pem)) = (folder.read_key(LEAF_KEY_FILE)?, folder.read(LEAF_FILE)?)
        else {
            // One without the other is a renewal that was cut short: neither is of any use.
            return Ok(None);
        };
        let der = parse_pem(&pem)
            .ok_or_else(|| folder.damaged(LEAF_FILE, "not a certificate", NEW_LEAF))?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| {
            let why = format!("not a private key ({error})");
            folder.damaged(LEAF_KEY_FILE, why, NEW_LEAF)
        })?;
        if self.is_due(&der)? {
            return Ok(None);
        }
        match CertifiedKey::from_der(vec![der], key, &aws_lc_rs::default_provider()) {
            Ok(leaf) => Ok(Some(leaf)),
            // Key and certificate of two different renewals, or a key of another kind.
            Err(rustls::Error::InconsistentKeys(_)) => Ok(None),
            Err(error) => Err(folder.damaged(LEAF_KEY_FILE, error.to_string(), NEW_LEAF)),
        }
    }

    /// Whether `leaf` must be replaced: it would not be accepted for one of the names, now or
    /// when [`RENEW_BELOW_DAYS`] have passed, by somebody who trusts this authority.
    fn is_due(&self, leaf: &CertificateDer<'_>) -> Result<bool, GatewayError> {
        let now = self.clock.now();
        let soon = plus_days(now, RENEW_BELOW_DAYS)?;
        for name in &self.names {
            let name = server_name(name)?;
            for at in [now, soon] {
                if !matches!(accepts(&self.anchor, leaf, &name, at), Ok(Ok(()))) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Makes a key and a certificate, and keeps them in the folder if there is one.
    fn issue(&self) -> Result<CertifiedKey, GatewayError> {
        for name in &self.names {
            server_name(name)?;
        }
        let names: Vec<String> = self.names.iter().cloned().collect();
        let now = self.clock.now();
        let key = generate()?;
        let mut params = CertificateParams::new(names).map_err(|e| certificate(&e))?;
        params.distinguished_name = common_name("Amanah local gateway");
        set_dates(&mut params, now, LEAF_DAYS)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &self.issuer).map_err(|e| certificate(&e))?;
        if let Some(folder) = &self.folder {
            folder.write_key(LEAF_KEY_FILE, &key.serialize_pem())?;
            folder.write(LEAF_FILE, &leaf.pem())?;
        }
        certified(leaf.der().clone(), &key)
    }
}

impl fmt::Debug for LocalAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalAuthority").field("names", &self.mint.names).finish_non_exhaustive()
    }
}

/// Reads the authority's certificate and checks that it is this key's and not about to expire.
fn check_anchor(
    folder: &Folder,
    pem: &str,
    key: &KeyPair,
    now: Timestamp,
) -> Result<CertificateDer<'static>, GatewayError> {
    let damaged = |why: &str| folder.damaged(AUTHORITY_FILE, why, NEW_AUTHORITY);
    let anchor = parse_pem(pem).ok_or_else(|| damaged("not a certificate"))?;
    let public = key.subject_public_key_info();
    if !anchor.windows(public.len()).any(|part| part == public) {
        return Err(damaged("this certificate does not belong to ca.key"));
    }
    let name = server_name("localhost")?;
    // An authority presented as a server is refused, but its dates are looked at first.
    let verdict = accepts(&anchor, &anchor, &name, plus_days(now, LEAF_DAYS)?)
        .map_err(|error| damaged(&error))?;
    match verdict {
        Err(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            Err(damaged("the authority expires within 90 days"))
        }
        Err(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            Err(damaged("the authority is not valid yet; check the clock"))
        }
        _ => Ok(anchor),
    }
}

/// Whether a client that trusts `anchor` alone accepts `leaf` for `name` at `at`. The outer error
/// is an anchor that cannot be used at all.
fn accepts(
    anchor: &CertificateDer<'_>,
    leaf: &CertificateDer<'_>,
    name: &ServerName<'_>,
    at: Timestamp,
) -> Result<Result<(), CertificateError>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(anchor.clone().into_owned()).map_err(|e| e.to_string())?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|e| e.to_string())?;
    let seconds = u64::try_from(at.as_second()).unwrap_or_default();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    match verifier.verify_server_cert(leaf, &[], name, &[], at) {
        Ok(_) => Ok(Ok(())),
        Err(rustls::Error::InvalidCertificate(error)) => Ok(Err(error)),
        Err(error) => Err(error.to_string()),
    }
}

fn self_sign(key: &KeyPair, now: Timestamp) -> Result<String, GatewayError> {
    let mut params = authority_params(key);
    set_dates(&mut params, now, AUTHORITY_DAYS)?;
    Ok(params.self_signed(key).map_err(|e| certificate(&e))?.pem())
}

/// Everything about the authority that its key alone decides. The name holds the beginning of the
/// key's digest, so that two installations on one machine are told apart in a browser's list, and
/// so that the issuer can be rebuilt from the key.
fn authority_params(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    let digest = params.key_identifier(key);
    let mark = hex(digest.get(..4).unwrap_or(&digest));
    params.distinguished_name = common_name(&format!("Amanah local authority {mark}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::OrganizationName, "Amanah");
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn generate() -> Result<KeyPair, GatewayError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|e| certificate(&e))
}

fn certified(leaf: CertificateDer<'static>, key: &KeyPair) -> Result<CertifiedKey, GatewayError> {
    let wrong = |error: &dyn fmt::Display| GatewayError::Certificate(error.to_string());
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|e| wrong(&e))?;
    CertifiedKey::from_der(vec![leaf], key, &aws_lc_rs::default_provider()).map_err(|e| wrong(&e))
}

fn server_name(name: &str) -> Result<ServerName<'static>, GatewayError> {
    ServerName::try_from(name.to_owned()).map_err(|_| GatewayError::Name(name.to_owned()))
}

fn parse_pem(pem: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok()
}

fn plus_days(at: Timestamp, days: i64) -> Result<Timestamp, GatewayError> {
    at.checked_add(SignedDuration::from_hours(24 * days))
        .map_err(|e| GatewayError::Certificate(e.to_string()))
}

/// Valid from the midnight before `now`, so that a client whose clock is a little behind accepts
/// it, until `days` later.
fn set_dates(
    params: &mut CertificateParams,
    now: Timestamp,
    days: i64,
) -> Result<(), GatewayError> {
    let (year, month, day) = date(plus_days(now, -1)?)?;
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = date(plus_days(now, days)?)?;
    params.not_after = rcgen::date_time_ymd(year, month, day);
    Ok(())
}

fn date(at: Timestamp) -> Result<(i32, u8, u8), GatewayError> {
    let date = at.to_zoned(TimeZone::UTC).date();
    match (u8::try_from(date.month()), u8::try_from(date.day())) {
        (Ok(month), Ok(day)) => Ok((i32::from(date.year()), month, day)),
        _ => Err(GatewayError::Certificate(format!("{date} is not a date"))),
    }
}

fn certificate(error: &rcgen::Error) -> GatewayError {
    GatewayError::Certificate(error.to_string())
}

#[cfg(test)]
mod tests;
