//! Users: each is one account of the tenant that the directory has in hand.

use jiff::Timestamp;
use kernel::{Provision, Provisioned, Reopened, TenantId};
use serde_json::{Map, Value, json};
use store::{Json, Row};

use super::{Caller, Directory, Precondition, Resource, UNIQUE, away, is_id, meta};
use crate::resource::canonical;
use crate::schema::{ENTERPRISE, Kind};
use crate::{Error, Result, sql};

/// The longest name to greet somebody by, in bytes.
const MAX_NAME_BYTES: usize = 200;
/// The longest address, in bytes.
const MAX_ADDRESS_BYTES: usize = 128;
/// The last one that can give roles stays.
const LAST: &str = "nobody else of this tenant could give roles then; give somebody else the role of an \
                    administrator first";
/// What the token's maker may not do, it does not either.
pub(super) const BEYOND: &str = "whoever made this token may not do that: it is about somebody, or a role, that \
                                 may do more than they; use a token of somebody who may, or of the operator";
/// People closed the account, and a directory neither opens nor changes it.
const FINAL: &str = "the account was off-boarded here, and a directory neither opens nor changes it; ask \
                     the operator";

/// A user, as it is stored.
pub(super) struct User {
    pub(super) id: String,
    pub(super) account: String,
    pub(super) active: bool,
    pub(super) attributes: Map<String, Value>,
    version: i64,
    pub(super) created_at: Timestamp,
    changed_at: Timestamp,
    groups: Value,
}

impl User {
    pub(super) fn read(row: &Row) -> Self {
        let Json(attributes): Json<Value> = row.get(4);
        let Json(groups): Json<Value> = row.get(8);
        let attributes = match attributes {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        Self {
            id: row.get(0),
            account: row.get(1),
            active: row.get(3),
            attributes,
            version: row.get(5),
            created_at: row.get(6),
            changed_at: row.get(7),
            groups,
        }
    }

    /// The whole of it.
    pub(super) fn told(self, base: &str) -> Resource {
        let mut fields = self.attributes;
        let mut schemas = vec![Kind::User.core()];
        schemas.extend(fields.contains_key(ENTERPRISE).then_some(ENTERPRISE));
        let at = (self.created_at, self.changed_at);
        let meta = meta(Kind::User, (base, &self.id), at, self.version);
        let mut groups = self.groups;
        for group in groups.as_array_mut().into_iter().flatten() {
            let id = group.get("value").and_then(Value::as_str).unwrap_or_default().to_owned();
            if let Value::Object(group) = group {
                group.insert("$ref".to_owned(), json!(format!("{base}/Groups/{id}")));
            }
        }
        if groups.as_array().is_some_and(|all| !all.is_empty()) {
            fields.insert("groups".to_owned(), groups);
        }
        fields.insert("schemas".to_owned(), json!(schemas));
        fields.insert("id".to_owned(), json!(self.id));
        fields.insert("meta".to_owned(), meta);
        Resource { id: self.id, version: self.version, fields }
    }
}

impl Directory {
    pub(super) async fn user(&self, tenant: &TenantId, id: &str) -> Result<User> {
        if !is_id(id) {
            return Err(Error::NotFound);
        }
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::FIND_USER, &[&tenant.as_str(), &id]).await?;
        tx.commit().await?;
        row.as_ref().map(User::read).ok_or(Error::NotFound)
    }

