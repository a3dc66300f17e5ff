//! `audit.retention`: nothing of the trail goes before its time.

pub(super) mod past;

use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Proof, Rng, Value};
use past::Past;
use store::{Db, Tx, ident};
use tlog::Verifier;

use super::tamper::begun;
use super::trial::Trial;
use super::{Bitten, Ledger, Place, Watched, Work, alter, news};
use crate::archive::check;
use crate::retention::{Month, Rows, months_of, sealed, stays};
use crate::{Error, Result, RowLeaf, inspect, row, sql};

const TRAIL: &str = "audit.system_audit_logs";
/// The most months that are named one by one.
const NAMED: usize = 24;

static CARD: Card = Card {
    id: "audit.retention",
    title: "Nothing of the trail goes before its time",
    attack: "In a sandbox whose trail has rows of past months, the application, an administrator, an auditor, \
             the owner and each of Amanah's own roles try every known way to take a month out that is \
             younger than the period, the function that takes old ones out among them. In each real trail, \
             every month since the first sealed row must be there: in the database, with as many rows as \
             were sealed and the first and the last of them, or in the archive, where all of it opens and is \
             what was sealed.",
    bite: "In a sandbox, the function that takes months out is made to ask for no age, the period is \
           shortened, its rows may be deleted by the application, and a superuser drops, detaches and empties \
           the partition of a month, and takes one row out of it.",
    cadence: Duration::from_hours(24),
    deadline: Duration::from_mins(30),
    not_covered: &[
        "a superuser of the database, who can drop anything: the month that he drops is named at the next \
         proof",
        "whether each row of a month is what was sealed: `audit.tamper-evident` holds every row against its \
         entry, and finds one that somebody has put in the place of another",
        "a server whose clock is set ahead by somebody who administers it",
        "the sandbox where several databases are protected: it is one of the first alone",
    ],
};

/// The control.
pub(super) struct Retention {
    pub(super) databases: Arc<[Watched]>,
}

impl Control for Retention {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let Some(Value::Period(period)) = params.value("for") else {
                return Proof::unknown(at, "the promise does not say for how long: write for=24mo");
            };
            let months = months_of(*period);
            let (databases, rng) = (&*self.databases, &*cx.rng);
            let all =
                Ledger::of(databases, rng, |database, _| Box::pin(prove(database, months))).await;
            let work: Work<Ledger> = |inside, rng| Box::pin(rehearse(inside, rng));
            let all = all.and_sandbox(databases, rng, work).await;
            let measured = format!("{} findings", all.findings.len());
            let wanted = format!("0 findings, each month kept for {months} months");
            all.proof(at, "months of trails, and attempts to take one out", &measured, &wanted)
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        let seed: Work<Bitten> = |inside, rng| Box::pin(bite(inside, rng));
        Box::pin(super::bite(&self.databases, cx, seed))
    }
}

async fn prove(database: &Watched, months: u32) -> Result<Ledger> {
    let place = database.place();
    let reader = place.reader().await?;
    let mut ledger = Ledger::default();
    ledger.add(configured(reader, (place.keep, place.archived()?.is_some()), months).await?);
    ledger.add(kept(&place, reader).await?);
    Ok(ledger)
}

/// Whether what is configured is as long as what is promised.
async fn configured(reader: &Db, (keep, is_archived): (u32, bool), wanted: u32) -> Result<Ledger> {
    let mut ledger = Ledger { checked: 1, total: 1, ..Ledger::default() };
    let mut short = |object: &str, what: String, fix: &str| {
        ledger.findings.push(Finding::new(object, what).fix(fix));
    };
    if keep < wanted {
        let what = format!("the trail is kept for {keep} months, and {wanted} are promised");
        short("trail.keep", what, "set trail.keep in amanah.toml to what the page says");
    }
    match stays(reader).await {
        // What leaves it earlier lies in the archive, which is looked at.
        Ok(Some(months)) if months < wanted && !is_archived => {
            let what = format!(
                "a month may leave the database {months} months after its end, and {wanted} are promised"
            );
            let fix = "`amanah protect` with --superuser-url and --apply lengthens it to what amanah.toml \
                       says";
            short("audit.retention", what, fix);
        }
        // Nothing is removed while nobody has said for how long it stays.
        Ok(_) => {}
        Err(error @ Error::NoRetention) => {
            ledger.checked = 0;
            ledger.open.push(error.to_string());
        }
        Err(error) => return Err(error),
    }
    Ok(ledger)
}

