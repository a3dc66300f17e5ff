//! `access.review`: everything that anybody may do was looked at, row by row, not too long ago.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof, TenantId, Value};
use store::{Db, Programs};

use crate::review::{Duty, ReviewRow, digest};
use crate::{Access, By, CATALOGUE, Error, NewGrant, Review, Reviewer};

static CARD: Card = Card {
    id: "access.review",
    title: "Access is reviewed",
    attack: "For each tenant with somebody who may do something, the review that was closed last is taken \
             anew: its rows are counted and their digest is worked out again, each must be decided by \
             somebody else than its holder, each revocation must have been verified, and what was \
             revoked must not be there now. Its age is compared with what is promised.",
    bite: "In a copy of the control database a review with an entry that was skipped, with a frozen row \
           that was changed, with a row that was taken out, with a revocation that nobody verified, with \
           one that came back, and one that is too old.",
    cadence: Duration::from_hours(1),
    deadline: Duration::from_mins(2),
    not_covered: &[
        "whether a reviewer looked before they decided: the report tells how fast it went",
        "rights that the application keeps by itself, and keys of programs",
        "tenants whose oldest grant is younger than the time between two reviews: nothing is due there yet",
    ],
};

const OF: &str = "frozen rows";

/// What the control is told about the house.
#[derive(Clone)]
pub struct ReviewHouse {
    /// The running house's rights.
    pub access: Arc<Access>,
    /// The owner of the control database, for sandboxes.
    pub owner: Db,
    /// PostgreSQL's programs.
    pub programs: Programs,
    /// Synthetic tenants, which nobody reviews.
    pub canaries: Vec<TenantId>,
}

/// The control.
pub(super) struct Reviewed {
    pub(super) house: ReviewHouse,
}

/// What was found.
#[derive(Debug, Default)]
struct Survey {
    rows: usize,
    tenants: usize,
    young: usize,
    oldest: Option<SignedDuration>,
    findings: Vec<Finding>,
}

impl Control for Reviewed {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let now = cx.clock.now();
            let every = match params.value("every") {
                Some(Value::Period(every)) => SignedDuration::try_from(*every).ok(),
                _ => None,
            };
            let Some(every) = every else {
                return Proof::unknown(now, "the claim does not say how often");
            };
            let besides: Vec<String> =
                self.house.canaries.iter().map(|tenant| tenant.as_str().to_owned()).collect();
            match survey(&self.house.access, &besides, every, now).await {
                Ok(survey) => weigh(now, survey, every),
                Err(error) => Proof::unknown(now, error.to_string()),
            }
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let now = cx.clock.now();
            self.seed(cx).await.unwrap_or_else(|why| Proof::unknown(now, why))
        })
    }
}

fn weigh(now: Timestamp, survey: Survey, every: SignedDuration) -> Proof {
    let Survey { rows, tenants, young, oldest, findings } = survey;
    if rows == 0 && findings.is_empty() {
        return Proof::unknown(now, "no review was closed yet, and none is due");
    }
    let oldest =
        oldest.map_or_else(String::new, |age| format!(", the oldest {} h ago", age.as_hours()));
    let measured = format!("{tenants} tenants reviewed{oldest}");
    let threshold = format!("each within {} h", every.as_hours());
    let proof = Proof::weigh(now, Population::new(rows, rows, OF), measured, threshold, findings);
    if young == 0 { proof } else { proof.note(&format!("nothing is due yet in {young} tenants")) }
}

async fn survey(
    access: &Access,
    besides: &[String],
    every: SignedDuration,
    now: Timestamp,
) -> crate::Result<Survey> {
    let mut survey = Survey::default();
    for duty in access.review_duties(besides).await? {
        let Duty { tenant, since, last } = duty;
        let Some(last) = last else {
            if now.duration_since(since) > every {
                let what =
                    format!("was never reviewed; somebody may do something since {since:.0}");
                let start = format!("Start one: amanah access review start --tenant {tenant}");
                survey.findings.push(Finding::new(tenant, what).fix(start));
            } else {
                survey.young += 1;
            }
            continue;
        };
        let tenant = TenantId::new(tenant)
            .map_err(|error| Error::Field { field: "tenant", why: error.to_string() })?;
        let (review, rows) = access.review(&last, None).await?;
        let back = access.come_back(&tenant, &rows).await?;
        survey.judge(&review, &rows, &back, every, now);
    }
    Ok(survey)
}

