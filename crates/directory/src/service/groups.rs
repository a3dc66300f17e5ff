//! Groups: several users of the tenant's directory, whose members have what was mapped to them.
//!
//! It promises that a member is always a user of the same directory, and that whoever leaves a group
//! loses what it gave in the same request. What a group gives stands in `roles.rs`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kernel::TenantId;
use serde_json::{Map, Value, json};
use store::{OperatorTx, Row};

use super::{Caller, Directory, Precondition, Resource, UNIQUE, is_id, meta};
use crate::resource::{MEMBERS, canonical};
use crate::schema::Kind;
use crate::{Error, Result, sql};

/// A group, as it is stored, without its members.
pub(super) struct Group {
    pub(super) id: String,
    pub(super) name: String,
    external_id: Option<String>,
    version: i64,
    created_at: Timestamp,
    changed_at: Timestamp,
}

impl Group {
    pub(super) fn read(row: &Row) -> Self {
        Self {
            id: row.get(0),
            name: row.get(1),
            external_id: row.get(2),
            version: row.get(3),
            created_at: row.get(4),
            changed_at: row.get(5),
        }
    }

    /// What the directory says of it, with these members.
    fn attributes(&self, members: Vec<Value>) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("displayName".to_owned(), json!(self.name));
        if let Some(external) = &self.external_id {
            fields.insert("externalId".to_owned(), json!(external));
        }
        if !members.is_empty() {
            fields.insert(MEMBERS.to_owned(), Value::Array(members));
        }
        fields
    }

    /// The whole of it, with these members.
    pub(super) fn told(&self, base: &str, members: Vec<Value>) -> Resource {
        let mut fields = self.attributes(members);
        let at = (self.created_at, self.changed_at);
        fields.insert("schemas".to_owned(), json!([Kind::Group.core()]));
        fields.insert("id".to_owned(), json!(self.id));
        fields.insert("meta".to_owned(), meta(Kind::Group, (base, &self.id), at, self.version));
        Resource { id: self.id.clone(), version: self.version, fields }
    }
}

/// A member, as it is told.
pub(super) fn member(base: &str, id: &str, name: &str) -> Value {
    json!({ "value": id, "display": name, "type": "User", "$ref": format!("{base}/Users/{id}") })
}

impl Directory {
    /// A group as it is told, with its members or without.
    pub(super) async fn group(&self, tenant: &TenantId, id: &str, whole: bool) -> Result<Resource> {
        let group = self.bare(tenant, id).await?;
        let members = if whole { self.members(&group.id).await? } else { Vec::new() };
        let shown = members.iter().map(|(id, name)| member(&self.base, id, name)).collect();
        Ok(group.told(&self.base, shown))
    }

