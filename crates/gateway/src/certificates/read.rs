//! One certificate and its key, read from files and judged.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use kernel::Secret;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode as _, Reader as _, SliceReader};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::{CertificateFiles, Presented};
use crate::GatewayError;

/// The largest file that is read, in bytes; a chain of four has less than 10 KiB.
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// The most certificates of one chain.
const MAX_CHAIN: usize = 8;
/// The shortest RSA key that is presented, in bits.
const MIN_RSA_BITS: usize = 2048;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const CURVES: [ObjectIdentifier; 3] = [
    ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
    ObjectIdentifier::new_unwrap("1.3.132.0.34"),
    ObjectIdentifier::new_unwrap("1.3.132.0.35"),
];
/// Signatures over MD5 and SHA-1, which can be forged.
const FORGEABLE: [ObjectIdentifier; 3] = [
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"),
    ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"),
];

const RENEW: &str = "renew it, or take it out of gateway.tls.certificates";
const NEW_PAIR: &str = "put the certificate and the key that belong together there";
const STRONGER: &str =
    "ask for another one, with a key of P-256, P-384, Ed25519, or RSA of 2048 bits";
const FULL_CHAIN: &str =
    "write the server's certificate first, then each one's issuer (fullchain.pem)";

/// What the two files of a pair hold.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Texts {
    chain: Vec<u8>,
    key: Option<Secret>,
}

impl Texts {
    /// Reads both, and refuses a key that every user of the machine can read.
    pub(super) fn of(files: &CertificateFiles) -> Result<Self, GatewayError> {
        let key = read(&files.key)?;
        let open = std::fs::metadata(&files.key).map(|meta| meta.permissions().mode() & 0o007);
        if open.is_ok_and(|open| open != 0) {
            let why = "this private key can be read by every user of the machine";
            let next = "run `chmod o-rwx` on it, or have a new one made if it may have been copied";
            return Err(damaged(&files.key, why, next));
        }
        let not_text = |_| damaged(&files.key, "this is not PEM text", NEW_PAIR);
        let key = String::from_utf8(key).map_err(not_text)?;
        Ok(Self { chain: read(&files.chain)?, key: Some(Secret::new(key)) })
    }
}

/// A certificate that can be presented.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) presented: Presented,
    pub(super) key: Arc<CertifiedKey>,
}

impl Pair {
    /// Judges `texts` at `now`.
    pub(super) fn read(
        files: &CertificateFiles,
        texts: &Texts,
        now: Timestamp,
    ) -> Result<Self, GatewayError> {
        let of_chain = |why: &str, next| damaged(&files.chain, why, next);
        let chain: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(&texts.chain).take(MAX_CHAIN + 1).collect();
        let chain = chain.map_err(|error| of_chain(&format!("not PEM ({error})"), FULL_CHAIN))?;
        if chain.is_empty() || chain.len() > MAX_CHAIN {
            let why = format!("it holds no certificate, or more than {MAX_CHAIN}");
            return Err(of_chain(&why, FULL_CHAIN));
        }
        let parsed: Result<Vec<Certificate>, _> =
            chain.iter().map(|der| Certificate::from_der(der)).collect();
        let parsed =
            parsed.map_err(|error| of_chain(&format!("no certificate ({error})"), FULL_CHAIN))?;
        let Some(leaf) = parsed.first() else {
            return Err(of_chain("it holds no certificate", FULL_CHAIN));
        };
        in_order(&parsed).map_err(|why| of_chain(why, FULL_CHAIN))?;
        let mut until = Timestamp::MAX;
        for certificate in &parsed {
            until = until.min(valid(certificate, now).map_err(|why| of_chain(&why, RENEW))?);
        }
        strong(&leaf.tbs_certificate.subject_public_key_info)
            .and_then(|()| unforgeable(&parsed))
            .map_err(|why| of_chain(&why, STRONGER))?;
        let names = names(leaf);
        if names.is_empty() {
            return Err(of_chain("it names no host (subjectAltName)", STRONGER));
        }
        let key = texts.key.as_ref().map(Secret::expose).unwrap_or_default();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| {
            damaged(&files.key, &format!("not a private key ({error})"), NEW_PAIR)
        })?;
        let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(
            |error| match error {
                rustls::Error::InconsistentKeys(_) => {
                    let why = format!("this is not the key of {}", files.chain.display());
                    damaged(&files.key, &why, NEW_PAIR)
                }
                error => damaged(&files.key, &error.to_string(), STRONGER),
            },
        )?;
        let presented = Presented { file: files.chain.clone(), names, until };
        Ok(Self { presented, key: Arc::new(key) })
    }

    /// Whether it is for `name`, as clients see it.
    pub(super) fn covers(&self, name: &str) -> bool {
        self.presented.names.iter().any(|own| match own.strip_prefix("*.") {
            None => own.eq_ignore_ascii_case(name),
            Some(domain) => name.split_once('.').is_some_and(|(label, rest)| {
                !label.is_empty() && rest.eq_ignore_ascii_case(domain)
            }),
        })
    }
}

