//! Violations that are seeded on a scratch pair of tenants one at a time, so that the battery shows
//! that it would find them.

use kernel::Finding;
use store::{Db, ident};

use super::attack::{self, Target};
use super::{Cell, Place};
use crate::Result;
use crate::bite::Bites;

/// The name that the attacked of the scratch pair goes by.
const NAMED: &str = "amanah-scratch-tenant";

/// A setting has one row for all roles of the server, and two who change it at one time fail.
const ONE_AT_A_TIME: &str = "LOCK TABLE pg_catalog.pg_parameter_acl IN SHARE ROW EXCLUSIVE MODE";

/// One violation.
struct Violation {
    /// What it is, for the one who reads which was missed.
    name: &'static str,
    seed: String,
    undo: String,
    place: Where,
    /// Words of the finding that the battery must come to.
    told: &'static str,
}

/// Where a violation is seeded.
#[derive(Clone, Copy)]
enum Where {
    Server,
    /// On a role that is not the pair's own, so that every battery on the server would find it, and
    /// two bites would undo each other's.
    Shared,
    Attacker,
    /// Nothing attacks from there, so that it must be seen in every tenant's database.
    Victim,
}

/// Makes a scratch pair from `template`, seeds every violation there and runs the battery on each.
///
/// # Errors
/// When the pair cannot be made.
pub(crate) async fn run(cell: &Cell, template: &Place) -> Result<Bites> {
    let (attacker, victim) = (Place::scratch(cell)?, Place::scratch(cell)?);
    let bites = async {
        attacker.provision(cell, template).await?;
        victim.provision(cell, template).await?;
        seed_all(cell, &attacker, &victim).await
    };
    let bites = bites.await;
    let gone = [attacker.demolish(cell).await, victim.demolish(cell).await];
    // Removed whatever came of it. What was found stays true when that fails.
    let mut bites = bites?;
    let left = gone.into_iter().find_map(Result::err);
    bites.left = left.map(|error| format!("the scratch pair was left behind: {error}"));
    Ok(bites)
}

async fn seed_all(cell: &Cell, attacker: &Place, victim: &Place) -> Result<Bites> {
    let target = Target {
        pair: (attacker, victim),
        names: vec![NAMED.to_owned()],
        prefixes: vec![attacker.name().to_owned(), victim.name().to_owned()],
        places: vec![attacker.clone(), victim.clone()],
        abroad: Vec::new(),
    };
    let mut bites = Bites::default();
    let about = |finding: &Finding| {
        let own = [attacker.name(), victim.name(), attack::SESSIONS, &*cell.owner.user];
        own.iter().any(|name| finding.object.starts_with(name))
    };
    // The pair as it is must be sound, or a finding says nothing about what was seeded.
    let before = attack::beside_others(cell, &target).await?;
    if let Some(finding) = before.findings.iter().find(|finding| about(finding)) {
        bites.missed.push(format!("the scratch pair is not sound as it is: {finding}"));
        return Ok(bites);
    }
    let server = cell.superuser.as_ref().unwrap_or(&cell.maker);
    let inside = |place: &Place| Db::lazy(&server.url().database(place.name()), 1);
    let (in_attacker, in_victim) = (inside(attacker)?, inside(victim)?);
    for violation in violations(cell, attacker, victim) {
        let login = match violation.place {
            Where::Server | Where::Shared => server,
            Where::Attacker => &in_attacker,
            Where::Victim => &in_victim,
        };
        bites.seeded += 1;
        let alone = match violation.place {
            Where::Shared => Some(attack::alone(cell).await?),
            _ => None,
        };
        if let Err(error) = all(login, &violation.seed).await {
            bites.missed.push(format!("{} (it could not be seeded: {error})", violation.name));
            continue;
        }
        let report = match &alone {
            Some(_) => attack::run(cell, &target).await,
            None => attack::beside_others(cell, &target).await,
        };
        all(login, &violation.undo).await?;
        if let Some(turn) = alone {
            turn.rollback().await?;
        }
        let mut found = report?.findings.into_iter().filter(|finding| about(finding));
        match found.find(|finding| finding.what.contains(violation.told)) {
            Some(finding) => bites.found.push(finding),
            None => bites.missed.push(violation.name.to_owned()),
        }
    }
    in_attacker.close();
    in_victim.close();
    Ok(bites)
}

