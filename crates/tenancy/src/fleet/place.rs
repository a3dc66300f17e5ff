//! A tenant's place on the server: a database and a role of the same name, and the logins that are
//! members of that role.

use std::time::Duration;

use jiff::SignedDuration;
use kernel::{Rng, random_hex};
use store::{DatabaseUrl, Db, EMPTY, OperatorTx, Passing, Tx, ident, literal};

use super::moving::Form;
use super::{CONNECTIONS, Cell, LEASE_BYTES, Lease, MAX_LEASE, password, registry, sql};
use crate::{Error, PLACE_ROOM, Result};

/// What every name begins with.
const PREFIX: &str = "amt_";
/// Bytes of randomness in a name.
const NAME_BYTES: usize = 8;
/// The most sessions of one lease, and of all in one database: a tenant must not take those of the
/// whole server.
const LEASE_SESSIONS: u32 = 30;
const PLACE_SESSIONS: u32 = 40;
/// The most logins of one tenant that let in new sessions: a program that asks for one with each
/// request would fill the server with roles.
const PLACE_LEASES: i64 = 200;
/// The comment on a database that is being copied.
const UNFINISHED: &str = "a copy that Amanah has not finished";
/// The shortest lease: less would be over before it is used.
const MIN_LEASE: Duration = Duration::from_secs(1);

/// A database and the role of the same name. Names are made here alone, from random digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    name: String,
}

impl Place {
    /// A name that nobody has.
    pub(super) fn tenant(cell: &Cell) -> Result<Self> {
        let own = fresh(cell.rng.as_ref(), NAME_BYTES)?;
        Ok(Self { name: format!("{PREFIX}{}_{own}", cell.installation) })
    }

    /// What new tenants are made from.
    pub(super) fn template(cell: &Cell) -> Self {
        Self { name: format!("{PREFIX}{}_template", cell.installation) }
    }

    /// For a bite; swept like every sandbox when a crash leaves it behind.
    pub(super) fn scratch(cell: &Cell) -> Result<Self> {
        let own = fresh(cell.rng.as_ref(), NAME_BYTES)?;
        Ok(Self { name: format!("{}{}_{own}", store::SANDBOX, cell.installation) })
    }

    /// As the registry has it.
    pub(super) fn known(name: String) -> Self {
        Self { name }
    }

    /// The name of its database and of its role.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes role and database from `template`, and lets its logins at the rows. What a crash has
    /// left of it is removed before.
    pub(super) async fn provision(&self, cell: &Cell, template: &Self) -> Result<()> {
        self.demolish(cell).await?;
        let (name, maker) = (ident(&self.name), &cell.maker);
        let tx = maker.operator().await?;
        tx.batch(&format!("CREATE ROLE {name} NOLOGIN")).await?;
        tx.commit().await?;
        let made = (self.name.as_str(), cell.owner.user.as_str(), template.name.as_str());
        maker.create_closed(made, &[&self.name], Some(PLACE_SESSIONS)).await?;
        self.keep_nothing(cell).await?;
        let owner = self.owner(cell)?;
        let tx = owner.operator().await?;
        self.grant(&tx).await?;
        tx.commit().await?;
        owner.close();
        Ok(())
    }

    /// Makes the template: a database that nobody is let into, with our own schema in it.
    pub(super) async fn provision_empty(&self, cell: &Cell) -> Result<()> {
        let made = (self.name.as_str(), cell.owner.user.as_str(), EMPTY);
        cell.maker.create_closed(made, &[], None).await?;
        self.keep_nothing(cell).await?;
        let owner = self.owner(cell)?;
        store::migrate(&owner, &[&PLACE_ROOM]).await?;
        owner.close();
        Ok(())
    }

