//! Reading an archive that may come from anybody.
//!
//! The tar around the members is read by a strict subset of the format: plain files under the
//! names that a writer of ours gives, one after the other, and nothing else. Extended headers, by
//! which two programs could see two different archives, are refused.

use std::io::{ErrorKind, Read};

use kernel::hex;
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use super::write::BLOCK;
use super::{
    FIRST, FORMAT, MANIFEST, MAX_MANIFEST_BYTES, MAX_MEMBERS, MAX_STRUCTURE_BYTES, Manifest,
    Member, PART_BYTES, Rows, Table, Text,
};
use crate::{Error, Result};

/// Where the checksum of a header lies in it.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// The members of an archive, in their order.
pub(crate) struct Reader<R> {
    input: R,
    ahead: Option<(String, Vec<u8>)>,
}

/// An archive that is whole: every digest, count and sum in it is right.
#[derive(Debug)]
pub struct Checked {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The structure of its database, in lines.
    pub(in super::super) structure: Vec<Line>,
}

/// A thing in a database: its kind, its name, its definition.
pub(in super::super) type Line = (String, String, String);

impl<R: Read> Reader<R> {
    /// Begins with the first member, which must be ours.
    pub(crate) fn begin(input: R) -> Result<Self> {
        let mut reader = Self { input, ahead: None };
        let first = reader.next()?;
        let text = format!("{FORMAT}\n");
        match first {
            Some((name, bytes)) if name == FIRST && bytes == text.as_bytes() => Ok(reader),
            Some((name, bytes))
                if name == FIRST && bytes.starts_with(b"amanah-tenant-archive/") =>
            {
                Err(refused("a later version of Amanah wrote it; import it with that one"))
            }
            _ => Err(refused("it is no archive of a tenant")),
        }
    }

    /// The next member; `None` at the end, behind which nothing may follow.
    fn next(&mut self) -> Result<Option<(String, Vec<u8>)>> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        let block = self.block()?;
        if block.iter().all(|byte| *byte == 0) {
            let second = self.block()?;
            if second.iter().any(|byte| *byte != 0)
                || self.input.read(&mut [0]).map_err(|e| read(&e))? > 0
            {
                return Err(refused("something follows its end"));
            }
            return Ok(None);
        }
        let (name, length) = entry(&block)?;
        let most = if name == MANIFEST { MAX_MANIFEST_BYTES } else { 2 * PART_BYTES };
        if length > most {
            return Err(refused("a member of it is larger than any that we write"));
        }
        let mut bytes = Vec::new();
        let padded = length.next_multiple_of(BLOCK);
        // Grows with what is there, so that a short file with a large number costs nothing.
        let read_now = self.input.by_ref().take(padded as u64).read_to_end(&mut bytes);
        if read_now.map_err(|e| read(&e))? < padded {
            return Err(cut());
        }
        if bytes.split_off(length).iter().any(|byte| *byte != 0) {
            return Err(refused("there is something between its members"));
        }
        Ok(Some((name, bytes)))
    }

    fn block(&mut self) -> Result<[u8; BLOCK]> {
        let mut block = [0; BLOCK];
        self.input.read_exact(&mut block).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => cut(),
            _ => read(&error),
        })?;
        Ok(block)
    }

    /// The part `number` of a text, unpacked; `None` when the next member is something else.
    pub(in super::super) fn part(&mut self, text: Text, number: usize) -> Result<Option<Vec<u8>>> {
        Ok(self.member(text, number)?.map(|(_, unpacked)| unpacked))
    }

    fn member(&mut self, text: Text, number: usize) -> Result<Option<(Member, Vec<u8>)>> {
        match self.next()? {
            Some((name, bytes)) if name == text.part(number) => {
                let unpacked = unpack(&bytes)?;
                Ok(Some((member(name, &bytes), unpacked)))
            }
            other => {
                self.ahead = other;
                Ok(None)
            }
        }
    }

    /// Hands a text over part by part, and its members to `members`.
    fn text(
        &mut self,
        text: Text,
        members: &mut Members,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<bool> {
        let mut number = 0;
        while let Some((member, bytes)) = self.member(text, number + 1)? {
            number += 1;
            members.push(member)?;
            take(&bytes)?;
        }
        Ok(number > 0)
    }

    /// Leaves out what is for people, and what was checked before.
    pub(in super::super) fn skip_structure(&mut self) -> Result<()> {
        for text in [Text::Structure, Text::Schema] {
            self.text(text, &mut Members::up_to(MAX_MEMBERS), &mut |_| Ok(()))?;
        }
        Ok(())
    }
}

