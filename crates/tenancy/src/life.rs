//! A tenant's life while it is there, over all that is kept for it: its database, its files, its place
//! on Redis. It is made, shut out, and let in again.
//!
//! It promises one order for these, whoever asks. Who is shut out is shut out of everything that can be shut,
//! and who is let in is let in by the registry first and to Redis last, so that what fails never
//! opens anything. What was done only in part is told part by part.
//!
//! A tenant of a shared database may have nothing here but a place on Redis.
//!
//! A tenant's end is not here: it takes the tenant's keys too, which another room has, so it is put
//! together above this one.

use std::sync::Arc;

use kernel::{TenantFiles, TenantId};

use crate::{Caches, Error, Fleet, Result, State, Tenant};

/// What the life of a tenant goes through. Cheap to clone.
#[derive(Clone)]
pub struct Life {
    /// Tenants with a database of their own.
    pub fleet: Fleet,
    /// Tenants' places on Redis.
    pub caches: Caches,
    /// The store of tenants' files, as whoever runs the installation sees it.
    pub files: Arc<dyn TenantFiles>,
}

/// A tenant that was shut out or let in.
#[derive(Debug)]
pub enum Turned {
    /// It has a database of its own.
    Whole(Box<Tenant>),
    /// It has a place on Redis alone, and this is what became of that.
    OnRedis(State),
}

impl Life {
    /// Makes a tenant with a database of its own, on the named cell or on the one with the most free
    /// room.
    ///
    /// # Errors
    /// As [`Fleet::add`], and when there are files of this name: whose they are is not known, and the
    /// new tenant's they are not.
    pub async fn add(&self, id: &TenantId, cell: Option<&str>) -> Result<Tenant> {
        self.fleet.add_without_files(id, cell, self.files.as_ref()).await
    }

    /// Shuts a tenant out: its database first, and its files with that, then its place on Redis.
    ///
    /// # Errors
    /// When it is unknown, or something else is done with it just now: nothing was changed. When a
    /// server does not answer: it is shut out of the others, and the error says of which.
    pub async fn suspend(&self, id: &TenantId) -> Result<Turned> {
        let tenant = match self.fleet.suspend(id).await {
            Ok(tenant) => tenant,
            Err(Error::NoTenant(_)) => return self.suspend_place(id).await,
            Err(error) if is_refusal(&error) => return Err(error),
            Err(error) => return Err(self.shut_the_rest(id, &error).await),
        };
        match self.caches.suspend(id).await {
            Ok(_) => Ok(Turned::Whole(Box::new(tenant))),
            Err(why) => Err(partly(
                id,
                format!(
                    "is shut out of its database and its files, and gets no login on Redis any \
                     more. Those that it has there may still be good, because {why}"
                ),
            )),
        }
    }

    async fn suspend_place(&self, id: &TenantId) -> Result<Turned> {
        match self.caches.suspend(id).await {
            Ok(Some(_)) => Ok(Turned::OnRedis(State::Suspended)),
            Ok(None) => Err(Error::NoTenant(id.clone())),
            // It is noted before the server is told.
            Err(why @ Error::Redis { .. }) => Err(partly(
                id,
                format!(
                    "gets no login on Redis any more. Those that it has may still be good, because \
                     {why}"
                ),
            )),
            Err(error) => Err(error),
        }
    }

    /// Shuts Redis although the database could not be shut, also where the tenant had no place yet:
    /// the registry still lets it in, so it could get one.
    async fn shut_the_rest(&self, id: &TenantId, why: &Error) -> Error {
        let open = format!("is not shut out of its database and its files, because {why}");
        let rest = match self.caches.redis().suspend(id).await {
            Ok(_) => "It is shut out of Redis".to_owned(),
            Err(why) => format!("Nor is it sure that it is shut out of Redis, because {why}"),
        };
        partly(id, format!("{open}. {rest}"))
    }

    /// Lets a suspended tenant in again: to its database first, and to its files with that, then to
    /// Redis.
    ///
    /// # Errors
    /// When it is unknown, was erased, or cannot be let in: nothing was opened. When it is let in and
    /// Redis stays shut, the error says so.
    pub async fn resume(&self, id: &TenantId) -> Result<Turned> {
        let tenant = match self.fleet.resume(id).await {
            Ok(tenant) => tenant,
            Err(Error::NoTenant(_)) => return self.resume_place(id).await,
            Err(error) => return Err(error),
        };
        // One whose move has stopped may have been suspended before, and is so again.
        if tenant.state != State::Active {
            return Ok(Turned::Whole(Box::new(tenant)));
        }
        match self.caches.resume(id).await {
            Ok(_) => Ok(Turned::Whole(Box::new(tenant))),
            Err(why) => Err(partly(
                id,
                format!("is let in to its database and its files, and not to Redis, because {why}"),
            )),
        }
    }

    async fn resume_place(&self, id: &TenantId) -> Result<Turned> {
        if self.caches.resume(id).await? {
            return Ok(Turned::OnRedis(State::Active));
        }
        Err(Error::NoTenant(id.clone()))
    }
}

/// Whether an error says that this is not to be done now, and not that it could not be.
const fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::Canary
            | Error::Taken(_)
            | Error::NotActive { .. }
            | Error::Newer { .. }
            | Error::Id(_)
    )
}

fn partly(id: &TenantId, told: String) -> Error {
    Error::Partly { tenant: id.clone(), told }
}
