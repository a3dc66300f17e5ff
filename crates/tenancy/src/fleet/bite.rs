//! Violations that are seeded on a scratch pair of tenants one at a time, so that the battery shows
//! that it would find them.

use kernel::Finding;
use store::{Db, ident};

use super::attack::{self, Target};
use super::{Place, Settings};
use crate::Result;

/// The name that the attacked of the scratch pair goes by.
const NAMED: &str = "amanah-scratch-tenant";

/// One violation.
struct Violation {
    /// What it is, for the one who reads which was missed.
    name: &'static str,
    seed: String,
    undo: String,
    /// Whether it is seeded in the attacker's database; else it is the server's.
    inside: bool,
    /// Words of the finding that the battery must come to.
    told: &'static str,
}

/// What came of them.
#[derive(Debug, Default)]
pub(crate) struct Bites {
    /// How many were seeded.
    pub(crate) seeded: usize,
    /// One finding for each that was found.
    pub(crate) found: Vec<Finding>,
    /// Names of those that were not, with the reason.
    pub(crate) missed: Vec<String>,
}

/// Makes a scratch pair from `template`, seeds every violation there and runs the battery on each.
///
/// # Errors
/// When the pair cannot be made or removed.
pub(crate) async fn run(settings: &Settings, template: &Place) -> Result<Bites> {
    let (attacker, victim) = (Place::scratch(settings)?, Place::scratch(settings)?);
    let bites = async {
        attacker.provision(settings, template).await?;
        victim.provision(settings, template).await?;
        seed_all(settings, &attacker, &victim).await
    };
    let bites = bites.await;
    let gone = [attacker.demolish(settings).await, victim.demolish(settings).await];
    let bites = bites?;
    gone.into_iter().collect::<Result<()>>()?;
    Ok(bites)
}

async fn seed_all(settings: &Settings, attacker: &Place, victim: &Place) -> Result<Bites> {
    let target = Target {
        pair: (attacker, victim),
        victim_id: NAMED,
        prefixes: vec![attacker.name().to_owned(), victim.name().to_owned()],
        places: vec![attacker.clone(), victim.clone()],
    };
    let mut bites = Bites::default();
    let about = |finding: &Finding| {
        let own = [attacker.name(), victim.name(), attack::SESSIONS];
        own.iter().any(|name| finding.object.starts_with(name))
    };
    // The pair as it is must be sound, or a finding says nothing about what was seeded.
    let before = attack::run(settings, &target).await?;
    if let Some(finding) = before.findings.iter().find(|finding| about(finding)) {
        bites.missed.push(format!("the scratch pair is not sound as it is: {finding}"));
        return Ok(bites);
    }
    let inside = match &settings.superuser {
        Some(superuser) => Some(Db::lazy(&superuser.url().database(attacker.name()), 1)?),
        None => None,
    };
    for violation in violations(settings, attacker, victim) {
        let server = settings.superuser.as_ref().unwrap_or(&settings.maker);
        let login = if violation.inside { inside.as_ref().unwrap_or(server) } else { server };
        bites.seeded += 1;
        if let Err(error) = all(login, &violation.seed).await {
            bites.missed.push(format!("{} (it could not be seeded: {error})", violation.name));
            continue;
        }
        let report = attack::run(settings, &target).await;
        all(login, &violation.undo).await?;
        let mut found = report?.findings.into_iter().filter(|finding| about(finding));
        match found.find(|finding| finding.what.contains(violation.told)) {
            Some(finding) => bites.found.push(finding),
            None => bites.missed.push(violation.name.to_owned()),
        }
    }
    if let Some(inside) = inside {
        inside.close();
    }
    Ok(bites)
}

/// What only a superuser can do wrong is seeded where there is one.
fn violations(settings: &Settings, attacker: &Place, victim: &Place) -> Vec<Violation> {
    let (a, b) = (ident(attacker.name()), ident(victim.name()));
    let connect = |name, role: &str| Violation {
        name,
        seed: format!("GRANT CONNECT ON DATABASE {b} TO {role}"),
        undo: format!("REVOKE CONNECT ON DATABASE {b} FROM {role}"),
        inside: false,
        told: "(connect",
    };
    let mut all = vec![
        connect("a database that everybody may connect to", "PUBLIC"),
        connect("a database that lets another tenant in", &a),
        granted(&a, "a role that belongs to another tenant", &b, "(set-role"),
        attribute(&a, "a role that may make roles", "CREATEROLE", "(create-role"),
        attribute(&a, "a role that may make databases", "CREATEDB", "may make databases"),
    ];
    if settings.superuser.is_some() {
        all.extend(by_superuser(&a, &b));
    }
    all
}

/// What only a superuser can do wrong.
fn by_superuser(a: &str, b: &str) -> Vec<Violation> {
    vec![
        granted(a, "the right to see statements", "pg_read_all_stats", "(see-statements"),
        granted(a, "the right to end sessions", "pg_signal_backend", "(end-session"),
        granted(a, "the right to look into folders", "pg_monitor", "(read-file"),
        // It takes a table to read into, and the attacker may have none.
        granted(a, "the right to read files", "pg_read_server_files", "of pg_read_server_files"),
        granted(a, "the right to write files", "pg_write_server_files", "(write-file"),
        granted(a, "the right to run programs", "pg_execute_server_program", "(run-program"),
        attribute(a, "a role that may replicate", "REPLICATION", "(replicate"),
        attribute(a, "a superuser", "SUPERUSER", "(read-passwords"),
        extension("functions that connect elsewhere", "dblink", "the extension dblink"),
        Violation {
            name: "a foreign server",
            seed: format!(
                "CREATE EXTENSION postgres_fdw SCHEMA public; \
                 CREATE SERVER amanah FOREIGN DATA WRAPPER postgres_fdw; \
                 GRANT USAGE ON FOREIGN SERVER amanah TO {a}"
            ),
            undo: "DROP EXTENSION postgres_fdw CASCADE".to_owned(),
            inside: true,
            told: "the foreign server amanah",
        },
        Violation {
            name: "a tenant's name in a comment",
            seed: format!("COMMENT ON DATABASE {b} IS 'belongs to {NAMED}'"),
            undo: format!("COMMENT ON DATABASE {b} IS NULL"),
            inside: false,
            told: "(names",
        },
    ]
}

fn granted(to: &str, name: &'static str, role: &str, told: &'static str) -> Violation {
    Violation {
        name,
        seed: format!("GRANT {role} TO {to}"),
        undo: format!("REVOKE {role} FROM {to}"),
        inside: false,
        told,
    }
}

fn attribute(of: &str, name: &'static str, word: &str, told: &'static str) -> Violation {
    Violation {
        name,
        seed: format!("ALTER ROLE {of} {word}"),
        undo: format!("ALTER ROLE {of} NO{word}"),
        inside: false,
        told,
    }
}

fn extension(name: &'static str, what: &str, told: &'static str) -> Violation {
    Violation {
        name,
        // A superuser's session looks names up in the catalogue alone, and would make it there.
        seed: format!("CREATE EXTENSION {what} SCHEMA public"),
        undo: format!("DROP EXTENSION {what}"),
        inside: true,
        told,
    }
}

async fn all(db: &Db, sql: &str) -> Result<()> {
    let tx = db.operator().await?;
    tx.batch(sql).await?;
    Ok(tx.commit().await?)
}
