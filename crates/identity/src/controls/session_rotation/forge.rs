//! Access tokens that nobody gave out, each wrong in one way.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Rng, Secret};
use serde_json::{Value, json};

use crate::access_token::{Claims, TYPE};
use crate::assertion;
use crate::signing::Signing;

/// How many kinds there are.
pub(super) const FORGERIES: usize = 11;

/// A token that is wrong in one way, by the name of the way.
pub(super) type Forgery = (&'static str, Secret);

/// Everything that could pass for `genuine`, a token that is good at this moment, where something is
/// not looked at. `signing` signs what is wrong in its claims alone.
pub(super) fn forgeries(
    genuine: &Secret,
    signing: &Signing,
    rng: &dyn Rng,
) -> Result<[Forgery; FORGERIES], String> {
    let torn = || "the access token has not the form of one".to_owned();
    let mut parts = genuine.expose().split('.');
    let (Some(header), Some(claims), Some(signature)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(torn());
    };
    let claims_bytes = URL_SAFE_NO_PAD.decode(claims).map_err(|_| torn())?;
    let good: Claims = serde_json::from_slice(&claims_bytes).map_err(|_| torn())?;
    let header_bytes = URL_SAFE_NO_PAD.decode(header).map_err(|_| torn())?;
    let head: Value = serde_json::from_slice(&header_bytes).map_err(|_| torn())?;
    let kid = head.get("kid").cloned().unwrap_or_default();

    let with = |alg: &str, kid: &Value| {
        let header = json!({"alg": alg, "typ": TYPE, "kid": kid}).to_string();
        format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header))
    };
    let public = signing.newest()?;
    let none = format!("{}.", with("none", &kid));
    let bare = format!("{}.{signature}", with("none", &kid));
    let hs256 = with("HS256", &kid);
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &public), hs256.as_bytes());
    let hs256 = format!("{hs256}.{}", URL_SAFE_NO_PAD.encode(mac));
    let mut seed = [0; 32];
    rng.fill(&mut seed).map_err(|e| e.to_string())?;
    let stranger = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|e| e.to_string())?;
    let by_stranger = |text: String| {
        let signature = URL_SAFE_NO_PAD.encode(stranger.sign(text.as_bytes()));
        format!("{text}.{signature}")
    };
    let own = by_stranger(with("EdDSA", &kid));
    let unknown = by_stranger(with("EdDSA", &json!("another-key")));
    let mut edited = good.clone();
    edited.tenant.push('x');
    let edited = serde_json::to_vec(&edited).map_err(|e| e.to_string())?;
    let edited = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(edited));
    let signed = |change: &dyn Fn(&mut Claims)| {
        let mut claims = good.clone();
        change(&mut claims);
        signing.sign(TYPE, &claims)
    };
    let ours = [
        ("an access token for another audience", signed(&|c| "upstream".clone_into(&mut c.aud))?),
        ("an expired access token", signed(&|c| (c.iat, c.exp) = (c.iat - 600, c.iat - 300))?),
        ("an access token for a year", signed(&|c| c.exp += 31_536_000)?),
        ("an access token of a later epoch", signed(&|c| c.epoch += 1)?),
        ("an assertion for an access token", signing.sign(assertion::TYPE, &good)?),
    ];
    let [audience, expired, year, epoch, other] =
        ours.map(|(name, text)| (name, Secret::new(text)));
    let own_ = |name, text: String| (name, Secret::new(text));
    Ok([
        own_("an access token with alg none", none),
        own_("an access token with alg none and a signature", bare),
        own_("an access token with HS256 and the public key", hs256),
        own_("an access token signed by a stranger", own),
        own_("an access token signed by a stranger's key id", unknown),
        own_("an access token with edited claims", edited),
        audience,
        expired,
        year,
        epoch,
        other,
    ])
}
