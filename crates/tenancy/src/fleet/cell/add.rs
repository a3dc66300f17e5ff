//! Adding a cell, changing what it takes, and removing it.

use std::time::Duration;

use kernel::random_hex;
use serde::Serialize;
use store::{DatabaseUrl, Db, ident, literal};
use tokio::time::timeout;

use super::{Addresses, Cell, CellCard, CellState, HOME, REACH};
use crate::fleet::{Fleet, Place, held, password, registry, roster, sql};
use crate::{Error, Result};

/// The longest name of a cell, in characters.
const MAX_NAME: usize = 31;
/// How long the server of a new cell may take for the first answer.
const FIRST_ANSWER: Duration = REACH;

/// What a mark begins with, and how many random bytes follow.
const MARK: &str = "a cell of Amanah: ";
const MARK_BYTES: usize = 16;

const LOST: &str =
    "When its server is gone for good, `amanah cell remove NAME --lost` says what to do";

const TWIN: &str = "was not added: this server is another cell already";

/// What adding a cell came to.
#[derive(Debug, Clone, Serialize)]
pub struct Added {
    /// The cell.
    pub cell: CellCard,
    /// Databases of its server that let everybody in who may log in at all, so that tenants are
    /// let in too.
    pub open_databases: Vec<String>,
}

/// A server that is to become a cell.
struct Candidate {
    addresses: Addresses,
    /// Whoever may make roles and databases there.
    maker: Db,
    server: String,
    /// What is written there: see [`CellCard::mark`].
    mark: String,
}

impl Fleet {
    /// Makes a cell of the server at `maker`, a login that may make roles and databases there;
    /// with `superuser`, one that may do everything. Begun and not finished, it is begun again by
    /// the same call.
    ///
    /// # Errors
    /// When the name is not one, the server cannot be reached, is too old or is a cell already, the
    /// logins may not what they must, or another installation uses it under our id.
    pub async fn add_cell(
        &self,
        name: &str,
        maker: &DatabaseUrl,
        superuser: Option<&DatabaseUrl>,
        capacity: Option<i64>,
    ) -> Result<Added> {
        let registry = &self.settings.registry;
        check_name(name)?;
        for url in [Some(maker), superuser].into_iter().flatten() {
            check_way(name, url)?;
        }
        let turn = roster::turn(registry, name).await?;
        let added = self.add_in_turn(name, maker, superuser, capacity).await;
        held::end(turn, added).await
    }

    async fn add_in_turn(
        &self,
        name: &str,
        maker: &DatabaseUrl,
        superuser: Option<&DatabaseUrl>,
        capacity: Option<i64>,
    ) -> Result<Added> {
        let registry = &self.settings.registry;
        let (maker, superuser) = (&proven(maker), superuser.map(proven));
        let superuser = superuser.as_ref();
        let card = roster::card(registry, name).await?;
        if card.as_ref().is_some_and(|card| card.state != CellState::Making) {
            return Err(misnamed(name, "is there already; nothing was changed"));
        }
        let candidate = self.candidate(name, maker, superuser).await?;
        self.check_free(name, &candidate).await?;
        let secret = candidate.addresses.sealed();
        let vaulted = self.settings.vault.put(name, &secret).await;
        vaulted.map_err(|why| refused(name, &format!("was not added: {why}")))?;
        let now = self.settings.clock.now();
        let Candidate { server, mark, .. } = &candidate;
        let made = roster::make(registry, name, (server, mark), capacity, now).await;
        made.map_err(|error| twin(name, error))?;
        let card = roster::card(registry, name).await?;
        let card = card.ok_or_else(|| Error::NoCell(name.to_owned()))?;
        self.forget(name);
        let cell = self.opened(&card).await?;
        let owner = &self.settings.home.owner.user;
        candidate.maker.ensure_login(owner, &candidate.addresses.owner).await?;
        let tx = candidate.maker.operator().await?;
        tx.batch(&format!("COMMENT ON ROLE {} IS {}", ident(owner), literal(mark))).await?;
        tx.commit().await?;
        if cell.superuser.is_none() {
            // Only a member of a role can give it a database.
            candidate.maker.grant_role(owner, &cell.maker.url().user).await?;
        }
        self.ensure_template(&cell).await?;
        self.ensure_pair(&cell).await?;
        roster::set_state(registry, name, CellState::Open).await?;
        let open_databases = open_databases(&candidate.maker).await?;
        candidate.maker.close();
        Ok(Added { cell: CellCard { state: CellState::Open, ..card }, open_databases })
    }

