//! `audit.triggers`: each write to a critical table leaves its row in the trail.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Binder, Card, Control, Cx, Finding, Fut, Params, Proof, Rng, TenantId, random_hex};
use store::{Db, Owned, Protected, Table, qualified};

use super::{Bitten, Ledger, NO_DATABASE, Violation, Watched, news};
use crate::rehearsal::{Outcome, Rehearsal, Who};
use crate::{Error, Result, canary, sql, track};

/// INSERT, UPDATE and DELETE.
const ROW_ACTIONS: usize = 3;
const REPLICA: &str = " with session_replication_role=replica";
const NO_SUPERUSER: &str = "session_replication_role=replica was not tried: only a superuser can \
                            set it, and none is configured";

static CARD: Card = Card {
    id: "audit.triggers",
    title: "Every write to a critical table is recorded",
    attack: "A row of a synthetic tenant is inserted, changed and deleted in each table with the \
             tenant column, as the owner and with session_replication_role=replica, in \
             transactions that are rolled back; TRUNCATE is tried in a sandbox. The trail must \
             hold each write, its key, old and new data, actor, tenant and SHA-256.",
    bite: "In a sandbox, a table gets no trigger, and a trigger is dropped, disabled, put to sleep \
           for replica sessions, and made to skip rows.",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(5),
    not_covered: &[
        "readings: no trigger sees a SELECT",
        "a superuser who disables triggers between two proofs",
        "schema changes by the owner that rewrite rows (ALTER TABLE … USING) or drop a table",
        "tables without the tenant column, also when they are recorded by name",
        "partitions are written through their parent; their own triggers are read from the \
         catalogue",
    ],
};

/// The control.
pub(super) struct Triggers {
    pub(super) databases: Arc<[Watched]>,
}

impl Control for Triggers {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            if self.databases.is_empty() {
                return Proof::unknown(at, NO_DATABASE);
            }
            let mut all = Ledger::default();
            for database in self.databases.iter() {
                match prove(database, &*cx.rng).await {
                    Ok(ledger) => all.add(ledger),
                    Err(error) => {
                        let name = &database.protected.name;
                        return Proof::unknown(at, format!("{name}: {error}"));
                    }
                }
            }
            let measured = format!("{} not recorded", all.findings.len());
            all.proof(at, "writes (table × action × session)", &measured, "0 not recorded")
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let Some(database) = self.databases.first() else {
                return Proof::unknown(at, NO_DATABASE);
            };
            let sandbox = match database.protected.sandbox(&*cx.rng).await {
                Ok(sandbox) => sandbox,
                Err(error) => return Proof::unknown(at, format!("no sandbox: {error}")),
            };
            let inside = sandbox.inside();
            let bitten = bite(inside, &*database.binder(&inside.name), &*cx.rng).await;
            let proof = match bitten {
                Ok(bitten) => bitten.proof(at),
                Err(error) => Proof::unknown(at, format!("in the sandbox: {error}")),
            };
            match sandbox.remove().await {
                Ok(()) => proof,
                Err(error) => proof.note(&format!("the sandbox is left behind: {error}")),
            }
        })
    }
}

async fn prove(database: &Watched, rng: &dyn Rng) -> Result<Ledger> {
    let protected = &database.protected;
    let mut ledger = rows(protected, &*database.binder(&protected.name), rng).await?;
    match protected.sandbox(rng).await {
        Ok(sandbox) => {
            let truncated = truncates(sandbox.inside()).await;
            if let Err(error) = sandbox.remove().await {
                ledger.notes.push(format!("the sandbox is left behind: {error}"));
            }
            ledger.add(truncated?);
        }
        Err(error) => {
            ledger.total += 1;
            ledger.open.push(format!("TRUNCATE could not be tried: no sandbox: {error}"));
        }
    }
    Ok(ledger)
}

