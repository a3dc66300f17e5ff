//! The ways in which somebody could change what was recorded, or stop recording, as data.

use store::{Table, Tx, ident, literal, qualified};

use crate::{Result, canary, sql};

/// The SQLSTATE of the trail's own refusals.
pub(crate) const REFUSED: &str = "TRAIL";

const TRAIL: &str = "audit.system_audit_logs";

/// One statement that must be refused, whoever sends it.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// What it is aimed at.
    pub object: String,
    /// What it would do: "could delete a recorded row".
    pub deed: String,
    /// The statement.
    pub sql: String,
}

/// What the statements are aimed at.
pub(crate) struct Target<'a> {
    /// A real row of the trail.
    pub row: i64,
    /// The partition in which it lies, without its schema.
    pub partition: &'a str,
    /// The tables that are recorded, and a trigger that does it.
    pub tracked: &'a [(&'a Table, &'static str)],
    /// A table with a row of the synthetic tenant, to which a bound session can write.
    pub canary_table: &'a Table,
    /// The column that names the tenant.
    pub tenant_column: &'a str,
    /// The synthetic tenant.
    pub tenant: &'a str,
    /// Who owns the trail.
    pub keeper: &'a str,
    /// Who records into it.
    pub recorder: &'a str,
    /// The event triggers that stand guard; none where no superuser installed them.
    pub event_triggers: &'a [String],
    /// The transaction of the row and the hash beside it, where contents can be erased.
    pub erasable: Option<(u64, &'a [u8])>,
}

/// Who may have contents erased, and as whom that is done.
pub(crate) const ERASER: &str = "amanah_trail_eraser";
const ERASING: &str = "amanah_trail_erasing";

/// Owner of the trail and recorder.
pub(crate) async fn keepers(tx: &Tx) -> Result<(String, String)> {
    let row = tx.query_one(sql::KEEPERS, &[]).await?;
    Ok((row.get(0), row.get(1)))
}

/// Every attempt on `target`.
pub(crate) fn battery(target: &Target<'_>) -> Vec<Attempt> {
    let mut all = rows(target.row);
    all.extend(structure(target));
    all.extend(detours(target));
    all.extend(partition(target));
    all.extend(functions());
    all.extend(rights(target));
    all.push(planted(target));
    all.extend(erasing(target));
    for (table, trigger) in target.tracked.iter().filter(|(t, _)| !t.partition) {
        all.extend(tracked(table, trigger));
    }
    for name in target.event_triggers {
        let what = format!("the event trigger {name}");
        let name = ident(name);
        all.push(on(&what, "disable it", format!("ALTER EVENT TRIGGER {name} DISABLE")));
        all.push(on(&what, "drop it", format!("DROP EVENT TRIGGER {name}")));
    }
    all
}

fn on(object: &str, deed: &str, sql: String) -> Attempt {
    Attempt { object: object.to_owned(), deed: deed.to_owned(), sql }
}

fn trail(deed: &str, sql: &str) -> Attempt {
    on(TRAIL, deed, sql.to_owned())
}

fn rows(row: i64) -> Vec<Attempt> {
    let one = |deed: &str, sql: &str| on(TRAIL, deed, format!("{sql} WHERE id = {row}"));
    vec![
        one("change a recorded row", "UPDATE audit.system_audit_logs SET actor_id = 'nobody'"),
        one("delete a recorded row", "DELETE FROM audit.system_audit_logs"),
        trail("send a DELETE that misses", "DELETE FROM audit.system_audit_logs WHERE false"),
        trail(
            "change a recorded row by MERGE",
            &format!(
                "MERGE INTO audit.system_audit_logs t
                 USING (VALUES ({row}::bigint)) v (id) ON t.id OPERATOR(pg_catalog.=) v.id
                 WHEN MATCHED THEN UPDATE SET actor_id = 'nobody'"
            ),
        ),
        trail("empty the trail", "TRUNCATE audit.system_audit_logs"),
        trail("empty the trail with CASCADE", "TRUNCATE audit.system_audit_logs CASCADE"),
        trail(
            "write a forged row",
            "INSERT INTO audit.system_audit_logs (action, table_schema, table_name, row_hash)
             VALUES ('DELETE', 'public', 'forged', pg_catalog.sha256(''))",
        ),
        // Not setval(): it would not be rolled back.
        trail(
            "wind the numbering back",
            "ALTER SEQUENCE audit.system_audit_logs_id_seq RESTART WITH 1",
        ),
    ]
}

