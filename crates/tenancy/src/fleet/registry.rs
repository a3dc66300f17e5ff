//! Which tenants there are, in the control database.

use std::fmt;

use jiff::Timestamp;
use kernel::TenantId;
use serde::Serialize;
use store::{Db, OperatorTx, Row};

use super::cell::{Cell, CellCard, Choice};
use super::{Erasure, Place, held, made, roster, sql};
use crate::{Error, Result};

/// How far a tenant's life is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is being made, or a crash came between.
    Making,
    /// It is let in.
    Active,
    /// It is shut out; its rows are kept.
    Suspended,
    /// It is being moved to another cell, or a crash came between. It is whole where it was.
    Moving,
    /// It is being erased, or a crash came between.
    Erasing,
}

/// A tenant with a database of its own.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Who.
    pub id: TenantId,
    /// On which cell.
    pub cell: String,
    /// Where there.
    pub place: Place,
    /// How far its life is.
    pub state: State,
    /// Whether it is one of the synthetic ones.
    pub canary: bool,
    /// The last migration that it is known to have.
    pub schema_version: Option<String>,
    /// Since when.
    pub made_at: Timestamp,
    /// Where it is moving to, and what it was before.
    pub(super) course: Option<(String, State)>,
}

impl Tenant {
    /// Whether its database is whole, be it let in or not.
    pub(crate) const fn is_living(&self) -> bool {
        matches!(self.state, State::Active | State::Suspended | State::Moving)
    }
}

/// The turn at one tenant: no other command changes it meanwhile.
pub(super) struct Turn {
    id: TenantId,
    registry: Db,
    /// Holds the turn until its end.
    lock: OperatorTx,
}

/// Takes the turn at a tenant.
pub(super) async fn turn(registry: &Db, id: &TenantId) -> Result<Turn> {
    take(registry, id, sql::TURN).await
}

async fn take(registry: &Db, id: &TenantId, how: &str) -> Result<Turn> {
    let lock = waiting(registry).await?;
    if !lock.query_one(how, &[&id.as_str()]).await?.get::<_, bool>(0) {
        held::let_go(lock).await;
        return Err(Error::Taken(id.clone()));
    }
    Ok(Turn { id: id.clone(), registry: registry.clone(), lock })
}

/// Looks in at a tenant beside others who do; nobody changes it meanwhile.
pub(super) async fn visit(registry: &Db, id: &TenantId) -> Result<Turn> {
    take(registry, id, sql::VISIT).await
}

/// Takes a tenant on its way: nobody else moves it until the end of the transaction.
pub(super) async fn mover(registry: &Db, id: &TenantId) -> Result<OperatorTx> {
    Ok(take(registry, id, sql::MOVER).await?.lock)
}

/// Every tenant.
pub(super) async fn all(registry: &Db) -> Result<Vec<Tenant>> {
    let tx = registry.operator().await?;
    let rows = tx.query(sql::ALL, &[]).await?;
    tx.rollback().await?;
    rows.iter().map(read).collect()
}

/// One tenant.
pub(super) async fn find(registry: &Db, id: &TenantId) -> Result<Tenant> {
    let tx = registry.operator().await?;
    let row = tx.query_opt(sql::FIND, &[&id.as_str()]).await?;
    tx.rollback().await?;
    row.as_ref().map(read).transpose()?.ok_or_else(|| Error::NoTenant(id.clone()))
}

/// Forgets a tenant: one of the synthetic ones of a cell that goes.
pub(super) async fn forget(registry: &Db, id: &TenantId) -> Result<()> {
    let tx = registry.operator().await?;
    tx.execute(sql::FORGET, &[&id.as_str()]).await?;
    Ok(tx.commit().await?)
}

/// Notes what the schema of a tenant on `cell` has become. One that has moved since, or was erased,
/// has another.
pub(super) async fn set_version(
    registry: &Db,
    id: &TenantId,
    cell: &str,
    version: &str,
) -> Result<()> {
    let tx = registry.operator().await?;
    if tx.execute(sql::SET_VERSION_ON, &[&id.as_str(), &version, &cell]).await? == 0 {
        return Err(Error::Moved(id.clone()));
    }
    Ok(tx.commit().await?)
}

/// A transaction that may wait as long as its work takes, on a server that ends idle ones or long ones.
pub(super) async fn waiting(registry: &Db) -> Result<OperatorTx> {
    let tx = registry.operator().await?;
    tx.batch(sql::WAITS).await?;
    Ok(tx)
}

