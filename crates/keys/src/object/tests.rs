//! Objects on a ring of their own.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kernel::{Secret, SystemClock, SystemRng, TenantId, random_hex};
use kms::FileRoot;
use proptest::prelude::proptest;

use super::sidecar::MAX_SIDECAR_BYTES;
use super::{
    MAX_OBJECT_BYTES, Object, Rewrapped, Sidecar, open, open_range, opener, rewrap_tree, seal,
    sealer, settle, vacate,
};
use crate::whole::Unfinished;
use crate::{Directory, Error, FileAnchor, KeyName, KeyRef, Keys, Policy, Settings, Spec};

pub(crate) struct House {
    dir: tempfile::TempDir,
    pub(crate) keys: Keys,
}

impl House {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let secret = Secret::new(random_hex(&SystemRng, 16).unwrap());
        let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
        let place = dir.path().join("root");
        let root = FileRoot::create(&place, &secret, clock.clone(), rng.clone()).await.unwrap();
        let settings = Settings {
            installation: "here".to_owned(),
            shelf: Arc::new(Directory::new(dir.path().join("ring"))),
            root: Arc::new(root),
            anchors: vec![Arc::new(FileAnchor::new(dir.path().join("head")))],
            policy: Policy::default(),
            clock,
            rng,
        };
        let keys = Keys::open(settings).await.unwrap();
        fs::create_dir_all(dir.path().join("files/deep")).unwrap();
        Self { dir, keys }
    }

    /// A key of the house, and one of the same name for `tenant`.
    pub(crate) async fn key(&self, tenant: Option<&str>) -> KeyRef {
        let house = KeyRef { tenant: None, name: KeyName::new("files").unwrap() };
        if self.keys.card(&house).is_err() {
            self.keys.create(&house, &Spec::default()).await.unwrap();
        }
        let tenant = tenant.map(|id| TenantId::new(id).unwrap());
        let own = KeyRef { tenant, ..house };
        if own.tenant.is_some() {
            self.keys.ensure(&own).await.unwrap();
        }
        own
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    /// Seals `text` as the file `name`, with its sidecar.
    pub(crate) fn store(&self, key: &KeyRef, name: &str, text: &[u8]) -> PathBuf {
        let path = self.files().join(name);
        let mut sealed = Vec::new();
        let object = Object { key, name };
        let sidecar = seal(&self.keys, &SystemRng, object, 1, text, &mut sealed).unwrap();
        sidecar.write(&path, &SystemRng).unwrap();
        fs::write(&path, sealed).unwrap();
        path
    }

    fn fetch(&self, key: &KeyRef, name: &str) -> crate::Result<Vec<u8>> {
        let path = self.files().join(name);
        let (sidecar, file) = (Sidecar::read(&path)?, fs::File::open(path).unwrap());
        let mut text = Vec::new();
        let object = Object { key, name };
        let count = open(&self.keys, object, &sidecar, 2, file, &mut text)?;
        assert_eq!(count, text.len() as u64);
        Ok(text)
    }

    fn rewrap(&self) -> Rewrapped {
        rewrap_tree(&self.keys, &SystemRng, &self.files(), &|_| {}).unwrap()
    }
}

fn counts(outcome: &Rewrapped) -> [usize; 4] {
    [outcome.moved, outcome.current, outcome.shredded, outcome.left.len()]
}

