//! What a binding lets the application's role do to the rows of a tenant.

use kernel::{Finding, Secret, TenantId};
use store::{Protected, Table, Tx, ident};

use super::attack::Survey;
use super::sql;

/// Codes with which the database refuses: a right or a policy is missing, the binding is not good.
const REFUSED: [&str; 2] = ["42501", "28000"];

/// What a binding showed.
pub(super) struct Seen {
    /// So many rows.
    pub(super) rows: i64,
    /// Why the first table that could not be looked at could not.
    pub(super) missed: Option<String>,
}

/// The tables with tenants' rows.
///
/// # Errors
/// When there is none: nothing that is tried in no table says anything.
pub(super) async fn tables(protected: &Protected) -> Result<Vec<Table>, String> {
    let tx = protected.owner.operator().await.map_err(text)?;
    let shape = store::tables(&tx).await.map_err(text)?;
    tx.rollback().await.map_err(text)?;
    let ours = |table: &Table| !table.partition && table.column(&protected.tenant_column).is_some();
    let tables: Vec<Table> = shape.into_iter().filter(ours).collect();
    if tables.is_empty() {
        return Err("no table behind the gateway has rows of tenants".to_owned());
    }
    Ok(tables)
}

/// How many rows of `tenant` are shown with this binding, or without one. A binding that is refused is
/// none.
pub(super) async fn seen(
    protected: &Protected,
    tables: &[Table],
    binding: Option<&Secret>,
    tenant: &TenantId,
) -> Result<Seen, String> {
    let tx = protected.intruder.operator().await.map_err(text)?;
    bind(&tx, binding).await?;
    let mut seen = Seen { rows: 0, missed: None };
    for table in tables {
        match shown(&tx, table, &protected.tenant_column, tenant).await? {
            Ok(rows) => seen.rows += rows,
            // A table that the application may not read shows nothing.
            Err(error) if is_refusal(&error) => {}
            Err(error) => {
                seen.missed.get_or_insert(format!("{}: {error}", table.label()));
            }
        }
    }
    tx.rollback().await.map_err(text)?;
    Ok(seen)
}

/// How many rows of `tenant` a table shows; the inner error is what the database said instead.
async fn shown(
    tx: &Tx,
    table: &Table,
    column: &str,
    tenant: &TenantId,
) -> Result<Result<i64, store::Error>, String> {
    let statement = sql::count(&table.quoted(), &ident(column));
    let rows = tx.attempt(&statement, &[&tenant.as_str()]).await.map_err(text)?;
    Ok(rows.map(|rows| rows.first().map_or(0, |row| row.get::<_, i64>(0))))
}

fn is_refusal(error: &store::Error) -> bool {
    error.sqlstate().is_some_and(|code| REFUSED.contains(&code))
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
        let there = match shown(&tx, table, &protected.tenant_column, tenant).await? {
            Ok(rows) => rows > 0,
            Err(error) if is_refusal(&error) => false,
            Err(error) => {
                survey.misses(format!("{} under a grant to read: {error}", table.label()));
                continue;
            }
        };
        // Of no row there is none to copy, to change or to remove, and that none was is no refusal.
        let attempts = if there {
            vec![
                ("INSERT", sql::insert(&name, &column, &columns.join(", "))),
                ("UPDATE", sql::update(&name, &column)),
                ("DELETE", sql::delete(&name, &column)),
            ]
        } else {
            let tenants = table.column(&protected.tenant_column);
            let sql_type = tenants.map_or("text", |column| column.sql_type.as_str());
            vec![("INSERT", sql::insert_bare(&name, &column, sql_type))]
        };
        for (word, statement) in attempts {
            let what = format!("{word} in {} under a grant to read", table.label());
            let outcome = tx.attempt(&statement, &[&tenant.as_str()]).await.map_err(text)?;
            judge(survey, (word, &what), outcome.map(|rows| rows.len()));
        }
    }
    tx.rollback().await.map_err(text)
}

/// What came of one write that was to be refused.
pub(super) fn judge(
    survey: &mut Survey,
    (word, what): (&str, &str),
    outcome: Result<usize, store::Error>,
) {
    match outcome {
        // Rows that a policy hides from being changed are not changed. A new one is refused, or is there.
        Ok(0) if word != "INSERT" => survey.holds(),
        Ok(0) => survey.misses(format!("{what}: nothing was written, and nothing refused it")),
        Ok(rows) => survey.breaks(what, format!("changed {rows} rows")),
        Err(error) if is_refusal(&error) => survey.holds(),
        // Only what passes the policies meets a constraint.
        Err(error) if error.sqlstate().is_some_and(|code| code.starts_with("23")) => {
            survey.breaks(what, "only a constraint stopped it".to_owned());
        }
        Err(error) => survey.misses(format!("{what}: {error}")),
    }
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
    let (mut written, mut why) = (None, String::new());
    for table in tables {
        let statement = sql::update(&table.quoted(), &column);
        // Not through `attempt`: what was recorded must still be there.
        tx.batch(sql::BEGIN_TRY).await.map_err(text)?;
        match tx.query(&statement, &[&tenant.as_str()]).await {
            Ok(rows) if !rows.is_empty() => {
                written = Some(table.label());
                break;
            }
            tried => {
                if let Err(error) = tried {
                    why = format!(": {error}");
                }
                tx.batch(sql::END_TRY).await.map_err(text)?;
            }
        }
    }
    let Some(table) = written else {
        tx.rollback().await.map_err(text)?;
        return Err(format!("no row of the synthetic tenant could be written to{why}"));
    };
    let row = tx.query_one(sql::TRAIL, &[&actor]).await.map_err(text)?;
    let recorded: i64 = row.get(0);
    tx.rollback().await.map_err(text)?;
    let missing =
        || Finding::new(table, format!("a write of support is not in the trail as {actor}"));
    Ok((recorded == 0).then(missing))
}

/// Binds the transaction. `false` when there is no binding, or the database refuses it as one that is not
/// good; the transaction goes on then, unbound.
async fn bind(tx: &Tx, binding: Option<&Secret>) -> Result<bool, String> {
    let Some(binding) = binding else { return Ok(false) };
    tx.batch(sql::BEGIN_TRY).await.map_err(text)?;
    match tx.query(sql::BIND, &[&binding.expose()]).await {
        Ok(_) => Ok(true),
        Err(error) if is_refusal(&error) => {
            tx.batch(sql::END_TRY).await.map_err(text)?;
            Ok(false)
        }
        Err(error) => Err(error.to_string()),
    }
}

fn text(error: impl Into<crate::Error>) -> String {
    error.into().to_string()
}
