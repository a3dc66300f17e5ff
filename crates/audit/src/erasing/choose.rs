//! Which rows a request is about, in the database and in the archive. Nothing of what they say is given:
//! their places, hashes and tables are.

use std::collections::BTreeSet;

use jiff::Timestamp;
use store::Db;

use super::sql;
use crate::archive::{Beyond, Past};
use crate::reading::document::members;
use crate::reading::matching::{says, text_of};
use crate::reading::{Filter, Key};
use crate::retention::Month;
use crate::row;
use crate::seal::xid8;
use crate::{Error, Result, TrailRow};

/// How rows are chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Those about one record, before a change and after it, and those about who has read them.
    Record {
        /// The schema of its table; without it, a table of this name in any.
        schema: Option<String>,
        /// Its table, with all of its partitions.
        table: String,
        /// Its key.
        key: Key,
    },
    /// Those with these numbers.
    Rows(Vec<i64>),
    /// Those that were written for a tenant.
    Tenant(String),
    /// Those in which this text stands as a value.
    About(String),
}

impl Selection {
    /// How they are chosen, without a value that it could be about a person by.
    pub fn told(&self) -> String {
        match self {
            Self::Record { schema: Some(schema), table, .. } => {
                format!("a record of {schema}.{table}")
            }
            Self::Record { schema: None, table, .. } => format!("a record of {table}"),
            Self::Rows(_) => "numbers of rows".to_owned(),
            Self::Tenant(_) => "a tenant".to_owned(),
            Self::About(_) => "a value".to_owned(),
        }
    }
}

/// A row that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The transaction that wrote it.
    pub xid: u64,
    /// Its number.
    pub id: i64,
    /// When it was written.
    pub at: Timestamp,
    /// The schema of its table.
    pub schema: String,
    /// Its table.
    pub table: String,
    /// What was done.
    pub action: String,
    /// The hash beside it.
    pub row_hash: Vec<u8>,
    /// Whether its content can go.
    pub content: ContentState,
    /// Whether it is in the archive alone.
    pub archived: bool,
}

/// What was chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// The rows, in the order of transaction and number.
    pub rows: Vec<Chosen>,
    /// Months of the archive that could not be looked into, and why.
    pub unread: Vec<(String, String)>,
}

/// Whether the content of a row can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentState {
    /// It can.
    There,
    /// It was erased before.
    Erased,
    /// The row was recorded in the first form of the trail: its hash is over the content itself.
    First,
    /// There is none.
    Empty,
}

/// The rows that are chosen, in the order of transaction and number.
///
/// # Errors
/// When the login does not see the whole trail, or the database refuses.
pub async fn choose(reader: &Db, selection: &Selection) -> Result<Vec<Chosen>> {
    let tx = reader.operator().await?;
    tx.batch(sql::CHOOSING).await?;
    row::sees_all(&tx).await?;
    let rows = match selection {
        Selection::Record { schema, table, key } => {
            let key = serde_json::to_string(key).map_err(|error| Error::Json(error.to_string()))?;
            tx.query(sql::OF_RECORD, &[schema, table, &key]).await?
        }
        Selection::Rows(ids) => tx.query(sql::NUMBERED, &[ids]).await?,
        Selection::Tenant(tenant) => tx.query(sql::OF_TENANT, &[tenant]).await?,
        Selection::About(value) => tx.query(sql::MENTIONING, &[value]).await?,
    };
    tx.rollback().await?;
    rows.iter().map(chosen).collect()
}

fn chosen(row: &store::Row) -> Result<Chosen> {
    let (salted, erased, says): (bool, bool, bool) = (row.get(7), row.get(8), row.get(9));
    let content = match (salted, erased, says) {
        (_, true, _) => ContentState::Erased,
        (_, false, false) => ContentState::Empty,
        (true, false, true) => ContentState::There,
        (false, false, true) => ContentState::First,
    };
    Ok(Chosen {
        xid: xid8(row.get(0))?,
        id: row.get(1),
        at: row.get(2),
        schema: row.get(3),
        table: row.get(4),
        action: row.get(5),
        row_hash: row.get(6),
        content,
        archived: false,
    })
}

/// The rows that are chosen in the database and in the months that are in the archive alone.
///
/// # Errors
/// As [`choose`]. A month that cannot be opened is named in what is returned, and keeps no other.
pub async fn choose_everywhere(
    reader: &Db,
    selection: &Selection,
    beyond: &Beyond,
) -> Result<Choice> {
    let rows = choose(reader, selection).await?;
    let mut choice = Choice { rows, unread: Vec::new() };
    let is_found = |id: &i64| choice.rows.iter().any(|row| row.id == *id);
    if let Selection::Rows(ids) = selection
        && ids.iter().all(is_found)
    {
        return Ok(choice);
    }
    let tree = match selection {
        Selection::Record { schema, table, .. } => tree(reader, schema.as_deref(), table).await?,
        _ => BTreeSet::new(),
    };
    let (months, wrong) = Past::months(reader, beyond).await?;
    choice.unread.extend(wrong.map(|why| ("the list of months".to_owned(), why)));
    let near: BTreeSet<(u64, i64)> = choice.rows.iter().map(|row| (row.xid, row.id)).collect();
    for month in months {
        match archived(selection, (beyond, month), &tree).await {
            Ok(mut found) => {
                found.retain(|row| !near.contains(&(row.xid, row.id)));
                choice.rows.extend(found);
            }
            Err(Error::NotOpened { month, why }) => choice.unread.push((month, why)),
            Err(error) => return Err(error),
        }
    }
    choice.rows.sort_by_key(|row| (row.xid, row.id));
    Ok(choice)
}

