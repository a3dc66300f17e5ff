//! Making, closing and dropping whole databases: statements that run in no transaction, and are
//! therefore not to be had outside this crate.

use std::time::Duration;

use crate::{Db, Error, Result, Tx, ident, literal, qualified};

/// The template without anything in it.
pub const EMPTY: &str = "template0";
/// SQLSTATE of a database that others are connected to.
const IN_USE: &str = "55006";
/// Connections that were closed here end on the server a moment later: so often is something that
/// waits for them tried again, so long apart.
const CLOSING_TRIES: usize = 40;
const CLOSING_PAUSE: Duration = Duration::from_millis(50);

/// The encoding and the order of letters of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locale {
    /// `UTF8` and its like.
    pub encoding: String,
    /// The operating system's name of the order of letters.
    pub collate: String,
    /// The operating system's name of the kinds of letters.
    pub ctype: String,
    /// ICU's name of both, where it is in charge.
    pub icu: Option<String>,
}

impl Locale {
    fn words(&self) -> String {
        let Self { encoding, collate, ctype, icu } = self;
        let (encoding, collate, ctype) = (literal(encoding), literal(collate), literal(ctype));
        let icu = icu.as_deref().map_or_else(
            || "libc".to_owned(),
            |locale| format!("icu ICU_LOCALE {}", literal(locale)),
        );
        format!("ENCODING {encoding} LC_COLLATE {collate} LC_CTYPE {ctype} LOCALE_PROVIDER {icu}")
    }
}

impl Db {
    /// Makes a database owned by `owner` out of `template`. Its pages go through the log, which
    /// does not stop everybody else for two checkpoints as copying files does.
    ///
    /// # Errors
    /// When it is there already, the template is in use, or this login may not make it.
    pub async fn create_database(&self, name: &str, owner: &str, template: &str) -> Result<()> {
        let (name, owner, template) = (ident(name), ident(owner), ident(template));
        let sql =
            format!("CREATE DATABASE {name} OWNER {owner} TEMPLATE {template} STRATEGY wal_log");
        self.patiently(&sql, &|_| false).await
    }

    /// Gives the space of a table's former rows back to it. Their bytes lie in its files until then, and
    /// until something else is written there.
    ///
    /// # Errors
    /// When there is no such table, or it is not this login's.
    pub async fn vacuum(&self, schema: &str, table: &str) -> Result<()> {
        self.alone(&format!("VACUUM {}", qualified(schema, table))).await
    }

    /// As [`Db::create_database`], and nobody but its owner, superusers and `admitted` is ever let
    /// in, with `sessions` at one time: PostgreSQL lets everybody into a new database, so it
    /// refuses all connections until that is changed. A crash in between leaves it shut.
    ///
    /// # Errors
    /// As [`Db::create_database`].
    pub async fn create_closed(
        &self,
        (name, owner, template): (&str, &str, &str),
        admitted: &[&str],
        sessions: Option<u32>,
    ) -> Result<()> {
        let create = format!(
            "CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY wal_log ALLOW_CONNECTIONS false",
            ident(name),
            ident(owner),
            ident(template)
        );
        self.patiently(&create, &|_| false).await?;
        self.open_closed(name, admitted, sessions, "").await
    }

    /// As [`Db::create_closed`], without anything in it and with a locale of its own. `comment`
    /// says from the first moment what it is.
    ///
    /// # Errors
    /// As [`Db::create_closed`], and when the server has not got the locale.
    pub async fn create_empty(
        &self,
        (name, owner): (&str, &str),
        locale: &Locale,
        admitted: &[&str],
        sessions: Option<u32>,
        comment: &str,
    ) -> Result<()> {
        let create = format!(
            "CREATE DATABASE {} OWNER {} TEMPLATE {EMPTY} STRATEGY wal_log \
             ALLOW_CONNECTIONS false {}",
            ident(name),
            ident(owner),
            locale.words()
        );
        self.patiently(&create, &|_| false).await?;
        let comment = format!("; COMMENT ON DATABASE {} IS {}", ident(name), literal(comment));
        self.open_closed(name, admitted, sessions, &comment).await
    }

