//! The fault table: whatever write of a sealer fails, before it, after it or in the middle of it, the
//! next one leaves the log that there would have been.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kernel::Fut;

use super::{Bench, seal};
use crate::seal::{Hold, Sealer, SealerSettings, Shelf, Stored};
use crate::{Error, Leaf, Result};

/// How a write ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It was not made, as on a full disk.
    Before,
    /// Half of it was made.
    Half,
    /// It was made, and nobody learned of it.
    After,
}

/// A shelf of which one write fails.
struct Faulty {
    inner: Arc<dyn Shelf>,
    fault: Fault,
    /// How many writes are left before it.
    left: AtomicUsize,
    /// Which one it was.
    hit: Mutex<String>,
}

impl Faulty {
    fn over(inner: &Arc<dyn Shelf>, fault: Fault, write: usize) -> Arc<Self> {
        let (inner, left, hit) = (Arc::clone(inner), AtomicUsize::new(write), Mutex::default());
        Arc::new(Self { inner, fault, left, hit })
    }

    async fn through<T: Send>(&self, name: &str, write: Fut<'_, Result<T>>) -> Result<T> {
        let is_due = self.left.fetch_sub(1, Ordering::SeqCst) == 1;
        if is_due {
            name.clone_into(&mut self.hit.lock().unwrap());
        }
        match (is_due, self.fault) {
            (true, Fault::Before | Fault::Half) => Err(full()),
            (true, Fault::After) => write.await.and_then(|_| Err(full())),
            (false, _) => write.await,
        }
    }
}

fn full() -> Error {
    Error::Shelf { place: "here".to_owned(), why: "No space left on device".to_owned() }
}

impl Shelf for Faulty {
    fn place(&self) -> String {
        self.inner.place()
    }

    fn read<'a>(&'a self, path: &'a str, limit: usize) -> Fut<'a, Result<Option<Vec<u8>>>> {
        self.inner.read(path, limit)
    }

    fn put(&self, mut files: Vec<(String, Vec<u8>)>) -> Fut<'_, Result<()>> {
        Box::pin(async move {
            if self.fault == Fault::Half && self.left.load(Ordering::SeqCst) == 1 {
                files.truncate(files.len() / 2);
                self.inner.put(files.clone()).await?;
            }
            self.through("put tiles", self.inner.put(files)).await
        })
    }

    fn create<'a>(&'a self, path: &'a str, bytes: Vec<u8>) -> Fut<'a, Result<bool>> {
        Box::pin(async move {
            self.through(&format!("create {path}"), self.inner.create(path, bytes)).await
        })
    }

    fn remove<'a>(&'a self, path: &'a str) -> Fut<'a, Result<()>> {
        Box::pin(
            async move { self.through(&format!("remove {path}"), self.inner.remove(path)).await },
        )
    }

    fn checkpoint(&self) -> Fut<'_, Result<Option<Stored>>> {
        self.inner.checkpoint()
    }

    fn replace_checkpoint<'a>(
        &'a self,
        before: Option<&'a Stored>,
        note: &'a str,
    ) -> Fut<'a, Result<Stored>> {
        Box::pin(self.through("replace checkpoint", self.inner.replace_checkpoint(before, note)))
    }

    fn lock(&self) -> Fut<'_, Result<Box<dyn Hold>>> {
        self.inner.lock()
    }
}

/// Seals until there is nothing to do or a write fails.
async fn try_seal(settings: SealerSettings) -> Result<()> {
    let mut sealer = Sealer::open(settings).await?.in_steps_of(200);
    loop {
        let (next, round) = sealer.round().await?;
        sealer = next;
        if !round.more {
            return Ok(());
        }
    }
}

/// Every write of a story fails in every way. The story grows over the end of a tile, so it has every
/// kind of write that there is.
#[tokio::test]
async fn whatever_write_fails_the_log_is_the_same() {
    let bench = Bench::new().await;
    let names: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bench.write(&names[..250]).await;
    bench.write(&names[250..]).await;
    let mut table = Vec::new();
    let mut wanted: Option<Vec<Leaf>> = None;
    for fault in [Fault::Before, Fault::Half, Fault::After] {
        for write in 1.. {
            let inner = bench.shelf_at(&format!("{fault:?}-{write}"));
            let faulty = Faulty::over(&inner, fault, write);
            let shelf: Arc<dyn Shelf> = Arc::<Faulty>::clone(&faulty);
            let died = try_seal(bench.over(shelf)).await;
            let seen = inner.checkpoint().await.unwrap();
            let after = bench.over(Arc::clone(&inner));
            if let Some(seen) = &seen {
                // What was seen is a beginning of what there is in the end.
                bench.is_whole(&inner, seen).await;
            }
            seal(after).await;
            let end = inner.checkpoint().await.unwrap().unwrap();
            let leaves = bench.is_whole(&inner, &end).await;
            assert_eq!(*wanted.get_or_insert_with(|| leaves.clone()), leaves, "{fault:?} {write}");
            assert_eq!(leaves.len(), 301);
            assert_eq!(inner.read("stage/0", 1 << 20).await.unwrap(), None);
            let size = seen.map(|stored| stored.note.lines().nth(1).unwrap().to_owned());
            let (size, hit) = (size.as_deref().unwrap_or("-"), faulty.hit.lock().unwrap().clone());
            match died {
                Ok(()) => break,
                Err(error) => assert!(error.to_string().contains("No space"), "{error}"),
            }
            let fault = format!("{fault:?}").to_lowercase();
            table.push(format!("{fault:<6}  {hit:<28}  {size:>4}  then {}", leaves.len()));
        }
    }
    let head = "fault   write                         seen  and after the restart";
    insta::assert_snapshot!(format!("{head}\n{}", table.join("\n")));
}

/// A step that nobody has signed is not taken, wherever it came from.
#[tokio::test]
async fn a_planted_step_is_refused() {
    let bench = Bench::new().await;
    bench.write(&["a"]).await;
    bench.seal().await;
    let size = bench.head().await.size;
    let path = format!("stage/{size}");
    let inner = Arc::clone(&bench.shelf);
    for planted in [Vec::new(), b"amanah/stage/v1\n".to_vec(), vec![0xFF; 100]] {
        inner.put(vec![(path.clone(), planted)]).await.unwrap();
        let Err(error) = Sealer::open(bench.settings.clone()).await else { panic!("taken") };
        assert!(error.to_string().contains("is no step that was begun here"), "{error}");
    }
    // One of our own, with another entry in it.
    bench.write(&["b"]).await;
    inner.remove("stage").await.unwrap();
    // The third write is that of the tiles.
    let faulty = Faulty::over(&inner, Fault::Before, 3);
    assert!(try_seal(bench.over(faulty)).await.is_err());
    let good = inner.read(&path, 1 << 20).await.unwrap().unwrap();
    for at in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        inner.put(vec![(path.clone(), bad)]).await.unwrap();
        assert!(Sealer::open(bench.settings.clone()).await.is_err(), "{at}");
    }
    inner.put(vec![(path, good)]).await.unwrap();
    bench.seal().await;
    assert_eq!(bench.agrees().await, 2);
}
