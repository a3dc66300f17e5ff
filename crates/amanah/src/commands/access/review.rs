//! `amanah access review`: somebody looks at everything that everybody may do.

use access::{ReviewDue, ReviewRow};
use identity::Email;
use kernel::{TenantId, hex};
use serde_json::{Value, json};

use crate::cli::Place;
use crate::cli::review::{Close, Decide, Review, Word};
use crate::exit::{Exit, Usage, nobody};
use crate::installation::Installation;
use crate::reviews::Words;
use crate::rights::OPERATOR;
use crate::{out, people_reviews};

pub(super) async fn run(place: &Place, review: Review) -> anyhow::Result<Exit> {
    Installation::with(place, async |house| {
        let mut exit = Exit::Holds;
        let (words, data) = match review {
            Review::Start { tenant } => {
                let id = house.access.start_review(OPERATOR, &tenant).await?;
                (format!("{id} is to be decided row by row"), json!({"started": id}))
            }
            Review::List { tenant } => list(house, tenant.as_ref()).await?,
            Review::Due => {
                let (words, data, late) = due(house).await?;
                exit = if late { Exit::Fails } else { Exit::Holds };
                (words, data)
            }
            Review::Report { id, csv, record } => report(house, &id, (csv, record)).await?,
            Review::Decide(decide) => self::decide(house, decide).await?,
            Review::Close(close) => self::close(house, &close).await?,
            Review::Abandon { id, reason } => {
                house.access.abandon_review(OPERATOR, &id, &reason).await?;
                (format!("{id} was given up"), json!({"abandoned": id}))
            }
        };
        if place.json {
            out::line(&serde_json::to_string_pretty(&data)?);
        } else {
            out::line(words.trim_end());
        }
        Ok(exit)
    })
    .await
}

async fn list(house: &Installation, tenant: Option<&TenantId>) -> anyhow::Result<(String, Value)> {
    let all = house.access.reviews(tenant).await?;
    let line = |one: &access::Review| {
        let state = match (&one.closed, &one.abandoned) {
            (Some((by, at)), _) => format!("closed at {at:.0} by {by}"),
            (None, Some((by, at, why))) => format!("given up at {at:.0} by {by}: {why}"),
            (None, None) => "open".to_owned(),
        };
        let (id, tenant, at) = (&one.id, &one.tenant, one.started_at);
        format!("{id}  {tenant}  {} of {at:.0}  {state}", out::count(rows(one), "row"))
    };
    let shown = |one: &access::Review| {
        json!({
            "id": one.id, "tenant": one.tenant, "started_at": one.started_at,
            "started_by": one.started_as, "rows": one.frozen, "sha256": hex(&one.digest),
            "closed_at": one.closed.as_ref().map(|(_, at)| at),
            "closed_by": one.closed.as_ref().map(|(by, _)| by),
            "abandoned_at": one.abandoned.as_ref().map(|(_, at, _)| at),
            "abandoned_by": one.abandoned.as_ref().map(|(by, ..)| by),
            "abandoned_why": one.abandoned.as_ref().map(|(_, _, why)| why),
        })
    };
    let lines: Vec<String> = all.iter().map(line).collect();
    let words = if lines.is_empty() { "no review".to_owned() } else { lines.join("\n") };
    Ok((words, all.iter().map(shown).collect()))
}

fn rows(review: &access::Review) -> usize {
    usize::try_from(review.frozen).unwrap_or_default()
}

/// When the next review of each tenant is due, and whether one is overdue.
async fn due(house: &Installation) -> anyhow::Result<(String, Value, bool)> {
    let now = house.cx.clock.now();
    let all = people_reviews::calendar(house).await?;
    let line = |one: &ReviewDue| {
        let last = one.last.map_or_else(|| "never".to_owned(), |at| format!("{at:.0}"));
        let late = if one.due <= now { "  OVERDUE" } else { "" };
        format!("{}  reviewed {last}, due until {:.0}{late}", one.tenant, one.due)
    };
    let shown = |one: &ReviewDue| {
        json!({
            "tenant": one.tenant, "last": one.last, "due": one.due, "overdue": one.due <= now,
        })
    };
    let lines: Vec<String> = all.iter().map(line).collect();
    let words = if lines.is_empty() { "nothing is due".to_owned() } else { lines.join("\n") };
    let late = all.iter().any(|one| one.due <= now);
    Ok((words, all.iter().map(shown).collect(), late))
}

async fn close(house: &Installation, close: &Close) -> anyhow::Result<(String, Value)> {
    let signing = Words::of(house)?;
    let words = (close.by.as_str(), close.finding.as_deref());
    let now = house.cx.clock.now();
    let closed = people_reviews::close(&house.access, &signing, (None, &close.id), words, now);
    let id = closed.await?;
    let words = format!("{} is closed, and signed by attestation {id}", close.id);
    Ok((words, json!({"closed": close.id, "attestation": id})))
}

async fn report(
    house: &Installation,
    id: &str,
    (csv, record): (bool, bool),
) -> anyhow::Result<(String, Value)> {
    let (review, rows) = house.access.review(id, None).await?;
    let words = if csv {
        access::csv(&rows)
    } else if record {
        access::evidence::record(&review, &rows)
    } else {
        access::markdown(&review, &rows)
    };
    let row = |row: &ReviewRow| {
        let decision = row.decision.as_ref();
        json!({
            "n": row.n, "kind": row.kind, "account": row.account, "holder": row.holder,
            "what": row.what, "grant": row.grant, "granted_by": row.granted_by,
            "granted_at": row.granted_at, "last_used_at": row.last_used_at, "gone": row.orphan,
            "decision": decision.map(|one| if one.keep { "keep" } else { "revoke" }),
            "decided_by": decision.map(|one| &one.by),
            "decided_at": decision.map(|one| one.at),
            "reason": decision.map(|one| &one.reason),
            "verified_at": decision.and_then(|one| one.verified_at),
        })
    };
    let data = json!({
        "id": review.id, "tenant": review.tenant, "started_at": review.started_at,
        "sha256": hex(&review.digest), "closed_at": review.closed.as_ref().map(|(_, at)| at),
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    });
    Ok((words, data))
}

async fn decide(house: &Installation, decide: Decide) -> anyhow::Result<(String, Value)> {
    let email = Email::new(&decide.reviewer).map_err(|error| Usage(format!("--as: {error}")))?;
    let known = house.identities.known_as(&email).await?.filter(|known| !known.closed);
    let known = known.ok_or_else(|| nobody("--as", email.as_str()))?;
    let tenant = TenantId::new(known.tenant)?;
    let by = house.access.reviewer_named(&known.account, email.as_str(), &tenant).await?;
    let keep = decide.decision == Word::Keep;
    let (row, reason) = ((decide.id.as_str(), decide.row), (keep, decide.reason.as_str()));
    house.access.decide_review(&by, &tenant, row, reason).await?;
    let word = if keep { "kept" } else { "revoked, and counts for nothing" };
    Ok((format!("row {} was {word}", decide.row), json!({"row": decide.row, "keep": keep})))
}
