//! The loss of the ring, and the way back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel::{ManualClock, Secret, SystemRng, TenantId, random_hex};
use kms::FileRoot;

use super::share::Share;
use super::{Kit, drill, make, open, restore};
use crate::{
    Ciphertext, Directory, Error, FileAnchor, KeyName, KeyRef, Keys, Kind, Plain, Policy, Sealed,
    Settings, Spec,
};

const KINDS: [(&str, Kind); 3] =
    [("notes", Kind::Aes256Gcm), ("seal", Kind::Ed25519), ("tags", Kind::Hmac)];

/// A ring, its root and its anchor in a folder that goes with the test.
struct House {
    dir: tempfile::TempDir,
    secret: Secret,
    clock: Arc<ManualClock>,
}

impl House {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            secret: Secret::new(random_hex(&SystemRng, 16).unwrap()),
            clock: Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap())),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Opens the root, or makes it where there is none.
    async fn settings(&self) -> Settings {
        let path = self.path("root");
        let (clock, rng) = (self.clock.clone(), Arc::new(SystemRng));
        let root = if path.exists() {
            FileRoot::open(&path, &self.secret, clock, rng).await.unwrap()
        } else {
            FileRoot::create(&path, &self.secret, clock, rng).await.unwrap()
        };
        Settings {
            installation: "here".to_owned(),
            shelf: Arc::new(Directory::new(self.path("ring"))),
            root: Arc::new(root),
            anchors: vec![Arc::new(FileAnchor::new(self.path("head")))],
            policy: Policy::default(),
            clock: self.clock.clone(),
            rng: Arc::new(SystemRng),
        }
    }

    async fn keys(&self) -> Keys {
        Keys::open(self.settings().await).await.unwrap()
    }

    async fn kit(&self, keys: &Keys, counts: (u8, u8)) -> (Kit, Vec<Secret>) {
        let (kit, shares) = make(keys, counts, self.clock.as_ref(), &SystemRng).await.unwrap();
        // Through the file, as it will be.
        (Kit::parse(&kit.bytes()).unwrap(), shares)
    }

    async fn drill(&self, keys: &Keys, kit: &Kit, shares: &[Secret]) -> super::Drilled {
        let scratch = self.path("scratch");
        let (clock, rng) = (self.clock.clone(), Arc::new(SystemRng));
        let found = drill(keys, kit, shares, &scratch, clock, rng).await.unwrap();
        assert_eq!(files(&scratch), 0, "nothing of a drill is left");
        found
    }
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

fn key(tenant: Option<&str>, name: &str) -> KeyRef {
    let tenant = tenant.map(|tenant| TenantId::new(tenant).unwrap());
    KeyRef { tenant, name: KeyName::new(name).unwrap() }
}

async fn fill(keys: &Keys) {
    for (name, kind) in KINDS {
        let spec = Spec { kind, ..Spec::default() };
        keys.create(&key(None, name), &spec).await.unwrap();
        for tenant in ["sinar", "bulan"] {
            keys.create(&key(Some(tenant), name), &spec).await.unwrap();
        }
    }
}

fn encrypt(keys: &Keys, key: &KeyRef) -> Ciphertext {
    keys.encrypt(key, &[Plain { text: b"secret", context: b"row 1" }]).unwrap().remove(0)
}

fn opened(keys: &Keys, key: &KeyRef, ciphertext: &Ciphertext) -> crate::Result<Vec<u8>> {
    let sealed = Sealed { ciphertext, context: b"row 1" };
    keys.decrypt(key, &[sealed])?.remove(0).map(|text| text.to_vec())
}

fn message<T>(result: crate::Result<T>) -> String {
    result.err().unwrap().to_string()
}