/// Each certificate is followed by its issuer's.
fn in_order(chain: &[Certificate]) -> Result<(), &'static str> {
    let pairs = chain.iter().zip(chain.iter().skip(1));
    for (one, next) in pairs {
        if one.tbs_certificate.issuer != next.tbs_certificate.subject {
            return Err("its certificates do not follow one another");
        }
    }
    Ok(())
}

/// Until when it is valid, if it is now.
fn valid(certificate: &Certificate, now: Timestamp) -> Result<Timestamp, String> {
    let validity = &certificate.tbs_certificate.validity;
    let at = |time: x509_cert::time::Time| {
        let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
    };
    let (from, until) = (at(validity.not_before), at(validity.not_after));
    if until <= now {
        return Err(format!("it has expired on {until}"));
    }
    if from > now {
        return Err(format!("it is not valid before {from}; is the clock right?"));
    }
    Ok(until)
}

/// Whether nobody can work out its private key.
fn strong(key: &SubjectPublicKeyInfoOwned) -> Result<(), String> {
    let kind = key.algorithm.oid;
    if kind == RSA {
        let bits = key.subject_public_key.as_bytes().and_then(modulus_bits);
        return match bits {
            Some(bits) if bits >= MIN_RSA_BITS => Ok(()),
            Some(bits) => Err(format!("its RSA key has {bits} bits, {MIN_RSA_BITS} at least")),
            None => Err("its RSA key cannot be read".to_owned()),
        };
    }
    let curve = key.algorithm.parameters.as_ref().and_then(|any| any.decode_as().ok());
    match curve {
        _ if kind == ED25519 => Ok(()),
        Some(curve) if kind == EC && CURVES.contains(&curve) => Ok(()),
        _ => Err(format!("its key is of a kind that is not presented ({kind})")),
    }
}

/// How strong a certificate's key is, in bits of RSA (NIST SP 800-57).
pub(crate) fn strength(leaf: &[u8]) -> Option<usize> {
    let leaf = Certificate::from_der(leaf).ok()?;
    let key = &leaf.tbs_certificate.subject_public_key_info;
    if key.algorithm.oid == RSA {
        return key.subject_public_key.as_bytes().and_then(modulus_bits);
    }
    let curve: Option<ObjectIdentifier> =
        key.algorithm.parameters.as_ref().and_then(|any| any.decode_as().ok());
    Some(match curve.and_then(|curve| CURVES.iter().position(|known| *known == curve)) {
        Some(1) => 7680,
        Some(2) => 15360,
        _ => 3072,
    })
}

fn modulus_bits(key: &[u8]) -> Option<usize> {
    let mut reader = SliceReader::new(key).ok()?;
    let bits = reader.sequence(|key| {
        let modulus: UintRef<'_> = key.decode()?;
        let _exponent: UintRef<'_> = key.decode()?;
        let first = modulus.as_bytes().first().map_or(0, |byte| byte.leading_zeros());
        Ok(modulus.as_bytes().len() * 8 - usize::try_from(first).unwrap_or_default())
    });
    bits.ok()
}

/// What an authority has signed of itself needs no signature.
fn unforgeable(chain: &[Certificate]) -> Result<(), String> {
    let signed = |one: &&Certificate| one.tbs_certificate.issuer != one.tbs_certificate.subject;
    let forged = |one: &Certificate| FORGEABLE.contains(&one.signature_algorithm.oid);
    if chain.iter().filter(signed).any(forged) {
        return Err("it is signed over MD5 or SHA-1, which can be forged".to_owned());
    }
    Ok(())
}

fn names(leaf: &Certificate) -> Vec<String> {
    let Ok(Some((_, alternative))) = leaf.tbs_certificate.get::<SubjectAltName>() else {
        return Vec::new();
    };
    let dns = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    };
    alternative.0.iter().filter_map(dns).collect()
}

fn read(file: &Path) -> Result<Vec<u8>, GatewayError> {
    let failed = |error| GatewayError::File { file: file.to_owned(), action: "read", error };
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(MAX_FILE_BYTES).read_to_end(&mut bytes))
        .map_err(failed)?;
    Ok(bytes)
}

fn damaged(file: &Path, why: &str, next: &'static str) -> GatewayError {
    GatewayError::Damaged { file: file.to_owned(), why: why.to_owned(), next }
}
