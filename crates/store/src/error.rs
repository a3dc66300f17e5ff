//! What can go wrong at the door to PostgreSQL.

use std::path::PathBuf;

use tokio_postgres::error::SqlState;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Each message says what happened and, where there is something to do, what.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of a database cannot be read. The address itself is not shown: it may hold a
    /// password.
    #[error(
        "the database address is not usable: {0}. Write postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    )]
    Url(&'static str),
    /// No connection.
    #[error("no connection to PostgreSQL at {place}: {why}. {hint}")]
    Connect {
        /// Host, port and database; never the password.
        place: String,
        /// The driver's or the server's words.
        why: String,
        /// What to do.
        hint: &'static str,
        /// The server's SQLSTATE, when it was the server that refused.
        code: Option<Box<str>>,
    },
    /// All connections were busy for too long.
    #[error("all {size} connections to {place} stayed busy for {seconds} s; nothing was changed")]
    Busy {
        /// Host, port and database.
        place: String,
        /// How many connections there are.
        size: usize,
        /// How long was waited.
        seconds: u64,
    },
    /// A statement was refused or failed.
    #[error("PostgreSQL refused a statement: {1}")]
    Statement(Box<tokio_postgres::Error>, String),
    /// Sessions did not end.
    #[error(
        "sessions in the database {0} do not end; nobody new is let in. Look for them in pg_stat_activity and try again"
    )]
    Sessions(String),
    /// A transaction was used after its end.
    #[error("the transaction has ended")]
    Ended,
    /// The server is older than the versions that are safe for row-level security.
    #[error(
        "PostgreSQL {found} is too old: {floor} or newer is needed ({why}). Upgrade the server: apt-get install postgresql-15"
    )]
    TooOld {
        /// The version that runs.
        found: String,
        /// The oldest safe one of that line.
        floor: String,
        /// The hole in older ones.
        why: &'static str,
    },
    /// The server's programs are not installed.
    #[error(
        "PostgreSQL's server programs were not found ({looked}). Install them with: apt-get install postgresql-15"
    )]
    NoBinaries {
        /// Where was looked.
        looked: String,
    },
    /// A program of PostgreSQL failed.
    #[error("{program} failed: {why}")]
    Program {
        /// Its name.
        program: &'static str,
        /// The last lines it wrote.
        why: String,
    },
    /// The managed cluster did not start.
    #[error(
        "the managed PostgreSQL in {dir} did not start: {why}. Its log is {log}; nothing in it was changed"
    )]
    Start {
        /// The data directory.
        dir: PathBuf,
        /// The last lines of its log.
        why: String,
        /// The log file.
        log: PathBuf,
    },
    /// A file or directory of the managed cluster is not as it should be.
    #[error("{path}: {why}")]
    Path {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// A migration that was applied has changed since, or is unknown here.
    #[error(
        "migration {migration} of `{room}` {why}. Nothing was changed; use the version of Amanah that applied it, or a newer one"
    )]
    Migration {
        /// The room.
        room: &'static str,
        /// The migration's name.
        migration: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Randomness is not available.
    #[error(transparent)]
    Random(#[from] kernel::RngError),
}

impl Error {
    /// The server's five-character SQLSTATE, when it refused a statement or a connection.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Statement(error, _) => error.code().map(SqlState::code),
            Self::Connect { code, .. } => code.as_deref(),
            _ => None,
        }
    }

    /// The server's own words, when a statement was refused.
    pub fn server_message(&self) -> Option<&str> {
        match self {
            Self::Statement(error, _) => {
                error.as_db_error().map(tokio_postgres::error::DbError::message)
            }
            _ => None,
        }
    }

    /// The constraint that a refused row violated.
    pub fn server_constraint(&self) -> Option<&str> {
        match self {
            Self::Statement(error, _) => error.as_db_error()?.constraint(),
            _ => None,
        }
    }

    /// The table that a refused row was meant for.
    pub fn server_table(&self) -> Option<&str> {
        match self {
            Self::Statement(error, _) => error.as_db_error()?.table(),
            _ => None,
        }
    }

    /// Whether the refusal was a lack of privilege (SQLSTATE 42501).
    pub fn is_denied(&self) -> bool {
        self.sqlstate() == Some(SqlState::INSUFFICIENT_PRIVILEGE.code())
    }
}
