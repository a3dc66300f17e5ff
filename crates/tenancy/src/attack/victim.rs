//! What the attacks go for: B's row in each table, and the views that may show it.

use std::collections::HashMap;

use kernel::TenantId;
use store::{Protected, ident, qualified};

use super::Scene;
use crate::canary::{Values, bound, row_of};
use crate::census::{Name, ROW};
use crate::{Held, Result, sql};

/// A table with a row of each canary.
pub(crate) struct Victim<'a> {
    pub(crate) held: &'a Held,
    /// Whether the canaries have rows here. A partition may have none, as its bounds say: it is
    /// attacked for what others have in it.
    pub(crate) rows: bool,
    /// The attacker's row.
    pub(crate) a: Values,
    /// The row that it goes for.
    pub(crate) b: Values,
    rights: TableRights,
}

/// Rights by column.
type TableRights = HashMap<String, Rights>;
/// Rights by table.
pub(crate) type AllRights = HashMap<Name, TableRights>;

/// What the application may do with a column.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rights {
    select: bool,
    insert: bool,
    update: bool,
}

/// A view that the application can read.
pub(crate) struct View {
    pub(crate) label: String,
    pub(crate) quoted: String,
}

/// Parameters of a statement, as they are added one by one.
#[derive(Debug, Default)]
pub(crate) struct Bound(pub(crate) Vec<Option<String>>, Place);

/// Where the values of a statement are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Beside,
    Within,
}

impl Bound {
    /// For statements that take no parameters: every value is written into the text.
    pub(crate) fn spelled() -> Self {
        Self(Vec::new(), Place::Within)
    }

    /// Adds `value` and returns its place in the statement.
    pub(crate) fn add(&mut self, value: Option<&str>) -> String {
        if self.1 == Place::Within {
            let value = value.map_or_else(|| "NULL".to_owned(), store::literal);
            return format!("{value}::text");
        }
        self.0.push(value.map(str::to_owned));
        format!("${}::text", self.0.len())
    }
}

/// Both canaries' rows in a table, after checking that each sees its own: an attack that finds
/// nothing would prove nothing otherwise. The inner error says why the table cannot be attacked.
pub(super) async fn find<'a>(
    scene: &Scene<'a>,
    held: &'a Held,
) -> Result<std::result::Result<Victim<'a>, String>> {
    let (a, b) = &scene.protected.canaries;
    let name = (held.table.schema.clone(), held.table.name.clone());
    let rights = scene.rights.get(&name).cloned().unwrap_or_default();
    let rows = (row(scene, held, a).await?, row(scene, held, b).await?);
    let (rows, row_a, row_b) = match rows {
        (Some(row_a), Some(row_b)) => (true, row_a, row_b),
        _ if held.table.partition => (false, Values::new(), Values::new()),
        _ => return Ok(Err("the canaries have no row in it".to_owned())),
    };
    let victim = Victim { held, rows, a: row_a, b: row_b, rights };
    if !rows {
        return Ok(Ok(victim));
    }
    for (tenant, values) in [(a, &victim.a), (b, &victim.b)] {
        if let Err(why) = sees_own(scene, &victim, tenant, values).await? {
            return Ok(Err(why));
        }
    }
    Ok(Ok(victim))
}

async fn row(scene: &Scene<'_>, held: &Held, tenant: &TenantId) -> Result<Option<Values>> {
    let owner = &scene.protected.owner;
    let tx = bound(owner, scene.key, tenant, scene.clock.now()).await?;
    let row = row_of(&tx, scene.census, held, tenant).await?;
    tx.rollback().await?;
    Ok(row)
}

