//! The two synthetic tenants on which attacks are run, so that no customer's data is touched.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kernel::{Actor, Clock, Scope, Secret, TenantId};
use serde::Serialize;
use sha2::{Digest, Sha256};
use store::{Db, Owned, Protected, Table, TenantTx, ToSql, Tx, ident};

use crate::census::ROW;
use crate::{BindingKey, Census, Claims, Error, Held, Result, plan};

/// Who the trail names for the canaries' rows.
const ACTOR: &str = "amanah-canary";
/// Settings that decide how values are printed; two logins may have different ones. The search path
/// is left alone: triggers of the application may depend on it.
pub(crate) const PLAIN: &str = "
SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = 'postgres'; SET LOCAL extra_float_digits = 1;
SET LOCAL bytea_output = 'hex'; SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '10s'";
/// The class of SQLSTATE for violated constraints: worth a second try with other values.
const CONSTRAINT: &str = "23";

/// What the canaries have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Canaries {
    /// Tables in which both have a row.
    pub seeded: Vec<String>,
    /// Tables in which one of them has none, and why.
    pub missing: Vec<(String, String)>,
}

/// A row: every column's value as text, in the table's order.
pub(crate) type Values = Vec<Option<String>>;

/// Ids for the two canary tenants that fit the tenant column of the database that `tx` is in. They
/// depend on `installation` alone: two installations on one database do not share canaries.
///
/// # Errors
/// When no table has the column with a type that can name a tenant.
pub async fn canary_ids(
    tx: &Tx,
    tenant_column: &str,
    installation: &str,
) -> Result<(TenantId, TenantId)> {
    let tables = store::tables(tx).await?;
    let columns: Vec<_> = tables.iter().filter_map(|t| t.column(tenant_column)).collect();
    let pair = columns.iter().find_map(|c| {
        Some((id(&c.base, c.length, installation, 0)?, id(&c.base, c.length, installation, 1)?))
    });
    pair.ok_or_else(|| {
        if columns.is_empty() {
            let common = plan::common_columns(&tables);
            Error::NoTenantColumn { column: tenant_column.to_owned(), common }
        } else {
            Error::TenantType(tenant_column.to_owned())
        }
    })
}

/// A canary's id in a column of this type; `which` is 0 or 1.
fn id(base: &str, length: Option<i32>, installation: &str, which: u8) -> Option<TenantId> {
    let mut hash = Sha256::new();
    hash.update([b'c', which]);
    hash.update(installation.as_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    let hex = |from: usize, to: usize| kernel::hex(hash.get(from..to).unwrap_or_default());
    let number = u32::from(hash[0]) * 2 + u32::from(which);
    let text = match base {
        // Version 8: made by our own rule.
        "uuid" => format!(
            "{}-{}-8{}-8{}-{}",
            hex(0, 4),
            hex(4, 6),
            hex(6, 8).get(1..)?,
            hex(8, 10).get(1..)?,
            hex(10, 16)
        ),
        // Sequences count upwards from one, so no customer's number is negative.
        "int2" => format!("-{}", 32_000 + number),
        "int4" | "int8" => format!("-{}", 2_000_000_000 + number),
        "text" | "varchar" => {
            let full = format!("amanah-canary-{which}-{}", hex(0, 4));
            match length.and_then(|n| usize::try_from(n).ok()) {
                Some(n) if n < full.len() => {
                    format!("{}{which}", hex(0, 16).get(..n.checked_sub(1)?)?)
                }
                _ => full,
            }
        }
        _ => return None,
    };
    TenantId::new(text).ok()
}

/// Makes sure that both canaries of `protected` have a row in every table with tenants' rows. Rows
/// that are there are kept. They are written by the owner, each under its own canary's binding.
///
/// # Errors
/// When the database cannot be reached or refuses the binding. A table in which no row could be
/// placed is no error; it is named in the result.
pub async fn ensure_canaries(
    protected: &Protected,
    key: &BindingKey,
    clock: &dyn Clock,
) -> Result<Canaries> {
    let shape = shape(protected).await?;
    let census = Census::take(&shape, &protected.tenant_column);
    let mut missing: BTreeMap<String, String> = BTreeMap::new();
    for tenant in [&protected.canaries.0, &protected.canaries.1] {
        let seeder = Seeder { protected, key, clock, census: &census, shape: &shape, tenant };
        seeder.all(&mut missing).await?;
    }
    // A partition holds a canary's row or not, as its bounds say.
    let labels = census.held.iter().filter(|h| !h.table.partition).map(|h| h.table.label());
    Ok(Canaries {
        seeded: labels.filter(|label| !missing.contains_key(label)).collect(),
        missing: missing.into_iter().collect(),
    })
}

/// The tables of a protected database, with every type's name qualified: the two logins may have
/// different search paths.
pub(crate) async fn shape(protected: &Protected) -> Result<Vec<Table>> {
    let tx = protected.owner.operator().await?;
    tx.batch("SET LOCAL search_path = ''").await?;
    let shape = store::tables(&tx).await?;
    tx.rollback().await?;
    Ok(shape)
}

struct Seeder<'a> {
    protected: &'a Protected,
    key: &'a BindingKey,
    clock: &'a dyn Clock,
    census: &'a Census,
    shape: &'a [Table],
    tenant: &'a TenantId,
}