fn structure(target: &Target<'_>) -> Vec<Attempt> {
    let alter = |deed: &str, what: &str| on(TRAIL, deed, format!("ALTER TABLE {TRAIL} {what}"));
    let schema = ident(&target.canary_table.schema);
    vec![
        trail("drop the trail", "DROP TABLE audit.system_audit_logs CASCADE"),
        trail("drop its schema", "DROP SCHEMA audit CASCADE"),
        trail("rename its schema", "ALTER SCHEMA audit RENAME TO audit_gone"),
        alter("rename the trail", "RENAME TO system_audit_gone"),
        alter("move the trail to another schema", &format!("SET SCHEMA {schema}")),
        alter("take the trail over", "OWNER TO CURRENT_USER"),
        alter("disable all its triggers", "DISABLE TRIGGER ALL"),
        alter("disable its guard", "DISABLE TRIGGER refuse_statement"),
        alter("let its guard sleep", "ENABLE TRIGGER refuse_row"),
        alter("let its hash sleep", "ENABLE REPLICA TRIGGER hash"),
        alter("drop a column of the trail", "DROP COLUMN old_data"),
        alter("rename a column of the trail", "RENAME COLUMN old_data TO older_data"),
        alter("backdate new rows", "ALTER COLUMN event_timestamp SET DEFAULT '2000-01-01'"),
        alter("drop the check of the hash", "ALTER COLUMN row_hash DROP NOT NULL"),
        alter("hide rows behind a policy", "ENABLE ROW LEVEL SECURITY"),
        trail("drop its guard", "DROP TRIGGER refuse_statement ON audit.system_audit_logs"),
        trail("drop its hash", "DROP TRIGGER hash ON audit.system_audit_logs"),
    ]
}

/// Ways around the guard rather than through it.
fn detours(target: &Target<'_>) -> Vec<Attempt> {
    let schema = ident(&target.canary_table.schema);
    vec![
        trail(
            "put a rule on it that swallows rows",
            "CREATE RULE amanah_attack AS ON INSERT TO audit.system_audit_logs DO INSTEAD NOTHING",
        ),
        trail(
            "put a trigger on it",
            "CREATE TRIGGER amanah_attack BEFORE UPDATE ON audit.system_audit_logs FOR EACH ROW
             EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
        ),
        trail(
            "attach it as a partition",
            &block(&[
                format!(
                    "CREATE TABLE {schema}.amanah_attack (LIKE {TRAIL}) PARTITION BY LIST (id)"
                ),
                format!("ALTER TABLE {schema}.amanah_attack ATTACH PARTITION {TRAIL} DEFAULT"),
            ]),
        ),
    ]
}

