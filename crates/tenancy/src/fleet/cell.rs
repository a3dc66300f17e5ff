//! A cell: one PostgreSQL cluster that holds tenants, and who logs in there for us.
//!
//! The first one is the installation's own server. How to log in on another is a secret of the
//! house, which a [`Vault`] keeps; the registry knows its name and which server it is. One that does
//! not answer, or is another server than it was, is left alone: only its tenants feel it.

mod add;
mod choose;
mod lost;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use kernel::{Clock, Fut, Rng, Secret};
use serde::Serialize;
use store::{DatabaseUrl, Db, Version};
use tokio::time::timeout;

use super::{Fleet, Settings, Tenant, roster, sql};
use crate::{Error, Result};

pub use add::Added;
pub(super) use add::refused;
pub(super) use choose::Choice;
pub use lost::{KnownLoss, Loss, LostCell, Remnant};
pub(super) use lost::{remains, was_lost};

/// What the installation's own server is called among the cells.
pub const HOME: &str = "home";
/// Connections of whoever makes roles and databases on another cell.
const CONNECTIONS: usize = 4;
/// How long a cell may take to say that it is there.
const REACH: Duration = Duration::from_secs(4);
const OTHER: &str = "another server answers at its address";
/// How many cells are asked at one time.
const AT_ONCE: usize = 16;

/// What was asked for, or why it is not to be had, in words for the reader.
pub type Answer<T> = std::result::Result<T, String>;

/// Who logs in on a cell for us.
#[derive(Clone)]
pub struct Logins {
    /// Whoever may make roles and databases; a member of the owner, or a superuser.
    pub maker: Db,
    /// The login that owns the tenants' databases and runs their migrations. It may do nothing
    /// else, because what it runs is the application's code.
    pub owner: DatabaseUrl,
    /// The superuser in the server's default database, where there is one.
    pub superuser: Option<Db>,
}

/// Keeps how to log in on the cells, sealed and apart from the registry. The errors are for the
/// reader.
pub trait Vault: Send + Sync {
    /// What is kept for a cell, if anything is.
    fn get<'a>(&'a self, cell: &'a str) -> Fut<'a, Answer<Option<Secret>>>;
    /// Keeps it, in the place of what was there.
    fn put<'a>(&'a self, cell: &'a str, secret: &'a Secret) -> Fut<'a, Answer<()>>;
    /// Forgets it.
    fn remove<'a>(&'a self, cell: &'a str) -> Fut<'a, Answer<()>>;
}

/// A vault that lasts as long as its process and seals nothing: for tests and measurements.
#[derive(Default)]
pub struct MemoryVault(Mutex<HashMap<String, Secret>>);

impl MemoryVault {
    fn kept(&self) -> MutexGuard<'_, HashMap<String, Secret>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault for MemoryVault {
    fn get<'a>(&'a self, cell: &'a str) -> Fut<'a, Answer<Option<Secret>>> {
        let secret = self.kept().get(cell).cloned();
        Box::pin(async { Ok(secret) })
    }

    fn put<'a>(&'a self, cell: &'a str, secret: &'a Secret) -> Fut<'a, Answer<()>> {
        self.kept().insert(cell.to_owned(), secret.clone());
        Box::pin(async { Ok(()) })
    }

    fn remove<'a>(&'a self, cell: &'a str) -> Fut<'a, Answer<()>> {
        self.kept().remove(cell);
        Box::pin(async { Ok(()) })
    }
}

/// How to log in on a cell, as the vault keeps it.
pub(super) struct Addresses {
    pub(super) maker: DatabaseUrl,
    pub(super) superuser: Option<DatabaseUrl>,
    /// The password of the tenants' owner.
    pub(super) owner: Secret,
}

/// Whether a cell takes tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CellState {
    /// It is being added, or a crash came between.
    Making,
    /// It takes tenants.
    Open,
    /// It takes no more.
    Draining,
}

/// A cell as the registry has it.
#[derive(Debug, Clone, Serialize)]
pub struct CellCard {
    /// Its name.
    pub name: String,
    /// Whether it takes tenants.
    pub state: CellState,
    /// The most tenants it takes, synthetic ones apart; without it, as many as the server does.
    pub capacity: Option<i64>,
    /// How many tenants are there or on their way there, synthetic ones apart.
    pub tenants: i64,
    /// Since when.
    pub added_at: Timestamp,
    /// What PostgreSQL calls the cluster; of the first one nothing is noted.
    #[serde(skip)]
    pub(super) server: Option<String>,
    /// What we have written there, so that no other server is taken for it.
    #[serde(skip)]
    pub(super) mark: Option<String>,
}

/// How a cell answers.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Which PostgreSQL.
    pub version: Version,
    /// How long one question took over a connection that was there.
    pub latency: Duration,
}

