//! Writes of the synthetic tenant: without a real row, an attack on the trail hits nothing.

use kernel::{Actor, Binder, Rng, Scope, Secret, TenantId, random_hex};
use store::{Column, Owned, Protected, Table, Tx, ident, specimen};

use crate::{Error, Result, row, sql};

/// The name that canary writes are signed with.
pub(crate) const ACTOR: &str = "amanah-canary";

/// A row of the trail that was written for the attack.
pub(crate) struct Canary {
    /// The number of the row.
    pub row: i64,
    /// The partition in which it lies, without its schema.
    pub partition: String,
    /// The table that was written to.
    pub table: Table,
    /// The transaction that wrote it, by the lower 32 bits of its number.
    pub xid: u32,
}

/// A binding to `tenant`, a synthetic one.
pub(crate) fn bind(tenant: &TenantId, binder: &dyn Binder) -> Result<Secret> {
    let actor = Actor::new(ACTOR)?;
    binder.mint(tenant, &actor, Scope::ReadWrite, None).ok_or(Error::NoBinding)
}

/// A tenant that nobody has, of the type of the tenant column; `None` for a type that cannot be
/// made up. Only for transactions that are rolled back.
pub(crate) fn stranger(
    shape: &[Table],
    table: &Table,
    tenant_column: &str,
    rng: &dyn Rng,
) -> Result<Option<TenantId>> {
    // Through its parents a row belongs to a tenant that others name.
    let other = || shape.iter().find_map(|t| t.column(tenant_column));
    let Some(column) = identity(shape, table, tenant_column).or_else(other) else {
        return Ok(None);
    };
    let hex = random_hex(rng, 16).map_err(store::Error::from)?;
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    let number = u16::from_str_radix(part(0, 4), 16).unwrap_or_default();
    let id = match column.base.as_str() {
        // Versions and variants as RFC 9562 wants them.
        "uuid" => format!(
            "{}-{}-4{}-8{}-{}",
            part(0, 8),
            part(8, 12),
            part(13, 16),
            part(17, 20),
            part(20, 32)
        ),
        // The upper end of each type is where few have come to.
        "int2" => (i16::MAX - i16::try_from(number % 512).unwrap_or_default()).to_string(),
        "int4" | "int8" | "numeric" => (i32::MAX - i32::from(number)).to_string(),
        "text" | "varchar" | "citext" => part(0, 16).to_owned(),
        _ => return Ok(None),
    };
    Ok(Some(TenantId::new(id)?))
}

/// The column of `table` that names a tenant: its own, or the key that the tenant columns of other
/// tables point to.
pub(crate) fn identity<'a>(
    shape: &[Table],
    table: &'a Table,
    tenant_column: &str,
) -> Option<&'a Column> {
    let pointed_at = || {
        let mut keys = shape.iter().flat_map(|t| &t.foreign_keys);
        let key = keys.find(|k| {
            k.columns == [tenant_column] && k.parent == (table.schema.clone(), table.name.clone())
        })?;
        table.column(key.parent_columns.first()?)
    };
    table.column(tenant_column).or_else(pointed_at)
}

/// Writes to a row of the synthetic tenant and commits, so that every attacker can see a fresh row
/// of the trail. An existing row is written over with what it holds; only a database without one
/// gets a new row.
pub(crate) async fn write(
    protected: &Protected,
    binder: &dyn Binder,
    shape: &[Table],
) -> Result<Canary> {
    let tables = shape.iter().filter(|t| t.column(&protected.tenant_column).is_some());
    let tables: Vec<&Table> = tables.filter(|t| !t.partition).collect();
    let tx = protected.owner.tenant(&bind(&protected.canaries.0, binder)?).await?;
    tx.batch(sql::SETTINGS).await?;
    let mut why = "there is no table with the tenant column".to_owned();
    for make in [false, true] {
        for table in &tables {
            match touch(&tx, protected, shape, table, make).await? {
                Ok(row) => {
                    // The owner sees its own rows alone, and these only until it commits.
                    let partition = tx.query_one(sql::PARTITION_OF, &[&row]).await?.get(0);
                    let xid: String = tx.query_one(sql::OWN_XID, &[]).await?.get(0);
                    let xid = xid.parse::<u64>().unwrap_or_default() & u64::from(u32::MAX);
                    let xid = u32::try_from(xid).unwrap_or_default();
                    tx.commit().await?;
                    return Ok(Canary { row, partition, table: (*table).clone(), xid });
                }
                Err(reason) => why = format!("{}: {reason}", table.label()),
            }
        }
    }
    tx.rollback().await?;
    Err(Error::NoCanary(why))
}

/// The number of the row of the trail, or why there is none.
async fn touch(
    tx: &Tx,
    protected: &Protected,
    shape: &[Table],
    table: &Table,
    make: bool,
) -> Result<std::result::Result<i64, String>> {
    let tenant = &protected.canaries.0;
    let start = row::newest(tx).await?;
    tx.batch("SAVEPOINT amanah_canary").await?;
    let written = if make {
        let mark = "amanah canary";
        let owned = Owned { column: &protected.tenant_column, tenant, mark };
        specimen(tx, shape, table, &owned).await.map(|_| 1)
    } else {
        let sql = touch_statement(table, &protected.tenant_column, "$1::text");
        tx.execute(&sql, &[&tenant.as_str()]).await
    };
    let why = match written {
        Ok(0) => "it holds no row of the synthetic tenant".to_owned(),
        Ok(_) => match row::newest(tx).await? {
            row if row > start => return Ok(Ok(row)),
            _ => "a write to it left no row in the trail".to_owned(),
        },
        Err(error) if error.sqlstate().is_none() => return Err(error.into()),
        Err(error) => error.to_string(),
    };
    tx.batch("ROLLBACK TO SAVEPOINT amanah_canary").await?;
    Ok(Err(why))
}

/// Writes the rows of a tenant over with what they hold. `tenant` is a text in SQL; the column
/// keeps its type, so that an index on it can be used.
pub(crate) fn touch_statement(table: &Table, tenant_column: &str, tenant: &str) -> String {
    let column = ident(tenant_column);
    let of_type = table.column(tenant_column).map_or("text", |c| c.sql_type.as_str());
    let place = table.quoted();
    format!("UPDATE {place} SET {column} = {column} WHERE {column} = {tenant}::{of_type}")
}
