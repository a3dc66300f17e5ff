//! Passkeys and security keys: the part of Web Authentication (level 2) that this house needs.
//!
//! The crate webauthn-rs would bring a second stack of cryptography (RSA of a release candidate
//! among it) and a second time library, both of which `deny.toml` refuses; what is left of the
//! standard when a site asks for no attestation fits into this module. Its tests
//! answer with a key in software of our own (`soft.rs`) and with Yubico's implementation
//! (`oracle.py`), and `proof/browser` with Chromium's.
//!
//! What is accepted: a challenge of ours, made for this account and used once; an origin of this
//! site; a relying party that is the host's name; presence *and* verification of the user; ES256,
//! `EdDSA` or RS256; a counter that does not go back. Attestation is not asked for. Of what comes
//! anyway, `none` and `packed` by the key itself are checked, and everything else is refused: a
//! certificate that nobody judges would say nothing.

mod cbor;
mod client;
mod cose;
mod data;
#[cfg(test)]
mod oracle;
mod soft;
#[cfg(test)]
mod tests;

use aws_lc_rs::digest::{SHA256, digest};
use subtle::ConstantTimeEq as _;

use ciborium::Value;
use client::{Ceremony, ClientData};
use cose::PublicKey;
use data::AuthenticatorData;
pub(crate) use soft::{Fault, SoftKey};

/// The random bits of a challenge, in bytes.
pub(crate) const CHALLENGE_BYTES: usize = 32;
/// The largest attestation that is read, in bytes.
pub(crate) const MAX_ATTESTATION_BYTES: usize = 16 << 10;
/// The largest of the other parts of an answer, in bytes.
pub(crate) const MAX_PART_BYTES: usize = 4 << 10;
/// The longest id of a key, in bytes (Web Authentication, 5.8.3).
pub(crate) const MAX_ID_BYTES: usize = 1_023;

/// Whom the ceremony is with: this site, as the browser sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    // The host's name.
    id: String,
    origin: String,
}

impl Party {
    /// The site that is reached under `host`, a name and perhaps a port, if the name is one of
    /// `names`: a header that somebody made up is no site of ours.
    pub fn new(host: &str, names: &[String]) -> Option<Self> {
        let (name, port) = host.split_once(':').unwrap_or((host, "443"));
        let known = names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let plain = port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit());
        if !known || !plain {
            return None;
        }
        let id = name.to_ascii_lowercase();
        // A browser leaves the usual port out.
        let origin =
            if port == "443" { format!("https://{id}") } else { format!("https://{id}:{port}") };
        Some(Self { id, origin })
    }

    /// A site that is nowhere, for sandboxes.
    pub(crate) fn of_sandbox() -> Self {
        Self { id: "localhost".to_owned(), origin: "https://localhost".to_owned() }
    }

    /// The relying party's id: the host's name.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// What a browser answers when a key was made.
#[derive(Debug, Clone)]
pub struct Registration {
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `attestationObject`.
    pub attestation: Vec<u8>,
}

/// What a browser answers when a key was used.
#[derive(Debug, Clone)]
pub struct Assertion {
    /// The key's id.
    pub id: Vec<u8>,
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `authenticatorData`.
    pub data: Vec<u8>,
    /// The signature over the last and the hash of the one before.
    pub signature: Vec<u8>,
}

/// A key that was made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    /// Its id.
    pub(crate) id: Vec<u8>,
    /// Its public key in COSE's form, as it came.
    pub(crate) key: Vec<u8>,
    /// The relying party that it was made for.
    pub(crate) party: String,
    /// How often it was used, by its own count; many keys stay at zero.
    pub(crate) count: u32,
}

/// Why an answer was not taken. For the log and for tests: the browser is told nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("a part of it is larger than any real one")]
    Size,
    #[error("its client data cannot be read")]
    ClientData,
    #[error("it is of the other ceremony")]
    Ceremony,
    #[error("its challenge is not the one that was given")]
    Challenge,
    #[error("it was made on another site")]
    Origin,
    #[error("it was made for another relying party")]
    Party,
    #[error("nobody was present")]
    Presence,
    #[error("the user was not verified")]
    Verification,
    #[error("its authenticator data cannot be read")]
    Data,
    #[error("its attestation cannot be read, or is of a form that is not judged")]
    Attestation,
    #[error("its public key is of no kind that is known")]
    Key,
    #[error("its signature does not fit")]
    Signature,
    #[error("its counter went back: there may be two of this key")]
    Counter,
}

/// What is demanded: everything. In the sandbox of a bite alone, one flaw is let pass, so that the
/// attack must notice.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules(Option<Flaw>);

impl Rules {
    /// The rules that let `flaw` pass.
    pub(crate) const fn without(flaw: Flaw) -> Self {
        Self(Some(flaw))
    }

    fn demand(self, holds: bool, flaw: Flaw) -> Result<(), Flaw> {
        if holds || self.0 == Some(flaw) { Ok(()) } else { Err(flaw) }
    }
}

