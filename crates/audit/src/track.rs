//! Which tables are recorded, and what it takes to record them.

use std::collections::{BTreeMap, BTreeSet};

use store::{Table, Tx, ident, literal};

use crate::asked::{self, Asked};
use crate::{Error, Result, sql};

/// The trigger for each changed row.
pub(crate) const ROW_TRIGGER: &str = "amanah_audit_row";
/// The triggers for all rows that a statement changes: name, event, and where it finds them.
const STATEMENT_TRIGGERS: [(&str, &str, &str); 3] = [
    (INSERT_TRIGGER, "INSERT", "NEW TABLE AS amanah_becomes"),
    ("amanah_audit_update", "UPDATE", "OLD TABLE AS amanah_was NEW TABLE AS amanah_becomes"),
    ("amanah_audit_delete", "DELETE", "OLD TABLE AS amanah_was"),
];
/// The first of them tells that a table is recorded by statements.
pub(crate) const INSERT_TRIGGER: &str = "amanah_audit_insert";
/// The trigger for `TRUNCATE`, which fires for no row.
pub(crate) const TRUNCATE_TRIGGER: &str = "amanah_audit_truncate";
/// All of them.
pub(crate) const TRIGGERS: [&str; 5] =
    [ROW_TRIGGER, INSERT_TRIGGER, "amanah_audit_update", "amanah_audit_delete", TRUNCATE_TRIGGER];

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
/// does not see, each has its own. Comments on tables and columns are heeded: `@audit(statement)`,
/// `@audit(never)`, `@audit(hashed)`.
///
/// # Errors
/// When the catalogue cannot be read, a table in `also` is not among `tables`, or a comment asks for
/// what there is not.
pub async fn plan(
    tx: &Tx,
    tables: &[Table],
    tenant_column: &str,
    also: &[(String, String)],
) -> Result<Vec<Step>> {
    let wanted = wanted(tables, tenant_column, also)?;
    let (installed, asked) = (installed(tx).await?, asked::all(tx).await?);
    let none = Asked::default();
    let of = |t: &Table| asked.get(&(t.schema.clone(), t.name.clone())).unwrap_or(&none);
    Ok(wanted.into_iter().flat_map(|table| steps(table, of(table), &installed)).collect())
}

/// The tables that are recorded by statements, by schema and name.
pub(crate) async fn by_statements(tx: &Tx) -> Result<BTreeSet<(String, String)>> {
    let there = installed(tx).await?.into_keys();
    Ok(there.filter(|(_, _, n)| n == INSERT_TRIGGER).map(|(s, t, _)| (s, t)).collect())
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

/// Each argument ends with a zero byte, also an empty one.
fn split(arguments: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(arguments);
    text.split_terminator('\0').map(str::to_owned).collect()
}

fn steps(table: &Table, asked: &Asked, installed: &Installed) -> Vec<Step> {
    let find =
        |name: &str| installed.get(&(table.schema.clone(), table.name.clone(), name.to_owned()));
    let statements: Vec<&str> = STATEMENT_TRIGGERS.iter().map(|(name, ..)| *name).collect();
    let (wanted, other) = if asked.by_statement {
        (statements, vec![ROW_TRIGGER])
    } else {
        (vec![ROW_TRIGGER], statements)
    };
    let mut steps = Vec::new();
    // Those that sleep are woken first and together, since each half alone would be refused by
    // the guard.
    let asleep: Vec<&str> = wanted
        .iter()
        .chain(&[TRUNCATE_TRIGGER])
        .copied()
        .filter(|name| find(name).is_some_and(|t| !t.always))
        .collect();
    if !asleep.is_empty() {
        let why = "recording can be slept through";
        let then = "no session sleeps through its recording";
        steps.push(step(table, why, then, wake(table, &asleep)));
    }
    let over: Vec<&str> = other.into_iter().filter(|name| find(name).is_some()).collect();
    // A partition's trigger for rows is a copy of its parent's, and is mended there.
    if !table.partition {
        let arguments = asked.arguments(&table.primary_key);
        let found: Vec<Option<&Trigger>> = wanted.iter().map(|name| find(name)).collect();
        if let Some(why) = wrong(&found, &arguments, !over.is_empty()) {
            let sql = if asked.by_statement {
                let all = STATEMENT_TRIGGERS.iter();
                let all = all.map(|(name, event, rows)| {
                    create(table, name, event, &format!("REFERENCING {rows} "), &arguments)
                });
                all.collect::<Vec<_>>().join("\n")
            } else {
                create(table, ROW_TRIGGER, "INSERT OR UPDATE OR DELETE", "", &arguments)
            };
            steps.push(step(table, why, "every change of a row is recorded", sql));
        }
        // After what takes its place.
        if !over.is_empty() {
            let why = "its changes would be recorded twice";
            let drops = over
                .iter()
                .map(|name| format!("DROP TRIGGER {} ON {};", ident(name), table.quoted()));
            let sql = drops.collect::<Vec<_>>().join("\n");
            steps.push(step(table, why, "each change is recorded once", sql));
        }
    }
    if !find(TRUNCATE_TRIGGER).is_some_and(|t| t.plain) {
        let sql = create(table, TRUNCATE_TRIGGER, "TRUNCATE", "", &[]);
        steps.push(step(table, "TRUNCATE leaves no record", "TRUNCATE is recorded", sql));
    }
    steps
}

/// What is wrong with the triggers that record rows, if anything. `moves` says that the table is
/// recorded in the other way.
fn wrong(found: &[Option<&Trigger>], wanted: &[String], moves: bool) -> Option<&'static str> {
    let hidden = |arguments: &[String]| {
        let mut parts = arguments.split(String::is_empty);
        // An empty word first: what follows it, up to the next one, says what is not shown.
        parts.next().filter(|first| first.is_empty())?;
        parts.next().map(<[String]>::to_vec)
    };
    let there: Vec<&Trigger> = found.iter().copied().flatten().collect();
    if there.len() < found.len() {
        return Some(if moves {
            "its changes are recorded in another way than its comment asks"
        } else {
            "changes of its rows leave no record"
        });
    }
    if there.iter().any(|t| !t.plain) {
        return Some("its trigger does not record every change of a row");
    }
    if there.iter().any(|t| hidden(&t.arguments) != hidden(wanted)) {
        return Some("its record shows other columns than its comments ask");
    }
    let other = |t: &&Trigger| t.arguments != wanted;
    there.iter().any(other).then_some("its record names other columns than its primary key")
}

fn step(table: &Table, why: &str, then: &str, sql: String) -> Step {
    Step { object: table.label(), why: why.to_owned(), then: then.to_owned(), sql }
}

fn create(table: &Table, name: &str, event: &str, rows: &str, arguments: &[String]) -> String {
    let level = if name == ROW_TRIGGER { "ROW" } else { "STATEMENT" };
    let arguments: Vec<String> = arguments.iter().map(|argument| literal(argument)).collect();
    format!(
        "CREATE OR REPLACE TRIGGER {} AFTER {event} ON {}\n    {rows}FOR EACH {level} \
         EXECUTE FUNCTION audit.global_track_changes({});\n{}",
        ident(name),
        table.quoted(),
        arguments.join(", "),
        wake(table, &[name])
    )
}

fn wake(table: &Table, names: &[&str]) -> String {
    let all: Vec<String> =
        names.iter().map(|name| format!("ENABLE ALWAYS TRIGGER {}", ident(name))).collect();
    format!("ALTER TABLE {} {};", table.quoted(), all.join(", "))
}
