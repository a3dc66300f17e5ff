//! `audit.append-only`: nobody changes what was recorded.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Proof, Rng, Secret};
use store::{Db, Protected, Table, Tx, ident, literal};

use super::probe::Probe;
use super::reach;
use super::remedy::remedy;
use super::{Bitten, Ledger, Place, Violation, Watched, Work, alter, news};
use crate::attack::{self, Attempt, REFUSED, Target, keepers};
use crate::canary::Canary;
use crate::{Result, TrailRow, canary, inspect, row, sql, track};

/// How often a statement that could not get its lock is sent again.
const TRIES: usize = 3;
/// SQLSTATE: a lock was not free in time.
const LOCKED: &str = "55P03";
/// SQLSTATE: a right is missing.
const DENIED: &str = "42501";

/// Roles that people are given and nobody signs in as.
pub(super) const GROUPS: [(&str, &str); 2] =
    [("an administrator", "amanah_admin"), ("an auditor", "amanah_auditor")];

static CARD: Card = Card {
    id: "audit.append-only",
    title: "Nobody edits the audit trail",
    attack: "As the application, an administrator, an auditor, the owner and whoever may have contents \
             erased, every known way to change, empty, drop, erase or bypass the trail is tried on a \
             real row of a synthetic tenant, each inside a savepoint that is rolled back.",
    bite: "In a sandbox, rights are granted, the guard is dropped, its function is emptied and a \
           guard over DDL is taken away; a partition loses its guard, gets a right, a trigger and \
           another owner, and is detached. The guard there is made anew, not copied.",
    cadence: Duration::from_mins(5),
    deadline: Duration::from_mins(2),
    not_covered: &[
        "a superuser of the database, and whoever can edit its files",
        "a rewrite of the trail by a superuser: `amanah audit verify` finds it, and not this proof",
        "logins that may make roles (CREATEROLE), which before PostgreSQL 16 may enter the roles that \
         record: the proof names them, and Amanah's own may be one",
        "writing additional, truthful or false, rows through a table that the writer owns",
        "what the owner of the schema amanah says about who acts",
        "the bite where several databases are protected: its violations are seeded in a sandbox of \
         the first one alone, the others are only attacked",
    ],
};

/// The control.
pub(super) struct AppendOnly {
    pub(super) databases: Arc<[Watched]>,
}

impl Control for AppendOnly {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let all = Ledger::of(&self.databases, &*cx.rng, |database, rng| {
                Box::pin(prove(database, rng))
            })
            .await;
            let measured = format!("{} ways found", all.findings.len());
            all.proof(
                at,
                "attempts on the trail (role × statement)",
                &measured,
                "no way to change the trail",
            )
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        let seed: Work<Bitten> = |inside, rng| Box::pin(bite(inside, rng));
        Box::pin(super::bite(&self.databases, cx, seed))
    }
}

/// One role that attacks.
pub(super) struct Attacker<'a> {
    /// "the application".
    pub(super) name: String,
    pub(super) login: &'a Db,
    /// A role to change into; group roles cannot sign in.
    pub(super) role: Option<&'a str>,
    /// Whether it holds a binding.
    pub(super) binding: Option<&'a Secret>,
}

/// What is tried, and whether a superuser guards the trail.
#[derive(Clone, Copy)]
pub(super) struct Battery<'a> {
    pub(super) attempts: &'a [Attempt],
    pub(super) guarded: bool,
}

async fn prove(database: &Watched, rng: &dyn Rng) -> Result<Ledger> {
    examine(&database.place(), rng).await
}

