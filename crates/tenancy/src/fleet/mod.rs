//! Tenants with a database of their own.
//!
//! It promises: each tenant's database can be entered by that tenant's logins, by the owner of the
//! tables and by superusers, and by nobody else; its logins own nothing and belong to no role but
//! the tenant's. Logins are [leases](Lease): each has a password of its own and ends by itself. The
//! connection itself is what binds a session to its tenant, so there is no token to forge and no
//! predicate to forget.
//!
//! The names of databases and roles say nothing about whose they are, because PostgreSQL shows them
//! to everybody who can log in. What everybody can see all the same: how many databases there are,
//! and how busy each is.
//!
//! A tenant is made in steps that a crash can come between; its row says so, and making it again
//! begins anew. What the registry says is never believed by the [proof](crate::controls), which
//! tries every database of the server.
//!
//! The attacks that it stops: a connection of one tenant that reaches another's database, by a
//! wrong address, a stolen pool, a role, a file, a foreign server or another session.

pub mod archive;
mod attack;
mod bite;
mod cell;
mod certificate;
mod erase;
mod everywhere;
mod export;
mod held;
mod import;
mod lint;
mod made;
mod make;
mod migrate;
mod moving;
mod place;
mod registry;
mod roster;
mod scene;
mod session;
mod shared;
mod sql;
mod standing;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use kernel::{Clock, Rng, Secret, TenantId, random_hex};
use store::{DatabaseUrl, Db, Programs};

pub use cell::{
    Added, Answer, CellCard, CellState, HOME, KnownLoss, Logins, Loss, LostCell, MemoryVault,
    Reach, Remnant, Vault,
};
pub use certificate::{
    Certificate, GoneKey, GonePart, GoneRows, MAX_CERTIFICATE_BYTES, Sign, Signature, Signed,
};
pub use erase::{Closing, Erased, Gone};
pub use export::Exporting;
pub use import::{Imported, Open};
pub use migrate::{Campaign, Done, Progress, Script};
pub use moving::{Moved, Stage, Tally};
pub use place::Place;
pub use registry::{State, Tenant};
pub use shared::{Elsewhere, ImportedRows, RowErasing};

pub(crate) use cell::Cell;
pub(crate) use standing::let_in;

use crate::bite::Bites;
use crate::{Error, Result};

/// Connections of each login into a tenant's database, while it is worked on.
const CONNECTIONS: usize = 2;
/// The synthetic tenants: the attacker and the attacked.
pub(crate) const CANARIES: [&str; 2] = ["amanah-canary-a", "amanah-canary-b"];

/// What the names of all synthetic tenants begin with, and no customer's.
const RESERVED: &str = "amanah-canary-";

/// Whether this is the name of a synthetic tenant, of whichever cell: they are the proofs' own.
pub fn is_canary(id: &TenantId) -> bool {
    id.as_str().starts_with(RESERVED)
}

/// Refuses the names of synthetic tenants: whatever is done for a customer asks this first.
pub(crate) fn customer(id: &TenantId) -> Result<()> {
    if is_canary(id) { Err(Error::Canary) } else { Ok(()) }
}

/// The longest that a lease is good for.
pub const MAX_LEASE: Duration = Duration::from_hours(24);
/// A tenant's name that is shorter could stand in another name by chance, in bytes.
const MIN_TELLING_BYTES: usize = 8;
/// Bytes of randomness in a lease's password, and in its name.
const PASSWORD_BYTES: usize = 24;
const LEASE_BYTES: usize = 4;

/// What a fleet is run with.
#[derive(Clone)]
pub struct Settings {
    /// The control database, as its owner.
    pub registry: Db,
    /// The installation's own server, which is the first cell.
    pub home: Logins,
    /// Keeps how to log in on the other cells.
    pub vault: Arc<dyn Vault>,
    /// PostgreSQL's programs, which carry a tenant from one cell to another.
    pub programs: Programs,
    /// What this installation is called: 8 hexadecimal digits. Two can share a server.
    pub installation: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// The tenants that have a database of their own. Cheap to clone.
#[derive(Clone)]
pub struct Fleet {
    settings: Settings,
    /// The cells that were used, each with when it was added.
    cells: Arc<Mutex<HashMap<String, (Timestamp, Cell)>>>,
}

/// A login of a tenant, for a time.
#[derive(Debug)]
pub struct Lease {
    /// Where to connect, with the password.
    pub url: DatabaseUrl,
    /// When the password ends. Sessions that were opened before go on.
    pub until: Timestamp,
}

/// What erasing a tenant came to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Erasure {
    /// Whose database it was.
    pub tenant: TenantId,
    /// The name that its database had.
    pub place: String,
    /// When it was dropped.
    pub erased_at: Timestamp,
    /// How much was in it, in bytes.
    pub bytes: i64,
}

