//! Which tables are recorded, and what it takes to record them.

use std::collections::{BTreeMap, BTreeSet};

use store::{Table, Tx, ident, literal};

use crate::asked::{self, Asked, Cipher};
use crate::inspect::shipped_body;
use crate::{CIPHER_SQL, Error, Result, sql};

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

/// How a value is recorded that is not to be seen and can be read again.
pub(crate) const ENCRYPTED: &str = "encrypted";

/// One thing to do so that a table is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The table, as its owner would name it.
    pub object: String,
    /// What is missing, as a sentence without its full stop.
    pub why: String,
    /// What is so afterwards, as a sentence without its full stop.
    pub then: String,
    /// The statements. The owner of the table may run them, unless they approve something.
    pub sql: String,
    /// Whether it approves that something is kept out of the record, which is for whoever keeps the
    /// trail: a superuser where one guards it.
    pub approval: bool,
    /// Whether nothing can be done about it: `why` says what stands in the way, and `sql` is empty.
    pub blocked: bool,
}

/// What has to be done so that every table with `tenant_column`, and those in `also` (schema and
/// name), is recorded. Empty when all of them are: running the plan twice does nothing.
///
/// Partitions get the trigger for rows from their parent; for `TRUNCATE`, which a parent's trigger
/// does not see, each has its own. Comments on tables and columns are heeded: `@audit(statement)`,
/// `@audit(never)`, `@audit(hashed)`, `@audit(encrypted)`. What they keep out of the record must be
/// approved; a table of which they ask what cannot be done is left as it is, and a step says so.
///
/// # Errors
/// When the catalogue cannot be read, or a table in `also` is not among `tables`.
pub async fn plan(
    tx: &Tx,
    tables: &[Table],
    tenant_column: &str,
    also: &[(String, String)],
) -> Result<Vec<Step>> {
    let mut wanted = wanted(tables, tenant_column, also)?;
    // The guard refuses a partition that has a trigger of its own and no copy of its parent's.
    wanted.sort_by_key(|table| table.partition);
    let (installed, asked) = (installed(tx).await?, asked::all(tx).await?);
    let (approved, cipher) = (approved(tx).await?, asked::cipher(tx).await?);
    let forms = forms(tx).await?;
    let none = Asked::default();
    let of = |t: &Table| asked.get(&(t.schema.clone(), t.name.clone())).unwrap_or(&none);
    let mut all = Vec::new();
    for table in wanted {
        let asked = of(table);
        if !asked.refused.is_empty() {
            all.push(blocked(table, &asked.refused));
            continue;
        }
        let open = |(how, column): &&(String, String)| {
            let (schema, name) = (table.schema.clone(), table.name.clone());
            !approved.contains(&(schema, name, how.clone(), column.clone()))
        };
        let encrypts = asked.hidden.iter().any(|(how, _)| how == ENCRYPTED);
        let unable = encrypts && cipher != Cipher::There;
        if !table.partition && (unable || asked.hidden.iter().any(|pair| open(&pair))) {
            all.push(approval(table, &asked.hidden, unable));
        }
        let form = forms.get(&(table.schema.clone(), table.name.clone())).map(String::as_str);
        all.extend(steps(table, asked, form, &installed));
    }
    Ok(all)
}

/// What may be kept out of the record: schema, table, how and column.
async fn approved(tx: &Tx) -> Result<BTreeSet<(String, String, String, String)>> {
    if tx.query_opt(sql::APPROVES, &[]).await?.is_none() {
        return Ok(BTreeSet::new());
    }
    let rows = tx.query(sql::APPROVED, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect())
}

/// What nobody can do as long as the comments ask for it.
fn blocked(table: &Table, refused: &[String]) -> Step {
    let why = refused.join("; ");
    let then = format!("left as it is: {why}");
    Step { blocked: true, ..step(table, &why, &then, String::new()) }
}

/// Takes the place of what was approved of the table before. `unable` says that values cannot be
/// encrypted in this database yet.
fn approval(table: &Table, hidden: &[(String, String)], unable: bool) -> Step {
    let told = |(how, column): &(String, String)| {
        let how = match how.as_str() {
            "never" => "is never recorded",
            ENCRYPTED => "is recorded encrypted",
            _ => "is recorded as a hash",
        };
        format!("{column} {how}")
    };
    let told = hidden.iter().map(told).collect::<Vec<_>>().join(", ");
    let pair =
        |(how, column): &(String, String)| format!("({}, {})", literal(how), literal(column));
    let pairs = hidden.iter().map(pair).collect::<Vec<_>>().join(", ");
    let relation = literal(&table.quoted());
    let sql = format!(
        "DELETE FROM audit.hidden_columns WHERE relation = {relation}::pg_catalog.regclass;\n\
         INSERT INTO audit.hidden_columns (relation, attnum, column_name, how)\n    \
         SELECT a.attrelid, a.attnum, a.attname, v.how FROM (VALUES {pairs}) v (how, name)\n      \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = {relation}::pg_catalog.regclass\n       \
         AND a.attname = v.name AND a.attnum > 0 AND NOT a.attisdropped;"
    );
    let sql = if unable { format!("{}\n{}\n{sql}", sql::PGCRYPTO, cipher_maker()) } else { sql };
    let why =
        format!("its comments keep columns out of the record ({told}), and nobody approved it");
    let then = format!("approved: {told}");
    Step { approval: true, ..step(table, &why, &then, sql) }
}

/// The statement that makes `audit.cipher`, as one of a script.
fn cipher_maker() -> String {
    let (_, text) = CIPHER_SQL.split_once("DO $$").unwrap_or_default();
    format!("DO $${}", text.trim_end().replace('\n', "\n    "))
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

/// Runs the plan as the owner of the tables, after [`approve`]. The caller commits, or rolls
/// everything back.
///
/// # Errors
/// At the first step that the server refuses; the transaction is then good only for a rollback.
pub async fn apply(tx: &Tx, steps: &[Step]) -> Result<()> {
    run(tx, steps.iter().filter(|step| !step.approval && !step.blocked)).await
}

/// Approves what the plan keeps out of the record, as whoever keeps the trail, which must be of this
/// form already. The caller commits.
///
/// # Errors
/// As [`apply`].
pub async fn approve(tx: &Tx, steps: &[Step]) -> Result<()> {
    tx.batch(sql::CLOSED_PATH).await?;
    run(tx, steps.iter().filter(|step| step.approval)).await
}

async fn run(tx: &Tx, steps: impl Iterator<Item = &Step>) -> Result<()> {
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

/// How the rows of each table print, by schema and name.
async fn forms(tx: &Tx) -> Result<BTreeMap<(String, String), String>> {
    let form = shipped_body("printed_form", false).unwrap_or_default();
    let rows = tx.query(&sql::printed_forms(form), &[]).await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

fn steps(table: &Table, asked: &Asked, form: Option<&str>, installed: &Installed) -> Vec<Step> {
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
        let arguments = asked.arguments(&table.primary_key, form);
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
    there
        .iter()
        .any(other)
        .then_some("its record names other columns than its primary key, or prints them otherwise")
}

fn step(table: &Table, why: &str, then: &str, sql: String) -> Step {
    let (why, then) = (why.to_owned(), then.to_owned());
    Step { object: table.label(), why, then, sql, approval: false, blocked: false }
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
