//! The reviews of what people may do: closing and signing one, telling when one is due, and the page.
//!
//! It promises that a review which is due within two weeks, or overdue, is told: once in what
//! `amanah up` logs, and to `amanah doctor`. Whether reviews are in order is for `access.review` to say.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::{Access, Error, Review, ReviewDue, ReviewRow, evidence};
use anyhow::anyhow;
use console::{
    ReviewCard, ReviewDecision, ReviewDesk, ReviewLine, ReviewSheet, ReviewTrouble, ReviewsSeen,
};
use jiff::{SignedDuration, Timestamp};
use kernel::{Attestations as _, Clock, Fut, Identity, TenantId, Vouched, hex};

use crate::data::Data;
use crate::installation::Installation;
use crate::reviews::{Told, Words};
use crate::{out, trail};

/// How often a review is due: what `access.review?every=90d` says.
pub(crate) const EVERY: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long before its time a review is told.
const NEAR: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_hours(1);
/// How many reviews the page lists, the newest.
const SHOWN: usize = 12;
/// Where a running process tells others what is due, in the folder of the logs.
const TOLD: &str = "trail/reviewing-access.json";

/// Closes a review of `tenant`, or of any, and signs it; one that is closed and not signed is signed. Its
/// attestation's number. What was changed since it was frozen, or signed, is never signed.
///
/// # Errors
/// As [`Access::close_review`]; when it could not be signed, it is closed: try again then, unless it was
/// changed, as the text says: then another review has to be held.
pub(crate) async fn close(
    access: &Access,
    words: &Words,
    (tenant, id): (Option<&TenantId>, &str),
    (by, finding): (&str, Option<&str>),
    now: Timestamp,
) -> anyhow::Result<i64> {
    match access.close_review(by, tenant, id).await {
        // Without an open one it may be closed already, and only not signed.
        Ok(()) | Err(Error::NoReview) => {}
        Err(error) => return Err(error.into()),
    }
    let (review, rows) = access.review(id, tenant).await?;
    if review.closed.is_none() {
        return Err(Error::NoReview.into());
    }
    let signing = words.signing().await?;
    let vouched = signing.about(evidence::CLAIM).await.map_err(|why| anyhow!(why))?;
    let signed = evidence::signable(&vouched, &review, &rows);
    let signed = signed.map_err(|why| {
        Error::Review(format!("{id} was changed and is not signed: {why}; start another review"))
    })?;
    if let Some(one) = signed {
        return Ok(one.id);
    }
    let word = evidence::attestation(&review, &rows, (by, finding), (now, EVERY));
    signing.attest(&word).await.map_err(|why| anyhow!("{id} is closed and was not signed: {why}"))
}

/// When the next review of each tenant is due; synthetic ones are left out.
pub(crate) async fn calendar(house: &Installation) -> anyhow::Result<Vec<ReviewDue>> {
    let known = house.known();
    let canaries = known.guarded.iter().flat_map(|guarded| {
        let (one, other) = &guarded.protected.canaries;
        [one.as_str().to_owned(), other.as_str().to_owned()]
    });
    let canaries: Vec<String> = canaries.collect();
    Ok(house.access.reviews_due(EVERY, &canaries).await?)
}

/// Looks at what is due, until `stop` ends.
pub(crate) async fn keep(house: &Installation, stop: impl Future<Output = ()>) {
    let looking = async {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        let mut before: BTreeMap<String, String> = BTreeMap::new();
        loop {
            tick.tick().await;
            let all = match calendar(house).await {
                Ok(all) => all,
                Err(error) => {
                    let why = out::words(&error);
                    tracing::warn!(why, "which reviews of access are due cannot be told just now");
                    continue;
                }
            };
            let now = house.cx.clock.now();
            let due = all.iter().filter_map(|one| Some((one.tenant.clone(), due(one, now)?)));
            let due: BTreeMap<String, String> = due.collect();
            for (tenant, what) in &due {
                if before.get(tenant) != Some(what) {
                    tracing::warn!(tenant, "{what}");
                }
            }
            if let Err(error) = announce(&house.data, &due) {
                let why = out::words(&error);
                tracing::warn!(why, "what reviews are due could not be written down");
            }
            before = due;
        }
    };
    tokio::select! {
        () = stop => {}
        () = looking => {}
    }
}

