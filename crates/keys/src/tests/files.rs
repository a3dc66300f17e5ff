//! The ring in a folder: modes, leftovers, races for a name.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use kernel::{Secret, SystemClock, SystemRng, TenantId, random_hex};
use kms::{FileRoot, Root};

use super::world::{made, of, opens};
use crate::{Directory, Error, FileAnchor, Keys, Policy, Settings, Shelf};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn generations_are_whole_and_never_replaced() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("keys/ring");
    let shelf = Directory::new(&folder);
    assert_eq!(shelf.newest().await.unwrap(), None);
    assert!(!shelf.has_after(0).await.unwrap());
    assert!(shelf.put(1, b"one".to_vec()).await.unwrap());
    assert!(!shelf.put(1, b"other".to_vec()).await.unwrap(), "there is one");
    assert!(shelf.has_after(0).await.unwrap() && !shelf.has_after(1).await.unwrap());
    for number in 2..=5 {
        assert!(shelf.put(number, vec![b'x'; 5]).await.unwrap());
    }
    assert_eq!(shelf.read(1).await.unwrap().unwrap(), b"one");
    assert_eq!((mode(&folder), mode(&folder.join("ring-0000000000000001"))), (0o700, 0o600));
    shelf.prune(4).await.unwrap();
    assert_eq!(shelf.read(3).await.unwrap(), None);
    assert!(shelf.has_after(1).await.unwrap(), "what is gone has been followed");
    shelf.prune(99).await.unwrap();
    assert_eq!(shelf.newest().await.unwrap().unwrap().0, 5, "the newest stays");
    // A writer that slept while its number was taken, followed and removed has lost.
    assert!(!shelf.put(2, b"late".to_vec()).await.unwrap());
    assert_eq!(shelf.read(2).await.unwrap(), None);
    assert_eq!(shelf.glance(5).unwrap(), None);
    assert_eq!(shelf.glance(2).unwrap().unwrap().0, 5);
}

/// What a dead writer left is removed, what a living one writes is not, and neither is ever taken
/// for a generation.
#[tokio::test]
async fn leftovers_are_cleaned() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("ring");
    let shelf = Directory::new(&folder);
    shelf.put(1, b"one".to_vec()).await.unwrap();
    let (dead, alive) = (folder.join(".ring-2.new-aa"), folder.join(".ring-2.new-bb"));
    let others = [folder.join(".root.new-cc"), folder.join("ring-2"), folder.join("ring-x")];
    for path in [&dead, &alive].into_iter().chain(&others) {
        fs::write(path, b"half").unwrap();
    }
    let lock = fs::File::open(&alive).unwrap();
    lock.lock().unwrap();
    shelf.prune(1).await.unwrap();
    assert!(!dead.exists() && alive.exists() && others.iter().all(|path| path.exists()));
    assert_eq!(shelf.newest().await.unwrap().unwrap(), (1, b"one".to_vec()));
}

/// A folder that others may write to is refused.
#[tokio::test]
async fn a_shared_folder_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("ring");
    let shelf = Directory::new(&folder);
    shelf.put(1, b"one".to_vec()).await.unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).unwrap();
    let refused = shelf.newest().await.unwrap_err().to_string();
    assert!(refused.contains("chmod 700"), "{refused}");
}

/// The whole house in files: a tenant's keys are destroyed, an older copy of the ring and of the
/// anchor are put back, and nothing opens; the root's own file does not bring it back either.
#[tokio::test]
async fn older_files_open_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let (folder, head, root) =
        (scratch.path().join("ring"), scratch.path().join("head"), scratch.path().join("root"));
    let secret = Secret::new(random_hex(&SystemRng, 16).unwrap());
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let opened = FileRoot::create(&root, &secret, Arc::clone(&clock) as _, rng.clone()).await;
    let file_root: Arc<dyn Root> = Arc::new(opened.unwrap());
    let settings = || Settings {
        installation: "house".to_owned(),
        shelf: Arc::new(Directory::new(&folder)),
        root: Arc::clone(&file_root),
        anchors: vec![Arc::new(FileAnchor::new(&head))],
        policy: Policy::default(),
        clock: Arc::clone(&clock) as _,
        rng: rng.clone(),
    };
    let keys = Keys::open(settings()).await.unwrap();
    let (gone, kept) = (of("a", "orders"), of("b", "orders"));
    let (lost, text) = (made(&keys, &gone).await, made(&keys, &kept).await);
    let copies: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .chain([(head.clone(), fs::read(&head).unwrap())])
        .collect();
    keys.shred(&TenantId::new("a").unwrap()).await.unwrap();
    drop(keys);
    let keys = Keys::open(settings()).await.unwrap();
    opens(&keys, &kept, &text).unwrap();
    assert!(matches!(opens(&keys, &gone, &lost), Err(Error::Shredded { .. })));
    drop(keys);
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    for (path, bytes) in &copies {
        fs::write(path, bytes).unwrap();
    }
    let refused = Keys::open(settings()).await;
    assert!(matches!(refused, Err(Error::Root(kms::Error::Destroyed(_)))), "{:?}", refused.err());
}
