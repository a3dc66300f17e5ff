//! A tenant of a shared database out of an archive that may come from anybody, into another shared
//! database that has the same tables.
//!
//! Nothing in the archive is run. Its rows are read as values and inserted by statements that the
//! catalogue here gives, in one transaction that is bound to the tenant: a row of another one is
//! refused by the policies, whoever wrote the archive. Triggers, defaults and keys of the tables are
//! in force as for any other row. At the end all rows are read again and compared.

use std::io::Read;

use kernel::{Fut, Scope, TenantFiles, TenantId};
use store::{OperatorTx, Tx, qualified};

use super::lines::{Lines, Row};
use super::order::Run;
use super::passage::{self, Deleted, Fate, Noted, Passage, Way};
use super::{Premises, sql};
use crate::fleet::archive::{
    self as format, Checked, Manifest, Reader, Rows, Shared, Table, Text, check, is_of,
};
use crate::fleet::export::server;
use crate::fleet::import::{Open, named};
use crate::fleet::made::Made;
use crate::fleet::{Fleet, registry};
use crate::{Error, Guarded, Held, Result};

/// Who acts, as the trail has it.
const ACTOR: &str = "amanah tenant import";
const RIGHTS: [&str; 2] = ["SELECT", "INSERT"];
/// The most rows in one statement, where it may be cut.
const BATCH_ROWS: usize = 1_000;
/// The most text of rows that point to each other, in bytes: they are in memory together.
const MAX_KNOT_BYTES: u64 = 256 << 20;

