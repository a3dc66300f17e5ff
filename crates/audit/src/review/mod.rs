//! The monthly review: what a trail holds of a month, for a person who answers for having looked at it.
//!
//! It promises that the same month gives the same text, letter by letter, as long as nothing about it has
//! changed, so that a signature can be over what was read; that whoever makes one has a row in the trail
//! about it first, as with every [reading](crate::reading); and that no name, purpose or finding, whoever
//! wrote it, makes a line of the text or turns into anything but a name there.
//!
//! The attack it stops: a month that nobody looked at, passed off as looked at; and a report that was
//! changed after somebody had signed it (`controls/review.rs`).
//!
//! Every row of the month is read once, a page at a time, and every entry of its log from the end back to
//! that month; memory holds some tens of thousands of names at most. Sign-ins are none of it: Amanah does
//! not record any yet.

mod duty;
mod hours;
mod shelf;
mod tally;
mod text;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kernel::Lookback;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use store::Db;

pub use crate::month::{Month, NoMonth};
pub use duty::{
    CLAIM, Duty, Fault, Kept, Signed as SignedMonth, attestation, day, due, signature, subject,
};
pub use hours::Hours;
pub use shelf::Reports;
pub use tally::{Counted, Rank, Ranks, Readings, Structure};

use crate::archive::Beyond;
use crate::reading::{Filter, Reading};
use crate::seal::{LogReader, MAX_CHECKPOINT_BYTES, MAX_ENTRIES_READ};
use crate::verify::Signed;
use crate::wal::Past;
use crate::{Error, Leaf, Result, SealedLog};

/// The most erasures and epochs that are told one by one.
const MAX_TOLD: usize = 100;
/// How long before its seal a row can have been written: entries of a whole stretch of the log that are
/// older than this before a month end the search for what belongs to it.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What a trail holds of a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Review {
    /// The trail, as its database is called.
    pub database: String,
    /// The month.
    pub month: String,
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// Whether it has ended: before that, this is not all.
    pub ended: bool,
    /// Which hours are usual, in words.
    pub hours: String,
    /// What its rows come to.
    pub counted: Counted,
    /// What the log says of it; nothing where no log was read, and why.
    #[serde(serialize_with = "told")]
    pub log: std::result::Result<Logged, String>,
    /// What the comparison with the write-ahead log found; nothing where there is none, and why.
    #[serde(serialize_with = "told")]
    pub differences: std::result::Result<Differences, String>,
    /// What the proofs about trails came to.
    pub proofs: Lookback,
}

/// What is known, or `{"why": …}` where it is not.
fn told<T: Serialize, S: serde::Serializer>(
    what: &std::result::Result<T, String>,
    to: S,
) -> std::result::Result<S::Ok, S::Error> {
    match what {
        Ok(known) => known.serialize(to),
        Err(why) => serde_json::json!({"why": why}).serialize(to),
    }
}

/// What the log says of a month.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Logged {
    /// Its name.
    pub name: String,
    /// Erasures, by what they were asked for, the first hundred.
    pub erasures: Vec<Erasures>,
    /// How many contents were erased altogether.
    pub erased: u64,
    /// The epochs that began.
    pub epochs: Vec<Epoch>,
}

/// Erasures for one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erasures {
    /// Which request, and who decided.
    pub request: String,
    /// How many contents.
    pub rows: u64,
    /// When first.
    pub first: Timestamp,
    /// When last.
    pub last: Timestamp,
}

/// An epoch that began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Epoch {
    /// Its number.
    pub number: u32,
    /// When it was noticed.
    pub at: Timestamp,
    /// What the log says of it.
    pub why: String,
    /// Who answers for it, and how.
    pub answered: Option<(String, String)>,
}

/// Differences that were found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// The first of them.
    pub told: Vec<Past>,
    /// How many there are.
    pub count: u64,
    /// How many of them nobody has explained.
    pub open: u64,
}

/// What a review is made of, besides the rows.
pub struct Sources<'a> {
    /// The trail, as its database is called.
    pub database: &'a str,
    /// Which hours are usual.
    pub hours: &'a Hours,
    /// The log over the trail, with its name.
    pub log: std::result::Result<(&'a SealedLog, &'a str), String>,
    /// Where the month lies if it is not in the database.
    pub beyond: &'a Beyond,
    /// What the comparison found.
    pub differences: std::result::Result<Differences, String>,
    /// What the proofs came to.
    pub proofs: Lookback,
}

