//! The file itself: what is refused, what is left alone, what is gone. How the root behaves is
//! shown by the conformance suite.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cipher::{Context, Material};
use kernel::{Fut, Secret, SystemClock, SystemRng};

use super::FileRoot;
use crate::conformance::Bench;
use crate::{Error, FileSetting, Result, Root, Setting};

fn secret(text: &str) -> Secret {
    Secret::new(format!("{text}, long enough"))
}

async fn open(path: &Path, text: &str) -> Result<FileRoot> {
    FileRoot::open(path, &secret(text), Arc::new(SystemClock), Arc::new(SystemRng)).await
}

async fn create(path: &Path, text: &str) -> Result<FileRoot> {
    FileRoot::create(path, &secret(text), Arc::new(SystemClock), Arc::new(SystemRng)).await
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys/root");
    (dir, path)
}

/// One clear line that names the variable, and the file byte for byte as it was.
#[tokio::test]
async fn a_wrong_secret_is_told_and_changes_nothing() {
    let (_dir, path) = folder();
    create(&path, "right").await.unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = open(&path, "wrong").await.err().unwrap();
    assert!(matches!(error, Error::Denied { .. }), "{error}");
    let line = error.to_string();
    assert!(line.contains("AMANAH_ROOT_SECRET") && !line.contains('\n'), "{line}");
    assert!(!line.contains("wrong, long"), "{line}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    open(&path, "right").await.unwrap();
}

/// An empty secret and a short one are settings to correct, not keys to derive.
#[tokio::test]
async fn empty_and_short_secrets_are_refused() {
    let (_dir, path) = folder();
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
    for text in ["", "short"] {
        let secret = Secret::new(text.to_owned());
        let made = FileRoot::create(&path, &secret, clock.clone(), rng.clone()).await;
        assert!(matches!(made.err(), Some(Error::Settings(_))));
        assert!(!path.exists());
    }
    create(&path, "right").await.unwrap();
    let opened = FileRoot::open(&path, &Secret::new(String::new()), clock, rng).await;
    assert!(matches!(opened.err(), Some(Error::Settings(_))));
}

/// A missing file is told as missing, and is not made up for; an existing one is not replaced.
#[tokio::test]
async fn none_is_made_where_one_should_be_and_none_is_replaced() {
    let (_dir, path) = folder();
    assert!(matches!(open(&path, "right").await.err(), Some(Error::Missing { .. })));
    assert!(!path.exists());
    create(&path, "right").await.unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(create(&path, "other").await.err(), Some(Error::Settings(_))));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Cut off anywhere, filled with rubbish, or with one character changed: refused, left as it is.
#[tokio::test]
async fn a_damaged_file_is_refused_and_left_alone() {
    let (_dir, path) = folder();
    let root = create(&path, "right").await.unwrap();
    let good = std::fs::read(&path).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let mut bad: Vec<Vec<u8>> =
        [0, 1, good.len() / 2, good.len() - 3].map(|end| good[..end].to_vec()).into();
    bad.push(vec![0xff; 4096]);
    bad.push(vec![b'['; 100_000]);
    bad.push(vec![b' '; (1 << 20) + 1]);
    bad.push(text.replace("\"enabled\"", "\"disabled\"").into());
    bad.push(text.replace("\"newest\": 1", "\"newest\": 2").into());
    bad.push(text.replace("\"memory_kib\": 19456", "\"memory_kib\": 4294967295").into());
    bad.push(text.replace("\"memory_kib\": 19456", "\"memory_kib\": 8").into());
    bad.push(text.replace("amanah-root/1", "amanah-root/2").into());
    for bytes in bad {
        assert_ne!(bytes, good);
        std::fs::write(&path, &bytes).unwrap();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned();
        let error = open(&path, "right").await.err().unwrap();
        assert!(matches!(error, Error::Damaged { .. }), "{error}: {shown}");
        assert!(root.roll().await.is_err(), "{shown}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

/// A root that is open while the file is taken away and put back fails closed, then goes on.
#[tokio::test]
async fn it_goes_on_when_the_file_comes_back() {
    let (_dir, path) = folder();
    let root = create(&path, "right").await.unwrap();
    let (key, context) = (Material::new([7; 32]), Context::of("test"));
    let wrapped = root.wrap(&key, &context).await.unwrap();
    let away = path.with_extension("away");
    std::fs::rename(&path, &away).unwrap();
    assert!(matches!(root.wrap(&key, &context).await, Err(Error::Missing { .. })));
    assert!(matches!(root.roll().await, Err(Error::Missing { .. })));
    assert!(!path.exists());
    std::fs::rename(&away, &path).unwrap();
    assert_eq!(root.unwrap(&wrapped, &context).await.unwrap().expose(), key.expose());
}

/// The sealed bytes of a destroyed generation are nowhere in the folder any more, nor in the blocks
/// of any file that was replaced since it was made: each is read through a handle from before.
#[tokio::test]
async fn a_destroyed_generation_is_gone_from_the_disk() {
    let (_dir, path) = folder();
    let root = create(&path, "right").await.unwrap();
    let first = root.current().await.unwrap();
    let sealed = sealed(&path);
    let mut replaced = vec![File::open(&path).unwrap()];
    root.roll().await.unwrap();
    replaced.push(File::open(&path).unwrap());
    root.disable(&first).await.unwrap();
    replaced.push(File::open(&path).unwrap());
    root.destroy(&first).await.unwrap();
    for (number, mut file) in replaced.into_iter().enumerate() {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0), "file {number}");
    }
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = entry.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        assert!(!text.contains(&sealed), "{}", file.display());
    }
}

/// A backup may share the file's blocks through a link: it stays whole until a key is destroyed
/// that it holds.
#[tokio::test]
async fn a_linked_copy_stays_until_its_key_is_destroyed() {
    let (_dir, path) = folder();
    let root = create(&path, "right").await.unwrap();
    let first = root.current().await.unwrap();
    let sealed = sealed(&path);
    let (before, after) = (path.with_extension("before"), path.with_extension("after"));
    std::fs::hard_link(&path, &before).unwrap();
    root.roll().await.unwrap();
    let holds = |copy: &Path| std::fs::read_to_string(copy).unwrap().contains(&sealed);
    assert!(holds(&before), "nothing was destroyed");
    std::fs::hard_link(&path, &after).unwrap();
    root.destroy(&first).await.unwrap();
    assert!(!holds(&after));
}

/// The first generation's key, as the file at `path` holds it.
fn sealed(path: &Path) -> String {
    let value: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    value["generations"][0]["key"].as_str().unwrap().to_owned()
}

/// After `reseal` the new secret opens, the old one does not, and what was wrapped stays open;
/// another process with the old secret is told, and writes nothing.
#[tokio::test]
async fn the_secret_can_be_changed() {
    let (_dir, path) = folder();
    let root = create(&path, "old").await.unwrap();
    let other = open(&path, "old").await.unwrap();
    let context = Context::of("test");
    let wrapped = root.wrap(&Material::new([7; 32]), &context).await.unwrap();
    root.roll().await.unwrap();
    root.reseal(&secret("new")).await.unwrap();
    assert!(matches!(open(&path, "old").await.err(), Some(Error::Denied { .. })));
    assert!(matches!(other.roll().await, Err(Error::Denied { .. })));
    let fresh = open(&path, "new").await.unwrap();
    for root in [&root, &fresh] {
        assert_eq!(root.unwrap(&wrapped, &context).await.unwrap().expose(), &[7; 32]);
    }
}

/// Twenty rolls by four handles at once: none is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_do_not_lose_each_others_changes() {
    let (_dir, path) = folder();
    create(&path, "right").await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let root = open(&path, "right").await.unwrap();
        tasks.push(tokio::spawn(async move {
            let mut made = Vec::new();
            for _ in 0..5 {
                made.push(root.roll().await.unwrap());
            }
            made
        }));
    }
    let mut all = std::collections::BTreeSet::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    assert_eq!(all.len(), 20);
    let root = open(&path, "right").await.unwrap();
    let number = root.current().await.unwrap().0;
    assert!(number.ends_with("-21"), "{number}");
}

