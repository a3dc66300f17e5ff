//! The copy of a trail at a second place: what is in it, and what is found when it is not.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use jiff::SignedDuration;

use super::{GUARD, Log, Shop, UNGUARD, in_order, leaf, run};
use crate::controls::SealedLog;
use crate::offsite::{Checked, Offsite, PieceSeals, check, copy};
use crate::seal::Folder;
use crate::{EpochLeaf, ErasureLeaf, Leaf};
use kernel::SystemClock;

/// A key of its own.
pub(in crate::tests) struct Seals(RandomizedNonceKey);

impl Seals {
    pub(in crate::tests) fn new() -> Self {
        Self(RandomizedNonceKey::new(&AES_256_GCM, &[7; 32]).unwrap())
    }
}

impl PieceSeals for Seals {
    fn seal(&self, name: &str, text: &[u8]) -> Result<Vec<u8>, String> {
        let mut bytes = text.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut bytes);
        let nonce = nonce.map_err(|error| error.to_string())?;
        Ok([&nonce.as_ref()[..], &bytes].concat())
    }

    fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, String> {
        let (nonce, bytes) = sealed.split_first_chunk::<12>().ok_or("it is too short")?;
        let mut bytes = bytes.to_vec();
        let aad = Aad::from(name.as_bytes());
        let text = self.0.open_in_place(nonce.into(), aad, &mut bytes);
        Ok(text.map_err(|_| "it does not open")?.to_vec())
    }
}

/// A shop whose trail is copied.
struct Copies {
    shop: Shop,
    place: Offsite,
}

impl Copies {
    async fn new() -> Self {
        let shop = Shop::new().await;
        let shelf = Arc::new(Folder::new(shop.dir.path().join("copy")));
        Self { shop, place: Offsite { shelf, seals: Arc::new(Seals::new()), near: None } }
    }

    fn folder(&self) -> std::path::PathBuf {
        self.shop.dir.path().join("copy")
    }

    fn log(of: &Log) -> SealedLog {
        let keys = of.keys();
        SealedLog {
            shelf: of.shelf(),
            keys: Arc::new(move || Ok(keys.clone())),
            memory: None,
            accepted: None,
            clock: Arc::new(SystemClock),
        }
    }

    async fn copy(&self) -> crate::Result<crate::offsite::Copied> {
        copy(&Self::log(&self.shop.log), &self.shop.superuser, &self.place).await
    }

    /// What is found, some seconds after the log was signed last.
    async fn check(&self, seconds: i64) -> Checked {
        let now =
            self.shop.log.at - SignedDuration::from_secs(60) + SignedDuration::from_secs(seconds);
        check(&self.place, &self.shop.log.keys(), now, Duration::from_hours(24)).await.unwrap()
    }

    /// What is wrong when `damage` was done to the copy, which is put back then.
    async fn wrong(&self, damage: impl FnOnce(&Path)) -> Vec<(String, String)> {
        let aside = self.shop.dir.path().join("aside");
        super::copy(&self.folder(), &aside);
        damage(&self.folder());
        let checked = self.check(30).await;
        std::fs::remove_dir_all(self.folder()).unwrap();
        std::fs::rename(aside, self.folder()).unwrap();
        checked.wrong
    }
}