    /// Lets a cell take tenants, or no more of them. Those that are there stay.
    ///
    /// # Errors
    /// When there is no such cell, it is only half added, or another command adds or removes it.
    pub async fn drain_cell(&self, name: &str, drains: bool) -> Result<CellCard> {
        let state = if drains { CellState::Draining } else { CellState::Open };
        let registry = &self.settings.registry;
        let turn = roster::turn(registry, name).await?;
        let drained = async {
            self.whole(name).await?;
            roster::set_state(registry, name, state).await?;
            self.whole(name).await
        };
        let drained = drained.await;
        held::end(turn, drained).await
    }

    /// Bounds how many tenants a cell takes. Those that are there stay, also when they are more.
    ///
    /// # Errors
    /// When there is no such cell, or it is only half added.
    pub async fn bound_cell(&self, name: &str, capacity: Option<i64>) -> Result<CellCard> {
        self.whole(name).await?;
        roster::set_capacity(&self.settings.registry, name, capacity).await?;
        self.whole(name).await
    }

    /// Removes a cell that is empty, and what is ours on its server.
    ///
    /// # Errors
    /// When it is not empty or does not answer, or is the first one.
    pub async fn remove_cell(&self, name: &str) -> Result<()> {
        if name == HOME {
            return Err(misnamed(name, "is the installation's own server and stays"));
        }
        let registry = &self.settings.registry;
        let turn = roster::turn(registry, name).await?;
        let removed = self.remove_in_turn(name).await;
        held::end(turn, removed).await
    }

    async fn remove_in_turn(&self, name: &str) -> Result<()> {
        let registry = &self.settings.registry;
        let card = roster::card(registry, name).await?;
        let card = card.ok_or_else(|| Error::NoCell(name.to_owned()))?;
        self.sweep_leftovers().await?;
        let left = roster::close(registry, name).await?;
        if left > 0 {
            let why = format!(
                "is not empty: {left} tenants, or copies of them, are there. Nothing was changed; \
                 move them with `amanah tenant move`, after `amanah cell drain`. {LOST}"
            );
            return Err(refused(name, &why));
        }
        // One that never was whole may lie on a server that is wrong altogether.
        let cell = self.opened(&card).await?;
        match cell.reached().await {
            Ok(_) => self.clear(&cell).await?,
            Err(_) if card.state == CellState::Making => {}
            Err(error) => {
                roster::set_state(registry, name, card.state).await?;
                return Err(match error {
                    Error::Unreachable { cell, why } => {
                        Error::Unreachable { cell, why: format!("{why}. {LOST}") }
                    }
                    error => error,
                });
            }
        }
        roster::forget(registry, name).await?;
        let forgotten = self.settings.vault.remove(name).await;
        forgotten
            .map_err(|why| refused(name, &format!("was removed, but not how to log in: {why}")))
    }

    /// Drops the synthetic tenants, the template and the owner.
    async fn clear(&self, cell: &Cell) -> Result<()> {
        for tenant in self.list().await?.iter().filter(|t| t.canary && t.cell == cell.name) {
            tenant.place.demolish(cell).await?;
            registry::forget(&self.settings.registry, &tenant.id).await?;
        }
        Place::template(cell).demolish(cell).await?;
        let tx = cell.maker.operator().await?;
        tx.batch(&format!("DROP ROLE IF EXISTS {}", ident(&cell.owner.user))).await?;
        Ok(tx.commit().await?)
    }

    /// A cell that is not half added.
    async fn whole(&self, name: &str) -> Result<CellCard> {
        let card = roster::card(&self.settings.registry, name).await?;
        let card = card.ok_or_else(|| Error::NoCell(name.to_owned()))?;
        if card.state == CellState::Making {
            let why = "was not finished: add it again with `amanah cell add`";
            return Err(refused(name, why));
        }
        Ok(card)
    }

    /// Logs in, and looks whether the logins may what they must.
    async fn candidate(
        &self,
        name: &str,
        maker: &DatabaseUrl,
        superuser: Option<&DatabaseUrl>,
    ) -> Result<Candidate> {
        let (server, rights) = self.look(name, maker).await?;
        if !rights.makes {
            let why = format!(
                "was not added: {} needs CREATEROLE and CREATEDB. As a superuser: \
                 ALTER ROLE {} CREATEROLE CREATEDB",
                maker.user,
                ident(&maker.user)
            );
            return Err(refused(name, &why));
        }
        let superuser = match superuser {
            None if rights.superuser => Some(maker.pinned()),
            None => None,
            Some(url) => {
                let (other, rights) = self.look(name, url).await?;
                if other != server {
                    return Err(refused(name, "was not added: the superuser is on another server"));
                }
                if !rights.superuser {
                    let why = format!("was not added: {} is no superuser", url.user);
                    return Err(refused(name, &why));
                }
                Some(url.pinned())
            }
        };
        let owner = password(self.settings.rng.as_ref())?;
        let addresses = Addresses { maker: maker.clone(), superuser, owner };
        let maker = addresses.logins(&self.settings.home.owner.user)?.maker;
        let mark =
            random_hex(self.settings.rng.as_ref(), MARK_BYTES).map_err(store::Error::from)?;
        Ok(Candidate { addresses, maker, server, mark: format!("{MARK}{mark}") })
    }