/// Reads an archive to its end and checks all of it. It stops where there is more in it than `most`
/// bytes of rows, large objects and files.
///
/// # Errors
/// [`Error::Archive`] with what is wrong with it.
pub fn check(input: impl Read, most: u64) -> Result<Checked> {
    check_up_to(input, most, MAX_MEMBERS)
}

fn check_up_to(input: impl Read, most: u64, members: usize) -> Result<Checked> {
    let mut reader = Reader::begin(input)?;
    let mut seen = Seen::up_to(most, members);
    seen.members.push(member(FIRST.to_owned(), format!("{FORMAT}\n").as_bytes()))?;
    let mut structure = Vec::new();
    reader.text(Text::Structure, &mut seen.members, &mut |bytes| {
        structure.extend_from_slice(bytes);
        no_larger(structure.len())
    })?;
    let mut schema = 0;
    reader.text(Text::Schema, &mut seen.members, &mut |bytes| {
        schema += bytes.len();
        no_larger(schema)
    })?;
    seen.tables(&mut reader)?;
    seen.objects = seen.blobs(&mut reader, "objects/", Text::Object)?;
    seen.files = seen.blobs(&mut reader, "files/", Text::File)?;
    let manifest = match reader.next()? {
        Some((name, bytes)) if name == MANIFEST => parse(&bytes)?,
        Some(_) => return Err(refused("its members are not in their order")),
        None => return Err(cut()),
    };
    if reader.next()?.is_some() {
        return Err(refused("something follows its manifest"));
    }
    seen.compare(&manifest)?;
    let structure = serde_json::from_slice(&structure)
        .map_err(|error| refused(&format!("its structure cannot be read: {error}")))?;
    Ok(Checked { manifest, structure })
}

/// What was found in the members, before the manifest says what there should be. Texts without a
/// byte have no member, so only those that are there are seen, each with its place.
struct Seen {
    members: Members,
    /// How much more of rows, large objects and files may come, in bytes.
    room: Room,
    tables: Vec<(usize, Rows)>,
    objects: Vec<Blob>,
    files: Vec<Blob>,
}

/// Members that were found. There is a bound to them, because it is only known at the end of an archive
/// which there should be.
struct Members {
    found: Vec<Member>,
    most: usize,
}

impl Members {
    const fn up_to(most: usize) -> Self {
        Self { found: Vec::new(), most }
    }

    fn push(&mut self, member: Member) -> Result<()> {
        if self.found.len() == self.most {
            return Err(refused("it has more members than a manifest can list"));
        }
        self.found.push(member);
        Ok(())
    }
}

/// How many bytes may be unpacked, and how many of them are left.
struct Room {
    most: u64,
    left: u64,
}

impl Room {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let most = self.most;
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| {
            refused(&format!(
                "it holds more than {most} bytes of rows, large objects and files, and no more are \
                 allowed"
            ))
        })?;
        Ok(())
    }
}

/// The place of bytes in their list, how many there are, and their digest.
type Blob = (usize, u64, String);

impl Seen {
    const fn up_to(most: u64, members: usize) -> Self {
        Self {
            members: Members::up_to(members),
            room: Room { most, left: most },
            tables: Vec::new(),
            objects: Vec::new(),
            files: Vec::new(),
        }
    }

