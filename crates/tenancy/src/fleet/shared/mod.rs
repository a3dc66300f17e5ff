//! One tenant of a shared database, as its comings and goings need it: an archive of its rows, a
//! tenant out of such an archive, and the end of a tenant among others that stay.
//!
//! It promises that no row of another tenant is read, written or deleted. Every statement about rows
//! runs in a transaction that is bound to the tenant, as the application's role where that has the
//! rights and as the tables' owner where it has not, whom the policies bind as well; and it names the
//! tenant besides, so that two things would have to fail. Before anything is done it is looked whether
//! the protection is whole, and whether a policy of the application could hide some of the tenant's
//! rows: what is called all must be all.
//!
//! The attack that it stops: an export or an erasure, the two commands that take all of a tenant's
//! rows, that takes another's.

mod erase;
mod export;
mod import;
mod lines;
mod order;
mod passage;
mod sql;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kernel::{Actor, Clock, Scope, TenantId};
use store::{Db, OperatorTx, Tx, literal};

pub use erase::RowErasing;
pub use import::{Elsewhere, ImportedRows};

use self::order::{Run, name};
use super::{Fleet, is_canary};
use crate::census::{Name, ROW};
use crate::plan::{departures, narrowing};
use crate::{Census, Error, Guarded, Held, Result, TenantBinder};

/// A shared database and one tenant of it.
struct Premises {
    guarded: Guarded,
    tenant: TenantId,
    clock: Arc<dyn Clock>,
    actor: Actor,
    census: Census,
    /// The tables with tenants' rows, those that others point to first.
    order: Vec<Held>,
    /// Which of them are filled and emptied together.
    runs: Vec<Run>,
    /// Of what each table and partition is, at last, a part.
    roots: HashMap<Name, Name>,
    /// Those whose rows lie in partitions.
    divided: HashSet<Name>,
    /// Whether rows are read and written as the tables' owner.
    as_owner: bool,
}

impl Premises {
    /// Looks at a database. Whoever reads and writes rows there needs `rights` on each table.
    async fn look(
        fleet: &Fleet,
        guarded: &Guarded,
        tenant: &TenantId,
        (actor, rights): (&str, &[&str]),
    ) -> Result<Self> {
        let (one, other) = &guarded.protected.canaries;
        if tenant == one || tenant == other || is_canary(tenant) {
            return Err(Error::Canary);
        }
        let tx = guarded.protected.owner.operator().await?;
        tx.batch(sql::PLAIN_PATH).await?;
        let tables = store::tables(&tx).await?;
        let census = Census::take(&tables, &guarded.protected.tenant_column);
        whole(&tx, &guarded.protected.name, &census).await?;
        spelled(&tx, &guarded.protected.name, &census, tenant).await?;
        let (mut roots, mut divided) = (HashMap::new(), HashSet::new());
        for row in tx.query(sql::SHAPES, &[]).await? {
            let name: Name = (row.get(0), row.get(1));
            if row.get(2) {
                divided.insert(name.clone());
            }
            roots.insert(name, (row.get(3), row.get(4)));
        }
        let order = order::parents_first(&census, &roots);
        let runs = order::runs(&order, &census, &roots);
        let as_owner = !may(&guarded.protected.intruder, &order, rights).await?;
        tx.rollback().await?;
        if as_owner && !may(&guarded.protected.owner, &order, rights).await? {
            let words = "neither the application's role nor the tables' owner has the rights \
                         that this takes";
            return Err(premises(&guarded.protected.name, words.to_owned()));
        }
        Ok(Self {
            guarded: guarded.clone(),
            tenant: tenant.clone(),
            clock: fleet.settings.clock.clone(),
            actor: Actor::new(actor)?,
            census,
            order,
            runs,
            roots,
            divided,
            as_owner,
        })
    }

    /// The name of the database.
    fn database(&self) -> &str {
        &self.guarded.protected.name
    }

    /// Whoever reads and writes rows.
    const fn db(&self) -> &Db {
        let protected = &self.guarded.protected;
        if self.as_owner { &protected.owner } else { &protected.intruder }
    }

