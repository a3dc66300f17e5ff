//! A root, a shelf and an anchor in memory, which fail where a test wants it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cipher::field::FieldKey;
use cipher::{Context, Material};
use jiff::{SignedDuration, Timestamp};
use kernel::{Fut, ManualClock, SystemRng, TenantId};
use kms::{Destruction, Generation, Place, Root, Wrapped};

use crate::{
    Anchor, Buried, Ciphertext, Error, Head, KeyName, KeyRef, Keys, Plain, Policy, Result, Sealed,
    Settings, Shelf, Spec,
};

/// Everything that outlives a process.
pub(super) struct World {
    pub(super) root: Arc<TestRoot>,
    pub(super) shelf: Arc<TestShelf>,
    pub(super) anchor: Arc<TestAnchor>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) fuse: Arc<Fuse>,
}

/// When the tests begin.
pub(super) const START: &str = "2026-01-01T00:00:00Z";

impl World {
    pub(super) fn new() -> Self {
        let fuse = Arc::new(Fuse::default());
        Self {
            root: Arc::new(TestRoot::new(Arc::clone(&fuse))),
            shelf: Arc::new(TestShelf { files: Mutex::default(), fuse: Arc::clone(&fuse) }),
            anchor: Arc::new(TestAnchor { memory: Mutex::default(), fuse: Arc::clone(&fuse) }),
            clock: Arc::new(ManualClock::at(START.parse().unwrap())),
            fuse,
        }
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            installation: "house".to_owned(),
            shelf: Arc::clone(&self.shelf) as _,
            root: Arc::clone(&self.root) as _,
            anchors: vec![Arc::clone(&self.anchor) as _],
            policy: Policy::default(),
            clock: Arc::clone(&self.clock) as _,
            rng: Arc::new(SystemRng),
        }
    }

    pub(super) async fn open(&self) -> Result<Keys> {
        Keys::open(self.settings()).await
    }

    /// Lets so many days pass.
    pub(super) fn pass(&self, days: i64) {
        let now = kernel::Clock::now(self.clock.as_ref());
        self.clock.set(now + SignedDuration::from_hours(24 * days));
    }
}

/// The house's key of this name.
pub(super) fn house(name: &str) -> KeyRef {
    KeyRef { tenant: None, name: KeyName::new(name).unwrap() }
}

/// A tenant's key of this name.
pub(super) fn of(tenant: &str, name: &str) -> KeyRef {
    KeyRef { tenant: Some(TenantId::new(tenant).unwrap()), name: KeyName::new(name).unwrap() }
}

/// Makes a key and encrypts with it.
pub(super) async fn made(keys: &Keys, key: &KeyRef) -> Ciphertext {
    keys.create(key, &Spec::default()).await.unwrap();
    sealed(keys, key)
}

pub(super) fn sealed(keys: &Keys, key: &KeyRef) -> Ciphertext {
    let text = Plain { text: b"text", context: b"row 1" };
    keys.encrypt(key, &[text]).unwrap().remove(0)
}

/// What opening comes to.
pub(super) fn opens(keys: &Keys, key: &KeyRef, ciphertext: &Ciphertext) -> Result<()> {
    let sealed = Sealed { ciphertext, context: b"row 1" };
    let text = keys.decrypt(key, &[sealed])?.remove(0)?;
    assert_eq!(text.as_slice(), b"text");
    Ok(())
}

/// Fails at one step of many.
#[derive(Default)]
pub(super) struct Fuse(Mutex<FuseState>);

#[derive(Default)]
struct FuseState {
    at: Option<usize>,
    seen: usize,
    effect: bool,
    crash: bool,
    blown: Option<&'static str>,
}

impl Fuse {
    /// Fails at the step of this number, before its effect or after it; from then on for good (a
    /// crash) or only once (an outage).
    pub(super) fn arm(&self, at: usize, effect: bool, crash: bool) {
        *self.0.lock().unwrap() = FuseState { at: Some(at), seen: 0, effect, crash, blown: None };
    }

    /// Ends it. At which step it failed.
    pub(super) fn disarm(&self) -> Option<&'static str> {
        let state = std::mem::take(&mut *self.0.lock().unwrap());
        state.blown
    }

    fn step<T, E>(
        &self,
        name: &'static str,
        effect: impl FnOnce() -> std::result::Result<T, E>,
        fail: impl FnOnce() -> E,
    ) -> std::result::Result<T, E> {
        let mut state = self.0.lock().unwrap();
        let Some(at) = state.at else { return effect() };
        let number = state.seen;
        state.seen += 1;
        if number == at {
            state.blown = Some(name);
            if state.effect {
                effect()?;
            }
            return Err(fail());
        }
        if state.blown.is_some() && state.crash { Err(fail()) } else { effect() }
    }
}