impl Survey {
    fn judge(
        &mut self,
        review: &Review,
        rows: &[ReviewRow],
        back: &[i32],
        every: SignedDuration,
        now: Timestamp,
    ) {
        self.tenants += 1;
        self.rows += rows.len();
        let mut find = |what: String| {
            let object = format!("{}, review {}", review.tenant, review.id);
            self.findings.push(Finding::new(object, what));
        };
        if usize::try_from(review.frozen) != Ok(rows.len()) {
            find(format!("{} rows were frozen and {} are there", review.frozen, rows.len()));
        } else if digest(rows) != review.digest {
            find("a frozen row is not as it was frozen".to_owned());
        }
        for row in rows {
            match &row.decision {
                None => find(format!("row {} was skipped", row.n)),
                Some(one) if !one.keep && one.verified_at.is_none() => {
                    find(format!("the revocation of row {} was not verified", row.n));
                }
                Some(_) => {}
            }
        }
        for n in back {
            find(format!("what row {n} revoked is there again"));
        }
        let age = now.duration_since(review.started_at);
        if age > every {
            find(format!("is {} days old", age.as_hours() / 24));
        }
        self.oldest = Some(self.oldest.map_or(age, |oldest| oldest.max(age)));
    }
}

const TENANT: &str = "seed";
const REVIEWER: &str = "00000000-0000-4000-8000-0000000000e1";
const HOLDERS: [&str; 3] = [
    "00000000-0000-4000-8000-0000000000e2",
    "00000000-0000-4000-8000-0000000000e3",
    "00000000-0000-4000-8000-0000000000e4",
];
/// Parameters: id. An account of the copy.
const ACCOUNT: &str = "\
    INSERT INTO identity.accounts (id, email, display_name, tenant, role, password_hash, created_at) \
    VALUES ($1::text::uuid, $1 || '@seed.example', 'Seed', 'seed', 'seed', '$argon2id$v=19$m=', now())";
const UNGUARDED: &str = "\
    ALTER TABLE access.reviews DISABLE TRIGGER USER; ALTER TABLE access.review_rows DISABLE TRIGGER USER; \
    ALTER TABLE access.grants DISABLE TRIGGER USER";
/// What is done to a whole review, what it is, how it is undone, and a part of its finding.
const SEEDS: [(&str, &str, &str, &str); 5] = [
    (
        "a skipped entry",
        "UPDATE access.review_rows SET decision = NULL, decided_by = NULL, decided_as = NULL, \
            decided_at = NULL, reason = NULL WHERE n = 1",
        "UPDATE access.review_rows SET decision = 'keep', decided_by = '00000000-0000-4000-8000-0000000000e1', \
            decided_as = 'seed', decided_at = now(), reason = 'seed' WHERE n = 1",
        "row 1 was skipped",
    ),
    (
        "a changed frozen row",
        "UPDATE access.review_rows SET what = 'owner' WHERE n = 1",
        "UPDATE access.review_rows SET what = 'editor' WHERE n = 1",
        "is not as it was frozen",
    ),
    (
        "a revocation that nobody verified",
        "UPDATE access.review_rows SET verified_at = NULL",
        "UPDATE access.review_rows SET verified_at = now() WHERE decision = 'revoke'",
        "was not verified",
    ),
    (
        "a revocation that came back",
        "UPDATE access.grants SET revoked_at = NULL, revoked_by = NULL",
        "UPDATE access.grants g SET revoked_at = now(), revoked_by = 'seed' FROM access.review_rows r \
            WHERE r.grant_id = g.id AND r.decision = 'revoke'",
        "is there again",
    ),
    ("a row that was taken out", "DELETE FROM access.review_rows WHERE n = 2", "", "are there"),
];

