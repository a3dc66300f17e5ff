//! Both kinds of shelf behave alike: one story, told over a folder and over a real bucket.

use std::sync::Arc;

use bucket::{Credentials, Settings};
use kernel::{Secret, SystemRng, random_hex};

use crate::Error;
use crate::seal::{Bucket, Folder, Shelf};

/// What every shelf must do. `again` is another writer of the same place.
async fn story(shelf: &dyn Shelf, again: &dyn Shelf) {
    assert_eq!(shelf.read("checkpoint", 10).await.unwrap(), None);
    assert_eq!(shelf.checkpoint().await.unwrap(), None);
    let _hold = shelf.lock().await.unwrap();
    let files = ["tile/0/000", "tile/0/x001/000", "tile/entries/000.p/7", "tile/entries/000.p/8"];
    let put = files.map(|path| (path.to_owned(), path.as_bytes().to_vec()));
    shelf.put(put.to_vec()).await.unwrap();
    for path in files {
        assert_eq!(again.read(path, 100).await.unwrap().unwrap(), path.as_bytes());
        let error = again.read(path, 3).await.unwrap_err().to_string();
        assert!(error.contains("longer than it can be"), "{error}");
    }
    shelf.put(vec![("tile/0/000".to_owned(), b"other".to_vec())]).await.unwrap();
    assert_eq!(again.read("tile/0/000", 100).await.unwrap().unwrap(), b"other");
    assert_eq!(again.read("tile/0/001", 100).await.unwrap(), None);
    assert_eq!(again.read("tile/0/000/1", 100).await.unwrap(), None);
    // Made once, whoever comes first.
    assert!(shelf.create("stage/0", b"mine".to_vec()).await.unwrap());
    assert!(!again.create("stage/0", b"other".to_vec()).await.unwrap());
    assert_eq!(again.read("stage/0", 100).await.unwrap().unwrap(), b"mine");
    for path in ["stage/0", "stage/0", "tile/entries/000.p"] {
        shelf.remove(path).await.unwrap();
    }
    assert_eq!(again.read("stage/0", 100).await.unwrap(), None);
    assert_eq!(again.read("tile/entries/000.p/8", 100).await.unwrap(), None);
    assert!(again.read("tile/0/x001/000", 100).await.unwrap().is_some());
    checkpoints(shelf, again).await;
    for odd in ["", "/etc/passwd", "../up", "a//b", "a/../b", ".lock", "a/./b", "A", "a\0"] {
        assert!(shelf.read(odd, 10).await.is_err(), "{odd:?}");
        assert!(shelf.create(odd, Vec::new()).await.is_err(), "{odd:?}");
        assert!(shelf.put(vec![(odd.to_owned(), Vec::new())]).await.is_err(), "{odd:?}");
        assert!(shelf.remove(odd).await.is_err(), "{odd:?}");
    }
}

/// A checkpoint is replaced by who has seen it, and by nobody else.
async fn checkpoints(shelf: &dyn Shelf, again: &dyn Shelf) {
    let first = shelf.replace_checkpoint(None, "one").await.unwrap();
    let late = again.replace_checkpoint(None, "late").await.unwrap_err();
    assert!(matches!(late, Error::Overtaken { .. }), "{late}");
    let seen = again.checkpoint().await.unwrap().unwrap();
    assert_eq!((seen.note.as_str(), &seen), ("one", &first));
    let second = shelf.replace_checkpoint(Some(&first), "two").await.unwrap();
    let late = again.replace_checkpoint(Some(&seen), "late").await.unwrap_err();
    assert!(matches!(late, Error::Overtaken { .. }), "{late}");
    assert_eq!(again.checkpoint().await.unwrap().unwrap(), second);
    let third = again.replace_checkpoint(Some(&second), "three").await.unwrap();
    assert_eq!(shelf.checkpoint().await.unwrap().unwrap(), third);
}

#[tokio::test]
async fn a_folder_keeps_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("trail/shop");
    let (one, other) = (Folder::new(&root), Folder::new(&root));
    story(&one, &other).await;
    let left = std::fs::read_dir(root.join(".unfinished")).unwrap().count();
    assert_eq!(left, 0);
}

/// The second writer is told who holds the lock, and what a dead one left goes with the next.
#[tokio::test]
async fn a_folder_has_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (Folder::new(dir.path()), Folder::new(dir.path()));
    let hold = one.lock().await.unwrap();
    let Err(error) = other.lock().await else { panic!("two writers") };
    let own = format!("process {} of this machine", std::process::id());
    assert!(error.to_string().contains(&own), "{error}");
    drop(hold);
    let dead = dir.path().join(".unfinished/1-1");
    std::fs::create_dir(dead.parent().unwrap()).unwrap();
    std::fs::write(&dead, "half").unwrap();
    let _hold = other.lock().await.unwrap();
    assert!(!dead.exists());
}

