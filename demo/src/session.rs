//! From a request to a transaction that belongs to one tenant: the integration itself.
//!
//! A handler asks for a [`Session`], begins its one [`BoundTx`] and can reach the database in
//! no other way, so a statement outside a bound transaction cannot be written by mistake.
//!
//! The token is given to the database as it came: the application does not read it, cannot
//! make one, and keeps none. If it were missing from a transaction, that transaction would see
//! no rows; if it is forged or expired, `amanah.bind` raises an error and the user signs in.

use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Transaction,
};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, NoTls, Row};

use crate::problem::Problem;
use crate::sql;

/// The header that carries the token. The gateway drops any copy a browser sends.
const BINDING: &str = "amanah-binding";
/// The header that says which request this is. The gateway makes one for each.
const REQUEST: &str = "x-request-id";
/// Connections to the database.
const POOL_SIZE: usize = 8;
/// How long a request waits for a connection, and to make a new one.
const POOL_WAIT: Duration = Duration::from_secs(5);
/// Ends a statement, and a transaction that was left open, in milliseconds.
const SERVER_LIMITS: &str =
    "-c statement_timeout=5000 -c idle_in_transaction_session_timeout=10000";

type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A request of a signed-in user. It takes a connection when its transaction begins, after the
/// request was read: a visitor or a slow sender cannot use up the pool.
pub(crate) struct Session {
    token: String,
    request: String,
    pool: Pool,
    connection: Option<Object>,
}

impl<S: Send + Sync> FromRequestParts<S> for Session
where
    Pool: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let token = parts.headers.get(BINDING).and_then(|value| value.to_str().ok());
        let token = token.ok_or(Problem::NotSignedIn)?.to_owned();
        let request = parts.headers.get(REQUEST).and_then(|value| value.to_str().ok());
        let request = request.unwrap_or_default().to_owned();
        Ok(Self { token, request, pool: Pool::from_ref(state), connection: None })
    }
}

impl Session {
    /// `BEGIN; SELECT amanah.bind($1)`. The token is a parameter, never part of the text: what
    /// is in the text can be changed by its neighbours, and ends up in logs. The request's id goes with it,
    /// so that the trail says which request changed what.
    pub(crate) async fn begin(&mut self) -> Result<BoundTx<'_>, Problem> {
        let connection = self.connection.insert(self.pool.get().await?);
        let tx = BoundTx(connection.transaction().await?);
        tx.execute(sql::BIND, &[&self.token, &self.request]).await?;
        Ok(tx)
    }
}

/// A transaction bound to the tenant and the person of one request. Dropped without
/// [`BoundTx::commit`], by an error or a broken connection, it is rolled back; either end also
/// ends the binding, so the next user of the connection inherits nothing.
pub(crate) struct BoundTx<'a>(Transaction<'a>);

impl BoundTx<'_> {
    /// Who is asking, and for which company: the head of every page.
    pub(crate) async fn viewer(&self) -> Result<Viewer, Problem> {
        let row = self.one(sql::VIEWER, &[]).await?;
        Ok(Viewer {
            company: row.try_get("company")?,
            currency: row.try_get("currency")?,
            actor: row.try_get("actor")?,
            pending: row.try_get("pending")?,
        })
    }

    /// All rows of a statement.
    pub(crate) async fn all(&self, text: &str, values: Values<'_>) -> Result<Vec<Row>, Problem> {
        let statement = self.0.prepare_cached(text).await?;
        Ok(self.0.query(&statement, values).await?)
    }

    /// The one row of a statement; [`Problem::NotFound`] when there is none, or when it belongs
    /// to another tenant: the two cannot be told apart from here, and must not be.
    pub(crate) async fn one(&self, text: &str, values: Values<'_>) -> Result<Row, Problem> {
        let statement = self.0.prepare_cached(text).await?;
        self.0.query_opt(&statement, values).await?.ok_or(Problem::NotFound)
    }

    /// Runs a change and gives the number of rows it touched.
    pub(crate) async fn execute(&self, text: &str, values: Values<'_>) -> Result<u64, Problem> {
        let statement = self.0.prepare_cached(text).await?;
        Ok(self.0.execute(&statement, values).await?)
    }

    /// Keeps what was done. The binding ends here.
    pub(crate) async fn commit(self) -> Result<(), Problem> {
        Ok(self.0.commit().await?)
    }
}

/// The signed-in person as the pages show them.
pub(crate) struct Viewer {
    pub(crate) company: String,
    pub(crate) currency: String,
    pub(crate) actor: String,
    pub(crate) pending: i64,
}

/// The pool for a connection string. It connects when first needed: the program starts
/// without a database, says so on each page, and recovers by itself.
pub(crate) fn pool(url: &str) -> Result<Pool, String> {
    // The reason would repeat parts of the URL, and a password must not reach a log.
    let mut config: Config =
        url.parse().map_err(|_| "DATABASE_URL is not a PostgreSQL connection string.")?;
    config.application_name("prices and margins").options(SERVER_LIMITS);
    let recycling_method = RecyclingMethod::Fast;
    let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method });
    Pool::builder(manager)
        .max_size(POOL_SIZE)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(POOL_WAIT))
        .create_timeout(Some(POOL_WAIT))
        .build()
        .map_err(|reason| format!("Cannot make the connection pool: {reason}."))
}