impl Turn {
    /// Whose it is.
    pub(super) const fn id(&self) -> &TenantId {
        &self.id
    }

    /// Where it is noted what becomes of the tenant.
    pub(super) const fn registry(&self) -> &Db {
        &self.registry
    }

    /// The tenant, when it is in one of `states`.
    pub(super) async fn tenant(&self, states: &[State]) -> Result<Tenant> {
        let tenant = find(&self.registry, &self.id).await?;
        if states.contains(&tenant.state) {
            return Ok(tenant);
        }
        Err(Error::NotActive { tenant: self.id.clone(), state: tenant.state })
    }

    /// Notes at once that a tenant is being made: at `place`, or where it was begun before. `choose`
    /// names its cell, out of all as they are while nobody else chooses one.
    pub(super) async fn begin(
        &self,
        place: Place,
        canary: bool,
        now: Timestamp,
        choose: &(dyn Fn(&[CellCard]) -> Result<String> + Sync),
    ) -> Result<Tenant> {
        let tx = self.registry.operator().await?;
        let begun = async {
            tx.query(sql::CHOOSE, &[]).await?;
            let known = tx.query_opt(sql::FIND, &[&self.id.as_str()]).await?;
            let known = known.as_ref().map(read).transpose()?;
            let cell = match known {
                Some(known) if known.state == State::Making => known.cell,
                Some(_) => return Err(Error::Exists(self.id.clone())),
                None => choose(&roster::read(&tx).await?)?,
            };
            let bound: [&(dyn store::ToSql + Sync); 5] =
                [&self.id.as_str(), &place.name(), &canary, &now, &cell];
            read(&tx.query_one(sql::BEGIN, &bound).await?)
        };
        let begun = begun.await;
        held::end(tx, begun).await
    }

    /// Holds the template of a cell as it is until the end of the turn.
    pub(super) async fn copy_template(&self, cell: &Cell) -> Result<()> {
        self.lock.query(sql::COPY_TEMPLATE, &[&cell.name]).await?;
        Ok(())
    }

    /// Notes at once where a tenant goes, if that cell takes it, and that there is going to be a copy
    /// which does not count yet.
    pub(super) async fn set_out(
        &self,
        tenant: &Tenant,
        to: &str,
        before: State,
        now: Timestamp,
    ) -> Result<()> {
        let tx = self.registry.operator().await?;
        let noted = async {
            tx.query(sql::CHOOSE, &[]).await?;
            if tenant.course.is_none() {
                Choice::only(to).among(&roster::read(&tx).await?)?;
            }
            tx.execute(sql::SET_OUT, &[&self.id.as_str(), &to, &before.as_str()]).await?;
            tx.execute(sql::LEAVE, &[&to, &tenant.place.name(), &now]).await?;
            Ok(())
        };
        let noted = noted.await;
        held::end(tx, noted).await
    }

    /// Makes the copy the tenant at the end of the turn, and what it was copied from a copy that
    /// does not count.
    pub(super) async fn switch(
        &self,
        tenant: &Tenant,
        to: &str,
        before: State,
        due: Timestamp,
    ) -> Result<()> {
        let place = tenant.place.name();
        self.lock.execute(sql::FORGET_LEFTOVER, &[&to, &place]).await?;
        self.lock.execute(sql::LEAVE, &[&tenant.cell, &place, &due]).await?;
        let bound: [&(dyn store::ToSql + Sync); 3] = [&self.id.as_str(), &to, &before.as_str()];
        if self.lock.execute(sql::SWITCH, &bound).await? == 1 {
            return Ok(());
        }
        Err(Error::Moved(self.id.clone()))
    }

    /// Whether somebody moves the tenant at this moment.
    pub(super) async fn is_moved(&self) -> Result<bool> {
        Ok(!self.lock.query_one(sql::UNMOVED, &[&self.id.as_str()]).await?.get::<_, bool>(0))
    }

    /// Refuses a tenant that somebody moves at this moment. Nobody moves it until the end of the turn.
    pub(super) async fn keep_unmoved(&self) -> Result<()> {
        if self.lock.query_one(sql::MOVER, &[&self.id.as_str()]).await?.get(0) {
            return Ok(());
        }
        Err(Error::Taken(self.id.clone()))
    }

    /// Notes a state at once, so that a crash after it is told by it.
    pub(super) async fn mark(&self, state: State) -> Result<()> {
        let tx = self.registry.operator().await?;
        tx.execute(sql::SET_STATE, &[&self.id.as_str(), &state.as_str()]).await?;
        Ok(tx.commit().await?)
    }

