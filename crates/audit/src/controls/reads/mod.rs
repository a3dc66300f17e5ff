//! `audit.reads`: only the roles that the page names read the trail, and each reading leaves its row.

mod desk;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof, Rng, Secret, Value};
use store::{Db, Tx, ident, literal, qualified};

use super::probe::Probe;
use super::reach;
use super::{Bitten, Ledger, Place, Violation, Watched, Work, alter, news};
use crate::canary::Canary;
use crate::{Error, READING_SQL, Result, canary, sql};

use desk::Desk;

const TRAIL: &str = "audit.system_audit_logs";
/// The roles that may read, without what Amanah's roles have in front.
const ROLES: [&str; 2] = ["admin", "auditor"];
/// SQLSTATE: a right is missing.
const DENIED: &str = "42501";
/// SQLSTATE of the trail's own refusals.
const REFUSED: &str = "TRAIL";
const FIX: &str = "Restore the rights, policies and functions of schema audit from the migration \
                   0003_reading.sql, as a superuser";
const NO_GUARD: &str =
    "no superuser guards the trail, so the owner of the tables reads it without a record";

static CARD: Card = Card {
    id: "audit.reads",
    title: "Each reading of the trail is recorded",
    attack: "The application and the owner try every known way to read a real row of a synthetic \
             tenant: the trail and its partitions, a view, the functions, other roles, the policies, \
             the keys of hidden columns. \
             An administrator and an auditor try the same past the functions, and with tickets that \
             were not asked for, not committed, rolled back or another's; then each reads in the way \
             that is meant, and the row about it must say who, what, how many and why.",
    bite: "In a sandbox, the trail and a partition show their rows, a right to read and one to call \
           are granted, the key of encrypted columns is shown, a policy is added, and the functions are replaced by ones that leave no row.",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(2),
    not_covered: &[
        "a superuser of the database, backups, replicas and files of the server",
        "logins that may make roles (CREATEROLE), which before PostgreSQL 16 may enter every role but \
         a superuser's: the proof names them, and Amanah's own may be one",
        "members of amanah_trail_reader: Amanah's own logins that seal and verify, which it lists",
        "what an auditor does with rows that were handed out",
        "what the owner of a transaction reads of the rows that this very transaction has left",
        "a crash of the server right after a reading that does not wait for the disk \
         (synchronous_commit)",
        "the bite where several databases are protected: it is made in a sandbox of the first alone",
    ],
};

/// The control.
pub(super) struct Reads {
    pub(super) databases: Arc<[Watched]>,
}

impl Control for Reads {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            if let Some(Value::Words(wanted)) = params.value("roles")
                && wanted.iter().map(String::as_str).collect::<BTreeSet<_>>() != ROLES.into()
            {
                let (there, wanted) = (ROLES.join(" and "), wanted.join(" and "));
                let what = format!("it is read by the roles {there}, and not by {wanted}");
                let population = Population::new(1, 1, "sets of roles");
                let finding = Finding::new(TRAIL, what);
                return Proof::weigh(at, population, there, wanted, vec![finding]);
            }
            let all = Ledger::of(&self.databases, &*cx.rng, |database, rng| {
                Box::pin(prove(database, rng))
            })
            .await;
            let measured = format!("{} ways found", all.findings.len());
            all.proof(at, "attempts to read the trail (role × way)", &measured, "no unrecorded way")
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        let seed: Work<Bitten> = |inside, rng| Box::pin(bite(inside, rng));
        Box::pin(super::bite(&self.databases, cx, seed))
    }
}

async fn prove(database: &Watched, rng: &dyn Rng) -> Result<Ledger> {
    examine(&database.place(), rng).await
}

