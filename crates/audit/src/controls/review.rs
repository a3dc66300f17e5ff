//! `audit.review`: each month of each trail was reviewed, and somebody has signed for it in time.
//!
//! It promises that a signature counts only if the key ring has made it, and only as long as the report
//! that was signed is there, letter by letter. What the person has looked at, no machine can tell.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kernel::{
    Attestation, Attestations, Card, Control, Cx, Finding, Fut, Params, Proof, Value, Vouched,
    random_hex,
};

use super::{Bitten, Ledger, Watched};
use crate::review::{CLAIM, Duty, Fault, Kept, Month, Reports, attestation, day, digest};
use crate::{Error, Result, sql};

/// A month in a promise, as it counts periods.
const MONTH: u64 = 30 * 24 * 60 * 60;
/// What the trail of the bite is called.
const REHEARSAL: &str = "amanah-rehearsal";
/// What is found wrong with, where there is one database alone.
const THE_TRAIL: &str = "the trail";
/// The most faults that are named one by one.
const NAMED: usize = 100;

static CARD: Card = Card {
    id: CLAIM,
    title: "Each month of the trail is reviewed, and signed",
    attack: "A person has vouched for having read the report of each month of every trail by the end of \
             the month after it. The signature of the key ring over each such word is checked, and the \
             report that is kept against the SHA-256 that was signed.",
    bite: "For a trail that is none, a month is signed by nobody until it is overdue, a signed report is \
           changed, and then removed, and two rows are put into the table of attestations with a \
           signature that belongs to another: one of them new, one with another name.",
    cadence: Duration::from_hours(1),
    deadline: Duration::from_mins(2),
    not_covered: &[
        "whether the person has looked, and understood: a signature says that they answer for it",
        "whether the name is that person's: who signs is whoever may run Amanah's commands",
        "months before the last 24",
        "failed sign-ins, which Amanah does not record yet: the report says so",
    ],
};

/// The reviews of a trail.
#[derive(Clone)]
pub struct Reviewed {
    /// The trail, as its database is called.
    pub trail: String,
    /// Its reports.
    pub reports: Reports,
    /// Who keeps what people vouch for.
    pub attestations: Arc<dyn Attestations>,
    /// A folder for what is gone a moment later.
    pub scratch: PathBuf,
}

/// The control.
pub(super) struct Review {
    pub(super) databases: Arc<[Watched]>,
}

impl Control for Review {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let Some(Value::Period(every)) = params.value("every") else {
                return Proof::unknown(at, "the promise does not say how often: write every=1mo");
            };
            let Some(every) = months(*every) else {
                let why = "a review is of a whole month: nothing can be said of one that is promised \
                           more often than every=1mo";
                return Proof::unknown(at, why);
            };
            let all = Ledger::of(&self.databases, &*cx.rng, |database, _| {
                Box::pin(prove(database, every, at))
            })
            .await;
            let measured = format!("{} findings", all.findings.len());
            let wanted = match every {
                1 => "each month signed by the end of the next".to_owned(),
                more => format!("each month signed within {more} months"),
            };
            all.proof(at, "months of trails, reviewed and signed", &measured, &wanted)
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let found = self.databases.iter().find_map(|one| one.reviewed.as_ref().ok());
            let Some(reviewed) = found else {
                return Proof::unknown(at, super::NO_DATABASE);
            };
            let mark = match random_hex(&*cx.rng, 8) {
                Ok(mark) => mark,
                Err(error) => return Proof::unknown(at, error.to_string()),
            };
            let folder = reviewed.scratch.join(format!("review-{mark}"));
            let bitten = bite(reviewed, &Reports::at(&folder), at).await;
            let removed = std::fs::remove_dir_all(&folder);
            let proof = match bitten {
                Ok(bitten) => bitten.proof(at),
                Err(why) => Proof::unknown(at, format!("the sandbox failed: {why}")),
            };
            let left = removed.err().filter(|error| error.kind() != std::io::ErrorKind::NotFound);
            let left = left.map(|error| format!("{} is left behind: {error}", folder.display()));
            proof.note(&left.unwrap_or_default())
        })
    }
}

/// Whole months, at least one.
fn months(every: Duration) -> Option<u32> {
    u32::try_from(every.as_secs() / MONTH).ok().filter(|months| *months > 0)
}

/// When the first row of a trail was recorded.
pub(crate) async fn began(database: &Watched) -> Result<Option<Timestamp>> {
    let place = database.place();
    let tx = place.trail().await?.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    let first = tx.query_opt(sql::FIRST_ROW, &[]).await?;
    tx.rollback().await?;
    Ok(first.map(|row| row.get(0)))
}

impl Watched {
    /// How the reviews of this trail stand at `now`, when a month may wait for `every` months.
    ///
    /// # Errors
    /// When its database or what is attested cannot be read.
    pub async fn duty(&self, every: u32, now: Timestamp) -> Result<Duty> {
        let Reviewed { trail, reports, attestations, .. } =
            self.reviewed.as_ref().map_err(|why| Error::Review(why.clone()))?;
        let vouched = attestations.about(CLAIM).await.map_err(Error::Review)?;
        let began = began(self).await?;
        Ok(Duty::of(&Kept { trail, began, vouched: &vouched, reports, every }, now))
    }
}

