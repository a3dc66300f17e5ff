//! Login roles.

use kernel::Secret;
use postgres_protocol::password;

use crate::{Db, Result, ident, literal};

/// SQLSTATE of a role that something still belongs to.
const DEPENDENT: &str = "2BP01";

/// A login that ends by itself.
#[derive(Debug)]
pub struct Passing<'a> {
    /// Its name, which nobody has.
    pub role: &'a str,
    /// Its password.
    pub password: &'a Secret,
    /// When the password ends, as a timestamp in ISO 8601.
    pub until: &'a str,
    /// The role whose rights it has, and that its sessions begin as: what they make belongs to
    /// that role and stays when the login goes.
    pub group: &'a str,
    /// How many sessions it may have.
    pub sessions: u32,
    /// Whether its maker must be a member, to end its sessions: who is no superuser.
    pub supervised: bool,
}

impl Db {
    /// Makes a login that ends by itself, wholly or not at all.
    ///
    /// # Errors
    /// When it is there already, or this login may not make roles.
    pub async fn make_passing(&self, login: &Passing<'_>) -> Result<()> {
        let verifier = literal(&password::scram_sha_256(login.password.expose().as_bytes()));
        let (role, group) = (ident(login.role), ident(login.group));
        let (until, sessions) = (literal(login.until), login.sessions);
        let supervise = if login.supervised {
            format!("; GRANT {role} TO CURRENT_USER")
        } else {
            String::new()
        };
        let tx = self.operator().await?;
        tx.batch(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD {verifier} VALID UNTIL {until}
                 CONNECTION LIMIT {sessions} IN ROLE {group};
             ALTER ROLE {role} SET role = {group}{supervise}"
        ))
        .await?;
        tx.commit().await
    }

    /// Drops a login of the database `place`, whatever it has left there: that goes to `heir`.
    ///
    /// # Errors
    /// When this login may not.
    pub async fn drop_login(&self, role: &str, place: &str, heir: &str) -> Result<()> {
        let drop = format!("DROP ROLE IF EXISTS {}", ident(role));
        let tx = self.operator().await?;
        let error = match tx.batch(&drop).await {
            Ok(()) => return tx.commit().await,
            Err(error) => error,
        };
        tx.rollback().await?;
        if error.sqlstate() != Some(DEPENDENT) {
            return Err(error);
        }
        let inside = Self::lazy(&self.url().database(place), 1)?;
        let tx = inside.operator().await?;
        let (left, heir) = (ident(role), ident(heir));
        // Who is not a superuser must be a member of both to hand things over.
        tx.batch(&format!(
            "GRANT {left}, {heir} TO CURRENT_USER; REASSIGN OWNED BY {left} TO {heir};
             DROP OWNED BY {left}; REVOKE {heir} FROM CURRENT_USER; {drop}"
        ))
        .await?;
        let done = tx.commit().await;
        inside.close();
        done
    }

    /// Makes a login role without any special right, or gives an existing one a new password.
    ///
    /// The statement carries the SCRAM verifier and not the password: statements are seen in
    /// `pg_stat_activity` and may be logged.
    ///
    /// # Errors
    /// When this login may not make roles (`CREATEROLE`).
    pub async fn ensure_login(&self, role: &str, password: &Secret) -> Result<()> {
        let verifier = literal(&password::scram_sha_256(password.expose().as_bytes()));
        let role_name = ident(role);
        let tx = self.operator().await?;
        let sql = "SELECT FROM pg_catalog.pg_roles WHERE rolname = $1";
        if tx.query_opt(sql, &[&role]).await?.is_some() {
            tx.batch(&format!("ALTER ROLE {role_name} LOGIN PASSWORD {verifier}")).await?;
        } else {
            tx.batch(&format!("CREATE ROLE {role_name} LOGIN PASSWORD {verifier}")).await?;
        }
        tx.commit().await
    }

    /// Lets `role` make databases, which the sandboxes of its proofs are.
    ///
    /// # Errors
    /// When this login may not allow it.
    pub async fn allow_databases(&self, role: &str) -> Result<()> {
        let tx = self.operator().await?;
        tx.batch(&format!("ALTER ROLE {} CREATEDB", ident(role))).await?;
        tx.commit().await
    }

    /// Lets `role` make roles.
    ///
    /// # Errors
    /// When this login may not allow it.
    pub async fn allow_roles(&self, role: &str) -> Result<()> {
        let tx = self.operator().await?;
        tx.batch(&format!("ALTER ROLE {} CREATEROLE", ident(role))).await?;
        tx.commit().await
    }

    /// Lets `role` set `session_replication_role`, which puts ordinary triggers to sleep. Only a
    /// superuser can allow it.
    ///
    /// # Errors
    /// When this login may not allow it.
    pub async fn allow_replica(&self, role: &str) -> Result<()> {
        let tx = self.operator().await?;
        // The parameter has one row for all roles of the cluster, and two who change it at one
        // time fail. The table is shared, so the lock holds across databases too.
        tx.batch("LOCK TABLE pg_catalog.pg_parameter_acl IN SHARE ROW EXCLUSIVE MODE").await?;
        tx.batch(&format!("GRANT SET ON PARAMETER session_replication_role TO {}", ident(role)))
            .await?;
        tx.commit().await
    }

    /// Takes that from `role` again. Without it the role can be dropped.
    ///
    /// # Errors
    /// When this login is not a superuser, or there is no such role.
    pub async fn forbid_replica(&self, role: &str) -> Result<()> {
        let tx = self.operator().await?;
        tx.batch("LOCK TABLE pg_catalog.pg_parameter_acl IN SHARE ROW EXCLUSIVE MODE").await?;
        let sql = "REVOKE SET ON PARAMETER session_replication_role FROM";
        tx.batch(&format!("{sql} {}", ident(role))).await?;
        tx.commit().await
    }

    /// Whether this login is a superuser.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub async fn is_superuser(&self) -> Result<bool> {
        let tx = self.operator().await?;
        let sql = "SELECT r.rolsuper FROM pg_catalog.pg_roles r
                    WHERE r.rolname OPERATOR(pg_catalog.=) current_user";
        let is = tx.query_one(sql, &[]).await?.get(0);
        tx.rollback().await?;
        Ok(is)
    }

    /// Whether there is a role of this name.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub async fn has_role(&self, role: &str) -> Result<bool> {
        let tx = self.operator().await?;
        let sql = "SELECT FROM pg_catalog.pg_roles WHERE rolname = $1";
        let there = tx.query_opt(sql, &[&role]).await?.is_some();
        tx.rollback().await?;
        Ok(there)
    }

    /// Gives `member` the rights of the role `group`.
    ///
    /// # Errors
    /// When this login may not grant it.
    pub async fn grant_role(&self, group: &str, member: &str) -> Result<()> {
        let tx = self.operator().await?;
        tx.batch(&format!("GRANT {} TO {}", ident(group), ident(member))).await?;
        tx.commit().await
    }

    /// Lets `role` into this login's own database, also where others are shut out.
    ///
    /// # Errors
    /// When this login may not grant it.
    pub async fn admit_role(&self, role: &str) -> Result<()> {
        self.at_the_door("GRANT CONNECT ON DATABASE", "TO", role).await
    }

    /// Takes that away again, so that the role can be dropped.
    ///
    /// # Errors
    /// When this login may not revoke it.
    pub async fn shut_out_role(&self, role: &str) -> Result<()> {
        self.at_the_door("REVOKE CONNECT ON DATABASE", "FROM", role).await
    }

    async fn at_the_door(&self, what: &str, whom: &str, role: &str) -> Result<()> {
        let database = ident(&self.url().database);
        let tx = self.operator().await?;
        tx.batch(&format!("{what} {database} {whom} {}", ident(role))).await?;
        tx.commit().await
    }
}
