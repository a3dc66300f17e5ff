//! The browser's part of an answer: which ceremony, which challenge, which site.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::{Flaw, MAX_PART_BYTES, Rules};

/// Which of the two ceremonies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ceremony {
    Create,
    Get,
}

impl Ceremony {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
        }
    }
}

/// `clientDataJSON`. Browsers add fields over the years; those are signed, and ignored.
#[derive(Debug, Deserialize)]
pub(super) struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
    #[serde(default, rename = "topOrigin")]
    top_origin: Option<String>,
}

impl ClientData {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Flaw> {
        if bytes.len() > MAX_PART_BYTES {
            return Err(Flaw::Size);
        }
        serde_json::from_slice(bytes).map_err(|_| Flaw::ClientData)
    }

    /// The challenge that it answers.
    pub(super) fn challenge(&self) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(&self.challenge).ok()
    }

    pub(super) fn check(
        &self,
        ceremony: Ceremony,
        challenge: &[u8],
        origin: &str,
        rules: Rules,
    ) -> Result<(), Flaw> {
        rules.demand(self.kind == ceremony.name(), Flaw::Ceremony)?;
        let given = self.challenge().ok_or(Flaw::Challenge)?;
        rules.demand(bool::from(given.ct_eq(challenge)), Flaw::Challenge)?;
        // Within a frame of another site, somebody may be led to a click that they do not see.
        let here = self.origin == origin && !self.cross_origin && self.top_origin.is_none();
        rules.demand(here, Flaw::Origin)
    }
}