/// The challenge that an answer says it is for. Whether it was given is looked up with it.
pub(crate) fn challenge_of(client_data: &[u8]) -> Option<Vec<u8>> {
    let challenge = ClientData::read(client_data).ok()?.challenge()?;
    (challenge.len() == CHALLENGE_BYTES).then_some(challenge)
}

/// Looks at a new key. The challenge is the one that was given for it, and is spent.
///
/// # Errors
/// The first [`Flaw`] that is found.
pub(crate) fn register(
    party: &Party,
    challenge: &[u8],
    answer: &Registration,
    rules: Rules,
) -> Result<Credential, Flaw> {
    if answer.attestation.len() > MAX_ATTESTATION_BYTES {
        return Err(Flaw::Size);
    }
    let client = ClientData::read(&answer.client_data)?;
    client.check(Ceremony::Create, challenge, &party.origin, rules)?;
    let object = cbor::read(&answer.attestation).ok_or(Flaw::Attestation)?;
    let bytes =
        cbor::text_key(&object, "authData").and_then(Value::as_bytes).ok_or(Flaw::Attestation)?;
    let data = AuthenticatorData::read(bytes)?;
    check(&data, &party.id, rules)?;
    let made = data.made.ok_or(Flaw::Data)?;
    let key = PublicKey::read(made.key)?;
    let mut signed = bytes.clone();
    signed.extend_from_slice(digest(&SHA256, &answer.client_data).as_ref());
    attested(&object, &key, &signed)?;
    Ok(Credential {
        id: made.id.to_vec(),
        key: made.key.to_vec(),
        party: party.id.clone(),
        count: data.count,
    })
}

/// Looks at the use of a key that was made here, and returns its new count. The challenge is the
/// one that was given for it, and is spent.
///
/// # Errors
/// The first [`Flaw`] that is found.
pub(crate) fn assert(
    party: &Party,
    challenge: &[u8],
    known: &Credential,
    answer: &Assertion,
    rules: Rules,
) -> Result<u32, Flaw> {
    if answer.data.len() > MAX_PART_BYTES || answer.signature.len() > MAX_PART_BYTES {
        return Err(Flaw::Size);
    }
    let client = ClientData::read(&answer.client_data)?;
    client.check(Ceremony::Get, challenge, &party.origin, rules)?;
    rules.demand(known.party == party.id, Flaw::Party)?;
    let data = AuthenticatorData::read(&answer.data)?;
    check(&data, &party.id, rules)?;
    let key = PublicKey::read(&known.key)?;
    let mut signed = answer.data.clone();
    signed.extend_from_slice(digest(&SHA256, &answer.client_data).as_ref());
    rules.demand(key.verify(&signed, &answer.signature).is_ok(), Flaw::Signature)?;
    let counts = known.count > 0 || data.count > 0;
    rules.demand(!counts || data.count > known.count, Flaw::Counter)?;
    Ok(data.count)
}

/// What holds for both ceremonies.
fn check(data: &AuthenticatorData<'_>, party: &str, rules: Rules) -> Result<(), Flaw> {
    let want = digest(&SHA256, party.as_bytes());
    rules.demand(bool::from(want.as_ref().ct_eq(data.party)), Flaw::Party)?;
    rules.demand(data.present, Flaw::Presence)?;
    rules.demand(data.verified, Flaw::Verification)
}

/// Checks the statement about a new key.
fn attested(object: &Value, key: &PublicKey, signed: &[u8]) -> Result<(), Flaw> {
    let form = cbor::text_key(object, "fmt").and_then(Value::as_text).ok_or(Flaw::Attestation)?;
    let statement = cbor::text_key(object, "attStmt").ok_or(Flaw::Attestation)?;
    match form {
        "none" if statement.as_map().is_some_and(Vec::is_empty) => Ok(()),
        // By the key itself: there is no certificate in it.
        "packed" if cbor::text_key(statement, "x5c").is_none() => {
            let name = cbor::text_key(statement, "alg").and_then(cbor::integer);
            let signature = cbor::text_key(statement, "sig").and_then(Value::as_bytes);
            if name != Some(key.algorithm()) {
                return Err(Flaw::Attestation);
            }
            key.verify(signed, signature.ok_or(Flaw::Attestation)?)
        }
        _ => Err(Flaw::Attestation),
    }
}

/// Reads whatever bytes as every kind of input, for the fuzzer.
pub(crate) fn read_anything(bytes: &[u8]) -> bool {
    let client = ClientData::read(bytes).is_ok();
    let object = cbor::read(bytes).is_some();
    let data = AuthenticatorData::read(bytes).is_ok();
    let key = PublicKey::read(bytes).is_ok();
    let party = Party::of_sandbox();
    let answer =
        Registration { client_data: SoftKey::sample_client_data(), attestation: bytes.to_vec() };
    let made = register(&party, &[0; CHALLENGE_BYTES], &answer, Rules::default()).is_ok();
    client || object || data || key || made
}