    /// Notes a state with the end of the turn.
    pub(super) async fn set_state(&self, state: State) -> Result<()> {
        let bound: [&(dyn store::ToSql + Sync); 2] = [&self.id.as_str(), &state.as_str()];
        self.lock.execute(sql::SET_STATE, &bound).await?;
        Ok(())
    }

    /// Notes that a tenant is whole, at the end of the turn; its files are its own then.
    pub(super) async fn made(&self, place: &str, version: Option<&str>) -> Result<()> {
        made::forget(&self.lock, (&self.id, place), false).await?;
        self.set_state(State::Active).await?;
        self.lock.execute(sql::SET_VERSION, &[&self.id.as_str(), &version]).await?;
        Ok(())
    }

    /// Forgets a tenant and keeps that it was erased, with how many keys and whether it was the last of
    /// it.
    pub(super) async fn erased(
        &self,
        erasure: &Erasure,
        (keys, last): (usize, bool),
        certificate: &str,
    ) -> Result<()> {
        let keys = i64::try_from(keys).unwrap_or(i64::MAX);
        let (place, at, bytes) = (&erasure.place, &erasure.erased_at, &erasure.bytes);
        let bound: store::Bound<'_> =
            &[&self.id.as_str(), place, at, bytes, &keys, &certificate, &last];
        self.lock.execute(sql::ERASED, bound).await?;
        self.lock.execute(sql::COPIES_DUE, &[place, at]).await?;
        self.lock.execute(sql::FORGET_NAME, &[&self.id.as_str()]).await?;
        made::forget(&self.lock, (&self.id, place), last).await?;
        self.lock.execute(sql::FORGET, &[&self.id.as_str()]).await?;
        Ok(())
    }

    /// Forgets that a tenant of a shared database goes, and keeps that it was erased there.
    pub(super) async fn cleared(
        &self,
        erasure: &Erasure,
        (keys, last): (usize, bool),
        text: &str,
    ) -> Result<()> {
        let keys = i64::try_from(keys).unwrap_or(i64::MAX);
        let (place, at, bytes) = (&erasure.place, &erasure.erased_at, &erasure.bytes);
        let bound: store::Bound<'_> =
            &[&self.id.as_str(), place, at, bytes, &keys, &Some(text), &last];
        self.lock.execute(sql::ERASED, bound).await?;
        self.lock.execute(sql::FORGET_PASSAGE, &[&self.id.as_str(), place]).await?;
        made::forget(&self.lock, (&self.id, place), last).await?;
        Ok(())
    }

    /// Gives the turn back, with what was noted for its end when it went well.
    pub(super) async fn end<T>(self, came_to: Result<T>) -> Result<T> {
        held::end(self.lock, came_to).await
    }
}

impl State {
    pub(super) const ALL: [Self; 5] =
        [Self::Making, Self::Active, Self::Suspended, Self::Moving, Self::Erasing];

    /// The word in lower case, as SQL and JSON write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Making => "making",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Moving => "moving",
            Self::Erasing => "erasing",
        }
    }
}

impl State {
    /// What to do about a tenant in this state.
    pub(crate) const fn way_out(self) -> &'static str {
        match self {
            Self::Making => "it was not finished, so make it again with `amanah tenant add`",
            Self::Active => "suspend it first",
            Self::Suspended => "let it in again first, with `amanah tenant resume`",
            Self::Moving => {
                "go on with `amanah tenant move`, or leave it where it is with `amanah tenant resume`"
            }
            Self::Erasing => "finish that with `amanah tenant erase`",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

fn read(row: &Row) -> Result<Tenant> {
    let (target, before): (Option<String>, Option<&str>) = (row.get(7), row.get(8));
    Ok(Tenant {
        id: TenantId::new(row.get::<_, String>(0))?,
        place: Place::known(row.get(1)),
        state: state(row.get(2))?,
        canary: row.get(3),
        schema_version: row.get(4),
        made_at: row.get(5),
        cell: row.get(6),
        course: target.zip(before.map(state).transpose()?),
    })
}

/// A state by its word. One that we do not know is of a newer Amanah, and means what we cannot guess.
pub(super) fn state(word: &str) -> Result<State> {
    let known = State::ALL.into_iter().find(|known| known.as_str() == word);
    known.ok_or_else(|| Error::Newer { what: "tenant", state: word.to_owned() })
}
