//! Public keys in COSE's form (RFC 9053), of the three kinds that authenticators make.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use ciborium::Value;

use super::Flaw;
use super::cbor::{integer, number_key, read};

/// Names of algorithms, kinds of keys and curves, from the registry of COSE.
pub(super) const ES256: i64 = -7;
pub(super) const EDDSA: i64 = -8;
pub(super) const RS256: i64 = -257;
const KIND_OCTETS: i64 = 1;
const KIND_POINT: i64 = 2;
const KIND_RSA: i64 = 3;
const CURVE_P256: i64 = 1;
const CURVE_ED25519: i64 = 6;

/// The largest modulus of RSA, in bytes: 4,096 bits.
const MAX_MODULUS_BYTES: usize = 512;
/// The largest exponent of RSA, in bytes.
const MAX_EXPONENT_BYTES: usize = 8;

/// A public key that can verify.
#[derive(Debug)]
pub(super) enum PublicKey {
    /// A point of P-256, uncompressed.
    Es256(Vec<u8>),
    Ed25519(Vec<u8>),
    Rs256 {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl PublicKey {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Flaw> {
        read(bytes).and_then(|value| Self::of(&value)).ok_or(Flaw::Key)
    }

    fn of(map: &Value) -> Option<Self> {
        let number = |key| number_key(map, key).and_then(integer);
        let sized = |key, bytes: usize| {
            number_key(map, key).and_then(Value::as_bytes).filter(|value| value.len() == bytes)
        };
        let upto = |key, bytes: usize| {
            number_key(map, key)
                .and_then(Value::as_bytes)
                .filter(|value| !value.is_empty() && value.len() <= bytes)
        };
        match (number(1)?, number(3)?) {
            (KIND_POINT, ES256) if number(-1) == Some(CURVE_P256) => {
                let mut point = vec![4];
                point.extend_from_slice(sized(-2, 32)?);
                point.extend_from_slice(sized(-3, 32)?);
                Some(Self::Es256(point))
            }
            (KIND_OCTETS, EDDSA) if number(-1) == Some(CURVE_ED25519) => {
                Some(Self::Ed25519(sized(-2, 32)?.clone()))
            }
            (KIND_RSA, RS256) => Some(Self::Rs256 {
                n: upto(-1, MAX_MODULUS_BYTES)?.clone(),
                e: upto(-2, MAX_EXPONENT_BYTES)?.clone(),
            }),
            _ => None,
        }
    }

    /// The name of its algorithm.
    pub(super) const fn algorithm(&self) -> i64 {
        match self {
            Self::Es256(_) => ES256,
            Self::Ed25519(_) => EDDSA,
            Self::Rs256 { .. } => RS256,
        }
    }

    /// Whether `signature` over `signed` is by this key.
    pub(super) fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), Flaw> {
        match self {
            Self::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(signed, signature)
            }
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature),
            Self::Rs256 { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                signed,
                signature,
            ),
        }
        .map_err(|_| Flaw::Signature)
    }
}