async fn examine(place: &Place<'_>, rng: &dyn Rng) -> Result<Ledger> {
    let Some(superuser) = place.keeper().await? else {
        let fix = "Run `amanah protect` again with --superuser-url and --apply";
        let findings = vec![Finding::new(TRAIL, NO_GUARD).fix(fix)];
        return Ok(Ledger { checked: 1, total: 1, findings, ..Ledger::default() });
    };
    let shape = place.shape().await?;
    let canary = canary::write(place.protected, &*place.binder, &shape).await?;
    let (findings, notes) = inspected(place).await?;
    let mut ledger = Ledger { findings, notes, ..Ledger::default() };
    let binding = canary::bind(&place.protected.canaries.0, &*place.binder)?;
    let owner = format!("the owner ({})", place.protected.owner.url().user);
    let app = format!("the application ({})", place.protected.app_role);
    for (name, login) in [(app, &place.protected.intruder), (owner, &place.protected.owner)] {
        ledger.add(attack(&name, login, &binding, &canary).await?);
    }
    for role in ROLES {
        let probe = Probe::make(superuser, &format!("amanah_{role}"), rng).await?;
        let desk = Desk { trail: place.trail().await?, login: &probe.db, row: canary.row, role };
        let seen = desk.examine(&canary).await;
        let left = probe.remove().await.err();
        ledger.add(seen?);
        let told = |error| format!("a login for {role} is left behind: {error}");
        ledger.notes.extend(left.map(told));
    }
    Ok(ledger)
}

/// What the catalogue says about who may read, and who could come to it.
async fn inspected(place: &Place<'_>) -> Result<(Vec<Finding>, Vec<String>)> {
    let tx = place.trail().await?.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    let owner = &place.protected.owner.url().user;
    let rows = tx.query(reach::READERS, &[owner]).await?;
    let makers = reach::makers(&tx).await?;
    tx.rollback().await?;
    let finding = |row: &store::Row| {
        let (object, what): (String, String) = (row.get(0), row.get(1));
        Finding::new(object, what).fix(FIX)
    };
    Ok((rows.iter().map(finding).collect(), makers.into_iter().collect()))
}

/// One way to read.
struct Way {
    object: String,
    deed: &'static str,
    sql: String,
}

fn way(object: &str, deed: &'static str, sql: String) -> Way {
    Way { object: object.to_owned(), deed, sql }
}

/// Every way to see the row, past the functions. Each statement must be refused, or answer that it
/// saw nothing: it gives one number.
fn ways(canary: &Canary) -> Vec<Way> {
    let (row, part) = (canary.row, qualified("audit", &canary.partition));
    let label = format!("audit.{}", canary.partition);
    let count = |from: &str| format!("SELECT count(*) FROM {from} WHERE id = {row}");
    let block = |first: &str, from: &str| {
        // Whoever may not do the first thing is refused by it; whoever sees something is told by an
        // error of its own kind, and everything is rolled back.
        format!(
            "DO $amanah$ DECLARE seen pg_catalog.int8; BEGIN
                 {first};
                 EXECUTE 'SELECT count(*) FROM {from} WHERE id = {row}' INTO seen;
                 IF seen = 0 THEN RAISE insufficient_privilege; END IF;
             END $amanah$"
        )
    };
    let become_it = |role: &str| {
        let (name, role) = (literal(role), ident(role));
        let first = format!(
            "IF NOT pg_catalog.pg_has_role({name}, 'MEMBER') THEN GRANT {role} TO CURRENT_USER;
             END IF; SET LOCAL ROLE {role}"
        );
        block(&first, TRAIL)
    };
    let schema = ident(&canary.table.schema);
    let view = format!("{schema}.amanah_attack");
    let alter = |what: &str| block(&format!("ALTER TABLE {TRAIL} {what}"), TRAIL);
    let mut all = vec![
        way(TRAIL, "read the trail", count(TRAIL)),
        way(&label, "read a partition", count(&part)),
        way(
            TRAIL,
            "read the trail without its policies",
            block("SET LOCAL row_security = off", TRAIL),
        ),
        way(
            TRAIL,
            "read the trail through a view",
            block(&format!("CREATE VIEW {view} AS SELECT * FROM {TRAIL}"), &view),
        ),
        way(TRAIL, "lift its row-level security", alter("DISABLE ROW LEVEL SECURITY")),
        way(TRAIL, "exempt its owner", alter("NO FORCE ROW LEVEL SECURITY")),
        way(
            TRAIL,
            "add a policy of their own",
            block(&format!("CREATE POLICY amanah_attack ON {TRAIL} USING (true)"), TRAIL),
        ),
        way(
            TRAIL,
            "widen the policy of the owner",
            block(&format!("ALTER POLICY proving ON {TRAIL} TO PUBLIC USING (true)"), TRAIL),
        ),
        way(
            &label,
            "make a partition show its rows",
            block(&format!("ALTER TABLE {part} DISABLE ROW LEVEL SECURITY"), &part),
        ),
        way(TRAIL, "become the desk", become_it("amanah_trail_desk")),
        way(TRAIL, "become a reader of the trail", become_it("amanah_trail_reader")),
    ];
    all.extend(behind());
    all
}

