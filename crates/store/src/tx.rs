//! The only two ways to run a statement.

use std::ops::Deref;
use std::pin::Pin;

use bytes::Bytes;
use deadpool_postgres::Object;
use futures_util::{SinkExt as _, TryStreamExt as _};
use kernel::Secret;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, RowStream};

use crate::Error;

/// As [`crate::Result`], with an error of the caller's where one is named.
type Result<T, E = Error> = std::result::Result<T, E>;

/// A transaction that is bound to one tenant: row-level security shows it that tenant's rows and
/// no others. Only [`crate::Db::tenant`] makes one.
///
/// Dropping it without [`TenantTx::commit`] throws the connection away, and the server rolls back.
#[derive(Debug)]
pub struct TenantTx(Tx);

/// A transaction that is bound to no tenant: for Amanah's own schemas, for migrations, and for
/// attacks. In a protected database it sees no tenant's rows, since nothing was bound.
#[derive(Debug)]
pub struct OperatorTx(Tx);

/// What both kinds of transaction can do.
#[derive(Debug)]
pub struct Tx {
    // Taken out when the transaction ends.
    client: Option<Object>,
}

/// The rows of a statement as they come. Its transaction runs no other one before the last of them.
pub struct Streamed(Pin<Box<RowStream>>);

impl Streamed {
    /// The next row.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub async fn next(&mut self) -> Result<Option<Row>> {
        self.0.try_next().await.map_err(statement)
    }
}

/// The most bytes of a `COPY` that are kept.
pub const MAX_COPY_BYTES: usize = 1 << 20;

