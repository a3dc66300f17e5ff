//! A tenant as one archive, of one moment, while it goes on working.
//!
//! The tables are read by their owner, in a transaction that sees one moment; the structure is
//! written down by `pg_dump` in the same moment, and large objects are read by a login of the
//! tenant, whose they are, likewise. No table is held against writers; a migration of this tenant
//! that changes a table has to wait.

use std::collections::BTreeMap;
use std::io::Write;

use kernel::{TenantFiles, TenantId, hex};
use sha2::{Digest as _, Sha256};
use store::{Db, Programs, Tx, qualified};

use super::archive::{
    Applied, FORMAT, Line, Manifest, Needed, Object, PART_BYTES, Rows, Sequence, Server, Table,
    Text, Writer, sql,
};
use super::{Cell, Fleet, Lease, MAX_LEASE, State, Tenant, archive, customer, registry};
use crate::{Error, Result};

/// What ciphertexts begin with.
const CIPHERTEXTS: [&[u8]; 2] = [b"amanah:v", b"vault:v"];

/// What an export needs from outside.
pub struct Exporting<'a> {
    /// The version of Amanah.
    pub version: &'a str,
    /// Which key opens a ciphertext; `None` for what is none.
    pub key_of: &'a (dyn Fn(&str) -> Option<String> + Sync),
    /// The store of its files.
    pub files: &'a dyn TenantFiles,
    /// What else is not in the archive, one sentence each.
    pub without: Vec<String>,
}

impl Fleet {
    /// Writes everything of a tenant's database to `out` as one archive, and returns its manifest.
    /// Writing blocks the thread.
    ///
    /// # Errors
    /// When the tenant is unknown, synthetic or half made, a table cannot be read whole, or `out` takes no
    /// more. What was written until then is no archive.
    pub async fn export(
        &self,
        id: &TenantId,
        with: &Exporting<'_>,
        out: &mut (dyn Write + Send),
    ) -> Result<Manifest> {
        customer(id)?;
        let visit = registry::visit(&self.settings.registry, id).await?;
        let written = async {
            let tenant = visit.tenant(&[State::Active, State::Suspended]).await?;
            let cell = self.cell_of(&tenant).await?;
            write((&cell, &self.settings.programs), &tenant, with, out).await
        };
        let written = written.await;
        visit.end(written).await
    }
}

async fn write(
    (cell, programs): (&Cell, &Programs),
    tenant: &Tenant,
    with: &Exporting<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Manifest> {
    let owner = tenant.place.owner(cell)?;
    let tx = owner.operator().await?;
    tx.batch(sql::SNAPSHOT).await?;
    tx.batch(sql::PINS).await?;
    let made_at = cell.clock.now();
    let snapshot: String = tx.query_one(sql::EXPORT_SNAPSHOT, &[]).await?.get(0);
    let listed = tables(&tx).await?;
    if !listed.is_empty() {
        let names: Vec<_> = listed.iter().map(|t| (t.schema.clone(), t.name.clone())).collect();
        tx.batch(&sql::hold(&names)).await?;
    }
    let mut writer = Writer::begin(out)?;
    write_structure(&tx, &owner, programs, &snapshot, &mut writer).await?;
    let mut found = Found::none(with.key_of);
    let mut tables = Vec::with_capacity(listed.len());
    for (at, table) in listed.into_iter().enumerate() {
        tables.push(write_table(&tx, table, at + 1, &mut writer, &mut found).await?);
    }
    let objects = write_objects(cell, (tenant, &tx), &snapshot, &mut writer).await?;
    let files = archive::files::write(with.files, &tenant.id, &mut writer).await?;
    let mut without = with.without.clone();
    without.extend(foreign(&tx).await?);
    without.extend(found.sentence());
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        amanah: with.version.to_owned(),
        tenant: tenant.id.clone(),
        installation: cell.installation.clone(),
        made_at,
        server: server(&tx).await?,
        migrations: applied(&tx).await?,
        tables,
        sequences: sequences(&tx).await?,
        objects,
        files,
        ciphertexts: found.needed(),
        without,
        shared: None,
        members: Vec::new(),
    };
    tx.rollback().await?;
    owner.close();
    writer.finish(manifest)
}

/// The server behind a transaction.
pub(super) async fn server(tx: &Tx) -> Result<Server> {
    let row = tx.query_one(sql::SERVER, &[]).await?;
    let (version, encoding) = (row.get(0), row.get(1));
    Ok(Server { version, encoding, collate: row.get(2), ctype: row.get(3) })
}