/// What lies behind the functions that people call.
fn behind() -> [Way; 5] {
    [
        way(
            "audit.asked",
            "look without asking",
            "SELECT count(*) FROM audit.asked('{}', pg_catalog.pg_current_snapshot(), '1')"
                .to_owned(),
        ),
        way(
            "audit.record_reading",
            "write a row about a reading that was not",
            "SELECT count(*) FROM (SELECT audit.record_reading('READ', '{}')) r".to_owned(),
        ),
        way(
            "audit.cipher_key",
            "read the key of encrypted columns",
            "SELECT 1 + count(*) FROM audit.cipher_key".to_owned(),
        ),
        way(
            "audit.hash_key",
            "read the key of hashed columns",
            "SELECT 1 + count(*) FROM audit.hash_key".to_owned(),
        ),
        way(
            "audit.encrypted",
            "have a value of their own encrypted",
            "SELECT count(*) FROM (SELECT audit.encrypted(pg_catalog.gen_random_uuid(), 'x', '1')) e"
                .to_owned(),
        ),
    ]
}

/// The ways of whoever may not ask.
fn asking() -> Vec<Way> {
    let ask = "SELECT count(*) FROM (SELECT audit.ask('{}', 'an attack')) a";
    let count = "SELECT count(*) FROM audit.count(pg_catalog.gen_random_uuid())";
    let read = "SELECT count(*) FROM audit.read(pg_catalog.gen_random_uuid())";
    vec![
        way("audit.count", "count what was asked for", count.to_owned()),
        way("audit.ask", "ask for the trail", ask.to_owned()),
        way("audit.read", "read what was asked for", read.to_owned()),
    ]
}

async fn attack(name: &str, login: &Db, binding: &Secret, canary: &Canary) -> Result<Ledger> {
    let tx = login.tenant(binding).await?;
    tx.batch(sql::ATTACK_SETTINGS).await?;
    let ways = ways(canary).into_iter().chain(asking());
    let ledger = run(&tx, name, &ways.collect::<Vec<_>>()).await?;
    tx.rollback().await?;
    Ok(ledger)
}

async fn run(tx: &Tx, name: &str, ways: &[Way]) -> Result<Ledger> {
    let mut ledger = Ledger { total: ways.len(), ..Ledger::default() };
    for Way { object, deed, sql } in ways {
        let seen = match tx.attempt(sql, &[]).await? {
            // A block that came to its end has seen the row.
            Ok(rows) => rows.first().is_none_or(|row| row.get::<_, i64>(0) > 0),
            Err(error) if matches!(error.sqlstate(), Some(DENIED | REFUSED)) => false,
            Err(error) => {
                ledger
                    .open
                    .push(format!("as {name}, to {deed} was not refused but failed: {error}"));
                continue;
            }
        };
        ledger.checked += 1;
        if seen {
            ledger.findings.push(Finding::new(object, format!("{name} could {deed}")).fix(FIX));
        }
    }
    Ok(ledger)
}

async fn bite(inside: &Place<'_>, rng: &dyn Rng) -> Result<Bitten> {
    let superuser = inside.keeper().await?.ok_or(Error::NoReader)?;
    let before = examine(inside, rng).await?.findings;
    let mut bitten = Bitten { found: Vec::new(), missed: Vec::new() };
    for violation in violations(inside).await? {
        alter(superuser, &violation.seed).await?;
        match news(&before, examine(inside, rng).await?.findings) {
            Some(finding) => bitten.found.push(finding),
            None => bitten.missed.push(violation.name.to_owned()),
        }
        alter(superuser, &violation.undo).await?;
    }
    Ok(bitten)
}

