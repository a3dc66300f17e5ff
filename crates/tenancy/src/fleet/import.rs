//! A tenant out of an archive that may come from anybody.
//!
//! A dump is a program: whoever runs `pg_restore` on one runs its SQL. Run as the owner of the
//! tenants' databases, who can open each of them, it could read them all. So nothing in an archive
//! is run here. The tenant's database is a copy of the template, as every new tenant's; what the
//! archive says of its structure must be what the template has, line by line; and its rows go
//! through `COPY … FROM STDIN` into tables and columns that the new database's own catalogue names.
//! Defaults, checks, generated columns, indexes and triggers are those of the migrations here. The
//! price is that the same migrations must have been run here before.
//!
//! Everything is checked before anything is made, and what was made is counted again at the end. The
//! tenant is let in when all of it is right; else its database is dropped. A crash in between is told
//! by `amanah tenant list`, and the same import begins it anew.

use std::io::Read;

use kernel::{TenantFiles, TenantId, hex};
use sha2::{Digest as _, Sha256};
use store::{Db, Tx, ident, literal, qualified};

use super::archive::{Checked, Line, Manifest, Reader, Rows, Table, Text, check, is_of, sql};
use super::cell::was_lost;
use super::made::Made;
use super::{
    Cell, Fleet, Lease, MAX_LEASE, Place, Tenant, archive as format, customer, export, registry,
};
use crate::{Error, Result};

const FILES_STAYED: &str = "Its database was lost with a cell, and its files were not: they are as they were, and \
                            those of the archive were passed over.";

/// Reading an archive from its beginning.
pub type Open<'a> = &'a (dyn Fn() -> std::io::Result<Box<dyn Read + Send>> + Sync);

/// A tenant that came out of an archive.
#[derive(Debug)]
pub struct Imported {
    /// The tenant.
    pub tenant: Tenant,
    /// What the archive said of itself.
    pub manifest: Manifest,
    /// What is different here, one sentence each.
    pub notes: Vec<String>,
}

impl Fleet {
    /// Makes a tenant out of an archive, which is read twice, under its own name or another
    /// one, on the named cell or on the one with the most free room. Files go to
    /// `files`; `most` is how many bytes are taken. Reading blocks the thread.
    ///
    /// # Errors
    /// When the archive is damaged, of another structure or too large, and when there is such a
    /// tenant; nothing is left behind then.
    pub async fn import(
        &self,
        open: Open<'_>,
        (called, on): (Option<&TenantId>, Option<&str>),
        files: &dyn TenantFiles,
        most: u64,
    ) -> Result<Imported> {
        let begin = || open().map_err(|error| Error::Archive(error.to_string()));
        let Checked { manifest, structure } = check(begin()?, most)?;
        if let Some(shared) = &manifest.shared {
            return Err(Error::Archive(format!(
                "it holds the rows of one tenant of the shared database {}: import it into another \
                 one, with --database",
                shared.database
            )));
        }
        let id = called.unwrap_or(&manifest.tenant).clone();
        customer(&id)?;
        let home = self.home();
        self.ensure_template(&home).await?;
        let archive = Checked { manifest, structure };
        compare(&Place::template(&home), &home, &archive).await?;
        let choice = self.choice(on).await?;
        let turn = registry::turn(&self.settings.registry, &id).await?;
        let made = async {
            let keeps_files = self.make_room(&id, files).await?;
            let (cell, tenant) = self.begin_in(&turn, false, &choice).await?;
            let made = self.made_of(&tenant);
            let filled = async {
                let reader = Reader::begin(begin()?)?;
                let mut notes = compare(&tenant.place, &cell, &archive).await?;
                let mut reader = fill(&cell, &tenant.place, &archive.manifest, reader).await?;
                let listed = &archive.manifest.files;
                if keeps_files {
                    notes.push(FILES_STAYED.to_owned());
                } else {
                    format::files::make(files, made, listed, &mut reader).await?;
                }
                Ok(notes)
            };
            match filled.await {
                Ok(notes) => Ok((self.finish_in(&turn, &cell, tenant).await?, notes)),
                Err(error) => {
                    let leftover = if keeps_files { None } else { Some(files) };
                    Err(self.take_back(error, (&cell, &tenant), leftover).await)
                }
            }
        };
        let made = made.await;
        let (tenant, notes) = turn.end(made).await?;
        Ok(Imported { tenant, manifest: archive.manifest, notes })
    }