/// A partition is a table too: whatever the trail refuses, each of them has to refuse by itself.
fn partition(target: &Target<'_>) -> Vec<Attempt> {
    let (row, label) = (target.row, format!("audit.{}", target.partition));
    let place = qualified("audit", target.partition);
    let schema = ident(&target.canary_table.schema);
    let part = |deed: &str, sql: String| on(&label, deed, sql);
    let alter = |deed: &str, what: &str| part(deed, format!("ALTER TABLE {place} {what}"));
    // Longer ago than any trail, so that it would find room.
    let month = "FOR VALUES FROM ('1990-01-01') TO ('1990-02-01')";
    vec![
        part(
            "change a recorded row in its partition",
            format!("UPDATE {place} SET actor_id = 'nobody' WHERE id = {row}"),
        ),
        part(
            "delete a recorded row from its partition",
            format!("DELETE FROM {place} WHERE id = {row}"),
        ),
        part("empty a partition", format!("TRUNCATE {place}")),
        part(
            "write a forged row into a partition",
            format!(
                "INSERT INTO {place} (id, action, table_schema, table_name, row_hash)
                 VALUES ({row}, 'DELETE', 'public', 'forged', pg_catalog.sha256(''))"
            ),
        ),
        part("drop a partition", format!("DROP TABLE {place}")),
        part("detach a partition", format!("ALTER TABLE {TRAIL} DETACH PARTITION {place}")),
        part(
            "make a partition of their own",
            format!("CREATE TABLE {schema}.amanah_attack PARTITION OF {TRAIL} {month}"),
        ),
        part(
            "attach a partition of their own",
            block(&[
                format!("CREATE TABLE {schema}.amanah_attack (LIKE {TRAIL})"),
                format!("ALTER TABLE {TRAIL} ATTACH PARTITION {schema}.amanah_attack {month}"),
            ]),
        ),
        alter("disable all triggers of a partition", "DISABLE TRIGGER ALL"),
        alter("disable the guard of a partition", "DISABLE TRIGGER refuse_statement"),
        alter("let the guard of a partition sleep", "ENABLE TRIGGER refuse_row"),
        alter("take a partition over", "OWNER TO CURRENT_USER"),
        alter("move a partition to another schema", &format!("SET SCHEMA {schema}")),
        alter("hide rows of a partition behind a policy", "ENABLE ROW LEVEL SECURITY"),
        part("drop the guard of a partition", format!("DROP TRIGGER refuse_statement ON {place}")),
        part(
            "put a rule on a partition",
            format!("CREATE RULE amanah_attack AS ON UPDATE TO {place} DO INSTEAD NOTHING"),
        ),
    ]
}

fn functions() -> Vec<Attempt> {
    let on_function = |name: &str, deed: &str, sql: String| on(&format!("audit.{name}"), deed, sql);
    let empty = |name: &str| {
        let sql = format!(
            "CREATE OR REPLACE FUNCTION audit.{name}() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RETURN NULL; END $$"
        );
        on_function(name, "replace it by one that does nothing", sql)
    };
    let recorder = "global_track_changes";
    vec![
        empty(recorder),
        empty("trg_compute_audit_log_hash"),
        empty("refuse_change"),
        on_function(
            recorder,
            "drop it with every trigger that records",
            format!("DROP FUNCTION audit.{recorder}() CASCADE"),
        ),
        on_function(
            "refuse_change",
            "drop it with the guard",
            "DROP FUNCTION audit.refuse_change() CASCADE".to_owned(),
        ),
        on_function(
            recorder,
            "rename it",
            format!("ALTER FUNCTION audit.{recorder}() RENAME TO gone"),
        ),
        on_function(
            recorder,
            "take its rights away",
            format!("ALTER FUNCTION audit.{recorder}() SECURITY INVOKER"),
        ),
        on_function(
            recorder,
            "make it print fewer digits",
            format!("ALTER FUNCTION audit.{recorder}() SET extra_float_digits = -15"),
        ),
    ]
}

fn rights(target: &Target<'_>) -> Vec<Attempt> {
    // A GRANT by somebody who holds no grant option ends in a warning, so what it did is looked at.
    let granted = format!(
        "DO $$ BEGIN
             GRANT ALL ON {TRAIL} TO CURRENT_USER;
             IF NOT pg_catalog.has_table_privilege('{TRAIL}', 'UPDATE, DELETE, TRUNCATE, TRIGGER')
             THEN RAISE insufficient_privilege; END IF;
         END $$"
    );
    vec![
        trail("grant themselves rights on it", &granted),
        trail("act as the role that owns it", &become_role(target.keeper)),
        trail("act as the role that records", &become_role(target.recorder)),
        trail("turn triggers off for the session", "SET LOCAL session_replication_role = replica"),
        trail(
            "turn triggers off by set_config",
            "SELECT pg_catalog.set_config('session_replication_role', 'replica', true)",
        ),
    ]
}

