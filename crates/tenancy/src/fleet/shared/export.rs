//! The rows of one tenant of a shared database as an archive of one moment, while all others go on.
//!
//! The moment is held by the owner's transaction, which looks at the catalogue alone; the rows are
//! read beside it by a transaction that is bound to the tenant and sees the same moment.

use std::io::Write;

use kernel::{Scope, TenantId};
use store::{Db, Tx, literal};

use super::{Premises, sql};
use crate::fleet::archive::{
    self, FORMAT, Kind, Line, Manifest, Shared, Table, Text, Writer, sql as archives,
};
use crate::fleet::export::{Exporting, Found, server, write_rows};
use crate::fleet::{Fleet, registry};
use crate::{Error, Guarded, Result};

/// Who acts, as the trail has it.
const ACTOR: &str = "amanah tenant export";

impl Fleet {
    /// Writes all rows of a tenant of a shared database, and its files, to `out` as one archive, and
    /// returns its manifest. Writing blocks the thread.
    ///
    /// # Errors
    /// When the tenant has nothing there, the database's protection is not whole, or `out` takes no
    /// more. What was written until then is no archive.
    pub async fn export_rows(
        &self,
        guarded: &Guarded,
        id: &TenantId,
        with: &Exporting<'_>,
        out: &mut (dyn Write + Send),
    ) -> Result<Manifest> {
        let visit = registry::visit(&self.settings.registry, id).await?;
        let written = async {
            let premises = Premises::look(self, guarded, id, (ACTOR, &["SELECT"])).await?;
            write(self, &premises, with, out).await
        };
        let written = written.await;
        visit.end(written).await
    }
}

async fn write(
    fleet: &Fleet,
    premises: &Premises,
    with: &Exporting<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Manifest> {
    let owner = premises.guarded.protected.owner.operator().await?;
    for statement in [archives::SNAPSHOT, sql::SPELLING, sql::PLAIN_PATH] {
        owner.batch(statement).await?;
    }
    let made_at = premises.clock.now();
    let snapshot: String = owner.query_one(archives::EXPORT_SNAPSHOT, &[]).await?.get(0);
    let see = format!("SET TRANSACTION SNAPSHOT {}", literal(&snapshot));
    let first = [archives::SNAPSHOT, &see, sql::PLAIN_PATH];
    let tx = premises.begin(&first, Scope::ReadOnly).await?;
    if premises.first_with_rows(&tx, Scope::ReadOnly).await?.is_none()
        && !archive::files::has(with.files, &premises.tenant).await?
    {
        return Err(premises.nothing());
    }
    let mut writer = Writer::begin(out)?;
    write_structure(fleet, premises, (&owner, &snapshot), &mut writer).await?;
    let mut found = Found::none(with.key_of);
    let mut tables = Vec::with_capacity(premises.order.len());
    for (at, held) in premises.order.iter().enumerate() {
        let columns = Premises::columns(held);
        let copy = sql::copy(&premises.from(held), &columns, &premises.condition(held));
        let (schema, name) = (held.table.schema.clone(), held.table.name.clone());
        let table = Table { schema, name, columns, rows: 0, bytes: 0, sum: String::new() };
        premises.bind(&tx, Scope::ReadOnly).await?;
        tables.push(write_rows((&tx, &copy), table, at + 1, &mut writer, &mut found).await?);
    }
    tx.rollback().await?;
    let files = archive::files::write(with.files, &premises.tenant, &mut writer).await?;
    let mut without = with.without.clone();
    without.extend(premises.without(&owner).await?);
    without.extend(found.sentence());
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        amanah: with.version.to_owned(),
        tenant: premises.tenant.clone(),
        installation: fleet.settings.installation.clone(),
        made_at,
        server: server(&owner).await?,
        migrations: Vec::new(),
        tables,
        // Where they are tells how much all tenants have together.
        sequences: Vec::new(),
        objects: Vec::new(),
        files,
        ciphertexts: found.needed(),
        without,
        shared: Some(premises.shared()),
        members: Vec::new(),
    };
    owner.rollback().await?;
    writer.finish(manifest)
}

async fn write_structure(
    fleet: &Fleet,
    premises: &Premises,
    (tx, snapshot): (&Tx, &str),
    writer: &mut Writer<'_>,
) -> Result<()> {
    let names: Vec<String> = premises.order.iter().map(|held| held.table.quoted()).collect();
    let rows = tx.query(sql::STRUCTURE, &[&names]).await?;
    let line = |row: &store::Row| (row.get(0), row.get(1), row.get(2));
    let mut lines: Vec<Line> = rows.iter().map(line).collect();
    lines.sort();
    let lines = serde_json::to_vec(&lines);
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
    let owner: &Db = &premises.guarded.protected.owner;
    owner.dump_tables(&fleet.settings.programs, snapshot, &names, &mut take).await?;
    written?;
    parts.end()
}

impl Premises {
    /// The tenant has nothing here.
    pub(super) fn nothing(&self) -> Error {
        Error::NoRows {
            tenant: self.tenant.clone(),
            database: self.database().to_owned(),
            column: self.guarded.protected.tenant_column.clone(),
        }
    }

    fn shared(&self) -> Shared {
        let kind = |held: &crate::Held| {
            let stored = held.table.columns.iter().filter(|column| !column.generated);
            let types = stored.map(|column| column.sql_type.clone()).collect();
            Kind { by: held.by.to_string(), types }
        };
        Shared {
            database: self.database().to_owned(),
            tenant_column: self.guarded.protected.tenant_column.clone(),
            tables: self.order.iter().map(kind).collect(),
            left: self.left(),
            read_as: self.role().to_owned(),
        }
    }

    /// What is not in the archive.
    async fn without(&self, owner: &Tx) -> Result<Vec<String>> {
        let mut all = self.beside();
        let left = self.left();
        if !left.is_empty() {
            let names = left.join(", ");
            all.push(format!("Tables that all tenants of the database share: {names}."));
        }
        let objects: i64 = owner.query_one(sql::OBJECTS, &[]).await?.get(0);
        if objects > 0 {
            all.push("Large objects, which in a shared database belong to no tenant.".to_owned());
        }
        Ok(all)
    }
}
