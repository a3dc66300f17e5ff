//! Who took bait: what the gateway caught, kept for whoever operates it.
//!
//! It promises that what was written down is neither changed nor removed, and that no more than
//! [`MAX_HITS`] rows are written at a time. How often that is, is up to whoever hands them over.

use jiff::Timestamp;

use crate::{Access, Result, sql};

/// The most rows of one write, and of one look.
pub const MAX_HITS: usize = 1_000;

/// Bait that was taken, once or several times within a moment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BaitRow {
    /// When.
    pub at: Timestamp,
    /// The address.
    pub source: String,
    /// How it was asked for.
    pub method: String,
    /// The route as it was laid out, or `key`.
    pub bait: String,
    /// How often within that moment.
    pub times: i32,
    /// The account of whoever was signed in.
    pub holder: Option<String>,
}

impl Access {
    /// Writes down who took bait; of more than [`MAX_HITS`] the first.
    ///
    /// # Errors
    /// When the database does not take it; nothing of it is written down then.
    pub async fn write_bait(&self, hits: &[BaitRow]) -> Result<()> {
        let hits = hits.get(..MAX_HITS).unwrap_or(hits);
        let text = |get: fn(&BaitRow) -> &str| hits.iter().map(get).collect::<Vec<_>>();
        let at: Vec<Timestamp> = hits.iter().map(|hit| hit.at).collect();
        let times: Vec<i32> = hits.iter().map(|hit| hit.times).collect();
        let holders: Vec<Option<&str>> = hits.iter().map(|hit| hit.holder.as_deref()).collect();
        let (sources, methods, baits) =
            (text(|hit| &hit.source), text(|hit| &hit.method), text(|hit| &hit.bait));
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> = &[&at, &sources, &methods, &baits, &times, &holders];
        tx.execute(sql::WRITE_BAIT, bound).await?;
        Ok(tx.commit().await?)
    }

    /// Who took bait since then, the last first: [`MAX_HITS`] at most. With `source`, of that address alone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bait_taken(&self, since: Timestamp, source: Option<&str>) -> Result<Vec<BaitRow>> {
        let most = i64::try_from(MAX_HITS).unwrap_or(i64::MAX);
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::BAIT_TAKEN, &[&since, &source, &most]).await?;
        tx.commit().await?;
        let read = |row: &store::Row| BaitRow {
            at: row.get("at"),
            source: row.get("source"),
            method: row.get("method"),
            bait: row.get("bait"),
            times: row.get("times"),
            holder: row.get("holder"),
        };
        Ok(rows.iter().map(read).collect())
    }
}
