//! What the application is told about who asks: a signed statement beside each request.
//!
//! A header without a signature is believed by whoever can reach the application past the gateway.
//! This one is verified with our public keys and dies within a minute. Signing takes longer than
//! everything else that is done for a request, so it is done once in 20 seconds for each session,
//! and anew as soon as anything about the session was read anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use kernel::{Door, Identity, Secret, Strength};
use serde::Serialize;

use crate::signing::Signing;

/// The type in the header: nothing else that we sign is taken for one.
pub(crate) const TYPE: &str = "amanah-assertion+jwt";
/// For whom they are.
const AUDIENCE: &str = "upstream";
/// How long one is good.
const LIFE: SignedDuration = SignedDuration::from_secs(60);
/// How long one is given out again.
const FRESH: SignedDuration = SignedDuration::from_secs(20);
/// The parts of the memory, each with a lock of its own.
const SHARDS: usize = 16;
/// How many are kept in each part; past it, new ones are signed each time.
const MAX_KEPT: usize = 4_096;

#[derive(Serialize)]
struct Claims<'i> {
    iss: &'i str,
    aud: &'static str,
    /// The account's id.
    sub: &'i str,
    /// As the trail calls them.
    actor: &'i str,
    name: &'i str,
    tenant: &'i str,
    roles: &'i [String],
    /// The session, family or key, by its public name.
    sid: &'i str,
    door: Door,
    strength: Strength,
    /// Both in seconds since 1970, as the other two.
    auth_time: i64,
    iat: i64,
    exp: i64,
    /// The grant of support that they act under.
    #[serde(skip_serializing_if = "Option::is_none")]
    support: Option<&'i str>,
}

/// The statements of the last seconds.
#[derive(Default)]
pub(crate) struct Assertions([Mutex<HashMap<String, Kept>>; SHARDS]);

struct Kept {
    /// Of whom it speaks: held, so that no other can come to lie at its address.
    identity: Arc<Identity>,
    made_at: Timestamp,
    text: Secret,
}

impl Assertions {
    /// The statement about `identity`, made less than 20 seconds ago.
    ///
    /// # Errors
    /// When there is no key to sign with; the text says why.
    pub(crate) fn of(
        &self,
        signing: &Signing,
        identity: &Arc<Identity>,
        now: Timestamp,
    ) -> Result<Secret, String> {
        let shard = self.shard(&identity.session);
        if let Some(kept) = locked(shard).get(&identity.session)
            && kept.fresh(now)
            && Arc::ptr_eq(&kept.identity, identity)
        {
            return Ok(kept.text.clone());
        }
        let text = Secret::new(write(signing, identity, now)?);
        let mut shard = locked(shard);
        if shard.len() >= MAX_KEPT {
            shard.retain(|_, kept| kept.fresh(now));
        }
        if shard.len() < MAX_KEPT {
            let (identity, text) = (Arc::clone(identity), text.clone());
            let session = identity.session.clone();
            shard.insert(session, Kept { identity, made_at: now, text });
        }
        Ok(text)
    }

    fn shard(&self, session: &str) -> &Mutex<HashMap<String, Kept>> {
        // Names are random, so their last byte spreads them; there is always a first part.
        let last = session.bytes().last().map_or(0, usize::from);
        let [first, ..] = &self.0;
        self.0.get(last % SHARDS).unwrap_or(first)
    }
}

impl Kept {
    fn fresh(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.made_at);
        !age.is_negative() && age < FRESH
    }
}