impl Review {
    /// Asks for the rows of a month as `reader`, an auditor, and counts them.
    ///
    /// # Errors
    /// When the database refuses or cannot be reached; the row about the reading stays.
    pub async fn make(
        reader: &Db,
        month: Month,
        sources: Sources<'_>,
        purpose: &str,
        now: Timestamp,
    ) -> Result<Self> {
        let (from, to) = (month.begins(), month.ends());
        let filter = Filter { from: Some(from), to: Some(to), ..Filter::default() };
        let mut reading = Reading::open(reader, filter, purpose, sources.beyond).await?;
        let mut tally = tally::Tally::default();
        while let Some(row) = reading.next().await? {
            tally.add(&row, sources.hours);
        }
        let log = match sources.log {
            Ok((log, name)) => logged(log, name, month).await.map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        Ok(Self {
            database: sources.database.to_owned(),
            month: month.to_string(),
            from,
            to,
            ended: to <= now,
            hours: sources.hours.words().to_owned(),
            counted: tally.counted(),
            log,
            differences: sources.differences,
            proofs: sources.proofs,
        })
    }

    /// The report: Markdown, for people.
    pub fn text(&self) -> String {
        text::of(self)
    }
}

/// The SHA-256 of a report: that of its text.
pub fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// What the log says of a month.
async fn logged(log: &SealedLog, name: &str, month: Month) -> Result<Logged> {
    let (from, to) = (month.begins(), month.ends());
    let mut logged = Logged { name: name.to_owned(), ..Logged::default() };
    let bytes = log.shelf.read("checkpoint", MAX_CHECKPOINT_BYTES).await?;
    let bytes = bytes.ok_or_else(|| Error::Unsealed("its log has no checkpoint".to_owned()))?;
    let keys = (log.keys)()?;
    let head = Signed::open(&String::from_utf8_lossy(&bytes), &keys)?;
    let reader = LogReader::new(Arc::clone(&log.shelf), head.head.size);
    let accepted = match &log.accepted {
        Some(file) => file.all(&keys)?,
        None => Vec::new(),
    };
    let within = |micros| time(micros).filter(|at| (from..to).contains(at));
    for (entry, epoch) in reader.epochs().await? {
        let Some(at) = within(epoch.at_micros) else { continue };
        let answered = accepted.iter().find(|one| one.is_of(entry, &epoch));
        logged.epochs.push(Epoch {
            number: epoch.epoch,
            at,
            answered: answered.map(|one| (one.by.clone(), one.why.clone())),
            why: epoch.why,
        });
    }
    let (mut end, limit) = (reader.size(), from.as_microsecond());
    let limit = limit.saturating_sub(i64::try_from(LONGEST.as_micros()).unwrap_or(i64::MAX));
    while end > 0 {
        let start = end.saturating_sub(MAX_ENTRIES_READ);
        let mut newest = i64::MIN;
        for entry in reader.entries(start..end).await? {
            let at_micros = match Leaf::decode(&entry)? {
                Leaf::Row(row) => row.at_micros,
                Leaf::Epoch(epoch) => epoch.at_micros,
                Leaf::Erasure(erasure) => {
                    if let Some(at) = within(erasure.at_micros) {
                        add(&mut logged, &erasure.request, at);
                    }
                    erasure.at_micros
                }
            };
            newest = newest.max(at_micros);
        }
        if newest < limit {
            break;
        }
        end = start;
    }
    logged
        .erasures
        .sort_by(|one, other| (one.first, &one.request).cmp(&(other.first, &other.request)));
    Ok(logged)
}

fn add(logged: &mut Logged, request: &str, at: Timestamp) {
    logged.erased += 1;
    if let Some(one) = logged.erasures.iter_mut().find(|one| one.request == request) {
        one.rows += 1;
        (one.first, one.last) = (one.first.min(at), one.last.max(at));
    } else if logged.erasures.len() < MAX_TOLD {
        let request = request.to_owned();
        logged.erasures.push(Erasures { request, rows: 1, first: at, last: at });
    }
}

fn time(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros).ok()
}
