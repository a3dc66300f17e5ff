//! A store of files in a scratch folder or bucket, with keys that the test holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bucket::{Credentials, Settings};
use cipher::stream::{Ranged, ReadAt, ciphertext_len};
use cipher::{Context, Material, stream};
use kernel::{
    Condition, FileFault, FileName, ManualClock, NewFile, Opened, Quota, Rng, Sealable,
    SealedSource, Sealer, Sealing, Seals, Secret, SystemRng, TenantFiles as _, TenantId, Written,
    random_hex,
};
use tempfile::TempDir;
use testkit::TestDb;

use crate::files::{FileSettings, FileShelf, Files};

/// How long is waited for what must come, however slow the machine is.
const PATIENCE: Duration = Duration::from_mins(2);
/// Room for every test that asks for none.
pub(super) const ROOM: Quota = Quota { bytes: 64 << 20, files: 1000 };

/// A store, and what it stands on.
pub(super) struct World {
    pub(super) files: Files,
    pub(super) keys: Arc<TestSeals>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) db: TestDb,
    pub(super) folder: TempDir,
}

pub(super) async fn world() -> World {
    with(ROOM).await
}

pub(super) async fn with(quota: Quota) -> World {
    let folder = tempfile::tempdir().unwrap();
    let shelf = FileShelf::folder(folder.path().join("files")).unwrap();
    over(shelf, folder, quota).await
}

/// In a bucket of S3, as moto plays it.
pub(super) async fn in_bucket() -> World {
    let moto = testkit::moto();
    let settings = Settings {
        url: format!("s3://{}/house/files", moto.bucket()),
        endpoint: Some(moto.endpoint()),
        region: Some("ap-southeast-3".to_owned()),
        credentials: Some(Credentials {
            access_key_id: "test".to_owned(),
            secret_access_key: Secret::new(random_hex(&SystemRng, 8).unwrap()),
            session_token: None,
        }),
    };
    over(FileShelf::bucket(&settings).unwrap(), tempfile::tempdir().unwrap(), ROOM).await
}

pub(super) async fn over(shelf: FileShelf, folder: TempDir, quota: Quota) -> World {
    let db = testkit::database(&[&crate::FLEET_ROOM, &crate::FILES_ROOM]).await;
    let keys = Arc::new(TestSeals::default());
    // Later than the files that the tests write, whose times are the system's.
    let clock = Arc::new(ManualClock::at("2090-01-01T00:00:00Z".parse().unwrap()));
    let files = Files::new(FileSettings {
        engine: db.engine.clone(),
        owner: db.owner.clone(),
        shelf,
        seals: Arc::<TestSeals>::clone(&keys),
        quota,
        clock: Arc::<ManualClock>::clone(&clock),
        rng: Arc::new(SystemRng),
    });
    // Nobody removes anything before the store is claimed; the first turn does that.
    let _ = files.sweep().await;
    World { files, keys, clock, db, folder }
}

pub(super) fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

pub(super) fn name(text: &str) -> FileName {
    FileName::new(text).unwrap()
}

/// Bytes that are long and differ.
pub(super) fn bytes(count: usize, seed: u8) -> Vec<u8> {
    let byte = |n: usize| u8::try_from(n % 251).unwrap().wrapping_mul(7).wrapping_add(seed);
    (0..count).map(byte).collect()
}

impl World {
    pub(super) async fn put(
        &self,
        who: &str,
        what: &str,
        content: &[u8],
    ) -> Result<Written, FileFault> {
        self.put_if(who, what, content, Condition::None).await
    }

    pub(super) async fn put_if(
        &self,
        who: &str,
        what: &str,
        content: &[u8],
        condition: Condition,
    ) -> Result<Written, FileFault> {
        let file = NewFile { content_type: "text/plain".to_owned(), bytes: None, condition };
        let mut writer = self.files.write(&tenant(who), &name(what), file).await?;
        for piece in content.chunks(700_001) {
            writer.push(piece).await?;
        }
        writer.finish().await
    }

    pub(super) async fn get(&self, who: &str, what: &str) -> Result<Vec<u8>, FileFault> {
        self.part(who, what, 0..u64::MAX).await
    }

    pub(super) async fn part(
        &self,
        who: &str,
        what: &str,
        range: std::ops::Range<u64>,
    ) -> Result<Vec<u8>, FileFault> {
        let mut reader = self.files.read(&tenant(who), &name(what)).await?;
        let mut read = Vec::new();
        loop {
            let at = range.start + read.len() as u64;
            let piece = reader.next(at..range.end).await?;
            if piece.is_empty() {
                return Ok(read);
            }
            read.extend_from_slice(&piece);
        }
    }

