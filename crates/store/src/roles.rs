//! Login roles.

use kernel::Secret;
use postgres_protocol::password;

use crate::{Db, Result, ident, literal};

impl Db {
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
}