    /// Who that is, for people.
    const fn role(&self) -> &'static str {
        if self.as_owner { "the tables' owner" } else { "the application's role" }
    }

    /// A bound transaction; `first` comes before anything else, and says what moment it sees.
    async fn begin(&self, first: &[&str], scope: Scope) -> Result<OperatorTx> {
        let tx = self.db().operator().await?;
        for statement in first {
            tx.batch(statement).await?;
        }
        tx.batch(sql::SPELLING).await?;
        self.bind(&tx, scope).await?;
        Ok(tx)
    }

    /// Binds a transaction, again before each long statement: a token is good for a minute.
    async fn bind(&self, tx: &Tx, scope: Scope) -> Result<()> {
        let (clock, key) = (self.clock.clone(), self.guarded.key.clone());
        let token =
            TenantBinder::new(clock, key, self.database()).token(&self.tenant, &self.actor, scope);
        tx.execute(sql::BIND, &[&token.expose()]).await?;
        Ok(())
    }

    /// A table's rows, as a statement names them.
    fn from(&self, held: &Held) -> String {
        sql::rows(&held.table, self.divided.contains(&name(held)))
    }

    /// What says in a statement that a row is the tenant's, besides the policies.
    fn condition(&self, held: &Held) -> String {
        let text = format!("{}::text", literal(self.tenant.as_str()));
        self.census.owned_by(held, ROW, &text)
    }

    /// The first table in which the tenant has a row.
    async fn first_with_rows(&self, tx: &Tx, scope: Scope) -> Result<Option<&Held>> {
        for held in &self.order {
            self.bind(tx, scope).await?;
            let any = sql::any(&self.from(held), &self.condition(held));
            if tx.query_one(&any, &[]).await?.get(0) {
                return Ok(Some(held));
            }
        }
        Ok(None)
    }

    /// How many rows the tenant has in each table, in their order.
    async fn counts(&self, tx: &Tx, scope: Scope) -> Result<Vec<i64>> {
        let mut all = Vec::with_capacity(self.order.len());
        for held in &self.order {
            self.bind(tx, scope).await?;
            let count = sql::count(&self.from(held), &self.condition(held));
            all.push(tx.query_one(&count, &[]).await?.get(0));
        }
        Ok(all)
    }

    /// The columns whose values are stored.
    fn columns(held: &Held) -> Vec<String> {
        let stored = held.table.columns.iter().filter(|column| !column.generated);
        stored.map(|column| column.name.clone()).collect()
    }

    /// What is not the tenant's for sure, one sentence each.
    fn beside(&self) -> Vec<String> {
        let listed = |names: Vec<String>| names.join(", ");
        let vague: Vec<String> = self.census.vague.iter().map(|(table, _)| table.clone()).collect();
        let words = |names: String| {
            format!(
                "Rows of tables that point to tenants' rows without saying whose each row is: {names}."
            )
        };
        Some(vague).filter(|names| !names.is_empty()).map(listed).map(words).into_iter().collect()
    }

    /// Tables that all tenants share.
    fn left(&self) -> Vec<String> {
        self.census.shared.iter().map(store::Table::label).collect()
    }
}

impl Fleet {
    /// Whether a tenant has rows in a protected database.
    ///
    /// # Errors
    /// When it is not known whether it would see them all, as while the end of an import is not decided,
    /// or when the text names no tenant there.
    pub async fn has_rows(&self, guarded: &Guarded, id: &TenantId) -> Result<bool> {
        let look = ("amanah tenant", &["SELECT"][..]);
        let premises = Premises::look(self, guarded, id, look).await?;
        let tx = premises.begin(&[], Scope::ReadOnly).await?;
        // Rows that are about to come would not be seen. Whatever was committed by then is.
        let which = (id, premises.database());
        passage::arrival(&self.settings.registry, which, &tx).await?;
        let found = premises.first_with_rows(&tx, Scope::ReadOnly).await?.is_some();
        tx.rollback().await?;
        Ok(found)
    }