/// What only a superuser can do wrong is seeded where there is one.
fn violations(cell: &Cell, attacker: &Place, victim: &Place) -> Vec<Violation> {
    let (a, b) = (ident(attacker.name()), ident(victim.name()));
    let connect = |name, role: &str| Violation {
        name,
        seed: format!("GRANT CONNECT ON DATABASE {b} TO {role}"),
        undo: format!("REVOKE CONNECT ON DATABASE {b} FROM {role}"),
        place: Where::Server,
        told: "(connect",
    };
    let mut all = vec![
        connect("a database that everybody may connect to", "PUBLIC"),
        connect("a database that lets another tenant in", &a),
        granted(&a, "a role that belongs to another tenant", &b, "(set-role"),
        attribute(&a, "a role that may make roles", "CREATEROLE", "(create-role"),
        attribute(&a, "a role that may make databases", "CREATEDB", "may make databases"),
    ];
    if cell.superuser.is_some() {
        all.extend(by_superuser(&a, &b));
        all.extend(unattacked(&b));
        let owner = ident(&cell.owner.user);
        all.push(Violation {
            name: "somebody else with the rights of the tenants' owner",
            seed: format!("GRANT {owner} TO pg_checkpoint"),
            undo: format!("REVOKE {owner} FROM pg_checkpoint"),
            place: Where::Shared,
            told: "pg_checkpoint is a member of it, and so connects",
        });
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
            place: Where::Attacker,
            told: "the foreign server amanah",
        },
        Violation {
            name: "a tenant's name in a comment",
            seed: format!("COMMENT ON DATABASE {b} IS 'belongs to {NAMED}'"),
            undo: format!("COMMENT ON DATABASE {b} IS NULL"),
            place: Where::Server,
            told: "(names",
        },
    ]
}

/// What nothing attacks, and must be seen all the same: in the database of another tenant, or in
/// what the catalogue says of it.
fn unattacked(b: &str) -> Vec<Violation> {
    let one =
        |name, place, told, seed: String, undo: String| Violation { name, seed, undo, place, told };
    let granted = |name, place, told, what: &str, to: &str| {
        let (seed, undo) = (format!("GRANT {what} TO {to}"), format!("REVOKE {what} FROM {to}"));
        one(name, place, told, seed, undo)
    };
    vec![
        granted(
            "a function of the server given to another tenant",
            Where::Victim,
            "pg_read_file(text), which the server keeps",
            "EXECUTE ON FUNCTION pg_catalog.pg_read_file(text)",
            b,
        ),
        granted(
            "a table of the server given to another tenant",
            Where::Victim,
            "pg_authid, which the server keeps",
            "SELECT (rolname) ON pg_catalog.pg_authid",
            b,
        ),
        one(
            "a setting of the server given to another tenant",
            Where::Server,
            "the server's setting session_preload_libraries",
            format!("{ONE_AT_A_TIME}; GRANT SET ON PARAMETER session_preload_libraries TO {b}"),
            format!("{ONE_AT_A_TIME}; REVOKE SET ON PARAMETER session_preload_libraries FROM {b}"),
        ),
        granted(
            "somebody else let in",
            Where::Server,
            "pg_checkpoint has rights on it",
            &format!("CONNECT ON DATABASE {b}"),
            "pg_checkpoint",
        ),
        granted(
            "somebody else in a tenant's role",
            Where::Server,
            "pg_checkpoint is a member of it",
            b,
            "pg_checkpoint",
        ),
        one(
            "a function with another's rights",
            Where::Victim,
            "which runs with the rights of",
            "CREATE FUNCTION public.amanah_probe() RETURNS text LANGUAGE sql SECURITY DEFINER \
             AS 'SELECT NULL'"
                .to_owned(),
            "DROP FUNCTION public.amanah_probe()".to_owned(),
        ),
    ]
}

fn granted(to: &str, name: &'static str, role: &str, told: &'static str) -> Violation {
    Violation {
        name,
        seed: format!("GRANT {role} TO {to}"),
        undo: format!("REVOKE {role} FROM {to}"),
        place: Where::Server,
        told,
    }
}

fn attribute(of: &str, name: &'static str, word: &str, told: &'static str) -> Violation {
    Violation {
        name,
        seed: format!("ALTER ROLE {of} {word}"),
        undo: format!("ALTER ROLE {of} NO{word}"),
        place: Where::Server,
        told,
    }
}

fn extension(name: &'static str, what: &str, told: &'static str) -> Violation {
    Violation {
        name,
        // A superuser's session looks names up in the catalogue alone, and would make it there.
        seed: format!("CREATE EXTENSION {what} SCHEMA public"),
        undo: format!("DROP EXTENSION {what}"),
        place: Where::Attacker,
        told,
    }
}

async fn all(db: &Db, sql: &str) -> Result<()> {
    let tx = db.operator().await?;
    tx.batch(sql).await?;
    Ok(tx.commit().await?)
}
