//! `access.production-audited`: whoever writes past the application, with whatever rights, leaves a
//! row in the trail, or is found.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Proof, Rng};

use super::{Bitten, Ledger, Place, Watched, Work, alter};
use crate::seal::Holder;
use crate::wal::{self, Comparison, Kind, Open, Standing};
use crate::{Error, Result, canary, sql, track};

/// The table of the sandbox that is written to.
const TABLE: &str = "amanah_compared";
const NO_SUPERUSER: &str = "it takes a superuser to read PostgreSQL's write-ahead log, and none is \
                            configured";
/// How often a write is made that must be met in the log.
const TRIES: usize = 3;
const EXPLAIN: &str = "Find out who did it, then note it: amanah audit explain";

static CARD: Card = Card {
    id: "access.production-audited",
    title: "Every write past the application is recorded",
    attack: "PostgreSQL's write-ahead log, which lies beneath all triggers, is compared with the \
             trail, transaction by transaction: each changed row of a recorded table must have its \
             record, each record its change of the same row, and nobody may have touched the trail's \
             rows. Tables are followed when they are renamed; what is written under a name that no \
             table had there, and a table that is written anew, is a finding, and so is a part of the log \
             that was not read. Whoever made a write, an application, a person with the owner's login \
             or a superuser, makes no difference. A write that is made to see must be met among what was compared.",
    bite: "In a sandbox a superuser switches the recording off while a row is written, does so under \
           another name of the table, forges a record, removes one, and drops the slot that keeps \
           the log.",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(5),
    not_covered: &[
        "readings: they are in no log",
        "unlogged and temporary tables, and files that are changed while the server is stopped",
        "what was written before the log was first read, in a gap of it, or while amanah protect \
         worked: each is told",
        "what rows were before they came into a recorded table: a superuser may attach a filled \
         table as its partition. Its first rows count when it was made since the last look",
        "a superuser who switches the record of changes of structure off, forges its rows or writes to \
         the catalogue itself, and exchanges the names of two tables meanwhile, makes a recorded table \
         anew in place, or adds rows to it under the name of a table that he makes with rows in the \
         same transaction",
        "a superuser of the server that the control database lies on too, who may write in Amanah's \
         data directory besides: he can move how far the log was read together with the slot, and \
         explain what was found",
        "a transaction with a row that is longer than PostgreSQL can print, 1 GiB: it is stepped over, \
         and that it was is a finding",
        "what was changed in a row: tables, numbers of rows and their keys are compared. Keys are \
         where they are numbers, texts or UUIDs and the log shows them whole",
        "what a change of a column's type made of its values: that there was one is a finding",
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
            let all =
                Ledger::of(&self.databases, &*cx.rng, |database, _| Box::pin(prove(database)))
                    .await;
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
    // What was never read begins here.
    read(comparison, superuser).await?;
    let canary = canary(&place, comparison, superuser).await;
    let (kept, held) = read(comparison, superuser).await?;
    let Some(standing) = comparison.standing(superuser).await? else {
        return Err(Error::NotCompared("the log was never read".to_owned()));
    };
    let tx = place.catalogue().await?;
    let tables = tx.query(wal::TRACKED, &[]).await?.len();
    tx.rollback().await?;
    let mut findings: Vec<Finding> = standing.open.iter().map(finding).collect();
    if standing.more() > 0 {
        let told = format!("{} older differences are not listed here", standing.more());
        findings.push(Finding::new("the write-ahead log", told).fix(EXPLAIN));
    }
    let mut notes = notes(&standing, kept, held.as_ref());
    match canary {
        Ok(table) => notes.push(format!("a write to {table} was compared in this look")),
        // Nothing was compared, so that nothing was found is no proof.
        Err(error) if findings.is_empty() => return Err(error),
        Err(error) => notes.push(error.to_string()),
    }
    Ok(Ledger { checked: tables, total: tables, findings, notes, ..Ledger::default() })
}

/// Writes to a recorded table and reads the log until that write was compared; returns which table. Another
/// process may read it first, and then another write is made.
async fn canary(
    place: &Place<'_>,
    comparison: &Comparison,
    superuser: &store::Db,
) -> Result<String> {
    let shape = place.shape().await?;
    for _ in 0..TRIES {
        let written = canary::write(place.protected, &*place.binder, &shape).await?;
        let (look, met) = comparison.read_for(superuser, written.xid).await?;
        done(look)?;
        if met {
            return Ok(written.table.label());
        }
    }
    Err(Error::NotCompared(format!(
        "{TRIES} writes were made to see, and none of them was met there"
    )))
}

fn notes(standing: &Standing, kept: i64, held: Option<&Holder>) -> Vec<String> {
    let Standing { since, transactions, changes, maintained, maintained_at, .. } = standing;
    let mut notes = vec![format!(
        "since {since:.0} there were {transactions} transactions with {changes} changes; the slot keeps {} \
         MiB of log",
        kept / (1 << 20)
    )];
    if let Some(at) = maintained_at {
        let often = match maintained {
            1 => "once".to_owned(),
            more => format!("{more} times"),
        };
        notes.push(format!(
            "nothing was compared while amanah protect worked: {often}, last at {at:.0}"
        ));
    }
    notes.extend(held.map(|held| {
        format!("{held}. idle_in_transaction_session_timeout ends what was forgotten")
    }));
    notes
}

fn at_hand<'a>(place: &Place<'a>) -> Result<(&'a Comparison, &'a store::Db)> {
    let none = || Error::NotCompared(NO_SUPERUSER.to_owned());
    let superuser = place.protected.superuser.as_ref().ok_or_else(none)?;
    let comparison = place
        .comparison
        .ok_or_else(|| Error::NotCompared("nothing keeps what is found".to_owned()))?;
    Ok((comparison, superuser))
}

