//! What the catalogue says about the trail: rights, guards and function bodies that an attack by
//! the known roles would not show.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Finding;
use store::{Tx, ident};

use crate::{
    ENCRYPTED_SQL, ERASING_SQL, KEEPER_SQL, READING_SQL, REFUSALS_SQL, REMOVE_MONTH_SQL,
    RETENTION_SQL, Result, TRAIL_SQL, sql,
};

const TRAIL: &str = "audit.system_audit_logs";
const RESTORE: &str = "Restore the trail's triggers and functions from the migration \
                       0003_trail.sql, as a superuser";

/// The trail's own triggers: name, function, and `pg_trigger.tgtype`: 7 is before insert for each
/// row, 27 before update and delete for each row, 58 before update, delete and truncate, once.
const GUARDS: [(&str, &str, i16); 3] = [
    ("hash", "trg_compute_audit_log_hash", 7),
    ("refuse_row", "refuse_change", 27),
    ("refuse_statement", "refuse_change", 58),
];
/// A function: its name, whether it runs with its owner's rights, and the settings that it runs under
/// as `pg_proc.proconfig` has them.
type Known = (&'static str, bool, &'static [&'static str]);
const FUNCTIONS: [Known; 17] = [
    ("content_digest", false, &[]),
    (
        "document",
        false,
        &[
            PATH,
            "TimeZone=UTC",
            "DateStyle=ISO, YMD",
            "IntervalStyle=iso_8601",
            "bytea_output=hex",
            "extra_float_digits=1",
            "lc_monetary=C",
            "quote_all_identifiers=off",
        ],
    ),
    (RECORDER, true, &[]),
    ("encrypted", true, &[PATH]),
    ("keyed_digest", true, &[PATH]),
    ("lenient", false, &[]),
    ("leniently", false, &[PATH]),
    ("make_partition", false, &[PATH, "TimeZone=UTC"]),
    ("make_partitions", true, &[PATH, "TimeZone=UTC", "lock_timeout=2s"]),
    ("not_shown", false, &[]),
    ("print_as", false, &[]),
    ("printed_form", false, &[PATH]),
    ("record_row", false, &[]),
    ("redacted", false, &[]),
    ("refuse_change", false, &[]),
    ("row_digest", false, &[]),
    ("trg_compute_audit_log_hash", false, &[]),
];
/// Those of the guard.
const DESK: &[&str] = &[
    PATH,
    "TimeZone=UTC",
    "DateStyle=ISO, YMD",
    "plan_cache_mode=force_custom_plan",
    "row_security=on",
];
const GUARD_FUNCTIONS: [Known; 20] = [
    ("ask", true, DESK),
    ("asked", false, &[]),
    ("asked_for", false, &[PATH, "TimeZone=UTC", "DateStyle=ISO, YMD"]),
    ("bare", false, &[PATH]),
    ("count", true, DESK),
    ("erase", true, &[PATH]),
    ("read", true, DESK),
    ("record_command", false, &[PATH]),
    ("record_ddl", true, &[PATH]),
    ("record_drop", true, &[PATH]),
    ("record_reading", false, &[PATH]),
    ("recorded_reading", false, &[PATH]),
    ("refuse_drop", false, &[PATH]),
    ("refuse_early", false, &[PATH]),
    ("refuse_filled_part", false, &[PATH]),
    ("refuse_hiding", false, &[PATH]),
    ("refuse_rewrite", false, &[PATH]),
    ("refuse_weaker_ddl", false, &[PATH]),
    ("remove_month", true, &[PATH, "TimeZone=UTC", "lock_timeout=2s"]),
    ("told", false, &[PATH]),
];
/// Those that belong to a role of their own: that which records, the desk, and the one that erases.
const OTHERS: [&str; 10] = [
    RECORDER,
    "record_command",
    "record_ddl",
    "record_drop",
    "ask",
    "count",
    "read",
    "told",
    "bare",
    "erase",
];
/// How many partitions that are gone are named one by one.
const LISTED: usize = 3;
const CIPHER: &str = "cipher";
const RECORDER: &str = "global_track_changes";
const PATH: &str = "search_path=pg_catalog, pg_temp";
/// The triggers that watch over DDL, where a superuser could install them.
pub(crate) const EVENT_TRIGGERS: [&str; 9] = [
    "amanah_trail_ddl",
    "amanah_trail_drop",
    "amanah_trail_first",
    "amanah_trail_hiding",
    "amanah_trail_parts",
    "amanah_trail_record_ddl",
    "amanah_trail_record_drop",
    "amanah_trail_record_rewrite",
    "amanah_trail_rewrite",
];

/// What is wrong. `guarded` says that a superuser installed the guard here, so that its event
/// triggers must stand.
pub(crate) async fn inspect(tx: &Tx, guarded: bool) -> Result<Vec<Finding>> {
    let mut findings = grants(tx).await?;
    findings.extend(partitions(tx).await?);
    findings.extend(guards(tx).await?);
    findings.extend(bodies(tx, guarded).await?);
    if guarded {
        findings.extend(strays(tx).await?);
        if tx.query_opt(sql::ANYBODY_EMITS, &[]).await?.is_some() {
            let what = "everybody may write messages into PostgreSQL's write-ahead log, which fills it \
                        and what is kept of it for the comparison with the trail";
            findings.push(Finding::new("pg_catalog.pg_logical_emit_message", what).fix(
                "REVOKE EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text), \
                 pg_logical_emit_message(boolean, text, bytea) FROM PUBLIC, as a superuser",
            ));
        }
        let standing = event_triggers(tx).await?;
        for name in EVENT_TRIGGERS.iter().filter(|n| !standing.iter().any(|s| s == *n)) {
            let what = if name.contains("record") {
                "it is missing or can sleep, so that changes of structure leave no record"
            } else {
                "it is missing or can sleep, so that recording can be switched off by DDL"
            };
            findings.push(Finding::new(format!("the event trigger {name}"), what).fix(format!(
                "ALTER EVENT TRIGGER {} ENABLE ALWAYS, as a superuser; where it is gone, \
                         restore it from the migration 0003_guard.sql",
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

/// Casts that the recording would ask what a value is.
pub(crate) async fn casts(tx: &Tx) -> Result<Vec<Finding>> {
    let rows = tx.query(sql::CASTS, &[]).await?;
    let read = |row: &store::Row| {
        let what = "it decides what the trail records of such a value";
        let named: String = row.get(0);
        Finding::new(format!("the cast {named}"), what)
            .fix("Look for who made it, and drop it: DROP CAST (… AS …)")
    };
    Ok(rows.iter().map(read).collect())
}

/// Partitions that are written without a record, though their parent is recorded.
pub(crate) async fn uncopied(tx: &Tx) -> Result<Vec<Finding>> {
    let rows = tx.query(sql::UNCOPIED, &[]).await?;
    let read = |row: &store::Row| {
        let what = "it has lost its copy of the trigger that records its parent's rows";
        let fix = "Look for who changed the catalogue. Detach it and attach it again, as a superuser: \
                   then it gets a new copy";
        Finding::new(row.get::<_, String>(0), what).fix(fix)
    };
    Ok(rows.iter().map(read).collect())
}

/// Which event triggers stand, and always fire.
pub(crate) async fn event_triggers(tx: &Tx) -> Result<Vec<String>> {
    let rows = tx.query(sql::EVENT_TRIGGERS, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn grants(tx: &Tx) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for row in tx.query(sql::GRANTS, &[]).await? {
        let (object, who, right): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let place = if right.ends_with("schema") { "SCHEMA audit" } else { object.as_str() };
        let from = if who == "everybody" { "PUBLIC".to_owned() } else { ident(&who) };
        findings.push(
            Finding::new(&object, format!("{who} holds the right {right}"))
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
        let (object, what): (String, String) = (row.get(0), row.get(1));
        findings.push(Finding::new(object, format!("{what} can lead around its guard")));
    }
    Ok(findings)
}

/// Partitions that are not as they were made, or are not there.
async fn partitions(tx: &Tx) -> Result<Vec<Finding>> {
    tx.batch(sql::BOUNDS_SETTINGS).await?;
    let mut findings = Vec::new();
    for row in tx.query(sql::PARTITIONS, &[]).await? {
        let (object, wrong): (String, Option<String>) = (row.get(0), row.get(1));
        findings.extend(wrong.map(|what| Finding::new(object, what)));
    }
    if tx.query_opt(sql::IN_THE_REST, &[]).await?.is_some() {
        let what = "rows lie here whose months have no partition of their own";
        findings.push(Finding::new("audit.system_audit_logs_rest", what).fix(
            "SELECT audit.make_partitions() makes it the partition of their month, where they are all \
             of one that is due. Rows of several months stay here: nothing is lost by it, but they \
             cannot go by the month",
        ));
    }
    let rows = tx.query(sql::PARTITIONS_GONE, &[]).await?;
    let gone: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let mut add = |object: &str, what: &str| {
        findings.push(Finding::new(object, what).fix(
            "Look for who took it out, and attach it again; where it is lost, restore it from a \
             backup. SELECT audit.make_partitions() makes what is due",
        ));
    };
    match gone.as_slice() {
        [first, .., last] if gone.len() > LISTED => {
            let what = format!("{} partitions of the trail up to {last} are gone", gone.len());
            add(first, &what);
        }
        few => few.iter().for_each(|one| add(one, "this partition of the trail is gone")),
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
    let mut missing: BTreeSet<(String, &str)> = BTreeSet::new();
    let mut findings: Vec<Finding> = Vec::new();
    // What is wrong with the whole is wrong with each partition, and is said once: it comes first.
    let mut add = |place: String, what: String, fix: &str| {
        let said = |f: &Finding| f.object == TRAIL && f.what == what;
        if place == TRAIL || !findings.iter().any(said) {
            findings.push(Finding::new(place, what).fix(fix));
        }
    };
    let rows = tx.query(sql::GUARDS, &[]).await?;
    for row in &rows {
        let place: String = row.get(0);
        missing.extend(GUARDS.iter().map(|(name, _, _)| (place.clone(), *name)));
    }
    for row in &rows {
        let (place, name): (String, Option<String>) = (row.get(0), row.get(1));
        let Some(name) = name else { continue };
        let (always, function, kind, plain): (bool, String, i16, bool) =
            (row.get(2), row.get(3), row.get(4), row.get(5));
        let wanted = GUARDS.iter().find(|(known, _, _)| *known == name);
        let Some((known, wanted_function, wanted_kind)) = wanted else {
            let fix = "Look for who put it there, and drop it";
            add(place, format!("a foreign trigger {name} sits on it"), fix);
            continue;
        };
        missing.remove(&(place.clone(), *known));
        if !(always && plain && function == *wanted_function && kind == *wanted_kind) {
            add(place, format!("its trigger {name} can be slept through or was changed"), RESTORE);
        }
    }
    for (place, name) in missing {
        add(place, format!("its trigger {name} is gone"), RESTORE);
    }
    Ok(findings)
}

/// A function can be replaced without a trace in any trigger, so its text, its settings and its
/// owner are compared.
async fn bodies(tx: &Tx, guarded: bool) -> Result<Vec<Finding>> {
    let named = |(name, definer, settings): Known| (name, (definer, settings));
    let mut missing: BTreeMap<&str, (bool, &[&str])> = FUNCTIONS.map(named).into();
    // A superuser may have installed the guard by hand.
    let mut optional: BTreeMap<&str, (bool, &[&str])> = GUARD_FUNCTIONS.map(named).into();
    if guarded {
        missing.append(&mut optional);
    }
    let mut findings = Vec::new();
    if tx.query_opt(sql::CIPHER_CHANGED, &[]).await?.is_some() {
        let what = "it is not the function that Amanah installed";
        findings.push(Finding::new(format!("audit.{CIPHER}"), what).fix(RESTORE));
    }
    for row in tx.query(sql::BODIES, &[]).await? {
        let (name, body, definer): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
        let (settings, owner, kept): (Vec<String>, String, bool) =
            (row.get(3), row.get(4), row.get(5));
        // Made where it is needed, out of what the server has.
        if name == CIPHER {
            if !kept && !guarded {
                let what = format!("it belongs to {owner}, who sees keys in it");
                findings.push(Finding::new(format!("audit.{name}"), what).fix(RESTORE));
            }
            continue;
        }
        let known = missing.remove(name.as_str()).or_else(|| optional.remove(name.as_str()));
        let Some((wanted_definer, wanted)) = known else {
            let what = "it is a function that Amanah did not install";
            findings.push(Finding::new(format!("audit.{name}"), what));
            continue;
        };
        // The guard replaces one of them; it may have been installed by hand.
        let by_hand = !guarded && shipped_body(&name, true) == Some(body.as_str());
        let shipped = by_hand || shipped_body(&name, guarded) == Some(body.as_str());
        if !(shipped && definer == wanted_definer && settings == wanted) {
            let what = "it is not the function that Amanah installed";
            findings.push(Finding::new(format!("audit.{name}"), what).fix(RESTORE));
        }
        // Under the guard, others than what records are looked at together with the trail itself.
        if !kept && (OTHERS.contains(&name.as_str()) || !guarded) {
            let what = format!("it belongs to {owner}, with whose rights it must not run");
            findings.push(Finding::new(format!("audit.{name}"), what).fix(RESTORE));
        }
    }
    for name in missing.into_keys() {
        findings.push(Finding::new(format!("audit.{name}"), "it is gone").fix(RESTORE));
    }
    Ok(findings)
}

/// The text between the dollar quotes after `CREATE FUNCTION audit.NAME(` in a migration; where the trail
/// is `guarded`, of what the guard has put in its place.
pub(crate) fn shipped_body(name: &str, guarded: bool) -> Option<&'static str> {
    let made = format!("CREATE FUNCTION audit.{name}(");
    let replaced = format!("CREATE OR REPLACE FUNCTION audit.{name}(");
    let texts = [
        TRAIL_SQL,
        KEEPER_SQL,
        REFUSALS_SQL,
        READING_SQL,
        ERASING_SQL,
        // Before the one that it takes the place of.
        REMOVE_MONTH_SQL,
        RETENTION_SQL,
        ENCRYPTED_SQL,
    ];
    let anew = ERASING_SQL.split_once(&replaced).filter(|_| guarded);
    let (_, after) = anew.or_else(|| texts.iter().find_map(|text| text.split_once(&made)))?;
    let (_, body) = after.split_once("AS $$")?;
    body.split_once("$$").map(|(body, _)| body)
}

#[cfg(test)]
mod tests {
    use super::{FUNCTIONS, GUARD_FUNCTIONS, shipped_body};

    #[test]
    fn every_function_is_found_in_its_migration() {
        for (name, _, _) in FUNCTIONS.into_iter().chain(GUARD_FUNCTIONS) {
            for guarded in [false, true] {
                let body = shipped_body(name, guarded);
                assert!(body.is_some_and(|body| body.len() > 20), "{name}");
            }
        }
    }
}
