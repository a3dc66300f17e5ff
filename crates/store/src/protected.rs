//! A database that Amanah protects, with the logins that its proofs use.

use kernel::TenantId;

use crate::{Db, Programs};

/// A protected database.
#[derive(Debug, Clone)]
pub struct Protected {
    /// Its name.
    pub name: String,
    /// The login that owns its tables and the schemas `amanah` and `audit`.
    pub owner: Db,
    /// A login of Amanah's own with exactly the application's rights: a member of `app_role`.
    pub intruder: Db,
    /// The superuser; in the managed cluster, or where one was given.
    ///
    /// It may read the catalogue and change what only it may change. It never writes to a table
    /// of the application and never calls a function there: a trigger or function that the owner
    /// planted would run as superuser.
    pub superuser: Option<Db>,
    /// A login without special rights but one, to set `session_replication_role`, and a member of
    /// the owner: for the attack that puts ordinary triggers to sleep. It takes a superuser to
    /// make it.
    pub replicator: Option<Db>,
    /// A login of Amanah's own that may read the trail, take months out of it whose time has come, and
    /// nothing else; where a superuser has made the groups that may. Elsewhere the owner reads it.
    pub reader: Option<Db>,
    /// The role whose rights the application has.
    pub app_role: String,
    /// The column that names the tenant in every table with tenants' rows.
    pub tenant_column: String,
    /// The two synthetic tenants: the attacker and the attacked.
    pub canaries: (TenantId, TenantId),
    /// PostgreSQL's programs, for sandboxes.
    pub programs: Programs,
}
