//! Writing an archive, member by member.

use std::io::Write;

use kernel::hex;
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use super::{
    FIRST, FORMAT, MANIFEST, MAX_MANIFEST_BYTES, MAX_MEMBERS, MAX_STRUCTURE_BYTES, Manifest,
    Member, PART_BYTES, Text,
};
use crate::{Error, Result};

/// How much zstd tries: its own default.
const LEVEL: i32 = 3;
/// A tar file is made of blocks of so many bytes, and ends with two empty ones.
pub(super) const BLOCK: usize = 512;

/// An archive that is being written.
pub(in super::super) struct Writer<'a> {
    out: &'a mut (dyn Write + Send),
    members: Vec<Member>,
}

impl<'a> Writer<'a> {
    /// Begins an archive.
    pub(in super::super) fn begin(out: &'a mut (dyn Write + Send)) -> Result<Self> {
        let mut writer = Self { out, members: Vec::new() };
        writer.member(FIRST.to_owned(), format!("{FORMAT}\n").as_bytes())?;
        Ok(writer)
    }

    /// Begins a text.
    pub(in super::super) fn text(&mut self, text: Text) -> Parts<'_, 'a> {
        Parts { writer: self, text, number: 0, buffer: Vec::new() }
    }

    /// Ends the archive with its manifest, into which the list of members is put.
    pub(in super::super) fn finish(mut self, manifest: Manifest) -> Result<Manifest> {
        let manifest = Manifest { members: std::mem::take(&mut self.members), ..manifest };
        let text = serde_json::to_vec(&manifest).map_err(|e| Error::Archive(e.to_string()))?;
        if text.len() > MAX_MANIFEST_BYTES {
            return Err(too_long(LISTS));
        }
        self.member(MANIFEST.to_owned(), &text)?;
        self.put(&[0; 2 * BLOCK])?;
        self.out.flush().map_err(Error::Write)?;
        Ok(manifest)
    }

    pub(super) fn member(&mut self, name: String, bytes: &[u8]) -> Result<()> {
        if self.members.len() >= MAX_MEMBERS {
            return Err(too_long(LISTS));
        }
        let mut header = Header::new_ustar();
        header.set_path(&name).map_err(Error::Write)?;
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        self.put(header.as_bytes())?;
        self.put(bytes)?;
        let padding = bytes.len().next_multiple_of(BLOCK) - bytes.len();
        self.put([0; BLOCK].get(..padding).unwrap_or_default())?;
        let sha256 = hex(&Sha256::digest(bytes));
        self.members.push(Member { name, bytes: bytes.len() as u64, sha256 });
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(Error::Write)
    }
}

/// What is too long where there is too much of the rest.
const LISTS: &str = "the list of its tables, large objects and files";

/// Nobody would take such an archive in.
fn too_long(what: &str) -> Error {
    Error::Write(std::io::Error::other(format!("{what} is longer than an archive can hold")))
}

/// A text that is being written.
pub(in super::super) struct Parts<'a, 'b> {
    writer: &'a mut Writer<'b>,
    text: Text,
    number: usize,
    buffer: Vec<u8>,
}

impl Parts<'_, '_> {
    /// Takes the next bytes of the text.
    pub(in super::super) fn take(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PART_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == PART_BYTES {
                self.part()?;
            }
        }
        Ok(())
    }

    /// Ends the text.
    pub(in super::super) fn end(mut self) -> Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.part() }
    }

    fn part(&mut self) -> Result<()> {
        self.number += 1;
        let structure = matches!(self.text, Text::Schema | Text::Structure);
        if structure && self.number * PART_BYTES > MAX_STRUCTURE_BYTES {
            return Err(too_long("its structure"));
        }
        let packed = zstd::bulk::compress(&self.buffer, LEVEL).map_err(Error::Write)?;
        self.buffer.clear();
        self.writer.member(self.text.part(self.number), &packed)
    }
}
