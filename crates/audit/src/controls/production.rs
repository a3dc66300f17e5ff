//! `access.production-audited`: whoever writes past the application, with whatever rights, leaves a
//! row in the trail, or is found.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Proof, Rng};

use super::{Bitten, Ledger, Look, Place, Watched, Work, alter};
use crate::wal::{self, Comparison, Open};
use crate::{Error, Result, sql, track};

/// The table of the sandbox that is written to.
const TABLE: &str = "amanah_watched";
const NO_SUPERUSER: &str = "it takes a superuser to read the server's log of writes, and none is \
                            configured";
const EXPLAIN: &str = "Find out who did it, then note it: amanah audit explain";

static CARD: Card = Card {
    id: "access.production-audited",
    title: "Every write past the application is recorded",
    attack: "The server's own log of writes, which lies beneath all triggers, is compared with the \
             trail, transaction by transaction: each changed row of a recorded table must have its \
             record, each record its change, and nobody may have touched the trail's rows. A log \
             that was not read without a gap is a finding. Whoever made a write, an application, a \
             person with the owner's login or a superuser, makes no difference.",
    bite: "In a sandbox a superuser switches the recording off while a row is written, forges a \
           record, removes one, and drops the slot that keeps the log.",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(5),
    not_covered: &[
        "readings: they are in no log of writes",
        "unlogged and temporary tables, and files that are changed while the server is stopped",
        "what was written before the log was first read, or in a gap of it: the gap is told",
        "who it was: the log holds the transaction, and its record the login, where there is one",
        "the bite where several databases are protected: it is made in a sandbox of the first alone",
    ],
};

/// The control.
pub(super) struct Production {
    pub(super) databases: Arc<[Watched]>,
}

impl Control for Production {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let look: Look = |database, _| Box::pin(prove(database));
            let all = Ledger::of(&self.databases, &*cx.rng, look).await;
            let measured = format!("{} differences", all.findings.len());
            all.proof(at, "recorded tables", &measured, "0 differences")
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        let seed: Work<Bitten> = |inside, rng| Box::pin(bite(inside, rng));
        Box::pin(super::bite(&self.databases, cx, seed))
    }
}

/// What the log of one database says.
async fn prove(database: &Watched) -> Result<Ledger> {
    let place = database.place();
    let (comparison, superuser) = at_hand(&place)?;
    let kept = read(comparison, superuser).await?;
    let Some(standing) = comparison.standing(superuser).await? else {
        return Err(Error::Unwatched("the log was never read".to_owned()));
    };
    let tx = place.catalogue().await?;
    let tables = tx.query(wal::TRACKED, &[]).await?.len();
    tx.rollback().await?;
    let note = format!(
        "since {:.0} there were {} transactions with {} changes; the slot keeps {} MiB of log",
        standing.since,
        standing.transactions,
        standing.changes,
        kept / (1 << 20)
    );
    Ok(Ledger {
        checked: tables,
        total: tables,
        findings: standing.open.iter().map(finding).collect(),
        notes: vec![note],
        ..Ledger::default()
    })
}

fn at_hand<'a>(place: &Place<'a>) -> Result<(&'a Comparison, &'a store::Db)> {
    let none = || Error::Unwatched(NO_SUPERUSER.to_owned());
    let superuser = place.protected.superuser.as_ref().ok_or_else(none)?;
    let comparison = place
        .comparison
        .ok_or_else(|| Error::Unwatched("nothing keeps what is found".to_owned()))?;
    Ok((comparison, superuser))
}

/// Reads the log to its end, and returns how many bytes the slot keeps.
async fn read(comparison: &Comparison, superuser: &store::Db) -> Result<i64> {
    match comparison.read(superuser).await? {
        wal::Look::Done { kept } => Ok(kept),
        wal::Look::More => {
            Err(Error::Unwatched("there is more of the log than one proof reads".to_owned()))
        }
        wal::Look::Impossible(why) => Err(Error::Unwatched(why)),
    }
}

