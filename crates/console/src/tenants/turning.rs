//! A tenant shut out, and let in again, with everything that it has: its people, its database, its files and
//! its place on Redis. The API and the command line do it here, so that both do the same.
//!
//! Its people go first and come last: nobody goes on while the rest is shut, and whatever fails opens
//! nothing. A tenant of a shared database may have people and nothing else.

use std::sync::Arc;

use identity::Identities;
use kernel::TenantId;
use tenancy::{Error, Life, State, Tenant};

/// Shuts tenants out and lets them in. Cheap to clone.
#[derive(Clone)]
pub struct Turning {
    /// All that is kept for tenants.
    pub life: Life,
    /// Their people.
    pub identities: Arc<Identities>,
}

/// A tenant that was shut out or let in.
#[derive(Debug)]
pub enum Turned {
    /// It has a database of its own.
    Whole(Box<Tenant>),
    /// It has a place on Redis and no database, and this is what became of it.
    OnRedis(State),
    /// It has people alone.
    People(State),
}

/// What stopped it.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// Its people could not be reached. Where they come first, nothing else was done.
    #[error(transparent)]
    People(#[from] identity::Error),
    /// The rest could not be. Its people are shut out then, if there is such a tenant.
    #[error(transparent)]
    Rest(Error),
}

impl Turning {
    /// Signs the people of a tenant out and keeps them out, and shuts its database, its files and its place
    /// on Redis.
    ///
    /// # Errors
    /// [`Error::NoTenant`] when it has neither people nor anything else: nothing was changed. As
    /// [`Life::suspend`] otherwise.
    pub async fn suspend(&self, id: &TenantId) -> Result<Turned, Stopped> {
        let people = self.identities.has_people(id).await?;
        let known = people || self.life.fleet.find(id).await.is_ok();
        if known {
            self.identities.suspend_tenant(id).await?;
        }
        match self.life.suspend(id).await {
            Ok(turned) => {
                if !known {
                    self.identities.suspend_tenant(id).await?;
                }
                Ok(turned.into())
            }
            Err(Error::NoTenant(_)) if people => Ok(Turned::People(State::Suspended)),
            Err(error) => Err(Stopped::Rest(error)),
        }
    }

    /// Lets a tenant in again. What its people had open stays ended.
    ///
    /// # Errors
    /// As [`Turning::suspend`]; its people stay out then.
    pub async fn resume(&self, id: &TenantId) -> Result<Turned, Stopped> {
        let people = self.identities.has_people(id).await?;
        let turned = match self.life.resume(id).await {
            Ok(turned) => turned.into(),
            Err(Error::NoTenant(_)) if people => Turned::People(State::Active),
            Err(error) => return Err(Stopped::Rest(error)),
        };
        // One whose move has stopped may have been suspended before, and is so again.
        if turned.state() == State::Active {
            self.identities.resume_tenant(id).await?;
        }
        Ok(turned)
    }
}

impl Turned {
    /// What became of it.
    pub fn state(&self) -> State {
        match self {
            Self::Whole(tenant) => tenant.state,
            Self::OnRedis(state) | Self::People(state) => *state,
        }
    }
}

impl From<tenancy::Turned> for Turned {
    fn from(turned: tenancy::Turned) -> Self {
        match turned {
            tenancy::Turned::Whole(tenant) => Self::Whole(tenant),
            tenancy::Turned::OnRedis(state) => Self::OnRedis(state),
        }
    }
}
