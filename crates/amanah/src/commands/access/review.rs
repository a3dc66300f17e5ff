//! `amanah access review`: somebody looks at everything that everybody may do.

use access::ReviewRow;
use identity::Email;
use kernel::{TenantId, hex};
use serde_json::{Value, json};

use crate::cli::Place;
use crate::cli::review::{Decide, Review, Word};
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::out;

/// Who starts and closes a review from the command line, as it is written down.
const OPERATOR: &str = "the operator";

pub(super) async fn run(place: &Place, review: Review) -> anyhow::Result<Exit> {
    Installation::with(place, async |house| {
        let (words, data) = match review {
            Review::Start { tenant } => {
                let id = house.access.start_review(OPERATOR, &tenant).await?;
                (format!("{id} is to be decided row by row"), json!({"started": id}))
            }
            Review::List { tenant } => list(house, tenant.as_ref()).await?,
            Review::Report { id, csv } => report(house, &id, csv).await?,
            Review::Decide(decide) => self::decide(house, decide).await?,
            Review::Close { id } => {
                house.access.close_review(OPERATOR, None, &id).await?;
                (format!("{id} is closed"), json!({"closed": id}))
            }
        };
        if place.json {
            out::line(&serde_json::to_string_pretty(&data)?);
        } else {
            out::line(words.trim_end());
        }
        Ok(Exit::Holds)
    })
    .await
}

async fn list(house: &Installation, tenant: Option<&TenantId>) -> anyhow::Result<(String, Value)> {
    let all = house.access.reviews(tenant).await?;
    let line = |one: &access::Review| {
        let state = one
            .closed
            .as_ref()
            .map_or_else(|| "open".to_owned(), |(by, at)| format!("closed at {at:.0} by {by}"));
        let (id, tenant, at) = (&one.id, &one.tenant, one.started_at);
        format!("{id}  {tenant}  {} of {at:.0}  {state}", out::count(rows(one), "row"))
    };
    let shown = |one: &access::Review| {
        json!({
            "id": one.id, "tenant": one.tenant, "started_at": one.started_at,
            "started_by": one.started_as, "rows": one.frozen, "sha256": hex(&one.digest),
            "closed_at": one.closed.as_ref().map(|(_, at)| at),
            "closed_by": one.closed.as_ref().map(|(by, _)| by),
        })
    };
    let lines: Vec<String> = all.iter().map(line).collect();
    let words = if lines.is_empty() { "no review".to_owned() } else { lines.join("\n") };
    Ok((words, all.iter().map(shown).collect()))
}

fn rows(review: &access::Review) -> usize {
    usize::try_from(review.frozen).unwrap_or_default()
}

async fn report(house: &Installation, id: &str, csv: bool) -> anyhow::Result<(String, Value)> {
    let (review, rows) = house.access.review(id, None).await?;
    let words = if csv { access::csv(&rows) } else { access::markdown(&review, &rows) };
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
    let known = known.ok_or_else(|| Usage(format!("--as: nobody has {}", decide.reviewer)))?;
    let tenant = TenantId::new(known.tenant)?;
    let by = house.access.reviewer_named(&known.account, email.as_str(), &tenant).await?;
    let keep = decide.decision == Word::Keep;
    let (row, reason) = ((decide.id.as_str(), decide.row), (keep, decide.reason.as_str()));
    house.access.decide_review(&by, &tenant, row, reason).await?;
    let word = if keep { "kept" } else { "revoked, and counts for nothing" };
    Ok((format!("row {} was {word}", decide.row), json!({"row": decide.row, "keep": keep})))
}