/// The migrations of a tenant's database, in the order of their names.
pub(super) async fn applied(tx: &Tx) -> Result<Vec<Applied>> {
    let rows = tx.query(super::sql::APPLIED, &[]).await?;
    Ok(rows.iter().map(|row| Applied { name: row.get(0), sha256: hex(row.get(1)) }).collect())
}

/// Its tables, without their rows.
pub(super) async fn tables(tx: &Tx) -> Result<Vec<Table>> {
    let rows = tx.query(sql::TABLES, &[]).await?;
    let table = |row: &store::Row| Table {
        schema: row.get(0),
        name: row.get(1),
        columns: row.get(2),
        rows: 0,
        bytes: 0,
        sum: String::new(),
    };
    Ok(rows.iter().map(table).collect())
}

/// Its structure, sorted.
pub(super) async fn structure(tx: &Tx) -> Result<Vec<Line>> {
    let rows = tx.query(sql::STRUCTURE, &[]).await?;
    let line = |row: &store::Row| (row.get(0), row.get(1), row.get(2));
    let mut lines: Vec<Line> = rows.iter().map(line).collect();
    lines.sort();
    Ok(lines)
}

/// Where its sequences are.
pub(super) async fn sequences(tx: &Tx) -> Result<Vec<Sequence>> {
    let mut all = Vec::new();
    for row in tx.query(sql::SEQUENCES, &[]).await? {
        let (schema, name): (String, String) = (row.get(0), row.get(1));
        let sql = format!("SELECT last_value, is_called FROM {}", qualified(&schema, &name));
        let state = tx.query_one(&sql, &[]).await?;
        let (last_value, is_called) = (state.get(0), state.get(1));
        all.push(Sequence { schema, name, last_value, is_called });
    }
    Ok(all)
}

async fn write_structure(
    tx: &Tx,
    owner: &Db,
    programs: &Programs,
    snapshot: &str,
    writer: &mut Writer<'_>,
) -> Result<()> {
    let lines = serde_json::to_vec(&structure(tx).await?);
    let mut parts = writer.text(Text::Structure);
    parts.take(&lines.map_err(|error| Error::Archive(error.to_string()))?)?;
    parts.end()?;
    let mut parts = writer.text(Text::Schema);
    let mut written = Ok(());
    let mut take = |piece: &[u8]| {
        if written.is_ok() {
            written = parts.take(piece);
        }
    };
    owner.dump_structure(programs, snapshot, &mut take).await?;
    written?;
    parts.end()
}

async fn write_table(
    tx: &Tx,
    table: Table,
    at: usize,
    writer: &mut Writer<'_>,
    found: &mut Found<'_>,
) -> Result<Table> {
    let copy = sql::copy((&table.schema, &table.name), &table.columns, "TO STDOUT");
    write_rows((tx, &copy), table, at, writer, found).await
}

/// The rows that a `COPY` gives, as those of the table in place `at`.
pub(super) async fn write_rows(
    (tx, copy): (&Tx, &str),
    table: Table,
    at: usize,
    writer: &mut Writer<'_>,
    found: &mut Found<'_>,
) -> Result<Table> {
    let mut parts = writer.text(Text::Table(at));
    let mut rows = Rows::default();
    let mut take = |piece: &[u8]| {
        rows.take(piece);
        found.look(piece);
        parts.take(piece)
    };
    tx.copy_each(copy, &mut take).await.map_err(|error| match error {
        Error::Store(why) => {
            Error::Table { table: format!("{}.{}", table.schema, table.name), why }
        }
        other => other,
    })?;
    parts.end()?;
    let whole = rows.finish().ok_or_else(|| Error::Archive("a row has no end".to_owned()))?;
    let (rows, bytes, sum) = whole;
    Ok(Table { rows, bytes, sum, ..table })
}

/// Large objects that a migration made are read by their owner, the tenant's by a login of its.
async fn write_objects(
    cell: &Cell,
    (tenant, tx): (&Tenant, &Tx),
    snapshot: &str,
    writer: &mut Writer<'_>,
) -> Result<Vec<Object>> {
    let rows = tx.query(sql::OBJECTS, &[]).await?;
    let owner = &cell.owner.user;
    let listed: Vec<(u32, bool)> =
        rows.iter().map(|row| (row.get(0), row.get::<_, &str>(1) == owner)).collect();
    if listed.iter().all(|(_, of_owner)| *of_owner) {
        return read_objects(&listed, (tx, tx), writer).await;
    }
    if tenant.state != State::Active {
        return Err(Error::ShutObjects(tenant.id.clone()));
    }
    let lease = tenant.place.lease(cell, MAX_LEASE).await?;
    let read = as_tenant(&lease, snapshot, &listed, (tx, writer)).await;
    tenant.place.end_lease(cell, &lease).await?;
    read
}

