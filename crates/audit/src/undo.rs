//! Takes the recording away again. What was recorded is evidence and stays, unless somebody asks for
//! it to go too.

use store::{Belongings, Tx, ident, qualified};

use crate::inspect::EVENT_TRIGGERS;
use crate::track::TRIGGERS;
use crate::{Result, Step, sql};

/// The functions that the guard installed.
const GUARD_FUNCTIONS: [&str; 8] = [
    "refuse_early",
    "refuse_weaker_ddl",
    "refuse_filled_part",
    "refuse_hiding",
    "refuse_rewrite",
    "refuse_drop",
    "record_ddl",
    "record_drop",
];

/// The trail itself and what writes it.
const TRAIL: Belongings = Belongings {
    schema: "audit",
    objects: &[
        ("TRIGGER", "system_audit_logs hash"),
        ("TRIGGER", "system_audit_logs refuse_statement"),
        ("TRIGGER", "system_audit_logs refuse_row"),
        ("POLICY", "system_audit_logs recording"),
        ("POLICY", "system_audit_logs sealing"),
        ("POLICY", "system_audit_logs reading"),
        ("POLICY", "system_audit_logs proving"),
        ("POLICY", "system_audit_logs erasing"),
        // That of the first form, which depends on the table.
        ("FUNCTION", "row_digest(audit.system_audit_logs)"),
        ("TABLE", "system_audit_logs"),
        ("POLICY", "hidden_columns reading"),
        ("POLICY", "retention reading"),
        ("POLICY", "archived_months reading"),
        ("TABLE", "hidden_columns"),
        ("TABLE", "hash_key"),
        ("FUNCTION", "remove_month(date, bigint, bytea)"),
        ("FUNCTION", "remove_month(date, bigint)"),
        ("TABLE", "retention"),
        ("TABLE", "archived_months"),
        ("TABLE", "cipher_key"),
        ("FUNCTION", "trg_compute_audit_log_hash()"),
        ("FUNCTION", "global_track_changes()"),
        ("FUNCTION", "refuse_change()"),
        ("FUNCTION", "ask(jsonb, text)"),
        ("FUNCTION", "read(uuid, xid8, bigint, bigint)"),
        ("FUNCTION", "erase(xid8[], bigint[], bytea[])"),
        ("FUNCTION", "count(uuid)"),
        ("FUNCTION", "asked(jsonb, pg_snapshot, xid8)"),
        ("FUNCTION", "asked_for(jsonb)"),
        ("FUNCTION", "record_reading(text, jsonb)"),
        ("FUNCTION", "recorded_reading(text, uuid)"),
        ("FUNCTION", "refuse_early()"),
        ("FUNCTION", "refuse_weaker_ddl()"),
        ("FUNCTION", "refuse_drop()"),
        ("FUNCTION", "refuse_filled_part()"),
        ("FUNCTION", "refuse_hiding()"),
        ("FUNCTION", "refuse_rewrite()"),
        ("FUNCTION", "record_ddl()"),
        ("FUNCTION", "record_drop()"),
        ("FUNCTION", "record_command(text, text, text, jsonb)"),
        ("FUNCTION", "told(text, text)"),
        ("FUNCTION", "bare(text, boolean)"),
        ("FUNCTION", "make_partitions()"),
        ("FUNCTION", "make_partition(timestamptz)"),
        ("FUNCTION", "redacted(jsonb, uuid, text[])"),
        ("FUNCTION", "keyed_digest(uuid, text)"),
        ("FUNCTION", "encrypted(uuid, text, jsonb)"),
        ("FUNCTION", "cipher(bytea, bytea, bytea, text)"),
        ("FUNCTION", "record_row(text, text, text, text[], jsonb, jsonb)"),
        ("FUNCTION", "not_shown(text[])"),
        ("FUNCTION", "document(oid, anyelement)"),
        ("FUNCTION", "print_as(text[])"),
        ("FUNCTION", "printed_form(oid)"),
        ("FUNCTION", "leniently(oid, text)"),
        ("FUNCTION", "lenient(anyelement)"),
        ("FUNCTION", "content_digest(uuid, jsonb, jsonb, jsonb)"),
        (
            "FUNCTION",
            "row_digest(bigint, timestamptz, xid8, text, text, text, text, text, text, text, bytea)",
        ),
        // Those of the first form.
        ("FUNCTION", "text_field(text)"),
        ("FUNCTION", "bytes_field(bytea)"),
    ],
};

/// What it takes to record nothing any more, and with `with_trail` to drop what was recorded. Where
/// the guard was installed, a superuser has to run it: it names what the catalogue has and calls
/// nothing.
///
/// # Errors
/// When the catalogue cannot be read.
pub async fn removal(tx: &Tx, with_trail: bool) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let add = |steps: &mut Vec<Step>, object: &str, then: &str, sql: String| {
        let (why, then) = ("it was asked for".to_owned(), then.to_owned());
        let object = object.to_owned();
        steps.push(Step { object, why, then, sql, approval: false, blocked: false });
    };
    for row in tx.query(sql::GUARDS_THERE, &[&&EVENT_TRIGGERS[..]]).await? {
        let name: &str = row.get(0);
        let sql = format!("DROP EVENT TRIGGER {}", ident(name));
        add(&mut steps, name, "recording may be taken away", sql);
    }
    if !steps.is_empty() && tx.query_opt(sql::ANYBODY_EMITS, &[]).await?.is_none() {
        let rows = tx.query(sql::EMITS, &[]).await?;
        let sql = rows.iter().map(|row| row.get(0)).collect::<Vec<String>>().join(";\n");
        let then = "everybody may write messages into the server's log again";
        add(&mut steps, "pg_logical_emit_message", then, sql);
    }
    for row in tx.query(sql::RECORDED, &[&&TRIGGERS[..]]).await? {
        let (schema, table, trigger): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        let sql = format!("DROP TRIGGER {} ON {}", ident(trigger), qualified(schema, table));
        let then = "changes are recorded no more";
        add(&mut steps, &format!("{schema}.{table}"), then, sql);
    }
    for row in tx.query(sql::GUARD_THERE, &[&&GUARD_FUNCTIONS[..]]).await? {
        let name: &str = row.get(0);
        let sql = format!("DROP FUNCTION {}()", qualified("audit", name));
        add(&mut steps, &format!("audit.{name}"), "it guards nothing any more", sql);
    }
    if with_trail && tx.query_opt(sql::TRAIL_THERE, &[]).await?.is_some() {
        let then = "what was recorded is dropped, as was asked for";
        add(&mut steps, "schema audit", then, TRAIL.removal(&[]));
    }
    Ok(steps)
}

/// What somebody else has put into schema `audit` or hung on the trail: while it is there, the trail
/// cannot be dropped.
///
/// # Errors
/// When the catalogue cannot be read.
pub async fn others(tx: &Tx) -> Result<Vec<String>> {
    let recorders = &TRIGGERS[..];
    let rows = tx.query(sql::RECORDERS, &[&recorders, &&EVENT_TRIGGERS[..]]).await?;
    let ours: Vec<u32> = rows.iter().map(|row| row.get(0)).collect();
    Ok(TRAIL.others(tx, &ours).await?)
}

/// Whether there is a trail, and whether this login may drop it.
///
/// # Errors
/// When the catalogue cannot be read.
pub async fn has_trail(tx: &Tx) -> Result<(bool, bool)> {
    let row = tx.query_opt(sql::TRAIL_THERE, &[]).await?;
    Ok(row.map_or((false, false), |row| (true, row.get(0))))
}