/// Parameters of a statement, bound by the server and never spliced into its text.
pub type Bound<'a> = &'a [&'a (dyn ToSql + Sync)];

impl TenantTx {
    pub(crate) async fn begin(client: Object, binding: &Secret) -> Result<Self> {
        let tx = Tx::begin(client).await?;
        tx.execute("SELECT amanah.bind($1)", &[&binding.expose()]).await?;
        Ok(Self(tx))
    }

    /// Makes the changes last.
    ///
    /// # Errors
    /// When the server refuses; the changes are undone then.
    pub async fn commit(self) -> Result<()> {
        self.0.end("COMMIT").await
    }

    /// Undoes the changes and keeps the connection.
    ///
    /// # Errors
    /// When the connection is gone; the server has undone the changes by itself then.
    pub async fn rollback(self) -> Result<()> {
        self.0.end("ROLLBACK").await
    }
}

impl OperatorTx {
    pub(crate) async fn begin(client: Object) -> Result<Self> {
        Tx::begin(client).await.map(Self)
    }

    /// Makes the changes last.
    ///
    /// # Errors
    /// When the server refuses; the changes are undone then.
    pub async fn commit(self) -> Result<()> {
        self.0.end("COMMIT").await
    }

    /// Undoes the changes and keeps the connection.
    ///
    /// # Errors
    /// When the connection is gone; the server has undone the changes by itself then.
    pub async fn rollback(self) -> Result<()> {
        self.0.end("ROLLBACK").await
    }
}

impl Deref for TenantTx {
    type Target = Tx;
    fn deref(&self) -> &Tx {
        &self.0
    }
}

impl Deref for OperatorTx {
    type Target = Tx;
    fn deref(&self) -> &Tx {
        &self.0
    }
}

impl Tx {
    async fn begin(client: Object) -> Result<Self> {
        client.batch_execute("BEGIN").await.map_err(statement)?;
        Ok(Self { client: Some(client) })
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    /// When the server refuses it; the transaction is then good only for a rollback, unless a
    /// [savepoint](Tx::attempt) was around it.
    pub async fn query(&self, sql: &str, bound: Bound<'_>) -> Result<Vec<Row>> {
        self.client()?.query(sql, bound).await.map_err(statement)
    }

    /// Runs a statement and hands its rows to `take` as they come, one at a time.
    ///
    /// # Errors
    /// As [`Tx::query`], and what `take` says; the transaction is good for a rollback then.
    pub async fn query_each<E: From<Error>>(
        &self,
        sql: &str,
        bound: Bound<'_>,
        take: &mut (dyn FnMut(Row) -> Result<(), E> + Send),
    ) -> Result<(), E> {
        let bound = bound.iter().copied();
        let rows = self.client()?.query_raw(sql, bound).await.map_err(statement)?;
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = rows.try_next().await.map_err(statement)? {
            take(row)?;
        }
        Ok(())
    }

    /// Runs a statement whose rows are asked for one at a time: the server goes on with them no faster
    /// than they are taken, so that they take no more memory than a few of them do.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub async fn stream(&self, sql: &str, bound: Bound<'_>) -> Result<Streamed> {
        let bound = bound.iter().copied();
        let rows = self.client()?.query_raw(sql, bound).await.map_err(statement)?;
        Ok(Streamed(Box::pin(rows)))
    }

    /// Runs a statement that must return exactly one row.
    ///
    /// # Errors
    /// As [`Tx::query`], and when there is no row or more than one.
    pub async fn query_one(&self, sql: &str, bound: Bound<'_>) -> Result<Row> {
        self.client()?.query_one(sql, bound).await.map_err(statement)
    }

    /// Runs a statement that returns at most one row.
    ///
    /// # Errors
    /// As [`Tx::query`], and when there is more than one row.
    pub async fn query_opt(&self, sql: &str, bound: Bound<'_>) -> Result<Option<Row>> {
        self.client()?.query_opt(sql, bound).await.map_err(statement)
    }

    /// Runs a statement and returns how many rows it touched.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub async fn execute(&self, sql: &str, bound: Bound<'_>) -> Result<u64> {
        self.client()?.execute(sql, bound).await.map_err(statement)
    }

    /// Runs several statements that take no parameters: migrations, settings, attacks.
    ///
    /// # Errors
    /// As [`Tx::query`]; none of them lasts then.
    pub async fn batch(&self, sql: &str) -> Result<()> {
        self.client()?.batch_execute(sql).await.map_err(statement)
    }

    /// Runs `COPY … TO STDOUT` and returns what it wrote, at most [`MAX_COPY_BYTES`] of it.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub async fn copy_out(&self, sql: &str) -> Result<Vec<u8>> {
        let stream = self.client()?.copy_out(sql).await.map_err(statement)?;
        let mut stream = std::pin::pin!(stream);
        let mut bytes = Vec::new();
        while let Some(piece) = stream.try_next().await.map_err(statement)? {
            if bytes.len() < MAX_COPY_BYTES {
                bytes.extend_from_slice(&piece);
            }
        }
        bytes.truncate(MAX_COPY_BYTES);
        Ok(bytes)
    }

    /// Runs `COPY … TO STDOUT` of any length and hands it to `take` as it comes: a row at a time.
    ///
    /// # Errors
    /// As [`Tx::query`], and what `take` says.
    pub async fn copy_each<E: From<Error>>(
        &self,
        sql: &str,
        take: &mut (dyn FnMut(&[u8]) -> Result<(), E> + Send),
    ) -> Result<(), E> {
        let stream = self.client()?.copy_out(sql).await.map_err(statement)?;
        let mut stream = std::pin::pin!(stream);
        while let Some(piece) = stream.try_next().await.map_err(statement)? {
            take(&piece)?;
        }
        Ok(())
    }

    /// Runs `COPY … FROM STDIN` with the pieces that `next` gives, until it gives none. Returns how
    /// many rows the server took.
    ///
    /// # Errors
    /// As [`Tx::query`], and what `next` says; the server takes nothing then.
    pub async fn copy_from<E: From<Error>>(
        &self,
        sql: &str,
        next: &mut (dyn FnMut() -> Result<Option<Vec<u8>>, E> + Send),
    ) -> Result<u64, E> {
        let sink = self.client()?.copy_in(sql).await.map_err(statement)?;
        let mut sink = std::pin::pin!(sink);
        while let Some(piece) = next()? {
            sink.feed(Bytes::from(piece)).await.map_err(statement)?;
        }
        Ok(sink.finish().await.map_err(statement)?)
    }

    /// Runs one statement inside a savepoint that is always rolled back: what an attack changed is
    /// undone, and a refusal leaves the transaction usable. Returns the rows, or the refusal.
    ///
    /// # Errors
    /// The outer result is an error only when the connection itself is lost.
    pub async fn attempt(&self, sql: &str, bound: Bound<'_>) -> Result<Result<Vec<Row>>> {
        self.batch("SAVEPOINT amanah_attempt").await?;
        let answer = self.query(sql, bound).await;
        self.batch("ROLLBACK TO SAVEPOINT amanah_attempt; RELEASE SAVEPOINT amanah_attempt")
            .await?;
        Ok(answer)
    }

    async fn end(mut self, word: &'static str) -> Result<()> {
        let outcome = self.client()?.batch_execute(word).await.map_err(statement);
        if outcome.is_ok() {
            // Back into the pool, clean.
            drop(self.client.take());
        }
        outcome
    }

    fn client(&self) -> Result<&Object> {
        // `end` consumes the transaction, so nobody can reach it without its client.
        self.client.as_ref().ok_or(Error::Ended)
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        // Still inside a transaction: never back into the pool. The server rolls back when the
        // connection closes.
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}

pub(crate) fn statement(error: tokio_postgres::Error) -> Error {
    let shown = match error.as_db_error() {
        Some(db) if db.code() == &SqlState::DISK_FULL => {
            format!(
                "its disk is full ({}). Make room and try again; nothing was changed",
                db.message()
            )
        }
        Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
        None => error.to_string(),
    };
    Error::Statement(Box::new(error), shown)
}