    /// What an import that a crash has ended has made goes. Any other files are somebody's. Those of a tenant whose database was lost were not lost with it, and are newer than
    /// any archive: whether they stay.
    async fn make_room(&self, id: &TenantId, files: &dyn TenantFiles) -> Result<bool> {
        let half_made = self.is_half_made(id).await?;
        if was_lost(&self.settings.registry, id).await? {
            return Ok(true);
        }
        if half_made {
            let tenant = registry::find(&self.settings.registry, id).await?;
            self.made_of(&tenant).take_back(files).await?;
        }
        if format::files::has(files, id).await? {
            return Err(Error::HasFiles(id.clone()));
        }
        Ok(false)
    }

    fn made_of<'a>(&'a self, tenant: &'a Tenant) -> Made<'a> {
        let (registry, place) = (&self.settings.registry, tenant.place.name());
        Made { registry, tenant: &tenant.id, place }
    }

    /// Removes what an import has made before it failed. Its reason stays the first thing that is told.
    async fn take_back(
        &self,
        why: Error,
        (cell, tenant): (&Cell, &Tenant),
        files: Option<&dyn TenantFiles>,
    ) -> Error {
        let removed = async {
            if let Some(files) = files {
                self.made_of(tenant).take_back(files).await?;
            }
            tenant.place.demolish(cell).await?;
            registry::forget(&self.settings.registry, &tenant.id).await
        };
        let Err(error) = removed.await else { return why };
        let left = format!("{}. The same import begins anew, and removes it first", error.reason());
        Error::StillThere { why: why.reason(), left }
    }
}

/// Whether an archive fits a database that is a copy of the template, or is it; what is different
/// and does no harm.
async fn compare(place: &Place, cell: &Cell, archive: &Checked) -> Result<Vec<String>> {
    let Checked { manifest, structure } = archive;
    let owner = place.owner(cell)?;
    let tx = owner.operator().await?;
    tx.batch(sql::PINS).await?;
    let (here, applied) = (export::server(&tx).await?, export::applied(&tx).await?);
    let ours = export::structure(&tx).await?;
    tx.rollback().await?;
    owner.close();
    let refuse = |why: String| Err(Error::Archive(why));
    if manifest.server.encoding != here.encoding {
        let (there, here) = (&manifest.server.encoding, here.encoding);
        return refuse(format!("its encoding is {there}, and databases here are {here}"));
    }
    if manifest.server.version / 10_000 > here.version / 10_000 {
        let (there, here) = (manifest.server.version / 10_000, here.version / 10_000);
        return refuse(format!("it comes from PostgreSQL {there}, and this is {here}"));
    }
    for (at, migration) in manifest.migrations.iter().enumerate() {
        if applied.get(at) != Some(migration) {
            return refuse(format!(
                "its migration {} is not the one that was run here in that place: run the \
                 application's migrations of the same version with `amanah migrate` first",
                migration.name
            ));
        }
    }
    if let Some(more) = applied.get(manifest.migrations.len()) {
        return refuse(format!(
            "the migration {} was run here and not there: bring the tenant up to date there, and \
             export it again",
            more.name
        ));
    }
    if let Some((kind, name, _)) = first_difference(&ours, structure) {
        return refuse(format!(
            "its {kind} {name} is not what the migrations make here, so somebody changed one of \
             them by hand"
        ));
    }
    let same = manifest.server.collate == here.collate && manifest.server.ctype == here.ctype;
    let words = format!(
        "Texts are ordered by {} here and by {} there, so sorted lists may differ.",
        here.collate, manifest.server.collate
    );
    Ok(if same { Vec::new() } else { vec![words] })
}