    fn tables<R: Read>(&mut self, reader: &mut Reader<R>) -> Result<()> {
        while let Some(at) = reader.peek("tables/")? {
            let mut rows = Rows::default();
            let take = &mut |bytes: &[u8]| {
                rows.take(bytes);
                self.room.take(bytes)
            };
            if !reader.text(Text::Table(at), &mut self.members, take)? {
                return Err(refused("its members are not in their order"));
            }
            self.tables.push((at, rows));
        }
        Ok(())
    }

    fn blobs<R: Read>(
        &mut self,
        reader: &mut Reader<R>,
        folder: &str,
        text: fn(usize) -> Text,
    ) -> Result<Vec<Blob>> {
        let mut blobs = Vec::new();
        while let Some(at) = reader.peek(folder)? {
            let (mut bytes, mut digest) = (0, Sha256::new());
            let take = &mut |piece: &[u8]| {
                bytes += piece.len() as u64;
                digest.update(piece);
                self.room.take(piece)
            };
            if !reader.text(text(at), &mut self.members, take)? {
                return Err(refused("its members are not in their order"));
            }
            blobs.push((at, bytes, hex(&digest.finalize())));
        }
        Ok(blobs)
    }

    fn compare(self, manifest: &Manifest) -> Result<()> {
        let changed = |what: &str| refused(&format!("{what}, so it was changed or damaged"));
        if self.members.found != manifest.members {
            return Err(changed("its members are not those of its manifest"));
        }
        let mut tables = self.tables.into_iter().peekable();
        for (at, table) in manifest.tables.iter().enumerate() {
            let rows = tables.next_if(|(found, _)| *found == at + 1).map(|(_, rows)| rows);
            if !is_of(rows.unwrap_or_default(), table) {
                let name = format!("{}.{}", table.schema, table.name);
                return Err(changed(&format!("the rows of {name} are not those of its manifest")));
            }
        }
        let objects = manifest.objects.iter().map(|one| (one.bytes, one.sha256.as_str()));
        if !are(self.objects, objects) {
            return Err(changed("its large objects are not those of its manifest"));
        }
        let files = manifest.files.iter().map(|one| (one.bytes, one.sha256.as_str()));
        if !are(self.files, files) {
            return Err(changed("its files are not those of its manifest"));
        }
        if tables.next().is_some() {
            return Err(changed("it holds more than its manifest says"));
        }
        Ok(())
    }
}

impl<R: Read> Reader<R> {
    /// The number in the name of the next member, when it begins with `folder`.
    fn peek(&mut self, folder: &str) -> Result<Option<usize>> {
        self.ahead = self.next()?;
        let name = self.ahead.as_ref().and_then(|(name, _)| name.strip_prefix(folder));
        let number = name.and_then(|rest| rest.split_once('/')).map(|(number, _)| number.parse());
        Ok(number.and_then(std::result::Result::ok))
    }
}

/// Whether these are the rows of a table.
pub(in super::super) fn is_of(rows: Rows, table: &Table) -> bool {
    rows.finish().is_some_and(|(count, bytes, sum)| {
        count == table.rows && bytes == table.bytes && sum == table.sum
    })
}

/// Whether what was found is what there should be. Where there are no bytes, nothing is found.
fn are<'a>(found: Vec<Blob>, wanted: impl Iterator<Item = (u64, &'a str)>) -> bool {
    let none = hex(&Sha256::digest(b""));
    let mut found = found.into_iter().peekable();
    for (at, wanted) in wanted.enumerate() {
        let blob = found.next_if(|(place, ..)| *place == at + 1);
        let (bytes, sha256) = blob.map_or((0, none.clone()), |(_, bytes, sha256)| (bytes, sha256));
        if wanted != (bytes, sha256.as_str()) {
            return false;
        }
    }
    found.next().is_none()
}