    /// Makes an empty database of a form, and a role where it is a tenant's. `admitted` says whether
    /// its logins are let in. Until it is [whole](super::moving::Form::set) a comment says that it is
    /// not.
    pub(super) async fn receive(
        &self,
        cell: &Cell,
        form: &Form,
        (role, admitted): (bool, bool),
    ) -> Result<()> {
        self.demolish(cell).await?;
        if role {
            let tx = cell.maker.operator().await?;
            tx.batch(&format!("CREATE ROLE {} NOLOGIN", ident(&self.name))).await?;
            tx.commit().await?;
        }
        let made = (self.name.as_str(), cell.owner.user.as_str());
        let admitted: &[&str] = if admitted { &[&self.name] } else { &[] };
        let sessions = u32::try_from(form.sessions).ok();
        cell.maker.create_empty(made, &form.locale, admitted, sessions, UNFINISHED).await?;
        self.keep_nothing(cell).await
    }

    /// No temporary tables of anybody's: another session may run into what they hide.
    async fn keep_nothing(&self, cell: &Cell) -> Result<()> {
        let tx = cell.maker.operator().await?;
        tx.batch(&format!("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC", ident(&self.name)))
            .await?;
        Ok(tx.commit().await?)
    }

    /// Whether the database is there, with our schema in it. One that refuses all connections was
    /// left behind while it was made.
    pub(super) async fn is_whole(&self, cell: &Cell) -> Result<bool> {
        let tx = cell.maker.operator().await?;
        let there = tx.query_opt(sql::ACCEPTS, &[&self.name, &UNFINISHED]).await?;
        tx.rollback().await?;
        if !there.is_some_and(|row| row.get(0)) {
            return Ok(false);
        }
        let owner = self.owner(cell)?;
        let tx = owner.operator().await?;
        let whole = tx.query_one(sql::IS_WHOLE, &[]).await?.get(0);
        tx.rollback().await?;
        owner.close();
        Ok(whole)
    }

    /// Lets the tenant's logins read and write the rows of every table that the owner has made,
    /// and nothing else. Run again after each migration, for the tables that it made.
    pub(super) async fn grant(&self, tx: &Tx) -> Result<()> {
        let role = literal(&self.name);
        Ok(tx.batch(&sql::GRANTS.replace("{role}", &role)).await?)
    }

    /// Drops the database, its logins and its role, whatever there is of them.
    pub(super) async fn demolish(&self, cell: &Cell) -> Result<()> {
        cell.maker.drop_database(&self.name).await?;
        let tx = cell.maker.operator().await?;
        for row in tx.query(sql::ROLES, &[&self.name]).await? {
            tx.batch(&format!("DROP ROLE {}", ident(row.get(0)))).await?;
        }
        Ok(tx.commit().await?)
    }

    /// No new sessions, and the open ones end.
    pub(super) async fn shut(&self, cell: &Cell) -> Result<()> {
        let (database, role) = (ident(&self.name), ident(&self.name));
        let tx = cell.maker.operator().await?;
        tx.batch(&format!("REVOKE CONNECT ON DATABASE {database} FROM {role}")).await?;
        tx.commit().await?;
        Ok(cell.maker.end_sessions(&self.name, &cell.owner.user).await?)
    }

    /// Holds migrations off until the end of the transaction, in a database that is shut.
    pub(super) async fn hold_still(&self, cell: &Cell) -> Result<OperatorTx> {
        let owner = self.owner(cell)?;
        let tx = registry::waiting(&owner).await?;
        tx.batch(sql::HOLD_STILL).await?;
        let prepared: i64 = tx.query_one(sql::PREPARED, &[&self.name]).await?.get(0);
        if prepared > 0 {
            let why = format!("{prepared} transactions are prepared in it and not ended");
            return Err(Error::Differs(why));
        }
        Ok(tx)
    }

    pub(super) async fn admit(&self, cell: &Cell) -> Result<()> {
        Ok(cell.maker.close_database(&self.name, &[&self.name]).await?)
    }

    /// How many roles there are of it, its logins too.
    pub(super) async fn logins(&self, cell: &Cell) -> Result<i64> {
        let tx = cell.maker.operator().await?;
        let roles = tx.query(sql::ROLES, &[&self.name]).await?;
        tx.rollback().await?;
        Ok(i64::try_from(roles.len()).unwrap_or(i64::MAX))
    }