/// What the catalogue says, and every row action on every table in every kind of session.
async fn rows(protected: &Protected, binder: &dyn Binder, rng: &dyn Rng) -> Result<Ledger> {
    let tx = protected.owner.operator().await?;
    let shape = store::tables(&tx).await?;
    let plan = track::plan(&tx, &shape, &protected.tenant_column, &[]).await?;
    tx.rollback().await?;
    let mut ledger = Ledger::default();
    for step in plan {
        ledger.findings.push(Finding::new(step.object, step.why).fix(step.sql));
    }
    let tables = canary::critical(&shape, &protected.tenant_column);
    let mut sessions = vec![(&protected.owner, false)];
    match &protected.superuser {
        Some(superuser) => sessions.push((superuser, true)),
        None => ledger.notes.push(NO_SUPERUSER.to_owned()),
    }
    for table in tables.iter().filter(|t| !t.partition) {
        for (login, replica) in &sessions {
            let session = Session { protected, binder, shape: &shape, login, replica: *replica };
            ledger.add(session.rows(table, rng).await?);
        }
    }
    Ok(ledger)
}

/// A kind of session in which rows are written.
struct Session<'a> {
    protected: &'a Protected,
    binder: &'a dyn Binder,
    shape: &'a [Table],
    login: &'a Db,
    replica: bool,
}

impl Session<'_> {
    async fn rows(&self, table: &Table, rng: &dyn Rng) -> Result<Ledger> {
        let canary = &self.protected.canaries.0;
        let mut outcomes = self.written_as(canary, table, rng).await?;
        // A table with one row for each tenant takes no second one. There a tenant writes who
        // exists in this transaction alone.
        if outcomes.iter().any(|(_, o)| matches!(o, Outcome::NotDone(_)))
            && let Some(stranger) = canary::stranger(table, &self.protected.tenant_column, rng)?
        {
            let again = self.written_as(&stranger, table, rng).await?;
            for (first, second) in outcomes.iter_mut().zip(again) {
                if matches!(first.1, Outcome::NotDone(_)) {
                    *first = second;
                }
            }
        }
        let mut ledger = Ledger { total: ROW_ACTIONS, ..Ledger::default() };
        let suffix = if self.replica { REPLICA } else { "" };
        for (action, outcome) in outcomes {
            note(&mut ledger, &table.label(), action, suffix, outcome);
        }
        Ok(ledger)
    }

    async fn written_as(
        &self,
        tenant: &TenantId,
        table: &Table,
        rng: &dyn Rng,
    ) -> Result<Vec<(&'static str, Outcome)>> {
        // A binding lives a minute, so each table gets its own.
        let binding = canary::bind(tenant, self.binder)?;
        let tx = self.login.tenant(&binding).await?;
        tx.batch(sql::SETTINGS).await?;
        if self.replica {
            tx.batch("SET LOCAL session_replication_role = replica").await?;
        }
        let mark = format!("amanah-{}", random_hex(rng, 6).map_err(store::Error::from)?);
        let rehearsal = Rehearsal {
            tx: &tx,
            table,
            owned: Owned { column: &self.protected.tenant_column, tenant, mark: &mark },
            who: Who {
                actor: Some(canary::ACTOR),
                tenant: Some(tenant.as_str()),
                db_user: &self.login.url().user,
            },
        };
        let outcomes = rehearsal.rows(self.shape).await?;
        tx.rollback().await?;
        Ok(outcomes)
    }
}

/// TRUNCATE of every table, partitions too, in a sandbox, by a session that is bound to nobody.
async fn truncates(inside: &Protected) -> Result<Ledger> {
    let tx = inside.owner.operator().await?;
    let shape = store::tables(&tx).await?;
    let tables = canary::critical(&shape, &inside.tenant_column);
    let mut ledger = Ledger { total: tables.len(), ..Ledger::default() };
    for table in &tables {
        let owned = Owned { column: &inside.tenant_column, tenant: &inside.canaries.0, mark: "" };
        let who = Who { actor: None, tenant: None, db_user: &inside.owner.url().user };
        let outcome = Rehearsal { tx: &tx, table, owned, who }.truncate().await?;
        note(&mut ledger, &table.label(), "TRUNCATE", "", outcome);
    }
    tx.rollback().await?;
    Ok(ledger)
}