/// The rows that are chosen in one month of the archive.
async fn archived(
    selection: &Selection,
    (beyond, month): (&Beyond, (Month, Option<u64>)),
    tree: &BTreeSet<(String, String)>,
) -> Result<Vec<Chosen>> {
    let all = Filter::default();
    let wanted = match selection {
        Selection::Rows(ids) => {
            Filter { first: ids.iter().min().copied(), last: ids.iter().max().copied(), ..all }
        }
        Selection::Tenant(tenant) => Filter { tenant: Some(tenant.clone()), ..all },
        Selection::Record { .. } | Selection::About(_) => all,
    };
    let mut past = Past::of(beyond, month, wanted).await?;
    let mut rows = Vec::new();
    while let Some(row) = past.next().await? {
        if selection.is_of(&row, tree) {
            rows.push(Chosen::of(&row));
        }
    }
    Ok(rows)
}

/// A table and its partitions, as they are named now.
async fn tree(
    reader: &Db,
    schema: Option<&str>,
    table: &str,
) -> Result<BTreeSet<(String, String)>> {
    let tx = reader.operator().await?;
    tx.batch(sql::CHOOSING).await?;
    let rows = tx.query(sql::TREE, &[&schema, &table]).await?;
    tx.rollback().await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

impl Selection {
    /// Whether it chooses a row of the archive, as the statements do of those in the database; `tree` has the
    /// table of the record and its partitions.
    fn is_of(&self, row: &TrailRow, tree: &BTreeSet<(String, String)>) -> bool {
        match self {
            Self::Rows(ids) => ids.contains(&row.id),
            Self::Tenant(tenant) => row.tenant_id.as_ref() == Some(tenant),
            Self::About(value) => [&row.row_key, &row.old_data, &row.new_data]
                .into_iter()
                .flatten()
                .any(|document| says(document, value)),
            Self::Record { schema, table, key } => {
                let is_named = row.table_name == *table
                    && schema.as_ref().is_none_or(|schema| row.table_schema == *schema);
                let place = (row.table_schema.clone(), row.table_name.clone());
                (is_named || tree.contains(&place)) && key.is_of(row)
                    || is_reading(row, (schema.as_deref(), table), key)
            }
        }
    }
}

/// Whether a row tells of somebody's asking for this record.
fn is_reading(row: &TrailRow, (schema, table): (Option<&str>, &str), key: &Key) -> bool {
    if !matches!(row.action.as_str(), "ASK" | "READ") {
        return false;
    }
    let told = row.new_data.as_deref().map(members).unwrap_or_default();
    let Some((_, filter)) = told.iter().find(|(name, _)| name == "filter") else { return false };
    let filter = members(filter);
    let member =
        |wanted: &str| filter.iter().find(|(name, _)| name == wanted).map(|(_, held)| *held);
    let is = |held: &str, wanted: &str| text_of(held).as_deref() == Some(wanted);
    let asked = member("table").is_some_and(|held| is(held, table));
    let within = schema
        .is_none_or(|schema| member("schema").and_then(text_of).is_none_or(|held| held == schema));
    asked && within && member("key").is_some_and(|held| key.is_key(held))
}

impl Chosen {
    fn of(row: &TrailRow) -> Self {
        let says = [&row.row_key, &row.old_data, &row.new_data].into_iter().any(Option::is_some);
        let content = match (row.salt.is_some(), row.is_erased(), says) {
            (_, true, _) => ContentState::Erased,
            (_, false, false) => ContentState::Empty,
            (true, false, true) => ContentState::There,
            (false, false, true) => ContentState::First,
        };
        Self {
            xid: row.xid,
            id: row.id,
            at: row.event_timestamp,
            schema: row.table_schema.clone(),
            table: row.table_name.clone(),
            action: row.action.clone(),
            row_hash: row.row_hash.clone(),
            content,
            archived: true,
        }
    }
}

/// Whether contents can be erased in a trail: it has the form for it, under a superuser's guard.
///
/// # Errors
/// When the catalogue cannot be read.
pub async fn can_erase(superuser: &Db) -> Result<bool> {
    let tx = superuser.operator().await?;
    tx.batch(crate::sql::CLOSED_PATH).await?;
    let can = tx.query_opt(crate::sql::ERASES, &[]).await?.is_some();
    tx.rollback().await?;
    Ok(can)
}
