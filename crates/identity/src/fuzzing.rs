//! The parsers of what anybody can send, for the fuzzer.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::access_token::{Claims, TYPE};
use crate::jwt::Unverified;
use crate::{api_key, refresh};

/// The seed of the one key that signs what is fuzzed.
const SEED: [u8; 32] = [7; 32];

/// Reads bytes as a notice of what ended.
pub fn notice(bytes: &[u8]) -> bool {
    let read = std::str::from_utf8(bytes).map(crate::listening::Notice::read);
    let all = crate::listening::Notice::Ended(crate::cache::Ended::All);
    read.is_ok_and(|notice| notice != all)
}

/// Reads bytes as each part of a browser's answer about a passkey.
pub fn passkey(bytes: &[u8]) -> bool {
    crate::passkey::read_anything(bytes)
}

/// Whatever stands after `Authorization: Bearer`, or is sent as a refresh token: whether it is well
/// formed.
pub fn bearer(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    api_key::read(text).is_some()
        || refresh::read(text).is_some()
        || Unverified::read(text, TYPE).is_some()
}

/// The claims of an access token, as if they had been signed: the signature would stop everything
/// else.
pub fn claims(bytes: &[u8]) -> bool {
    let Ok(pair) = Ed25519KeyPair::from_seed_unchecked(&SEED) else { return false };
    let Ok(public) = pair.public_key().as_ref().try_into() else { return false };
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(bytes));
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()));
    let text = format!("{signed}.{signature}");
    Unverified::read(&text, TYPE).and_then(|token| token.verify::<Claims>(&public)).is_some()
}

#[cfg(test)]
mod tests {
    use kernel::FixedRng;
    use testkit::try_damaged;

    use super::*;

    /// Nothing that is cut, doubled or changed stops the program.
    #[test]
    fn no_token_does_harm() {
        let rng = FixedRng::new(1);
        let (key, _) = api_key::fresh(&rng).unwrap();
        let (token, _) = refresh::fresh(&rng).unwrap();
        let claims = r#"{"iss":"amanah:1","aud":"amanah","sub":"a","tenant":"t","sid":"f","epoch":1,"strength":"one","iat":1,"exp":301,"jti":"u"}"#;
        let pair = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let jwt = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes())));
        let samples = [key.expose(), token.expose(), &jwt].map(|text| text.as_bytes().to_vec());
        try_damaged("bearer", &samples, bearer);
        try_damaged("claims", &[claims.as_bytes().to_vec()], super::claims);
    }
}