/// Whether every month is there of which something was sealed.
async fn kept(place: &Place<'_>, reader: &Db) -> Result<Ledger> {
    let log = place.sealed()?;
    begun(log).await?;
    let sealed = sealed(log).await?;
    // Of a month whose rows a restore has undone, nothing is to be there.
    let last = |(month, rows): (&Month, &Rows)| Some((*month, rows.count, rows.ends?));
    let months: Vec<_> = sealed.months.iter().filter_map(last).collect();
    let mut ledger = Ledger { total: months.len(), ..Ledger::default() };
    let Some((first, ..)) = months.first() else {
        ledger.total = 1;
        ledger.open.push("no row was sealed yet".to_owned());
        return Ok(ledger);
    };
    let (many, head) = (months.len(), sealed.head.named());
    ledger.notes.push(format!("sealed rows since {first}, of {many} months, by {head}"));
    let mut away = Vec::new();
    let tx = reader.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    row::sees_all(&tx).await?;
    for (month, count, ends) in months {
        match near(&tx, month, (count, ends)).await? {
            Near::Whole => ledger.checked += 1,
            Near::Nothing => away.push((month, count)),
            Near::Part(what) => {
                ledger.checked += 1;
                if ledger.findings.len() < NAMED {
                    ledger.findings.push(missing_with(month, &what));
                }
            }
        }
    }
    tx.rollback().await?;
    let mut archived = 0;
    for lost in away {
        let found = archived_month(place, &(log.keys)()?, lost).await?;
        ledger.checked += 1;
        archived += u64::from(found.is_none());
        if ledger.findings.len() < NAMED {
            ledger.findings.extend(found);
        }
    }
    if archived > 0 {
        ledger.notes.push(format!("{archived} months lie in the archive, opened and verified"));
    }
    Ok(ledger)
}

/// How much of a month is in the database.
enum Near {
    /// As many rows as were sealed, the first and the last of them among them.
    Whole,
    /// None of them.
    Nothing,
    /// Fewer, or others; what.
    Part(String),
}

/// Looks how much of a month is in the database, of which so many rows were sealed, from the first to the last.
/// What was written since is not counted.
async fn near(
    tx: &Tx,
    month: Month,
    (wanted, (first, last)): (u64, (RowLeaf, RowLeaf)),
) -> Result<Near> {
    let (from, to) = (month.first().to_string(), month.later(1).first().to_string());
    let (low, high) = (first.xid.to_string(), last.xid.to_string());
    let (first_hash, last_hash) = (first.row_hash.as_slice(), last.row_hash.as_slice());
    let bound: [&(dyn store::ToSql + Sync); 8] =
        [&from, &to, &high, &last.id, &last_hash, &low, &first.id, &first_hash];
    let row = tx.query_one(sql::SEALED_BETWEEN, &bound).await?;
    let (there, has_last, has_first): (i64, bool, bool) = (row.get(0), row.get(1), row.get(2));
    let there = there.unsigned_abs();
    Ok(match (there, has_first, has_last) {
        (0, ..) => Near::Nothing,
        _ if there < wanted => Near::Part(format!(
            "{wanted} rows of this month were sealed, and {there} are in the database"
        )),
        (_, false, _) => Near::Part(format!("its first row, {}, is not what was sealed", first.id)),
        (_, _, false) => Near::Part(format!("its last row, {}, is not what was sealed", last.id)),
        _ => Near::Whole,
    })
}

/// What is wrong with a month that is not in the database, if it is not whole in the archive.
async fn archived_month(
    place: &Place<'_>,
    keys: &[Verifier],
    (month, rows): (Month, u64),
) -> Result<Option<Finding>> {
    let Some(archive) = place.archived()? else { return Ok(Some(missing(month))) };
    let checked = check(archive, keys, month).await?;
    let what = match checked.wrong.as_slice() {
        [] if checked.rows == rows => return Ok(None),
        [] => format!("{rows} rows of it were sealed, and {} lie in the archive", checked.rows),
        [wrong, ..] => format!("it is not in the database, and in the archive {wrong}"),
    };
    Ok(Some(missing_with(month, &what)))
}

fn missing(month: Month) -> Finding {
    missing_with(month, "rows of this month were sealed, and none of them is in the database")
}

fn missing_with(month: Month, what: &str) -> Finding {
    Finding::new(format!("the month {month}"), what).fix(
        "look for who took it out, and attach its partition again or put its files back; where they are lost, \
         restore it from a backup or from the copy elsewhere",
    )
}

async fn rehearse(inside: &Place<'_>, rng: &dyn Rng) -> Result<Ledger> {
    let past = Past::made(inside).await?;
    let mut ledger = past.examine(inside, rng).await?;
    let trail = inside.trail().await?;
    let tx = trail.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    for month in past.months() {
        let (from, to) = (month.first().to_string(), month.later(1).first().to_string());
        let there: bool = tx.query_one(sql::HAS_ROWS, &[&from, &to]).await?.get(0);
        if !there {
            let what = "its rows were gone after the attempts";
            ledger.findings.push(Finding::new(format!("the month {month}"), what));
        }
    }
    tx.rollback().await?;
    Ok(ledger)
}