/// What there is to tell of a tenant.
fn due(one: &ReviewDue, now: Timestamp) -> Option<String> {
    let left = one.due.duration_since(now);
    if left > NEAR {
        return None;
    }
    let start = format!("`amanah access review start --tenant {}` begins one", one.tenant);
    let word = if left.is_negative() || left.is_zero() { "was due" } else { "is due" };
    Some(format!("the review of access {word} until {:.0}: {start}", one.due))
}

fn announce(data: &Data, due: &BTreeMap<String, String>) -> anyhow::Result<()> {
    data.folder(trail::FOLDER)?;
    let told =
        |(tenant, what): (&String, &String)| Told { database: tenant.clone(), what: what.clone() };
    let told: Vec<Told> = due.iter().map(told).collect();
    data.replace(Path::new(TOLD), &serde_json::to_vec_pretty(&told)?)
}

/// What a running process has told last.
pub(crate) fn told(data: &Data) -> Vec<Told> {
    let told = std::fs::read(data.root().join(TOLD)).ok();
    told.and_then(|told| serde_json::from_slice(&told).ok()).unwrap_or_default()
}

/// The page of reviews.
pub(crate) struct ReviewsAtDesk {
    pub(crate) access: Arc<Access>,
    pub(crate) words: Words,
    pub(crate) clock: Arc<dyn Clock>,
}

impl ReviewsAtDesk {
    async fn vouched(&self) -> Result<Vec<Vouched>, ReviewTrouble> {
        let ledger = self.words.ledger().map_err(away)?;
        ledger.about(evidence::CLAIM).await.map_err(ReviewTrouble::Unavailable)
    }

    async fn look(&self, who: &Identity) -> Result<ReviewsSeen, ReviewTrouble> {
        self.access.reviewer(who).await.map_err(trouble)?;
        let all = self.access.reviews(Some(&who.tenant)).await.map_err(trouble)?;
        let vouched = self.vouched().await?;
        let mut seen = ReviewsSeen::default();
        for review in all.into_iter().take(SHOWN) {
            let (_, rows) =
                self.access.review(&review.id, Some(&who.tenant)).await.map_err(trouble)?;
            let sheet = sheet(&review, &rows, &vouched, who);
            if review.is_open() {
                seen.open = Some(sheet);
            } else {
                seen.past.push(sheet.card);
            }
        }
        let due = self.access.reviews_due(EVERY, &[]).await.map_err(trouble)?;
        let due = due.into_iter().find(|one| one.tenant == who.tenant.as_str());
        seen.due = due.map(|one| one.due);
        Ok(seen)
    }
}

impl ReviewDesk for ReviewsAtDesk {
    fn seen<'a>(&'a self, who: &'a Identity) -> Fut<'a, Result<ReviewsSeen, ReviewTrouble>> {
        Box::pin(self.look(who))
    }