fn locked(
    shard: &Mutex<HashMap<String, Kept>>,
) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
    // Each change of the map is one insertion, so it is whole whoever panicked beside it.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(signing: &Signing, identity: &Identity, now: Timestamp) -> Result<String, String> {
    let support = identity.standing.support.as_ref();
    let now = now.as_second();
    let mut exp = now.saturating_add(LIFE.as_secs());
    if let Some(support) = support {
        exp = exp.min(support.until.as_second());
    }
    let claims = Claims {
        iss: signing.issuer(),
        aud: AUDIENCE,
        sub: &identity.account,
        actor: identity.actor.as_str(),
        name: &identity.name,
        tenant: identity.tenant.as_str(),
        roles: &identity.standing.roles,
        sid: &identity.session,
        door: identity.door,
        strength: identity.strength,
        auth_time: identity.authenticated_at.as_second(),
        iat: now,
        exp,
        support: support.map(|support| support.grant.as_str()),
    };
    signing.sign(TYPE, &claims)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::{SignedDuration, Timestamp};
    use kernel::{Actor, Door, FixedRng, Identity, Standing, Strength, TenantId};

    use super::*;
    use crate::signing::memory::MemoryKeys;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn identity() -> Arc<Identity> {
        Arc::new(Identity {
            account: "1".into(),
            actor: Actor::new("sari@sinar.example").unwrap(),
            name: "Sari".into(),
            tenant: TenantId::new("sinar").unwrap(),
            standing: Standing { roles: vec!["editor".into()], ..Standing::default() },
            strength: Strength::One,
            authenticated_at: NOW,
            session: "s-1".into(),
            door: Door::Browser,
        })
    }

    /// It is signed once in twenty seconds, and anew when the session was read anew.
    #[test]
    fn a_statement_is_given_out_again_for_a_moment() {
        let keys = Arc::new(MemoryKeys::default());
        keys.rotate(&FixedRng::new(1), NOW).unwrap();
        let signing = Signing::new(keys, "amanah:x".into());
        let assertions = Assertions::default();
        let who = identity();
        let at = |who: &Arc<Identity>, seconds| {
            let now = NOW + SignedDuration::from_secs(seconds);
            assertions.of(&signing, who, now).unwrap()
        };
        let first = at(&who, 0);
        assert_eq!(at(&who, 19), first);
        assert_ne!(at(&who, 20), first);
        let mut other = Arc::unwrap_or_clone(identity());
        other.standing.roles.clear();
        let (second, third) = (at(&who, 21), at(&Arc::new(other), 21));
        assert_ne!(second, third);
        let claims: serde_json::Value = signing.verify(first.expose(), TYPE, NOW).unwrap();
        assert_eq!(claims["tenant"], "sinar");
        assert_eq!(claims["roles"], serde_json::json!(["editor"]));
        assert_eq!(claims["exp"], 60);
        assert!(crate::access_token::read(&signing, first.expose(), NOW).is_none());
    }

    #[test]
    fn the_memory_stays_within_its_bound() {
        let keys = Arc::new(MemoryKeys::default());
        keys.rotate(&FixedRng::new(1), NOW).unwrap();
        let signing = Signing::new(keys, "amanah:x".into());
        let assertions = Assertions::default();
        for n in 0..MAX_KEPT + 10 {
            let who = Identity { session: format!("{n}-x"), ..Arc::unwrap_or_clone(identity()) };
            assertions.of(&signing, &Arc::new(who), NOW).unwrap();
        }
        let most = assertions.0.iter().map(|shard| shard.lock().unwrap().len()).max();
        assert_eq!(most, Some(MAX_KEPT));
    }

    /// What `docs/assertion.py`, which shares nothing with us, says of a token.
    fn python(keys: &str, issuer: &str, token: &str) -> (bool, String) {
        use std::io::Write as _;
        use std::process::{Command, Stdio};
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), keys).unwrap();
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/assertion.py");
        let mut child = Command::new(testkit::python_tool("python"))
            .args([program, file.path().to_str().unwrap(), issuer])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    /// An application that follows the example knows who asks, and is not taken in.
    #[test]
    fn the_example_verifies_what_we_sign() {
        use kernel::{Clock as _, SystemClock, SystemRng};
        let keys = Arc::new(MemoryKeys::default());
        let now = SystemClock.now();
        let before = now - SignedDuration::from_secs(120);
        keys.rotate(&SystemRng, before).unwrap();
        keys.rotate(&SystemRng, now).unwrap();
        let signing = Signing::new(keys, "amanah:x".into());
        let set = signing.key_set(now).unwrap();
        assert_eq!(set.matches("\"kid\"").count(), 2);
        let good = Assertions::default().of(&signing, &identity(), now).unwrap();
        let (accepted, said) = python(&set, "amanah:x", good.expose());
        assert!(accepted, "{said}");
        assert!(said.contains("\"tenant\": \"sinar\"") && said.contains("editor"), "{said}");

        let old = Assertions::default().of(&signing, &identity(), before).unwrap();
        let stranger = Arc::new(MemoryKeys::default());
        stranger.rotate(&SystemRng, now).unwrap();
        let stranger = Signing::new(stranger, "amanah:x".into());
        let forged = Assertions::default().of(&stranger, &identity(), now).unwrap();
        let kind = signing.sign("at+jwt", &serde_json::json!({"iss": "amanah:x"})).unwrap();
        for (issuer, token) in [
            ("amanah:y", good.expose()),
            ("amanah:x", old.expose()),
            ("amanah:x", forged.expose()),
            ("amanah:x", &kind),
            ("amanah:x", "a.b.c"),
            ("amanah:x", ""),
        ] {
            let (accepted, said) = python(&set, issuer, token);
            assert!(!accepted && said.starts_with("refused"), "{token}: {said}");
        }
    }
}