/// A root whose destroyed generations can be brought back, as a careless administrator could.
pub(super) struct TestRoot {
    pub(super) memory: Mutex<Generations>,
    fuse: Arc<Fuse>,
}

pub(super) struct Generations {
    pub(super) current: usize,
    pub(super) keys: BTreeMap<usize, Material>,
    pub(super) destroyed: BTreeMap<usize, Material>,
    /// Whether it does not answer at all.
    pub(super) away: bool,
    /// Whether it answers, and begins no new generation.
    pub(super) stuck: bool,
    /// Whether it answers, and destroys nothing.
    pub(super) keeps: bool,
    /// What destruction answers.
    pub(super) until: Option<Timestamp>,
}

impl TestRoot {
    pub(super) fn new(fuse: Arc<Fuse>) -> Self {
        let keys = BTreeMap::from([(1, Material::generate(&SystemRng).unwrap())]);
        let destroyed = BTreeMap::new();
        let memory = Generations {
            current: 1,
            keys,
            destroyed,
            away: false,
            stuck: false,
            keeps: false,
            until: None,
        };
        Self { memory: Mutex::new(memory), fuse }
    }

    /// Brings everything back that was destroyed.
    pub(super) fn revive(&self) {
        let mut memory = self.memory.lock().unwrap();
        let mut destroyed = std::mem::take(&mut memory.destroyed);
        memory.keys.append(&mut destroyed);
    }

    /// Lets it answer no more, or again.
    pub(super) fn go(&self, away: bool) {
        self.memory.lock().unwrap().away = away;
    }

    /// Lets it begin no new generation, or again.
    pub(super) fn refuse_to_roll(&self, stuck: bool) {
        self.memory.lock().unwrap().stuck = stuck;
    }

    /// Lets it destroy nothing, or again.
    pub(super) fn refuse_to_destroy(&self, keeps: bool) {
        self.memory.lock().unwrap().keeps = keeps;
    }

    fn step<T>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&mut Generations) -> kms::Result<T>,
    ) -> kms::Result<T> {
        let fail =
            || kms::Error::Unavailable { place: "memory".to_owned(), why: "the test".to_owned() };
        let effect = || match &mut *self.memory.lock().unwrap() {
            memory if memory.away => Err(fail()),
            memory => effect(memory),
        };
        self.fuse.step(name, effect, fail)
    }
}

fn name(generation: usize) -> Generation {
    Generation(format!("g{generation}"))
}

fn number(generation: &Generation) -> usize {
    generation.0.trim_start_matches('g').parse().unwrap()
}

fn denied() -> kms::Error {
    kms::Error::Denied { place: "memory".to_owned(), why: "the test".to_owned() }
}

impl Root for TestRoot {
    fn place(&self) -> Place {
        Place { kind: "test", place: "memory".to_owned(), host: kms::Host::This }
    }

    fn current(&self) -> Fut<'_, kms::Result<Generation>> {
        Box::pin(async { self.step("root.current", |memory| Ok(name(memory.current))) })
    }

    fn wrap<'a>(&'a self, key: &'a Material, cx: &'a Context) -> Fut<'a, kms::Result<Wrapped>> {
        Box::pin(async move {
            self.step("root.wrap", |memory| {
                let field = FieldKey::new(&memory.keys[&memory.current])?;
                let bytes = STANDARD.encode(field.seal(cx, key.expose(), &SystemRng)?);
                Ok(Wrapped { generation: name(memory.current), bytes })
            })
        })
    }

    fn unwrap<'a>(&'a self, key: &'a Wrapped, cx: &'a Context) -> Fut<'a, kms::Result<Material>> {
        Box::pin(async move {
            self.step("root.unwrap", |memory| {
                let generation = number(&key.generation);
                if memory.destroyed.contains_key(&generation) {
                    return Err(kms::Error::Destroyed(key.generation.0.clone()));
                }
                let material = memory.keys.get(&generation).ok_or(kms::Error::Refused)?;
                let bytes = STANDARD.decode(&key.bytes).unwrap();
                let opened = FieldKey::new(material)?.open(cx, &bytes);
                let opened = opened.map_err(|_| kms::Error::Refused)?;
                Ok(Material::try_from(opened.as_slice())?)
            })
        })
    }

    fn roll(&self) -> Fut<'_, kms::Result<Generation>> {
        Box::pin(async {
            self.step("root.roll", |memory| {
                if memory.stuck {
                    return Err(denied());
                }
                memory.current += 1;
                let fresh = Material::generate(&SystemRng)?;
                memory.keys.insert(memory.current, fresh);
                Ok(name(memory.current))
            })
        })
    }

    fn disable<'a>(&'a self, _: &'a Generation) -> Fut<'a, kms::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn destroy<'a>(&'a self, generation: &'a Generation) -> Fut<'a, kms::Result<Destruction>> {
        Box::pin(async move {
            self.step("root.destroy", |memory| {
                let generation = number(generation);
                if memory.keeps {
                    return Err(denied());
                }
                assert_ne!(generation, memory.current, "the current generation must stay");
                if let Some(gone) = memory.keys.remove(&generation) {
                    memory.destroyed.insert(generation, gone);
                }
                Ok(memory.until.map_or(Destruction::Done, Destruction::Scheduled))
            })
        })
    }
}