fn note(ledger: &mut Ledger, place: &str, action: &str, suffix: &str, outcome: Outcome) {
    match outcome {
        Outcome::Recorded => ledger.checked += 1,
        Outcome::Wrong(what) => {
            ledger.checked += 1;
            let fix = "Run `amanah protect` with --apply; if that changes nothing, restore the \
                       functions of the trail";
            ledger.findings.push(Finding::new(place, format!("{what}{suffix}")).fix(fix));
        }
        Outcome::NotDone(why) => {
            ledger.open.push(format!("{place}: {action} could not be tried{suffix}: {why}"));
        }
    }
}

async fn bite(inside: &Protected, binder: &dyn Binder, rng: &dyn Rng) -> Result<Bitten> {
    let tx = inside.owner.operator().await?;
    let shape = store::tables(&tx).await?;
    tx.rollback().await?;
    let tables = canary::critical(&shape, &inside.tenant_column);
    let Some(table) = tables.iter().find(|t| !t.partition) else {
        return Err(Error::NoCanary("there is no table with the tenant column".to_owned()));
    };
    let before = everything(inside, binder, rng).await?;
    let maker = inside.superuser.as_ref().unwrap_or(&inside.owner);
    let mut bitten = Bitten { found: Vec::new(), missed: Vec::new() };
    for violation in violations(table, &inside.tenant_column) {
        let tx = maker.operator().await?;
        tx.batch(&violation.seed).await?;
        tx.commit().await?;
        match news(&before, everything(inside, binder, rng).await?) {
            Some(finding) => bitten.found.push(finding),
            None => bitten.missed.push(violation.name.to_owned()),
        }
        let tx = maker.operator().await?;
        tx.batch(&violation.undo).await?;
        let mend = track::plan(&tx, &shape, &inside.tenant_column, &[]).await?;
        track::apply(&tx, &mend).await?;
        tx.commit().await?;
    }
    Ok(bitten)
}

async fn everything(
    inside: &Protected,
    binder: &dyn Binder,
    rng: &dyn Rng,
) -> Result<Vec<Finding>> {
    let mut ledger = rows(inside, binder, rng).await?;
    ledger.add(truncates(inside).await?);
    Ok(ledger.findings)
}

/// What is taken away is put back by the plan, which is how its owner would do it.
fn violations(table: &Table, tenant_column: &str) -> Vec<Violation> {
    let place = table.quoted();
    let bare = qualified(&table.schema, "amanah_bite");
    let alter = |name, what: &str| Violation {
        name,
        seed: format!("ALTER TABLE {place} {what}"),
        undo: String::new(),
    };
    vec![
        Violation {
            name: "a table without triggers",
            seed: format!(
                "CREATE TABLE {bare} (id bigint PRIMARY KEY, {} text NOT NULL)",
                store::ident(tenant_column)
            ),
            undo: format!("DROP TABLE {bare}"),
        },
        Violation {
            name: "a dropped trigger",
            seed: format!("DROP TRIGGER {} ON {place}", track::ROW_TRIGGER),
            undo: String::new(),
        },
        Violation {
            name: "a dropped trigger for TRUNCATE",
            seed: format!("DROP TRIGGER {} ON {place}", track::TRUNCATE_TRIGGER),
            undo: String::new(),
        },
        alter("a disabled trigger", &format!("DISABLE TRIGGER {}", track::ROW_TRIGGER)),
        alter(
            "a trigger that sleeps in replica sessions",
            &format!("ENABLE TRIGGER {}", track::ROW_TRIGGER),
        ),
        Violation {
            name: "a trigger that skips rows",
            seed: format!(
                "CREATE OR REPLACE TRIGGER {} AFTER INSERT OR UPDATE OR DELETE ON {place}
                     FOR EACH ROW WHEN (false) EXECUTE FUNCTION audit.global_track_changes()",
                track::ROW_TRIGGER
            ),
            undo: String::new(),
        },
    ]
}
