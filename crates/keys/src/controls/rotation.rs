//! `keys.rotation`: no key in use is older than promised, and rotating one loses nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::{Card, Control, Cx, Finding, Fut, ManualClock, Params, Proof, Value};
use memchr::memmem;

use super::practice::Practice;
use super::{Bitten, Seen};
use crate::{
    Change, Ciphertext, Error, KeyCard, KeyRef, Keys, Plain, Result, RingCard, Sealed, VersionCard,
};

static CARD: Card = Card {
    id: "keys.rotation",
    title: "Keys are rotated",
    attack: "Reads the age of every key, of every key-encryption key and of the ring's own key; \
             then rotates a key in a scratch ring and opens what was encrypted before and after, \
             whole and tampered with.",
    bite: "In scratch rings: a key, a key-encryption key and a ring's own key that are older than \
           allowed, each alone; a rotation that loses the old version, and one that changes \
           nothing.",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(1),
    not_covered: &[
        "the age of the root's own generations: who runs the root rotates it there",
        "whether what an old version encrypted was encrypted anew: old versions still open it",
        "keys that applications keep by themselves",
    ],
};

const OF: &str = "keys in use, and steps of a rehearsed rotation";
/// A clock may have been put right by so much since a key was made.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_mins(5);
/// The bite lets each kind of key grow one day older than this.
const BITE_EVERY: SignedDuration = SignedDuration::from_hours(90 * 24);
const BITE_AGE: SignedDuration = SignedDuration::from_hours(91 * 24);
const FIX: &str = "Run `amanah keys rotate --due`, and see why the running program does not do it";

/// The control.
pub(super) struct Rotation {
    pub(super) keys: Keys,
    pub(super) scratch: PathBuf,
}

impl Control for Rotation {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let Some(Value::Period(every)) = params.value("every") else {
                return Proof::unknown(at, "the promise does not say how often: write every=90d");
            };
            let Ok(allowed) = SignedDuration::try_from(*every) else {
                return Proof::unknown(at, "the period is too long to be compared");
            };
            let mut seen = match self.keys.ring() {
                Ok(ring) => ages(&self.keys.list(), &ring, at, allowed),
                Err(error) => return Proof::unknown(at, error.to_string()),
            };
            match self.rehearse(cx).await {
                Ok(rehearsed) => seen.add(rehearsed),
                Err(why) => seen.open(format!("the rehearsal: {why}")),
            }
            seen.proof(at, OF, &format!("none older than {}, and nothing lost", words(allowed)))
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            match self.seed(cx, at).await {
                Ok(bitten) => bitten.proof(at),
                Err(why) => Proof::unknown(at, why),
            }
        })
    }
}

impl Rotation {
    /// Rotates a key of a scratch ring.
    async fn rehearse(&self, cx: &Cx) -> std::result::Result<Seen, String> {
        let (clock, rng) = (Arc::clone(&cx.clock), Arc::clone(&cx.rng));
        let practice = Practice::new(&self.scratch, clock, rng).await?;
        let turned = turn(&practice, "rehearsal", Way::Sound).await;
        turned.map_err(|e| e.to_string())
    }

    async fn seed(&self, cx: &Cx, at: Timestamp) -> std::result::Result<Bitten, String> {
        let clock = Arc::new(ManualClock::at(at));
        let practice = Practice::new(&self.scratch, clock, Arc::clone(&cx.rng)).await?;
        let failed = |e: Error| e.to_string();
        let mut bitten = Bitten::default();
        let sound = turn(&practice, "sound", Way::Sound).await.map_err(failed)?;
        if !sound.is_whole() {
            bitten.missed.push(format!("the difference to a sound rotation ({})", sound.words()));
        }
        let lost = turn(&practice, "lost", Way::LosesOld).await.map_err(failed)?;
        bitten.add("a lost version", find(lost, "no longer opens"));
        let still = turn(&practice, "still", Way::Nothing).await.map_err(failed)?;
        bitten.add("a rotation of nothing", find(still, "is still in the ring"));

        for layer in [Layer::Ring, Layer::KeyEncryption, Layer::Data] {
            let (name, object) = layer.words();
            let late = self.grow(cx, at, layer, &mut bitten).await?;
            bitten.add(name, alone(late, object));
        }
        Ok(bitten)
    }

