//! What administrators do: which group gives which role, who comes into the directory's hand, and what
//! was done.

use jiff::Timestamp;
use kernel::{Identity, TenantId, own};
use serde_json::{Map, json};

use super::groups::Group;
use super::{By, Directory, TokenCard, away};
use crate::{Error, Result, sql};

/// How many groups, or events, are listed.
const LISTED: i64 = 1_000;

/// A group, with what it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupCard {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many are in it.
    pub members: i64,
    /// What it gives.
    pub roles: Vec<MappingCard>,
}

/// A role that a group gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingCard {
    /// The role.
    pub role: String,
    /// In whose name.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
}

/// What a tenant's directory has here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    /// How many users.
    pub users: i64,
    /// How many of them are active.
    pub active: i64,
    /// Its groups, by name.
    pub groups: Vec<GroupCard>,
    /// Its tokens, the newest first.
    pub tokens: Vec<TokenCard>,
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// By whom: `directory:` and a token, or a person.
    pub actor: String,
    /// What.
    pub action: String,
    /// To which id.
    pub target: String,
    /// What there is to say besides.
    pub detail: String,
}

impl Directory {
    /// From now on members of the group have `role`, in the name of `by` and of their tenant. `group` is a
    /// name or an id.
    ///
    /// # Errors
    /// [`Error::Refused`] when `by` may not; [`Error::NotFound`] when there is no such group.
    pub async fn map(&self, by: &Identity, group: &str, role: &str) -> Result<()> {
        let may = by.may(own::PEOPLE_DIRECTORY) && by.standing.support.is_none();
        let roles = self.people.mappable(by).await.map_err(away)?;
        if !may || !roles.iter().any(|one| one.name == role) {
            return Err(Error::Refused("this role is not known, or allows more than you may"));
        }
        let (tenant, name, now) = (&by.tenant, by.actor.as_str(), self.clock.now());
        let _turn = self.turn(tenant).await;
        let group = self.group_of(tenant, group).await?;
        let tx = self.db.operator().await?;
        // Whoever maps it again answers for it from now on.
        tx.execute(sql::UNMAP, &[&group.id, &role]).await?;
        let bound: store::Bound<'_> =
            &[&tenant.as_str(), &group.id, &role, &by.account, &name, &now];
        tx.execute(sql::MAP, bound).await?;
        self.note(&tx, tenant, (name, "map role"), (&group.id, role)).await?;
        tx.commit().await?;
        self.settle_group(tenant, &group).await
    }

    /// From now on the group of `tenant` does not give `role`.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such group, or it does not give the role.
    pub async fn unmap(&self, tenant: &TenantId, group: &str, role: &str, by: &By) -> Result<()> {
        let _turn = self.turn(tenant).await;
        let group = self.group_of(tenant, group).await?;
        let tx = self.db.operator().await?;
        if tx.execute(sql::UNMAP, &[&group.id, &role]).await? == 0 {
            tx.rollback().await?;
            return Err(Error::NotFound);
        }
        self.note(&tx, tenant, (&by.name, "unmap role"), (&group.id, role)).await?;
        tx.commit().await?;
        self.settle_group(tenant, &group).await
    }

    async fn settle_group(&self, tenant: &TenantId, group: &Group) -> Result<()> {
        let members = self.members(&group.id).await?.into_iter();
        let members: Vec<String> = members.map(|(id, _)| id).collect();
        self.settle(tenant, Some(&members), "directory:mapping").await
    }

    async fn group_of(&self, tenant: &TenantId, group: &str) -> Result<Group> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::GROUP_OF, &[&tenant.as_str(), &group]).await?;
        tx.commit().await?;
        rows.first().map(Group::read).ok_or(Error::NotFound)
    }

    /// Gives an account of `tenant` that people made into the hand of its directory.
    ///
    /// # Errors
    /// [`Error::NotFound`] when no open account of the tenant has the address; [`Error::Uniqueness`] when
    /// the directory has it already.
    pub async fn adopt(&self, tenant: &TenantId, email: &str, by: &By) -> Result<String> {
        let _turn = self.turn(tenant).await;
        let email = email.trim().to_ascii_lowercase();
        let found = self.people.adopt(tenant, &email).await.map_err(away)?;
        let (account, name) = found.ok_or(Error::NotFound)?;
        let attributes = Map::from_iter([
            ("userName".to_owned(), json!(email)),
            ("displayName".to_owned(), json!(name)),
            ("active".to_owned(), json!(true)),
            ("emails".to_owned(), json!([{"value": email, "type": "work", "primary": true}])),
        ]);
        self.add(tenant, &account, attributes, &by.name).await
    }

    /// What the directory of `tenant` has here.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn overview(&self, tenant: &TenantId) -> Result<Overview> {
        let tokens = self.tokens(Some(tenant)).await?;
        let of = tenant.as_str();
        let tx = self.db.operator().await?;
        let counts = tx.query_one(sql::COUNT_USERS, &[&of]).await?;
        let groups = tx.query(sql::GROUP_CARDS, &[&of, &LISTED]).await?;
        let mappings = tx.query(sql::MAPPINGS, &[&of]).await?;
        tx.commit().await?;
        let card = |row: &store::Row| {
            let id: String = row.get(0);
            let own = mappings.iter().filter(|one| one.get::<_, String>(0) == id);
            let roles =
                own.map(|one| MappingCard { role: one.get(1), by: one.get(2), at: one.get(3) });
            let roles = roles.collect();
            GroupCard { id, name: row.get(1), members: row.get(2), roles }
        };
        let groups = groups.iter().map(card).collect();
        Ok(Overview { users: counts.get(0), active: counts.get(1), groups, tokens })
    }

    /// The roles that `by` may map.
    ///
    /// # Errors
    /// When it cannot be told.
    pub async fn mappable(&self, by: &Identity) -> Result<Vec<kernel::Grantable>> {
        self.people.mappable(by).await.map_err(away)
    }

    /// What was done in `tenant`, the newest first; at most 1,000.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn events(&self, tenant: &TenantId) -> Result<Vec<Event>> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::EVENTS, &[&tenant.as_str(), &LISTED]).await?;
        tx.commit().await?;
        let event = |row: &store::Row| Event {
            at: row.get(0),
            actor: row.get(1),
            action: row.get(2),
            target: row.get(3),
            detail: row.get(4),
        };
        Ok(rows.iter().map(event).collect())
    }
}
