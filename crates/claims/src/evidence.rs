//! Append-only rows of what was run and what was found. A verdict is a function of these alone.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use kernel::{Card, Finding, Outcome, Population, Proof};
use store::{Db, Json, Row};

use crate::{Error, Result, sql};

/// How many rows [`Evidence::history`] goes back for each kind of run.
const HISTORY_ROWS: i64 = 10_000;
/// The longest text that is stored of one run, in characters.
const MAX_TEXT_CHARS: usize = 4_000;
/// The version of this program, which is noted with every run.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The most findings that are stored of one run; the text says how many there were.
const MAX_FINDINGS: usize = 200;

/// One column of a row. A macro, because the driver's traits have no name outside `store`.
macro_rules! field {
    ($row:expr, $name:expr) => {
        $row.try_get($name).map_err(|error| Error::Corrupt(format!("{}: {error}", $name)))
    };
}

/// What was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Run {
    /// The control's attack or measurement on the running system.
    Proof,
    /// The proof of the proof, on a seeded violation.
    Bite,
}

impl Run {
    /// The word in lower case, as SQL, metrics and JSON write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proof => "proof",
            Self::Bite => "bite",
        }
    }
}

/// What a row of evidence is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The claim's id.
    pub claim: String,
    /// Its parameters in [canonical form](kernel::canonical); empty for bites.
    pub params: String,
    /// What was run.
    pub run: Run,
}

/// As much of a row as a verdict needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// What was found.
    pub outcome: Outcome,
    /// How often the control was due when it ran.
    pub cadence: Duration,
    /// When the system was in that state.
    pub observed_at: Timestamp,
    /// When the database stored it, by its own clock.
    pub received_at: Timestamp,
    /// The version of Amanah that ran it.
    pub version: String,
}

/// One row of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub id: i64,
    /// What it is about.
    pub key: Key,
    /// The outcome and its times.
    pub mark: Mark,
    /// How much was looked at.
    pub population: Population,
    /// The measured value.
    pub measured: String,
    /// What it was compared with.
    pub threshold: String,
    /// Why, in a sentence.
    pub detail: String,
    /// What gave way; at most 200 are kept.
    pub findings: Vec<Finding>,
    /// What the control did: the sentence of its card at that time.
    pub attack: String,
    /// How long it took, to the millisecond.
    pub took: Duration,
}

/// What one claim's runs came to, the latest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Its proofs, at most 10,000.
    pub(crate) proofs: Vec<Mark>,
    /// Its bites, at most 10,000.
    pub(crate) bites: Vec<Mark>,
}

/// The evidence in the control database.
#[derive(Debug, Clone)]
pub struct Evidence {
    db: Db,
}

impl Evidence {
    /// The evidence in `db`, where [`crate::ROOM`] was migrated.
    pub const fn new(db: Db) -> Self {
        Self { db }
    }

    pub(crate) const fn db(&self) -> &Db {
        &self.db
    }

    /// Stores one run and returns it as it was stored.
    ///
    /// # Errors
    /// When the database does not take it; nothing may be said of the claim on its ground then.
    pub async fn record(
        &self,
        key: &Key,
        card: &Card,
        proof: &Proof,
        took: Duration,
    ) -> Result<Record> {
        let record = draft(key, card, proof, took);
        let findings = Json(&record.findings);
        let (checked, total) = (number(record.population.checked), number(record.population.total));
        let (cadence, took) = (millis(card.cadence), millis(took));
        let tx = self.db.operator().await?;
        let row = tx
            .query_one(
                sql::RECORD,
                &[
                    &record.key.claim,
                    &record.key.params,
                    &record.key.run.as_str(),
                    &record.mark.outcome.as_str(),
                    &checked,
                    &total,
                    &record.population.of,
                    &record.measured,
                    &record.threshold,
                    &record.detail,
                    &findings,
                    &record.attack,
                    &cadence,
                    &record.mark.version,
                    &took,
                    &record.mark.observed_at,
                ],
            )
            .await?;
        tx.commit().await?;
        let mark = Mark {
            observed_at: field!(row, "observed_at")?,
            received_at: field!(row, "received_at")?,
            ..record.mark.clone()
        };
        Ok(Record { id: field!(row, "id")?, mark, ..record })
    }