#[tokio::test]
async fn an_object_opens_whole_in_parts_and_in_pieces() {
    let house = House::new().await;
    let key = house.key(Some("17")).await;
    let text: Vec<u8> = (0..3_000_000u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let path = house.store(&key, "a", &text);
    assert!(house.fetch(&key, "a").unwrap() == text);

    let (object, sidecar) = (Object { key: &key, name: "a" }, Sidecar::read(&path).unwrap());
    let file = fs::File::open(&path).unwrap();
    let mut ranged = open_range(&house.keys, object, &sidecar, file).unwrap();
    let mut part = Vec::new();
    ranged.copy(1_048_000..1_049_000, &mut part).unwrap();
    assert!(part == text[1_048_000..1_049_000]);

    // In pieces it is the same thing: what one way seals, the other opens.
    let (mut sealing, sidecar) = sealer(&house.keys, &SystemRng, object).unwrap();
    let (mut sealed, mut rest) = (Vec::new(), &*text);
    while let Some(segment) = sealing.push(&mut rest).unwrap() {
        sealed.extend_from_slice(segment);
    }
    sealed.extend(sealing.finish().unwrap());
    let mut opened = Vec::new();
    open(&house.keys, object, &sidecar, 1, &*sealed, &mut opened).unwrap();
    assert!(opened == text);
    let again = Sidecar::new(object, &sidecar.ciphertext().unwrap()).unwrap();
    let (mut opening, mut rest) = (opener(&house.keys, object, &again).unwrap(), &*sealed);
    opened.clear();
    while let Some(part) = opening.push(&mut rest).unwrap() {
        opened.extend_from_slice(part);
    }
    opened.extend_from_slice(&opening.finish().unwrap());
    assert!(opened == text);
}

/// Neither an object nor its sidecar can be put in another's place, also not both together.
#[tokio::test]
async fn an_object_opens_in_its_place_alone() {
    let house = House::new().await;
    let (ours, theirs) = (house.key(Some("17")).await, house.key(Some("18")).await);
    let a = house.store(&ours, "a", b"the first");
    let b = house.store(&ours, "b", b"another");
    house.store(&theirs, "c", b"another tenant's");
    let refused = |result: crate::Result<Vec<u8>>| {
        let cipher_refused = matches!(result, Err(Error::Cipher(cipher::Error::Refused)));
        assert!(cipher_refused || matches!(result, Err(Error::Refused)), "{result:?}");
    };
    refused(house.fetch(&theirs, "a"));
    refused(house.fetch(&ours, "c"));
    fs::copy(&a, &b).unwrap();
    refused(house.fetch(&ours, "b"));
    fs::copy(Sidecar::beside(&a), Sidecar::beside(&b)).unwrap();
    refused(house.fetch(&ours, "b"));
    // A sidecar that says it is of the other object.
    let text = fs::read_to_string(Sidecar::beside(&a)).unwrap();
    let forged = text.replace("\"object\": \"a\"", "\"object\": \"b\"");
    assert_ne!(forged, text);
    fs::write(Sidecar::beside(&b), forged).unwrap();
    refused(house.fetch(&ours, "b"));
    assert_eq!(house.fetch(&ours, "a").unwrap(), b"the first");
}

/// Rotation rewrites what lies beside the objects, once, and nothing else.
#[tokio::test]
async fn rotation_rewrites_sidecars_and_no_object() {
    let house = House::new().await;
    let key = house.key(Some("17")).await;
    let names = ["a", "b", "deep/c"];
    let paths = names.map(|name| house.store(&key, name, name.as_bytes()));
    fs::set_permissions(Sidecar::beside(&paths[0]), fs::Permissions::from_mode(0o640)).unwrap();
    let objects = paths.clone().map(|path| fs::read(path).unwrap());
    assert_eq!(counts(&house.rewrap()), [0, 3, 0, 0]);
    let version = house.keys.rotate(&key).await.unwrap();
    // It was stopped after the first: the next time goes on from there.
    let first = Sidecar::read(&paths[0]).unwrap().rewrap(&house.keys).unwrap();
    first.write(&paths[0], &SystemRng).unwrap();
    let (done, total) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let outcome = rewrap_tree(&house.keys, &SystemRng, &house.files(), &|progress| {
        done.store(progress.done, Ordering::Relaxed);
        total.store(progress.total, Ordering::Relaxed);
    });
    assert_eq!(counts(&outcome.unwrap()), [2, 1, 0, 0]);
    assert_eq!((done.into_inner(), total.into_inner()), (3, 3));
    assert_eq!(counts(&house.rewrap()), [0, 3, 0, 0]);
    // The older version is gone, and everything opens.
    house.keys.trim(&key, version).await.unwrap();
    for ((name, path), object) in names.iter().zip(&paths).zip(objects) {
        assert!(fs::read(path).unwrap() == object, "{name} was touched");
        assert_eq!(house.fetch(&key, name).unwrap(), name.as_bytes());
        assert_eq!(Sidecar::read(path).unwrap().ciphertext().unwrap().version, version);
    }
    let meta = fs::metadata(Sidecar::beside(&paths[0])).unwrap();
    assert_eq!(meta.mode() & 0o777, 0o640, "its mode is kept");
    let meta = fs::metadata(Sidecar::beside(&paths[1])).unwrap();
    assert_eq!(meta.mode() & 0o777, 0o600, "a new one is for its owner alone");
    let left = fs::read_dir(house.files()).unwrap().count();
    assert_eq!(left, 5, "two objects, two sidecars, one folder");
}

/// A shredded tenant's object says so, whether it is opened or rewrapped.
#[tokio::test]
async fn a_shredded_tenants_object_says_so() {
    let house = House::new().await;
    let (ours, theirs) = (house.key(Some("17")).await, house.key(Some("18")).await);
    house.store(&ours, "a", b"gone");
    house.store(&theirs, "b", b"stays");
    house.keys.shred(ours.tenant.as_ref().unwrap()).await.unwrap();
    let result = house.fetch(&ours, "a");
    assert!(matches!(result, Err(Error::Shredded { .. })), "{result:?}");
    let object = Object { key: &ours, name: "a" };
    let result = sealer(&house.keys, &SystemRng, object).map(|_| ());
    assert!(matches!(result, Err(Error::Shredded { .. })), "{result:?}");
    assert_eq!(house.fetch(&theirs, "b").unwrap(), b"stays");
    house.keys.rotate(&theirs).await.unwrap();
    assert_eq!(counts(&house.rewrap()), [1, 0, 1, 0]);
}

/// What is damaged, or is called like a sidecar and is none, is named, left as it is, and stops
/// nothing else. What a crash left behind goes; what is being written stays.
#[tokio::test]
async fn a_bad_sidecar_stops_no_other() {
    let house = House::new().await;
    let key = house.key(None).await;
    let paths = ["a", "b", "c"].map(|name| house.store(&key, name, b"text"));
    house.keys.rotate(&key).await.unwrap();
    let damaged = Sidecar::beside(&paths[0]);
    let text = fs::read(&damaged).unwrap();
    fs::write(&damaged, &text[..text.len() / 2]).unwrap();
    let foreign = house.files().join("tls.key");
    fs::write(&foreign, vec![b'-'; 20_000]).unwrap();
    let behind = house.files().join(".b.key.new-0123456789abcdef");
    fs::write(&behind, b"{").unwrap();
    let writing = house.files().join(".c.key.new-0123456789abcdef");
    let writer = fs::File::create(&writing).unwrap();
    writer.lock().unwrap();
    let strangers = [
        "server.key.new",
        "b.key.new",
        "b.key.0123456789abcdef.key.new",
        ".b.key.new-0123456789abcde",
        ".b.new-0123456789abcdef",
    ]
    .map(|name| house.files().join(name));
    for stranger in &strangers {
        fs::write(stranger, b"a stranger's").unwrap();
    }
    std::os::unix::fs::symlink("/", house.files().join("away")).unwrap();
    std::os::unix::fs::symlink(Sidecar::beside(&paths[1]), house.files().join("d.key")).unwrap();

    let outcome = house.rewrap();
    assert_eq!(counts(&outcome), [2, 0, 0, 2]);
    let left: Vec<&Path> = outcome.left.iter().map(|left| left.place.as_path()).collect();
    assert_eq!(left, [damaged.as_path(), foreign.as_path()]);
    assert_eq!(fs::read(&damaged).unwrap(), text[..text.len() / 2]);
    assert_eq!(fs::metadata(&foreign).unwrap().len(), 20_000);
    assert!(!behind.exists() && writing.exists());
    for stranger in &strangers {
        assert_eq!(fs::read(stranger).unwrap(), b"a stranger's", "{}", stranger.display());
    }
    drop(writer);

    let nowhere = rewrap_tree(&house.keys, &SystemRng, Path::new("/nowhere"), &|_| {});
    assert!(matches!(nowhere, Err(Error::Sidecar { .. })), "{nowhere:?}");
    let missing = Sidecar::read(Path::new("/nowhere/a")).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/a.key"), "{missing}");
}

/// What `keys seal` does with its files.
fn settled(house: &House, key: &KeyRef, text: &[u8]) -> bool {
    let (path, object) = (house.files().join("a"), Object { key, name: "a" });
    if !vacate(&house.keys, &path).unwrap() {
        return false;
    }
    let (fresh, sidecar) = begun(house, object, text);
    settle(fresh, &path, &sidecar, &SystemRng).unwrap()
}

/// A stream that is written and has no name yet.
fn begun(house: &House, object: Object<'_>, text: &[u8]) -> (Unfinished, Sidecar) {
    let fresh = Unfinished::begin(&house.files().join("a"), &SystemRng).unwrap();
    let sidecar = seal(&house.keys, &SystemRng, object, 1, text, fresh.file()).unwrap();
    (fresh, sidecar)
}

/// Leaves what a kill leaves: the unfinished file, whose lock goes with the process.
fn killed(house: &House, fresh: Unfinished) {
    let own = fs::read_dir(house.files()).unwrap().map(|entry| entry.unwrap());
    let own = own.filter(|entry| entry.file_name().to_string_lossy().starts_with(".a.new-"));
    let paths: Vec<_> = own.map(|entry| (entry.path(), fs::read(entry.path()).unwrap())).collect();
    drop(fresh);
    for (path, bytes) in paths {
        fs::write(path, bytes).unwrap();
    }
}

fn names(house: &House) -> Vec<String> {
    let entries = fs::read_dir(house.files()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A seal that was killed, at whatever moment, is in nobody's way.
#[tokio::test]
async fn a_killed_seal_stops_no_other() {
    let house = House::new().await;
    let key = house.key(Some("17")).await;
    let (path, object) = (house.files().join("a"), Object { key: &key, name: "a" });
    // Before the sidecar was there.
    let (fresh, _) = begun(&house, object, b"half");
    killed(&house, fresh);
    assert_eq!(names(&house).len(), 2, "the unfinished file and a folder");
    assert!(settled(&house, &key, b"one"));
    assert_eq!(names(&house), ["a", "a.key", "deep"]);
    assert_eq!(house.fetch(&key, "a").unwrap(), b"one");
    assert!(!settled(&house, &key, b"two"), "what is there stays");
    assert_eq!(house.fetch(&key, "a").unwrap(), b"one");
    // Between the two names, under another name of the object.
    fs::remove_file(&path).unwrap();
    fs::remove_file(Sidecar::beside(&path)).unwrap();
    let (fresh, sidecar) = begun(&house, Object { name: "other", ..object }, b"half");
    sidecar.write(&path, &SystemRng).unwrap();
    killed(&house, fresh);
    assert!(settled(&house, &key, b"three"));
    assert_eq!(names(&house), ["a", "a.key", "deep"]);
    assert_eq!(house.fetch(&key, "a").unwrap(), b"three");
}

/// A sidecar alone may be all that opens a file which somebody moved away.
#[tokio::test]
async fn the_sidecar_of_a_moved_file_stays() {
    let house = House::new().await;
    let key = house.key(Some("17")).await;
    let (path, object) = (house.files().join("a"), Object { key: &key, name: "a" });
    assert!(settled(&house, &key, b"one"));
    let moved = house.files().join("deep/a");
    fs::rename(&path, &moved).unwrap();
    // Also beside what a seal left that was killed before it came so far.
    let (fresh, _) = begun(&house, object, b"half");
    killed(&house, fresh);
    assert!(!settled(&house, &key, b"two"));
    // Nor is it taken by a seal that looked before it was there.
    let (fresh, sidecar) = begun(&house, object, b"late");
    assert!(!settle(fresh, &path, &sidecar, &SystemRng).unwrap());
    fs::rename(&moved, &path).unwrap();
    assert_eq!(house.fetch(&key, "a").unwrap(), b"one");
    // Nor is it removed by one that finds an object in its place at the last moment.
    let (fresh, sidecar) = begun(&house, object, b"late");
    assert!(!settle(fresh, &path, &sidecar, &SystemRng).unwrap());
    assert_eq!(house.fetch(&key, "a").unwrap(), b"one");
}

/// Of two seals of one name at one time one holds, with its own sidecar.
#[tokio::test]
async fn two_seals_at_once_do_not_mix() {
    let house = House::new().await;
    let key = house.key(Some("17")).await;
    for round in 0..20 {
        let texts = [[1_u8, round], [2, round]];
        let done = std::thread::scope(|scope| {
            let threads = texts.map(|text| {
                let (house, key) = (&house, &key);
                scope.spawn(move || settled(house, key, &text))
            });
            threads.map(|thread| thread.join().unwrap())
        });
        let held = texts.iter().zip(done).filter(|(_, done)| *done).map(|(text, _)| text);
        let held: Vec<_> = held.collect();
        assert_eq!(held.len(), 1, "{done:?}");
        assert_eq!(house.fetch(&key, "a").unwrap(), held[0]);
        fs::remove_file(house.files().join("a")).unwrap();
        fs::remove_file(house.files().join("a.key")).unwrap();
    }
}

/// Two at a time on one folder lose nothing.
#[tokio::test]
async fn two_rewraps_at_once_agree() {
    let house = House::new().await;
    let key = house.key(None).await;
    let names: Vec<String> = (0..40).map(|number| format!("object-{number}")).collect();
    for name in &names {
        house.store(&key, name, name.as_bytes());
    }
    let version = house.keys.rotate(&key).await.unwrap();
    std::thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(|| house.rewrap()));
        for outcome in threads.map(|thread| thread.join().unwrap()) {
            assert!(outcome.left.is_empty(), "{:?}", outcome.left);
        }
    });
    for name in &names {
        assert_eq!(house.fetch(&key, name).unwrap(), name.as_bytes());
        let sidecar = Sidecar::read(&house.files().join(name)).unwrap();
        assert_eq!(sidecar.ciphertext().unwrap().version, version);
    }
}