async fn examine(place: &Place<'_>, rng: &dyn Rng) -> Result<Ledger> {
    let protected = place.protected;
    let shape = place.shape().await?;
    let trail = place.trail().await?;
    let tx = trail.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    let inspected = inspect::inspect(&tx, protected.superuser.is_some()).await?;
    let makers = reach::makers(&tx).await?;
    tx.rollback().await?;
    let tx = place.catalogue().await?;
    let (keeper, recorder) = keepers(&tx).await?;
    let event_triggers = inspect::event_triggers(&tx).await?;
    let by_statements = track::by_statements(&tx).await?;
    tx.rollback().await?;
    let canary = canary::write(protected, &*place.binder, &shape).await?;
    let erasable = erasable(trail, &canary).await?;
    let trigger = |table: &Table| {
        let by_statements = by_statements.contains(&(table.schema.clone(), table.name.clone()));
        if by_statements { track::INSERT_TRIGGER } else { track::ROW_TRIGGER }
    };
    let tracked = place.recorded(&shape)?.into_iter();
    let tracked: Vec<(&Table, &str)> = tracked.map(|table| (table, trigger(table))).collect();
    let target = Target {
        row: canary.row,
        partition: &canary.partition,
        tracked: &tracked,
        canary_table: &canary.table,
        tenant_column: &protected.tenant_column,
        tenant: protected.canaries.0.as_str(),
        keeper: &keeper,
        recorder: &recorder,
        event_triggers: &event_triggers,
        erasable: erasable.as_ref().map(|row| (row.xid, row.row_hash.as_slice())),
    };
    let by_all = attack::battery(&target);
    let attempts = [&by_all[..], &attack::erasures(&target)].concat();
    let guarded = !event_triggers.is_empty();
    let battery = Battery { attempts: &attempts, guarded };
    let notes = makers.into_iter().collect();
    let mut ledger = Ledger { findings: inspected, notes, ..Ledger::default() };
    let binding = canary::bind(&protected.canaries.0, &*place.binder)?;
    for attacker in attackers(protected, &binding) {
        ledger.add(attack(&attacker, battery).await?);
    }
    for (title, role) in GROUPS {
        ledger.add(attack_as_group(protected, title, role, battery, rng).await?);
    }
    if erasable.is_some() {
        let battery = Battery { attempts: &by_all, guarded };
        let (title, role) = ("who may have contents erased", attack::ERASER);
        ledger.add(attack_as_group(protected, title, role, battery, rng).await?);
    }
    ledger.findings.extend(untouched(trail, &canary).await?);
    Ok(ledger)
}

/// The row that is attacked, where contents can be erased.
async fn erasable(trail: &Db, canary: &Canary) -> Result<Option<TrailRow>> {
    let tx = trail.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    let there = tx.query_opt(sql::ERASES, &[]).await?.is_some();
    let row = if there { row::numbered(&tx, canary.row).await? } else { None };
    tx.rollback().await?;
    Ok(row)
}

pub(super) fn attackers<'a>(protected: &'a Protected, binding: &'a Secret) -> Vec<Attacker<'a>> {
    vec![
        Attacker {
            name: format!("the application ({})", protected.app_role),
            login: &protected.intruder,
            role: None,
            binding: Some(binding),
        },
        Attacker {
            name: format!("the owner ({})", protected.owner.url().user),
            login: &protected.owner,
            role: None,
            binding: Some(binding),
        },
    ]
}

/// Attacks with the rights of a role that nobody signs in as: by a login made for it, or, where
/// nobody can make one, by the owner.
pub(super) async fn attack_as_group(
    protected: &Protected,
    title: &str,
    role: &str,
    battery: Battery<'_>,
    rng: &dyn Rng,
) -> Result<Ledger> {
    let name = format!("{title} ({role})");
    let by = |login| Attacker { name: name.clone(), login, role: Some(role), binding: None };
    let Some(superuser) = &protected.superuser else {
        return attack(&by(&protected.owner), battery).await;
    };
    let probe = match Probe::make(superuser, role, rng).await {
        Ok(probe) => probe,
        Err(error) => {
            let open = vec![format!("as {name}: no login could be made: {error}")];
            return Ok(Ledger { total: battery.attempts.len(), open, ..Ledger::default() });
        }
    };
    let answer = attack(&by(&probe.db), battery).await;
    let left = probe.remove().await.err();
    let mut ledger = answer?;
    ledger.notes.extend(left.map(|error| format!("a login for {role} is left behind: {error}")));
    Ok(ledger)
}

pub(super) async fn attack(attacker: &Attacker<'_>, battery: Battery<'_>) -> Result<Ledger> {
    if let Some(binding) = attacker.binding {
        let tx = attacker.login.tenant(binding).await?;
        let ledger = run(&tx, attacker, battery).await?;
        tx.rollback().await?;
        Ok(ledger)
    } else {
        let tx = attacker.login.operator().await?;
        let ledger = run(&tx, attacker, battery).await?;
        tx.rollback().await?;
        Ok(ledger)
    }
}