    async fn bare(&self, tenant: &TenantId, id: &str) -> Result<Group> {
        if !is_id(id) {
            return Err(Error::NotFound);
        }
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::FIND_GROUP, &[&tenant.as_str(), &id]).await?;
        tx.commit().await?;
        row.as_ref().map(Group::read).ok_or(Error::NotFound)
    }

    /// Id and name of each member.
    pub(super) async fn members(&self, group: &str) -> Result<Vec<(String, String)>> {
        let groups = [group];
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::MEMBERS, &[&groups.as_slice()]).await?;
        tx.commit().await?;
        Ok(rows.iter().map(|row| (row.get(1), row.get(2))).collect())
    }

    pub(super) async fn create_group(&self, who: &Caller, body: &Value) -> Result<Resource> {
        let attributes = canonical(Kind::Group, body)?;
        let members = wanted(&attributes)?;
        let (name, external) = texts(&attributes);
        let (now, of) = (self.clock.now(), who.tenant.as_str());
        let _turn = self.turn_of(who).await?;
        let tx = self.db.operator().await?;
        known(&tx, &who.tenant, &members).await?;
        let bound: store::Bound<'_> = &[&of, &name, &external, &now, &who.actor()];
        let Some(row) = tx.query_opt(sql::ADD_GROUP, bound).await? else {
            tx.rollback().await?;
            return Err(Error::Uniqueness);
        };
        let id: String = row.get(0);
        let users: Vec<&str> = members.iter().map(String::as_str).collect();
        tx.execute(sql::ADD_MEMBERS, &[&of, &id, &users, &now, &who.maker]).await?;
        tx.execute(sql::TOUCH_USERS, &[&users, &now]).await?;
        let detail = format!("{} members", users.len());
        self.note(&tx, &who.tenant, (&who.actor(), "create group"), (&id, &detail)).await?;
        tx.commit().await?;
        self.group(&who.tenant, &id, true).await
    }

    pub(super) async fn change_group(
        &self,
        who: &Caller,
        id: &str,
        condition: &Precondition,
        change: impl FnOnce(&Map<String, Value>) -> Result<Map<String, Value>>,
    ) -> Result<Resource> {
        let _turn = self.turn_of(who).await?;
        let old = self.bare(&who.tenant, id).await?;
        condition.check(old.version)?;
        let there = self.members(&old.id).await?;
        let shown = there.iter().map(|(id, _)| json!({ "value": id })).collect();
        let before = old.attributes(shown);
        let new = change(&before)?;
        let is: BTreeSet<String> = there.into_iter().map(|(id, _)| id).collect();
        let shall = wanted(&new)?;
        let added: Vec<String> = shall.difference(&is).cloned().collect();
        let gone: Vec<String> = is.difference(&shall).cloned().collect();
        let (name, external) = texts(&new);
        let same = (&name, &external) == (&old.name, &old.external_id);
        if !same || !added.is_empty() || !gone.is_empty() {
            // All that can be wrong with it is looked at before anything is taken.
            self.fits(&who.tenant, &old.id, &name, &added).await?;
            // What the group gave goes before they leave it: cut off here, they have less, not more.
            self.withdraw(who, &gone, &old.id).await?;
            self.write(who, &old, (name, external), (&added, &gone, &shall)).await?;
        }
        // Also when nothing changed: what was cut off before is done now.
        let users: Vec<String> = shall.into_iter().collect();
        self.settle(&who.tenant, Some(&users), &who.actor()).await?;
        self.group(&who.tenant, id, true).await
    }

    /// Whether the group may be called so, and have these added.
    async fn fits(&self, tenant: &TenantId, id: &str, name: &str, added: &[String]) -> Result<()> {
        let tx = self.db.operator().await?;
        known(&tx, tenant, &added.iter().cloned().collect()).await?;
        let row = tx.query_one(sql::NAME_IS_TAKEN, &[&tenant.as_str(), &name, &id]).await?;
        tx.commit().await?;
        if row.get(0) { Err(Error::Uniqueness) } else { Ok(()) }
    }

    async fn write(
        &self,
        who: &Caller,
        old: &Group,
        (name, external): (String, Option<String>),
        (added, gone, all): (&Vec<String>, &Vec<String>, &BTreeSet<String>),
    ) -> Result<()> {
        let (now, of) = (self.clock.now(), who.tenant.as_str());
        let tx = self.db.operator().await?;
        known(&tx, &who.tenant, &added.iter().cloned().collect()).await?;
        let bound: store::Bound<'_> = &[&of, &old.id, &old.version, &name, &external, &now];
        match tx.execute(sql::CHANGE_GROUP, bound).await {
            Ok(0) => return Err(Error::Precondition),
            Ok(_) => {}
            Err(error) if error.sqlstate() == Some(UNIQUE) => return Err(Error::Uniqueness),
            Err(error) => return Err(error.into()),
        }
        tx.execute(sql::REMOVE_MEMBERS, &[&old.id, gone]).await?;
        tx.execute(sql::ADD_MEMBERS, &[&of, &old.id, added, &now, &who.maker]).await?;
        // Each of them is told the group's name.
        let mut touched: Vec<&String> = added.iter().chain(gone).collect();
        if name != old.name {
            touched = all.iter().chain(gone).collect();
        }
        tx.execute(sql::TOUCH_USERS, &[&touched, &now]).await?;
        let detail = format!("{} members came, {} left", added.len(), gone.len());
        self.note(&tx, &who.tenant, (&who.actor(), "change group"), (&old.id, &detail)).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn remove_group(
        &self,
        who: &Caller,
        id: &str,
        condition: &Precondition,
    ) -> Result<()> {
        let _turn = self.turn_of(who).await?;
        let old = self.bare(&who.tenant, id).await?;
        condition.check(old.version)?;
        let members = self.members(&old.id).await?;
        let members: Vec<String> = members.into_iter().map(|(id, _)| id).collect();
        self.withdraw(who, &members, &old.id).await?;
        let (now, of) = (self.clock.now(), who.tenant.as_str());
        let tx = self.db.operator().await?;
        tx.execute(sql::REMOVE_GROUP, &[&of, &old.id]).await?;
        tx.execute(sql::TOUCH_USERS, &[&members, &now]).await?;
        let detail = format!("{} members", members.len());
        self.note(&tx, &who.tenant, (&who.actor(), "remove group"), (&old.id, &detail)).await?;
        Ok(tx.commit().await?)
    }
}

/// The ids of the members that are wanted.
fn wanted(attributes: &Map<String, Value>) -> Result<BTreeSet<String>> {
    let members = attributes.get(MEMBERS).and_then(Value::as_array);
    let members = members.map(Vec::as_slice).unwrap_or_default();
    let id = |member: &Value| {
        let id = member.get("value").and_then(Value::as_str).map(str::to_ascii_lowercase);
        id.filter(|id| is_id(id)).ok_or_else(nobody)
    };
    members.iter().map(id).collect()
}

fn nobody() -> Error {
    Error::Value("a member is no user of this directory".to_owned())
}

/// All of them are users of the tenant.
async fn known(tx: &OperatorTx, tenant: &TenantId, users: &BTreeSet<String>) -> Result<()> {
    let ids: Vec<&str> = users.iter().map(String::as_str).collect();
    let found = tx.query(sql::KNOWN_USERS, &[&tenant.as_str(), &ids]).await?;
    if found.len() == ids.len() { Ok(()) } else { Err(nobody()) }
}

fn texts(attributes: &Map<String, Value>) -> (String, Option<String>) {
    let text = |name: &str| attributes.get(name).and_then(Value::as_str).map(str::to_owned);
    (text("displayName").unwrap_or_default().trim().to_owned(), text("externalId"))
}
