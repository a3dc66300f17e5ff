//! Signed statements in the compact form of RFC 7515, as narrow as it can be read.
//!
//! One algorithm, Ed25519. A header holds `alg`, `typ` and `kid` and nothing else, so there is
//! nothing to negotiate: no `none`, no key inside of the token, no extension marked critical. Every
//! part is base64url as only one writer would write it, so that a token has one spelling.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The longest token that is read, in bytes.
pub(crate) const MAX_TOKEN_BYTES: usize = 4 * 1024;
/// The one algorithm (RFC 8037).
const ALGORITHM: &str = "EdDSA";
/// An Ed25519 signature, in bytes.
const SIGNATURE_BYTES: usize = 64;

/// The name of a key: its JWK thumbprint (RFC 7638) in base64url.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct KeyId(String);

impl KeyId {
    /// The name of the Ed25519 key `public`.
    pub(crate) fn of(public: &[u8; 32]) -> Self {
        let x = URL_SAFE_NO_PAD.encode(public);
        // The members in the order that RFC 7638 asks for, without blanks.
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        Self(URL_SAFE_NO_PAD.encode(Sha256::digest(jwk.as_bytes())))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// A token whose form is right. Nothing in it is to be believed before [`Unverified::verify`].
pub(crate) struct Unverified<'t> {
    /// Header and claims as they were signed.
    signed: &'t str,
    claims: Vec<u8>,
    signature: [u8; SIGNATURE_BYTES],
    kid: String,
}

impl<'t> Unverified<'t> {
    /// Takes `text` apart, if it is a token of the type `typ`.
    pub(crate) fn read(text: &'t str, typ: &str) -> Option<Self> {
        if text.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = object(&decode(header)?)?;
        if header.alg != ALGORITHM || header.typ != typ {
            return None;
        }
        let signature = decode(signature)?.try_into().ok()?;
        Some(Self { signed, claims: decode(claims)?, signature, kid: header.kid })
    }

    /// Which key it says that signed it.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The claims, if `public` signed them and they are exactly those of `C`.
    pub(crate) fn verify<C: DeserializeOwned>(&self, public: &[u8; 32]) -> Option<C> {
        let key = UnparsedPublicKey::new(&ED25519, public);
        key.verify(self.signed.as_bytes(), &self.signature).ok()?;
        object(&self.claims)
    }
}

/// The token of type `typ` that says `claims`, signed by the key `kid` through `sign`.
///
/// # Errors
/// What `sign` says, or that the claims cannot be written.
pub(crate) fn write(
    typ: &str,
    kid: &KeyId,
    claims: &impl Serialize,
    sign: impl FnOnce(&[u8]) -> Result<[u8; SIGNATURE_BYTES], String>,
) -> Result<String, String> {
    let header =
        Header { alg: ALGORITHM.to_owned(), typ: typ.to_owned(), kid: kid.as_str().to_owned() };
    let json = |error: serde_json::Error| format!("the token cannot be written: {error}");
    let mut text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).map_err(json)?);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims).map_err(json)?, &mut text);
    let signature = sign(text.as_bytes())?;
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    Ok(text)
}

/// The keys as a JWK set (RFC 7517), for whoever verifies.
pub(crate) fn key_set(keys: &[[u8; 32]]) -> String {
    let keys: Vec<_> = keys
        .iter()
        .map(|public| {
            serde_json::json!({
                "kty": "OKP",
                "crv": "Ed25519",
                "use": "sig",
                "alg": ALGORITHM,
                "kid": KeyId::of(public).as_str(),
                "x": URL_SAFE_NO_PAD.encode(public),
            })
        })
        .collect();
    serde_json::json!({ "keys": keys }).to_string()
}

/// The library refuses padding and bits left over, so that bytes have one spelling.
fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// A JSON object with exactly the members of `T`, each once. The library reads arrays as the same
/// thing, hence the look at the first byte.
fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    if json.first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Claims {
        sub: String,
    }

    fn pair() -> (Ed25519KeyPair, [u8; 32]) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        (pair, public)
    }

    fn token(header: &str, claims: &str) -> String {
        let (pair, _) = pair();
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn read(text: &str) -> Option<Claims> {
        Unverified::read(text, "at+jwt")?.verify(&pair().1)
    }

    /// The example of RFC 8037, appendix A.3.
    #[test]
    fn a_key_is_named_by_its_thumbprint() {
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let kid = KeyId::of(&x.try_into().unwrap());
        assert_eq!(kid.as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    /// The signature of RFC 8037, appendix A.4, is verified by the same call.
    #[test]
    fn what_is_written_is_read() {
        let (pair, public) = pair();
        let claims = Claims { sub: "sari".into() };
        let sign = |text: &[u8]| Ok(pair.sign(text).as_ref().try_into().unwrap());
        let text = write("at+jwt", &KeyId::of(&public), &claims, sign).unwrap();
        let token = Unverified::read(&text, "at+jwt").unwrap();
        assert_eq!(token.kid(), KeyId::of(&public).as_str());
        assert_eq!(token.verify::<Claims>(&public), Some(claims));
        assert!(token.verify::<Claims>(&[9; 32]).is_none());
        assert!(Unverified::read(&text, "JWT").is_none());
    }

    #[test]
    fn only_one_form_is_read() {
        let good = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k"}"#;
        assert!(read(&token(good, r#"{"sub":"a"}"#)).is_some());
        for header in [
            r#"{"alg":"none","typ":"at+jwt","kid":"k"}"#,
            r#"{"alg":"HS256","typ":"at+jwt","kid":"k"}"#,
            r#"{"alg":"eddsa","typ":"at+jwt","kid":"k"}"#,
            r#"{"alg":"EdDSA","typ":"JWT","kid":"k"}"#,
            r#"{"alg":"EdDSA","kid":"k"}"#,
            r#"{"alg":"EdDSA","typ":"at+jwt"}"#,
            r#"{"alg":"none","alg":"EdDSA","typ":"at+jwt","kid":"k"}"#,
            r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k","crit":["x"]}"#,
            r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k","jwk":{}}"#,
            r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k"} {}"#,
            r#"["EdDSA","at+jwt","k"]"#,
            "",
        ] {
            assert!(read(&token(header, r#"{"sub":"a"}"#)).is_none(), "{header}");
        }
        for claims in [
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"sub":"a","admin":true}"#,
            r#"{"sub":1}"#,
            r#"["a"]"#,
            "{}",
            "",
        ] {
            assert!(read(&token(good, claims)).is_none(), "{claims}");
        }
    }

    /// Padding, another alphabet, blanks, and bits that no writer leaves behind.
    #[test]
    fn a_token_has_one_spelling() {
        let text = token(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k"}"#, r#"{"sub":"a"}"#);
        assert!(read(&text).is_some());
        let (head, last) = text.split_at(text.len() - 1);
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for other in alphabet.chars().filter(|c| !last.contains(*c)) {
            assert!(read(&format!("{head}{other}")).is_none(), "{other}");
        }
        let parts: Vec<_> = text.split('.').collect();
        for bad in [
            format!("{text}="),
            format!(" {text}"),
            format!("{text}\n"),
            format!("{text}."),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
            "a".repeat(MAX_TOKEN_BYTES + 1),
            "..".into(),
            String::new(),
        ] {
            assert!(read(&bad).is_none(), "{bad}");
        }
    }
}
