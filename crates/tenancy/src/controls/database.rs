//! The claim `isolation.database`: one tenant's logins cannot reach another's database.

use std::time::Duration;

use jiff::Timestamp;
use kernel::{Card, Control, Cx, Fut, Params, Proof};

use super::bitten;
use super::inhabited::{self, Inhabited};
use crate::fleet::{Fleet, Tenant};

static CARD: Card = Card {
    id: "isolation.database",
    title: "A database of its own for each tenant",
    attack: "On each cell (a server that holds tenants), a synthetic tenant's login tries to connect \
             to every other database and to the other cells, then goes from inside its own for \
             another synthetic tenant's: by roles, files, programs, foreign servers, large objects, \
             snapshots, sessions, channels",
    bite: "On a scratch pair of tenants, one at a time: a database that everybody or another \
           tenant may connect to, a role that belongs to another tenant, rights to make roles and \
           databases, to see statements, end sessions, read and write files, run programs and \
           replicate, a superuser, dblink, a foreign server, functions, tables and settings of the \
           server given to a tenant, a function with another's rights, somebody else in a \
           tenant's database or role or with the rights of their owner, a tenant's name in a comment",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(5),
    not_covered: &[
        "Superusers, the owner of the tenants' tables, and whoever may make roles",
        "How many tenants there are, how large and how busy each database is: the server shows it \
         to every login, by names that say nothing",
        "Sandboxes of bites, which hold nobody's rows, and databases that refuse all connections",
        "What one tenant takes from all on one server: its share of sessions is bounded, its locks, \
         its disk and its processor time are not",
        "What a tenant's own sessions call themselves (application_name): every login can read it",
        "Tenants' names of less than 8 bytes, which could stand in other names by chance",
        "How long an answer takes, and the room that others leave on disk and processor",
        "A lease that was stolen, until its password ends; its open sessions until they end",
        "Rights that only a superuser can give are not seeded where Amanah has none",
        "The bite is made on one cell at a time, on each in turn, and a login that another cell knows \
         is not seeded",
    ],
};

/// The control for every tenant with a database of its own.
pub(super) struct Database {
    pub(super) fleet: Fleet,
}

impl Control for Database {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        Box::pin(inhabited::prove(self, cx))
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(inhabited::bite(self, cx))
    }
}

impl Inhabited for Database {
    type Customers = Vec<Tenant>;

    const NOBODY: &'static str =
        "no tenant has a database of its own; `amanah tenant add` makes one";

    async fn customers(&self) -> Result<Option<Vec<Tenant>>, String> {
        let tenants = self.fleet.list().await.map_err(|error| error.to_string())?;
        let living = tenants.iter().any(|tenant| !tenant.canary && tenant.is_living());
        Ok(living.then_some(tenants))
    }

    async fn attack(&self, now: Timestamp, tenants: Vec<Tenant>) -> Result<Proof, String> {
        let report = self.fleet.attack(&tenants).await.map_err(|error| error.to_string())?;
        Ok(report.weigh(now, "databases"))
    }

    async fn seed(&self, now: Timestamp) -> Result<Proof, String> {
        let (cell, bites) =
            self.fleet.bite().await.map_err(|error| format!("the scratch pair failed: {error}"))?;
        Ok(bitten(now, bites).note(&format!("made on the cell {cell}")))
    }
}