/// One violation: what it is, what seeds it, what takes it back.
type Seed = (&'static str, String, String);

async fn bite(inside: &Place<'_>, rng: &dyn Rng) -> Result<Bitten> {
    let past = Past::made(inside).await?;
    let mut bitten = Bitten { found: Vec::new(), missed: Vec::new() };
    let keeper = inside.keeper().await?;
    let maker = keeper.unwrap_or(&inside.protected.owner);
    let before = past.examine(inside, rng).await?.findings;
    for (name, seed, undo) in weaknesses(inside, keeper.is_some()) {
        alter(maker, &seed).await?;
        match news(&before, past.examine(inside, rng).await?.findings) {
            Some(finding) => bitten.found.push(finding),
            None => bitten.missed.push(name.to_owned()),
        }
        alter(maker, &undo).await?;
    }
    if let Some(superuser) = keeper {
        alter(superuser, "UPDATE audit.retention SET months = 1").await?;
        // Longer than any that it could be.
        let wanted = inside.keep.saturating_add(1);
        match configured(superuser, (wanted, false), wanted).await?.findings.into_iter().next() {
            Some(finding) => bitten.found.push(finding),
            None => bitten.missed.push("a shorter period".to_owned()),
        }
    }
    let trial = Trial::of(inside, rng).await?;
    let log = trial.log();
    let sealed = inside.sealed_in(&log);
    if let Some(finding) = kept(&sealed, trial.maker).await?.findings.into_iter().next() {
        bitten.missed.push(format!("a trail of which nothing is gone ({})", finding.what));
    }
    for (name, seed, undo) in losses(past.oldest) {
        alter(trial.maker, &seed).await?;
        match kept(&sealed, trial.maker).await?.findings.into_iter().next() {
            Some(finding) => bitten.found.push(finding),
            None => bitten.missed.push(name.to_owned()),
        }
        alter(trial.maker, &undo).await?;
    }
    Ok(bitten)
}

/// What would let somebody take a month out too early.
fn weaknesses(inside: &Place<'_>, guarded: bool) -> Vec<Seed> {
    let app = ident(&inside.protected.app_role);
    let mut all: Vec<Seed> = vec![(
        "rows that the application may delete",
        format!(
            "GRANT USAGE ON SCHEMA audit TO {app}; GRANT SELECT, DELETE ON {TRAIL} TO {app};
             ALTER TABLE {TRAIL} DISABLE TRIGGER refuse_statement, DISABLE TRIGGER refuse_row"
        ),
        format!(
            "REVOKE SELECT, DELETE ON {TRAIL} FROM {app}; REVOKE USAGE ON SCHEMA audit FROM {app};
             ALTER TABLE {TRAIL} ENABLE ALWAYS TRIGGER refuse_statement,
                 ENABLE ALWAYS TRIGGER refuse_row"
        ),
    )];
    if guarded {
        let body = inspect::shipped_body("remove_month", true).unwrap_or_default();
        let function = |body: &str| {
            format!(
                "CREATE OR REPLACE FUNCTION audit.remove_month(gone date, counted bigint, sealed bytea)
                 RETURNS void
                 LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
                 SET timezone = 'UTC' SET lock_timeout = '2s' AS {}",
                store::literal(body)
            )
        };
        let ageless = body.replace("> now()", "> 'infinity'");
        all.push(("a function that asks for no age", function(&ageless), function(body)));
        all.push((
            "a right to shorten the period",
            format!("GRANT USAGE ON SCHEMA audit TO {app}; GRANT UPDATE ON audit.retention TO {app}"),
            format!(
                "REVOKE UPDATE ON audit.retention FROM {app}; REVOKE USAGE ON SCHEMA audit FROM {app}"
            ),
        ));
    }
    all
}

/// What a superuser does to a month whose time has not come. The last one is not taken back.
fn losses(month: Month) -> Vec<Seed> {
    let part = format!("audit.{}", ident(&month.partition()));
    let (from, to) = (month.first(), month.later(1).first());
    vec![
        (
            "a partition, detached",
            format!("ALTER TABLE {TRAIL} DETACH PARTITION {part}"),
            format!(
                "ALTER TABLE {TRAIL} ATTACH PARTITION {part}
                     FOR VALUES FROM ('{from} 00:00:00+00') TO ('{to} 00:00:00+00')"
            ),
        ),
        (
            "a partition, emptied",
            format!("CREATE TABLE audit.amanah_kept AS TABLE {part}; TRUNCATE {part}"),
            format!(
                "INSERT INTO {TRAIL} OVERRIDING SYSTEM VALUE SELECT * FROM audit.amanah_kept;
                 DROP TABLE audit.amanah_kept"
            ),
        ),
        (
            "a row of a partition, removed",
            format!(
                "CREATE TABLE audit.amanah_kept AS SELECT * FROM {part} LIMIT 1;
                 DELETE FROM {part} WHERE id = (SELECT id FROM audit.amanah_kept)"
            ),
            format!(
                "INSERT INTO {TRAIL} OVERRIDING SYSTEM VALUE SELECT * FROM audit.amanah_kept;
                 DROP TABLE audit.amanah_kept"
            ),
        ),
        ("a partition, dropped", format!("DROP TABLE {part}"), "SELECT 1".to_owned()),
    ]
}
