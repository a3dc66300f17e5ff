//! The structure of a database, taken over into an empty one by the login that is to own it there.
//!
//! A definition is code: the bound of a partition is read by a type whose check is a function of
//! whoever owns it, and so is the first value of an aggregate. So nothing of a dump is run by
//! anybody but that owner. What it may not make, it does not get: event triggers are left out, and
//! extensions are made beforehand, by name, while nothing else is there and nobody else is let in.

use std::collections::HashSet;
use std::io::Write as _;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::programs::{run, tail};
use crate::{Db, Error, Programs, Result, ident, sql};

/// Begins the lines in which `pg_restore` says what it could not make.
const AT_ENTRY: &str = "from TOC entry ";
/// How many lines of an error are passed on: the entry, and what is wrong with it.
const ENTRY_LINES: usize = 2;
/// The catalogues of what is looked up by its number in a list of contents.
const SCHEMA: &str = "2615";
const FUNCTION: &str = "1255";
/// Kinds that are made by superusers alone, or separately.
const LEFT_OUT: [&str; 4] =
    ["EXTENSION ", "COMMENT - EXTENSION ", "EVENT TRIGGER ", "COMMENT - EVENT TRIGGER "];

/// A dump and what of it is taken over.
pub(crate) struct Structure {
    archive: Vec<u8>,
    extensions: Vec<Extension>,
    /// The entries that are run, in their order.
    chosen: Vec<u64>,
    /// Those of them that belong to the owner, without which the copy is none.
    needed: HashSet<u64>,
}

struct Extension {
    name: String,
    schema: String,
    /// Whether the schema has to be made first.
    makes_schema: bool,
    /// Whether others have put something there beside extensions.
    shared: bool,
}

impl Structure {
    /// Reads the structure of `source`, to be made again by `owner`. Schema `amanah_guard` is left
    /// out, because a superuser keeps it, and so is `without`.
    ///
    /// # Errors
    /// When a program is missing or fails, or the catalogue cannot be read.
    pub(crate) async fn read(
        source: &Db,
        programs: &Programs,
        owner: &str,
        without: Option<&str>,
    ) -> Result<Self> {
        let mut dump = programs.client("pg_dump", source.url());
        dump.args(["--format=custom", "--compress=0", "--schema-only", "--no-publications"]);
        dump.args(["--no-subscriptions", "--no-security-labels", "--exclude-schema=amanah_guard"]);
        dump.args(without.map(|schema| format!("--exclude-schema={}", ident(schema))));
        let archive = run("pg_dump", &mut dump).await?;
        let mut list = programs.client("pg_restore", source.url());
        let list = fed(list.arg("--list"), &archive).await?;
        if !list.success {
            return Err(Error::Program { program: "pg_restore", why: tail(&list.words) });
        }
        let tx = source.operator().await?;
        let (mut extensions, mut skipped) = (Vec::new(), HashSet::new());
        for row in tx.query(sql::EXTENSIONS, &[]).await? {
            let extension = Extension {
                name: row.get(0),
                schema: row.get(1),
                makes_schema: row.get(2),
                shared: row.get(4),
            };
            if extension.makes_schema {
                skipped.insert((SCHEMA.to_owned(), row.get(3)));
            }
            extensions.push(extension);
        }
        for row in tx.query(sql::EVENT_FUNCTIONS, &[&owner]).await? {
            skipped.insert((FUNCTION.to_owned(), row.get(0)));
        }
        let roles: Vec<String> =
            tx.query(sql::ROLES_OF, &[&owner]).await?.iter().map(|row| row.get(0)).collect();
        tx.rollback().await?;
        let mut structure =
            Self { archive, extensions, chosen: Vec::new(), needed: HashSet::new() };
        structure.choose(&list.output, &skipped, &roles);
        Ok(structure)
    }