    async fn look(&self, name: &str, url: &DatabaseUrl) -> Result<(String, Rights)> {
        // Whatever database the address names, nothing that its owner has put there is run.
        let db = Db::lazy(&url.pinned(), 1)?;
        let looked = async {
            db.version().await?.check()?;
            let tx = db.operator().await?;
            let server = tx.query_one(sql::SERVER, &[]).await?.get(0);
            let row = tx.query_one(sql::RIGHTS, &[]).await?;
            tx.rollback().await?;
            Ok((server, Rights { superuser: row.get(0), makes: row.get(1) }))
        };
        let looked = timeout(FIRST_ANSWER, looked).await;
        db.close();
        looked.unwrap_or_else(|_| {
            let why = format!("it did not answer within {} s", FIRST_ANSWER.as_secs());
            Err(Error::Unreachable { cell: name.to_owned(), why })
        })
    }

    /// Nobody else may use the server under our id, and it is no other cell of ours.
    async fn check_free(&self, name: &str, candidate: &Candidate) -> Result<()> {
        let tx = self.settings.home.maker.operator().await?;
        let home: String = tx.query_one(sql::SERVER, &[]).await?.get(0);
        tx.rollback().await?;
        if home == candidate.server {
            return Err(refused(name, "was not added: this server is the cell `home`"));
        }
        let cards = roster::cards(&self.settings.registry).await?;
        let server = Some(candidate.server.as_str());
        match cards.iter().find(|card| card.server.as_deref() == server) {
            Some(card) if card.name == name => return Ok(()),
            Some(_) => return Err(refused(name, TWIN)),
            None => {}
        }
        let prefix = format!("amt_{}_", self.settings.installation);
        let tx = candidate.maker.operator().await?;
        let owner = &self.settings.home.owner.user;
        let taken = tx.query_one(sql::TAKEN, &[&prefix, owner]).await?.get(0);
        tx.rollback().await?;
        if taken {
            let why = "was not added: another installation with this one's id uses that server, or \
                       this one did before its registry was put back, or before the cell was removed \
                       as lost. Is one of them a copy of the other? Nothing was changed";
            return Err(refused(name, why));
        }
        Ok(())
    }
}

/// What a login may do on its server.
struct Rights {
    superuser: bool,
    /// Roles and databases.
    makes: bool,
}

fn check_name(name: &str) -> Result<()> {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    let rest = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if first && rest && name.len() <= MAX_NAME && name != HOME {
        return Ok(());
    }
    let why = "is no name for a new cell: write small letters, digits and `-`, a letter first, \
               31 characters at most, and not `home`";
    Err(misnamed(name, why))
}

/// Another machine is reached through TLS alone: passwords of superusers go there.
fn check_way(name: &str, url: &DatabaseUrl) -> Result<()> {
    if url.is_local() || url.tls {
        return Ok(());
    }
    let why = format!(
        "was not added: {} is another machine, so its address must demand TLS. Add ?sslmode=require \
         to it",
        url.host()
    );
    Err(refused(name, &why))
}

/// On another machine the server must prove, over this very connection, that it knows the password:
/// nobody in between passes for it, whatever certificate it has.
fn proven(url: &DatabaseUrl) -> DatabaseUrl {
    DatabaseUrl { bound: url.bound || !url.is_local(), ..url.clone() }
}

/// A server has one cell.
fn twin(name: &str, error: Error) -> Error {
    match &error {
        Error::Store(store) if store.server_constraint() == Some("cells_server_key") => {
            refused(name, TWIN)
        }
        _ => error,
    }
}

/// A name that is wrong here, which is the caller's mistake and not the cell's.
pub(in crate::fleet) fn misnamed(name: &str, why: &str) -> Error {
    Error::CellName { cell: name.to_owned(), why: why.to_owned() }
}

pub(in crate::fleet) fn refused(name: &str, why: &str) -> Error {
    Error::Cell { cell: name.to_owned(), why: why.to_owned() }
}

async fn open_databases(maker: &Db) -> Result<Vec<String>> {
    let tx = maker.operator().await?;
    let rows = tx.query(sql::OPEN_DATABASES, &[]).await?;
    tx.rollback().await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