/// Reads the log to its end, and returns how many bytes the slot keeps, and who holds it back.
async fn read(comparison: &Comparison, superuser: &store::Db) -> Result<(i64, Option<Holder>)> {
    done(comparison.read(superuser).await?)
}

fn done(look: wal::Look) -> Result<(i64, Option<Holder>)> {
    match look {
        wal::Look::Done { kept, held } => Ok((kept, held)),
        wal::Look::More => {
            Err(Error::NotCompared("there is more of the log than one proof reads".to_owned()))
        }
        wal::Look::Impossible(why) => Err(Error::NotCompared(why)),
        wal::Look::Paused => {
            Err(Error::NotCompared("amanah protect works on the trail just now".to_owned()))
        }
    }
}

fn finding(open: &Open) -> Finding {
    let Open { id, schema, table, seen_at, .. } = open;
    let object = if table.is_empty() {
        "the write-ahead log".to_owned()
    } else {
        format!("{schema}.{table}")
    };
    Finding::new(object, format!("{open} (found {seen_at:.0}, number {id})")).fix(EXPLAIN)
}

/// Something that a superuser would do.
struct Misdeed {
    name: &'static str,
    /// Done before a row is written.
    seed: &'static str,
    /// What the table is called meanwhile.
    table: &'static str,
    /// Done after it.
    undo: &'static str,
    /// What it is found as.
    kind: Kind,
}

const SEEDS: [Misdeed; 5] = [
    Misdeed {
        name: "a write without its record",
        seed: "ALTER TABLE public.amanah_compared DISABLE TRIGGER ALL",
        table: TABLE,
        undo: "ALTER TABLE public.amanah_compared ENABLE ALWAYS TRIGGER amanah_audit_row,
               ENABLE ALWAYS TRIGGER amanah_audit_truncate",
        kind: Kind::Unrecorded,
    },
    // It is found by the record of the new name, or because no table has that name later.
    Misdeed {
        name: "a write under another name of the table",
        seed: "ALTER TABLE public.amanah_compared DISABLE TRIGGER ALL;
               ALTER TABLE public.amanah_compared RENAME TO amanah_lent",
        table: "amanah_lent",
        undo: "ALTER TABLE public.amanah_lent RENAME TO amanah_compared;
               ALTER TABLE public.amanah_compared ENABLE ALWAYS TRIGGER amanah_audit_row,
               ENABLE ALWAYS TRIGGER amanah_audit_truncate",
        kind: Kind::Unrecorded,
    },
    Misdeed {
        name: "a forged record",
        seed: "INSERT INTO audit.system_audit_logs (action, table_schema, table_name)
               VALUES ('DELETE', 'public', 'amanah_compared')",
        table: TABLE,
        undo: "",
        kind: Kind::Unfounded,
    },
    Misdeed {
        name: "a removed record",
        seed: "ALTER TABLE audit.system_audit_logs DISABLE TRIGGER refuse_statement,
               DISABLE TRIGGER refuse_row;
               DELETE FROM audit.system_audit_logs;
               ALTER TABLE audit.system_audit_logs
               ENABLE ALWAYS TRIGGER refuse_statement, ENABLE ALWAYS TRIGGER refuse_row",
        table: TABLE,
        undo: "",
        kind: Kind::TrailChanged,
    },
    Misdeed {
        name: "a dropped slot",
        seed: "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
                WHERE database = current_database()",
        table: TABLE,
        undo: "",
        kind: Kind::Gap,
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
    let write = |table: &str, id: usize| format!("INSERT INTO public.{table} VALUES ({id})");
    run(owner, &write(TABLE, 0)).await?;
    read(comparison, superuser).await?;
    if comparison.standing(superuser).await?.is_some_and(|standing| standing.count > 0) {
        return Err(Error::NotCompared(
            "the sandbox has differences before anything was seeded".to_owned(),
        ));
    }
    let mut known = 0;
    for (n, Misdeed { name, seed, table, undo, kind }) in SEEDS.iter().enumerate() {
        // Only a superuser may do this; it touches nothing that the owner's code hangs on.
        alter(superuser, seed).await?;
        run(owner, &write(table, n + 1)).await?;
        alter(superuser, undo).await?;
        read(comparison, superuser).await?;
        let open = comparison.standing(superuser).await?.map(|s| s.open).unwrap_or_default();
        match open.iter().find(|open| open.kind == *kind && open.id > known) {
            Some(open) => bitten.found.push(finding(open)),
            None => bitten.missed.push((*name).to_owned()),
        }
        known = open.first().map_or(known, |open| open.id);
    }
    Ok(bitten)
}

async fn run(db: &store::Db, statements: &str) -> Result<()> {
    let tx = db.operator().await?;
    tx.batch(statements).await?;
    Ok(tx.commit().await?)
}