    /// How large its database is, in bytes, if it is there.
    pub(super) async fn bytes(&self, cell: &Cell) -> Result<Option<i64>> {
        let tx = cell.maker.operator().await?;
        let row = tx.query_opt(sql::BYTES, &[&self.name]).await?;
        tx.rollback().await?;
        Ok(row.map(|row| row.get(0)))
    }

    /// A login that is a member of the role, with a password that ends.
    pub(super) async fn lease(&self, cell: &Cell, life: Duration) -> Result<Lease> {
        let tx = cell.maker.operator().await?;
        let open: i64 = tx.query_one(sql::OPEN_LEASES, &[&self.name]).await?.get(0);
        tx.rollback().await?;
        if open >= PLACE_LEASES {
            return Err(Error::Leases(PLACE_LEASES));
        }
        let rng = cell.rng.as_ref();
        let login = format!("{}_{}", self.name, fresh(rng, LEASE_BYTES)?);
        let password = password(rng)?;
        let life = life.clamp(MIN_LEASE, MAX_LEASE);
        let until = cell.clock.now() + SignedDuration::try_from(life).unwrap_or_default();
        let passing = Passing {
            role: &login,
            password: &password,
            until: &until.to_string(),
            group: &self.name,
            sessions: LEASE_SESSIONS,
            supervised: cell.superuser.is_none(),
        };
        cell.maker.make_passing(&passing).await?;
        // Not every application's driver knows how to ask for the server's proof.
        let url = DatabaseUrl { bound: false, ..cell.owner.database(&self.name) };
        Ok(Lease { url: url.login(&login, Some(password)), until })
    }

    /// Drops one lease, for whoever needed it for a moment.
    pub(super) async fn end_lease(&self, cell: &Cell, lease: &Lease) -> Result<()> {
        Ok(cell.maker.drop_login(&lease.url.user, &self.name, &self.name).await?)
    }

    /// The database as whoever may read everything in it: a superuser, or else the owner of its
    /// tables, who sees no rows where a policy binds owners too.
    pub(super) fn reader(&self, cell: &Cell) -> Result<Db> {
        let Some(superuser) = &cell.superuser else { return self.owner(cell) };
        Ok(Db::lazy(&superuser.url().database(&self.name), CONNECTIONS)?)
    }

    /// The database as the owner of its tables.
    pub(crate) fn owner(&self, cell: &Cell) -> Result<Db> {
        Ok(Db::lazy(&cell.owner.database(&self.name), CONNECTIONS)?)
    }
}

/// Removes leases whose password has ended.
pub(super) async fn sweep(cell: &Cell) -> Result<usize> {
    let prefix = format!("{PREFIX}{}_", cell.installation);
    let tx = cell.maker.operator().await?;
    let rows = tx.query(sql::ENDED, &[&prefix]).await?;
    tx.rollback().await?;
    let mut swept = 0;
    for row in &rows {
        let (login, place): (&str, &str) = (row.get(0), row.get(1));
        // One that cannot go holds up no other.
        match cell.maker.drop_login(login, place, place).await {
            Ok(()) => swept += 1,
            Err(error) => tracing::warn!(login, %error, "a login that has ended is still there"),
        }
    }
    Ok(swept)
}

/// Removes the roles that a bite has left behind.
pub(super) async fn sweep_sandboxes(cell: &Cell) -> Result<usize> {
    let prefix = format!("{}{}_", store::SANDBOX, cell.installation);
    let tx = cell.maker.operator().await?;
    let lonely = tx.query(sql::LONELY, &[&prefix]).await?;
    tx.rollback().await?;
    for row in &lonely {
        cell.maker.drop_database(row.get(0)).await?;
    }
    let tx = cell.maker.operator().await?;
    let rows = tx.query(sql::LEFT_BEHIND, &[&prefix]).await?;
    tx.rollback().await?;
    for row in &rows {
        let role: &str = row.get(0);
        let tx = cell.maker.operator().await?;
        tx.batch(&format!("DROP ROLE IF EXISTS {}", ident(role))).await?;
        tx.commit().await?;
    }
    Ok(rows.len())
}

fn fresh(rng: &dyn Rng, bytes: usize) -> Result<String> {
    Ok(random_hex(rng, bytes).map_err(store::Error::from)?)
}