/// What is no plain file is not waited for.
#[tokio::test]
async fn a_pipe_or_a_link_is_no_file_of_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(dir.path());
    let made = std::process::Command::new("mkfifo").arg(dir.path().join("checkpoint")).status();
    assert!(made.unwrap().success());
    std::os::unix::fs::symlink("/etc/hostname", dir.path().join("stage")).unwrap();
    for path in ["checkpoint", "stage"] {
        let error = folder.read(path, 100).await.unwrap_err().to_string();
        assert!(error.contains("is no plain file"), "{error}");
    }
    assert!(folder.checkpoint().await.is_err());
    std::fs::remove_file(dir.path().join("checkpoint")).unwrap();
    std::fs::write(dir.path().join("checkpoint"), [0xFF]).unwrap();
    assert!(folder.checkpoint().await.unwrap_err().to_string().contains("no text"));
}

/// Who may write in the folder of a copy puts links where files of ours are emptied, written, made and
/// removed: nothing of it reaches beyond the folder.
#[tokio::test]
async fn a_link_in_a_foreign_folder_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let (base, secrets, lock) =
        (dir.path().join("mounted"), dir.path().join("secrets"), dir.path().join("data/shop.lock"));
    std::fs::create_dir(&secrets).unwrap();
    let victim = secrets.join("ring");
    let copy = Folder::foreign(&base, "shop", &lock);
    let file = |path: &str| vec![(path.to_owned(), b"copied".to_vec())];
    // A store in place of the copy's folder, of a folder in it, of the lock and of what has no name yet.
    for (at, to) in [
        ("shop", &secrets),
        ("shop/rows", &secrets),
        ("shop/tile/0", &secrets),
        ("shop/.unfinished", &secrets),
        ("shop/.lock", &victim),
        ("shop/rows/ring", &victim),
    ] {
        std::fs::write(&victim, "the key").unwrap();
        let at = base.join(at);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(to, &at).unwrap();
        let hold = copy.lock().await;
        for path in ["rows/ring", "tile/0/ring", "ring"] {
            let _ = copy.put(file(path)).await;
            let _ = copy.create(path, b"made".to_vec()).await;
            let read = copy.read(path, 100).await;
            assert!(!read.is_ok_and(|read| read.is_some_and(|read| read == b"the key")), "{at:?}");
            let _ = copy.remove(path).await;
        }
        let _ = copy.remove("rows").await;
        let _ = copy.replace_checkpoint(None, "note").await;
        drop(hold);
        let names: Vec<_> =
            std::fs::read_dir(&secrets).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(names, ["ring"], "{at:?}");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "the key", "{at:?}");
        std::fs::remove_dir_all(&base).unwrap();
    }
    // What is a link is said, and a file with two names is no lock.
    std::fs::create_dir_all(base.join("shop")).unwrap();
    std::os::unix::fs::symlink(&secrets, base.join("shop/rows")).unwrap();
    let told = copy.put(file("rows/ring")).await.unwrap_err().to_string();
    assert!(told.contains("rows is a link: it was not followed"), "{told}");
    let told = copy.read("rows/ring", 100).await.unwrap_err().to_string();
    assert!(told.contains("rows is a link"), "{told}");
    let own = Folder::new(base.join("shop"));
    std::os::unix::fs::symlink(&victim, base.join("shop/.lock")).unwrap();
    let told = own.lock().await.err().unwrap().to_string();
    assert!(told.contains(".lock is a link"), "{told}");
    std::fs::remove_file(base.join("shop/.lock")).unwrap();
    std::fs::hard_link(&victim, base.join("shop/.lock")).unwrap();
    let told = own.lock().await.err().unwrap().to_string();
    assert!(told.contains("has two names"), "{told}");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "the key");
    assert!(copy.lock().await.is_ok(), "its lock lies elsewhere");
    assert!(std::fs::read_to_string(&lock).unwrap().contains("of this machine"));
}

#[tokio::test]
async fn a_bucket_keeps_a_log() {
    let settings = settings();
    let open = |within| Arc::new(Bucket::new(&settings, within).unwrap());
    story(&*open("shop"), &*open("shop")).await;
    // Another log in the same bucket is another log.
    assert_eq!(open("other").checkpoint().await.unwrap(), None);
}

/// A bucket of its own.
pub(super) fn settings() -> Settings {
    let moto = testkit::moto();
    Settings {
        url: format!("s3://{}/logs", moto.bucket()),
        endpoint: Some(moto.endpoint()),
        region: Some("us-east-1".to_owned()),
        credentials: Some(Credentials {
            access_key_id: "test".to_owned(),
            secret_access_key: Secret::new(random_hex(&SystemRng, 8).unwrap()),
            session_token: None,
        }),
    }
}
