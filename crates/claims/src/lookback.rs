//! What the proofs of some claims came to in a stretch of time.

use jiff::Timestamp;
use kernel::{Found, Lookback, Runs};

use crate::{Evidence, Result, sql};

/// The most findings that are listed.
const MAX_FOUND: i64 = 100;

impl Evidence {
    /// What the proofs of `claims` came to from `from` until before `to`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lookback(
        &self,
        claims: &[&str],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Lookback> {
        let tx = self.db().operator().await?;
        let runs = tx.query(sql::DURING, &[&claims, &from, &to]).await?;
        let most = MAX_FOUND + 1;
        let found = tx.query(sql::FOUND, &[&claims, &from, &to, &most]).await?;
        tx.rollback().await?;
        let runs = runs.iter().map(|row| Runs {
            claim: row.get(0),
            params: row.get(1),
            runs: row.get(2),
            held: row.get(3),
            broken: row.get(4),
            last: row.get(5),
            population: row.get(6),
        });
        let found = found.iter().map(|row| Found {
            claim: row.get(0),
            object: row.get(1),
            what: row.get(2),
            times: row.get(3),
            first: row.get(4),
            last: row.get(5),
        });
        let (runs, mut found) = (runs.collect(), found.collect::<Vec<_>>());
        let kept = usize::try_from(MAX_FOUND).unwrap_or(usize::MAX);
        let more = found.len() > kept;
        found.truncate(kept);
        Ok(Lookback { runs, found, more })
    }
}