/// The first line, in their order, that only one of the two has.
fn first_difference<'a>(ours: &'a [Line], theirs: &'a [Line]) -> Option<&'a Line> {
    let at = ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs);
    let at = at.unwrap_or(ours.len().min(theirs.len()));
    match (ours.get(at), theirs.get(at)) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Fills a new tenant's database.
async fn fill<R: Read + Send>(
    cell: &Cell,
    place: &Place,
    manifest: &Manifest,
    mut whole: Reader<R>,
) -> Result<Reader<R>> {
    let reader = &mut whole;
    let owner = place.owner(cell)?;
    reader.skip_structure()?;
    let tx = owner.operator().await?;
    tx.batch(sql::PINS).await?;
    fill_tables(&tx, manifest, reader).await?;
    tx.query(sql::DROP_OBJECTS, &[]).await?;
    tx.commit().await?;
    if manifest.objects.iter().any(|object| !object.of_owner) {
        let lease = place.lease(cell, MAX_LEASE).await?;
        let made = fill_objects(&owner, &lease, manifest, reader).await;
        place.end_lease(cell, &lease).await?;
        made?;
    } else {
        let tx = owner.operator().await?;
        make_objects((&tx, &tx), manifest, reader).await?;
        tx.commit().await?;
    }
    owner.close();
    Ok(whole)
}

/// Rows and sequences, in one transaction: without keys between tables and without triggers, since
/// what they would do was done before the export.
async fn fill_tables<R: Read + Send>(
    tx: &Tx,
    manifest: &Manifest,
    reader: &mut Reader<R>,
) -> Result<()> {
    let tables = export::tables(tx).await?;
    let same = |(ours, theirs): (&Table, &Table)| {
        (&ours.schema, &ours.name, &ours.columns) == (&theirs.schema, &theirs.name, &theirs.columns)
    };
    if tables.len() != manifest.tables.len() || !tables.iter().zip(&manifest.tables).all(same) {
        return Err(Error::Archive("its tables are not those of its structure".to_owned()));
    }
    let loosened = loosen(tx).await?;
    if !tables.is_empty() {
        let names: Vec<_> = tables.iter().map(|t| (t.schema.clone(), t.name.clone())).collect();
        tx.batch(&sql::empty(&names)).await?;
    }
    for (at, table) in tables.iter().enumerate() {
        let copy = sql::copy((&table.schema, &table.name), &table.columns, "FROM STDIN");
        let mut number = 0;
        let mut next = || {
            number += 1;
            reader.part(Text::Table(at + 1), number)
        };
        tx.copy_from(&copy, &mut next).await.map_err(|error| named(table, error))?;
    }
    for statement in loosened {
        tx.batch(&statement).await?;
    }
    set_sequences(tx, manifest).await?;
    for row in tx.query(sql::VIEWS, &[]).await? {
        let view = qualified(row.get(0), row.get(1));
        tx.batch(&format!("REFRESH MATERIALIZED VIEW {view}")).await?;
    }
    for table in &manifest.tables {
        let copy = sql::copy((&table.schema, &table.name), &table.columns, "TO STDOUT");
        let mut rows = Rows::default();
        let mut take = |piece: &[u8]| -> Result<()> {
            rows.take(piece);
            Ok(())
        };
        tx.copy_each(&copy, &mut take).await?;
        if !is_of(rows, table) {
            let name = format!("{}.{}", table.schema, table.name);
            let words = format!("the rows of {name} are not here what they are there");
            return Err(Error::Archive(words));
        }
    }
    Ok(())
}

