//! Files of tenants: what they are called, what there is to say about one, and the ports between
//! whoever serves them, stores them and seals them.

use std::fmt;
use std::io;
use std::ops::Range;

use jiff::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{Fut, TenantId};

/// The longest name of a file, in bytes.
pub const MAX_FILE_NAME_BYTES: usize = 1024;
/// The longest content type of a file, in bytes.
pub const MAX_CONTENT_TYPE_BYTES: usize = 255;
/// The most files of one page of a list.
pub const MAX_FILES_LISTED: usize = 1000;

/// What a tenant calls a file: any text, which is never taken for a path. Two names are the same
/// when their bytes are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FileName(String);

impl FileName {
    /// Keeps `text` as it is.
    ///
    /// # Errors
    /// [`FileFault::Name`] when it is empty or longer than [`MAX_FILE_NAME_BYTES`].
    pub fn new(text: impl Into<String>) -> Result<Self, FileFault> {
        let text = text.into();
        match text.len() {
            1..=MAX_FILE_NAME_BYTES => Ok(Self(text)),
            _ => Err(FileFault::Name),
        }
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    /// Control characters are escaped, so that a name cannot write to a terminal what it likes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
        }
        Ok(())
    }
}

/// What there is to say about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileCard {
    /// What its tenant calls it.
    pub name: FileName,
    /// How long it is in clear.
    pub bytes: u64,
    /// What whoever wrote it said that it is. It is kept and not believed.
    pub content_type: String,
    /// SHA-256 of the clear bytes, as hexadecimal digits.
    pub sha256: String,
    /// Another one for each time that it is written; it says nothing of the content.
    pub etag: String,
    /// When it was written.
    pub created_at: Timestamp,
}

/// When a file is to be written or removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Condition {
    /// Always.
    #[default]
    None,
    /// Only while there is no file of this name.
    Absent,
    /// Only while there is one.
    Present,
    /// Only while its etag is one of these.
    Etag(Vec<String>),
}

impl Condition {
    /// Goes on when it is met by the file with `etag`, or by there being none.
    ///
    /// # Errors
    /// [`FileFault::Condition`] when it is not.
    pub fn check(&self, etag: Option<&str>) -> Result<(), FileFault> {
        let is_met = match (self, etag) {
            (Self::None, _) | (Self::Absent, None) | (Self::Present, Some(_)) => true,
            (Self::Etag(wanted), Some(etag)) => wanted.iter().any(|one| one == etag),
            (Self::Absent, Some(_)) | (Self::Present | Self::Etag(_), None) => false,
        };
        if is_met { Ok(()) } else { Err(FileFault::Condition) }
    }
}

/// What is to be written.
#[derive(Debug, Clone, Default)]
pub struct NewFile {
    /// What it is said to be; at most [`MAX_CONTENT_TYPE_BYTES`].
    pub content_type: String,
    /// How long it is going to be, where that is known.
    pub bytes: Option<u64>,
    /// When.
    pub condition: Condition,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub card: FileCard,
    /// Whether it took the place of another one.
    pub replaced: bool,
}

/// Which files are to be listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Listing<'a> {
    /// How their names begin.
    pub prefix: &'a str,
    /// Behind which one: the `next` of the page before.
    pub cursor: Option<&'a str>,
    /// How many at most; [`MAX_FILES_LISTED`] at the most.
    pub limit: usize,
}

/// Some files of a tenant, by the bytes of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FilePage {
    /// The files.
    pub files: Vec<FileCard>,
    /// The cursor of the next page, unless this is the last one. It is good for this tenant alone.
    pub next: Option<String>,
}

/// How much a tenant may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Quota {
    /// How many bytes, in clear.
    pub bytes: u64,
    /// How many files.
    pub files: u64,
}

