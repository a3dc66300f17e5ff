//! A tenant as one archive: a tar file of small members, with a manifest as the last one.
//! `docs/archive.md` says how to read one without Amanah.
//!
//! It promises that an archive is of one moment; that it is written and read in constant memory,
//! whatever its length, because a long text is cut into parts of at most [`PART_BYTES`], and there is a
//! bound to the list of these; and that
//! whoever reads one has checked the digest of every member, and the count and the sum of the rows
//! of every table, before anything is made of it.
//!
//! An archive may come from anybody. No statement in it is ever run: rows are read into tables that
//! the reader's own migrations have made, under names that the reader's own catalogue gives. The
//! structure lies in it twice, once as SQL for people and once as lines to compare: an archive
//! whose lines differ from those of the reader's own template is refused. No name in it becomes a
//! path. Whether it is sealed is not this module's business: it writes to a writer and reads from
//! a reader.
//!
//! The attacks that it stops: SQL in an archive that would run with the rights of the owner of
//! every tenant's database; a member that unpacks into more than there is room for, or members without
//! end; and an archive that was cut off, damaged or put together from two.

pub(super) mod files;
mod read;
mod rows;
pub(super) mod sql;
mod write;

use jiff::Timestamp;
use kernel::TenantId;
use serde::{Deserialize, Serialize};

pub(crate) use read::Reader;
pub use read::{Checked, check};
pub(super) use read::{Line, is_of};
pub(super) use rows::Rows;
pub(super) use write::Writer;

/// What the first member and the manifest call the layout.
pub const FORMAT: &str = "amanah-tenant-archive/1";
/// The first member, whose text is [`FORMAT`] and a line's end.
pub(super) const FIRST: &str = "format";
/// The last member.
pub(super) const MANIFEST: &str = "manifest.json";
/// The most text in one member, in bytes, before it is compressed.
pub const PART_BYTES: usize = 4 << 20;
/// The longest manifest, in bytes.
const MAX_MANIFEST_BYTES: usize = 64 << 20;
/// How long a member is in the manifest, in bytes, if it had no name.
const LISTED_BYTES: usize = r#"{"name":"","bytes":0,"sha256":""},"#.len() + 64;
/// The most members: more do not fit into a manifest.
const MAX_MEMBERS: usize = MAX_MANIFEST_BYTES / LISTED_BYTES;
/// The longest structure, in bytes: as lines, and as SQL.
const MAX_STRUCTURE_BYTES: usize = 64 << 20;

/// A text in an archive, cut into parts that are members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// The structure as SQL, for people.
    Schema,
    /// The structure as lines, to compare.
    Structure,
    /// The rows of a table, by its place in the manifest from 1.
    Table(usize),
    /// A large object, likewise.
    Object(usize),
    /// A file, likewise.
    File(usize),
}

impl Text {
    /// The name of its part `number`, from 1.
    fn part(self, number: usize) -> String {
        match self {
            Self::Schema => format!("schema/{number:06}.sql.zst"),
            Self::Structure => format!("structure/{number:06}.json.zst"),
            Self::Table(at) => format!("tables/{at:06}/{number:06}.copy.zst"),
            Self::Object(at) => format!("objects/{at:06}/{number:06}.bin.zst"),
            Self::File(at) => format!("files/{at:06}/{number:06}.bin.zst"),
        }
    }
}

/// What an archive says of itself: the last member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The layout: [`FORMAT`].
    pub format: String,
    /// The version of Amanah that wrote it.
    pub amanah: String,
    /// Whose data it is.
    pub tenant: TenantId,
    /// The installation that it comes from.
    pub installation: String,
    /// The moment that it shows.
    pub made_at: Timestamp,
    /// The server that it comes from.
    pub server: Server,
    /// The application's migrations that its database had, in their order.
    pub migrations: Vec<Applied>,
    /// Its tables, in the order in which their rows lie in the archive.
    pub tables: Vec<Table>,
    /// Where its sequences are.
    pub sequences: Vec<Sequence>,
    /// Its large objects, in their order.
    pub objects: Vec<Object>,
    /// Its files, in their order. Each is whole; they were read after the moment of the rows.
    pub files: Vec<File>,
    /// The keys that ciphertexts in its rows need. They are not in the archive.
    pub ciphertexts: Vec<Needed>,
    /// What is not in the archive, one sentence each.
    pub without: Vec<String>,
    /// Where its rows were those of one tenant among others; nothing where the database was its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<Shared>,
    /// Every member but this one, in their order.
    pub members: Vec<Member>,
}

/// A shared database out of which one tenant's rows were taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shared {
    /// Its name.
    pub database: String,
    /// The column that names the tenant.
    pub tenant_column: String,
    /// What each of the archive's tables is like, in their order.
    pub tables: Vec<Kind>,
    /// Tables that all tenants share. Nothing of them is in the archive.
    pub left: Vec<String>,
    /// As whom its rows were read, bound to the tenant either way, for people.
    pub read_as: String,
}

/// A table with tenants' rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// How a row's tenant is known, for people.
    pub by: String,
    /// The types of its columns, in their order.
    pub types: Vec<String>,
}

/// The server of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its version as a number: 150020 is 15.20.
    pub version: i32,
    /// The encoding of the database.
    pub encoding: String,
    /// How its texts are ordered.
    pub collate: String,
    /// What its letters are.
    pub ctype: String,
}

/// A migration that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    /// Its name.
    pub name: String,
    /// SHA-256 of its text, in hexadecimal.
    pub sha256: String,
}

/// A table and its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The columns of the rows, in their order; generated ones are left out.
    pub columns: Vec<String>,
    /// How many rows.
    pub rows: u64,
    /// How long their text is, in bytes.
    pub bytes: u64,
    /// The sum over the rows, which does not depend on their order. `docs/archive.md` defines it.
    pub sum: String,
}

/// A sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its last value, or the first one to come.
    pub last_value: i64,
    /// Whether that value was given out.
    pub is_called: bool,
}

/// A large object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// Its number, by which rows name it.
    pub oid: u32,
    /// Whether a migration made it, and not the tenant.
    pub of_owner: bool,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// What its tenant calls it: any text, and never a path.
    pub name: String,
    /// What it is said to be.
    pub content_type: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// A key that ciphertexts need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needed {
    /// The key, or the id of a version that no key here has.
    pub key: String,
    /// How many ciphertexts.
    pub fields: u64,
}

/// A member as it lies in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its length, in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// How many rows there are in all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).fold(0, u64::saturating_add)
    }

    /// How many bytes rows, large objects and files have, before they were compressed.
    pub fn bytes(&self) -> u64 {
        let rows = self.tables.iter().map(|table| table.bytes);
        let objects = self.objects.iter().map(|object| object.bytes);
        let files = self.files.iter().map(|file| file.bytes);
        rows.chain(objects).chain(files).fold(0, u64::saturating_add)
    }
}