/// As the application, where it may read the whole row; else as the owner.
async fn sees_own(
    scene: &Scene<'_>,
    victim: &Victim<'_>,
    tenant: &TenantId,
    values: &Values,
) -> Result<std::result::Result<(), String>> {
    let protected = scene.protected;
    let login = if victim.readable() { &protected.intruder } else { &protected.owner };
    let mut parameters = Bound::default();
    let sql = format!(
        "SELECT count(*) FROM {} AS {ROW} WHERE {}",
        victim.held.table.quoted(),
        victim.is(values, &mut parameters)
    );
    let tx = bound(login, scene.key, tenant, scene.clock.now()).await?;
    let parameters: Vec<&(dyn store::ToSql + Sync)> =
        parameters.0.iter().map(|p| p as &(dyn store::ToSql + Sync)).collect();
    let answer = tx.query_one(&sql, &parameters).await;
    tx.rollback().await?;
    Ok(match answer {
        Ok(row) if row.get::<_, i64>(0) > 0 => Ok(()),
        Ok(_) => Err("a canary does not see its own row".to_owned()),
        Err(error) => Err(format!("a canary cannot read its own row: {error}")),
    })
}

/// What the application may do with every column.
pub(super) async fn rights(protected: &Protected) -> Result<AllRights> {
    let tx = protected.owner.operator().await?;
    let rows = tx.query(sql::COLUMN_RIGHTS, &[&protected.app_role]).await?;
    tx.rollback().await?;
    let mut all = AllRights::new();
    for row in &rows {
        let rights = Rights { select: row.get(3), insert: row.get(4), update: row.get(5) };
        let table = all.entry((row.get(0), row.get(1))).or_default();
        table.insert(row.get(2), rights);
    }
    Ok(all)
}

/// The views and materialised views over any table that the application can read.
pub(super) async fn views(protected: &Protected) -> Result<Vec<View>> {
    let tx = protected.owner.operator().await?;
    let rows = tx.query(sql::VIEWS, &[&protected.app_role]).await?;
    tx.rollback().await?;
    let mut views: Vec<View> = Vec::new();
    for row in rows.iter().filter(|row| row.get(8)) {
        let (schema, name): (&str, &str) = (row.get(0), row.get(1));
        let label = format!("{schema}.{name}");
        if views.last().is_none_or(|last| last.label != label) {
            let quoted = qualified(schema, name);
            views.push(View { label, quoted });
        }
    }
    Ok(views)
}

/// The schemas in which somebody could make an object, and whether others would look for it there.
pub(super) async fn schemas(protected: &Protected) -> Result<Vec<(String, bool)>> {
    let tx = protected.owner.operator().await?;
    let rows = tx.query(sql::SCHEMAS, &[&protected.app_role]).await?;
    tx.rollback().await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

impl Victim<'_> {
    /// Whether the application may read every column.
    pub(crate) fn readable(&self) -> bool {
        self.held.table.columns.iter().all(|c| self.may(&c.name).select)
    }

    pub(crate) fn may_insert(&self, column: &str) -> bool {
        self.may(column).insert
    }

    pub(crate) fn may_update(&self, column: &str) -> bool {
        self.may(column).update
    }

    /// A column that the application may write, or any other where there is none: then the refusal
    /// is for the lack of that right.
    pub(crate) fn writable(&self) -> Option<&str> {
        let names = || self.held.table.columns.iter().filter(|c| !c.generated).map(|c| &c.name);
        let first = names().find(|name| self.may_update(name)).or_else(|| names().next());
        first.map(String::as_str)
    }

    /// The value of `column` in `values`.
    pub(crate) fn value<'v>(&self, values: &'v Values, column: &str) -> Option<&'v str> {
        let place = self.held.table.columns.iter().position(|c| c.name == column)?;
        values.get(place)?.as_deref()
    }

    /// A condition that is fulfilled by the row `values` alone.
    pub(crate) fn is(&self, values: &Values, bound: &mut Bound) -> String {
        let table = &self.held.table;
        let all: Vec<String> = if table.primary_key.is_empty() {
            let pairs = table.columns.iter().zip(values);
            pairs
                .map(|(column, value)| {
                    let place = bound.add(value.as_deref());
                    format!("{ROW}.{}::text IS NOT DISTINCT FROM {place}", ident(&column.name))
                })
                .collect()
        } else {
            let keys = table.primary_key.iter().filter_map(|c| table.column(c));
            keys.map(|column| {
                let place = bound.add(self.value(values, &column.name));
                format!("{ROW}.{} = {place}::{}", ident(&column.name), column.sql_type)
            })
            .collect()
        };
        all.join(" AND ")
    }

    fn may(&self, column: &str) -> Rights {
        self.rights.get(column).copied().unwrap_or_default()
    }
}