/// More rows than one file takes are copied, then those alone that came later; each opens, and what is
/// changed in the database afterwards does not reach the copy.
#[tokio::test]
async fn a_copy_grows_and_opens() {
    let mut copies = Copies::new().await;
    let first = copies.copy().await.unwrap();
    assert_eq!((first.entries, first.rows, first.unlike), (301, 300, 0));
    let more = format!(
        "{GUARD}; INSERT INTO product (company_id, name) SELECT -1, 'm' || n
                    FROM generate_series(1, 4000) n; {UNGUARD}"
    );
    run(&copies.shop.superuser, &more).await;
    let db = copies.shop.superuser.clone();
    copies.shop.log.seal(&db, 4_301).await;
    let ids = &copies.shop.ids;
    let edit = format!(
        "UPDATE audit.system_audit_logs SET new_data = '{{}}' WHERE id IN ({}, {})",
        ids[7],
        ids[299] + 5
    );
    run(&db, &edit).await;
    let second = copies.copy().await.unwrap();
    assert_eq!((second.entries, second.rows, second.unlike), (4_301, 3_999, 1));
    assert_eq!(copies.copy().await.unwrap().rows, 0, "once");
    let checked = copies.check(30).await;
    assert_eq!(checked.rows, 4_299, "the one that was edited before is not there");
    let [(part, what)] = &checked.wrong[..] else { panic!("{:?}", checked.wrong) };
    assert_eq!(part, "rows/000000000");
    assert!(
        what.starts_with(&format!(
            "1 sealed rows are not in it as they were sealed, row {}",
            ids[299] + 5
        )),
        "{what}"
    );
    let mut files: Vec<_> = std::fs::read_dir(copies.folder().join("rows"))
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    files.sort();
    assert_eq!(files, ["000000000", "000000001", "000000002.p"]);
    assert_eq!(std::fs::read_dir(copies.folder().join("rows/000000002.p")).unwrap().count(), 1);
    let late = copies.check(90_000).await;
    assert!(
        late.wrong.iter().any(|(_, what)| what.contains("stale-checkpoint")),
        "{:?}",
        late.wrong
    );
}

/// Whatever is taken from a copy or changed in it is said, with the part.
#[tokio::test]
async fn what_is_wrong_with_a_copy_is_named() {
    let copies = Copies::new().await;
    copies.copy().await.unwrap();
    assert_eq!(copies.check(30).await.wrong, []);
    let part = "rows/000000000.p/301";
    let gone = copies.wrong(|copy| std::fs::remove_file(copy.join(part)).unwrap()).await;
    assert_eq!(gone, [(part.to_owned(), "it is not there".to_owned())]);
    let flipped = copies.wrong(|copy| super::tampering::flip(&copy.join(part), 60)).await;
    assert!(flipped[0].1.contains("does not open"), "{flipped:?}");
    let short = copies.wrong(|copy| std::fs::write(copy.join(part), b"").unwrap()).await;
    assert!(short[0].1.contains("too short"), "{short:?}");
    let cut =
        copies.wrong(|copy| std::fs::remove_dir_all(copy.join("tile/entries")).unwrap()).await;
    assert!(cut.iter().any(|(_, what)| what.contains("cut-log")), "{cut:?}");
    let none = copies.wrong(|copy| std::fs::remove_file(copy.join("checkpoint")).unwrap()).await;
    assert!(none[0].1.contains("missing-checkpoint"), "{none:?}");
    // The next copy mends what is lost of the unfinished part.
    std::fs::remove_file(copies.folder().join(part)).unwrap();
    let mut copies = copies;
    run(
        &copies.shop.superuser,
        &format!("{GUARD}; INSERT INTO product (company_id, name) VALUES (-1, 'x'); {UNGUARD}"),
    )
    .await;
    let db = copies.shop.superuser.clone();
    copies.shop.log.seal(&db, 302).await;
    assert_eq!(copies.copy().await.unwrap().rows, 301);
    assert_eq!(copies.check(30).await.wrong, []);
}