#[tokio::test]
async fn a_sidecar_is_readable_and_strict() {
    let house = House::new().await;
    let key = house.key(Some("17")).await;
    let path = house.store(&key, "a", b"text");
    let text = fs::read_to_string(Sidecar::beside(&path)).unwrap();
    let sidecar = Sidecar::parse(text.as_bytes()).unwrap();
    assert_eq!((sidecar.text(), sidecar.key(), sidecar.object()), (text.clone(), key.clone(), "a"));
    assert!(
        text.starts_with("{\n  \"format\": 1,\n  \"key\": \"files\",\n  \"tenant\": \"17\",\n")
    );
    let with = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        Sidecar::parse(changed.as_bytes())
    };
    for bad in [
        with("\"format\": 1", "\"format\": 2"),
        with("\"format\": 1", "\"format\": 1, \"more\": 1"),
        with("\"object\": \"a\"", &format!("\"object\": \"{}\"", "a".repeat(1025))),
        with("\"object\": \"a\"", "\"object\": \"\""),
        with("amanah:v1:", "amanah:v0:"),
        with("\"17\"", "\"\""),
        Sidecar::parse(text.repeat(2).as_bytes()),
        Sidecar::parse(&vec![b' '; usize::try_from(MAX_SIDECAR_BYTES).unwrap() + 1]),
    ] {
        assert!(matches!(bad, Err(Error::Malformed(_))), "{bad:?}");
    }
    for name in [String::new(), "n".repeat(MAX_OBJECT_BYTES + 1)] {
        let result = sealer(&house.keys, &SystemRng, Object { key: &key, name: &name }).map(|_| ());
        assert!(matches!(result, Err(Error::Malformed(_))), "{result:?}");
    }
}

proptest! {
    /// A sidecar lies where others may write.
    #[test]
    fn hostile_sidecars_are_refused(bytes: Vec<u8>) {
        assert!(Sidecar::parse(&bytes).is_err());
    }
}
