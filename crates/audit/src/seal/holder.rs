//! Who holds sealing back: the transaction that began to write before all others that are open.
//!
//! Until it has ended nobody knows what it will add, so what later ones wrote waits for it. It may be in
//! any database of the server.

use std::fmt;

use jiff::Timestamp;
use store::Db;

use super::sql;
use crate::Result;

/// Such a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process of the server, or none where it was prepared and has no session any more.
    pub pid: Option<i32>,
    /// What it was called when it was prepared.
    pub prepared: Option<String>,
    /// Whose it is.
    pub login: String,
    /// In which database.
    pub database: String,
    /// When it began, or was prepared, as far as `holder` was let to see it.
    pub since: Option<Timestamp>,
}

/// The oldest open transaction that writes. A superuser sees since when each is open.
///
/// # Errors
/// When the server cannot be asked.
pub async fn holder(db: &Db) -> Result<Option<Holder>> {
    let tx = db.operator().await?;
    let row = tx.query_opt(sql::HOLDER, &[]).await?;
    tx.rollback().await?;
    Ok(row.map(|row| Holder {
        pid: row.get(0),
        prepared: row.get(1),
        login: row.get::<_, Option<String>>(2).unwrap_or_default(),
        database: row.get::<_, Option<String>>(3).unwrap_or_default(),
        since: row.get(4),
    }))
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, prepared, login, database, since } = self;
        match (pid, prepared) {
            (_, Some(name)) => write!(f, "the prepared transaction {name:?}")?,
            (Some(pid), None) => write!(f, "the transaction of process {pid}")?,
            (None, None) => f.write_str("a transaction")?,
        }
        write!(f, " of login {login} in database {database}")?;
        if let Some(since) = since {
            write!(f, ", open since {since:.0},")?;
        }
        f.write_str(" holds sealing back: ")?;
        match pid {
            Some(pid) if prepared.is_none() => {
                write!(f, "have it end, or SELECT pg_terminate_backend({pid})")
            }
            _ => f.write_str("COMMIT PREPARED or ROLLBACK PREPARED it there"),
        }
    }
}