impl Fleet {
    /// A fleet in an installation, whose control database has [`crate::FLEET_ROOM`]. Nothing is made
    /// before the first tenant.
    pub fn new(settings: Settings) -> Self {
        Self { settings, cells: Arc::default() }
    }

    /// Every tenant, canaries too, by their ids.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn list(&self) -> Result<Vec<Tenant>> {
        registry::all(&self.settings.registry).await
    }

    /// One tenant.
    ///
    /// # Errors
    /// When there is none of this id, or the registry cannot be read.
    pub async fn find(&self, id: &TenantId) -> Result<Tenant> {
        registry::find(&self.settings.registry, id).await
    }

    /// Shuts a tenant out: no new sessions, and those that are open end.
    ///
    /// # Errors
    /// When it is unknown or synthetic, or the server refuses.
    pub async fn suspend(&self, id: &TenantId) -> Result<Tenant> {
        customer(id)?;
        let turn = registry::turn(&self.settings.registry, id).await?;
        let shut = async {
            let tenant = turn.tenant(&[State::Active, State::Suspended]).await?;
            tenant.place.shut(&self.cell_of(&tenant).await?).await?;
            turn.set_state(State::Suspended).await?;
            Ok(Tenant { state: State::Suspended, ..tenant })
        };
        let shut = shut.await;
        turn.end(shut).await
    }

    /// Lets a suspended tenant in again. One whose move has stopped stays where it is, and is what it
    /// was before.
    ///
    /// # Errors
    /// When it is unknown or synthetic, or the server refuses.
    pub async fn resume(&self, id: &TenantId) -> Result<Tenant> {
        customer(id)?;
        self.admit(id).await
    }

    /// As [`Fleet::resume`], a synthetic tenant too.
    async fn admit(&self, id: &TenantId) -> Result<Tenant> {
        let turn = registry::turn(&self.settings.registry, id).await?;
        let admitted = async {
            let resumable = [State::Active, State::Suspended, State::Moving];
            let tenant = turn.tenant(&resumable).await?;
            if tenant.state == State::Moving {
                return self.go_back(&turn, &tenant).await;
            }
            tenant.place.admit(&self.cell_of(&tenant).await?).await?;
            turn.set_state(State::Active).await?;
            Ok(Tenant { state: State::Active, ..tenant })
        };
        let admitted = admitted.await;
        turn.end(admitted).await
    }

    /// Begins to erase a tenant: its sessions end, it gets no login any more, and only the end is left. What else
    /// belongs to it, its keys for example, is destroyed between this and
    /// [`Erasing::certify`]. Begun and not finished, it is begun again by the same call.
    ///
    /// # Errors
    /// When it is unknown or a canary, another command works on it, its database is not on its cell,
    /// or the server refuses; nothing was changed then.
    pub async fn erase(&self, id: &TenantId) -> Result<Erasing> {
        self.begin_to_erase(id, false).await
    }

    /// As [`Fleet::erase`], also of a tenant whose database is not there, because somebody has
    /// dropped it. The certificate says that it was not dropped.
    ///
    /// # Errors
    /// As [`Fleet::erase`].
    pub async fn erase_missing(&self, id: &TenantId) -> Result<Erasing> {
        self.begin_to_erase(id, true).await
    }

    async fn begin_to_erase(&self, id: &TenantId, missing: bool) -> Result<Erasing> {
        customer(id)?;
        let turn = registry::turn(&self.settings.registry, id).await?;
        let begun = async {
            // A move lets a tenant in, and makes a copy of it.
            turn.keep_unmoved().await?;
            let tenant = turn.tenant(&State::ALL).await?;
            let cell = self.cell_of(&tenant).await?;
            // One that was begun before was seen then; one that is half made may have none yet.
            let may_lack = missing || matches!(tenant.state, State::Erasing | State::Making);
            let there = tenant.place.bytes(&cell).await?;
            let bytes = match there {
                Some(bytes) => bytes,
                None if may_lack => 0,
                None => {
                    let place = tenant.place.name().to_owned();
                    return Err(Error::NotThere { tenant: tenant.id, place, cell: cell.name });
                }
            };
            let logins = tenant.place.logins(&cell).await?;
            let begun = async {
                // The certificate says when nobody was let in any more. Half made, it never let
                // anybody in.
                if there.is_some() && tenant.state != State::Making {
                    tenant.place.shut(&cell).await?;
                }
                let (at, gone) = (cell.clock.now(), Gone::default());
                erase::begin(&turn, &erase::Begun { at, bytes, logins, gone }).await?;
                turn.mark(State::Erasing).await
            };
            if let Err(error) = begun.await {
                if tenant.state == State::Active
                    && let Err(why) = tenant.place.admit(&cell).await
                {
                    tracing::warn!(%why, "a tenant is shut out until `amanah tenant resume`");
                }
                return Err(error);
            }
            Ok((cell, tenant))
        };
        match begun.await {
            Ok((cell, tenant)) => Ok(Erasing { fleet: self.clone(), cell, turn, tenant }),
            Err(error) => turn.end(Err(error)).await,
        }
    }

    /// A login for a tenant, good for `life` and for at most [`MAX_LEASE`].
    ///
    /// # Errors
    /// When the tenant is unknown, suspended or synthetic, or the server refuses.
    pub async fn lease(&self, id: &TenantId, life: Duration) -> Result<Lease> {
        customer(id)?;
        let visit = registry::visit(&self.settings.registry, id).await?;
        let lease = async {
            let tenant = visit.tenant(&[State::Active, State::Moving]).await?;
            // While its copy is made it works; a move that has stopped may have shut it out.
            let works = match &tenant.course {
                Some((_, before)) => *before == State::Active && visit.is_moved().await?,
                None => true,
            };
            if !works {
                return Err(Error::NotActive { tenant: tenant.id, state: tenant.state });
            }
            tenant.place.lease(&self.cell_of(&tenant).await?, life).await
        };
        let lease = lease.await;
        visit.end(lease).await
    }

    /// Removes the scratch pairs of bites that were killed, on every cell that answers. Only for the
    /// process that holds the installation: another one's role looks like that in the moment before
    /// its database is there.
    ///
    /// # Errors
    /// As [`Fleet::sweep`].
    pub async fn sweep_sandboxes(&self) -> Result<usize> {
        let mut swept = 0;
        for cell in self.split().await?.0 {
            swept += place::sweep_sandboxes(&cell).await?;
        }
        Ok(swept)
    }

    /// Seeds violations on a scratch pair and attacks it: on one cell of those that answer, the one
    /// that has waited longest. Where something was not found, it is the same one the next time.
    pub(crate) async fn bite(&self) -> Result<(String, Bites)> {
        let (cells, _) = self.split().await?;
        let names: Vec<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
        let next = roster::next_to_bite(&self.settings.registry, &names).await?;
        let chosen = cells.into_iter().find(|cell| Some(&cell.name) == next.as_ref());
        let cell = chosen.unwrap_or_else(|| self.home());
        self.ensure_template(&cell).await?;
        let bites = bite::run(&cell, &Place::template(&cell)).await?;
        if bites.missed.is_empty() {
            let now = self.settings.clock.now();
            roster::bitten(&self.settings.registry, &cell.name, now).await?;
        }
        Ok((cell.name, bites))
    }
}

/// A tenant that is being erased. Nobody else works on it meanwhile.
pub struct Erasing {
    fleet: Fleet,
    cell: Cell,
    turn: registry::Turn,
    tenant: Tenant,
}

/// A password that nobody has chosen.
fn password(rng: &dyn Rng) -> Result<Secret> {
    let text = random_hex(rng, PASSWORD_BYTES).map_err(store::Error::from)?;
    Ok(Secret::new(text))
}