async fn run(tx: &Tx, attacker: &Attacker<'_>, battery: Battery<'_>) -> Result<Ledger> {
    let attempts = battery.attempts;
    let mut ledger = Ledger { total: attempts.len(), ..Ledger::default() };
    tx.batch(sql::ATTACK_SETTINGS).await?;
    let who = attacker.role.unwrap_or(&attacker.login.url().user);
    let fix = remedy(tx, who, battery.guarded).await?;
    if let Some(role) = attacker.role {
        let become_it = format!("SET LOCAL ROLE {}", ident(role));
        // Tried first: a refusal outside a savepoint would end the transaction.
        if let Err(error) = tx.attempt(&become_it, &[]).await? {
            ledger.open.push(format!("as {}: {error}", attacker.name));
            return Ok(ledger);
        }
        tx.batch(&become_it).await?;
    }
    for attempt in attempts {
        match refusal(tx, attempt).await? {
            Refusal::Refused => ledger.checked += 1,
            Refusal::GotThrough => {
                ledger.checked += 1;
                let what = format!("{} could {}", attacker.name, attempt.deed);
                ledger.findings.push(Finding::new(&attempt.object, what).fix(&fix));
            }
            Refusal::Unclear(why) => ledger.open.push(format!(
                "as {}, to {} was not refused but failed: {why}",
                attacker.name, attempt.deed
            )),
        }
    }
    Ok(ledger)
}

enum Refusal {
    Refused,
    GotThrough,
    // Failed for a reason that proves nothing: a lock, a missing object.
    Unclear(String),
}

async fn refusal(tx: &Tx, attempt: &Attempt) -> Result<Refusal> {
    let mut last = String::new();
    for _ in 0..TRIES {
        let Err(error) = tx.attempt(&attempt.sql, &[]).await? else {
            return Ok(Refusal::GotThrough);
        };
        match error.sqlstate() {
            Some(DENIED | REFUSED) => return Ok(Refusal::Refused),
            Some(LOCKED) => last = error.to_string(),
            _ => return Ok(Refusal::Unclear(error.to_string())),
        }
    }
    Ok(Refusal::Unclear(last))
}

/// The row that was attacked is still there, and still what was hashed.
async fn untouched(trail: &Db, canary: &Canary) -> Result<Option<Finding>> {
    let tx = trail.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    let row = row::numbered(&tx, canary.row).await?;
    tx.rollback().await?;
    let what = match row {
        Some(row) if row.is_whole() => return Ok(None),
        Some(_) => format!("row {} no longer fits its SHA-256", canary.row),
        None => format!("row {} is gone", canary.row),
    };
    Ok(Some(Finding::new("audit.system_audit_logs", what)))
}

async fn bite(inside: &Place<'_>, rng: &dyn Rng) -> Result<Bitten> {
    let before = examine(inside, rng).await?.findings;
    let keeper = inside.keeper().await?;
    let maker = keeper.unwrap_or(&inside.protected.owner);
    let mut bitten = Bitten { found: Vec::new(), missed: Vec::new() };
    for violation in violations(inside.protected, keeper.is_some()) {
        alter(maker, &violation.seed).await?;
        match news(&before, examine(inside, rng).await?.findings) {
            Some(finding) => bitten.found.push(finding),
            None => bitten.missed.push(violation.name.to_owned()),
        }
        alter(maker, &violation.undo).await?;
    }
    Ok(bitten)
}

