//! The end of a tenant of a shared database: its rows are deleted, and those of others stay.
//!
//! All rows go in one transaction, or none. They go before anything else of the tenant does, because
//! they are what a trigger or a key of the application may keep: then nothing was lost.

use kernel::{Scope, TenantId};
use store::{Db, Tx};

use super::passage::{self, Deleted, Noted, Passage, Way};
use super::{Premises, sql};
use crate::fleet::archive::sql as archives;
use crate::fleet::certificate::{Certificate, GonePart, Sign, digest};
use crate::fleet::{Closing, Erasure, Fleet, Gone, GoneRows, HOME, registry};
use crate::{Error, Guarded, Result};

/// Who acts, as the trail has it.
const ACTOR: &str = "amanah tenant erase";
/// What erasing takes: whoever deletes what a condition says reads it.
const RIGHTS: [&str; 2] = ["SELECT", "DELETE"];
/// Why rows are left in the deleting transaction.
const KEPT: &str = "something of the database keeps them, a trigger say, and nothing was deleted. Let them \
                    be deleted";
/// Why rows are there after it.
const WRITTEN: &str = "they were written after the others had been deleted. Shut the tenant out in the \
                       application";

/// A tenant of a shared database whose rows are deleted, and of which there may be more.
pub struct RowErasing {
    turn: registry::Turn,
    fleet: Fleet,
    premises: Premises,
    passage: Passage,
}

impl Fleet {
    /// Deletes every row of a tenant of a shared database, in one transaction. `more` is whether there
    /// is anything else of the tenant: one without rows is erased then too.
    ///
    /// # Errors
    /// When the tenant has nothing there, or a row cannot be deleted: then none was.
    pub async fn erase_rows(
        &self,
        guarded: &Guarded,
        id: &TenantId,
        more: bool,
    ) -> Result<RowErasing> {
        let turn = registry::turn(&self.settings.registry, id).await?;
        let begun = async {
            let premises = Premises::look(self, guarded, id, (ACTOR, &RIGHTS)).await?;
            let passage = begin(turn.registry(), &premises, more).await?;
            Ok((premises, passage))
        };
        match begun.await {
            Ok((premises, passage)) => {
                Ok(RowErasing { turn, fleet: self.clone(), premises, passage })
            }
            Err(error) => turn.end(Err(error)).await,
        }
    }
}

/// Deletes the rows, and notes before and after what that comes to.
async fn begin(registry: &Db, premises: &Premises, more: bool) -> Result<Passage> {
    let which = (&premises.tenant, premises.database());
    let tx = premises.begin(&[], Scope::ReadWrite).await?;
    // Rows that are about to come would stay.
    passage::arrival(registry, which, &tx).await?;
    let rows = premises.first_with_rows(&tx, Scope::ReadWrite).await?.is_some();
    let known = passage::find(registry, which, Way::Out).await?;
    if !rows && !more && known.is_none() {
        return Err(premises.nothing());
    }
    let fresh = || Passage { begun_at: premises.clock.now(), noted: Noted::default() };
    let mut passage = known.unwrap_or_else(fresh);
    passage::settle(&tx, &premises.tenant, &mut passage.noted, rows).await?;
    let xid: String = tx.query_one(sql::XID, &[]).await?.get(0);
    let deleted = premises.delete(&tx).await?;
    passage.noted.pending = Some((xid, deleted.clone()));
    passage::note(registry, which, Way::Out, &passage).await?;
    tx.commit().await?;
    passage.noted.pending = None;
    passage.noted.rows.take(deleted);
    passage::note(registry, which, Way::Out, &passage).await?;
    Ok(passage)
}

impl Premises {
    /// Deletes the tenant's rows, those that point to others first, and makes sure that none is left.
    async fn delete(&self, tx: &Tx) -> Result<Deleted> {
        let mut deleted = Deleted::default();
        tx.batch(sql::DEFER).await?;
        for run in self.runs.iter().rev() {
            let tables = self.order.get(run.tables.clone()).unwrap_or_default();
            let all: Vec<_> =
                tables.iter().map(|held| (self.from(held), self.condition(held))).collect();
            self.bind(tx, Scope::ReadWrite).await?;
            let row = tx.query_one(&sql::delete(&all), &[]).await.map_err(|why| {
                let names: Vec<String> = tables.iter().map(|held| held.table.label()).collect();
                Error::Table { table: names.join(", "), why }
            })?;
            for (at, held) in tables.iter().enumerate() {
                let [rows, bytes] = row.get::<_, Vec<i64>>(at).try_into().unwrap_or_default();
                let (table, rows) = (held.table.label(), rows.unsigned_abs());
                deleted.take(Deleted { tables: vec![GoneRows { table, rows }], bytes });
            }
        }
        self.bind(tx, Scope::ReadWrite).await?;
        tx.batch(sql::CHECK).await?;
        self.none_left(tx, KEPT).await?;
        deleted.tables.sort_by(|one, other| one.table.cmp(&other.table));
        Ok(deleted)
    }