async fn prove(database: &Watched, every: u32, now: Timestamp) -> Result<Ledger> {
    let duty = database.duty(every, now).await?;
    let mut ledger = Ledger { checked: duty.signed, total: duty.months, ..Ledger::default() };
    ledger.findings = findings(&duty);
    ledger.notes.push(note(&duty));
    Ok(ledger)
}

/// Who has signed last, and until when that is enough.
fn note(duty: &Duty) -> String {
    let next = duty.next.map(|(month, due)| (month, day(due)));
    match (&duty.last, next) {
        (None, None) => "the trail has no row yet, so there is nothing to review".to_owned(),
        (None, Some((month, last))) => {
            format!("no month is signed yet; that of {month} is due until {last}")
        }
        (Some(one), None) => format!("{} was signed by {}", one.month, one.by),
        (Some(one), Some((month, last))) => format!(
            "{} was signed by {} on {}; {month} is due until {last}",
            one.month,
            one.by,
            one.at.to_zoned(TimeZone::UTC).date()
        ),
    }
}

fn findings(duty: &Duty) -> Vec<Finding> {
    let finding = |fault: &Fault| {
        let found = Finding::new(THE_TRAIL, fault.to_string());
        match fault {
            Fault::Overdue(month, _) | Fault::Gone(month) | Fault::Altered(month, _) => {
                found.fix(format!(
                    "read the report that `amanah audit review` makes of --month {month} and sign it \
                     with --sign; one that was signed can also be put back from a copy"
                ))
            }
            Fault::Forged(..) => found.fix(
                "look who can write to claims.attestation in the control database, and what else they \
                 wrote there. The row stays, and so does this, until a superuser has removed it",
            ),
        }
    };
    let mut all: Vec<Finding> = duty.faults.iter().take(NAMED).map(finding).collect();
    if let more @ 1.. = duty.faults.len().saturating_sub(NAMED) {
        all.push(Finding::new(THE_TRAIL, format!("{more} more")));
    }
    all
}

/// A thing that is done in the sandbox.
struct Deed<'a> {
    name: &'static str,
    vouched: &'a [Vouched],
    now: Timestamp,
    wanted: fn(&Fault) -> bool,
}

/// Whether what is wrong with a review is found.
async fn bite(
    reviewed: &Reviewed,
    reports: &Reports,
    now: Timestamp,
) -> std::result::Result<Bitten, String> {
    let (this, text) = (Month::of(now), "# A rehearsal\n");
    let (one, other) = (this.earlier(2), this.earlier(1));
    let name = reports.keep(one, text)?;
    let sign = |month: Month, by: &str| {
        attestation((REHEARSAL, month), digest(text), name.clone(), (by, None), now)
    };
    let rehearse = async |signed: &[Attestation], forged: &[Attestation]| {
        let all = reviewed.attestations.rehearse(CLAIM, signed, forged).await?;
        Ok::<_, String>(all)
    };
    let signed = [sign(one, "a rehearsal")];
    let calm = rehearse(&signed, &[]).await?;
    let added = rehearse(&signed, &[sign(other, "a stranger")]).await?;
    let renamed = rehearse(&signed, &[sign(one, "a stranger")]).await?;
    let look = |vouched: &[Vouched], now| {
        let began = Some(one.begins());
        Duty::of(&Kept { trail: REHEARSAL, began, vouched, reports, every: 1 }, now).faults
    };
    let mut bitten = Bitten { found: Vec::new(), missed: Vec::new() };
    if let Some(fault) = look(&calm, now).first() {
        bitten.missed.push(format!("a month with which nothing is wrong ({fault})"));
    }
    let forged: fn(&Fault) -> bool = |fault| matches!(fault, Fault::Forged(..));
    let later = this.later(1).begins();
    let mut seed = |deed: Deed<'_>| match look(deed.vouched, deed.now)
        .into_iter()
        .find(|fault| (deed.wanted)(fault))
    {
        Some(fault) => bitten.found.push(Finding::new(deed.name, fault.to_string())),
        None => bitten.missed.push(deed.name.to_owned()),
    };
    let overdue: fn(&Fault) -> bool = |fault| matches!(fault, Fault::Overdue(..));
    seed(Deed { name: "an overdue month", vouched: &calm, now: later, wanted: overdue });
    seed(Deed { name: "a row that nobody signed", vouched: &added, now, wanted: forged });
    seed(Deed { name: "a row with another name", vouched: &renamed, now, wanted: forged });
    reports.damage(one, &digest(text), Some("# Another\n"))?;
    let altered: fn(&Fault) -> bool = |fault| matches!(fault, Fault::Altered(..));
    seed(Deed { name: "an altered report", vouched: &calm, now, wanted: altered });
    reports.damage(one, &digest(text), None)?;
    let gone: fn(&Fault) -> bool = |fault| matches!(fault, Fault::Gone(_));
    seed(Deed { name: "a removed report", vouched: &calm, now, wanted: gone });
    Ok(bitten)
}
