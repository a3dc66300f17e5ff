//! Which rows a request is about. Nothing of what they say leaves the database: their places, hashes and
//! tables do.

use jiff::Timestamp;
use store::Db;

use super::sql;
use crate::reading::Key;
use crate::row;
use crate::seal::xid8;
use crate::{Error, Result};

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
    })
}

/// The months that were taken out of the database: what lies in their archive alone is not chosen, and
/// not erased.
///
/// # Errors
/// When the database refuses.
pub async fn archived(reader: &Db) -> Result<Vec<String>> {
    let tx = reader.operator().await?;
    tx.batch(sql::CHOOSING).await?;
    let rows = tx.query(sql::ARCHIVED, &[]).await?;
    tx.rollback().await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
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