impl Reviewed {
    async fn seed(&self, cx: &Cx) -> Result<Proof, String> {
        let scratch = self.house.owner.scratch(&self.house.programs, &*cx.rng).await;
        let scratch = scratch.map_err(|error| format!("no sandbox: {error}"))?;
        let bitten = bite(scratch.db(), cx).await;
        let left = scratch.remove().await.err();
        let (findings, missed) = bitten.map_err(|error| error.to_string())?;
        let (now, seeded) = (cx.clock.now(), SEEDS.len() + 1);
        let population = Population::new(findings.len(), seeded, "damaged reviews");
        let proof = if missed.is_empty() {
            let measured = format!("{} of {seeded} found", findings.len());
            Proof::weigh(now, population, measured, "all of them", findings)
        } else {
            Proof::missed(now, population, format!("not found: {}", missed.join(", ")))
        };
        Ok(match left {
            Some(error) => proof.note(&format!("the sandbox was left behind: {error}")),
            None => proof,
        })
    }
}

/// A whole review in a copy of the control database, then each damage in its turn.
async fn bite(db: &Db, cx: &Cx) -> crate::Result<(Vec<Finding>, Vec<&'static str>)> {
    let every = SignedDuration::from_hours(24);
    let access = Access::new(db.clone(), Arc::clone(&cx.clock));
    prepare(db, &access).await?;
    let now = cx.clock.now();
    let whole = survey(&access, &[], every, now).await?;
    if let Some(finding) = whole.findings.first() {
        return Err(Error::Review(format!("a whole one does not pass: {finding}")));
    }
    let (mut findings, mut missed) = (Vec::new(), Vec::new());
    let old = survey(&access, &[], every, now + every + every).await?;
    match old.findings.into_iter().find(|finding| finding.what.contains("days old")) {
        Some(finding) => findings.push(finding),
        None => missed.push("one that is too old"),
    }
    run(db, UNGUARDED).await?;
    for (name, seed, undo, wanted) in SEEDS {
        run(db, seed).await?;
        let found = survey(&access, &[], every, now).await?.findings;
        match found.into_iter().find(|finding| finding.what.contains(wanted)) {
            Some(finding) => findings.push(finding),
            None => missed.push(name),
        }
        run(db, undo).await?;
    }
    Ok((findings, missed))
}

/// People, and a review of them in which one right is revoked.
async fn prepare(db: &Db, access: &Access) -> crate::Result<()> {
    run(db, CATALOGUE).await?;
    let tx = db.operator().await?;
    for account in HOLDERS.iter().chain([&REVIEWER]) {
        tx.execute(ACCOUNT, &[account]).await?;
    }
    tx.commit().await?;
    let tenant = TenantId::new(TENANT)
        .map_err(|error| Error::Field { field: "tenant", why: error.to_string() })?;
    let by = By::operator("a bite")?;
    let grant = |account: &str, role: &str| NewGrant {
        account: account.to_owned(),
        tenant: tenant.clone(),
        role: role.to_owned(),
        reason: "a bite".to_owned(),
        until: None,
    };
    for holder in HOLDERS {
        access.grant(&by, &grant(holder, "editor")).await?;
    }
    let id = access.start_review("a bite", &tenant).await?;
    access.grant(&by, &grant(REVIEWER, "administrator")).await?;
    let reviewer: Reviewer = access.reviewer_named(REVIEWER, "seed", &tenant).await?;
    for n in 1..=3 {
        access.decide_review(&reviewer, &tenant, (&id, n), (n != 3, "a bite")).await?;
    }
    access.close_review("a bite", Some(&tenant), &id).await
}

async fn run(db: &Db, statements: &str) -> crate::Result<()> {
    let tx = db.operator().await?;
    tx.batch(statements).await?;
    Ok(tx.commit().await?)
}
