//! The page on which the browser is asked for a passkey. It is the one page that needs a script.

use askama::Template;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::Ceremony;
use kernel::NONCE_HEADER;
use serde_json::{Value, json};

use crate::assets::PASSKEY_SCRIPT;
use crate::pages::part::Frame;
use crate::words::Words;

/// How long the browser waits for the key, in milliseconds: as long as the challenge is good.
const TIMEOUT_MS: u32 = 300_000;
/// ES256, `EdDSA` and RS256, by their numbers in COSE.
const ALGORITHMS: [i32; 3] = [-7, -8, -257];

/// The page.
#[derive(Template)]
#[template(path = "page/key.html")]
pub(crate) struct KeyPage {
    frame: Frame,
    token: String,
    next: String,
    action: &'static str,
    making: bool,
    /// What `navigator.credentials` is given, in JSON, with its bytes in base64url.
    options: String,
    script: &'static str,
    /// With which the gateway's policy lets the script run.
    nonce: String,
}

impl KeyPage {
    /// Has a key made; its answer goes to `action`.
    pub(crate) fn making(
        words: Words,
        token: String,
        next: &str,
        action: &'static str,
        ceremony: &Ceremony,
    ) -> Self {
        let algorithms: Vec<Value> =
            ALGORITHMS.iter().map(|alg| json!({ "type": "public-key", "alg": alg })).collect();
        let options = json!({
            "rp": { "id": ceremony.party, "name": ceremony.party },
            "user": {
                "id": URL_SAFE_NO_PAD.encode(&ceremony.account),
                "name": ceremony.email,
                "displayName": ceremony.name,
            },
            "challenge": URL_SAFE_NO_PAD.encode(&ceremony.challenge),
            "pubKeyCredParams": algorithms,
            "excludeCredentials": keys(ceremony),
            "authenticatorSelection": {
                "residentKey": "discouraged",
                "userVerification": "required",
            },
            "attestation": "none",
            "timeout": TIMEOUT_MS,
        });
        Self::with(words, token, next, action, (true, &options))
    }

    /// Has a key used; its answer goes to `action`.
    pub(crate) fn using(
        words: Words,
        token: String,
        next: &str,
        action: &'static str,
        ceremony: &Ceremony,
    ) -> Self {
        let options = json!({
            "rpId": ceremony.party,
            "challenge": URL_SAFE_NO_PAD.encode(&ceremony.challenge),
            "allowCredentials": keys(ceremony),
            "userVerification": "required",
            "timeout": TIMEOUT_MS,
        });
        Self::with(words, token, next, action, (false, &options))
    }

    fn with(
        words: Words,
        token: String,
        next: &str,
        action: &'static str,
        (making, options): (bool, &Value),
    ) -> Self {
        let (frame, next, options) = (Frame::bare(words), next.to_owned(), options.to_string());
        let script = &*PASSKEY_SCRIPT.path;
        let nonce = String::new();
        Self { frame, token, next, action, making, options, script, nonce }
    }

    /// The same page, whose script runs under the policy of the answer to this request.
    pub(crate) fn under(mut self, headers: &HeaderMap) -> Self {
        let told = headers.get(NONCE_HEADER).and_then(|nonce| nonce.to_str().ok());
        told.unwrap_or_default().clone_into(&mut self.nonce);
        self
    }
}

fn keys(ceremony: &Ceremony) -> Vec<Value> {
    let one = |id: &Vec<u8>| json!({ "type": "public-key", "id": URL_SAFE_NO_PAD.encode(id) });
    ceremony.keys.iter().map(one).collect()
}