/// A root's file in a folder, for the conformance suite.
pub(crate) struct FileBench {
    dir: tempfile::TempDir,
}

impl FileBench {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn setting(&self, name: &str) -> Setting {
        let path = self.dir.path().join(name);
        Setting::File(FileSetting { path, secret: secret("right") })
    }
}

impl Bench for FileBench {
    fn open(&self, create: bool) -> Fut<'_, Result<Arc<dyn Root>>> {
        let setting = self.setting("root");
        Box::pin(
            async move { setting.open(create, Arc::new(SystemClock), Arc::new(SystemRng)).await },
        )
    }

    fn other(&self) -> Fut<'_, Arc<dyn Root>> {
        let setting = self.setting("other");
        Box::pin(async move {
            setting.open(true, Arc::new(SystemClock), Arc::new(SystemRng)).await.unwrap()
        })
    }

    fn stranger(&self, create: bool) -> Fut<'_, Result<Arc<dyn Root>>> {
        let setting = self.setting("stranger");
        Box::pin(
            async move { setting.open(create, Arc::new(SystemClock), Arc::new(SystemRng)).await },
        )
    }

    /// The disk that holds it is not there.
    fn cut(&self, cut: bool) {
        let (here, away) = (self.dir.path().join("root"), self.dir.path().join("away"));
        let (from, to) = if cut { (here, away) } else { (away, here) };
        std::fs::rename(from, to).unwrap();
    }
}
