//! When under-attack mode was switched: what the gateway decided or was told, kept for whoever operates
//! it.
//!
//! It promises that what was written down is neither changed nor removed. How often that is, is up to
//! whoever hands it over.

use jiff::Timestamp;

use crate::bait::MAX_HITS;
use crate::{Access, Result, sql};

/// One switch.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AttackRow {
    /// When.
    pub at: Timestamp,
    /// Whether strangers were shed from then on.
    pub shedding: bool,
    /// The mode from then on: off, on or auto.
    pub mode: String,
    /// `hand`, or the sign that was measured.
    pub why: String,
    /// Requests of strangers in the second before.
    pub strangers: i64,
    /// Requests of whoever is signed in, in the second before.
    pub people: i64,
    /// How late the gateway's threads were at most, in milliseconds.
    pub lag_ms: i64,
}

impl Access {
    /// Writes down a switch.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn write_attack(&self, row: &AttackRow) -> Result<()> {
        let AttackRow { at, shedding, mode, why, strangers, people, lag_ms } = row;
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> = &[at, shedding, mode, why, strangers, people, lag_ms];
        tx.execute(sql::WRITE_ATTACK, bound).await?;
        Ok(tx.commit().await?)
    }

    /// The switches since then, the last first: a thousand at most.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn attack_switches(&self, since: Timestamp) -> Result<Vec<AttackRow>> {
        let most = i64::try_from(MAX_HITS).unwrap_or(i64::MAX);
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::ATTACK_SWITCHES, &[&since, &most]).await?;
        tx.commit().await?;
        let read = |row: &store::Row| AttackRow {
            at: row.get("at"),
            shedding: row.get("shedding"),
            mode: row.get("mode"),
            why: row.get("why"),
            strangers: row.get("strangers"),
            people: row.get("people"),
            lag_ms: row.get("lag_ms"),
        };
        Ok(rows.iter().map(read).collect())
    }
}
