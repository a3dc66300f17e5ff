//! Access tokens: for five minutes, a program need not be looked up by its refresh token.
//!
//! A signature alone lets nobody in. The family that a token was born of must be alive, and the
//! account's epoch must be the token's own; both are asked for at each decision, from memory where
//! it is sure to be told of every change.

use jiff::Timestamp;
use kernel::{Secret, Strength};
use serde::{Deserialize, Serialize};

use crate::jwt::MAX_TOKEN_BYTES;
use crate::signing::{ACCESS_LIFE, SKEW, Signing};

/// The type in the header (RFC 9068): no other statement of ours is taken for one.
pub(crate) const TYPE: &str = "at+jwt";
/// For whom they are: this gateway.
pub(crate) const AUDIENCE: &str = "amanah";

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: String,
    /// The account's id.
    pub(crate) sub: String,
    pub(crate) tenant: String,
    /// The family's id.
    pub(crate) sid: String,
    pub(crate) epoch: i32,
    pub(crate) strength: Strength,
    /// Both in seconds since 1970.
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    /// So that no two are the same.
    pub(crate) jti: String,
}

/// Whose token is to be written.
pub(crate) struct Subject<'s> {
    pub(crate) account: &'s str,
    pub(crate) tenant: &'s str,
    pub(crate) family: &'s str,
    pub(crate) epoch: i32,
    pub(crate) strength: Strength,
}

/// A token for `subject` from `now` on; `unique` tells it from others.
///
/// # Errors
/// When there is no key to sign with; the text says why.
pub(crate) fn write(
    signing: &Signing,
    subject: &Subject<'_>,
    unique: String,
    now: Timestamp,
) -> Result<Secret, String> {
    let claims = Claims {
        iss: signing.issuer().to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: subject.account.to_owned(),
        tenant: subject.tenant.to_owned(),
        sid: subject.family.to_owned(),
        epoch: subject.epoch,
        strength: subject.strength,
        iat: now.as_second(),
        exp: now.as_second().saturating_add(ACCESS_LIFE.as_secs()),
        jti: unique,
    };
    let text = signing.sign(TYPE, &claims)?;
    if text.len() > MAX_TOKEN_BYTES {
        return Err(format!("the token would have more than {MAX_TOKEN_BYTES} bytes"));
    }
    Ok(Secret::new(text))
}

/// What `text` says, if it is a token of ours that is good at `now`.
pub(crate) fn read(signing: &Signing, text: &str, now: Timestamp) -> Option<Claims> {
    let claims: Claims = signing.verify(text, TYPE, now)?;
    let (now, life, skew) = (now.as_second(), ACCESS_LIFE.as_secs(), SKEW.as_secs());
    let lives = claims.exp.checked_sub(claims.iat).is_some_and(|for_| (1..=life).contains(&for_));
    let begun = claims.iat <= now.saturating_add(skew);
    let ours = claims.iss == signing.issuer() && claims.aud == AUDIENCE;
    (ours && lives && begun && now < claims.exp).then_some(claims)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;
    use kernel::{FixedRng, TokenKeys};

    use super::*;
    use crate::signing::memory::MemoryKeys;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn signing() -> (Arc<MemoryKeys>, Signing) {
        let keys = Arc::new(MemoryKeys::default());
        keys.rotate(&FixedRng::new(1), NOW).unwrap();
        let shared: Arc<dyn TokenKeys> = Arc::<MemoryKeys>::clone(&keys);
        (keys, Signing::new(shared, "amanah:x".into()))
    }

    fn subject() -> Subject<'static> {
        Subject { account: "a", tenant: "t", family: "f", epoch: 3, strength: Strength::Two }
    }

    fn secs(n: i64) -> SignedDuration {
        SignedDuration::from_secs(n)
    }

    #[test]
    fn a_token_is_good_for_five_minutes() {
        let (_, signing) = signing();
        let token = write(&signing, &subject(), "u".into(), NOW).unwrap();
        let at = |seconds| read(&signing, token.expose(), NOW + secs(seconds));
        let claims = at(0).unwrap();
        assert_eq!((claims.sub.as_str(), claims.sid.as_str(), claims.epoch), ("a", "f", 3));
        assert_eq!(claims.strength, Strength::Two);
        assert!(at(299).is_some() && at(300).is_none());
        assert!(at(-30).is_some() && at(-31).is_none());
    }

    /// Signed by ourselves, and yet not good: each claim is looked at.
    #[test]
    fn every_claim_counts() {
        let (_, signing) = signing();
        let token = write(&signing, &subject(), "u".into(), NOW).unwrap();
        let good = read(&signing, token.expose(), NOW).unwrap();
        let tried = |change: &dyn Fn(&mut Claims)| {
            let mut claims = good.clone();
            change(&mut claims);
            read(&signing, &signing.sign(TYPE, &claims).unwrap(), NOW)
        };
        assert!(tried(&|_| ()).is_some());
        assert!(tried(&|c| c.iss = "amanah:y".into()).is_none());
        assert!(tried(&|c| c.aud = "upstream".into()).is_none());
        assert!(tried(&|c| c.exp += 1).is_none());
        assert!(tried(&|c| c.exp = i64::MAX).is_none());
        assert!(tried(&|c| (c.iat, c.exp) = (i64::MIN, i64::MAX)).is_none());
        assert!(tried(&|c| (c.iat, c.exp) = (31, 100)).is_none());
        assert!(tried(&|c| c.exp = c.iat).is_none());
    }

    /// An old key verifies until its last token is dead, and a new one signs at once.
    #[test]
    fn keys_overlap() {
        let (keys, signing) = signing();
        let before = write(&signing, &subject(), "u".into(), NOW + secs(1_000)).unwrap();
        keys.rotate(&FixedRng::new(2), NOW + secs(1_001)).unwrap();
        let after = write(&signing, &subject(), "u".into(), NOW + secs(1_001)).unwrap();
        let good = |token: &Secret, at| read(&signing, token.expose(), NOW + secs(at)).is_some();
        assert!(good(&before, 1_299) && good(&after, 1_299));
        let published = |at| signing.key_set(NOW + secs(at)).unwrap().matches("\"kid\"").count();
        assert_eq!((published(1_001), published(1_330), published(1_331)), (2, 2, 1));
        // A thief of the old key could sign for the future: it is not asked any more.
        let mut claims: Claims = signing.verify(after.expose(), TYPE, NOW).unwrap();
        (claims.iat, claims.exp) = (1_400, 1_500);
        let old = keys.keys().unwrap()[1].public;
        let kid = crate::jwt::KeyId::of(&old);
        let text = crate::jwt::write(TYPE, &kid, &claims, |t| keys.sign(&old, t)).unwrap();
        assert!(read(&signing, &text, NOW + secs(1_400)).is_none());
    }
}
