//! The binding keys of one protected database, as one secret of the strongbox has them: the current
//! one, one that is to follow it, and those that the database honours for a while longer. One secret
//! is written at once, so a rotation that is cut off has taken place or has not.

use anyhow::Context;
use jiff::Timestamp;
use kernel::{Fut, Rng, Secret, hex, unhex};
use keys::Strongbox;
use tenancy::{Answer, BindingKey, Register};

use crate::out;

/// What the text begins with; earlier versions wrote the bare key.
const HEAD: &str = "amanah-binding-keys-1";

/// The keys of one database.
#[derive(Clone)]
pub(crate) struct KeySet {
    /// The key that tokens are made with.
    pub(crate) current: BindingKey,
    /// Since when it is.
    pub(crate) since: Timestamp,
    /// The key of a rotation that has begun.
    pub(crate) next: Option<BindingKey>,
    /// The keys before it, and until when the database honours each.
    pub(crate) former: Vec<(BindingKey, Timestamp)>,
}

impl KeySet {
    /// A first key.
    pub(crate) fn first(rng: &dyn Rng, now: Timestamp) -> anyhow::Result<Self> {
        let current = BindingKey::generate(rng)?;
        Ok(Self { current, since: now, next: None, former: Vec::new() })
    }

    /// Whether a key of this name is one of them.
    pub(crate) fn knows(&self, kid: &str) -> bool {
        self.all().any(|key| key.kid() == kid)
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &BindingKey> {
        let former = self.former.iter().map(|(key, _)| key);
        former.chain([&self.current]).chain(&self.next)
    }

    /// Has a key ready that is to follow.
    pub(crate) fn prepare(&mut self, rng: &dyn Rng) -> anyhow::Result<&BindingKey> {
        if self.next.is_none() {
            self.next = Some(self.current.successor(rng)?);
        }
        self.next.as_ref().context("a key that was just made is gone")
    }

    /// Lets the next key be the current one; the one before it ends at `until`.
    pub(crate) fn advance(&mut self, now: Timestamp, until: Timestamp) {
        if let Some(next) = self.next.take() {
            let before = std::mem::replace(&mut self.current, next);
            self.former.push((before, until));
            self.since = now;
        }
    }

    /// Drops the keys that have ended. Returns whether there were any.
    pub(crate) fn forget(&mut self, now: Timestamp) -> bool {
        let before = self.former.len();
        self.former.retain(|(_, until)| *until > now);
        before != self.former.len()
    }

    /// The text that the strongbox keeps.
    pub(crate) fn text(&self) -> Secret {
        let line = |what: &str, key: &BindingKey, at: Timestamp| {
            format!("{what} {} {} {at}\n", key.kid(), hex(key.expose()))
        };
        let mut text = format!("{HEAD} {}\n", hex(self.current.expose_marker()));
        text.push_str(&line("current", &self.current, self.since));
        if let Some(next) = &self.next {
            text.push_str(&line("next", next, self.since));
        }
        for (key, until) in &self.former {
            text.push_str(&line("former", key, *until));
        }
        Secret::new(text)
    }

    /// Reads it. A bare key is called `kid`; how old it is was not written down, so it is due.
    pub(crate) fn read(text: &Secret, kid: &str) -> anyhow::Result<Self> {
        let damaged = || "the binding keys of a protected database are damaged in the strongbox";
        let mut lines = text.expose().lines();
        let first = lines.next().with_context(damaged)?;
        let Some(marker) = first.strip_prefix(HEAD) else {
            let current = BindingKey::new(kid, &unhex(first).with_context(damaged)?)?;
            let since = Timestamp::UNIX_EPOCH;
            return Ok(Self { current, since, next: None, former: Vec::new() });
        };
        let marker = unhex(marker.trim()).with_context(damaged)?;
        let (mut current, mut next, mut former) = (None, None, Vec::new());
        for line in lines {
            let mut words = line.split(' ');
            let mut word = || words.next().with_context(damaged);
            let (what, kid, key, at) = (word()?, word()?, word()?, word()?);
            let key = BindingKey::new(kid, &unhex(key).with_context(damaged)?)?;
            let (key, at) = (key.marked(&marker)?, at.parse().with_context(damaged)?);
            match what {
                "current" => current = Some((key, at)),
                "next" => next = Some(key),
                "former" => former.push((key, at)),
                _ => anyhow::bail!(damaged()),
            }
        }
        let (current, since) = current.with_context(damaged)?;
        Ok(Self { current, since, next, former })
    }
}

/// Where the binding keys of one database are written down, for the proof that it honours no others.
pub(crate) struct Book {
    pub(crate) strongbox: Strongbox,
    /// Under which name the strongbox has them.
    pub(crate) secret: String,
    /// The first key's name.
    pub(crate) kid: String,
    /// What is said when they are gone.
    pub(crate) lost: String,
}

impl Register for Book {
    fn keys(&self) -> Fut<'_, Answer<Vec<BindingKey>>> {
        Box::pin(async {
            let text = self.strongbox.get(&self.secret, None).await.map_err(|e| e.to_string())?;
            let text = text.ok_or_else(|| self.lost.clone())?;
            let keys = KeySet::read(&text, &self.kid).map_err(|e| out::words(&e))?;
            Ok(keys.all().cloned().collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use kernel::{Secret, SystemRng, TenantId, hex};

    use super::KeySet;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// What is written is read, before, in the middle of and after a rotation.
    #[test]
    fn keys_are_kept_over_a_rotation() {
        let mut keys = KeySet::first(&SystemRng, at(10)).unwrap();
        let first = keys.current.clone();
        let again = |keys: &KeySet| KeySet::read(&keys.text(), "unused").unwrap();
        assert_eq!(again(&keys).text(), keys.text());
        let next = keys.prepare(&SystemRng).unwrap().kid().to_owned();
        assert_eq!(again(&keys).prepare(&SystemRng).unwrap().kid(), next, "it is not made twice");
        keys.advance(at(20), at(80));
        let mut kept = again(&keys);
        assert_eq!((kept.current.kid(), kept.since), (next.as_str(), at(20)));
        assert!(kept.knows(first.kid()) && kept.knows(&next) && !kept.knows("other"));
        let tenant = TenantId::new("41").unwrap();
        assert_eq!(kept.current.expose_marker(), first.expose_marker(), "{tenant}");
        assert!(!kept.forget(at(79)) && kept.forget(at(80)) && !kept.knows(first.kid()));
    }

    #[test]
    fn a_bare_key_is_read_and_is_due() {
        let bare = Secret::new(hex(&[7; 32]));
        let keys = KeySet::read(&bare, "k1").unwrap();
        assert_eq!((keys.current.kid(), keys.current.expose()), ("k1", [7; 32].as_slice()));
        assert_eq!(keys.since, Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn nonsense_is_damage() {
        let good = KeySet::first(&SystemRng, at(10)).unwrap().text().expose().to_owned();
        for text in ["", "zz", &good.replace("current", "present"), &good.replace(' ', "")] {
            assert!(KeySet::read(&Secret::new(text.to_owned()), "k").is_err(), "{text}");
        }
    }
}