    /// How many rows a tenant has in each table of a protected database.
    ///
    /// # Errors
    /// As [`Fleet::has_rows`].
    pub async fn count_rows(&self, guarded: &Guarded, id: &TenantId) -> Result<Vec<(String, i64)>> {
        let look = ("amanah tenant", &["SELECT"][..]);
        let premises = Premises::look(self, guarded, id, look).await?;
        let tx = premises.begin(&[], Scope::ReadOnly).await?;
        let counts = premises.counts(&tx, Scope::ReadOnly).await?;
        tx.rollback().await?;
        let labels = premises.order.iter().map(|held| held.table.label());
        Ok(labels.zip(counts).collect())
    }
}

/// Refuses a database in which a binding would show more than a tenant's rows, or may show fewer.
async fn whole(tx: &Tx, database: &str, census: &Census) -> Result<()> {
    let mut open: Vec<String> = census.unfit.iter().map(|(table, _)| table.clone()).collect();
    open.extend(departures(tx, census).await?.into_iter().map(|(table, ..)| table));
    let unforced = census.held.iter().filter(|held| !held.table.rls || !held.table.forced);
    open.extend(unforced.map(|held| held.table.label()));
    open.sort();
    open.dedup();
    if census.held.is_empty() || !open.is_empty() {
        let words = if open.is_empty() { "all of it".to_owned() } else { open.join(", ") };
        return Err(premises(
            database,
            format!("the protection is not whole: run `amanah protect` again first, for {words}"),
        ));
    }
    let narrow = narrowing(tx, census).await?;
    if narrow.is_empty() {
        return Ok(());
    }
    let named = narrow.iter().map(|(table, policy)| format!("{policy} on {table}"));
    let named: Vec<String> = named.collect();
    let words = format!(
        "policies of the application's own may hide some of a tenant's rows from whoever reads them \
         all: {}. Drop them, or let them not be for SELECT",
        named.join(", ")
    );
    Err(premises(database, words))
}

/// Refuses a tenant's name that is none in the column's type, or is written otherwise there: files and
/// keys go by the name letter for letter.
async fn spelled(tx: &Tx, database: &str, census: &Census, tenant: &TenantId) -> Result<()> {
    let casts = census.held.iter().filter_map(|held| match &held.by {
        crate::Belongs::Column { cast, .. } => Some(*cast),
        crate::Belongs::Parents(_) => None,
    });
    let casts: HashSet<&str> = casts.collect();
    let mut reasons = Vec::new();
    for cast in &casts {
        match tx.attempt(&sql::respelled(cast), &[&tenant.as_str()]).await? {
            Ok(rows) => {
                let here: String = rows.first().map(|row| row.get(0)).unwrap_or_default();
                if here != tenant.as_str() {
                    reasons.push(format!("it is written `{here}` there"));
                }
            }
            Err(error) if error.sqlstate().is_some_and(|state| state.starts_with("22")) => {
                reasons.push(format!("tenants are named by the type {cast}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let some = reasons.len() < casts.len();
    match reasons.pop() {
        None => Ok(()),
        // In the other tables it is a name, and may have rows.
        Some(why) if some => {
            let words = format!("its tables name tenants by several types, and in some, {why}");
            Err(premises(database, words))
        }
        Some(why) => {
            Err(Error::NoName { tenant: tenant.clone(), database: database.to_owned(), why })
        }
    }
}

/// Whether this login has the rights on each table.
///
/// # Errors
/// When row security does not bind it there.
async fn may(db: &Db, order: &[Held], rights: &[&str]) -> Result<bool> {
    let names: Vec<String> = order.iter().map(|held| held.table.quoted()).collect();
    let rights: Vec<String> = rights.iter().map(|right| (*right).to_owned()).collect();
    let tx = db.operator().await?;
    let answer = tx.query(sql::STANDING, &[&names, &rights]).await;
    tx.rollback().await?;
    let rows = match answer {
        Ok(rows) => rows,
        // It may not even use the schema.
        Err(error) if error.is_denied() => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    if let Some(row) = rows.iter().find(|row| !row.get::<_, bool>(1)) {
        let (table, role) = (row.get::<_, &str>(0), &db.url().user);
        let words = format!("row security does not bind the role {role} on {table}");
        return Err(premises(&db.url().database, words));
    }
    Ok(rows.iter().all(|row| row.get(2)))
}

fn premises(database: &str, why: String) -> Error {
    Error::Premises { database: database.to_owned(), why }
}