/// A log that is another one than was copied does not replace the copy.
#[tokio::test]
async fn another_history_is_not_copied_over() {
    let copies = Copies::new().await;
    copies.copy().await.unwrap();
    let before = std::fs::read(copies.folder().join("checkpoint")).unwrap();
    let rows = in_order(&copies.shop.superuser).await;
    let epoch = Leaf::Epoch(EpochLeaf { why: "another".to_owned(), ..copies.shop.epoch.clone() });
    let all: Vec<Leaf> =
        std::iter::once(epoch).chain(rows.iter().map(|row| leaf(row, 1))).collect();
    let mut other = Log::new(&copies.shop.dir.path().join("other"), 1);
    let mut refused = Vec::new();
    for leaves in [&all[..200], &all[..], &[&all[..], &all[250..251]].concat()] {
        other = Log::new(&copies.shop.dir.path().join(format!("other{}", refused.len())), 1);
        other.add(leaves).await;
        let error = copy(&Copies::log(&other), &copies.shop.superuser, &copies.place).await;
        refused.push(error.unwrap_err().to_string());
        assert_eq!(std::fs::read(copies.folder().join("checkpoint")).unwrap(), before);
    }
    assert!(refused[0].contains("fewer entries than its copy"), "{refused:?}");
    assert!(
        refused[1..].iter().all(|why| why.contains("another one than was copied")),
        "{refused:?}"
    );
    let stranger = Log::new(&copies.shop.dir.path().join("stranger"), 2);
    let log = SealedLog { shelf: other.shelf(), ..Copies::log(&stranger) };
    assert!(copy(&log, &copies.shop.superuser, &copies.place).await.is_err());
    assert_eq!(copies.check(30).await.wrong, []);
}

/// What was erased goes out of the copy too, and the row still fits its entry.
#[tokio::test]
async fn an_erasure_reaches_the_copy() {
    let mut copies = Copies::new().await;
    copies.copy().await.unwrap();
    let erasure = ErasureLeaf { index: 10, at_micros: 0, request: "ticket 1".to_owned() };
    copies.shop.log.add(&[Leaf::Erasure(erasure)]).await;
    let second = copies.copy().await.unwrap();
    assert_eq!((second.rows, second.erased), (0, 1));
    let checked = copies.check(30).await;
    assert_eq!((checked.rows, checked.erased), (300, 1));
    assert_eq!(checked.wrong, []);
}

/// Rows that a tenant has made large: they are copied into several files, each of which opens, and the
/// part goes on, is erased from and is checked as any other.
#[tokio::test]
async fn large_rows_are_cut_into_files_that_open() {
    let mut copies = Copies::new().await;
    let db = copies.shop.superuser.clone();
    let large = format!(
        "{GUARD}; ALTER TABLE product ALTER COLUMN name TYPE text;
         INSERT INTO product (company_id, name)
         SELECT -1, repeat('x', 12000000) FROM generate_series(1, 4); {UNGUARD}"
    );
    run(&db, &large).await;
    copies.shop.log.seal(&db, 305).await;
    let first = copies.copy().await.unwrap();
    assert_eq!((first.entries, first.rows, first.unlike), (305, 304, 0));
    let part = copies.folder().join("rows/000000000.p");
    let files = |part: &str| {
        let mut sizes = vec![std::fs::metadata(copies.folder().join(part)).unwrap().len()];
        let more = std::fs::read_dir(copies.folder().join(format!("{part}.more"))).unwrap();
        sizes.extend(more.map(|file| file.unwrap().metadata().unwrap().len()));
        sizes
    };
    let sizes = files("rows/000000000.p/305");
    assert_eq!(sizes.len(), 2, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size < 33 << 20), "{sizes:?}");
    let checked = copies.check(30).await;
    assert_eq!((checked.rows, &checked.wrong[..]), (304, &[][..]));
    // One of them is lost, and made anew with the next copy.
    let second = part.join("305.more/1");
    let gone = copies.wrong(|copy| {
        std::fs::remove_file(copy.join("rows/000000000.p/305.more/1")).unwrap();
    });
    let gone = gone.await;
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert!(gone[0].1.ends_with("305.more/1: it is not there"), "{gone:?}");
    std::fs::remove_file(second).unwrap();
    let erasure = ErasureLeaf { index: 303, at_micros: 0, request: "ticket 1".to_owned() };
    copies.shop.log.add(&[Leaf::Erasure(erasure)]).await;
    let second = copies.copy().await.unwrap();
    assert_eq!((second.rows, second.erased, second.unlike), (304, 1, 0));
    assert!(!part.join("305").exists() && !part.join("305.more").exists());
    let checked = copies.check(30).await;
    assert_eq!((checked.rows, checked.erased, &checked.wrong[..]), (304, 1, &[][..]));
}