/// An erasure by somebody who may not, or of something that was never sealed.
fn erasing(target: &Target<'_>) -> Vec<Attempt> {
    let Some((xid, _)) = target.erasable else { return Vec::new() };
    let row = target.row;
    let shape = |digest: &str| {
        format!(
            "UPDATE {TRAIL} SET salt = NULL, row_key = NULL, old_data = NULL, new_data = NULL,
                    erased = {digest} WHERE id = {row}"
        )
    };
    vec![
        on(
            "audit.erase",
            "erase a content under a hash that was never sealed",
            erase(xid, row, &[0; 32]),
        ),
        trail(
            "erase a content by hand",
            &shape("audit.content_digest(salt, row_key, old_data, new_data)"),
        ),
        trail("erase a content and leave a wrong digest", &shape("pg_catalog.sha256('')")),
        trail("act as the role that erases", &become_role(ERASING)),
    ]
}

/// What the eraser alone may do, for everybody else.
pub(crate) fn erasures(target: &Target<'_>) -> Vec<Attempt> {
    let Some((xid, hash)) = target.erasable else { return Vec::new() };
    vec![
        on("audit.erase", "erase a recorded content", erase(xid, target.row, hash)),
        trail("act as the role that has contents erased", &become_role(ERASER)),
    ]
}

fn erase(xid: u64, row: i64, hash: &[u8]) -> String {
    format!(
        "SELECT audit.erase(ARRAY[{}]::xid8[], ARRAY[{row}]::bigint[], ARRAY[{}]::bytea[])",
        literal(&xid.to_string()),
        literal(&format!("\\x{}", kernel::hex(hash)))
    )
}

/// Somebody who may make roles can enter those that are not superusers, before PostgreSQL 16.
fn become_role(role: &str) -> String {
    let grant = format!("GRANT {} TO CURRENT_USER", ident(role));
    let enter = format!("SET LOCAL ROLE {}", ident(role));
    format!(
        "DO $amanah$ BEGIN
             IF NOT pg_catalog.pg_has_role({}, 'MEMBER') THEN EXECUTE {}; END IF;
             EXECUTE {};
         END $amanah$",
        literal(role),
        literal(&grant),
        literal(&enter)
    )
}

/// The recording function calls `amanah.current_actor()`, which somebody else owns: code planted
/// there runs with the recorder's rights at the next write.
fn planted(target: &Target<'_>) -> Attempt {
    let plant = format!(
        "CREATE OR REPLACE FUNCTION amanah.current_actor() RETURNS text LANGUAGE plpgsql AS $f$
         BEGIN DELETE FROM {TRAIL} WHERE id = {}; RETURN NULL; END $f$",
        target.row
    );
    let tenant = literal(target.tenant);
    let write = canary::touch_statement(target.canary_table, target.tenant_column, &tenant);
    let sql = format!(
        "DO $amanah$ DECLARE touched bigint; BEGIN
             EXECUTE {};
             EXECUTE {};
             GET DIAGNOSTICS touched = ROW_COUNT;
             IF touched = 0 THEN RAISE EXCEPTION 'the synthetic tenant has no row'; END IF;
         END $amanah$",
        literal(&plant),
        literal(&write)
    );
    trail("delete a recorded row by code planted in amanah.current_actor()", &sql)
}

fn tracked(table: &Table, trigger: &str) -> Vec<Attempt> {
    let (place, label) = (table.quoted(), table.label());
    let alter = |deed: &str, what: &str| on(&label, deed, format!("ALTER TABLE {place} {what}"));
    let ours = ident(trigger);
    vec![
        alter("disable its recording", &format!("DISABLE TRIGGER {ours}")),
        alter("disable every trigger on it", "DISABLE TRIGGER USER"),
        alter("let its recording sleep", &format!("ENABLE TRIGGER {ours}")),
        on(&label, "drop its recording", format!("DROP TRIGGER {ours} ON {place}")),
        on(
            &label,
            "rename its recording",
            format!("ALTER TRIGGER {ours} ON {place} RENAME TO amanah_attack"),
        ),
        on(
            &label,
            "replace its recording by another function",
            format!(
                "CREATE OR REPLACE TRIGGER {ours} BEFORE UPDATE ON {place} FOR EACH ROW
                 EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()"
            ),
        ),
    ]
}

fn block(statements: &[String]) -> String {
    let run: Vec<String> = statements.iter().map(|s| format!("EXECUTE {};", literal(s))).collect();
    format!("DO $amanah$ BEGIN {} END $amanah$", run.join(" "))
}
