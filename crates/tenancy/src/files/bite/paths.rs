//! A store as it is often built: a folder for all tenants, in which files are called as their
//! tenants call them, in clear.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kernel::{
    Condition, FileCard, FileFault, FileName, FilePage, FileReader, FileWriter, Fut, Listing,
    NewFile, TenantFiles, TenantId, Written, hex,
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::super::unavailable;

/// It takes a name for a path.
pub(super) struct Paths {
    pub(super) root: PathBuf,
}

impl Paths {
    fn path(&self, tenant: &TenantId, name: &str) -> Result<PathBuf, FileFault> {
        let folder = self.root.join(tenant.as_str());
        fs::create_dir_all(&folder).map_err(|error| unavailable(&error))?;
        Ok(folder.join(name))
    }

    fn load(&self, tenant: &TenantId, name: &FileName) -> Result<Loaded, FileFault> {
        let bytes = fs::read(self.path(tenant, name.as_str())?).map_err(|_| FileFault::Missing)?;
        Ok(Loaded { card: card(name, &bytes), bytes })
    }

    fn names(&self, tenant: &TenantId) -> Result<Vec<String>, FileFault> {
        let base = self.path(tenant, "")?;
        let (mut names, mut folders) = (Vec::new(), vec![base.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).map_err(|error| unavailable(&error))?.flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(name) = path.strip_prefix(&base) {
                    names.push(name.to_string_lossy().into_owned());
                }
            }
        }
        names.sort();
        Ok(names)
    }
}

fn card(name: &FileName, bytes: &[u8]) -> FileCard {
    let sha256 = hex(&Sha256::digest(bytes));
    FileCard {
        name: name.clone(),
        bytes: bytes.len() as u64,
        content_type: String::from("application/octet-stream"),
        etag: sha256.clone(),
        sha256,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

struct Loaded {
    card: FileCard,
    bytes: Vec<u8>,
}

impl FileReader for Loaded {
    fn card(&self) -> &FileCard {
        &self.card
    }

    fn next(&mut self, range: Range<u64>) -> Fut<'_, Result<Zeroizing<Vec<u8>>, FileFault>> {
        let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(self.bytes.len());
        let piece = self.bytes.get(at(range.start)..at(range.end)).unwrap_or_default().to_vec();
        Box::pin(async { Ok(Zeroizing::new(piece)) })
    }
}

struct Writing {
    path: PathBuf,
    name: FileName,
    bytes: Vec<u8>,
}

impl FileWriter for Writing {
    fn etag(&self) -> String {
        card(&self.name, &self.bytes).etag
    }

    fn push<'a>(&'a mut self, bytes: &'a [u8]) -> Fut<'a, Result<(), FileFault>> {
        self.bytes.extend_from_slice(bytes);
        Box::pin(async { Ok(()) })
    }

    fn finish(self: Box<Self>) -> Fut<'static, Result<Written, FileFault>> {
        Box::pin(async move {
            let replaced = self.path.exists();
            let folder = self.path.parent().unwrap_or(Path::new("/"));
            fs::create_dir_all(folder).map_err(|error| unavailable(&error))?;
            fs::write(&self.path, &self.bytes).map_err(|error| unavailable(&error))?;
            Ok(Written { card: card(&self.name, &self.bytes), replaced })
        })
    }
}

impl TenantFiles for Paths {
    fn find<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
    ) -> Fut<'a, Result<FileCard, FileFault>> {
        Box::pin(async { Ok(self.load(tenant, name)?.card) })
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        which: Listing<'a>,
    ) -> Fut<'a, Result<FilePage, FileFault>> {
        Box::pin(async move {
            let mut files = Vec::new();
            for name in self.names(tenant)? {
                if name.starts_with(which.prefix) {
                    files.push(self.load(tenant, &FileName::new(name)?)?.card);
                }
            }
            Ok(FilePage { files, next: None })
        })
    }

    fn read<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
    ) -> Fut<'a, Result<Box<dyn FileReader>, FileFault>> {
        Box::pin(async {
            let loaded = self.load(tenant, name)?;
            Ok(Box::new(loaded) as Box<dyn FileReader>)
        })
    }

    fn write<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
        _: NewFile,
    ) -> Fut<'a, Result<Box<dyn FileWriter>, FileFault>> {
        Box::pin(async {
            // Out of the folder of this store it does not climb: only the bite's own files are at
            // stake, whatever an attack asks for.
            let climbs = name.as_str().matches("..").count() > 1 || name.as_str().starts_with('/');
            if climbs {
                return Err(FileFault::Name);
            }
            let path = self.path(tenant, name.as_str())?;
            let (name, bytes) = (name.clone(), Vec::new());
            Ok(Box::new(Writing { path, name, bytes }) as Box<dyn FileWriter>)
        })
    }

    fn remove<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
        _: &'a Condition,
    ) -> Fut<'a, Result<(), FileFault>> {
        Box::pin(async {
            if name.as_str().matches("..").count() > 1 || name.as_str().starts_with('/') {
                return Err(FileFault::Missing);
            }
            let path = self.path(tenant, name.as_str())?;
            fs::remove_file(path).map_err(|_| FileFault::Missing)
        })
    }
}
