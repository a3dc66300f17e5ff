//! A log in memory, for one rehearsal: it is gone with the process.
//!
//! It promises the same as the other shelves but that anything lasts. Whoever holds it may change its
//! files as they like: that is what it is for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::Fut;

use super::{CHECKPOINT, Hold, Shelf, Stored, plain, text};
use crate::{Error, Result};

/// Where it is, for people.
const PLACE: &str = "memory";

/// The files of a log, by their names.
#[derive(Debug, Default)]
pub(crate) struct Scratch(Mutex<BTreeMap<String, Vec<u8>>>);

/// Nobody else knows of it.
struct Alone;

impl Hold for Alone {
    fn is_alone(&self) -> bool {
        true
    }
}

impl Clone for Scratch {
    /// A log of its own, with the same files.
    fn clone(&self) -> Self {
        Self(Mutex::new(self.files().clone()))
    }
}

impl Scratch {
    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same log with the bytes of each file below `folder` as `change` leaves them.
    pub(crate) fn changed(&self, folder: &str, change: impl Fn(&mut Vec<u8>)) -> Self {
        let copy = self.clone();
        for (path, bytes) in copy.files().iter_mut() {
            if path.starts_with(folder) {
                change(bytes);
            }
        }
        copy
    }

    /// The same log without the files below `folder`.
    pub(crate) fn without(&self, folder: &str) -> Self {
        let copy = self.clone();
        copy.files().retain(|path, _| !path.starts_with(folder));
        copy
    }

    fn replace(&self, before: Option<&Stored>, note: &str) -> Result<Stored> {
        let mut files = self.files();
        let now = files.get(CHECKPOINT).map(Vec::as_slice);
        if now != before.map(|stored| stored.note.as_bytes()) {
            return Err(Error::Overtaken { place: PLACE.to_owned() });
        }
        files.insert(CHECKPOINT.to_owned(), note.as_bytes().to_vec());
        Ok(Stored { note: note.to_owned(), tag: None, version: None })
    }

    fn put_all(&self, files: Vec<(String, Vec<u8>)>) -> Result<()> {
        for (path, _) in &files {
            plain(PLACE, path)?;
        }
        self.files().extend(files);
        Ok(())
    }

    fn read_at(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        let files = self.files();
        let Some(bytes) = files.get(plain(PLACE, path)?) else { return Ok(None) };
        if bytes.len() > limit {
            let what = format!("{path} is longer than it can be");
            return Err(Error::Damaged { place: PLACE.to_owned(), what });
        }
        Ok(Some(bytes.clone()))
    }

    fn newest(&self) -> Result<Option<Stored>> {
        let Some(bytes) = self.files().get(CHECKPOINT).cloned() else { return Ok(None) };
        Ok(Some(Stored { note: text(PLACE, bytes)?, tag: None, version: None }))
    }
}

impl Shelf for Scratch {
    fn place(&self) -> String {
        PLACE.to_owned()
    }

    fn read<'a>(&'a self, path: &'a str, limit: usize) -> Fut<'a, Result<Option<Vec<u8>>>> {
        Box::pin(async move { self.read_at(path, limit) })
    }

    fn put(&self, files: Vec<(String, Vec<u8>)>) -> Fut<'_, Result<()>> {
        Box::pin(async move { self.put_all(files) })
    }

    fn create<'a>(&'a self, path: &'a str, bytes: Vec<u8>) -> Fut<'a, Result<bool>> {
        Box::pin(async move {
            let path = plain(PLACE, path)?.to_owned();
            let mut files = self.files();
            let new = !files.contains_key(&path);
            files.entry(path).or_insert(bytes);
            Ok(new)
        })
    }

    fn remove<'a>(&'a self, path: &'a str) -> Fut<'a, Result<()>> {
        Box::pin(async move {
            let path = plain(PLACE, path)?;
            let inside = |file: &str| file.strip_prefix(path).is_some_and(|r| r.starts_with('/'));
            self.files().retain(|file, _| file != path && !inside(file));
            Ok(())
        })
    }

    fn checkpoint(&self) -> Fut<'_, Result<Option<Stored>>> {
        Box::pin(async move { self.newest() })
    }

    fn replace_checkpoint<'a>(
        &'a self,
        before: Option<&'a Stored>,
        note: &'a str,
    ) -> Fut<'a, Result<Stored>> {
        Box::pin(async move { self.replace(before, note) })
    }

    fn lock(&self) -> Fut<'_, Result<Box<dyn Hold>>> {
        Box::pin(async move { Ok(Box::new(Alone) as Box<dyn Hold>) })
    }
}