async fn violations(inside: &Place<'_>) -> Result<Vec<Violation>> {
    let (app, owner) =
        (ident(&inside.protected.app_role), ident(&inside.protected.owner.url().user));
    let shape = inside.shape().await?;
    let part = canary::write(inside.protected, &*inside.binder, &shape).await?.partition;
    let part = qualified("audit", &part);
    let of = |name, seed: String, undo: String| Violation { name, seed, undo };
    let security =
        |place: &str, word: &str| format!("ALTER TABLE {place} {word} ROW LEVEL SECURITY");
    let set = |what: &str| {
        let sql = literal(&format!("ALTER DATABASE %I {what}"));
        format!("DO $amanah$ BEGIN EXECUTE format({sql}, current_database()); END $amanah$")
    };
    let call = "FUNCTION audit.ask(jsonb, text), audit.count(uuid), \
                audit.read(uuid, xid8, bigint, bigint)";
    Ok(vec![
        of(
            "the trail, shown to its readers",
            security(TRAIL, "DISABLE"),
            security(TRAIL, "ENABLE"),
        ),
        of("a partition, shown", security(&part, "DISABLE"), security(&part, "ENABLE")),
        of(
            "a right to read, granted to the application",
            format!("GRANT USAGE ON SCHEMA audit TO {app}; GRANT SELECT ON {TRAIL} TO {app}"),
            format!("REVOKE USAGE ON SCHEMA audit FROM {app}; REVOKE SELECT ON {TRAIL} FROM {app}"),
        ),
        of(
            "a right to ask, granted to the owner",
            format!("GRANT EXECUTE ON {call} TO {owner}"),
            format!("REVOKE EXECUTE ON {call} FROM {owner}"),
        ),
        of(
            "the key of encrypted columns, shown to auditors",
            "GRANT SELECT ON audit.cipher_key TO amanah_auditor".to_owned(),
            "REVOKE SELECT ON audit.cipher_key FROM amanah_auditor".to_owned(),
        ),
        of(
            "a policy, added",
            format!("CREATE POLICY amanah_bite ON {TRAIL} FOR SELECT TO {owner} USING (true)"),
            format!("DROP POLICY amanah_bite ON {TRAIL}"),
        ),
        of(
            "a setting of the database that ends readings",
            set("SET statement_timeout = '20s'"),
            set("RESET statement_timeout"),
        ),
        of(
            "a reading without a row",
            replaced("recorded_reading", &[UNCHECKED]),
            replaced("recorded_reading", &[]),
        ),
        of(
            "a reading of the same transaction",
            replaced("recorded_reading", &EARLY),
            replaced("recorded_reading", &[]),
        ),
        of("a row without its purpose", replaced("count", &[AIMLESS]), replaced("count", &[])),
    ])
}

/// Anything is a ticket for everything.
const UNCHECKED: (&str, &str) = (
    "IF told -> 'filter' IS NULL OR told ->> 'seen' IS NULL
       OR pg_xact_status(asking) IS DISTINCT FROM 'committed'",
    "told := coalesce(told, jsonb_build_object('filter', '{}'::jsonb, 'asked', '1', 'asking', '1',
         'seen', pg_current_snapshot()::text));
     IF false",
);
/// What can still be rolled back is enough.
const EARLY: [(&str, &str); 2] = [
    ("AND t.xid IS DISTINCT FROM pg_current_xact_id_if_assigned()", ""),
    ("OR pg_xact_status(asking) IS DISTINCT FROM 'committed'", ""),
];
/// Nobody says why.
const AIMLESS: (&str, &str) = ("'purpose', told -> 'purpose'", "'purpose', ''");

/// The statement that installs a function again, with something in it replaced.
fn replaced(name: &str, changes: &[(&str, &str)]) -> String {
    let start = format!("CREATE FUNCTION audit.{name}(");
    let text = READING_SQL.split_once(&start).and_then(|(_, after)| after.split_once("END $$;"));
    let (text, _) = text.unwrap_or_default();
    let whole = format!("CREATE OR REPLACE FUNCTION audit.{name}({text}END $$;");
    changes.iter().fold(whole, |text, (old, new)| text.replace(old, new))
}

#[cfg(test)]
mod tests {
    use super::{AIMLESS, EARLY, UNCHECKED, replaced};

    #[test]
    fn each_replacement_changes_something() {
        let recorded = "recorded_reading";
        for (name, change) in
            [(recorded, UNCHECKED), (recorded, EARLY[0]), (recorded, EARLY[1]), ("count", AIMLESS)]
        {
            let shipped = replaced(name, &[]);
            assert!(shipped.len() > 500 && shipped.contains(change.0), "{}", change.0);
            assert_ne!(replaced(name, &[change]), shipped);
        }
    }
}