/// Takes off keys between tables and puts triggers to sleep; the statements that undo it.
async fn loosen(tx: &Tx) -> Result<Vec<String>> {
    let mut undo = Vec::new();
    for row in tx.query(sql::FOREIGN_KEYS, &[]).await? {
        let (table, name) = (qualified(row.get(0), row.get(1)), ident(row.get(2)));
        let (definition, comment): (&str, Option<&str>) = (row.get(3), row.get(4));
        tx.batch(&format!("ALTER TABLE {table} DROP CONSTRAINT {name}")).await?;
        undo.push(format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"));
        if let Some(comment) = comment {
            let words = literal(comment);
            undo.push(format!("COMMENT ON CONSTRAINT {name} ON {table} IS {words}"));
        }
    }
    for row in tx.query(sql::TRIGGERS, &[]).await? {
        let (table, name) = (qualified(row.get(0), row.get(1)), ident(row.get(2)));
        let how = match row.get(3) {
            "A" => "ENABLE ALWAYS",
            "R" => "ENABLE REPLICA",
            _ => "ENABLE",
        };
        tx.batch(&format!("ALTER TABLE ONLY {table} DISABLE TRIGGER {name}")).await?;
        undo.push(format!("ALTER TABLE ONLY {table} {how} TRIGGER {name}"));
    }
    Ok(undo)
}

async fn set_sequences(tx: &Tx, manifest: &Manifest) -> Result<()> {
    let ours = export::sequences(tx).await?;
    let names = |all: &[super::archive::Sequence]| -> Vec<_> {
        all.iter().map(|one| (one.schema.clone(), one.name.clone())).collect()
    };
    if names(&ours) != names(&manifest.sequences) {
        return Err(Error::Archive("its sequences are not those of its structure".to_owned()));
    }
    for one in &manifest.sequences {
        let name = qualified(&one.schema, &one.name);
        let bound: store::Bound<'_> = &[&name, &one.last_value, &one.is_called];
        tx.query(sql::SET_SEQUENCE, bound).await?;
    }
    Ok(())
}

/// What a tenant had made is made by a login of the tenant, so that it is the tenant's.
async fn fill_objects<R: Read + Send>(
    owner: &Db,
    lease: &Lease,
    manifest: &Manifest,
    reader: &mut Reader<R>,
) -> Result<()> {
    let db = Db::connect(&lease.url, 1).await?;
    let (mine, theirs) = (owner.operator().await?, db.operator().await?);
    make_objects((&mine, &theirs), manifest, reader).await?;
    mine.commit().await?;
    theirs.commit().await?;
    db.close();
    Ok(())
}

async fn make_objects<R: Read + Send>(
    (owner, tenant): (&Tx, &Tx),
    manifest: &Manifest,
    reader: &mut Reader<R>,
) -> Result<()> {
    for (at, object) in manifest.objects.iter().enumerate() {
        let tx = if object.of_owner { owner } else { tenant };
        tx.query(sql::MAKE_OBJECT, &[&object.oid]).await?;
        let (mut number, mut written, mut digest) = (0, 0_i64, Sha256::new());
        while let Some(piece) = reader.part(Text::Object(at + 1), number + 1)? {
            number += 1;
            digest.update(&piece);
            tx.query(sql::WRITE_OBJECT, &[&object.oid, &written, &piece]).await?;
            written += i64::try_from(piece.len()).unwrap_or(i64::MAX);
        }
        // Of the same length it may still be another one than was checked.
        if (written.unsigned_abs(), &hex(&digest.finalize())) != (object.bytes, &object.sha256) {
            return Err(Error::Archive("it changed while it was read".to_owned()));
        }
    }
    Ok(())
}

/// An error of the server with the table that it is about.
pub(super) fn named(table: &Table, error: Error) -> Error {
    match error {
        Error::Store(why) => {
            Error::Table { table: format!("{}.{}", table.schema, table.name), why }
        }
        other => other,
    }
}