    /// Makes sure that nobody has written rows since they were deleted.
    async fn none_since(&self) -> Result<()> {
        let tx = self.begin(&[], Scope::ReadWrite).await?;
        self.none_left(&tx, WRITTEN).await?;
        Ok(tx.rollback().await?)
    }

    async fn none_left(&self, tx: &Tx, why: &'static str) -> Result<()> {
        let counts = self.counts(tx, Scope::ReadWrite).await?;
        match self.order.iter().zip(counts).find(|(_, rows)| *rows > 0) {
            Some((held, rows)) => Err(Error::RowsLeft { rows, table: held.table.label(), why }),
            None => Ok(()),
        }
    }
}

impl RowErasing {
    /// Rows that were deleted, also before a crash: tables in their order, and how long the rows were as
    /// text, in bytes.
    pub fn rows(&self) -> (&[GoneRows], i64) {
        (&self.passage.noted.rows.tables, self.passage.noted.rows.bytes)
    }

    /// Makes sure once more that there are no rows. To be asked before anything else is destroyed: what
    /// the tenant's keys have encrypted in a row that came meanwhile would be unreadable for good.
    ///
    /// # Errors
    /// When somebody has written rows meanwhile.
    pub async fn look_again(&self) -> Result<()> {
        self.premises.none_since().await
    }

    /// Notes what is destroyed besides the rows, and returns all that was noted, also before a crash.
    ///
    /// # Errors
    /// When the registry cannot be written.
    pub async fn note(&mut self, more: Gone) -> Result<&Gone> {
        self.passage.noted.gone.take(more);
        let which = (&self.premises.tenant, self.premises.database());
        passage::note(self.turn.registry(), which, Way::Out, &self.passage).await?;
        Ok(&self.passage.noted.gone)
    }

    /// Forgets what was noted besides the rows, because it was not destroyed and is kept.
    ///
    /// # Errors
    /// When the registry cannot be written.
    pub async fn keep(&mut self) -> Result<()> {
        self.passage.noted.gone = Gone::default();
        self.note(Gone::default()).await.map(|_| ())
    }

    /// Leaves it begun: whoever goes on with it has its turn at once.
    pub async fn leave(self) {
        drop(self.turn.end(Ok(())).await);
    }

    /// Makes sure a last time that there are no rows, and keeps a signed certificate of it all, which it
    /// returns.
    ///
    /// # Errors
    /// When somebody has written rows meanwhile, or the certificate cannot be signed; it is left begun.
    pub async fn certify(self, closing: Closing<'_>, sign: Sign<'_>) -> Result<(Erasure, String)> {
        let Self { turn, fleet, premises, passage } = self;
        let gone = async {
            premises.none_since().await?;
            let mut remains = closing.remains;
            remains.extend(premises.remains().await?);
            let Noted { gone, rows, .. } = passage.noted;
            let (erased_at, database) = (premises.clock.now(), premises.database().to_owned());
            let keys = gone.keys.len();
            let certificate = Certificate {
                format: Certificate::format(),
                amanah: closing.version.to_owned(),
                installation: fleet.settings.installation.clone(),
                tenant_sha256: digest(&premises.tenant),
                by: closing.by,
                begun_at: passage.begun_at,
                erased_at,
                database: database.clone(),
                cell: premises.cell(),
                bytes: rows.bytes,
                logins: 0,
                keys: gone.keys,
                parts: gone.parts.into_iter().filter(GonePart::says_something).collect(),
                tables: rows.tables,
                remains,
            };
            let text = certificate.sign(sign)?;
            let (tenant, bytes) = (premises.tenant.clone(), certificate.bytes);
            let erasure = Erasure { tenant, place: database, erased_at, bytes };
            turn.cleared(&erasure, (keys, closing.last), &text).await?;
            Ok((erasure, text))
        };
        let gone = gone.await;
        turn.end(gone).await
    }
}

impl Premises {
    /// On which server it is: the installation's own machine, or another one.
    fn cell(&self) -> String {
        let url = self.guarded.protected.owner.url();
        if url.is_local() { HOME.to_owned() } else { url.host() }
    }

    /// What of the database may still hold some of it.
    async fn remains(&self) -> Result<Vec<String>> {
        let mut all = self.beside();
        let left = self.left();
        if !left.is_empty() {
            let names = left.join(", ");
            all.push(format!("Tables that all tenants share were not looked into: {names}."));
        }
        let tx = self.guarded.protected.owner.operator().await?;
        let rows = tx.query(archives::VIEWS, &[]).await?;
        tx.rollback().await?;
        let name =
            |row: &store::Row| format!("{}.{}", row.get::<_, &str>(0), row.get::<_, &str>(1));
        let views: Vec<String> = rows.iter().map(name).collect();
        if !views.is_empty() {
            let names = views.join(", ");
            all.push(format!(
                "Materialised views hold what they held until they are refreshed: {names}."
            ));
        }
        Ok(all)
    }
}
