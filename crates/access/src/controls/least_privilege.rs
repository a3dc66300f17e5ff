//! `access.least-privilege`: nobody keeps a role that they do not use.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof, TenantId, Value};
use store::{Row, Tx};

use super::{House, seeds};
use crate::{ROOM, Result, sql};

static CARD: Card = Card {
    id: "access.least-privilege",
    title: "Rights that are not used are found",
    attack: "Compares every role that is given, and older than the period, with what its holder was \
             let through by since; one of which nothing was used is named.",
    bite: "Roles that were never used or were used long ago, beside one that is used and a \
           synthetic person's, in a copy of the control database; and a history that is shorter than \
           the period.",
    cadence: Duration::from_hours(1),
    deadline: Duration::from_mins(2),
    not_covered: &[
        "permissions of a role that is used in part: the measured value counts them",
        "uses that the application decides by itself, without asking Amanah",
        "whether a use was one that the application tells of, with `amanah_use` in its question: it is believed",
        "roles that were given within the period",
        "roles of the proofs' own people, whose addresses nobody can have",
    ],
};

const OF: &str = "roles that are given, older than the period";
/// Where the page does not say: a quarter.
const USUAL: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The control.
pub(super) struct LeastPrivilege {
    pub(super) house: House,
}

impl Control for LeastPrivilege {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let now = cx.clock.now();
            let period = match params.value("unused") {
                Some(Value::Period(period)) => SignedDuration::try_from(*period).unwrap_or(USUAL),
                _ => USUAL,
            };
            match self.attack(now, period).await {
                Ok(proof) => proof,
                Err(error) => Proof::unknown(now, error.to_string()),
            }
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let now = cx.clock.now();
            match self.seed(cx).await {
                Ok(proof) => proof,
                Err(error) => Proof::unknown(now, error.to_string()),
            }
        })
    }
}

impl LeastPrivilege {
    async fn attack(&self, now: Timestamp, period: SignedDuration) -> Result<Proof> {
        let access = &self.house.access;
        if access.routes().is_none() {
            let why = "no routes are known, so that no use of a permission is seen";
            return Ok(Proof::unknown(now, why));
        }
        // What waits in memory counts.
        access.write_uses().await?;
        if access.uses.dropped() > 0 {
            let why = "more was used at once than could be written down since Amanah started";
            return Ok(Proof::unknown(now, why));
        }
        let tx = access.db.operator().await?;
        let proof = attack(&tx, now, period, &self.house.canaries).await;
        tx.commit().await?;
        proof
    }

    async fn seed(&self, cx: &Cx) -> Result<Proof> {
        let scratch = self.house.owner.scratch(&self.house.programs, &*cx.rng).await?;
        let found = find_seeds(scratch.db(), cx.clock.now()).await;
        scratch.remove().await?;
        found
    }
}

/// Every role that is given, against what was used. `canaries` are nobody's tenants.
async fn attack(
    tx: &Tx,
    now: Timestamp,
    period: SignedDuration,
    canaries: &[TenantId],
) -> Result<Proof> {
    let since: Option<Timestamp> =
        tx.query_opt(sql::WATCHED_SINCE, &[]).await?.map(|row| row.get(0));
    let edge = now.saturating_sub(period).unwrap_or(Timestamp::MIN);
    let days = period.as_hours() / 24;
    let Some(since) = since.filter(|since| *since <= edge) else {
        let why = match since {
            None => "no use was written down yet".to_owned(),
            Some(since) => format!(
                "uses are written down since {}, which is shorter than {days} days",
                since.strftime("%Y-%m-%d")
            ),
        };
        return Ok(Proof::unknown(now, why));
    };
    let apart: Vec<&str> = canaries.iter().map(TenantId::as_str).collect();
    let rows = tx.query(sql::GRANT_USES, &[&now, &edge, &apart]).await?;
    let (mut findings, mut rights, mut used) = (Vec::new(), 0, 0);
    for row in &rows {
        let (has, of_them): (i64, i64) = (row.get(3), row.get(4));
        rights += has;
        used += of_them;
        if of_them == 0 {
            findings.push(unused(row, since));
        }
    }
    let measured = format!(
        "{} of {} roles used within {days} days, {used} of {rights} permissions of theirs",
        rows.len() - findings.len(),
        rows.len()
    );
    let population = Population::new(rows.len(), rows.len(), OF);
    let threshold = format!("each role used within {days} days");
    Ok(Proof::weigh(now, population, measured, threshold, findings))
}

/// The grant by the beginning of its id: the page is public, and `amanah access unused` has names.
fn unused(row: &Row, since: Timestamp) -> Finding {
    let (grant, role): (String, String) = (row.get(0), row.get(1));
    let (given, last): (Timestamp, Option<Timestamp>) = (row.get(2), row.get(5));
    let short: String = grant.chars().take(8).collect();
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let what = match last {
        Some(last) => format!("last used on {}", day(last)),
        None => format!("given on {}, not used since {}", day(given), day(given.max(since))),
    };
    Finding::new(format!("{role} (grant {short})"), what)
        .fix("Ask its holder, then take it away: amanah access unused lists them with their names")
}

/// How many of them nobody uses: the old one, the one that is used elsewhere, the one beside.
const UNUSED: usize = 3;

async fn find_seeds(db: &store::Db, now: Timestamp) -> Result<Proof> {
    let tx = db.operator().await?;
    tx.execute(sql::SEED_LINEAGE, &[]).await?;
    for migration in ROOM.migrations.iter().filter(|m| m.name.ends_with("catalogue")) {
        tx.batch(migration.sql).await?;
    }
    tx.batch(seeds::UNMARKED).await?;
    for seed in [seeds::WATCH, seeds::GRANTS, seeds::SYNTHETIC, seeds::USES] {
        tx.execute(seed, &[&now]).await?;
    }
    let seen = attack(&tx, now, USUAL, &[]).await?;
    tx.execute(seeds::FORGET_HISTORY, &[&now]).await?;
    let short = attack(&tx, now, USUAL, &[]).await?;
    tx.rollback().await?;
    let mut findings = seen.findings().to_vec();
    let population = Population::new(findings.len(), UNUSED, "roles that nobody uses");
    if findings.len() != UNUSED || seen.population().total != 4 {
        let why = format!("{} of {UNUSED} seeded roles found: {}", findings.len(), seen.detail());
        return Ok(Proof::missed(now, population, why));
    }
    if short.outcome() != kernel::Outcome::Unknown {
        let why = "a history of no length was taken for a whole one";
        return Ok(Proof::missed(now, population, why));
    }
    findings.push(Finding::new("a history of no length", "nothing was concluded from it"));
    let measured = format!("{UNUSED} of {UNUSED} found, and a short history told apart");
    Ok(Proof::weigh(now, population, measured, "all of them", findings))
}

impl crate::Access {
    /// The roles that were given before `since` and of which nothing was used after it, in every
    /// tenant but `apart`. Grant, account, tenant, role.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unused(&self, since: Timestamp, apart: &[TenantId]) -> Result<Vec<[String; 4]>> {
        let apart: Vec<&str> = apart.iter().map(TenantId::as_str).collect();
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::GRANT_USES, &[&self.clock.now(), &since, &apart]).await?;
        tx.commit().await?;
        let unused = rows.iter().filter(|row| row.get::<_, i64>(4) == 0);
        Ok(unused.map(|row| [row.get(0), row.get(6), row.get(7), row.get(1)]).collect())
    }
}