/// Why nothing came of it. What a tenant may not reach is not told apart from what is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// There is no such file.
    #[error("there is no such file")]
    Missing,
    /// Not a name for a file.
    #[error("a file's name has 1 to {MAX_FILE_NAME_BYTES} bytes of text")]
    Name,
    /// Not a content type.
    #[error("a content type is at most {MAX_CONTENT_TYPE_BYTES} printable ASCII characters")]
    ContentType,
    /// Not a cursor of this tenant's list.
    #[error("this cursor was not made for this list; begin again without one")]
    Cursor,
    /// The condition is not met.
    #[error("the file is there already, or is not the one that was meant; nothing was changed")]
    Condition,
    /// There is no room for so many bytes.
    #[error(
        "the tenant's files have {used} of {allowed} bytes, with those that are being written or \
         were replaced in the last minutes, and this one does not fit; nothing was changed. Remove \
         files, wait, or ask for more room"
    )]
    Bytes {
        /// How many it has, with what is being written and what was replaced and is not gone yet.
        used: u64,
        /// How many it may have.
        allowed: u64,
    },
    /// There is no room for another file.
    #[error(
        "the tenant has {used} of {allowed} files; nothing was changed. Remove files or ask for \
         more room"
    )]
    Files {
        /// How many it has.
        used: u64,
        /// How many it may have.
        allowed: u64,
    },
    /// It is longer than a file may be.
    #[error("a file has at most {0} bytes; nothing was changed")]
    TooLarge(u64),
    /// It is not as long as was said.
    #[error("the file is not as long as was said; nothing was changed")]
    Length,
    /// Its writing took too long or its tenant was erased meanwhile.
    #[error("the upload was given up meanwhile; nothing was changed, begin it again")]
    GivenUp,
    /// The tenant was or is being erased, or its keys were destroyed.
    #[error("the tenant was erased or its keys were destroyed: its files are gone for good")]
    Shredded,
    /// The tenant is shut out for the time being.
    #[error("the tenant is suspended: its files are kept, and nobody is let in to them")]
    Suspended,
    /// What lies in the store is not what was put there.
    #[error("the stored bytes were changed, moved or lost; they are not given out")]
    Damaged,
    /// Something else cannot be reached; the words are for whoever runs the service.
    #[error("files cannot be used just now: {0}")]
    Unavailable(String),
}

/// A store of tenants' files. Implemented by `tenancy`, used by whoever serves them.
pub trait TenantFiles: Send + Sync {
    /// What there is to say about a file.
    fn find<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
    ) -> Fut<'a, Result<FileCard, FileFault>>;

    /// Some of a tenant's files.
    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        which: Listing<'a>,
    ) -> Fut<'a, Result<FilePage, FileFault>>;

    /// Opens a file for reading. That it is whole was seen before this comes back.
    fn read<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
    ) -> Fut<'a, Result<Box<dyn FileReader>, FileFault>>;

    /// Begins to write a file, which nobody sees before its end.
    fn write<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
        file: NewFile,
    ) -> Fut<'a, Result<Box<dyn FileWriter>, FileFault>>;

    /// Removes a file.
    fn remove<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
        condition: &'a Condition,
    ) -> Fut<'a, Result<(), FileFault>>;
}

/// A file that is being read. It goes on with the bytes that it was opened for, also when the file
/// is replaced meanwhile.
pub trait FileReader: Send {
    /// What is being read.
    fn card(&self) -> &FileCard;

    /// Some of the bytes in `range`, beginning with its first one: none only when it is empty.
    fn next(&mut self, range: Range<u64>) -> Fut<'_, Result<Zeroizing<Vec<u8>>, FileFault>>;
}

/// A file that is being written. Dropped before its end, it leaves nothing behind.
pub trait FileWriter: Send {
    /// The etag that the file is going to have, so that it can be told from any other of its name.
    fn etag(&self) -> String;

    /// Adds bytes.
    fn push<'a>(&'a mut self, bytes: &'a [u8]) -> Fut<'a, Result<(), FileFault>>;

    /// Gives the file its name, in the place of the one before.
    fn finish(self: Box<Self>) -> Fut<'static, Result<Written, FileFault>>;
}

/// Which object is sealed: it opens as this one alone.
#[derive(Debug, Clone, Copy)]
pub struct Sealable<'a> {
    /// Whose key seals it.
    pub tenant: &'a TenantId,
    /// A name that nobody can choose who could put one object in another's place.
    pub object: &'a str,
}

