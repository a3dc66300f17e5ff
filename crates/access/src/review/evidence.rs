//! What somebody signs when a review is closed: its record, in a form that can be made again from the
//! database for as long as its rows are what they were.

use jiff::{SignedDuration, Timestamp, ToSpan as _};
use kernel::{Attestation, Vouched, hex};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Review, ReviewRow};

/// The claim that a signature is evidence for.
pub const CLAIM: &str = "access.review";
/// The form of the record: another one gets another number, and the old one stays readable.
const FORM: u8 = 1;

/// A closed review as it is signed: a line of JSON about the review, and one for each row with what was
/// decided.
pub fn record(review: &Review, rows: &[ReviewRow]) -> String {
    let (by, at) = review.closed.as_ref().map(|(by, at)| (by, at.to_string())).unzip();
    let head = json!({
        "amanah.access/review": FORM,
        "id": review.id,
        "tenant": review.tenant,
        "started_by": review.started_as,
        "started_at": review.started_at.to_string(),
        "rows": review.frozen,
        "rows_sha256": hex(&review.digest),
        "closed_by": by,
        "closed_at": at,
    });
    let mut text = format!("{head}\n");
    for row in rows {
        let decision = row.decision.as_ref().map(|one| {
            json!([
                if one.keep { "keep" } else { "revoke" },
                one.by,
                one.at.to_string(),
                one.reason,
                one.verified_at.map(|at| at.to_string()),
                one.account,
            ])
        });
        let line = json!([
            row.n,
            row.kind,
            row.account,
            row.holder,
            row.what,
            row.grant,
            row.granted_by,
            row.granted_at.to_string(),
            row.last_used_at.map(|at| at.to_string()),
            row.orphan,
            decision,
        ]);
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}

/// What a signature of a review is about.
pub fn subject(review: &Review) -> String {
    format!("{} {}", review.id, review.tenant)
}

/// The attestation by which `by` signs a closed review, which counts until the next one is due.
pub fn attestation(
    review: &Review,
    rows: &[ReviewRow],
    (by, finding): (&str, Option<&str>),
    (now, every): (Timestamp, SignedDuration),
) -> Attestation {
    let revoked = rows.iter().filter(|row| row.decision.as_ref().is_some_and(|one| !one.keep));
    let found =
        finding.map_or_else(|| "without a finding".to_owned(), |text| format!("finding: {text}"));
    // Whole seconds: more is nobody's business.
    let at = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let due = review.started_at.saturating_add(every).unwrap_or(Timestamp::MAX);
    let due = Timestamp::from_second(due.as_second()).unwrap_or(due);
    Attestation {
        claim: CLAIM.to_owned(),
        subject: subject(review),
        statement: format!(
            "access in {} was reviewed as it stood at {:.0}: {} rows, of which {} were revoked and are \
             gone; {found}",
            review.tenant,
            review.started_at,
            rows.len(),
            revoked.count(),
        ),
        digest: digest(review, rows),
        document: format!("amanah access review report {} --record", review.id),
        by: by.to_owned(),
        at,
        until: due.max(at.saturating_add(1.second()).unwrap_or(at)),
    }
}

/// The newest signature of a review, which is of what the review is now, as every other one is: what was
/// changed after it was signed is not made good by signing it once more.
///
/// # Errors
/// Why there is none that counts.
pub fn signed<'a>(
    vouched: &'a [Vouched],
    review: &Review,
    rows: &[ReviewRow],
) -> Result<&'a Attestation, String> {
    if let Some(one) = unchanged(vouched, review, rows)? {
        return Ok(&one.attestation);
    }
    let about = subject(review);
    let forged = vouched.iter().rev().find(|one| one.attestation.subject == about);
    Err(match forged.and_then(|one| Some((one.id, one.wrong.as_ref()?))) {
        Some((id, why)) => format!("is signed by nobody: attestation {id} is none: {why}"),
        None => "is signed by nobody".to_owned(),
    })
}

/// The signature that a closed review has already, or `None` when it may be signed: each row is as it was
/// frozen and decided, and nobody has signed anything else about it.
///
/// # Errors
/// Why it may not be signed as it stands.
pub fn signable<'a>(
    vouched: &'a [Vouched],
    review: &Review,
    rows: &[ReviewRow],
) -> Result<Option<&'a Vouched>, String> {
    if usize::try_from(review.frozen) != Ok(rows.len()) || super::digest(rows) != review.digest {
        return Err("its rows are not those that were frozen".to_owned());
    }
    let settled = |row: &ReviewRow| {
        row.decision.as_ref().is_some_and(|one| one.keep || one.verified_at.is_some())
    };
    if review.closed.is_none() || !rows.iter().all(settled) {
        return Err("it is not closed, or a row of it is not settled".to_owned());
    }
    unchanged(vouched, review, rows)
}

/// The newest good signature of a review, when all of them are of what it is now.
fn unchanged<'a>(
    vouched: &'a [Vouched],
    review: &Review,
    rows: &[ReviewRow],
) -> Result<Option<&'a Vouched>, String> {
    let (about, now) = (subject(review), digest(review, rows));
    let good = |one: &&Vouched| one.attestation.subject == about && one.wrong.is_none();
    let mut good = vouched.iter().filter(good);
    match good.clone().find(|one| one.attestation.digest != now) {
        Some(other) => Err(format!("is not what {} signed", other.attestation.by)),
        None => Ok(good.next_back()),
    }
}

fn digest(review: &Review, rows: &[ReviewRow]) -> [u8; 32] {
    Sha256::digest(record(review, rows).as_bytes()).into()
}