/// The folder of the ring is gone, and with it every key; a tenant's keys were destroyed after the
/// kit was made.
#[tokio::test]
async fn the_loss_of_the_whole_ring_is_survived_and_the_destroyed_stays_so() {
    let house = House::new();
    let keys = house.keys().await;
    fill(&keys).await;
    let (mine, theirs) = (key(Some("sinar"), "notes"), key(Some("bulan"), "notes"));
    let old = encrypt(&keys, &mine);
    keys.rotate(&mine).await.unwrap();
    let (new, gone) = (encrypt(&keys, &mine), encrypt(&keys, &theirs));
    let signature = keys.sign(&key(None, "seal"), None, &[b"text"]).unwrap().remove(0);
    let client = crate::Client {
        name: "app".to_owned(),
        keys: vec!["notes".to_owned()],
        operations: [crate::Operation::Decrypt].into(),
        reach: crate::Reach::All,
        databases: [].into(),
        expires_at: None,
    };
    let token = keys.admit(client).await.unwrap();

    let (kit, shares) = house.kit(&keys, (2, 3)).await;
    let shredding = keys.shred(&TenantId::new("bulan").unwrap()).await.unwrap();
    let said = shredding.remains.join("\n");
    assert!(said.contains(&kit.card.kit), "who destroys is told of the kit: {said}");
    let before = keys.ring().unwrap();
    drop(keys);
    std::fs::remove_dir_all(house.path("ring")).unwrap();
    let lost = message(Keys::open(house.settings().await).await);
    assert!(lost.contains("recovery kit"), "{lost}");

    let keys = restore(house.settings().await, &kit, &shares[1..], false).await.unwrap();
    for ciphertext in [&old, &new] {
        assert_eq!(opened(&keys, &mine, ciphertext).unwrap(), b"secret");
    }
    assert!(matches!(opened(&keys, &theirs, &gone), Err(Error::Shredded { .. })));
    assert!(matches!(keys.ensure(&theirs).await, Err(Error::Shredded { .. })));
    assert!(keys.verify(&key(None, "seal"), &[(b"text", &signature)]).unwrap()[0]);
    // Nobody knows which clients were dismissed since, so each gets its token anew.
    assert!(keys.client(&token).is_none() && keys.clients().is_empty());
    let after = keys.ring().unwrap();
    assert!(after.generation > before.generation);
    assert_eq!(after.tombstones, before.tombstones);
    // From now on it opens as any ring does.
    drop(keys);
    assert_eq!(opened(&house.keys().await, &mine, &old).unwrap(), b"secret");
}

/// Nothing is left but the kit and the shares: neither the root nor what remembered the ring.
#[tokio::test]
async fn a_kit_needs_nothing_else() {
    let (lost, fresh) = (House::new(), House::new());
    let keys = lost.keys().await;
    fill(&keys).await;
    let old = encrypt(&keys, &key(Some("sinar"), "notes"));
    let (kit, shares) = lost.kit(&keys, (3, 3)).await;
    drop((keys, lost));
    let keys = restore(fresh.settings().await, &kit, &shares, false).await.unwrap();
    assert_eq!(opened(&keys, &key(Some("sinar"), "notes"), &old).unwrap(), b"secret");
}

#[tokio::test]
async fn a_kit_of_another_installation_is_refused() {
    let house = House::new();
    let keys = house.keys().await;
    let (kit, shares) = house.kit(&keys, (2, 2)).await;
    let other = House::new();
    let settings = Settings { installation: "there".to_owned(), ..other.settings().await };
    let refusal = message(restore(settings, &kit, &shares, false).await);
    assert!(refusal.contains("installation here"), "{refusal}");
    assert_eq!(files(&other.path("ring")), 0, "nothing was written");
}

#[tokio::test]
async fn each_mistake_with_shares_has_its_own_answer() {
    let house = House::new();
    let keys = house.keys().await;
    let (kit, shares) = house.kit(&keys, (3, 5)).await;
    let (_, foreign) = house.kit(&keys, (2, 2)).await;
    assert!(open(&kit, &shares).is_ok(), "more than needed is fine");
    assert!(open(&kit, &[&shares[3..], &shares[..1]].concat()).is_ok());

    let few = open(&kit, &[shares[0].clone(), shares[0].clone(), shares[1].clone()]);
    assert!(matches!(few, Err(Error::SharesTooFew { given: 2, needed: 3 })));
    assert!(matches!(open(&kit, &[]), Err(Error::SharesTooFew { given: 0, .. })));

    let with = |odd: &Secret| open(&kit, &[shares[0].clone(), odd.clone(), shares[2].clone()]);
    assert!(matches!(with(&foreign[1]), Err(Error::ShareForeign { number: 2, .. })));

    let mut letters = shares[1].expose().to_owned();
    letters.pop();
    let damaged = message(with(&Secret::new(letters)));
    assert!(damaged.contains("share 2 is damaged"), "{damaged}");
    let none = message(with(&Secret::new("my share".to_owned())));
    assert!(none.contains("given in place 2"), "{none}");

    // A whole one that was written for this kit by somebody else.
    let id = super::share::kit_id(&kit.card.kit).unwrap();
    let key = cipher::Material::generate(&SystemRng).unwrap();
    let forged = super::share::split(&key, id, 3, 6, &SystemRng).unwrap();
    assert!(matches!(with(&forged[1].text()), Err(Error::ShareWrong(2))));
    assert!(matches!(with(&forged[5].text()), Err(Error::ShareWrong(6))));
}