/// Seals objects, each under a key of its own that the tenant's key encrypts. Implemented over
/// `keys`, used by the store of files.
pub trait Seals: Send + Sync {
    /// Begins to seal. The tenant's key is made at its first use.
    fn seal<'a>(&'a self, what: Sealable<'a>) -> Fut<'a, Result<Sealing, FileFault>>;

    /// Opens the object in `source` under its key, for reading parts of it. It blocks, as `source`
    /// does.
    ///
    /// # Errors
    /// [`FileFault::Shredded`], [`FileFault::Damaged`] when it is another object or was changed.
    fn open(
        &self,
        what: Sealable<'_>,
        key: &str,
        source: Box<dyn SealedSource>,
    ) -> Result<Box<dyn Opened>, FileFault>;

    /// Whether the object's key can still be opened.
    ///
    /// # Errors
    /// [`FileFault::Shredded`] when it cannot.
    fn holds(&self, what: Sealable<'_>, key: &str) -> Result<(), FileFault>;

    /// The object's key under the newest version of the tenant's; `None` when that is what it is
    /// under already.
    ///
    /// # Errors
    /// [`FileFault::Shredded`], [`FileFault::Damaged`].
    fn renew(&self, what: Sealable<'_>, key: &str) -> Result<Option<String>, FileFault>;

    /// How long an object of so many bytes is when it is sealed.
    ///
    /// # Errors
    /// [`FileFault::TooLarge`].
    fn sealed_bytes(&self, bytes: u64) -> Result<u64, FileFault>;
}

/// An object that is being sealed.
pub struct Sealing {
    /// Does it.
    pub sealer: Box<dyn Sealer>,
    /// The object's own key, encrypted.
    pub key: String,
}

/// Seals bytes as they come.
pub trait Sealer: Send {
    /// Takes bytes from the beginning of `text`, and gives a piece when one is finished; again
    /// until it gives none.
    ///
    /// # Errors
    /// [`FileFault::TooLarge`].
    fn push(&mut self, text: &mut &[u8]) -> Result<Option<Vec<u8>>, FileFault>;

    /// The last piece.
    ///
    /// # Errors
    /// As [`Sealer::push`].
    fn finish(self: Box<Self>) -> Result<Vec<u8>, FileFault>;
}

/// Sealed bytes that can be read from any place. It blocks.
pub trait SealedSource: Send {
    /// How many there are.
    ///
    /// # Errors
    /// Those of the system.
    fn size(&self) -> io::Result<u64>;

    /// Reads from `offset` on into `buf`, and says how many: 0 at the end alone.
    ///
    /// # Errors
    /// Those of the system.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
}

/// An open object. It blocks.
pub trait Opened: Send {
    /// How many bytes it has in clear.
    fn size(&self) -> u64;

    /// Reads from `offset` on into `buf`, and says how many: fewer than asked for only at the end.
    ///
    /// # Errors
    /// [`FileFault::Damaged`], [`FileFault::Unavailable`].
    fn read(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, FileFault>;
}

#[cfg(test)]
mod tests {
    use super::{Condition, FileFault, FileName};

    #[test]
    fn a_name_is_any_text_of_so_many_bytes() {
        assert_eq!(FileName::new(""), Err(FileFault::Name));
        assert_eq!(FileName::new("é".repeat(513)), Err(FileFault::Name));
        for odd in ["../x", "a\0b", " ", "é", "e\u{301}", "\u{202e}gpj.exe", "/"] {
            assert_eq!(FileName::new(odd).unwrap().as_str(), odd);
        }
        assert_eq!(FileName::new("a\u{1b}[2J\n").unwrap().to_string(), "a\\u{1b}[2J\\n");
    }

    #[test]
    fn conditions_are_about_what_is_there() {
        let etag = Condition::Etag(vec!["a".to_owned(), "b".to_owned()]);
        let met = |condition: &Condition, etag| condition.check(etag).is_ok();
        assert!(met(&Condition::None, None) && met(&Condition::None, Some("a")));
        assert!(met(&Condition::Absent, None) && !met(&Condition::Absent, Some("a")));
        assert!(met(&Condition::Present, Some("a")) && !met(&Condition::Present, None));
        assert!(met(&etag, Some("b")) && !met(&etag, Some("c")) && !met(&etag, None));
    }
}