fn violations(inside: &Protected, watched: bool) -> Vec<Violation> {
    let app = ident(&inside.app_role);
    let trail = "audit.system_audit_logs";
    let mut all = vec![
        Violation {
            name: "a right to delete, granted to the application",
            seed: format!("GRANT DELETE ON {trail} TO {app}"),
            undo: format!("REVOKE DELETE ON {trail} FROM {app}"),
        },
        Violation {
            name: "the guard, asleep",
            seed: format!("ALTER TABLE {trail} DISABLE TRIGGER refuse_statement"),
            undo: format!("ALTER TABLE {trail} ENABLE ALWAYS TRIGGER refuse_statement"),
        },
        Violation {
            name: "the guard, dropped",
            seed: format!("DROP TRIGGER refuse_row ON {trail}"),
            undo: format!(
                "CREATE TRIGGER refuse_row BEFORE UPDATE OR DELETE ON {trail}
                     FOR EACH ROW EXECUTE FUNCTION audit.refuse_change();
                 ALTER TABLE {trail} ENABLE ALWAYS TRIGGER refuse_row"
            ),
        },
        Violation {
            name: "the guard's function, emptied",
            seed: refuse_change(" BEGIN RETURN NULL; END "),
            undo: refuse_change(
                inspect::shipped_body("refuse_change", watched).unwrap_or_default(),
            ),
        },
    ];
    all.push(Violation {
        name: "the recorder's settings, changed",
        seed: "ALTER FUNCTION audit.global_track_changes() SET search_path = public".to_owned(),
        undo: "ALTER FUNCTION audit.global_track_changes() RESET ALL".to_owned(),
    });
    all.extend(on_partition(&app, watched));
    if watched {
        all.push(right_to_erase(&app));
        let emits = |how: &str, whom: &str| {
            format!(
                "DO $$ DECLARE emits pg_catalog.text; BEGIN
                     FOR emits IN SELECT p.oid::pg_catalog.regprocedure::pg_catalog.text
                                    FROM pg_catalog.pg_proc p
                                   WHERE p.proname = 'pg_logical_emit_message' LOOP
                         EXECUTE pg_catalog.format('{how} EXECUTE ON FUNCTION %s {whom} PUBLIC', emits);
                     END LOOP;
                 END $$"
            )
        };
        all.push(Violation {
            name: "messages of everybody in PostgreSQL's write-ahead log",
            seed: emits("GRANT", "TO"),
            undo: emits("REVOKE", "FROM"),
        });
        for (name, trigger) in [
            ("the guard over DDL, off", "amanah_trail_ddl"),
            ("the record of DDL, off", "amanah_trail_record_ddl"),
        ] {
            all.push(Violation {
                name,
                seed: format!("ALTER EVENT TRIGGER {trigger} DISABLE"),
                undo: format!("ALTER EVENT TRIGGER {trigger} ENABLE ALWAYS"),
            });
        }
    }
    all
}

fn right_to_erase(app: &str) -> Violation {
    let erase = "FUNCTION audit.erase(xid8[], bigint[], bytea[])";
    Violation {
        name: "the right to erase, granted to the application",
        seed: format!("GRANT USAGE ON SCHEMA audit TO {app}; GRANT EXECUTE ON {erase} TO {app}"),
        undo: format!(
            "REVOKE EXECUTE ON {erase} FROM {app}; REVOKE USAGE ON SCHEMA audit FROM {app}"
        ),
    }
}

/// On the partition that is always there.
fn on_partition(app: &str, watched: bool) -> Vec<Violation> {
    let part = "audit.system_audit_logs_rest";
    let trail = "audit.system_audit_logs";
    let mut all = vec![
        Violation {
            name: "the guard of a partition, asleep",
            seed: format!("ALTER TABLE {part} DISABLE TRIGGER refuse_statement"),
            undo: format!("ALTER TABLE {part} ENABLE ALWAYS TRIGGER refuse_statement"),
        },
        Violation {
            name: "a right to write into a partition, granted to the application",
            seed: format!("GRANT INSERT ON {part} TO {app}"),
            undo: format!("REVOKE INSERT ON {part} FROM {app}"),
        },
        Violation {
            name: "a foreign trigger on a partition",
            seed: format!(
                "CREATE TRIGGER amanah_bite BEFORE UPDATE ON {part} FOR EACH ROW
                     EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()"
            ),
            undo: format!("DROP TRIGGER amanah_bite ON {part}"),
        },
        Violation {
            name: "a partition, detached",
            seed: format!("ALTER TABLE {trail} DETACH PARTITION {part}"),
            undo: format!("ALTER TABLE {trail} ATTACH PARTITION {part} DEFAULT"),
        },
    ];
    // Only a superuser gives things to others at will.
    if watched {
        all.push(Violation {
            name: "a partition of somebody else",
            seed: format!("ALTER TABLE {part} OWNER TO {app}"),
            undo: format!("ALTER TABLE {part} OWNER TO CURRENT_USER"),
        });
    }
    all
}

fn refuse_change(body: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION audit.refuse_change() RETURNS trigger
         LANGUAGE plpgsql AS {}",
        literal(body)
    )
}