    /// The latest record for each of `keys` that was stored at `at` or before; the very latest
    /// when `at` is `None`. Keys without any record are absent.
    ///
    /// # Errors
    /// When the database does not answer or a row cannot be read.
    pub async fn latest(
        &self,
        keys: &[Key],
        at: Option<Timestamp>,
    ) -> Result<HashMap<Key, Record>> {
        let claims: Vec<&str> = keys.iter().map(|key| key.claim.as_str()).collect();
        let params: Vec<&str> = keys.iter().map(|key| key.params.as_str()).collect();
        let runs: Vec<&str> = keys.iter().map(|key| key.run.as_str()).collect();
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::LATEST, &[&claims, &params, &runs, &at]).await?;
        tx.rollback().await?;
        let mut latest = HashMap::with_capacity(rows.len());
        for row in &rows {
            let record = read(row)?;
            latest.insert(record.key.clone(), record);
        }
        Ok(latest)
    }

    /// When `claim` with `params` was proven, and its control bitten, with which outcome: what was
    /// stored at `until` or before.
    ///
    /// # Errors
    /// When the database does not answer or a row cannot be read.
    pub(crate) async fn history(
        &self,
        claim: &str,
        params: &str,
        until: Timestamp,
    ) -> Result<History> {
        let tx = self.db.operator().await?;
        let mut both = [Vec::new(), Vec::new()];
        let asked = [(Run::Proof, params), (Run::Bite, "")];
        for (marks, (run, params)) in both.iter_mut().zip(asked) {
            let run = run.as_str();
            let bound: store::Bound<'_> = &[&claim, &params, &run, &until, &HISTORY_ROWS];
            let rows = tx.query(sql::HISTORY, bound).await?;
            *marks = rows.iter().map(mark).collect::<Result<_>>()?;
        }
        tx.rollback().await?;
        let [proofs, bites] = both;
        Ok(History { proofs, bites })
    }
}

/// The row that is about to be stored, with texts that PostgreSQL takes: a control may have quoted
/// whatever an attacked program answered.
fn draft(key: &Key, card: &Card, proof: &Proof, took: Duration) -> Record {
    let attack = match key.run {
        Run::Proof => card.attack,
        Run::Bite => card.bite,
    };
    let finding = |finding: &Finding| Finding {
        object: clean(&finding.object),
        what: clean(&finding.what),
        fix: finding.fix.as_deref().map(clean),
    };
    Record {
        id: 0,
        key: key.clone(),
        mark: Mark {
            outcome: proof.outcome(),
            cadence: card.cadence,
            observed_at: proof.observed_at(),
            received_at: proof.observed_at(),
            version: VERSION.to_owned(),
        },
        population: Population { of: clean(&proof.population().of), ..proof.population().clone() },
        measured: clean(proof.measured()),
        threshold: clean(proof.threshold()),
        detail: clean(proof.detail()),
        findings: proof.findings().iter().take(MAX_FINDINGS).map(finding).collect(),
        attack: attack.to_owned(),
        took,
    }
}

fn clean(text: &str) -> String {
    text.chars()
        .take(MAX_TEXT_CHARS)
        .map(|c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Whole milliseconds, at least one, so that a cadence is never zero.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).max(1)
}

fn mark(row: &Row) -> Result<Mark> {
    let outcome: &str = field!(row, "outcome")?;
    Ok(Mark {
        outcome: match outcome {
            "holds" => Outcome::Holds,
            "broken" => Outcome::Broken,
            "unknown" => Outcome::Unknown,
            other => return Err(Error::Corrupt(format!("outcome {other}"))),
        },
        cadence: duration(field!(row, "cadence_ms")?)?,
        observed_at: field!(row, "observed_at")?,
        received_at: field!(row, "received_at")?,
        version: field!(row, "version")?,
    })
}

fn duration(ms: i64) -> Result<Duration> {
    u64::try_from(ms)
        .map(Duration::from_millis)
        .map_err(|_| Error::Corrupt(format!("a duration of {ms} ms")))
}

fn count(row: &Row, name: &str) -> Result<u64> {
    let n: i64 = field!(row, name)?;
    u64::try_from(n).map_err(|_| Error::Corrupt(format!("{name} is {n}")))
}

fn read(row: &Row) -> Result<Record> {
    let run = match field!(row, "kind")? {
        "proof" => Run::Proof,
        "bite" => Run::Bite,
        other => return Err(Error::Corrupt(format!("kind {other}"))),
    };
    let Json(findings) = field!(row, "findings")?;
    Ok(Record {
        id: field!(row, "id")?,
        key: Key { claim: field!(row, "claim")?, params: field!(row, "params")?, run },
        mark: mark(row)?,
        population: Population {
            checked: count(row, "population_checked")?,
            total: count(row, "population_total")?,
            of: field!(row, "population_of")?,
        },
        measured: field!(row, "measured")?,
        threshold: field!(row, "threshold")?,
        detail: field!(row, "detail")?,
        findings,
        attack: field!(row, "attack")?,
        took: duration(field!(row, "took_ms")?)?,
    })
}
