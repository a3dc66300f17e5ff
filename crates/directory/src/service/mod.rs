//! The service behind the protocol: who calls, and what is done to users and groups.

mod groups;
mod listing;
mod mapping;
mod places;
mod roles;
mod tokens;
mod turns;
mod upkeep;
mod users;

use std::sync::Arc;

use jiff::Timestamp;
use kernel::{Clock, Identity, Provisioning, Rng, TenantId};
use serde_json::{Map, Value, json};
use store::{Db, OperatorTx};

pub use listing::{MAX_COUNT, Page, Query};
pub use mapping::{Event, GroupCard, MappingCard, Overview};
pub use tokens::{MAX_TOKEN_DAYS, NewToken, TokenCard};

use places::Places;
use turns::{Turn, Turns};

use crate::resource::Wanted;
use crate::schema::Kind;
use crate::{Error, Result, sql};

/// The longest detail of what is written down, in bytes.
const MAX_DETAIL_BYTES: usize = 1000;
/// PostgreSQL's code for a name that is taken.
const UNIQUE: &str = "23505";

/// The directories of tenants. Share it in an [`Arc`].
pub struct Directory {
    db: Db,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    people: Arc<dyn Provisioning>,
    base: String,
    turns: Turns,
    places: Places,
}

/// A directory that showed a good token a moment ago. Only [`Directory::admit`] makes one.
#[derive(Debug, Clone)]
pub struct Caller {
    token: String,
    tenant: TenantId,
    /// The account that made the token; nobody where the operator did.
    maker: Option<String>,
}

impl Caller {
    /// The name of the token, which is no secret.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The tenant whose directory it is.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Who acts, as it is written down.
    fn actor(&self) -> String {
        format!("directory:{}", self.token)
    }
}

/// An administrator, or the operator of the machine.
#[derive(Debug, Clone)]
pub struct By {
    name: String,
    account: Option<String>,
}

impl By {
    /// Whoever may run a command on this machine. `name` is written down.
    pub fn operator(name: &str) -> Self {
        Self { name: name.to_owned(), account: None }
    }

    /// Somebody who is signed in, or in whose name the operator acts. What they make ends with them.
    pub fn person(who: &Identity) -> Self {
        Self { name: who.actor.to_string(), account: Some(who.account.clone()) }
    }
}

/// A user or a group, as it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its id.
    pub id: String,
    /// Counts its changes, from 1 on.
    pub version: i64,
    /// All that is told of it.
    pub fields: Map<String, Value>,
}

impl Resource {
    /// The entity tag of this version.
    pub fn tag(&self) -> String {
        tag(self.version)
    }

    /// Whether one of `tags`, as a header lists them, is that of this version.
    pub fn is_named(&self, tags: &str) -> bool {
        names(tags, self.version)
    }
}

/// In which version a resource has to be for a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Precondition {
    /// `If-Match`, as it was sent.
    pub if_match: Option<String>,
}

impl Precondition {
    fn check(&self, version: i64) -> Result<()> {
        match &self.if_match {
            Some(tags) if !names(tags, version) => Err(Error::Precondition),
            _ => Ok(()),
        }
    }
}

/// Whether one of `tags`, as a header lists them, is that of `version`.
fn names(tags: &str, version: i64) -> bool {
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let wanted = plain(&tag(version));
    tags.split(',').any(|tag| tag.trim() == "*" || plain(tag) == wanted)
}

fn tag(version: i64) -> String {
    format!("W/\"{version}\"")
}

impl Directory {
    /// The service over `db`, a login of the control database that is a member of `amanah_engine`.
    /// `base` is where the protocol is served, without a slash at its end.
    pub fn new(
        db: Db,
        (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
        people: Arc<dyn Provisioning>,
        base: &str,
    ) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self { db, clock, rng, people, base, turns: Turns::default(), places: Places::new() }
    }

    /// Where the protocol is served.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Makes a user or a group.
    ///
    /// # Errors
    /// [`Error::Syntax`], [`Error::Value`], [`Error::Uniqueness`], [`Error::TooMany`].
    pub async fn create(&self, who: &Caller, kind: Kind, body: &Value) -> Result<Resource> {
        match kind {
            Kind::User => self.create_user(who, body).await,
            Kind::Group => self.create_group(who, body).await,
        }
    }

