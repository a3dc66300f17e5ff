//! A root in a file, sealed by a secret that is not on the disk.
//!
//! The file holds random keys, each sealed (XAES-256-GCM) by the key that Argon2id makes of the
//! secret in the environment. It stops who has the disk, a backup of it or a copy of the folder,
//! and not the secret. It does not stop who has both, nor who reads the memory of the process.
//!
//! Destruction takes a generation's key out of the file. That is final for everything but an
//! older copy of this very file together with the secret: a backup of it, or a file system that
//! keeps old blocks. Where that is not good enough, the root belongs in a KMS or a token.

pub(crate) mod book;
mod disk;
#[cfg(test)]
pub(crate) mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cipher::{Context, Material, field::FieldKey};
use kernel::{Clock, Fut, Rng, Secret};

use self::book::{Book, Verdict};
use self::disk::{Disk, Lock};
use crate::{Destruction, Error, Generation, Host, Place, Result, Root, Wrapped, blocking};

/// A root in a file. See the [module](self).
pub struct FileRoot {
    disk: Disk,
    // What the secret gives; another one after `reseal`.
    key: Mutex<Arc<FieldKey>>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl FileRoot {
    /// Opens the file at `path` with the `secret` that sealed it.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none, [`Error::Denied`] for another secret,
    /// [`Error::Damaged`] for a file that was cut off or changed. The file stays as it is.
    pub async fn open(
        path: &Path,
        secret: &Secret,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self> {
        if secret.expose().is_empty() {
            return Err(Error::Settings("AMANAH_ROOT_SECRET is empty".to_owned()));
        }
        let disk = Disk::at(path);
        if !disk.exists()? {
            return Err(Error::Missing { place: disk.place() });
        }
        let lock = disk.lock().await?;
        let (file, secret) = (disk.clone(), secret.clone());
        let key = blocking(move || {
            let book = read(&file, &lock)?;
            let key = book.key(&secret).map_err(|why| file.damaged(&why))?;
            check(&file, &book, &key)?;
            Ok(key)
        });
        let key = Mutex::new(Arc::new(key.await?));
        Ok(Self { disk, key, clock, rng })
    }

    /// Makes a root with its first generation at `path`, and the folder around it.
    ///
    /// # Errors
    /// [`Error::Settings`] for a secret of fewer than 16 bytes and when there is a file already,
    /// which stays as it is.
    pub async fn create(
        path: &Path,
        secret: &Secret,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self> {
        let disk = Disk::at(path);
        disk.prepare()?;
        let lock = disk.lock().await?;
        let (file, secret, now, random) = (disk.clone(), secret.clone(), clock.now(), rng.clone());
        let key = blocking(move || {
            if file.exists()? {
                let there = format!("there is a root at {} already", file.place());
                return Err(Error::Settings(there));
            }
            let (book, key) = Book::new(&secret, now, random.as_ref())?;
            file.replace(&lock, &book.to_bytes(&key, random.as_ref())?, false)?;
            Ok(key)
        });
        let key = Mutex::new(Arc::new(key.await?));
        Ok(Self { disk, key, clock, rng })
    }

    /// Seals the same keys with another secret. Who still has the old one opens nothing with it
    /// any more; other processes must be started again with the new one.
    ///
    /// # Errors
    /// [`Error::Settings`] for a secret of fewer than 16 bytes.
    pub async fn reseal(&self, secret: &Secret) -> Result<()> {
        let secret = secret.clone();
        let fresh = self.with(move |turn| {
            let (book, fresh) = turn.book.reseal(&turn.key, &secret, turn.rng.as_ref())?;
            turn.book = book;
            turn.key = Arc::new(fresh);
            Ok(turn.key.clone())
        });
        let fresh = fresh.await?;
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Reads the file, lets `act` look at it or change it, and writes it when it was changed; no
    /// other process comes in between.
    async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Turn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let lock = self.disk.lock().await?;
        let disk = self.disk.clone();
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let rng = self.rng.clone();
        // The lock goes along, so that it is held to the end even when nobody waits any more.
        blocking(move || {
            let book = read(&disk, &lock)?;
            check(&disk, &book, &key)?;
            let mut turn = Turn { book: book.clone(), key, rng };
            let value = act(&mut turn)?;
            if turn.book != book {
                let bytes = turn.book.to_bytes(&turn.key, turn.rng.as_ref())?;
                disk.replace(&lock, &bytes, turn.book.forgets(&book))?;
            }
            Ok(value)
        })
        .await
    }
}

/// The file while it is held.
struct Turn {
    book: Book,
    key: Arc<FieldKey>,
    rng: Arc<dyn Rng>,
}

impl Root for FileRoot {
    fn place(&self) -> Place {
        Place { kind: "file", place: self.disk.place(), host: Host::This }
    }

    fn current(&self) -> Fut<'_, Result<Generation>> {
        Box::pin(self.with(|turn| Ok(turn.book.current())))
    }

    fn wrap<'a>(&'a self, key: &'a Material, context: &'a Context) -> Fut<'a, Result<Wrapped>> {
        let (material, context) = (key.clone(), context.clone());
        Box::pin(self.with(move |turn| {
            let generation = turn.book.current();
            let root = turn.book.open(&turn.key, &generation)?;
            let context = bound(&generation, &context);
            let bytes = root.seal(&context, material.expose(), turn.rng.as_ref())?;
            Ok(Wrapped { generation, bytes: BASE64.encode(bytes) })
        }))
    }