    fn report<'a>(
        &'a self,
        who: &'a Identity,
        id: &'a str,
    ) -> Fut<'a, Result<ReviewSheet, ReviewTrouble>> {
        Box::pin(async move {
            self.access.reviewer(who).await.map_err(trouble)?;
            let found = self.access.review(id, Some(&who.tenant)).await;
            let (review, rows) = found.map_err(trouble)?;
            Ok(sheet(&review, &rows, &self.vouched().await?, who))
        })
    }

    fn csv<'a>(&'a self, who: &'a Identity, id: &'a str) -> Fut<'a, Result<String, ReviewTrouble>> {
        Box::pin(async move {
            self.access.reviewer(who).await.map_err(trouble)?;
            let found = self.access.review(id, Some(&who.tenant)).await;
            Ok(access::csv(&found.map_err(trouble)?.1))
        })
    }

    fn start<'a>(&'a self, who: &'a Identity) -> Fut<'a, Result<(), ReviewTrouble>> {
        Box::pin(async move {
            self.access.reviewer(who).await.map_err(trouble)?;
            let started = self.access.start_review(who.actor.as_str(), &who.tenant).await;
            started.map(drop).map_err(trouble)
        })
    }

    fn decide<'a>(
        &'a self,
        who: &'a Identity,
        row: (&'a str, i32),
        decision: (bool, &'a str),
    ) -> Fut<'a, Result<(), ReviewTrouble>> {
        Box::pin(async move {
            let by = self.access.reviewer(who).await.map_err(trouble)?;
            let decided = self.access.decide_review(&by, &who.tenant, row, decision).await;
            decided.map_err(trouble)
        })
    }

    fn close<'a>(
        &'a self,
        who: &'a Identity,
        id: &'a str,
        finding: &'a str,
    ) -> Fut<'a, Result<(), ReviewTrouble>> {
        Box::pin(async move {
            self.access.reviewer(who).await.map_err(trouble)?;
            let finding = Some(finding).filter(|text| !text.is_empty());
            let (of, now) = ((Some(&who.tenant), id), self.clock.now());
            let words = (who.actor.as_str(), finding);
            let closed = close(&self.access, &self.words, of, words, now).await;
            closed.map(drop).map_err(|error| match error.downcast() {
                Ok(error) => trouble(error),
                Err(error) => away(error),
            })
        })
    }
}

fn sheet(review: &Review, rows: &[ReviewRow], vouched: &[Vouched], who: &Identity) -> ReviewSheet {
    let signed = evidence::signed(vouched, review, rows).ok();
    let decided = rows.iter().filter(|row| row.decision.is_some()).count();
    let card = ReviewCard {
        id: review.id.clone(),
        started_by: review.started_as.clone(),
        started_at: review.started_at,
        rows: rows.len(),
        decided,
        sha256: hex(&review.digest),
        closed: review.closed.clone(),
        abandoned: review.abandoned.clone(),
        signed: signed.map(|one| (one.by.clone(), one.at)),
    };
    ReviewSheet { card, lines: rows.iter().map(|row| line(row, who)).collect() }
}

fn line(row: &ReviewRow, who: &Identity) -> ReviewLine {
    let decision = row.decision.as_ref().map(|one| ReviewDecision {
        keep: one.keep,
        by: one.by.clone(),
        at: one.at,
        reason: one.reason.clone(),
        verified: one.verified_at.is_some(),
    });
    ReviewLine {
        n: row.n,
        kind: row.kind.clone(),
        holder: row.holder.clone(),
        what: row.what.clone(),
        granted_by: row.granted_by.clone(),
        granted_at: row.granted_at,
        last_used_at: row.last_used_at,
        orphan: row.orphan,
        own: row.account == who.account,
        decision,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "made for `map_err`")]
fn away(error: anyhow::Error) -> ReviewTrouble {
    ReviewTrouble::Unavailable(format!("{error:#}"))
}

fn trouble(error: Error) -> ReviewTrouble {
    match error {
        Error::Refused | Error::OwnRow => ReviewTrouble::Refused,
        Error::StepUp => ReviewTrouble::StepUp,
        Error::NoReview => ReviewTrouble::Gone,
        Error::Field { .. } => ReviewTrouble::Unfit,
        Error::ReviewOpen => ReviewTrouble::Open,
        Error::StillCounts(_) => ReviewTrouble::StillCounts,
        Error::Undecided => ReviewTrouble::Undecided,
        other => ReviewTrouble::Unavailable(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use access::ReviewDue;

    use super::due;

    #[test]
    fn it_is_told_two_weeks_before_and_when_it_is_late() {
        let one = ReviewDue {
            tenant: "41".to_owned(),
            last: None,
            due: "2026-04-01T00:00:00Z".parse().unwrap(),
        };
        let told = |at: &str| due(&one, at.parse().unwrap());
        assert_eq!(told("2026-03-17T23:59:59Z"), None);
        assert!(told("2026-03-18T00:00:00Z").unwrap().contains("is due until 2026-04-01"));
        let late = told("2026-04-01T00:00:00Z").unwrap();
        assert!(late.contains("was due until") && late.contains("--tenant 41"), "{late}");
    }
}