pub(super) struct TestShelf {
    pub(super) files: Mutex<BTreeMap<u64, Vec<u8>>>,
    fuse: Arc<Fuse>,
}

impl TestShelf {
    pub(super) fn copy(&self) -> BTreeMap<u64, Vec<u8>> {
        self.files.lock().unwrap().clone()
    }

    pub(super) fn put_back(&self, files: BTreeMap<u64, Vec<u8>>) {
        *self.files.lock().unwrap() = files;
    }

    fn step<T>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&mut BTreeMap<u64, Vec<u8>>) -> T,
    ) -> Result<T> {
        let effect = || Ok(effect(&mut self.files.lock().unwrap()));
        self.fuse.step(name, effect, || Error::Ring {
            place: "memory".to_owned(),
            why: "the test".to_owned(),
        })
    }
}

impl Shelf for TestShelf {
    fn place(&self) -> String {
        "memory".to_owned()
    }

    fn newest(&self) -> Fut<'_, Result<Option<(u64, Vec<u8>)>>> {
        Box::pin(async {
            self.step("shelf.newest", |files| files.last_key_value().map(|(n, b)| (*n, b.clone())))
        })
    }

    fn put(&self, number: u64, bytes: Vec<u8>) -> Fut<'_, Result<bool>> {
        Box::pin(async move {
            self.step("shelf.put", |files| {
                let free = files.last_key_value().is_none_or(|(newest, _)| *newest < number);
                if free {
                    files.insert(number, bytes);
                }
                free
            })
        })
    }

    fn has_after(&self, number: u64) -> Fut<'_, Result<bool>> {
        Box::pin(async move {
            let newer = |files: &mut BTreeMap<u64, Vec<u8>>| {
                files.last_key_value().is_none_or(|(newest, _)| *newest != number)
            };
            self.step("shelf.has_after", newer)
        })
    }

    fn prune(&self, number: u64) -> Fut<'_, Result<()>> {
        Box::pin(async move {
            self.step("shelf.prune", |files| files.retain(|have, _| *have >= number))
        })
    }

    fn read(&self, number: u64) -> Fut<'_, Result<Option<Vec<u8>>>> {
        Box::pin(async move { self.step("shelf.read", |files| files.get(&number).cloned()) })
    }

    fn glance(&self, number: u64) -> Result<Option<(u64, Vec<u8>)>> {
        let files = self.files.lock().unwrap();
        Ok(files.last_key_value().filter(|(n, _)| **n > number).map(|(n, b)| (*n, b.clone())))
    }
}

pub(super) struct TestAnchor {
    pub(super) memory: Mutex<(Option<Head>, Vec<Buried>)>,
    fuse: Arc<Fuse>,
}

impl TestAnchor {
    fn step<T>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&mut (Option<Head>, Vec<Buried>)) -> T,
    ) -> Result<T> {
        let effect = || Ok(effect(&mut self.memory.lock().unwrap()));
        self.fuse.step(name, effect, || Error::Anchor {
            place: "anchor".to_owned(),
            why: "the test".to_owned(),
        })
    }
}

impl Anchor for TestAnchor {
    fn place(&self) -> String {
        "anchor".to_owned()
    }

    fn heads(&self) -> Fut<'_, Result<Vec<Head>>> {
        Box::pin(async {
            self.step("anchor.heads", |memory| memory.0.clone().into_iter().collect())
        })
    }

    fn advance<'a>(&'a self, head: &'a Head, buried: &'a [Buried]) -> Fut<'a, Result<()>> {
        Box::pin(async move {
            self.step("anchor.advance", |(have, stones)| {
                if have.as_ref().is_none_or(|have| have.generation < head.generation) {
                    *have = Some(head.clone());
                }
                stones.extend(
                    buried.iter().filter(|s| !stones.contains(s)).cloned().collect::<Vec<_>>(),
                );
            })
        })
    }

    fn buried(&self) -> Fut<'_, Result<Vec<Buried>>> {
        Box::pin(async { self.step("anchor.buried", |memory| memory.1.clone()) })
    }
}
