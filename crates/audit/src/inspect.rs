//! What the catalogue says about the trail: rights, guards and function bodies that an attack by
//! the known roles would not show.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Finding;
use store::{Tx, ident};

use crate::{KEEPER_SQL, Result, TRAIL_SQL, sql};

const TRAIL: &str = "audit.system_audit_logs";
const RESTORE: &str = "Restore the trail's triggers and functions from the migration \
                       0001_trail.sql, as a superuser";

/// The trail's own triggers: name, function, and `pg_trigger.tgtype`: 7 is before insert for each
/// row, 27 before update and delete for each row, 58 before update, delete and truncate, once.
const GUARDS: [(&str, &str, i16); 3] = [
    ("hash", "trg_compute_audit_log_hash", 7),
    ("refuse_row", "refuse_change", 27),
    ("refuse_statement", "refuse_change", 58),
];
/// The functions, with the settings that each runs under as `pg_proc.proconfig` has them.
const FUNCTIONS: [(&str, &[&str]); 6] = [
    ("bytes_field", &[]),
    (
        RECORDER,
        &[
            PATH,
            "TimeZone=UTC",
            "DateStyle=ISO, YMD",
            "IntervalStyle=iso_8601",
            "bytea_output=hex",
            "extra_float_digits=1",
        ],
    ),
    ("refuse_change", &[]),
    ("row_digest", &[]),
    ("text_field", &[]),
    ("trg_compute_audit_log_hash", &[]),
];
/// Those of the guard.
const GUARD_FUNCTIONS: [(&str, &[&str]); 2] =
    [("refuse_drop", &[PATH]), ("refuse_weaker_ddl", &[PATH])];
const RECORDER: &str = "global_track_changes";
const PATH: &str = "search_path=pg_catalog, pg_temp";
/// The triggers that watch over DDL, where a superuser could install them.
const EVENT_TRIGGERS: [&str; 2] = ["amanah_trail_ddl", "amanah_trail_drop"];

/// What is wrong. `guarded` says that a superuser installed the guard here, so that its event
/// triggers must stand.
pub(crate) async fn inspect(tx: &Tx, guarded: bool) -> Result<Vec<Finding>> {
    let mut findings = grants(tx).await?;
    findings.extend(guards(tx).await?);
    findings.extend(bodies(tx, guarded).await?);
    if guarded {
        findings.extend(strays(tx).await?);
        let standing = event_triggers(tx).await?;
        for name in EVENT_TRIGGERS.iter().filter(|n| !standing.iter().any(|s| s == *n)) {
            let what = "it is missing or can sleep, so that recording can be switched off by DDL";
            findings.push(Finding::new(format!("the event trigger {name}"), what).fix(format!(
                "ALTER EVENT TRIGGER {} ENABLE ALWAYS, as a superuser; where it is gone, \
                         restore it from the migration 0002_watch.sql",
                ident(name)
            )));
        }
    }
    Ok(findings)
}

/// What is wrong with the recording function. A sandbox below a guard has the shipped one, and speaks
/// for the real one where they are the same.
pub(crate) async fn recorder(tx: &Tx) -> Result<Vec<Finding>> {
    let mut findings = bodies(tx, true).await?;
    findings.retain(|finding| finding.object == format!("audit.{RECORDER}"));
    Ok(findings)
}

