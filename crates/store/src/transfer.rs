//! What is in one database, taken to another, on the same server or another one, by PostgreSQL's
//! own programs.

use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;

use crate::programs::{run, tail};
use crate::{Db, Error, Programs, Result};

/// How long a dump waits for a lock that somebody holds.
const LOCK_WAIT: &str = "--lock-wait-timeout=10s";
/// So much of what a program says about an error is kept, in bytes.
const MAX_WORDS_BYTES: u64 = 64 << 10;

impl Db {
    /// What defines this database, as SQL: everything but rows and large objects. `section` is one
    /// of `pre-data` (before rows are there) and `post-data` (after them), or both without it.
    ///
    /// # Errors
    /// When the program is missing or fails.
    pub async fn definition(&self, programs: &Programs, section: Option<&str>) -> Result<String> {
        let part = section.map_or("--schema-only".to_owned(), |part| format!("--section={part}"));
        let mut dump = programs.client("pg_dump", self.url());
        dump.args([LOCK_WAIT, "--no-blobs", "--no-publications", "--no-subscriptions", &part]);
        let text = run("pg_dump", &mut dump).await?;
        String::from_utf8(text).map_err(|_| Error::Program {
            program: "pg_dump",
            why: "the database's own definition is not UTF-8".to_owned(),
        })
    }

    /// Runs a script of SQL in this database, wholly or not at all.
    ///
    /// # Errors
    /// When a program is missing or a statement fails.
    pub async fn replay(&self, programs: &Programs, script: &str) -> Result<()> {
        let failed = |why: String| Error::Program { program: "psql", why };
        let mut psql = self.psql(programs)?;
        let mut input = psql.stdin.take().ok_or_else(|| failed("it has no input".to_owned()))?;
        let feed = async move {
            // When psql stops early, its own words say why.
            let _ = input.write_all(script.as_bytes()).await;
            drop(input);
        };
        let ((), output) = tokio::join!(feed, psql.wait_with_output());
        let output = output.map_err(|e| failed(e.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(failed(tail(&String::from_utf8_lossy(&output.stderr))))
    }

    /// Copies the rows of this database and where its sequences are into `target`, which has the
    /// same tables; large objects are left out. With `only`, the tables of these names (qualified
    /// and quoted) and no sequence. Nothing is kept in memory or on disk on the way. It is wholly
    /// there afterwards, or not at all.
    ///
    /// # Errors
    /// When a program is missing, one of the servers is lost, or a row is refused.
    pub async fn pour(
        &self,
        programs: &Programs,
        target: &Self,
        only: Option<&[String]>,
    ) -> Result<()> {
        let failed = |program: &'static str, why: String| Error::Program { program, why };
        let mut dump = programs.client("pg_dump", self.url());
        dump.args([LOCK_WAIT, "--section=data", "--no-blobs"]);
        for table in only.unwrap_or_default() {
            dump.arg(format!("--table={table}"));
        }
        dump.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut dump = dump.spawn().map_err(|e| failed("pg_dump", e.to_string()))?;
        let mut psql = target.psql(programs)?;
        let (source, sink) = (dump.stdout.take(), psql.stdin.take());
        let (mut source, mut sink) =
            source.zip(sink).ok_or_else(|| failed("psql", "it has no input".to_owned()))?;
        let flow = async move {
            let copied = tokio::io::copy(&mut source, &mut sink).await;
            drop(source);
            (copied, sink)
        };
        let ((copied, sink), said) = tokio::join!(flow, words(dump.stderr.take()));
        let ended = dump.wait().await.map_err(|e| failed("pg_dump", e.to_string()))?;
        if !ended.success() {
            // The end of its script would be the sign to commit, so it must not see one.
            psql.start_kill().map_err(|e| failed("psql", e.to_string()))?;
        }
        let output = psql.wait_with_output();
        drop(sink);
        let output = output.await.map_err(|e| failed("psql", e.to_string()))?;
        let psql_said = tail(&String::from_utf8_lossy(&output.stderr));
        match (output.status.success(), ended.success()) {
            // When psql stops early, the dump says no more than that nobody listens.
            (false, _) if !psql_said.is_empty() => Err(failed("psql", psql_said)),
            (_, false) => Err(failed("pg_dump", tail(&said))),
            (false, _) => Err(failed("psql", "it was stopped".to_owned())),
            (true, true) => copied.map(drop).map_err(|e| failed("psql", e.to_string())),
        }
    }

    /// A psql that reads a script and runs it in one transaction.
    fn psql(&self, programs: &Programs) -> Result<Child> {
        let mut psql = programs.client("psql", self.url());
        psql.args(["-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        psql.spawn().map_err(|e| Error::Program { program: "psql", why: e.to_string() })
    }
}

async fn words(errors: Option<tokio::process::ChildStderr>) -> String {
    let mut words = Vec::new();
    if let Some(errors) = errors {
        let mut errors = errors.take(MAX_WORDS_BYTES);
        // What could be read says more than why the rest could not.
        let _ = errors.read_to_end(&mut words).await;
        let _ = tokio::io::copy(&mut errors.into_inner(), &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&words).into_owned()
}