    /// Chooses among the lines of a list of contents: number; catalogue, number there, kind, schema,
    /// name, owner.
    fn choose(&mut self, list: &str, skipped: &HashSet<(String, String)>, roles: &[String]) {
        let one_line = |name: &String| format!(" {}", name.replace(['\n', '\r'], " "));
        let ends: Vec<String> = roles.iter().map(one_line).collect();
        // Who does not own a schema may not comment on it.
        let made = self.extensions.iter().filter(|extension| extension.makes_schema);
        let comments: Vec<String> =
            made.map(|e| format!("COMMENT - SCHEMA{} ", one_line(&e.schema))).collect();
        for line in list.lines() {
            let Some((Ok(entry), rest)) =
                line.split_once("; ").map(|(number, rest)| (number.parse::<u64>(), rest))
            else {
                continue;
            };
            let mut parts = rest.splitn(3, ' ');
            let (Some(catalogue), Some(number), Some(what)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            if LEFT_OUT.iter().any(|kind| what.starts_with(kind))
                || comments.iter().any(|comment| what.starts_with(comment))
                || skipped.contains(&(catalogue.to_owned(), number.to_owned()))
            {
                continue;
            }
            self.chosen.push(entry);
            if ends.iter().any(|end| what.ends_with(end.as_str())) {
                self.needed.insert(entry);
            }
        }
    }

    /// Makes the extensions in `db`, which must be empty, and lets `owner` use their schemas. Whoever
    /// owned those could put something beside functions that are a superuser's.
    ///
    /// # Errors
    /// When the server has not got one of them, or this login may not make it.
    pub(crate) async fn extend(&self, db: &Db, owner: &str) -> Result<()> {
        let tx = db.operator().await?;
        let (schemas, owner) = (|e: &Extension| ident(&e.schema), ident(owner));
        for extension in &self.extensions {
            let (name, schema) = (ident(&extension.name), schemas(extension));
            if extension.makes_schema {
                tx.batch(&format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await?;
            }
            tx.batch(&format!("CREATE EXTENSION IF NOT EXISTS {name} SCHEMA {schema}")).await?;
        }
        for extension in self.extensions.iter().filter(|e| e.makes_schema) {
            let schema = schemas(extension);
            let rights = if extension.shared { "USAGE, CREATE" } else { "USAGE" };
            // What it had granted, it grants again.
            let grant = format!("GRANT {rights} ON SCHEMA {schema} TO {owner} WITH GRANT OPTION");
            tx.batch(&grant).await?;
        }
        tx.commit().await
    }

    /// Makes everything else in the database of `owner`, as that login. All of it belongs to it
    /// then. What belonged to others, and this login may not make, is left out.
    ///
    /// # Errors
    /// When the program is missing or something that belongs to the owner cannot be made.
    pub(crate) async fn make(&self, programs: &Programs, owner: &Db) -> Result<()> {
        let failed = |why: String| Error::Program { program: "pg_restore", why };
        let mut list = tempfile::NamedTempFile::new().map_err(|e| failed(e.to_string()))?;
        for entry in &self.chosen {
            writeln!(list, "{entry};").map_err(|e| failed(e.to_string()))?;
        }
        let mut restore = programs.client("pg_restore", owner.url());
        // It names the entry that failed only when it names all.
        restore.args(["--verbose", "--no-owner", "--no-tablespaces", "--use-list"]);
        restore.arg(list.path());
        restore.arg(format!("--dbname={}", owner.url().database));
        let said = fed(&mut restore, &self.archive).await?;
        if said.success {
            return Ok(());
        }
        let entries = || said.words.split(AT_ENTRY).skip(1);
        let number = |entry: &str| entry.split(';').next().and_then(|number| number.parse().ok());
        let needed = |entry: &&str| number(entry).is_none_or(|n| self.needed.contains(&n));
        match entries().find(needed) {
            None if entries().next().is_some() => Ok(()),
            None => Err(failed(tail(&said.words))),
            Some(entry) => {
                let lines: Vec<&str> = entry.lines().take(ENTRY_LINES).collect();
                Err(failed(tail(&lines.join("\n"))))
            }
        }
    }
}

/// What a program came to.
struct Said {
    success: bool,
    output: String,
    words: String,
}

/// Runs a `pg_restore` that reads `archive`.
async fn fed(restore: &mut Command, archive: &[u8]) -> Result<Said> {
    let failed = |why: String| Error::Program { program: "pg_restore", why };
    // What it says is read below, so it is to say it in English.
    let restore = restore.env("LC_ALL", "C").stdin(Stdio::piped());
    let mut child = restore
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(e.to_string()))?;
    let mut input = child.stdin.take().ok_or_else(|| failed("it has no input".to_owned()))?;
    let feed = async move {
        // When it stops early, its own words say why.
        let _ = input.write_all(archive).await;
        drop(input);
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    let output = output.map_err(|e| failed(e.to_string()))?;
    Ok(Said {
        success: output.status.success(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        words: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