/// A cell, as everything that is done on one works with it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Cell {
    /// Its name.
    pub(super) name: String,
    /// See [`CellCard::server`].
    pub(super) server: Option<String>,
    /// See [`CellCard::mark`].
    pub(super) mark: Option<String>,
    /// See [`Logins::maker`].
    pub(super) maker: Db,
    /// See [`Logins::owner`].
    pub(super) owner: DatabaseUrl,
    /// See [`Logins::superuser`].
    pub(super) superuser: Option<Db>,
    /// What this installation is called.
    pub(super) installation: String,
    /// The time.
    pub(super) clock: Arc<dyn Clock>,
    /// Randomness.
    pub(super) rng: Arc<dyn Rng>,
}

impl CellCard {
    /// How many more tenants it takes; without an end when nobody has set one.
    pub fn free(&self) -> Option<i64> {
        self.capacity.map(|capacity| (capacity - self.tenants).max(0))
    }
}

impl CellState {
    pub(super) const ALL: [Self; 3] = [Self::Making, Self::Open, Self::Draining];

    /// The word in lower case, as SQL and JSON write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Making => "making",
            Self::Open => "open",
            Self::Draining => "draining",
        }
    }
}

impl Cell {
    fn new((name, card): (&str, Option<&CellCard>), logins: Logins, settings: &Settings) -> Self {
        let Logins { maker, owner, superuser } = logins;
        Self {
            name: name.to_owned(),
            server: card.and_then(|card| card.server.clone()),
            mark: card.and_then(|card| card.mark.clone()),
            maker,
            owner,
            superuser,
            installation: settings.installation.clone(),
            clock: Arc::clone(&settings.clock),
            rng: Arc::clone(&settings.rng),
        }
    }

    /// Which server answers, with its mark, and how fast.
    async fn which(&self) -> store::Result<((String, Option<String>), String, Duration)> {
        let tx = self.maker.operator().await?;
        let which = tx.query_one(sql::WHICH, &[&self.owner.user]).await?;
        let began = Instant::now();
        let version: String = tx.query_one(sql::VERSION, &[]).await?.get(0);
        let latency = began.elapsed();
        tx.rollback().await?;
        Ok(((which.get(0), which.get(1)), version, latency))
    }

    /// Asks whether it is there, and is the server that it was. The error is for the reader.
    pub(super) async fn reach(&self) -> Answer<Reach> {
        let answer = timeout(REACH, self.which()).await;
        let answer = answer.map_err(|_| late());
        let ((server, mark), version, latency) = answer?.map_err(|error| error.to_string())?;
        if self.server.as_ref().is_some_and(|known| *known != server) {
            return Err(OTHER.to_owned());
        }
        if self.mark.is_some() && self.mark != mark {
            return Err(format!(
                "its mark is not there, so it may be another server: the comment on the role {} is \
                 not what Amanah has written",
                self.owner.user
            ));
        }
        let version = Version::find(&version).unwrap_or(Version(0, 0));
        Ok(Reach { version, latency })
    }

    /// How a server that is said to be gone for good is silent. Whatever takes a connection at its
    /// address may be it, unless it says itself that it is another cluster.
    async fn silence(&self) -> Result<String> {
        let stays = |why: &str| Err(refused(&self.name, &format!("is not lost: {why}")));
        let why = match timeout(REACH, self.which()).await {
            Ok(Ok(((server, _), ..)))
                if self.server.as_ref().is_none_or(|known| *known == server) =>
            {
                return stays(
                    "its server answers. Nothing was changed; move its tenants with `amanah tenant \
                     move`, and remove it without --lost",
                );
            }
            Ok(Ok(_)) => return Ok(OTHER.to_owned()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => late(),
        };
        if timeout(REACH, self.maker.url().listens()).await.unwrap_or(false) {
            return stays(&format!(
                "something takes connections at its address, so it may be there, although: {why}. \
                 Nothing was changed; when it is something else, take it off that address first"
            ));
        }
        Ok(why)
    }

    /// As [`Cell::reach`], as an error of this room.
    pub(super) async fn reached(&self) -> Result<Reach> {
        let why = |why| Error::Unreachable { cell: self.name.clone(), why };
        self.reach().await.map_err(why)
    }

    /// Fails when it is not the server that was added. The installation's own is where the
    /// registry is.
    pub(super) async fn assured(&self) -> Result<()> {
        if self.name != HOME {
            self.reached().await?;
        }
        Ok(())
    }
}

fn late() -> String {
    format!("it did not answer within {} s", REACH.as_secs())
}

impl Addresses {
    /// One line each; an address holds no line break, since it is escaped.
    pub(super) fn sealed(&self) -> Secret {
        let superuser = self.superuser.as_ref().map(DatabaseUrl::expose);
        let superuser = superuser.as_ref().map_or("", Secret::expose);
        let maker = self.maker.expose();
        Secret::new(format!("{}\n{superuser}\n{}", maker.expose(), self.owner.expose()))
    }