    /// One user or group, or what is wanted of it.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for one of another tenant.
    pub async fn get(
        &self,
        who: &Caller,
        kind: Kind,
        id: &str,
        wanted: &Wanted,
    ) -> Result<Resource> {
        wanted.check()?;
        let whole = match kind {
            Kind::User => self.user(&who.tenant, id).await?.told(&self.base),
            Kind::Group => self.group(&who.tenant, id, wanted.has("members")).await?,
        };
        Ok(Resource { fields: wanted.part(kind, whole.fields), ..whole })
    }

    /// Replaces all that the directory says of a user or a group.
    ///
    /// # Errors
    /// As for [`Directory::create`]; [`Error::NotFound`], [`Error::Precondition`], [`Error::Refused`].
    pub async fn replace(
        &self,
        who: &Caller,
        (kind, id): (Kind, &str),
        body: &Value,
        condition: &Precondition,
    ) -> Result<Resource> {
        let change = |old: &Map<String, Value>| {
            let mut new = crate::resource::canonical(kind, body)?;
            // Nobody is let in, or shut out, by leaving a word out.
            if let (Kind::User, Some(active)) = (kind, old.get("active")) {
                new.entry("active").or_insert_with(|| active.clone());
            }
            Ok(new)
        };
        match kind {
            Kind::User => self.change_user(who, id, condition, change).await,
            Kind::Group => self.change_group(who, id, condition, change).await,
        }
    }

    /// Changes a part of a user or a group.
    ///
    /// # Errors
    /// As for [`Directory::replace`]; [`Error::Path`], [`Error::NoTarget`], [`Error::Mutability`].
    pub async fn patch(
        &self,
        who: &Caller,
        (kind, id): (Kind, &str),
        body: &Value,
        condition: &Precondition,
    ) -> Result<Resource> {
        let change = |old: &Map<String, Value>| crate::patch::apply(kind, old, body);
        match kind {
            Kind::User => self.change_user(who, id, condition, change).await,
            Kind::Group => self.change_group(who, id, condition, change).await,
        }
    }

    /// Removes a user or a group. A user's account is off-boarded; a group's members lose what it gave.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Precondition`], [`Error::Refused`].
    pub async fn remove(
        &self,
        who: &Caller,
        (kind, id): (Kind, &str),
        condition: &Precondition,
    ) -> Result<()> {
        match kind {
            Kind::User => self.remove_user(who, id, condition).await,
            Kind::Group => self.remove_group(who, id, condition).await,
        }
    }

    /// Nobody else changes what is of `tenant` meanwhile, in this process.
    pub(crate) async fn turn(&self, tenant: &TenantId) -> Turn {
        self.turns.wait(tenant).await
    }

    /// The turn of whoever was admitted before they had to wait: their token is looked at once more.
    async fn turn_of(&self, who: &Caller) -> Result<Turn> {
        let turn = self.turn(&who.tenant).await;
        self.still_good(who).await?;
        Ok(turn)
    }

    /// Writes down what is done, in the transaction that does it.
    async fn note(
        &self,
        tx: &OperatorTx,
        tenant: &TenantId,
        (actor, action): (&str, &str),
        (target, detail): (&str, &str),
    ) -> Result<()> {
        let detail: String = kernel::shown(detail).chars().take(MAX_DETAIL_BYTES / 4).collect();
        let actor: String = actor.chars().take(MAX_DETAIL_BYTES / 20).collect();
        let now = self.clock.now();
        let bound: store::Bound<'_> = &[&tenant.as_str(), &now, &actor, &action, &target, &detail];
        tx.execute(sql::NOTE, bound).await?;
        tracing::info!(%tenant, actor, action, target, detail, "a directory");
        Ok(())
    }
}

/// What we say of every resource.
fn meta(kind: Kind, (base, id): (&str, &str), at: (Timestamp, Timestamp), version: i64) -> Value {
    json!({
        "resourceType": kind.name(),
        "created": at.0.to_string(),
        "lastModified": at.1.to_string(),
        "location": format!("{base}{}/{id}", kind.endpoint()),
        "version": tag(version),
    })
}

/// Whether `text` has the form of an id. Anything else names nothing, and is no error of the database.
pub(crate) fn is_id(text: &str) -> bool {
    let form = |(n, b): (usize, u8)| match n {
        8 | 13 | 18 | 23 => b == b'-',
        _ => b.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(form)
}

/// Another room did not do its part.
fn away(why: String) -> Error {
    Error::Unavailable(why)
}
