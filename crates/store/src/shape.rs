//! The shape of a schema that nobody here wrote, read from the catalogue.

use std::collections::BTreeMap;

use crate::{Result, Tx, qualified, sql};

/// A table, or the parent of partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its columns in their order.
    pub columns: Vec<Column>,
    /// The columns of its primary key; empty when it has none.
    pub primary_key: Vec<String>,
    /// Its unique constraints and unique indexes on plain columns, the primary key left out.
    pub uniques: Vec<Unique>,
    /// Its foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Whether row-level security is enabled.
    pub rls: bool,
    /// Whether it binds the owner too.
    pub forced: bool,
    /// Whether it is a partition of another table.
    pub partition: bool,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type as SQL writes it: `numeric(14,2)`.
    pub sql_type: String,
    /// The internal name of its base type, below any domain: `numeric`, `_text` for `text[]`.
    pub base: String,
    /// The greatest length of a `varchar` or `char`.
    pub length: Option<i32>,
    /// The labels of an enumeration, in order.
    pub labels: Vec<String>,
    /// The quoted words in check constraints on this column alone: good guesses for a value.
    pub hints: Vec<String>,
    /// Whether it refuses NULL.
    pub not_null: bool,
    /// Whether it fills itself: a default or an identity.
    pub has_default: bool,
    /// Whether it is computed and refuses every value.
    pub generated: bool,
}

/// A unique constraint or index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    /// Its name.
    pub name: String,
    /// Its columns in order.
    pub columns: Vec<String>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// The referencing columns.
    pub columns: Vec<String>,
    /// Schema and name of the referenced table.
    pub parent: (String, String),
    /// The referenced columns, in the order of `columns`.
    pub parent_columns: Vec<String>,
    /// `pg_constraint.confdeltype`: `a` no action, `r` restrict, `c` cascade, `n` set null, `d`.
    pub on_delete: char,
    /// `pg_constraint.confupdtype`, the same letters.
    pub on_update: char,
    /// Whether it can be deferred.
    pub deferrable: bool,
    /// Whether it is deferred by default.
    pub deferred: bool,
}

impl Table {
    /// The quoted, qualified name, for SQL.
    pub fn quoted(&self) -> String {
        qualified(&self.schema, &self.name)
    }

    /// `schema.name`, for people.
    pub fn label(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// Every ordinary and partitioned table outside PostgreSQL's own schemas and ours, by schema and
/// name.
///
/// # Errors
/// When the catalogue cannot be read.
pub async fn tables(tx: &Tx) -> Result<Vec<Table>> {
    let mut tables: BTreeMap<u32, Table> = BTreeMap::new();
    for row in tx.query(sql::TABLES, &[]).await? {
        let table = Table {
            schema: row.get(1),
            name: row.get(2),
            columns: Vec::new(),
            primary_key: Vec::new(),
            uniques: Vec::new(),
            foreign_keys: Vec::new(),
            rls: row.get(3),
            forced: row.get(4),
            partition: row.get(5),
        };
        tables.insert(row.get(0), table);
    }
    columns(tx, &mut tables).await?;
    keys(tx, &mut tables).await?;
    foreign_keys(tx, &mut tables).await?;
    let mut tables: Vec<Table> = tables.into_values().collect();
    tables.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
    Ok(tables)
}

async fn columns(tx: &Tx, tables: &mut BTreeMap<u32, Table>) -> Result<()> {
    for row in tx.query(sql::COLUMNS, &[]).await? {
        let Some(table) = tables.get_mut(&row.get(0)) else {
            continue;
        };
        let checks: Vec<String> = row.get(9);
        table.columns.push(Column {
            name: row.get(1),
            sql_type: row.get(2),
            base: row.get(3),
            length: row.get(4),
            labels: row.get(5),
            not_null: row.get(6),
            has_default: row.get(7),
            generated: row.get(8),
            hints: checks.iter().flat_map(|check| quoted_words(check)).collect(),
        });
    }
    Ok(())
}

async fn keys(tx: &Tx, tables: &mut BTreeMap<u32, Table>) -> Result<()> {
    for row in tx.query(sql::KEYS, &[]).await? {
        let Some(table) = tables.get_mut(&row.get(0)) else {
            continue;
        };
        let primary: bool = row.get(2);
        if primary {
            table.primary_key = row.get(3);
        } else {
            table.uniques.push(Unique { name: row.get(1), columns: row.get(3) });
        }
    }
    Ok(())
}

async fn foreign_keys(tx: &Tx, tables: &mut BTreeMap<u32, Table>) -> Result<()> {
    let letter = |code: i8| u8::try_from(code).map_or('?', char::from);
    for row in tx.query(sql::FOREIGN_KEYS, &[]).await? {
        let Some(table) = tables.get_mut(&row.get(0)) else {
            continue;
        };
        table.foreign_keys.push(ForeignKey {
            name: row.get(1),
            columns: row.get(2),
            parent: (row.get(3), row.get(4)),
            parent_columns: row.get(5),
            on_delete: letter(row.get(6)),
            on_update: letter(row.get(7)),
            deferrable: row.get(8),
            deferred: row.get(9),
        });
    }
    Ok(())
}

/// The words between single quotes in a check constraint: `'open'`, `'closed'`.
fn quoted_words(check: &str) -> Vec<String> {
    check.split('\'').skip(1).step_by(2).filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn hints_come_from_the_check() {
        let check = "CHECK ((status = ANY (ARRAY['open'::text, 'closed'::text])))";
        assert_eq!(super::quoted_words(check), ["open", "closed"]);
        assert!(super::quoted_words("CHECK (price > 0)").is_empty());
    }
}
