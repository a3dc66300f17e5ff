//! Whether a copy can be opened, and is what the log's key has vouched for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tlog::Verifier;

use super::Offsite;
use super::segment::Segment;
use crate::seal::LogReader;
use crate::verify::{Job, Signed, verify};
use crate::{Error, Leaf, Result};

/// What was found in a copy.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Its checkpoint; `None` when there is none that can be believed.
    pub head: Option<Signed>,
    /// Rows that were opened, and are what was sealed.
    pub rows: u64,
    /// Of these, those whose content was erased.
    pub erased: u64,
    /// What is wrong: with which part, and what.
    pub wrong: Vec<(String, String)>,
}

/// Opens every part of a copy, and holds every row against its entry. A copy whose checkpoint is older
/// than `limit` is behind.
///
/// # Errors
/// When the place cannot be read, so that nothing can be said.
pub async fn check(
    copy: &Offsite,
    keys: &[Verifier],
    now: Timestamp,
    limit: Duration,
) -> Result<Checked> {
    let shelf = &*copy.shelf;
    let job = Job {
        shelf,
        keys,
        current: keys.first(),
        kept: &[],
        accepted: &[],
        database: None,
        archive: None,
        now,
        stale: limit,
    };
    let report = verify(&job, &|_, _, _| {}).await?;
    let mut checked = Checked { head: report.head.clone(), ..Checked::default() };
    let damage = report.damage.iter().map(|one| (one.object.clone(), one.to_string()));
    checked.wrong.extend(damage);
    let Some(head) = report.head else { return Ok(checked) };
    let origin = keys.first().map(Verifier::name).unwrap_or_default();
    let log = LogReader::new(Arc::clone(&copy.shelf), head.head.size);
    let mut opened = Opened { checked, ..Opened::default() };
    let mut at = 0;
    while at < head.head.size {
        let segment = Segment::with(at, head.head.size);
        at = segment.entries().end;
        opened.open(copy, origin, &log, segment).await?;
    }
    Ok(opened.end())
}

/// What the parts that were opened so far have shown.
#[derive(Default)]
struct Opened {
    checked: Checked,
    /// Entries whose content the log says was erased.
    erasures: BTreeSet<u64>,
    /// Entries whose content the copy no longer has.
    erased: BTreeSet<u64>,
}

impl Opened {
    /// Opens one part, and holds its rows against the log. Only a place that cannot be read is an error:
    /// a part that is gone or damaged is a finding.
    async fn open(
        &mut self,
        copy: &Offsite,
        origin: &str,
        log: &LogReader,
        segment: Segment,
    ) -> Result<()> {
        let entries = match log.entries(segment.entries()).await {
            Ok(entries) => entries,
            // The verifier may have read them a moment ago, and it is not the rows that were checked then.
            Err(error @ (Error::Damaged { .. } | Error::Log(_))) => {
                self.checked.wrong.push((segment.path(), error.to_string()));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match self.rows(copy, origin, segment, &entries).await {
            Err(Error::Damaged { what, .. }) => {
                self.checked.wrong.push((segment.path(), what));
                Ok(())
            }
            done => done,
        }
    }

    /// Holds the rows of a part against its entries, one file at a time.
    async fn rows(
        &mut self,
        copy: &Offsite,
        origin: &str,
        segment: Segment,
        entries: &[Vec<u8>],
    ) -> Result<()> {
        let mut sealed = BTreeMap::new();
        for (index, entry) in (segment.entries().start..).zip(entries) {
            match Leaf::decode(entry) {
                Ok(Leaf::Row(leaf)) => drop(sealed.insert(index, leaf)),
                Ok(Leaf::Erasure(erasure)) => drop(self.erasures.insert(erasure.index)),
                Ok(Leaf::Epoch(_)) => {}
                Err(error) => self.checked.wrong.push((segment.path(), error.to_string())),
            }
        }
        for number in 0.. {
            let Some(piece) = segment.read(copy, origin, number).await? else {
                self.checked.wrong.push((segment.path(), "it is not there".to_owned()));
                return Ok(());
            };
            for (index, row) in &piece.rows {
                if sealed.get(index).is_some_and(|leaf| row.digest() == leaf.row_hash) {
                    sealed.remove(index);
                    self.checked.rows += 1;
                    if row.is_erased() {
                        self.erased.insert(*index);
                    }
                }
            }
            if !piece.more {
                break;
            }
        }
        let unlike: Vec<i64> = sealed.values().map(|leaf| leaf.id).collect();
        self.checked.wrong.extend(missing(segment, &unlike));
        Ok(())
    }

    /// The last word: what was erased must be gone from the copy too.
    fn end(mut self) -> Checked {
        self.checked.erased = self.erased.len() as u64;
        let kept = self.erasures.difference(&self.erased).map(|index| {
            let what = "the log says that the content was erased, and the copy has it".to_owned();
            (format!("the row of entry {index}"), what)
        });
        self.checked.wrong.extend(kept);
        self.checked
    }
}

/// What is said of rows that are not in a part, or are not what was sealed.
fn missing(segment: Segment, unlike: &[i64]) -> Option<(String, String)> {
    let first = unlike.first()?;
    let what = format!(
        "{} sealed rows are not in it as they were sealed, row {first} the first: they were gone, \
         changed or too large when it was made. `amanah audit verify` names the first two",
        unlike.len()
    );
    Some((segment.path(), what))
}
