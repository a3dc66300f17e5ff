//! The certificate of an erasure: what was destroyed, when, by whom, and what remains. It is signed,
//! so that somebody else can check it later.
//!
//! It is a text: JSON for people and programs, and behind it one line `ed25519 PUBLIC-KEY SIGNATURE` in
//! hexadecimal. The signature is over everything before that line. `docs/archive.md` has the fields.
//!
//! The tenant's name is not in it, because it is to be forgotten too: its SHA-256 is, by which who
//! knows the name finds it. What it says is what this installation did and knows. It is no proof
//! that nobody else has a copy.

use jiff::Timestamp;
use kernel::{TenantId, hex, unhex};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// What a certificate calls itself.
const FORMAT: &str = "amanah-erasure/1";
/// What the last line begins with.
const SIGNED: &str = "ed25519 ";
/// The longest certificate that is read, in bytes.
pub const MAX_CERTIFICATE_BYTES: usize = 4 << 20;

/// What was destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The layout: `amanah-erasure/1`.
    pub format: String,
    /// The version of Amanah that wrote it.
    pub amanah: String,
    /// Where the tenant was.
    pub installation: String,
    /// SHA-256 of its name, in hexadecimal.
    pub tenant_sha256: String,
    /// Who erased it.
    pub by: String,
    /// When that was begun, and nobody was let in any more.
    pub begun_at: Timestamp,
    /// When its database was gone.
    pub erased_at: Timestamp,
    /// The name of its database.
    pub database: String,
    /// The server it was on, by its name here.
    pub cell: String,
    /// How much was in the database, in bytes.
    pub bytes: i64,
    /// How many roles and logins of its were dropped.
    pub logins: i64,
    /// Its keys that were destroyed.
    pub keys: Vec<GoneKey>,
    /// What else of it was destroyed.
    pub parts: Vec<GonePart>,
    /// Where the database is shared with other tenants and is still there: out of which tables its rows
    /// were deleted. `bytes` is how long they were as text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<GoneRows>,
    /// What may still hold some of it and until when, as far as this installation knows.
    pub remains: Vec<String>,
}

/// A key that was destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoneKey {
    /// Its name.
    pub name: String,
    /// The ids of its versions.
    pub versions: Vec<String>,
}

/// Something else that was destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GonePart {
    /// What it was: `files`, for example.
    pub what: String,
    /// How many.
    pub count: u64,
    /// How large they were together, in bytes, where that is known.
    pub bytes: Option<u64>,
}

impl GonePart {
    /// Whether a certificate is to say it. What was noted before it was looked for, and then not found, is
    /// none and of no bytes.
    pub fn says_something(&self) -> bool {
        self.count > 0 || self.bytes != Some(0)
    }
}

/// Rows that were deleted from a table of a shared database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoneRows {
    /// Schema and name of the table.
    pub table: String,
    /// How many rows.
    pub rows: u64,
}

/// What a certificate is signed with.
pub struct Signature {
    /// Ed25519's public key.
    pub public_key: [u8; 32],
    /// The signature.
    pub bytes: Vec<u8>,
}

/// Signs a text. The error is for the reader.
pub type Sign<'a> = &'a (dyn Fn(&[u8]) -> std::result::Result<Signature, String> + Sync);

/// A certificate whose signature was not looked at yet.
pub struct Signed {
    /// What it says.
    pub certificate: Certificate,
    /// What was signed.
    pub text: String,
    /// By whom, as the certificate has it: whether it is the right key is for the reader to know.
    pub signature: Signature,
}

impl Certificate {
    /// The layout's name.
    pub(super) fn format() -> String {
        FORMAT.to_owned()
    }

    /// The certificate, signed.
    pub(super) fn sign(&self, sign: Sign<'_>) -> Result<String> {
        let body = serde_json::to_string_pretty(self);
        let text = body.map_err(|error| Error::Certificate(error.to_string()))? + "\n";
        let Signature { public_key, bytes } = sign(text.as_bytes()).map_err(Error::Unsigned)?;
        Ok(format!("{text}{SIGNED}{} {}\n", hex(&public_key), hex(&bytes)))
    }

    /// Whether it is of the tenant of this name.
    pub fn is_of(&self, tenant: &TenantId) -> bool {
        self.tenant_sha256 == digest(tenant)
    }
}

impl Signed {
    /// Reads a certificate.
    ///
    /// # Errors
    /// [`Error::Certificate`] when it is none, or was cut off.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &str| Error::Certificate(why.to_owned());
        if text.len() > MAX_CERTIFICATE_BYTES {
            return Err(refuse("it is larger than any"));
        }
        let whole = text.strip_suffix('\n').ok_or_else(|| refuse(CUT))?;
        let (body, last) = whole.rsplit_once('\n').ok_or_else(|| refuse(CUT))?;
        let line = last.strip_prefix(SIGNED).and_then(|rest| rest.split_once(' '));
        let (key, signature) = line.ok_or_else(|| refuse(CUT))?;
        let public_key = unhex(key).and_then(|key| key.try_into().ok());
        let public_key = public_key.ok_or_else(|| refuse(CUT))?;
        let bytes = unhex(signature).ok_or_else(|| refuse(CUT))?;
        let text = format!("{body}\n");
        let certificate: Certificate = serde_json::from_str(&text)
            .map_err(|error| Error::Certificate(format!("it cannot be read: {error}")))?;
        if certificate.format != FORMAT {
            return Err(refuse("a later version of Amanah wrote it"));
        }
        Ok(Self { certificate, text, signature: Signature { public_key, bytes } })
    }
}

const CUT: &str = "its last line, the signature, is missing or damaged";

/// By what a tenant is found when its name is forgotten.
pub(super) fn digest(tenant: &TenantId) -> String {
    hex(&Sha256::digest(tenant.as_str().as_bytes()))
}