    /// Every object in the store's folder, apart from the one that says whose store it is.
    pub(super) fn objects(&self) -> Vec<PathBuf> {
        let (mut found, mut folders) = (Vec::new(), vec![self.root()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found.retain(|path| !path.ends_with("amanah-keeper"));
        found.sort();
        found
    }

    pub(super) fn root(&self) -> PathBuf {
        Path::new(self.folder.path()).join("files")
    }

    /// Runs a statement as the owner of the rows.
    pub(super) async fn sql(&self, sql: &str) {
        let tx = self.db.owner.operator().await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Waits until so many objects are left: what was given up goes behind our back.
    pub(super) async fn settle(&self, objects: usize) {
        let settled = async {
            while self.objects().len() != objects {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let done = tokio::time::timeout(PATIENCE, settled).await;
        assert!(done.is_ok(), "{objects} objects are wanted: {:?}", self.objects());
    }

    /// Waits until a count is what is wanted.
    pub(super) async fn until(&self, sql: &str, wanted: i64) {
        let reached = async {
            while self.count(sql).await != wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let done = tokio::time::timeout(PATIENCE, reached).await;
        assert!(done.is_ok(), "{wanted} is wanted of {sql}");
    }

    pub(super) async fn count(&self, sql: &str) -> i64 {
        let tx = self.db.owner.operator().await.unwrap();
        let row = tx.query_one(sql, &[]).await.unwrap();
        tx.rollback().await.unwrap();
        row.get(0)
    }
}

/// A key for each tenant, which can be destroyed.
#[derive(Default)]
pub(crate) struct TestSeals(Mutex<BTreeMap<TenantId, Option<Material>>>);

impl TestSeals {
    pub(crate) fn shred(&self, who: &TenantId) {
        self.0.lock().unwrap().insert(who.clone(), None);
    }

    fn material(&self, who: &TenantId) -> Result<Material, FileFault> {
        let mut all = self.0.lock().unwrap();
        let fresh = || Some(Material::generate(&SystemRng as &dyn Rng).unwrap());
        all.entry(who.clone()).or_insert_with(fresh).clone().ok_or(FileFault::Shredded)
    }
}

fn context(what: Sealable<'_>) -> Context {
    Context::of("test").with(what.tenant.as_str()).with(what.object)
}

impl Seals for TestSeals {
    fn seal<'a>(&'a self, what: Sealable<'a>) -> kernel::Fut<'a, Result<Sealing, FileFault>> {
        Box::pin(async move {
            let material = self.material(what.tenant)?;
            let sealer = stream::Sealer::new(&material, &context(what), &SystemRng).unwrap();
            Ok(Sealing { sealer: Box::new(TestSealer(sealer)), key: "first".to_owned() })
        })
    }

    fn open(
        &self,
        what: Sealable<'_>,
        _: &str,
        source: Box<dyn SealedSource>,
    ) -> Result<Box<dyn Opened>, FileFault> {
        let material = self.material(what.tenant)?;
        let ranged = Ranged::new(Reads(source), &material, &context(what));
        Ok(Box::new(TestOpened(ranged.map_err(|_| FileFault::Damaged)?)))
    }

    fn holds(&self, what: Sealable<'_>, _: &str) -> Result<(), FileFault> {
        self.material(what.tenant).map(|_| ())
    }

    fn renew(&self, what: Sealable<'_>, key: &str) -> Result<Option<String>, FileFault> {
        self.material(what.tenant)?;
        Ok((key == "first").then(|| "second".to_owned()))
    }

    fn sealed_bytes(&self, bytes: u64) -> Result<u64, FileFault> {
        Ok(ciphertext_len(bytes).unwrap())
    }
}

struct TestSealer(stream::Sealer);

impl Sealer for TestSealer {
    fn push(&mut self, text: &mut &[u8]) -> Result<Option<Vec<u8>>, FileFault> {
        Ok(self.0.push(text).unwrap().map(<[u8]>::to_vec))
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, FileFault> {
        Ok(self.0.finish().unwrap())
    }
}

struct Reads(Box<dyn SealedSource>);

impl ReadAt for Reads {
    fn size(&self) -> std::io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read_at(offset, buf)
    }
}

struct TestOpened(Ranged<Reads>);

impl Opened for TestOpened {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, FileFault> {
        self.0.read(offset, buf).map_err(|_| FileFault::Damaged)
    }
}