#[tokio::test]
async fn counts_that_make_no_sense_are_refused() {
    let house = House::new();
    let keys = house.keys().await;
    for counts in [(0, 0), (1, 3), (4, 3), (2, 21), (255, 255)] {
        let made = make(&keys, counts, house.clock.as_ref(), &SystemRng).await;
        assert!(matches!(made, Err(Error::Kit(_))), "{counts:?}");
    }
    assert!(keys.ring().unwrap().kits.is_empty());
}

#[tokio::test]
async fn a_drill_says_what_the_kit_would_bring_back() {
    let house = House::new();
    let keys = house.keys().await;
    let (empty, none) = house.kit(&keys, (2, 2)).await;
    assert!(!house.drill(&keys, &empty, &none).await.works(), "nothing checked, nothing proven");
    fill(&keys).await;
    keys.rotate(&key(None, "notes")).await.unwrap();

    let (kit, shares) = house.kit(&keys, (2, 3)).await;
    let found = house.drill(&keys, &kit, &shares).await;
    assert!(found.complete(), "{found:?}");
    assert_eq!((found.keys, found.versions), (9, 10));

    let (made, rotated) = (key(None, "late"), key(Some("sinar"), "tags"));
    keys.create(&made, &Spec::default()).await.unwrap();
    keys.rotate(&rotated).await.unwrap();
    keys.shred(&TenantId::new("bulan").unwrap()).await.unwrap();
    let found = house.drill(&keys, &kit, &shares).await;
    assert!(found.works() && !found.complete(), "{found:?}");
    assert_eq!((found.keys, found.versions), (6, 7));
    assert_eq!(found.newer, [made, rotated]);
    assert!(found.failed.is_empty(), "{found:?}");

    // Who drills with too few is told, and no drill has touched the live ring.
    let before = keys.ring().unwrap().generation;
    let (clock, rng) = (house.clock.clone(), Arc::new(SystemRng));
    let few = drill(&keys, &kit, &shares[..1], &house.path("scratch"), clock, rng).await;
    assert!(matches!(few, Err(Error::SharesTooFew { .. })));
    let drilled = house.drill(&keys, &kit, &shares).await;
    assert_eq!(drilled.keys, found.keys);
    assert_eq!(house.keys().await.ring().unwrap().generation, before);
}

/// The drill compares what keys do: a kit whose keys have the right names and ids and other bytes
/// fails it, and so does one that would bring back what the live ring does not have.
#[tokio::test]
async fn a_drill_notices_other_keys() {
    let house = House::new();
    let keys = house.keys().await;
    fill(&keys).await;
    let (kit, shares) = house.kit(&keys, (2, 2)).await;
    let content = super::content(&kit, &shares).unwrap();
    let text = String::from_utf8(content.to_vec()).unwrap();
    // The same kit with one bit of each key changed, sealed anew by somebody who has the shares.
    let sealing = {
        let parsed = shares.iter().zip(1..).map(|(share, n)| Share::parse(share, n).unwrap());
        super::share::join(&parsed.collect::<Vec<_>>()).unwrap()
    };
    let reseal = |text: &str| {
        let changed = Kit::seal(kit.card.clone(), &sealing, text.as_bytes(), &SystemRng).unwrap();
        Kit::parse(&changed.bytes()).unwrap()
    };
    let found = house.drill(&keys, &reseal(&text), &shares).await;
    assert!(found.complete(), "nothing was changed yet: {found:?}");
    let flip = |part: &str| {
        let mut digits = part.chars();
        let digit = if digits.next() == Some('0') { '1' } else { '0' };
        format!("{digit}{}", digits.as_str())
    };
    let mut parts = text.split("\"material\":\"");
    let first = parts.next().unwrap().to_owned();
    let all: Vec<String> = std::iter::once(first).chain(parts.map(flip)).collect();
    let found = house.drill(&keys, &reseal(&all.join("\"material\":\"")), &shares).await;
    assert!(!found.works() && !found.complete(), "{found:?}");
    assert_eq!((found.failed.len(), found.newer.len()), (9, 0), "each key is named: {found:?}");
    // One key that the live ring has by another name.
    let renamed = text.replace("\"name\":\"seal\"", "\"name\":\"sole\"");
    let found = house.drill(&keys, &reseal(&renamed), &shares).await;
    assert!(!found.works(), "{found:?}");
    assert_eq!(found.failed, [None, Some("bulan"), Some("sinar")].map(|t| key(t, "sole")));
    // And a kit of another ring has none of the versions.
    let other = House::new();
    let others = other.keys().await;
    fill(&others).await;
    let (kit, shares) = other.kit(&others, (2, 2)).await;
    let found = house.drill(&keys, &kit, &shares).await;
    assert!(!found.works(), "{found:?}");
    assert_eq!(found.newer.len(), 9, "none of the versions is known to the kit");
}