impl Seeder<'_> {
    /// Again and again while it helps: a table may need the row of another that comes later.
    async fn all(&self, missing: &mut BTreeMap<String, String>) -> Result<()> {
        let mut left: Vec<&Held> = self.census.held.iter().filter(|h| !h.table.partition).collect();
        loop {
            let before = left.len();
            let mut failed = Vec::new();
            for held in std::mem::take(&mut left) {
                if let Err(error) = self.one(held).await? {
                    failed.push((held, error));
                }
            }
            if failed.len() == before || failed.is_empty() {
                for (held, error) in failed {
                    missing.insert(held.table.label(), error.to_string());
                }
                return Ok(());
            }
            left = failed.into_iter().map(|(held, _)| held).collect();
        }
    }

    /// The inner result is an error when no row could be placed.
    async fn one(&self, held: &Held) -> Result<std::result::Result<(), store::Error>> {
        let tx = bound(&self.protected.owner, self.key, self.tenant, self.clock.now()).await?;
        if row_of(&tx, self.census, held, self.tenant).await?.is_some() {
            tx.rollback().await?;
            return Ok(Ok(()));
        }
        let mark = self.key.mark(self.tenant);
        let owned =
            Owned { column: &self.protected.tenant_column, tenant: self.tenant, mark: &mark };
        let mut given = Vec::new();
        if let Some(column) = held.column() {
            given.push((column, self.tenant.as_str()));
        }
        let mut made = store::specimen_with(&tx, self.shape, &held.table, &owned, &given).await;
        let constraint = |e: &store::Error| e.sqlstate().is_some_and(|s| s.starts_with(CONSTRAINT));
        if made.as_ref().is_err_and(constraint) {
            let mut other = self.parents(&tx, held).await?;
            other.extend(different(held, &mark));
            given.extend(other.iter().map(|(c, v)| (c.as_str(), v.as_str())));
            made = store::specimen_with(&tx, self.shape, &held.table, &owned, &given).await;
        }
        match made {
            Ok(_) => {
                tx.commit().await?;
                Ok(Ok(()))
            }
            Err(error) => {
                tx.rollback().await?;
                Ok(Err(error))
            }
        }
    }
}

