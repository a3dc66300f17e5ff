//! An authenticator in software, for the canaries: the proof of mfa.hardware goes through the same
//! ceremony as a browser with a key, and through all the wrong ones.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;
use kernel::Rng;

use super::client::Ceremony;
use super::{Assertion, Party, Registration, cose};
use crate::{Error, Result};

/// The id of a key, in bytes.
const ID_BYTES: usize = 32;
/// Present and verified; present alone.
const VERIFIED: u8 = 0x05;
const PRESENT: u8 = 0x01;
const NEW_KEY: u8 = 0x40;

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It was made on another site.
    Origin,
    /// It was made for another relying party.
    Party,
    /// Nobody looked whether the right person touched it.
    Unverified,
    /// It answers another challenge.
    Challenge,
    /// The signature is of another key.
    Foreign,
    /// The answer to the other ceremony.
    Ceremony,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Origin,
        Self::Party,
        Self::Unverified,
        Self::Challenge,
        Self::Foreign,
        Self::Ceremony,
    ];

    /// For people: "a key that was asked on another site".
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Origin => "an answer made on another site",
            Self::Party => "an answer made for another relying party",
            Self::Unverified => "an answer without verification of the user",
            Self::Challenge => "an answer to another challenge",
            Self::Foreign => "a signature of another key",
            Self::Ceremony => "an answer to the other ceremony",
        }
    }
}

/// One key.
pub(crate) struct SoftKey {
    id: Vec<u8>,
    pair: EcdsaKeyPair,
    count: u32,
}

impl SoftKey {
    /// A new key.
    ///
    /// # Errors
    /// When there is no randomness.
    pub(crate) fn fresh(rng: &dyn Rng) -> Result<Self> {
        let mut id = vec![0; ID_BYTES];
        rng.fill(&mut id)?;
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING);
        let pair = pair.map_err(|_| Error::Canary("no key pair could be made"))?;
        Ok(Self { id, pair, count: 0 })
    }

    /// The key's id.
    #[cfg(test)]
    pub(crate) fn id(&self) -> &[u8] {
        &self.id
    }

    /// The answer to the making of a key, with or without a fault.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub(crate) fn register(
        &self,
        party: &Party,
        challenge: &[u8],
        fault: Option<Fault>,
    ) -> Result<Registration> {
        let client_data = client_data(Ceremony::Create, party, challenge, fault);
        let mut data = self.head(party, fault, NEW_KEY);
        data.extend_from_slice(&[0; 16]);
        data.extend_from_slice(&u16::try_from(self.id.len()).unwrap_or_default().to_be_bytes());
        data.extend_from_slice(&self.id);
        data.extend_from_slice(&self.cose()?);
        let text = |text: &str| Value::Text(text.to_owned());
        let object = Value::Map(vec![
            (text("fmt"), text("none")),
            (text("attStmt"), Value::Map(Vec::new())),
            (text("authData"), Value::Bytes(data)),
        ]);
        Ok(Registration { client_data, attestation: written(&object)? })
    }

    /// The answer to the use of a key, with or without a fault.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(crate) fn assert(
        &mut self,
        party: &Party,
        challenge: &[u8],
        fault: Option<Fault>,
    ) -> Result<Assertion> {
        self.count = self.count.saturating_add(1);
        let client_data = client_data(Ceremony::Get, party, challenge, fault);
        let data = self.head(party, fault, 0);
        let mut signed = data.clone();
        signed.extend_from_slice(digest(&SHA256, &client_data).as_ref());
        let failed = |_| Error::Canary("nothing could be signed");
        let other;
        let pair = if fault == Some(Fault::Foreign) {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING);
            other = pair.map_err(failed)?;
            &other
        } else {
            &self.pair
        };
        let signature = pair.sign(&SystemRandom::new(), &signed).map_err(failed)?;
        let signature = signature.as_ref().to_vec();
        Ok(Assertion { id: self.id.clone(), client_data, data, signature })
    }

    /// Client data that is in order, for the fuzzer.
    pub(super) fn sample_client_data() -> Vec<u8> {
        let party = Party::of_sandbox();
        client_data(Ceremony::Create, &party, &[0; super::CHALLENGE_BYTES], None)
    }

    fn head(&self, party: &Party, fault: Option<Fault>, more: u8) -> Vec<u8> {
        let id = if fault == Some(Fault::Party) { "elsewhere.invalid" } else { &party.id };
        let flags = if fault == Some(Fault::Unverified) { PRESENT } else { VERIFIED };
        let mut data = digest(&SHA256, id.as_bytes()).as_ref().to_vec();
        data.push(flags | more);
        data.extend_from_slice(&self.count.to_be_bytes());
        data
    }

    fn cose(&self) -> Result<Vec<u8>> {
        let point = self.pair.public_key().as_ref();
        let coordinates = point.split_first().and_then(|(_, rest)| rest.split_at_checked(32));
        let (x, y) = coordinates.ok_or(Error::Canary("the key pair has another form"))?;
        let number = |number: i64| Value::Integer(number.into());
        let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
        written(&Value::Map(vec![
            (number(1), number(2)),
            (number(3), number(cose::ES256)),
            (number(-1), number(1)),
            (number(-2), bytes(x)),
            (number(-3), bytes(y)),
        ]))
    }
}

fn client_data(
    ceremony: Ceremony,
    party: &Party,
    challenge: &[u8],
    fault: Option<Fault>,
) -> Vec<u8> {
    let other = [0x55; super::CHALLENGE_BYTES];
    let challenge = if fault == Some(Fault::Challenge) { &other } else { challenge };
    let ceremony = match (fault, ceremony) {
        (Some(Fault::Ceremony), Ceremony::Create) => Ceremony::Get,
        (Some(Fault::Ceremony), Ceremony::Get) => Ceremony::Create,
        _ => ceremony,
    };
    let origin = match fault {
        Some(Fault::Origin) => "https://elsewhere.invalid",
        _ => &party.origin,
    };
    let json = serde_json::json!({
        "type": ceremony.name(),
        "challenge": URL_SAFE_NO_PAD.encode(challenge),
        "origin": origin,
        "crossOrigin": false,
    });
    json.to_string().into_bytes()
}

fn written(value: &Value) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes)
        .map_err(|_| Error::Canary("an answer could not be written down"))?;
    Ok(bytes)
}