fn parse(bytes: &[u8]) -> Result<Manifest> {
    let manifest: Manifest = serde_json::from_slice(bytes)
        .map_err(|error| refused(&format!("its manifest cannot be read: {error}")))?;
    if manifest.format != FORMAT {
        return Err(refused("its manifest is of another version"));
    }
    Ok(manifest)
}

fn member(name: String, bytes: &[u8]) -> Member {
    Member { name, bytes: bytes.len() as u64, sha256: hex(&Sha256::digest(bytes)) }
}

fn no_larger(structure: usize) -> Result<()> {
    let fits = structure <= MAX_STRUCTURE_BYTES;
    if fits { Ok(()) } else { Err(refused("its structure is larger than any")) }
}

/// Unpacks a part; one that holds more than any part of ours is refused before that is made.
fn unpack(packed: &[u8]) -> Result<Vec<u8>> {
    let bytes = zstd::bulk::decompress(packed, PART_BYTES).map_err(|_| {
        refused("a part of it does not unpack, or is larger than any that we write")
    })?;
    // A part of nothing is never written, and could be repeated without end.
    if bytes.is_empty() { Err(refused("a part of it is empty")) } else { Ok(bytes) }
}

/// Name and length of a member, out of its header.
fn entry(block: &[u8; BLOCK]) -> Result<(String, usize)> {
    let header = Header::from_byte_slice(block);
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| u32::from(if CHECKSUM.contains(&at) { b' ' } else { *byte }))
        .sum();
    if header.cksum().ok() != Some(sum) {
        return Err(refused("it is damaged, or no archive of a tenant"));
    }
    if header.entry_type() != EntryType::Regular || header.as_ustar().is_none() {
        return Err(refused("a member of it is no plain file"));
    }
    let name = header.path_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let name = Some(name).filter(|name| name.iter().all(plain));
    let name = name.and_then(|name| String::from_utf8(name.into_owned()).ok());
    let length = header.entry_size().ok().and_then(|length| usize::try_from(length).ok());
    name.zip(length).ok_or_else(|| refused("a member of it has a name or a length of no sense"))
}

fn refused(why: &str) -> Error {
    Error::Archive(why.to_owned())
}

fn cut() -> Error {
    refused("its end is missing: take another copy of it")
}

/// What the reader says is told in its own words: a sealed archive that was changed, say.
fn read(error: &std::io::Error) -> Error {
    Error::Archive(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::check_up_to;
    use crate::fleet::archive::{MAX_STRUCTURE_BYTES, PART_BYTES, Text, Writer};

    /// The first parts of a text, as long as parts can be.
    fn begun(text: Text, parts: usize) -> Vec<u8> {
        let mut written = Vec::new();
        let mut writer = Writer::begin(&mut written).unwrap();
        let part = zstd::bulk::compress(&vec![0; PART_BYTES], 3).unwrap();
        for number in 1..=parts {
            writer.member(text.part(number), &part).unwrap();
        }
        written
    }

    /// What is too much is refused where it begins, and not at the end of all of it.
    #[test]
    fn what_is_too_much_is_not_read_to_its_end() {
        let part = PART_BYTES as u64;
        let structure = MAX_STRUCTURE_BYTES / PART_BYTES;
        for (text, read, (most, members), words) in [
            (Text::Table(1), 3, (3 * part - 1, 100), "bytes of rows"),
            (Text::Object(1), 3, (2 * part, 100), "bytes of rows"),
            (Text::File(1), 1, (0, 100), "bytes of rows"),
            (Text::File(1), 4, (u64::MAX, 4), "more members"),
            (Text::Schema, structure + 1, (u64::MAX, 100), "structure is larger"),
            (Text::Structure, structure + 1, (u64::MAX, 100), "structure is larger"),
        ] {
            let bytes = begun(text, structure + 4);
            let mut left = bytes.as_slice();
            let why = check_up_to(&mut left, most, members).unwrap_err().to_string();
            assert!(why.contains(words), "{text:?}: {why}");
            assert_eq!(bytes.len() - left.len(), begun(text, read).len(), "{text:?}");
        }
    }
}
