//! A whole database as text, for the proofs that look for what must not be in it.

use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::programs::tail;
use crate::{Db, Error, Programs, Result};

/// So much of the dump is in memory at once, in bytes.
const PIECE_BYTES: usize = 256 << 10;
/// So much of what the program says about an error is kept, in bytes.
const MAX_WORDS_BYTES: u64 = 64 << 10;

impl Db {
    /// Dumps this database whole, structure and rows, and hands it piece by piece to `take`. The
    /// pieces are SQL text; binary values stand in it as hexadecimal. Returns its length in bytes.
    ///
    /// # Errors
    /// When the program is missing or fails, for want of a right to read a table, say. What was
    /// handed over until then is not the whole of it.
    pub async fn dump(
        &self,
        programs: &Programs,
        take: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<u64> {
        self.dumped(programs, &[], take).await
    }

    /// Writes down the structure of this database as it is in the exported `snapshot`, as SQL
    /// without owners and grants, and hands it over likewise. Our own schema is left out.
    ///
    /// # Errors
    /// As [`Db::dump`].
    pub async fn dump_structure(
        &self,
        programs: &Programs,
        snapshot: &str,
        take: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<u64> {
        let snapshot = format!("--snapshot={snapshot}");
        let structure =
            ["--schema-only", "--no-owner", "--no-privileges", "--exclude-schema=amanah"];
        let arguments: Vec<&str> = structure.into_iter().chain([snapshot.as_str()]).collect();
        self.dumped(programs, &arguments, take).await
    }

    /// Writes down the structure of some tables likewise, by their quoted names with their schemas:
    /// columns, keys, indexes, triggers and policies, and no rows.
    ///
    /// # Errors
    /// As [`Db::dump`], and when there are no such tables.
    pub async fn dump_tables(
        &self,
        programs: &Programs,
        snapshot: &str,
        tables: &[String],
        take: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<u64> {
        let structure = ["--schema-only", "--no-owner", "--no-privileges", "--strict-names"];
        let tables = tables.iter().map(|table| format!("--table={table}"));
        let named: Vec<String> =
            std::iter::once(format!("--snapshot={snapshot}")).chain(tables).collect();
        let named = named.iter().map(String::as_str);
        let arguments: Vec<&str> = structure.into_iter().chain(named).collect();
        self.dumped(programs, &arguments, take).await
    }

    async fn dumped(
        &self,
        programs: &Programs,
        arguments: &[&str],
        take: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<u64> {
        let failed = |why: String| Error::Program { program: "pg_dump", why };
        let mut child = programs
            .client("pg_dump", self.url())
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| failed(e.to_string()))?;
        let missing = || failed("it has no output".to_owned());
        let mut output = child.stdout.take().ok_or_else(missing)?;
        let errors = child.stderr.take().ok_or_else(missing)?;
        // Both at once: a program that waits to be heard on one would never end the other.
        let (read, words) = tokio::join!(pass_on(&mut output, take), words(errors));
        let status = child.wait().await.map_err(|e| failed(e.to_string()))?;
        if !status.success() {
            return Err(failed(tail(&words)));
        }
        read.map_err(|e| failed(e.to_string()))
    }
}

async fn pass_on(
    output: &mut (impl AsyncRead + Unpin),
    take: &mut (dyn FnMut(&[u8]) + Send),
) -> std::io::Result<u64> {
    let (mut piece, mut total) = (vec![0; PIECE_BYTES], 0);
    loop {
        let length = output.read(&mut piece).await?;
        if length == 0 {
            return Ok(total);
        }
        total += length as u64;
        take(piece.get(..length).unwrap_or_default());
    }
}

async fn words(errors: impl AsyncRead + Unpin) -> String {
    let mut words = Vec::new();
    let mut errors = errors.take(MAX_WORDS_BYTES);
    // What could be read says more than why the rest could not.
    let _ = errors.read_to_end(&mut words).await;
    let mut rest = errors.into_inner();
    let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&words).into_owned()
}