    /// What is seen of a scratch ring in which nothing is overdue but `layer`.
    async fn grow(
        &self,
        cx: &Cx,
        at: Timestamp,
        layer: Layer,
        bitten: &mut Bitten,
    ) -> std::result::Result<Seen, String> {
        let clock = Arc::new(ManualClock::at(at));
        let shared = Arc::clone(&clock) as Arc<dyn kernel::Clock>;
        let practice = Practice::new(&self.scratch, shared, Arc::clone(&cx.rng)).await?;
        let keys = &practice.keys;
        let failed = |e: Error| e.to_string();
        let late = at.saturating_add(BITE_AGE).map_err(|e| e.to_string())?;
        plant(&practice, layer, || clock.set(late)).await.map_err(failed)?;
        // By the clock that the keys were made by, which may be coarser.
        let then = kernel::Clock::now(&*clock);
        let ring = keys.ring().map_err(failed)?;
        // Where its whole age is allowed nothing is found: it is the age that is judged.
        let young = ages(&keys.list(), &ring, then, BITE_AGE);
        if !young.is_whole() {
            bitten.missed.push(format!("the difference to a young key ({})", young.words()));
        }
        Ok(ages(&keys.list(), &ring, then, BITE_EVERY))
    }
}

/// What has an age of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Ring,
    KeyEncryption,
    Data,
}

impl Layer {
    /// What the bite calls it when it is overdue, and what its finding is about.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Ring => ("an overdue ring key", "the ring's own key"),
            Self::KeyEncryption => {
                ("an overdue key-encryption key", "the key-encryption key above key young")
            }
            Self::Data => ("an overdue key", "key old"),
        }
    }
}

/// Lets everything in a new ring grow old with `age`, and then renews all but `layer`.
async fn plant(practice: &Practice, layer: Layer, age: impl Fn()) -> Result<()> {
    let keys = &practice.keys;
    let old = practice.key("old").await?;
    match layer {
        // A key that is rotated gets a key-encryption key with it; the ring's own stays.
        Layer::Ring => {
            age();
            keys.rotate(&old).await?;
        }
        // A key that is made later lies under the key-encryption key that is there, and whatever
        // is destroyed renews the ring's own.
        Layer::KeyEncryption => {
            age();
            practice.key("young").await?;
            destroy(keys, &old).await?;
        }
        // One rotation renews the key-encryption key above all keys, and no other key.
        Layer::Data => {
            let (turned, gone) = (practice.key("turned").await?, practice.key("gone").await?);
            age();
            keys.rotate(&turned).await?;
            destroy(keys, &gone).await?;
        }
    }
    Ok(())
}

async fn destroy(keys: &Keys, key: &KeyRef) -> Result<()> {
    let change = Change { removable: Some(true), ..Change::default() };
    keys.configure(key, &change).await?;
    keys.remove(key).await
}

/// The finding about `object`, when there is no other.
fn alone(seen: Seen, object: &str) -> Option<Finding> {
    let only = seen.findings.len() == 1 && seen.opens.is_empty();
    let mut findings = seen.findings.into_iter().filter(|_| only);
    findings.find(|finding| finding.object == object && finding.what.contains("days old"))
}

fn find(seen: Seen, words: &str) -> Option<Finding> {
    seen.findings.into_iter().find(|finding| finding.what.contains(words))
}