    async fn named(&self, tenant: &TenantId, user_name: &str) -> Result<Option<User>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::USER_OF_NAME, &[&tenant.as_str(), &user_name]).await?;
        tx.commit().await?;
        Ok(row.as_ref().map(User::read))
    }

    /// Whether a directory has a user whose account it is.
    async fn has(&self, account: &str) -> Result<bool> {
        let tx = self.db.operator().await?;
        let row = tx.query_one(sql::HAS_ACCOUNT, &[&account]).await?;
        tx.commit().await?;
        Ok(row.get(0))
    }

    pub(super) async fn create_user(&self, who: &Caller, body: &Value) -> Result<Resource> {
        let mut attributes = canonical(Kind::User, body)?;
        let active = *attributes.entry("active").or_insert(Value::Bool(true)) == Value::Bool(true);
        let person = person(&who.tenant, &attributes)?;
        let user_name = text(&attributes, "userName");
        let _turn = self.turn_of(who).await?;
        if self.named(&who.tenant, &user_name).await?.is_some() {
            return Err(Error::Uniqueness);
        }
        // Under another name it may be somebody whom the directory has here already: asked before anything
        // is done to their account.
        if let Some(account) = self.people.in_hand(&person).await.map_err(away)? {
            if self.has(&account).await? {
                return Err(Error::Uniqueness);
            }
            if !active {
                self.may_end(who, &account).await?;
            }
        }
        let account = taken(self.people.provision(&person).await.map_err(away)?)?;
        if !active {
            self.end_account(&account, &who.actor()).await?;
        }
        let id = self.add(&who.tenant, &account, attributes, &who.actor()).await?;
        self.user(&who.tenant, &id).await.map(|user| user.told(&self.base))
    }

    /// Writes a user down whose account is there.
    pub(super) async fn add(
        &self,
        tenant: &TenantId,
        account: &str,
        attributes: Map<String, Value>,
        by: &str,
    ) -> Result<String> {
        let active = attributes.get("active") == Some(&Value::Bool(true));
        let (user_name, external) = (text(&attributes, "userName"), external(&attributes));
        let (now, of) = (self.clock.now(), tenant.as_str());
        let tx = self.db.operator().await?;
        let attributes = Json(Value::Object(attributes));
        let bound: store::Bound<'_> =
            &[&of, &account, &user_name, &external, &active, &attributes, &now, &by];
        let Some(row) = tx.query_opt(sql::ADD_USER, bound).await? else {
            tx.rollback().await?;
            return Err(Error::Uniqueness);
        };
        let id: String = row.get(0);
        let detail = if active { "active" } else { "not active" };
        self.note(&tx, tenant, (by, "create user"), (&id, detail)).await?;
        tx.commit().await?;
        Ok(id)
    }

    pub(super) async fn change_user(
        &self,
        who: &Caller,
        id: &str,
        condition: &Precondition,
        change: impl FnOnce(&Map<String, Value>) -> Result<Map<String, Value>>,
    ) -> Result<Resource> {
        let _turn = self.turn_of(who).await?;
        let old = self.user(&who.tenant, id).await?;
        condition.check(old.version)?;
        let new = change(&old.attributes)?;
        if new == old.attributes {
            if !old.active {
                // Nothing is new to us, and yet the account may be open: who says so once more means it.
                self.may_end(who, &old.account).await?;
                self.end_account(&old.account, &who.actor()).await?;
            }
            return Ok(old.told(&self.base));
        }
        let user_name = text(&new, "userName");
        let other = self.named(&who.tenant, &user_name).await?;
        if other.is_some_and(|other| other.id != old.id) {
            return Err(Error::Uniqueness);
        }
        let active = new.get("active") == Some(&Value::Bool(true));
        let detail = self.carry_out(who, &old, &new, active).await?;
        let (now, of, external) = (self.clock.now(), who.tenant.as_str(), external(&new));
        let attributes = Json(Value::Object(new));
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> =
            &[&of, &old.id, &old.version, &user_name, &external, &active, &attributes, &now];
        match tx.execute(sql::CHANGE_USER, bound).await {
            Ok(0) => return Err(Error::Precondition),
            Ok(_) => {}
            Err(error) if error.sqlstate() == Some(UNIQUE) => return Err(Error::Uniqueness),
            Err(error) => return Err(error.into()),
        }
        self.note(&tx, &who.tenant, (&who.actor(), "change user"), (&old.id, detail)).await?;
        tx.commit().await?;
        if active && !old.active {
            // They are in their groups still.
            let users = [old.id.clone()];
            self.settle(&who.tenant, Some(&users), &who.actor()).await?;
        }
        self.user(&who.tenant, id).await.map(|user| user.told(&self.base))
    }

    /// What a change means for the account. It may be done again, when what follows fails.
    async fn carry_out(
        &self,
        who: &Caller,
        old: &User,
        new: &Map<String, Value>,
        active: bool,
    ) -> Result<&'static str> {
        let tenant = &who.tenant;
        let after = person(tenant, new)?;
        // What was stored could not be read otherwise.
        let before = person(tenant, &old.attributes).ok();
        if !active {
            self.may_end(who, &old.account).await?;
        }
        // With their address somebody gets a new password, too.
        if before.as_ref().is_none_or(|before| before.email != after.email) {
            self.may_touch(who, &old.account).await?;
        }
        if before.as_ref() != Some(&after) {
            taken(self.people.change(&old.account, &after).await.map_err(away)?)?;
        }
        match (old.active, active) {
            (true, false) => {
                self.end_account(&old.account, &who.actor()).await?;
                Ok("deactivated, and off-boarded")
            }
            (false, false) => {
                self.end_account(&old.account, &who.actor()).await?;
                Ok("")
            }
            (false, true) => match self.people.reopen(&old.account).await.map_err(away)? {
                Reopened::Done => Ok("activated, and invited"),
                Reopened::Final => Err(Error::Refused(FINAL)),
            },
            (true, true) => Ok(""),
        }
    }

    pub(super) async fn remove_user(
        &self,
        who: &Caller,
        id: &str,
        condition: &Precondition,
    ) -> Result<()> {
        let _turn = self.turn_of(who).await?;
        let old = self.user(&who.tenant, id).await?;
        condition.check(old.version)?;
        self.may_end(who, &old.account).await?;
        // First of all: whoever is gone from the directory must not have an account that works.
        self.end_account(&old.account, &who.actor()).await?;
        let (now, of) = (self.clock.now(), who.tenant.as_str());
        let tx = self.db.operator().await?;
        tx.execute(sql::GROUPS_LEFT, &[&of, &old.id, &now]).await?;
        tx.execute(sql::REMOVE_USER, &[&of, &old.id]).await?;
        let done = (old.id.as_str(), "off-boarded");
        self.note(&tx, &who.tenant, (&who.actor(), "remove user"), done).await?;
        Ok(tx.commit().await?)
    }

    /// Off-boards an account, with the tokens of directories that its holder made.
    pub(super) async fn end_account(&self, account: &str, by: &str) -> Result<()> {
        self.people.close(account, by).await.map_err(away)?;
        let tx = self.db.operator().await?;
        self.end_tokens_of(&tx, account, by).await?;
        Ok(tx.commit().await?)
    }

    /// Whether the directory may off-board the account.
    async fn may_end(&self, who: &Caller, account: &str) -> Result<()> {
        self.may_touch(who, account).await?;
        self.not_last(&who.tenant, account).await
    }

    /// Nobody does by a token what they may not do themselves to somebody who may do more.
    async fn may_touch(&self, who: &Caller, account: &str) -> Result<()> {
        match &who.maker {
            Some(maker)
                if !self.people.may_end(maker, account, &who.tenant).await.map_err(away)? =>
            {
                Err(Error::Refused(BEYOND))
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn not_last(&self, tenant: &TenantId, account: &str) -> Result<()> {
        if self.people.is_last(tenant, account, None).await.map_err(away)? {
            return Err(Error::Refused(LAST));
        }
        Ok(())
    }
}

/// The account, unless somebody has its address.
fn taken(provisioned: Provisioned) -> Result<String> {
    match provisioned {
        Provisioned::Account(id) => Ok(id),
        Provisioned::Taken => Err(Error::Uniqueness),
        Provisioned::Final => Err(Error::Refused(FINAL)),
        Provisioned::Unfit(why) => {
            Err(Error::Value(format!("the account cannot be made so: {why}")))
        }
    }
}

fn text(attributes: &Map<String, Value>, name: &str) -> String {
    attributes.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned()
}

fn external(attributes: &Map<String, Value>) -> Option<String> {
    attributes.get("externalId").and_then(Value::as_str).map(str::to_owned)
}

/// Who it is, as far as an account knows. The address is the name that they sign in with, where that is one,
/// or else their first e-mail address.
///
/// # Errors
/// [`Error::Value`] when there is no address.
pub(super) fn person(tenant: &TenantId, attributes: &Map<String, Value>) -> Result<Provision> {
    let user_name = text(attributes, "userName");
    let emails = attributes.get("emails").and_then(Value::as_array);
    let emails = emails.map(Vec::as_slice).unwrap_or_default();
    let primary = emails.iter().find(|one| crate::resource::is_primary(one));
    let email = primary.or_else(|| emails.first()).and_then(|one| one.get("value"));
    let email = email.and_then(Value::as_str).unwrap_or_default().trim();
    let address = [user_name.as_str(), email].into_iter().find(|text| is_address(text));
    let none = || Error::Value("neither userName nor the e-mail address is an address".to_owned());
    let part = |name: &str| {
        let name = attributes.get("name").and_then(|whole| whole.get(name));
        name.and_then(Value::as_str).unwrap_or_default()
    };
    let both = format!("{} {}", part("givenName"), part("familyName"));
    let names =
        [text(attributes, "displayName"), part("formatted").to_owned(), both, user_name.clone()];
    let name = names.iter().map(|name| one_line(name)).find(|name| !name.is_empty());
    Ok(Provision {
        tenant: tenant.clone(),
        email: address.ok_or_else(none)?.to_ascii_lowercase(),
        name: name.unwrap_or_default(),
        language: language(&text(attributes, "preferredLanguage")).to_owned(),
    })
}

fn is_address(text: &str) -> bool {
    let halves = text.split_once('@');
    let whole = halves.is_some_and(|(a, b)| !a.is_empty() && !b.is_empty() && !b.contains('@'));
    whole && text.len() <= MAX_ADDRESS_BYTES && text.bytes().all(|b| b.is_ascii_graphic())
}

/// `name` in one line of bounded length.
fn one_line(name: &str) -> String {
    let words: Vec<&str> = name.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let mut line = String::new();
    for word in words.into_iter().filter(|word| !word.is_empty()) {
        if line.len() + word.len() + 1 > MAX_NAME_BYTES {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

fn language(tag: &str) -> &'static str {
    let first = tag.split(['-', '_']).next().unwrap_or_default();
    let known = ["en", "id", "ar"].into_iter().find(|known| first.eq_ignore_ascii_case(known));
    known.unwrap_or("en")
}