    fn unwrap<'a>(&'a self, key: &'a Wrapped, context: &'a Context) -> Fut<'a, Result<Material>> {
        let (key, context) = (key.clone(), context.clone());
        Box::pin(self.with(move |turn| {
            let root = turn.book.open(&turn.key, &key.generation)?;
            let sealed = BASE64.decode(&key.bytes).map_err(|_| Error::Refused)?;
            let opened = root.open(&bound(&key.generation, &context), &sealed);
            let opened = opened.map_err(|_| Error::Refused)?;
            Material::try_from(opened.as_slice()).map_err(|_| Error::Refused)
        }))
    }

    fn roll(&self) -> Fut<'_, Result<Generation>> {
        let now = self.clock.now();
        Box::pin(self.with(move |turn| {
            turn.book.roll(&turn.key, now, turn.rng.as_ref())?;
            Ok(turn.book.current())
        }))
    }

    fn disable<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<()>> {
        let name = generation.clone();
        Box::pin(self.with(move |turn| turn.book.enable(&name, false)))
    }

    fn enable<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<()>> {
        let name = generation.clone();
        Box::pin(self.with(move |turn| turn.book.enable(&name, true)))
    }

    fn destroy<'a>(&'a self, generation: &'a Generation) -> Fut<'a, Result<Destruction>> {
        let name = generation.clone();
        Box::pin(self.with(move |turn| {
            turn.book.destroy(&name)?;
            Ok(Destruction::Done)
        }))
    }
}

/// What a wrapped key is authenticated with: the caller's context, under this generation.
fn bound(generation: &Generation, context: &Context) -> Context {
    Context::of("amanah/root-file-wrap/1").with(&generation.0).with(context.as_bytes())
}

fn read(disk: &Disk, lock: &Lock) -> Result<Book> {
    Book::parse(&disk.read(lock)?).map_err(|why| disk.damaged(&why))
}

fn check(disk: &Disk, book: &Book, key: &FieldKey) -> Result<()> {
    match book.verify(key) {
        Verdict::Good => Ok(()),
        Verdict::OtherSecret => Err(Error::Denied {
            place: disk.place(),
            why: "AMANAH_ROOT_SECRET is not the secret that sealed it".to_owned(),
        }),
        Verdict::Changed => Err(disk.damaged("it was changed after it was sealed")),
    }
}