    async fn open_closed(
        &self,
        name: &str,
        admitted: &[&str],
        sessions: Option<u32>,
        and: &str,
    ) -> Result<()> {
        let database = ident(name);
        let limit = sessions.map_or_else(String::new, |most| format!(" CONNECTION LIMIT {most}"));
        let tx = self.operator().await?;
        admit(&tx, name, admitted).await?;
        tx.batch(&format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true{limit}{and}")).await?;
        tx.commit().await
    }

    /// Ends every session in the database `name` but those of `spared`, whoever they log in as and
    /// whether that login is still there.
    ///
    /// # Errors
    /// When one of them does not end, or may not be ended by this login.
    pub async fn end_sessions(&self, name: &str, spared: &str) -> Result<()> {
        // A session that is just logging in shows only a moment later, so nobody must be seen
        // twice in a row.
        let mut quiet = 0;
        for _ in 0..CLOSING_TRIES {
            let tx = self.operator().await?;
            let ended = tx.query(crate::sql::END_SESSIONS, &[&name, &spared]).await;
            tx.rollback().await?;
            quiet = if ended?.is_empty() { quiet + 1 } else { 0 };
            if quiet > 1 {
                return Ok(());
            }
            tokio::time::sleep(CLOSING_PAUSE).await;
        }
        Err(Error::Sessions(name.to_owned()))
    }

    /// Makes an empty database owned by `owner`, unless it is there. Says whether it was made.
    ///
    /// # Errors
    /// When this login may not make databases, or not for that owner.
    pub async fn ensure_database(&self, name: &str, owner: &str) -> Result<bool> {
        let there = self.has_database(name).await?;
        if !there {
            self.create_database(name, owner, EMPTY).await?;
        }
        Ok(!there)
    }

    /// Whether there is a database of this name.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub async fn has_database(&self, name: &str) -> Result<bool> {
        let tx = self.operator().await?;
        let sql = "SELECT FROM pg_catalog.pg_database WHERE datname = $1";
        let there = tx.query_opt(sql, &[&name]).await?.is_some();
        tx.rollback().await?;
        Ok(there)
    }

    /// Drops a database if it is there, whoever is connected to it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        self.drop_slots(name).await?;
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", ident(name));
        // Who is not a superuser may not end another role's connection, but can wait for one that
        // is closing.
        self.patiently(&sql, &Error::is_denied).await
    }

    /// Drops what keeps the write-ahead log of a database for a reader that will not come: a database
    /// with such a slot cannot be dropped. Whoever may not sees none.
    pub(crate) async fn drop_slots(&self, name: &str) -> Result<()> {
        let tx = self.operator().await?;
        let sql = "SELECT pg_catalog.pg_drop_replication_slot(slot_name)
                     FROM pg_catalog.pg_replication_slots
                    WHERE database = $1 AND NOT active
                      AND (SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles
                            WHERE rolname = current_user)";
        tx.query(sql, &[&name]).await?;
        tx.rollback().await
    }

    /// Lets only its owner, superusers and `admitted` connect to the database `name`: PostgreSQL
    /// lets everybody in who may log in at all. Whether they may make temporary tables there stays
    /// as it is.
    ///
    /// # Errors
    /// When this login has not the rights of the database's owner.
    pub async fn close_database(&self, name: &str, admitted: &[&str]) -> Result<()> {
        let tx = self.operator().await?;
        admit(&tx, name, admitted).await?;
        tx.commit().await
    }

    /// Tries again while somebody is still connected, or while `else_wait` says that it may pass.
    async fn patiently(
        &self,
        sql: &str,
        else_wait: &(dyn Fn(&Error) -> bool + Sync),
    ) -> Result<()> {
        let mut tries = 0;
        loop {
            let done = self.alone(sql).await;
            let closing = matches!(&done, Err(e) if e.sqlstate() == Some(IN_USE) || else_wait(e));
            if !closing || tries == CLOSING_TRIES {
                return done;
            }
            tries += 1;
            tokio::time::sleep(CLOSING_PAUSE).await;
        }
    }
}

async fn admit(tx: &Tx, name: &str, admitted: &[&str]) -> Result<()> {
    let database = ident(name);
    tx.batch(&format!("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")).await?;
    for role in admitted {
        tx.batch(&format!("GRANT CONNECT ON DATABASE {database} TO {}", ident(role))).await?;
    }
    Ok(())
}