/// Holds the age of everything in use against `allowed`.
fn ages(keys: &[KeyCard], ring: &RingCard, now: Timestamp, allowed: SignedDuration) -> Seen {
    let mut seen = Seen::default();
    let mut oldest = SignedDuration::ZERO;
    // One key-encryption key is above many keys.
    let mut above: BTreeMap<&str, (&VersionCard, &KeyCard)> = BTreeMap::new();
    let mut judge = |object: String, made_at: Timestamp| {
        let age = now.duration_since(made_at);
        oldest = oldest.max(age);
        if age < -CLOCK_SLACK {
            seen.open(format!("{object} was made in the future: one of the clocks is wrong"));
        } else if age > allowed {
            let what = format!("is {} old, and {} are allowed", words(age), words(allowed));
            seen.bad(Finding::new(object, what).fix(FIX));
        } else {
            seen.count(1);
        }
    };
    judge("the ring's own key".to_owned(), ring.ring_key_made_at);
    for card in keys {
        above.entry(&card.wrapped_by.id).or_insert((&card.wrapped_by, card));
        // A key always has a version; one without would be younger than nothing.
        let made_at = card.newest().map_or(Timestamp::MIN, |newest| newest.made_at);
        judge(format!("key {}", card.key), made_at);
    }
    for (version, card) in above.into_values() {
        judge(format!("the key-encryption key above key {}", card.key), version.made_at);
    }
    if keys.is_empty() {
        seen.open("the ring holds no key of the house, which has some from its first start on");
    }
    if !ring.pending.is_empty() {
        let count = ring.pending.len();
        seen.notes.push(format!("{count} generations of the root are still to be destroyed"));
    }
    seen.goods.push(format!("the oldest of {} keys is {} old", keys.len(), words(oldest)));
    seen
}

fn words(age: SignedDuration) -> String {
    let hours = age.as_hours();
    if hours < 48 { format!("{hours} hours") } else { format!("{} days", hours / 24) }
}

/// How the key of a rehearsal is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Sound,
    /// The old version is destroyed with it.
    LosesOld,
    /// Not at all.
    Nothing,
}

const TEXT: &[u8] = b"canary";
const CONTEXT: &[u8] = b"rehearsal";

/// Rotates a new key called `name` and looks at what became of old and new ciphertexts.
async fn turn(practice: &Practice, name: &str, way: Way) -> Result<Seen> {
    let keys = &practice.keys;
    let key = practice.key(name).await?;
    let before = keys.card(&key)?.wrapped_by;
    let old = encrypt(keys, &key)?;
    let mut seen = Seen::default();
    if !holds(&practice.written().await?, &before.id) {
        seen.open("the ring does not name its key-encryption keys, so none is seen to leave it");
    }
    match way {
        Way::Sound => drop(keys.rotate(&key).await?),
        Way::LosesOld => {
            let newest = keys.rotate(&key).await?;
            let change = Change { min_decryption: Some(newest), ..Change::default() };
            keys.configure(&key, &change).await?;
            keys.trim(&key, newest).await?;
        }
        Way::Nothing => {}
    }
    let bad = |seen: &mut Seen, what: &str| seen.bad(Finding::new(format!("key {key}"), what));
    let (written, after) = (practice.written().await?, keys.card(&key)?.wrapped_by);
    if holds(&written, &before.id) {
        bad(&mut seen, "its key-encryption key from before is still in the ring");
    } else if !holds(&written, &after.id) {
        bad(&mut seen, "its new key-encryption key is not in the ring");
    } else {
        seen.count(1);
    }
    let new = encrypt(keys, &key)?;
    for (ciphertext, words) in [
        (&old, "what was encrypted before the rotation no longer opens"),
        (&new, "what was encrypted after the rotation does not open"),
    ] {
        if opened(keys, &key, ciphertext, CONTEXT) {
            seen.count(1);
        } else {
            bad(&mut seen, words);
        }
    }
    for (ciphertext, context, words) in [
        (&flipped(&old), CONTEXT, "a ciphertext of before that was tampered with opens"),
        (&flipped(&new), CONTEXT, "a ciphertext that was tampered with opens"),
        (&new, b"elsewhere".as_slice(), "a ciphertext opens in another context"),
    ] {
        if opened(keys, &key, ciphertext, context) {
            bad(&mut seen, words);
        } else {
            seen.count(1);
        }
    }
    Ok(seen)
}

fn holds(ring: &[u8], id: &str) -> bool {
    memmem::find(ring, id.as_bytes()).is_some()
}

fn encrypt(keys: &Keys, key: &KeyRef) -> Result<Ciphertext> {
    let sealed = keys.encrypt(key, &[Plain { text: TEXT, context: CONTEXT }])?;
    sealed.into_iter().next().ok_or(Error::Malformed("nothing came back"))
}