impl Seeder<'_> {
    /// The canary's rows that a row here has to point to: columns and values.
    async fn parents(&self, tx: &Tx, held: &Held) -> Result<Vec<(String, String)>> {
        let mut all = Vec::new();
        for key in &held.table.foreign_keys {
            let Some(parent) = self.census.find(&key.parent) else {
                continue;
            };
            let itself = key.parent == (held.table.schema.clone(), held.table.name.clone());
            let required = |c: &String| held.table.column(c).is_some_and(|c| c.not_null);
            if itself || !key.columns.iter().all(required) {
                continue;
            }
            let row = row_of(tx, self.census, parent, self.tenant).await?;
            for (own, theirs) in key.columns.iter().zip(&key.parent_columns) {
                let columns = &parent.table.columns;
                let place = columns.iter().position(|c| c.name == *theirs);
                let value = place.and_then(|n| row.as_ref()?.get(n)?.clone());
                if let Some(value) = value.filter(|_| held.column() != Some(own.as_str())) {
                    all.push((own.clone(), value));
                }
            }
        }
        Ok(all)
    }
}

/// Values that differ from each other, for tables whose checks compare columns: the proposer is not
/// the approver, the new price is not the old one.
fn different(held: &Held, mark: &str) -> Vec<(String, String)> {
    let table = &held.table;
    let keyed = |name: &String| {
        let mut keys = table.foreign_keys.iter().map(|k| &k.columns);
        Some(name.as_str()) == held.column()
            || keys.any(|columns| columns.contains(name))
            || table.primary_key.contains(name)
    };
    let free = table.columns.iter().filter(|c| {
        c.not_null && !c.generated && !c.has_default && c.hints.is_empty() && !keyed(&c.name)
    });
    free.enumerate()
        .filter_map(|(n, column)| {
            let value = match column.base.as_str() {
                "text" => format!("{mark}-{n}"),
                "int2" | "int4" | "int8" | "numeric" | "float4" | "float8" => (n + 1).to_string(),
                "date" => format!("2020-01-{:02}", n % 28 + 1),
                "timestamp" | "timestamptz" => format!("2020-01-{:02}T00:00:00Z", n % 28 + 1),
                _ => return None,
            };
            Some((column.name.clone(), value))
        })
        .collect()
}

/// A transaction of `db` that is bound to `tenant` and prints values in one way.
pub(crate) async fn bound(
    db: &Db,
    key: &BindingKey,
    tenant: &TenantId,
    now: Timestamp,
) -> Result<TenantTx> {
    let tx = db.tenant(&token(key, tenant, Scope::ReadWrite, &db.url().database, now)).await?;
    tx.batch(PLAIN).await?;
    Ok(tx)
}

/// A canary's binding.
pub(crate) fn token(
    key: &BindingKey,
    tenant: &TenantId,
    scope: Scope,
    database: &str,
    now: Timestamp,
) -> Secret {
    let Ok(actor) = Actor::new(ACTOR) else {
        // It is a constant that fits; an empty token binds nothing.
        return Secret::new(String::new());
    };
    let claims = Claims { tenant, actor: &actor, scope, database };
    key.mint(&claims, now)
}

/// The first row of `tenant` in a table, as its own transaction sees it.
pub(crate) async fn row_of(
    tx: &Tx,
    census: &Census,
    held: &Held,
    tenant: &TenantId,
) -> Result<Option<Values>> {
    let columns = held.table.columns.iter();
    let texts: Vec<String> = columns.map(|c| format!("{ROW}.{}::text", ident(&c.name))).collect();
    let order: Vec<String> = if held.table.primary_key.is_empty() {
        vec![format!("{ROW}::text")]
    } else {
        held.table.primary_key.iter().map(|c| format!("{ROW}.{}", ident(c))).collect()
    };
    let sql = format!(
        "SELECT ARRAY[{}]::text[] FROM {} AS {ROW} WHERE {} ORDER BY {} LIMIT 1",
        texts.join(", "),
        held.table.quoted(),
        census.owned(held, ROW, 1),
        order.join(", ")
    );
    let id = tenant.as_str();
    let bound: &[&(dyn ToSql + Sync)] = &[&id];
    Ok(tx.query_opt(&sql, bound).await?.map(|row| row.get(0)))
}