async fn as_tenant(
    lease: &Lease,
    snapshot: &str,
    listed: &[(u32, bool)],
    (owner, writer): (&Tx, &mut Writer<'_>),
) -> Result<Vec<Object>> {
    let db = Db::connect(&lease.url, 1).await?;
    let tx = db.operator().await?;
    tx.batch(sql::SNAPSHOT).await?;
    let see = format!("SET TRANSACTION SNAPSHOT {}", store::literal(snapshot));
    tx.batch(&see).await?;
    tx.batch(sql::PINS).await?;
    let read = read_objects(listed, (owner, &tx), writer).await;
    tx.rollback().await?;
    db.close();
    read
}

async fn read_objects(
    listed: &[(u32, bool)],
    (owner, tenant): (&Tx, &Tx),
    writer: &mut Writer<'_>,
) -> Result<Vec<Object>> {
    let mut objects = Vec::with_capacity(listed.len());
    for (at, (oid, of_owner)) in listed.iter().enumerate() {
        let tx = if *of_owner { owner } else { tenant };
        let mut parts = writer.text(Text::Object(at + 1));
        let (mut bytes, mut digest) = (0_i64, Sha256::new());
        let most = i32::try_from(PART_BYTES).unwrap_or(i32::MAX);
        loop {
            let row = tx.query_one(sql::READ_OBJECT, &[oid, &bytes, &most]).await?;
            let piece: Vec<u8> = row.get(0);
            digest.update(&piece);
            parts.take(&piece)?;
            bytes += i64::try_from(piece.len()).unwrap_or(i64::MAX);
            if piece.len() < PART_BYTES {
                break;
            }
        }
        parts.end()?;
        let (bytes, sha256) = (bytes.unsigned_abs(), hex(&digest.finalize()));
        objects.push(Object { oid: *oid, of_owner: *of_owner, bytes, sha256 });
    }
    Ok(objects)
}

async fn foreign(tx: &Tx) -> Result<Option<String>> {
    let rows = tx.query(sql::FOREIGN, &[]).await?;
    let name = |row: &store::Row| qualified(row.get(0), row.get(1));
    let names: Vec<String> = rows.iter().map(name).collect();
    let words = format!("Rows of foreign tables, which lie elsewhere: {}.", names.join(", "));
    Ok((!names.is_empty()).then_some(words))
}

/// The ciphertexts that were met, by the key that opens them.
pub(super) struct Found<'a> {
    key_of: &'a (dyn Fn(&str) -> Option<String> + Sync),
    fields: BTreeMap<String, u64>,
}

impl<'a> Found<'a> {
    /// None so far.
    pub(super) fn none(key_of: &'a (dyn Fn(&str) -> Option<String> + Sync)) -> Self {
        Self { key_of, fields: BTreeMap::new() }
    }

    /// Looks through one row.
    pub(super) fn look(&mut self, row: &[u8]) {
        for prefix in CIPHERTEXTS {
            for at in memchr::memmem::find_iter(row, prefix) {
                let rest = row.get(at..).unwrap_or_default();
                let part = |byte: &u8| byte.is_ascii_alphanumeric() || b":+/=".contains(byte);
                let end = rest.iter().position(|byte| !part(byte)).unwrap_or(rest.len());
                let text = rest.get(..end).and_then(|text| std::str::from_utf8(text).ok());
                if let Some(key) = text.and_then(self.key_of) {
                    *self.fields.entry(key).or_default() += 1;
                }
            }
        }
    }

    /// The keys, as the manifest has them.
    pub(super) fn needed(&self) -> Vec<Needed> {
        let needed = |(key, fields): (&String, &u64)| Needed { key: key.clone(), fields: *fields };
        self.fields.iter().map(needed).collect()
    }

    /// That they are not in the archive, if there are any.
    pub(super) fn sentence(&self) -> Option<String> {
        let fields: u64 = self.fields.values().sum();
        let words = format!(
            "The keys of {fields} ciphertexts in its rows: in another installation they do not open."
        );
        (fields > 0).then_some(words)
    }
}