/// Where else a tenant has something, in words. Whatever cannot be told counts.
pub type Elsewhere<'a> = &'a (dyn Fn(TenantId) -> Fut<'a, Vec<String>> + Send + Sync);

/// A tenant that came into a shared database.
#[derive(Debug)]
pub struct ImportedRows {
    /// Who.
    pub tenant: TenantId,
    /// Where.
    pub database: String,
    /// What the archive said of itself.
    pub manifest: Manifest,
    /// What is different here, one sentence each.
    pub notes: Vec<String>,
}

impl Fleet {
    /// Brings a tenant into a shared database out of an archive of another one, which is read twice.
    /// Files go to `files`; `most` is how many bytes are taken. Reading blocks the thread. Files are
    /// one for all of a tenant's databases, so one that has something `elsewhere` gets none.
    ///
    /// # Errors
    /// When the archive is damaged, does not fit or is too large, when the tenant has rows or
    /// files here, and when it brings files for one that has something elsewhere; nothing is left behind
    /// then. [`Error::Undecided`] when the server is lost at the very
    /// end; the same call tells then.
    pub async fn import_rows(
        &self,
        guarded: &Guarded,
        open: Open<'_>,
        (files, elsewhere): (&dyn TenantFiles, Elsewhere<'_>),
        most: u64,
    ) -> Result<ImportedRows> {
        let begin = || open().map_err(|error| Error::Archive(error.to_string()));
        let Checked { manifest, .. } = check(begin()?, most)?;
        let id = manifest.tenant.clone();
        let turn = registry::turn(&self.settings.registry, &id).await?;
        let made = async {
            let premises = Premises::look(self, guarded, &id, (ACTOR, &RIGHTS)).await?;
            let shared = manifest.shared.as_ref().ok_or_else(|| refused(OWN))?;
            let notes = premises.compare(&manifest, shared).await?;
            if !manifest.files.is_empty() {
                alone(&id, &elsewhere(id.clone()).await)?;
            }
            let made = premises.made(turn.registry());
            let tx = premises.begin(&[], Scope::ReadWrite).await?;
            let xid = premises.make_room(made, &tx, files).await?;
            let filled = async {
                let mut reader = Reader::begin(begin()?)?;
                reader.skip_structure()?;
                premises.fill(&tx, &manifest, &mut reader).await?;
                format::files::make(files, made, &manifest.files, &mut reader).await?;
                premises.bind(&tx, Scope::ReadWrite).await
            };
            let filled = match filled.await {
                Ok(()) => premises.end(tx, &xid).await,
                Err(error) => Err(error),
            };
            match filled {
                // Its files belong to its rows, if these are there.
                Err(error @ Error::Undecided { .. }) => return Err(error),
                Err(_) => made.take_back(files).await?,
                Ok(()) => {}
            }
            passage::forget(turn.registry(), (&id, premises.database())).await?;
            filled?;
            Ok(notes)
        };
        let made = made.await;
        let notes = turn.end(made).await?;
        let database = guarded.protected.name.clone();
        Ok(ImportedRows { tenant: id, database, manifest, notes })
    }
}

const OWN: &str =
    "it holds a tenant with a database of its own: import it as such, without --database";

/// Refuses files for a tenant that has something elsewhere: they would be among its own there.
fn alone(tenant: &TenantId, elsewhere: &[String]) -> Result<()> {
    if elsewhere.is_empty() {
        return Ok(());
    }
    Err(Error::LivesElsewhere { tenant: tenant.clone(), elsewhere: elsewhere.join("; ") })
}

impl Premises {
    /// The files that an import of the tenant makes.
    fn made<'a>(&'a self, registry: &'a store::Db) -> Made<'a> {
        Made { registry, tenant: &self.tenant, place: self.database() }
    }

    /// Whether an archive fits; what is different and does no harm.
    async fn compare(&self, manifest: &Manifest, shared: &Shared) -> Result<Vec<String>> {
        let tx = self.guarded.protected.owner.operator().await?;
        let here = server(&tx).await?;
        tx.rollback().await?;
        if manifest.server.encoding != here.encoding {
            let (there, here) = (&manifest.server.encoding, here.encoding);
            return Err(refused(&format!("its encoding is {there}, and the database's is {here}")));
        }
        if shared.tables.len() != manifest.tables.len() {
            return Err(refused("its tables are not those of its manifest"));
        }
        for (table, kind) in manifest.tables.iter().zip(&shared.tables) {
            let held = self.held(table)?;
            let stored = held.table.columns.iter().filter(|column| !column.generated);
            let mut ours: Vec<_> = stored.map(|c| (c.name.as_str(), c.sql_type.as_str())).collect();
            let names = table.columns.iter().map(String::as_str);
            let mut theirs: Vec<_> = names.zip(kind.types.iter().map(String::as_str)).collect();
            ours.sort_unstable();
            theirs.sort_unstable();
            if let Some((column, _)) = ours
                .iter()
                .find(|column| !theirs.contains(column))
                .or_else(|| theirs.iter().find(|column| !ours.contains(column)))
            {
                return Err(refused(&format!(
                    "the column {column} of {} is not the same here and there",
                    held.table.label()
                )));
            }
            if theirs.len() != table.columns.len() || theirs.len() != ours.len() {
                return Err(refused("its columns are not those of its manifest"));
            }
        }
        let known = |held: &&Held| {
            let same = |table: &&Table| is(held, table);
            manifest.tables.iter().filter(same).count() == 1
        };
        if let Some(held) = self.order.iter().find(|held| !known(held)) {
            let table = held.table.label();
            return Err(refused(&format!("the table {table} is not in it, or is there twice")));
        }
        let same = manifest.server.collate == here.collate && manifest.server.ctype == here.ctype;
        let words = format!(
            "Texts are ordered by {} here and by {} there, so sorted lists may differ.",
            here.collate, manifest.server.collate
        );
        Ok(if same { Vec::new() } else { vec![words] })
    }

    /// The table here that one in an archive is.
    fn held(&self, table: &Table) -> Result<&Held> {
        self.order.iter().find(|held| is(held, table)).ok_or_else(|| {
            let (schema, name) = (&table.schema, &table.name);
            refused(&format!("its table {schema}.{name} is none here that holds tenants' rows"))
        })
    }

    /// Refuses a tenant that is here. What an import that a crash has ended has made goes. Notes that it comes, and returns the number of the transaction with which it does.
    async fn make_room(&self, made: Made<'_>, tx: &Tx, files: &dyn TenantFiles) -> Result<String> {
        let (registry, which) = (made.registry, (&self.tenant, self.database()));
        // Asked before its rows are looked for: whatever was committed by then is seen.
        let fate = passage::arrival(registry, which, tx).await?;
        if let Some(held) = self.first_with_rows(tx, Scope::ReadWrite).await? {
            // It was made to its end, and a crash came before that was noted.
            if fate.is_some() {
                passage::forget(registry, which).await?;
            }
            let table = held.table.label();
            return Err(Error::HasRows { tenant: self.tenant.clone(), table });
        }
        if passage::find(registry, which, Way::Out).await?.is_some() {
            return Err(super::premises(
                self.database(),
                "the tenant is being erased here: finish that first".to_owned(),
            ));
        }
        if fate == Some(Fate::Aborted) {
            made.take_back(files).await?;
        }
        // They may be those of a tenant that was made, and whose rows have gone since, or that lives in
        // another database.
        if format::files::has(files, &self.tenant).await? {
            return Err(Error::HasFiles(self.tenant.clone()));
        }
        passage::forget(registry, which).await?;
        let xid: String = tx.query_one(sql::XID, &[]).await?.get(0);
        let pending = Some((xid.clone(), Deleted::default()));
        let noted = Noted { pending, ..Noted::default() };
        let passage = Passage { begun_at: self.clock.now(), noted };
        passage::note(registry, which, Way::In, &passage).await?;
        Ok(xid)
    }

    /// Makes what was written last. When the answer is lost, the server is asked what it was.
    async fn end(&self, tx: OperatorTx, xid: &str) -> Result<()> {
        let Err(error) = tx.commit().await else { return Ok(()) };
        let asked = async {
            let tx = self.db().operator().await?;
            let fate = passage::fate(&tx, xid).await?;
            tx.rollback().await?;
            Ok::<_, Error>(fate)
        };
        match asked.await {
            Ok(Fate::Committed) => {
                tracing::warn!(%error, tenant = %self.tenant, "the server was lost after an import");
                Ok(())
            }
            Ok(Fate::Aborted) => Err(error.into()),
            Ok(Fate::Running | Fate::Forgotten) | Err(_) => Err(Error::Undecided {
                tenant: self.tenant.clone(),
                database: self.database().to_owned(),
                why: Box::new(error),
            }),
        }
    }

    async fn fill<R: Read + Send>(
        &self,
        tx: &OperatorTx,
        manifest: &Manifest,
        reader: &mut Reader<R>,
    ) -> Result<()> {
        let held: Vec<Held> =
            manifest.tables.iter().map(|table| self.held(table).cloned()).collect::<Result<_>>()?;
        tx.batch(sql::DEFER).await?;
        for run in super::order::runs(&held, &self.census, &self.roots) {
            self.fill_run(tx, (manifest, &held), &run, reader).await?;
        }
        self.bind(tx, Scope::ReadWrite).await?;
        tx.batch(sql::CHECK).await?;
        for (held, table) in held.iter().zip(&manifest.tables) {
            self.compare_rows(tx, held, table).await?;
        }
        Ok(())
    }

    /// Fills the tables of a run. Where they point to each other, all rows go into one statement, since
    /// keys are checked at its end.
    async fn fill_run<R: Read + Send>(
        &self,
        tx: &OperatorTx,
        (manifest, held): (&Manifest, &[Held]),
        run: &Run,
        reader: &mut Reader<R>,
    ) -> Result<()> {
        let listed = manifest.tables.get(run.tables.clone()).unwrap_or_default();
        let here = held.get(run.tables.clone()).unwrap_or_default();
        let bytes = listed.iter().map(|table| table.bytes).fold(0, u64::saturating_add);
        if run.knotted && bytes > MAX_KNOT_BYTES {
            return Err(refused(
                "rows that point to each other have more than 256 MiB, and they have to be written at \
                 once: make the foreign keys between these tables DEFERRABLE here first",
            ));
        }
        let mut all: Vec<Vec<Row>> = vec![Vec::new(); listed.len()];
        for (at, (table, rows)) in listed.iter().zip(all.iter_mut()).enumerate() {
            let mut lines = Lines::of(table.columns.len());
            let mut number = 0;
            let text = Text::Table(run.tables.start + at + 1);
            while let Some(piece) = reader.part(text, number + 1)? {
                number += 1;
                lines.take(&piece, rows)?;
                while !run.knotted && rows.len() >= BATCH_ROWS {
                    let later = rows.split_off(BATCH_ROWS);
                    let now = std::mem::replace(rows, later);
                    self.insert(tx, listed, here, vec![now]).await?;
                }
            }
        }
        if all.iter().any(|rows| !rows.is_empty()) {
            self.insert(tx, listed, here, all).await?;
        }
        for held in here {
            self.advance(tx, held).await?;
        }
        Ok(())
    }

    async fn insert(
        &self,
        tx: &Tx,
        listed: &[Table],
        here: &[Held],
        all: Vec<Vec<Row>>,
    ) -> Result<()> {
        let mut arrays: Vec<Vec<Option<String>>> = Vec::new();
        for (table, rows) in listed.iter().zip(all) {
            let from = arrays.len();
            arrays.resize_with(from + table.columns.len(), Vec::new);
            for row in rows {
                let columns = arrays.iter_mut().skip(from);
                columns.zip(row).for_each(|(column, value)| column.push(value));
            }
        }
        let pairs = here.iter().zip(listed);
        let parts: Vec<_> =
            pairs.map(|(held, table)| (&held.table, table.columns.as_slice())).collect();
        let bound: Vec<&(dyn store::ToSql + Sync)> =
            arrays.iter().map(|array| array as &(dyn store::ToSql + Sync)).collect();
        self.bind(tx, Scope::ReadWrite).await?;
        match tx.query_one(&sql::insert(&parts), &bound).await {
            Ok(_) => Ok(()),
            Err(why) => Err(match listed.first() {
                Some(table) => named(table, why.into()),
                None => why.into(),
            }),
        }
    }

    /// Brings the sequences of a table beyond the values that were written, before these last: rows
    /// that others add later get other ones. A sequence is never set back.
    async fn advance(&self, tx: &Tx, held: &Held) -> Result<()> {
        let owner = self.guarded.protected.owner.operator().await?;
        owner.batch(sql::SPELLING).await?;
        for row in owner.query(sql::FILLED, &[&vec![held.table.quoted()]]).await? {
            let (column, down): (&str, bool) = (row.get(1), row.get(4));
            let sequence = qualified(row.get(2), row.get(3));
            let condition = self.condition(held);
            let outermost = sql::outermost(&self.from(held), column, down, &condition);
            self.bind(tx, Scope::ReadWrite).await?;
            let Some(value) = tx.query_one(&outermost, &[]).await?.get::<_, Option<i64>>(0) else {
                continue;
            };
            owner.batch(&sql::hold(&sequence, row.get(5))).await?;
            let state = format!("SELECT last_value FROM {sequence}");
            let last: i64 = owner.query_one(&state, &[]).await?.get(0);
            let beyond = if down { value < last } else { value > last };
            if beyond || value == last {
                let set: store::Bound<'_> = &[&sequence, &value, &true];
                owner.query(format::sql::SET_SEQUENCE, set).await?;
            }
        }
        Ok(owner.commit().await?)
    }

    /// Reads the rows of a table again. The search path is as it was after it: triggers that wait for
    /// the end may depend on it.
    async fn compare_rows(&self, tx: &Tx, held: &Held, table: &Table) -> Result<()> {
        tx.batch("SAVEPOINT amanah_compare").await?;
        tx.batch(sql::PLAIN_PATH).await?;
        self.bind(tx, Scope::ReadWrite).await?;
        let copy = sql::copy(&self.from(held), &table.columns, &self.condition(held));
        let mut rows = Rows::default();
        let mut take = |piece: &[u8]| -> Result<()> {
            rows.take(piece);
            Ok(())
        };
        tx.copy_each(&copy, &mut take).await?;
        tx.batch("ROLLBACK TO SAVEPOINT amanah_compare; RELEASE SAVEPOINT amanah_compare").await?;
        if is_of(rows, table) {
            return Ok(());
        }
        Err(refused(&format!(
            "the rows of {} are not here what they are there: a trigger may have changed them, or \
             added others",
            held.table.label()
        )))
    }
}

/// Whether a table in an archive has the name of one here.
fn is(held: &Held, table: &Table) -> bool {
    (&held.table.schema, &held.table.name) == (&table.schema, &table.name)
}

fn refused(why: &str) -> Error {
    Error::Archive(why.to_owned())
}
