//! A file that remembers the ring's newest generation.

use std::io;
use std::path::{Path, PathBuf};

use kernel::Fut;
use serde::{Deserialize, Serialize};

use super::{Anchor, Buried, Head};
use crate::folder::{self, Place};
use crate::{Error, Result};

/// The largest file, in bytes.
const MAX_BYTES: usize = 64 << 20;
/// The version of this layout.
const FORMAT: u32 = 1;

/// One file, replaced as a whole. It lies beside the ring's folder and not in it, so that who puts
/// an older copy of that folder back is noticed.
#[derive(Debug, Clone)]
pub struct FileAnchor {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    head: Option<Head>,
    tombstones: Vec<Buried>,
}

impl Content {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let content: Option<Self> =
            serde_json::from_slice(bytes).ok().filter(|_| bytes.len() <= MAX_BYTES);
        content.filter(|content| content.format == FORMAT)
    }
}

/// Reads a file's bytes and writes them again: for [`crate::fuzzing`].
pub(crate) fn reread(bytes: &[u8]) -> Option<Vec<u8>> {
    serde_json::to_vec(&Content::parse(bytes)?).ok()
}

impl FileAnchor {
    /// An anchor in the file `path`, which is made when there is something to remember.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn content(&self) -> Result<Content> {
        let failed = |error: io::Error| self.failed(&error.to_string());
        let Some(bytes) = folder::read(&self.path, MAX_BYTES).map_err(failed)? else {
            return Ok(Content { format: FORMAT, head: None, tombstones: Vec::new() });
        };
        Content::parse(&bytes).ok_or_else(|| {
            self.failed(
                "it is damaged; put a whole copy of it back. Remove it only when you are sure \
                 that the ring is the newest: nothing else may tell an older one",
            )
        })
    }

    fn advance_to(&self, head: &Head, buried: &[Buried]) -> Result<()> {
        let failed = |error: io::Error| self.failed(&error.to_string());
        let parent = self.path.parent().unwrap_or_else(|| Path::new("."));
        folder::make(parent).map_err(failed)?;
        // Two processes advance it one after the other.
        let mut lock = self.path.clone().into_os_string();
        lock.push(".lock");
        let _lock = folder::lock(Path::new(&lock)).map_err(failed)?;
        let mut content = self.content()?;
        let mut changed = false;
        for stone in buried {
            if !content.tombstones.contains(stone) {
                content.tombstones.push(stone.clone());
                changed = true;
            }
        }
        // The head of another ring gives way: who advances was let past it by an administrator.
        let newer = |have: &Head| {
            have.generation < head.generation
                || have.public_key != head.public_key
                || !have.verifies()
        };
        if content.head.as_ref().is_none_or(newer) {
            content.head = Some(head.clone());
            changed = true;
        }
        if !changed {
            return Ok(());
        }
        let mut bytes =
            serde_json::to_vec_pretty(&content).map_err(|error| self.failed(&error.to_string()))?;
        bytes.push(b'\n');
        let name = self.path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| self.failed("it has no name that can be written"))?;
        folder::write(parent, name, &bytes, Place::Replace).map_err(failed)?;
        folder::clean(parent, name).map_err(failed)
    }

    fn failed(&self, why: &str) -> Error {
        Error::Anchor { place: self.path.display().to_string(), why: why.to_owned() }
    }
}

impl Anchor for FileAnchor {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn guarded(&self) -> bool {
        true
    }

    fn heads(&self) -> Fut<'_, Result<Vec<Head>>> {
        Box::pin(async { Ok(self.content()?.head.into_iter().collect()) })
    }

    fn advance<'a>(&'a self, head: &'a Head, buried: &'a [Buried]) -> Fut<'a, Result<()>> {
        Box::pin(async move {
            let (anchor, head, buried) = (self.clone(), head.clone(), buried.to_vec());
            // It waits for the disk and for a lock, so it is done where waiting is harmless.
            let advance = move || anchor.advance_to(&head, &buried);
            let done = tokio::task::spawn_blocking(advance).await;
            done.map_err(|error| self.failed(&error.to_string()))?
        })
    }

    fn buried(&self) -> Fut<'_, Result<Vec<Buried>>> {
        Box::pin(async { Ok(self.content()?.tombstones) })
    }
}