/// Whether it opens to the text.
fn opened(keys: &Keys, key: &KeyRef, ciphertext: &Ciphertext, context: &[u8]) -> bool {
    let opened = keys.decrypt(key, &[Sealed { ciphertext, context }]);
    opened.is_ok_and(|all| all.iter().any(|one| one.as_ref().is_ok_and(|text| **text == TEXT)))
}

/// The same with its last bit flipped.
pub(super) fn flipped(ciphertext: &Ciphertext) -> Ciphertext {
    let mut changed = ciphertext.clone();
    if let Some(last) = changed.sealed.last_mut() {
        *last ^= 1;
    }
    changed
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use jiff::SignedDuration;
    use kernel::{
        Clock, Control, Cx, ManualClock, Outcome, Params, Proof, SystemClock, SystemRng, catalogue,
    };

    use super::super::practice::Practice;
    use super::Rotation;

    fn params() -> Params {
        Params::check(catalogue::find("keys.rotation").unwrap(), [("every", "90d")]).unwrap()
    }

    struct House {
        practice: Practice,
        clock: Arc<ManualClock>,
        cx: Cx,
        control: Rotation,
    }

    async fn house(scratch: &Path) -> House {
        let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
        let cx = Cx { clock: Arc::clone(&clock) as Arc<dyn Clock>, rng: Arc::new(SystemRng) };
        let practice =
            Practice::new(scratch, Arc::clone(&cx.clock), Arc::clone(&cx.rng)).await.unwrap();
        let control = Rotation { keys: practice.keys.clone(), scratch: scratch.join("scratch") };
        House { practice, clock, cx, control }
    }

    impl House {
        async fn prove(&self) -> Proof {
            self.control.prove(&self.cx, &params()).await
        }

        fn later(&self, days: i64) {
            self.clock.set(self.clock.now() + SignedDuration::from_hours(24 * days));
        }
    }

    #[tokio::test]
    async fn an_empty_ring_proves_nothing_and_young_keys_hold() {
        let folder = tempfile::tempdir().unwrap();
        let house = house(folder.path()).await;
        assert_eq!(house.prove().await.outcome(), Outcome::Unknown);
        house.practice.key("orders").await.unwrap();
        house.later(89);
        let proof = house.prove().await;
        assert_eq!(proof.outcome(), Outcome::Holds, "{proof:?}");
        assert!(proof.measured().contains("89 days"), "{proof:?}");
        assert_eq!(proof.population().total, 3 + 6, "ring, key-encryption key, key; steps");
    }

    #[tokio::test]
    async fn an_overdue_key_is_broken_until_it_is_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let house = house(folder.path()).await;
        house.practice.key("orders").await.unwrap();
        house.later(91);
        let proof = house.prove().await;
        assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
        assert_eq!(proof.findings().len(), 3, "{proof:?}");
        house.practice.keys.rotate_due().await.unwrap();
        let proof = house.prove().await;
        assert_eq!(proof.outcome(), Outcome::Holds, "{proof:?}");
    }

    #[tokio::test]
    async fn a_key_from_the_future_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let house = house(folder.path()).await;
        house.practice.key("orders").await.unwrap();
        house.later(-1);
        assert_eq!(house.prove().await.outcome(), Outcome::Unknown);
    }

    #[tokio::test]
    async fn it_bites_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let house = house(folder.path()).await;
        // The real clock, which is finer than the one that the bite moves.
        let cx = Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) };
        let proof = house.control.bite(&cx).await;
        assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
        assert_eq!(proof.population().to_string(), "5 of 5 seeded violations");
        // Each age has a finding of its own, so that none of the three checks can be missing.
        let overdue = proof.findings().iter().filter(|finding| finding.what.contains("days old"));
        let objects: Vec<&str> = overdue.map(|finding| finding.object.as_str()).collect();
        let expected = ["the ring's own key", "the key-encryption key above key young", "key old"];
        assert_eq!(objects, expected, "{proof:?}");
        assert_eq!(std::fs::read_dir(&house.control.scratch).unwrap().count(), 0);
    }
}
