//! What a binding lets the application's role do to the rows of a tenant.

use kernel::{Finding, Secret, TenantId};
use store::{Protected, Table, Tx, ident};

use super::attack::Survey;
use super::sql;

/// Codes with which the database refuses: a right or a policy is missing, the binding is not good.
const REFUSED: [&str; 2] = ["42501", "28000"];

/// The tables with tenants' rows.
pub(super) async fn tables(protected: &Protected) -> Result<Vec<Table>, String> {
    let tx = protected.owner.operator().await.map_err(text)?;
    let shape = store::tables(&tx).await.map_err(text)?;
    tx.rollback().await.map_err(text)?;
    let ours = |table: &Table| !table.partition && table.column(&protected.tenant_column).is_some();
    Ok(shape.into_iter().filter(ours).collect())
}

/// How many rows of `tenant` a binding shows; without one, none may be shown.
pub(super) async fn seen(
    protected: &Protected,
    tables: &[Table],
    binding: Option<&Secret>,
    tenant: &TenantId,
) -> Result<i64, String> {
    let tx = protected.intruder.operator().await.map_err(text)?;
    let mut seen = 0;
    if bind(&tx, binding).await? {
        for table in tables {
            let statement = sql::count(&table.quoted(), &ident(&protected.tenant_column));
            let rows = tx.attempt(&statement, &[&tenant.as_str()]).await.map_err(text)?;
            // A table that the application may not read shows nothing.
            let counted = rows.ok().and_then(|rows| rows.first().map(|row| row.get::<_, i64>(0)));
            seen += counted.unwrap_or_default();
        }
    }
    tx.rollback().await.map_err(text)?;
    Ok(seen)
}

/// Tries to write in every table with a binding that may not. What is changed is taken back.
pub(super) async fn writes(
    survey: &mut Survey,
    protected: &Protected,
    tables: &[Table],
    binding: &Secret,
    tenant: &TenantId,
) -> Result<(), String> {
    let tx = protected.intruder.operator().await.map_err(text)?;
    if !bind(&tx, Some(binding)).await? {
        return Err("the binding of a living grant is refused".to_owned());
    }
    let column = ident(&protected.tenant_column);
    for table in tables {
        let name = table.quoted();
        let filled = table.columns.iter().filter(|column| !column.generated);
        let columns: Vec<String> = filled.map(|column| ident(&column.name)).collect();
        let attempts = [
            ("INSERT", sql::insert(&name, &column, &columns.join(", "))),
            ("UPDATE", sql::update(&name, &column)),
            ("DELETE", sql::delete(&name, &column)),
        ];
        for (word, statement) in attempts {
            let what = format!("{word} in {} under a grant to read", table.label());
            match tx.attempt(&statement, &[&tenant.as_str()]).await.map_err(text)? {
                Ok(rows) if rows.is_empty() => survey.holds(),
                Ok(rows) => survey.breaks(&what, format!("changed {} rows", rows.len())),
                Err(error) => match error.sqlstate() {
                    Some(code) if REFUSED.contains(&code) => survey.holds(),
                    // Only what passes the policies meets a constraint.
                    Some(code) if code.starts_with("23") => {
                        survey.breaks(&what, "only a constraint stopped it".to_owned());
                    }
                    _ => survey.misses(format!("{what}: {error}")),
                },
            }
        }
    }
    tx.rollback().await.map_err(text)
}

/// Writes with a binding that may, and says whether the trail names `actor`. The owner's login is
/// bound as the application's is, and sees in the same transaction what was recorded.
pub(super) async fn recorded(
    protected: &Protected,
    tables: &[Table],
    binding: &Secret,
    tenant: &TenantId,
    actor: &str,
) -> Result<Option<Finding>, String> {
    let tx = protected.owner.operator().await.map_err(text)?;
    if !bind(&tx, Some(binding)).await? {
        return Err("the binding of a living grant to write is refused".to_owned());
    }
    let column = ident(&protected.tenant_column);
    let mut written = None;
    for table in tables {
        let statement = sql::update(&table.quoted(), &column);
        // Not through `attempt`: what was recorded must still be there.
        tx.batch(sql::BEGIN_TRY).await.map_err(text)?;
        match tx.query(&statement, &[&tenant.as_str()]).await {
            Ok(rows) if !rows.is_empty() => {
                written = Some(table.label());
                break;
            }
            _ => tx.batch(sql::END_TRY).await.map_err(text)?,
        }
    }
    let Some(table) = written else {
        tx.rollback().await.map_err(text)?;
        return Err("no row of the synthetic tenant could be written to".to_owned());
    };
    let row = tx.query_one(sql::TRAIL, &[&actor]).await.map_err(text)?;
    let recorded: i64 = row.get(0);
    tx.rollback().await.map_err(text)?;
    let missing =
        || Finding::new(table, format!("a write of support is not in the trail as {actor}"));
    Ok((recorded == 0).then(missing))
}

/// Binds the transaction. `false` when the database refuses the binding, or there is none.
async fn bind(tx: &Tx, binding: Option<&Secret>) -> Result<bool, String> {
    let Some(binding) = binding else { return Ok(false) };
    Ok(tx.query(sql::BIND, &[&binding.expose()]).await.is_ok())
}

fn text(error: impl Into<crate::Error>) -> String {
    error.into().to_string()
}
