//! Which tables are recorded, and what it takes to record them.

use std::collections::BTreeMap;

use store::{Table, Tx, ident, literal};

use crate::{Error, Result, sql};

/// The trigger for each changed row.
pub(crate) const ROW_TRIGGER: &str = "amanah_audit_row";
/// The trigger for `TRUNCATE`, which fires for no row.
pub(crate) const TRUNCATE_TRIGGER: &str = "amanah_audit_truncate";

/// One thing to do so that a table is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The table, as its owner would name it.
    pub object: String,
    /// What is missing, as a sentence without its full stop.
    pub why: String,
    /// What is so afterwards, as a sentence without its full stop.
    pub then: String,
    /// The statements. The owner of the table may run them.
    pub sql: String,
}

/// What has to be done so that every table with `tenant_column`, and those in `also` (schema and
/// name), is recorded. Empty when all of them are: running the plan twice does nothing.
///
/// Partitions get the trigger for rows from their parent; for `TRUNCATE`, which a parent's trigger
/// does not see, each has its own.
///
/// # Errors
/// When the catalogue cannot be read, or a table in `also` is not among `tables`.
pub async fn plan(
    tx: &Tx,
    tables: &[Table],
    tenant_column: &str,
    also: &[(String, String)],
) -> Result<Vec<Step>> {
    let wanted = wanted(tables, tenant_column, also)?;
    let installed = installed(tx).await?;
    Ok(wanted.into_iter().flat_map(|table| steps(table, &installed)).collect())
}

/// The tables that must be recorded: those with `tenant_column`, and those in `also`.
///
/// # Errors
/// When a table in `also` is not among `tables`.
pub(crate) fn wanted<'a>(
    tables: &'a [Table],
    tenant_column: &str,
    also: &[(String, String)],
) -> Result<Vec<&'a Table>> {
    for (schema, name) in also {
        if !tables.iter().any(|t| (&t.schema, &t.name) == (schema, name)) {
            return Err(Error::NoTable(format!("{schema}.{name}")));
        }
    }
    let named = |t: &Table| also.iter().any(|(s, n)| (&t.schema, &t.name) == (s, n));
    Ok(tables.iter().filter(|t| t.column(tenant_column).is_some() || named(t)).collect())
}

/// Runs the plan. The caller commits, or rolls everything back.
///
/// # Errors
/// At the first step that the server refuses; the transaction is then good only for a rollback.
pub async fn apply(tx: &Tx, steps: &[Step]) -> Result<()> {
    for step in steps {
        let refused = |why| Error::Step { object: step.object.clone(), why };
        tx.batch(&step.sql).await.map_err(refused)?;
    }
    Ok(())
}

/// A trigger that is there, by table and name.
type Installed = BTreeMap<(String, String, String), Trigger>;

struct Trigger {
    always: bool,
    plain: bool,
    arguments: Vec<String>,
}

async fn installed(tx: &Tx) -> Result<Installed> {
    let rows = tx.query(sql::TRIGGERS, &[]).await?;
    let read = |row: &store::Row| {
        let arguments: Vec<u8> = row.get(5);
        let trigger =
            Trigger { always: row.get(3), plain: row.get(4), arguments: split(&arguments) };
        ((row.get(0), row.get(1), row.get(2)), trigger)
    };
    Ok(rows.iter().map(read).collect())
}

/// Each argument ends with a zero byte.
fn split(arguments: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(arguments);
    text.split_terminator('\0').map(str::to_owned).collect()
}

fn steps(table: &Table, installed: &Installed) -> Vec<Step> {
    let find =
        |name: &str| installed.get(&(table.schema.clone(), table.name.clone(), name.to_owned()));
    let (row, truncate) = (find(ROW_TRIGGER), find(TRUNCATE_TRIGGER));
    let mut steps = Vec::new();
    // Those that sleep are woken first and together, since each half alone would be refused by
    // the guard.
    let asleep: Vec<&str> = [(row, ROW_TRIGGER), (truncate, TRUNCATE_TRIGGER)]
        .into_iter()
        .filter_map(|(found, name)| found.filter(|t| !t.always).map(|_| name))
        .collect();
    if !asleep.is_empty() {
        let why = "recording can be slept through";
        let then = "no session sleeps through its recording";
        steps.push(step(table, why, then, wake(table, &asleep)));
    }
    // A partition's trigger for rows is a copy of its parent's, and is mended there.
    if !table.partition && !row.is_some_and(|t| t.plain && t.arguments == table.primary_key) {
        let why = match row {
            None => "changes of its rows leave no record",
            Some(t) if t.plain => "its record names other columns than its primary key",
            Some(_) => "its trigger does not record every change of a row",
        };
        steps.push(step(table, why, "every change of a row is recorded", create(table, true)));
    }
    if !truncate.is_some_and(|t| t.plain) {
        let why = "TRUNCATE leaves no record";
        steps.push(step(table, why, "TRUNCATE is recorded", create(table, false)));
    }
    steps
}

fn step(table: &Table, why: &str, then: &str, sql: String) -> Step {
    Step { object: table.label(), why: why.to_owned(), then: then.to_owned(), sql }
}

fn create(table: &Table, rows: bool) -> String {
    let (name, event, level) = if rows {
        (ROW_TRIGGER, "INSERT OR UPDATE OR DELETE", "ROW")
    } else {
        (TRUNCATE_TRIGGER, "TRUNCATE", "STATEMENT")
    };
    let key: Vec<String> = if rows {
        table.primary_key.iter().map(|column| literal(column)).collect()
    } else {
        Vec::new()
    };
    format!(
        "CREATE OR REPLACE TRIGGER {} AFTER {event} ON {}\n    FOR EACH {level} \
         EXECUTE FUNCTION audit.global_track_changes({});\n{}",
        ident(name),
        table.quoted(),
        key.join(", "),
        wake(table, &[name])
    )
}

fn wake(table: &Table, names: &[&str]) -> String {
    let all: Vec<String> =
        names.iter().map(|name| format!("ENABLE ALWAYS TRIGGER {}", ident(name))).collect();
    format!("ALTER TABLE {} {};", table.quoted(), all.join(", "))
}
