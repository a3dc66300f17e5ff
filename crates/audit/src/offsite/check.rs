//! Whether a copy can be opened, and is what the log's key has vouched for.

use std::collections::BTreeSet;
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
    let (mut at, mut erasures, mut erased) = (0, BTreeSet::new(), BTreeSet::new());
    while at < head.head.size {
        let segment = Segment::with(at, head.head.size);
        at = segment.entries().end;
        let entries = match log.entries(segment.entries()).await {
            Ok(entries) => entries,
            // The verifier may have read them a moment ago, and it is not the rows that were checked then.
            Err(error @ (Error::Damaged { .. } | Error::Log(_))) => {
                checked.wrong.push((segment.path(), error.to_string()));
                continue;
            }
            Err(error) => return Err(error),
        };
        let rows = match segment.read(copy, origin).await {
            Ok(Some(rows)) => rows,
            Ok(None) => {
                checked.wrong.push((segment.path(), "it is not there".to_owned()));
                continue;
            }
            Err(Error::Damaged { what, .. }) => {
                checked.wrong.push((segment.path(), what));
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut unlike = Vec::new();
        for (index, entry) in (segment.entries().start..).zip(&entries) {
            match Leaf::decode(entry) {
                Ok(Leaf::Row(leaf)) => match rows.get(&index) {
                    Some(row) if row.digest() == leaf.row_hash => {
                        checked.rows += 1;
                        if row.is_erased() {
                            erased.insert(index);
                        }
                    }
                    _ => unlike.push(leaf.id),
                },
                Ok(Leaf::Erasure(erasure)) => {
                    erasures.insert(erasure.index);
                }
                Ok(Leaf::Epoch(_)) => {}
                Err(error) => checked.wrong.push((segment.path(), error.to_string())),
            }
        }
        checked.wrong.extend(missing(segment, &unlike));
    }
    checked.erased = erased.len() as u64;
    let kept = erasures.difference(&erased).map(|index| {
        let what = "the log says that the content was erased, and the copy has it".to_owned();
        (format!("the row of entry {index}"), what)
    });
    checked.wrong.extend(kept);
    Ok(checked)
}

/// What is said of rows that are not in a part, or are not what was sealed.
fn missing(segment: Segment, unlike: &[i64]) -> Option<(String, String)> {
    let first = unlike.first()?;
    let what = format!(
        "{} sealed rows are not in it as they were sealed, row {first} the first: they were gone or \
         changed when it was made. `amanah audit verify` names them",
        unlike.len()
    );
    Some((segment.path(), what))
}
