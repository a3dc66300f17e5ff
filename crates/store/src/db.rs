//! A pool of connections to one database under one login.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use kernel::Secret;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use crate::url::{Host, PINNED};
use crate::{DatabaseUrl, Error, OperatorTx, Result, TenantTx, sql};

/// How long a caller waits for a free connection.
const WAIT: Duration = Duration::from_secs(10);

/// A database under one login. Cheap to clone. It gives out transactions and nothing else.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    url: DatabaseUrl,
    pool: Pool,
    size: usize,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Db({})", self.inner.url)
    }
}

impl Db {
    /// Connects with at most `size` connections, and makes the first one now, so that a wrong
    /// address or password is found here.
    ///
    /// # Errors
    /// When there is no connection to be had; the error says what to do.
    pub async fn connect(url: &DatabaseUrl, size: usize) -> Result<Self> {
        let db = Self::lazy(url, size)?;
        let tx = db.operator().await?;
        let path: String = tx.query_one(sql::SEARCH_PATH, &[]).await?.get(0);
        tx.rollback().await?;
        if url.pinned && path != PINNED {
            let place = url.to_string();
            let why = format!(
                "sessions there begin with the search path {path}, where somebody could put a function in \
                 the place of another"
            );
            return Err(Error::Connect { place, why, hint: STRAIGHT, code: None });
        }
        Ok(db)
    }

    /// As [`Db::connect`], but without a first connection.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn lazy(url: &DatabaseUrl, size: usize) -> Result<Self> {
        let recycle = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match url.host {
            // The managed cluster's loopback port never leaves the machine.
            Host::Socket(_) => Manager::from_config(url.config(), NoTls, recycle),
            Host::Tcp(_) => Manager::from_config(url.config(), crate::tls::connector()?, recycle),
        };
        let pool = Pool::builder(manager)
            .max_size(size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .build()
            .map_err(|e| Error::Connect {
                place: url.to_string(),
                why: e.to_string(),
                hint: "",
                code: None,
            })?;
        Ok(Self { inner: Arc::new(Inner { url: url.clone(), pool, size }) })
    }

    /// The address that this connects to.
    pub fn url(&self) -> &DatabaseUrl {
        &self.inner.url
    }

    /// Begins a transaction that is bound to no tenant.
    ///
    /// # Errors
    /// When there is no connection to be had.
    pub async fn operator(&self) -> Result<OperatorTx> {
        OperatorTx::begin(self.connection().await?).await
    }

    /// Begins a transaction and binds it with `binding`, a token of `tenancy`.
    ///
    /// # Errors
    /// When there is no connection, or the database refuses the token.
    pub async fn tenant(&self, binding: &Secret) -> Result<TenantTx> {
        TenantTx::begin(self.connection().await?, binding).await
    }

    /// Runs one statement outside a transaction: `CREATE DATABASE`, `VACUUM` and their like
    /// refuse to run inside one. Only this crate needs it.
    pub(crate) async fn alone(&self, sql: &str) -> Result<()> {
        self.connection().await?.batch_execute(sql).await.map_err(crate::tx::statement)
    }

    /// Closes every connection; those in use close when they come back.
    pub fn close(&self) {
        self.inner.pool.close();
    }

    async fn connection(&self) -> Result<Object> {
        self.inner.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => refused(&self.inner.url, &error),
            PoolError::Timeout(_) => Error::Busy {
                place: self.inner.url.to_string(),
                size: self.inner.size,
                seconds: WAIT.as_secs(),
            },
            other => Error::Connect {
                place: self.inner.url.to_string(),
                why: other.to_string(),
                hint: "Try again",
                code: None,
            },
        })
    }
}

/// The driver's words when the server asks for a password and the address has none.
const NO_PASSWORD: &str = "password missing";

/// PgBouncer's words for what a session is to begin with and it does not pass on.
const NOT_PASSED_ON: &str = "unsupported startup parameter";

/// What to do about a pooler in between.
const STRAIGHT: &str = "A pooler is in between, PgBouncer for example, and does not pass on what a session \
                        begins with, in no mode; to let it ignore `options` does not help. Give the address \
                        of the server itself: Amanah keeps few sessions and pools them";

/// Puts the driver's error into words that say what to do.
pub(crate) fn refused(url: &DatabaseUrl, error: &tokio_postgres::Error) -> Error {
    let code = error.code();
    let why = match error.as_db_error() {
        Some(db) => db.message().to_owned(),
        None => {
            std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
        }
    };
    let hint = if why.contains(NOT_PASSED_ON) {
        STRAIGHT
    } else if code.is_none() && why == NO_PASSWORD {
        "Write the address with its password into the variable that --help names, such as \
         AMANAH_PROTECT_URL for `amanah protect`"
    } else if code == Some(&SqlState::INVALID_PASSWORD)
        || code == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
    {
        "Check the user and the password in the address"
    } else if code == Some(&SqlState::INVALID_CATALOG_NAME) {
        "Create the database first, or correct its name in the address"
    } else if code == Some(&SqlState::TOO_MANY_CONNECTIONS) {
        "Raise max_connections, or stop what holds the connections"
    } else {
        "Check that the server runs and that host and port are right"
    };
    let code = code.map(|code| code.code().into());
    Error::Connect { place: url.to_string(), why, hint, code }
}