    pub(super) fn open(secret: &Secret) -> Option<Self> {
        let mut lines = secret.expose().lines();
        let maker = DatabaseUrl::parse(lines.next()?).ok()?;
        let superuser = match lines.next()? {
            "" => None,
            url => Some(DatabaseUrl::parse(url).ok()?),
        };
        Some(Self { maker, superuser, owner: Secret::new(lines.next()?.to_owned()) })
    }

    /// The logins, none of which connects before it is used.
    pub(super) fn logins(&self, owner: &str) -> Result<Logins> {
        let lazy = |url: &DatabaseUrl| Db::lazy(url, CONNECTIONS);
        let superuser = self.superuser.as_ref().map(lazy).transpose()?;
        let maker = match &superuser {
            Some(superuser) => superuser.clone(),
            None => lazy(&self.maker)?,
        };
        let owner = self.maker.login(owner, Some(self.owner.clone())).unpinned();
        Ok(Logins { maker, owner, superuser })
    }
}

impl Fleet {
    /// The cell that a tenant is on.
    pub(crate) async fn cell_of(&self, tenant: &Tenant) -> Result<Cell> {
        self.cell(&tenant.cell).await
    }

    /// A cell by its name, which answers and is the server that was added: nothing is done on
    /// another one that answers at its address.
    pub(crate) async fn cell(&self, name: &str) -> Result<Cell> {
        let cell = self.unasked(name).await?;
        cell.assured().await?;
        Ok(cell)
    }

    /// A cell by its name, which may be down or another server: to be looked at and not changed.
    pub(super) async fn unasked(&self, name: &str) -> Result<Cell> {
        if name == HOME {
            return Ok(self.home());
        }
        let card = roster::card(&self.settings.registry, name).await?;
        self.opened(&card.ok_or_else(|| Error::NoCell(name.to_owned()))?).await
    }

    /// The installation's own server.
    pub(super) fn home(&self) -> Cell {
        Cell::new((HOME, None), self.settings.home.clone(), &self.settings)
    }

    /// A cell that the registry knows. One that was removed and added again is another one.
    pub(super) async fn opened(&self, card: &CellCard) -> Result<Cell> {
        if card.name == HOME {
            return Ok(self.home());
        }
        if let Some(cell) = self.remembered(card) {
            return Ok(cell);
        }
        let unreachable = |why: String| Error::Unreachable { cell: card.name.clone(), why };
        let secret = self.settings.vault.get(&card.name).await.map_err(unreachable)?;
        let lost = || unreachable("how to log in there is not kept: add it again".to_owned());
        let addresses = secret.as_ref().and_then(Addresses::open).ok_or_else(lost)?;
        let logins = addresses.logins(&self.settings.home.owner.user)?;
        let cell = Cell::new((&card.name, Some(card)), logins, &self.settings);
        let mut known = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(card.name.clone(), (card.added_at, cell.clone()));
        Ok(cell)
    }

    /// Whoever adds a cell anew does not go on with how one logged in before.
    fn forget(&self, name: &str) {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    async fn ask(&self, card: CellCard) -> (CellCard, Answer<(Cell, Reach)>) {
        let cell = match self.opened(&card).await {
            Ok(cell) => cell,
            Err(error) => return (card, Err(error.to_string())),
        };
        let reach = cell.reach().await;
        (card, reach.map(|reach| (cell, reach)))
    }

    fn remembered(&self, card: &CellCard) -> Option<Cell> {
        let known = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, cell) = known.get(&card.name)?;
        (*since == card.added_at).then(|| cell.clone())
    }

    /// Every cell that is whole, and how it answers. All are asked at one time, and none for long.
    ///
    /// # Errors
    /// When the registry cannot be read. A cell that does not answer is in the list, with the reason.
    pub async fn cells(&self) -> Result<Vec<(CellCard, Answer<Reach>)>> {
        let all = self.survey().await?;
        Ok(all.into_iter().map(|(card, cell)| (card, cell.map(|(_, reach)| reach))).collect())
    }

    /// As [`Fleet::cells`], with the logins of those that answer.
    pub(super) async fn survey(&self) -> Result<Vec<(CellCard, Answer<(Cell, Reach)>)>> {
        let cards = roster::cards(&self.settings.registry).await?;
        let all: Vec<_> = cards.into_iter().map(|card| self.ask(card)).collect();
        Ok(stream::iter(all).buffered(AT_ONCE).collect().await)
    }
}
