//! `access.review`: everything that anybody may do was looked at, row by row, not too long ago.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::{
    Attestation, Attestations, Card, Control, Cx, Finding, Fut, Holdings, Params, Population,
    Proof, TenantId, Value, Vouched,
};
use store::{Db, Programs};

use super::review_seeds::{self as seeds, SEEDS};
use crate::review::{Duty, ReviewRow, digest, evidence};
use crate::{Access, Error, Review};

static CARD: Card = Card {
    id: "access.review",
    title: "Access is reviewed",
    attack: "For each tenant with somebody who may do something, the review that was closed last is taken \
             anew: its rows are counted and their digest is worked out again, each must be decided by \
             somebody else than its holder, each revocation must have been verified, and what was \
             revoked must not be there now. Roles, accesses of support, keys of programs and tokens of \
             directories that are there now and were there then must be among its rows. Somebody must have signed it as it \
             stands, with a key outside of the database. Its age is compared with what is promised.",
    bite: "In a copy of the control database a review with an entry that was skipped, with one that its \
           holder decided, with a frozen row that was changed, with a row that was taken out, with a right that was left out, with a \
           revocation that nobody verified, with a role, a key and a token of a directory that came back, \
           with such a token that was left out, one that nobody signed, one whose reason was changed after it was signed, and one that is too old.",
    cadence: Duration::from_hours(1),
    deadline: Duration::from_mins(2),
    not_covered: &[
        "whether a reviewer looked before they decided: the report tells how fast it went",
        "rights that the application keeps by itself",
        "tenants whose first grant is younger than the time between two reviews: nothing is due there yet",
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
    /// What somebody signed.
    pub attestations: Arc<dyn Attestations>,
    /// What lets somebody act by something else than a role, over any copy of the control database.
    pub holdings: HoldingsOf,
}

/// Makes the keepers of [`Holdings`] over a database.
pub type HoldingsOf = Arc<dyn Fn(&Db) -> Vec<Arc<dyn Holdings>> + Send + Sync>;

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
            let vouched = match self.house.attestations.about(evidence::CLAIM).await {
                Ok(vouched) => vouched,
                Err(why) => return Proof::unknown(now, why),
            };
            match survey(&self.house.access, &vouched, &besides, (every, now)).await {
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
    vouched: &[Vouched],
    besides: &[String],
    (every, now): (SignedDuration, Timestamp),
) -> crate::Result<Survey> {
    let mut survey = Survey::default();
    for duty in access.review_duties(besides).await? {
        let Duty { tenant, since, last } = duty;
        let Some((last, _)) = last else {
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
        survey.judge(&review, &rows, (every, now));
        let compared = access.compare_review(&tenant, &review, &rows).await?;
        for n in compared.back {
            survey.find(&review, format!("what row {n} revoked is there again"));
        }
        for what in compared.left_out {
            survey.find(&review, format!("{what} was there and was left out"));
        }
        if let Err(why) = evidence::signed(vouched, &review, &rows) {
            survey.find(&review, why);
        }
    }
    Ok(survey)
}

impl Survey {
    fn find(&mut self, review: &Review, what: String) {
        let object = format!("{}, review {}", review.tenant, review.id);
        self.findings.push(Finding::new(object, what));
    }

    fn judge(
        &mut self,
        review: &Review,
        rows: &[ReviewRow],
        (every, now): (SignedDuration, Timestamp),
    ) {
        self.tenants += 1;
        self.rows += rows.len();
        if usize::try_from(review.frozen) != Ok(rows.len()) {
            let what = format!("{} rows were frozen and {} are there", review.frozen, rows.len());
            self.find(review, what);
        } else if digest(rows) != review.digest {
            self.find(review, "a frozen row is not as it was frozen".to_owned());
        }
        for row in rows {
            match &row.decision {
                None => self.find(review, format!("row {} was skipped", row.n)),
                Some(one) if !one.keep && one.verified_at.is_none() => {
                    let what = format!("the revocation of row {} was not verified", row.n);
                    self.find(review, what);
                }
                Some(_) => {}
            }
            if row.decision.as_ref().is_some_and(|one| one.account == row.account) {
                self.find(review, format!("row {} was decided by its own holder", row.n));
            }
        }
        let age = now.duration_since(review.started_at);
        if age > every {
            self.find(review, format!("is {} days old", age.as_hours() / 24));
        }
        self.oldest = Some(self.oldest.map_or(age, |oldest| oldest.max(age)));
    }
}

impl Reviewed {
    async fn seed(&self, cx: &Cx) -> Result<Proof, String> {
        let scratch = self.house.owner.scratch(&self.house.programs, &*cx.rng).await;
        let scratch = scratch.map_err(|error| format!("no sandbox: {error}"))?;
        let bitten = self.bitten(scratch.db(), cx).await;
        let left = scratch.remove().await.err();
        let (findings, missed) = bitten.map_err(|error| error.to_string())?;
        // Beside what is done to the rows: one too old, and one that nobody signed.
        let (now, seeded) = (cx.clock.now(), SEEDS.len() + 2);
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

    /// A whole review in a copy of the control database, then each damage in its turn.
    async fn bitten(&self, db: &Db, cx: &Cx) -> crate::Result<(Vec<Finding>, Vec<&'static str>)> {
        let every = SignedDuration::from_hours(24);
        let access = Access::new(db.clone(), Arc::clone(&cx.clock));
        let access = access.with_holdings((self.house.holdings)(db));
        let id = seeds::prepare(db, &access).await?;
        let now = cx.clock.now();
        let (review, rows) = access.review(&id, None).await?;
        let word = evidence::attestation(&review, &rows, ("a bite", None), (now, every));
        let ledger = &self.house.attestations;
        let signed = ledger.rehearse(evidence::CLAIM, std::slice::from_ref(&word), &[]).await;
        let signed = signed.map_err(Error::Review)?;
        // The forged one has the signature of another review.
        let other = Attestation { subject: "another review".to_owned(), ..word.clone() };
        let (other, word) = (std::slice::from_ref(&other), std::slice::from_ref(&word));
        let forged = ledger.rehearse(evidence::CLAIM, other, word).await;
        let forged = forged.map_err(Error::Review)?;
        let look = async |vouched: &[Vouched], at: Timestamp| {
            Ok::<_, Error>(survey(&access, vouched, &[], (every, at)).await?.findings)
        };
        if let Some(finding) = look(&signed, now).await?.first() {
            return Err(Error::Review(format!("a whole one does not pass: {finding}")));
        }
        let (mut findings, mut missed) = (Vec::new(), Vec::new());
        let mut take = |found: Vec<Finding>, name: &'static str, wanted: &str| match found
            .into_iter()
            .find(|finding| finding.what.contains(wanted))
        {
            Some(finding) => findings.push(finding),
            None => missed.push(name),
        };
        take(look(&signed, now + every + every).await?, "one that is too old", "days old");
        take(look(&forged, now).await?, "one that nobody signed", "is signed by nobody");
        seeds::run(db, seeds::UNGUARDED).await?;
        for (name, seed, undo, wanted) in SEEDS {
            seeds::run(db, seed).await?;
            take(look(&signed, now).await?, name, wanted);
            seeds::run(db, undo).await?;
        }
        Ok((findings, missed))
    }
}
