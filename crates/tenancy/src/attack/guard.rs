//! The attack on the guard over tables that are made later: the owner makes one, and takes its
//! policies off, in a transaction that is rolled back.
//!
//! It stops: an event trigger that somebody has switched off, dropped or emptied goes unseen until
//! the first table is made that it should have protected. Where no superuser has installed the guard
//! there is nothing to attack: what is made without policies is named once it is there.

use kernel::Finding;
use store::{Protected, Tx, ident};

use crate::{Result, sql};

/// What findings are about.
pub(crate) const GUARD: &str = "the guard over tables that are made later";
/// SQLSTATE: the guard refuses the command.
const REFUSED: &str = "AMISO";
/// How long another session may hold what it needs.
const PATIENCE: &str = "SET LOCAL lock_timeout = '5s'; SET LOCAL search_path = ''";

/// What came of it.
#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) findings: Vec<Finding>,
    /// Why it cannot be told.
    pub(crate) unsure: Option<String>,
}

/// Whether a superuser has installed it.
pub(crate) async fn is_installed(protected: &Protected) -> Result<bool> {
    let tx = protected.owner.operator().await?;
    let installed = tx.query_one(sql::GUARD_INSTALLED, &[]).await?.get(0);
    tx.rollback().await?;
    Ok(installed)
}

/// Attacks the guard of one database.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn examine(protected: &Protected) -> Result<Watched> {
    let tx = protected.owner.operator().await?;
    tx.batch(PATIENCE).await?;
    let watched = strike(&tx, protected).await;
    tx.rollback().await?;
    watched
}

async fn strike(tx: &Tx, protected: &Protected) -> Result<Watched> {
    let mut watched = Watched::default();
    if !tx.query_one(sql::GUARD_INSTALLED, &[]).await?.get::<_, bool>(0) {
        return Ok(watched);
    }
    let column = &protected.tenant_column;
    // Who may make no table beside the others makes none that would need the guard.
    let Some(specimen) = tx.query_opt(sql::SPECIMEN, &[column]).await? else {
        return Ok(watched);
    };
    let (schema, kind): (String, String) = (specimen.get(0), specimen.get(1));
    let pid: i32 = tx.query_one("SELECT pg_catalog.pg_backend_pid()", &[]).await?.get(0);
    let table = format!("{}.amanah_later_{pid}", ident(&schema));
    // With a primary key: sites have event triggers of their own that refuse tables without one.
    let make = format!("CREATE TABLE {table} ({} {kind} PRIMARY KEY)", ident(column));
    let deeds = [
        (make, "a table that is made later is neither protected nor refused"),
        (
            format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"),
            "the owner can put itself above the policies of a table",
        ),
        (
            format!("DROP POLICY amanah_select ON {table}"),
            "the owner can take the policies of a table off",
        ),
    ];
    for (deed, what) in &deeds {
        match attempt(tx, deed, &table).await? {
            Came::Refused | Came::Protected => {}
            Came::Open => watched.findings.push(finding(what)),
            Came::Unsure(why) => watched.unsure = Some(format!("whether {what}: {why}")),
        }
        // Without a table there is nothing to weaken.
        if !tx.query_one(sql::IS_THERE, &[&table]).await?.get::<_, bool>(0) {
            break;
        }
    }
    Ok(watched)
}

/// What came of one command.
enum Came {
    Refused,
    Protected,
    Open,
    Unsure(String),
}

/// Tries one command; what it leaves open is undone, and what is protected stays.
async fn attempt(tx: &Tx, deed: &str, table: &str) -> Result<Came> {
    tx.batch("SAVEPOINT amanah_later").await?;
    let came = match tx.batch(deed).await {
        Err(error) if error.sqlstate() == Some(REFUSED) => Came::Refused,
        Err(error) => Came::Unsure(error.to_string()),
        Ok(()) if tx.query_one(sql::UNDER_POLICIES, &[&table]).await?.get(0) => {
            tx.batch("RELEASE SAVEPOINT amanah_later").await?;
            return Ok(Came::Protected);
        }
        Ok(()) => Came::Open,
    };
    tx.batch("ROLLBACK TO SAVEPOINT amanah_later; RELEASE SAVEPOINT amanah_later").await?;
    Ok(came)
}

fn finding(what: &str) -> Finding {
    let fix = "run `amanah protect` again with a superuser and apply its plan; where it has no step \
               for it, look for who changed the functions of schema amanah_guard";
    Finding::new(GUARD, what).fix(fix)
}