fn finding(open: &Open) -> Finding {
    let Open { id, kind, xid, schema, table, action, changes, records, seen_at, .. } = open;
    let object =
        if table.is_empty() { "the log of writes".to_owned() } else { format!("{schema}.{table}") };
    let what = match kind.as_str() {
        "unrecorded" => format!(
            "{action} of {changes} rows in transaction {xid} has {records} rows in the trail"
        ),
        "unfounded" => format!(
            "the trail has {records} rows of {action} in transaction {xid}, which changed {changes}"
        ),
        "gap" => {
            format!("it was not read {action}: the slot was dropped, lost or read by somebody else")
        }
        _ => format!("{changes} rows of the trail itself met {action} in transaction {xid}"),
    };
    Finding::new(object, format!("{what} (found {seen_at:.0}, number {id})")).fix(EXPLAIN)
}

/// Something that a superuser would do.
struct Misdeed {
    name: &'static str,
    /// Done before a row is written.
    seed: &'static str,
    /// Done after it.
    undo: &'static str,
    /// What it is found as.
    kind: &'static str,
}

const SEEDS: [Misdeed; 4] = [
    Misdeed {
        name: "a write without its record",
        seed: "ALTER TABLE public.amanah_watched DISABLE TRIGGER ALL",
        undo: "ALTER TABLE public.amanah_watched ENABLE ALWAYS TRIGGER amanah_audit_row,
               ENABLE ALWAYS TRIGGER amanah_audit_truncate",
        kind: "unrecorded",
    },
    Misdeed {
        name: "a forged record",
        seed: "INSERT INTO audit.system_audit_logs (action, table_schema, table_name)
               VALUES ('DELETE', 'public', 'amanah_watched')",
        undo: "",
        kind: "unfounded",
    },
    Misdeed {
        name: "a removed record",
        seed: "ALTER TABLE audit.system_audit_logs DISABLE TRIGGER refuse_statement,
               DISABLE TRIGGER refuse_row;
               DELETE FROM audit.system_audit_logs;
               ALTER TABLE audit.system_audit_logs
               ENABLE ALWAYS TRIGGER refuse_statement, ENABLE ALWAYS TRIGGER refuse_row",
        undo: "",
        kind: "trail-changed",
    },
    Misdeed {
        name: "a dropped slot",
        seed: "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
                WHERE database = current_database()",
        undo: "",
        kind: "gap",
    },
];

async fn bite(inside: &Place<'_>, _: &dyn Rng) -> Result<Bitten> {
    let (comparison, superuser) = at_hand(inside)?;
    let owner = &inside.protected.owner;
    run(owner, &format!("CREATE TABLE public.{TABLE} (id int PRIMARY KEY)")).await?;
    let tx = owner.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    let shape = store::tables(&tx).await?;
    let also = [("public".to_owned(), TABLE.to_owned())];
    let steps = track::plan(&tx, &shape, &inside.protected.tenant_column, &also).await?;
    track::apply(&tx, &steps).await?;
    tx.commit().await?;
    read(comparison, superuser).await?;
    let bitten = violations(comparison, superuser, owner).await;
    // What is kept of a sandbox goes with it, and so does its slot.
    comparison.forget(superuser).await?;
    bitten
}

async fn violations(
    comparison: &Comparison,
    superuser: &store::Db,
    owner: &store::Db,
) -> Result<Bitten> {
    let mut bitten = Bitten { found: Vec::new(), missed: Vec::new() };
    let write = |id: usize| format!("INSERT INTO public.{TABLE} VALUES ({id})");
    run(owner, &write(0)).await?;
    read(comparison, superuser).await?;
    let mut known = comparison.standing(superuser).await?.map_or(0, |standing| standing.open.len());
    if known > 0 {
        return Err(Error::Unwatched(
            "the sandbox has differences before anything was seeded".to_owned(),
        ));
    }
    for (n, Misdeed { name, seed, undo, kind }) in SEEDS.iter().enumerate() {
        // Only a superuser may do this; it touches nothing that the owner's code hangs on.
        alter(superuser, seed).await?;
        run(owner, &write(n + 1)).await?;
        alter(superuser, undo).await?;
        read(comparison, superuser).await?;
        let open = comparison.standing(superuser).await?.map(|s| s.open).unwrap_or_default();
        match open.iter().skip(known).find(|open| open.kind == *kind) {
            Some(open) => bitten.found.push(finding(open)),
            None => bitten.missed.push((*name).to_owned()),
        }
        known = open.len();
    }
    Ok(bitten)
}

async fn run(db: &store::Db, statements: &str) -> Result<()> {
    let tx = db.operator().await?;
    tx.batch(statements).await?;
    Ok(tx.commit().await?)
}
