//! Who holds the log back: a transaction that stays open.
//!
//! What began after it is sealed only when it has ended, and the slot keeps the log since it began, which
//! is decoded again at each look and is lost in the end.

use std::fmt;

use serde::Serialize;
use store::Tx;

use super::sql;
use crate::Result;

/// From when on it is worth telling, in seconds.
const LONG: i64 = 60;

/// A transaction that holds sealing and the comparison back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Whose it is: process or name, login and database.
    pub who: String,
    /// For how long it has been open, in seconds.
    pub seconds: i64,
    /// Whether it was prepared, so that it belongs to no session.
    pub prepared: bool,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, seconds, prepared } = self;
        let advice = if *prepared {
            "commit it or roll it back; where nobody prepares transactions, set \
             max_prepared_transactions = 0"
        } else {
            "end it; idle_in_transaction_session_timeout = '5min' would"
        };
        write!(
            f,
            "{who} is open for {} minutes and holds back sealing and the comparison: {advice}",
            seconds / 60
        )
    }
}

/// The oldest transaction that has written something and is still open after a minute.
pub(super) async fn back(tx: &Tx) -> Result<Option<Held>> {
    older(tx, LONG).await
}

async fn older(tx: &Tx, seconds: i64) -> Result<Option<Held>> {
    let row = tx.query_opt(sql::OLDEST, &[&seconds]).await?;
    Ok(row.map(|row| Held { who: row.get(0), seconds: row.get(1), prepared: row.get(2) }))
}

#[cfg(test)]
mod tests {
    use super::older;

    /// A transaction that stays open is named by its process and login, with what helps.
    #[tokio::test]
    async fn who_holds_the_log_back_is_named() {
        let db = testkit::database(&[]).await;
        let idle = db.owner.operator().await.unwrap();
        let row = idle.query_one("SELECT pg_backend_pid(), pg_current_xact_id()::text", &[]);
        let process: i32 = row.await.unwrap().get(0);
        let tx = db.superuser.operator().await.unwrap();
        assert_eq!(older(&tx, 1_000_000).await.unwrap(), None);
        // Others of this server may have one too, and an older one.
        let all = super::sql::OLDEST.replace("LIMIT 1", "");
        let rows = tx.query(&all, &[&0_i64]).await.unwrap();
        let mine = format!(
            "the idle transaction of login {} in database {}, process {process}",
            db.owner.url().user,
            db.owner.url().database
        );
        assert!(rows.iter().any(|row| row.get::<_, &str>(0) == mine), "{mine}");
        let held = older(&tx, 0).await.unwrap().unwrap();
        assert!(!held.prepared);
        assert!(held.to_string().contains("idle_in_transaction_session_timeout"), "{held}");
    }
}