/// Which event triggers stand, and always fire.
pub(crate) async fn event_triggers(tx: &Tx) -> Result<Vec<String>> {
    let rows = tx.query(sql::EVENT_TRIGGERS, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn grants(tx: &Tx) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for row in tx.query(sql::GRANTS, &[]).await? {
        let (who, right): (String, String) = (row.get(0), row.get(1));
        let place = if right.ends_with("schema") { "SCHEMA audit" } else { TRAIL };
        let from = if who == "everybody" { "PUBLIC".to_owned() } else { ident(&who) };
        findings.push(
            Finding::new(TRAIL, format!("{who} holds the right {right}"))
                .fix(format!("REVOKE ALL ON {place} FROM {from}")),
        );
    }
    for row in tx.query(sql::MEMBERS, &[]).await? {
        let (who, role): (String, String) = (row.get(0), row.get(1));
        findings.push(
            Finding::new(TRAIL, format!("{who} can act as {role}, which keeps it")).fix(format!(
                "REVOKE {} FROM {}",
                ident(&role),
                ident(&who)
            )),
        );
    }
    for row in tx.query(sql::DETOURS, &[]).await? {
        let what: String = row.get(0);
        findings.push(Finding::new(TRAIL, format!("{what} can lead around its guard")));
    }
    Ok(findings)
}

async fn strays(tx: &Tx) -> Result<Vec<Finding>> {
    let rows = tx.query(sql::STRAYS, &[]).await?;
    let read = |row: &store::Row| {
        let (object, role): (String, String) = (row.get(0), row.get(1));
        let what = format!("it belongs to {role}, who is no superuser and can undo it");
        Finding::new(object, what).fix("Give it back with ALTER … OWNER TO, to a superuser")
    };
    Ok(rows.iter().map(read).collect())
}

async fn guards(tx: &Tx) -> Result<Vec<Finding>> {
    let mut missing: BTreeSet<&str> = GUARDS.iter().map(|(name, _, _)| *name).collect();
    let mut findings = Vec::new();
    for row in tx.query(sql::GUARDS, &[]).await? {
        let (name, always, function): (String, bool, String) = (row.get(0), row.get(1), row.get(2));
        let (kind, plain): (i16, bool) = (row.get(3), row.get(4));
        let wanted = GUARDS.iter().find(|(known, _, _)| *known == name);
        let Some((known, wanted_function, wanted_kind)) = wanted else {
            findings.push(Finding::new(TRAIL, format!("a foreign trigger {name} sits on it")));
            continue;
        };
        missing.remove(known);
        if !(always && plain && function == *wanted_function && kind == *wanted_kind) {
            let what = format!("its trigger {name} can be slept through or was changed");
            findings.push(Finding::new(TRAIL, what).fix(RESTORE));
        }
    }
    for name in missing {
        findings.push(Finding::new(TRAIL, format!("its trigger {name} is gone")).fix(RESTORE));
    }
    Ok(findings)
}

/// A function can be replaced without a trace in any trigger, so its text, its settings and its
/// owner are compared.
async fn bodies(tx: &Tx, guarded: bool) -> Result<Vec<Finding>> {
    let mut missing: BTreeMap<&str, &[&str]> = FUNCTIONS.into();
    // A superuser may have installed the guard by hand.
    let mut optional: BTreeMap<&str, &[&str]> = GUARD_FUNCTIONS.into();
    if guarded {
        missing.append(&mut optional);
    }
    let mut findings = Vec::new();
    for row in tx.query(sql::BODIES, &[]).await? {
        let (name, body, definer): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
        let (settings, owner, kept): (Vec<String>, String, bool) =
            (row.get(3), row.get(4), row.get(5));
        let known = missing.remove(name.as_str()).or_else(|| optional.remove(name.as_str()));
        let Some(wanted) = known else {
            let what = "it is a function that Amanah did not install";
            findings.push(Finding::new(format!("audit.{name}"), what));
            continue;
        };
        let shipped = shipped_body(&name) == Some(body.as_str());
        if !(shipped && definer == (name == RECORDER) && settings == wanted) {
            let what = "it is not the function that Amanah installed";
            findings.push(Finding::new(format!("audit.{name}"), what).fix(RESTORE));
        }
        // Under the guard, others than the recorder are looked at together with the trail itself.
        if !kept && (name == RECORDER || !guarded) {
            let what = format!("it belongs to {owner}, with whose rights it must not run");
            findings.push(Finding::new(format!("audit.{name}"), what).fix(RESTORE));
        }
    }
    for name in missing.into_keys() {
        findings.push(Finding::new(format!("audit.{name}"), "it is gone").fix(RESTORE));
    }
    Ok(findings)
}

/// The text between the dollar quotes after `CREATE FUNCTION audit.NAME(` in a migration.
pub(crate) fn shipped_body(name: &str) -> Option<&'static str> {
    let start = format!("CREATE FUNCTION audit.{name}(");
    let (_, after) = TRAIL_SQL.split_once(&start).or_else(|| KEEPER_SQL.split_once(&start))?;
    let (_, body) = after.split_once("AS $$")?;
    body.split_once("$$").map(|(body, _)| body)
}

#[cfg(test)]
mod tests {
    use super::{FUNCTIONS, GUARD_FUNCTIONS, shipped_body};

    #[test]
    fn every_function_is_found_in_its_migration() {
        for (name, _) in FUNCTIONS.into_iter().chain(GUARD_FUNCTIONS) {
            assert!(shipped_body(name).is_some_and(|body| body.len() > 20), "{name}");
        }
    }
}
