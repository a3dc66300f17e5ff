//! A house with two tenants, whose accounts and roles are kept in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use kernel::{
    Actor, Bits, Clock as _, Door, FixedRng, Fut, Grantable, Identity, ManualClock, MappedRole,
    Provision, Provisioned, Provisioning, Reopened, Secret, Standing, Strength, TenantId, own,
};
use serde_json::{Value, json};
use testkit::TestDb;

use crate::{
    By, Caller, Directory, Error, GROUP, Kind, NewToken, PATCH, Precondition, Query, Resource, USER,
};

/// The administrator who maps roles, who is in nobody's directory.
pub(super) const ADMIN: &str = "00000000-0000-4000-8000-0000000000ad";

/// Accounts and roles.
#[derive(Default)]
pub(super) struct People {
    pub(super) accounts: Mutex<BTreeMap<String, Account>>,
    /// Account, role, and whether a directory gave it.
    pub(super) roles: Mutex<BTreeSet<(String, String, bool)>>,
    pub(super) shut: Mutex<BTreeSet<String>>,
    /// What people took away from everybody.
    pub(super) taken: Mutex<BTreeSet<String>>,
    /// What the mapper may not give any more.
    pub(super) beyond: Mutex<BTreeSet<String>>,
    /// Who has lost the right to look after a directory.
    pub(super) lost: Mutex<BTreeSet<String>>,
    /// How often it was asked whether somebody may give a role.
    pub(super) asked: Mutex<usize>,
    /// Giving never ends, and tells that it was reached.
    pub(super) hangs: Mutex<bool>,
    pub(super) reached: tokio::sync::Notify,
    /// Since when they were members to whom something was given.
    pub(super) since: Mutex<Vec<jiff::Timestamp>>,
    /// What is done goes wrong.
    pub(super) broken: Mutex<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) person: Provision,
    pub(super) open: bool,
    pub(super) in_hand: bool,
    pub(super) for_good: bool,
    pub(super) letters: usize,
}

impl People {
    fn next(&self) -> String {
        format!("00000000-0000-4000-8000-{:012x}", self.accounts.lock().unwrap().len() + 1)
    }

    pub(super) fn of(&self, email: &str) -> Option<(String, Account)> {
        let all = self.accounts.lock().unwrap();
        let mut found = all.iter().filter(|(_, one)| one.person.email == email);
        found.next().map(|(id, one)| (id.clone(), one.clone()))
    }

    /// Somebody who has an account by people.
    pub(super) fn settle(&self, tenant: &str, email: &str) -> String {
        let id = self.next();
        let person = Provision {
            tenant: TenantId::new(tenant).unwrap(),
            email: email.to_owned(),
            name: "A".to_owned(),
            language: "en".to_owned(),
        };
        let account = Account { person, open: true, in_hand: false, for_good: false, letters: 0 };
        self.accounts.lock().unwrap().insert(id.clone(), account);
        id
    }

    pub(super) fn roles_of(&self, account: &str) -> Vec<String> {
        let roles = self.roles.lock().unwrap();
        roles.iter().filter(|one| one.0 == account).map(|one| one.1.clone()).collect()
    }

    fn well(&self) -> Result<(), String> {
        if *self.broken.lock().unwrap() { Err("it is broken".to_owned()) } else { Ok(()) }
    }
}

impl Provisioning for People {
    fn is_open<'a>(&'a self, tenant: &'a TenantId) -> Fut<'a, Result<bool, String>> {
        let open = !self.shut.lock().unwrap().contains(tenant.as_str());
        Box::pin(async move { Ok(open) })
    }

    fn in_hand<'a>(&'a self, new: &'a Provision) -> Fut<'a, Result<Option<String>, String>> {
        let theirs = |one: &Account| one.person.tenant == new.tenant && one.in_hand;
        let found = self.of(&new.email).filter(|(_, one)| theirs(one)).map(|(id, _)| id);
        Box::pin(async move { Ok(found) })
    }

    fn provision<'a>(&'a self, new: &'a Provision) -> Fut<'a, Result<Provisioned, String>> {
        Box::pin(async move {
            self.well()?;
            if let Some((id, account)) = self.of(&new.email) {
                let theirs = account.person.tenant == new.tenant && account.in_hand;
                if !theirs || account.for_good {
                    return Ok(Provisioned::Taken);
                }
                let mut all = self.accounts.lock().unwrap();
                let account = all.get_mut(&id).unwrap();
                if !account.open {
                    (account.open, account.letters) = (true, account.letters + 1);
                }
                return Ok(Provisioned::Account(id));
            }
            let id = self.settle(new.tenant.as_str(), &new.email);
            let mut all = self.accounts.lock().unwrap();
            let account = all.get_mut(&id).unwrap();
            (account.person, account.in_hand, account.letters) = (new.clone(), true, 1);
            Ok(Provisioned::Account(id))
        })
    }

    fn adopt<'a>(
        &'a self,
        tenant: &'a TenantId,
        email: &'a str,
    ) -> Fut<'a, Result<Option<(String, String)>, String>> {
        Box::pin(async move {
            let found = self.of(email).filter(|(_, one)| one.person.tenant == *tenant && one.open);
            if let Some((id, _)) = &found {
                self.accounts.lock().unwrap().get_mut(id).unwrap().in_hand = true;
            }
            Ok(found.map(|(id, one)| (id, one.person.name)))
        })
    }

    fn change<'a>(
        &'a self,
        account: &'a str,
        to: &'a Provision,
    ) -> Fut<'a, Result<Provisioned, String>> {
        Box::pin(async move {
            self.well()?;
            if self.accounts.lock().unwrap().get(account).unwrap().for_good {
                return Ok(Provisioned::Final);
            }
            if self.of(&to.email).is_some_and(|(id, _)| id != account) {
                return Ok(Provisioned::Taken);
            }
            self.accounts.lock().unwrap().get_mut(account).unwrap().person = to.clone();
            Ok(Provisioned::Account(account.to_owned()))
        })
    }

    fn close<'a>(&'a self, account: &'a str, _: &'a str) -> Fut<'a, Result<(), String>> {
        Box::pin(async move {
            self.well()?;
            self.accounts.lock().unwrap().get_mut(account).unwrap().open = false;
            self.roles.lock().unwrap().retain(|one| one.0 != account);
            Ok(())
        })
    }

    fn open_of<'a>(&'a self, accounts: &'a [String]) -> Fut<'a, Result<Vec<String>, String>> {
        let all = self.accounts.lock().unwrap();
        // The administrator is in nobody's directory.
        let open = |id: &&String| *id == ADMIN || all.get(*id).is_some_and(|one| one.open);
        let open = accounts.iter().filter(open).cloned().collect();
        Box::pin(async move { Ok(open) })
    }

    fn reopen<'a>(&'a self, account: &'a str) -> Fut<'a, Result<Reopened, String>> {
        Box::pin(async move {
            let mut all = self.accounts.lock().unwrap();
            let account = all.get_mut(account).unwrap();
            if account.for_good {
                return Ok(Reopened::Final);
            }
            (account.open, account.letters) = (true, account.letters + 1);
            Ok(Reopened::Done)
        })
    }

    fn is_last<'a>(
        &'a self,
        _: &'a TenantId,
        account: &'a str,
        role: Option<&'a str>,
    ) -> Fut<'a, Result<bool, String>> {
        let owner = "owner";
        let roles = self.roles.lock().unwrap();
        let others = roles.iter().any(|one| one.0 != account && one.1 == owner);
        let has = roles.iter().any(|one| one.0 == account && one.1 == owner);
        let last = has && !others && role.is_none_or(|role| role == owner);
        Box::pin(async move { Ok(last) })
    }

    fn may_direct<'a>(
        &'a self,
        account: &'a str,
        _: &'a TenantId,
    ) -> Fut<'a, Result<bool, String>> {
        let all = self.accounts.lock().unwrap();
        let open = account == ADMIN || all.get(account).is_some_and(|one| one.open);
        let may = open && !self.lost.lock().unwrap().contains(account);
        Box::pin(async move { Ok(may) })
    }

    fn may_give<'a>(
        &'a self,
        giver: &'a str,
        _: &'a TenantId,
        role: &'a str,
    ) -> Fut<'a, Result<bool, String>> {
        *self.asked.lock().unwrap() += 1;
        let beyond = self.beyond.lock().unwrap().contains(role);
        let may = !beyond && (giver == ADMIN || role != "owner");
        Box::pin(async move { Ok(may) })
    }

    fn may_end<'a>(
        &'a self,
        maker: &'a str,
        account: &'a str,
        _: &'a TenantId,
    ) -> Fut<'a, Result<bool, String>> {
        let may = maker == ADMIN || !self.roles_of(account).contains(&"owner".to_owned());
        Box::pin(async move { Ok(may) })
    }

    fn mappable<'a>(&'a self, _: &'a Identity) -> Fut<'a, Result<Vec<Grantable>, String>> {
        let role = |name: &str| Grantable { name: name.to_owned(), title: name.to_owned() };
        Box::pin(async move { Ok(["editor", "viewer", "owner"].map(role).to_vec()) })
    }

    fn give<'a>(&'a self, role: MappedRole<'a>) -> Fut<'a, Result<bool, String>> {
        Box::pin(async move {
            self.well()?;
            let hangs = *self.hangs.lock().unwrap();
            if hangs {
                self.reached.notify_one();
                std::future::pending::<()>().await;
            }
            assert!(role.reason.len() <= 1000, "more is refused: {}", role.reason);
            assert!(role.by.starts_with("directory:") && role.mapper == ADMIN, "{role:?}");
            self.since.lock().unwrap().push(role.since);
            if self.taken.lock().unwrap().contains(role.role) {
                return Ok(false);
            }
            let mut roles = self.roles.lock().unwrap();
            let (account, name) = (role.account.to_owned(), role.role.to_owned());
            if !roles.contains(&(account.clone(), name.clone(), false)) {
                roles.insert((account, name, true));
            }
            Ok(true)
        })
    }

    fn given<'a>(&'a self, _: &'a TenantId) -> Fut<'a, Result<Vec<(String, String)>, String>> {
        let roles = self.roles.lock().unwrap();
        let given = roles.iter().filter(|one| one.2).map(|one| (one.0.clone(), one.1.clone()));
        let given = given.collect();
        Box::pin(async move { Ok(given) })
    }

    fn take<'a>(
        &'a self,
        _: &'a TenantId,
        account: &'a str,
        role: &'a str,
        _: &'a str,
    ) -> Fut<'a, Result<(), String>> {
        Box::pin(async move {
            self.well()?;
            self.roles.lock().unwrap().remove(&(account.to_owned(), role.to_owned(), true));
            Ok(())
        })
    }
}

/// The house.
pub(super) struct House {
    pub(super) base: TestDb,
    pub(super) clock: Arc<ManualClock>,
    pub(super) people: Arc<People>,
    pub(super) directory: Arc<Directory>,
}

pub(super) async fn house() -> House {
    let base = testkit::database(&[&crate::ROOM]).await;
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let people = Arc::<People>::default();
    let world = (Arc::<ManualClock>::clone(&clock) as _, Arc::new(FixedRng::new(3)) as _);
    let port = Arc::<People>::clone(&people);
    let directory = Directory::new(base.engine.clone(), world, port, "https://x.example/scim/");
    House { base, clock, people, directory: Arc::new(directory) }
}

pub(super) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

/// The administrator of `sinar`.
pub(super) fn admin() -> Identity {
    Identity {
        account: ADMIN.to_owned(),
        actor: Actor::new("dewi@sinar.example").unwrap(),
        name: "Dewi".to_owned(),
        tenant: tenant("sinar"),
        standing: Standing {
            permits: Bits::from_iter([own::PEOPLE_DIRECTORY]),
            ..Standing::default()
        },
        strength: Strength::Two,
        authenticated_at: jiff::Timestamp::UNIX_EPOCH,
        session: "s".to_owned(),
        door: Door::Browser,
    }
}

pub(super) fn user(name: &str) -> Value {
    json!({ "schemas": [USER], "userName": name, "displayName": "Somebody" })
}

pub(super) fn group(name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
    json!({ "schemas": [GROUP], "displayName": name, "members": members })
}

pub(super) fn patch(operations: &Value) -> Value {
    json!({ "schemas": [PATCH], "Operations": operations })
}

impl House {
    pub(super) async fn token(&self, of: &str) -> Secret {
        let new = NewToken { name: "test".to_owned(), days: 30 };
        let by = By::operator("a test");
        self.directory.make_token(&tenant(of), &new, &by).await.unwrap().1
    }

    pub(super) async fn caller(&self, of: &str) -> Caller {
        self.directory.admit(&self.token(of).await).await.unwrap()
    }

    pub(super) async fn make(&self, who: &Caller, kind: Kind, body: &Value) -> Resource {
        self.directory.create(who, kind, body).await.unwrap()
    }

    pub(super) async fn change(
        &self,
        who: &Caller,
        (kind, id): (Kind, &str),
        operations: Value,
    ) -> Result<Resource, Error> {
        let body = patch(&operations);
        self.directory.patch(who, (kind, id), &body, &Precondition::default()).await
    }

    pub(super) async fn names(&self, who: &Caller, kind: Kind, filter: &str) -> Vec<String> {
        let query = Query { filter: Some(filter.to_owned()), ..Query::default() };
        let page = self.directory.list(who, kind, &query).await.unwrap();
        let name = |one: &Resource| {
            let field = if kind == Kind::User { "userName" } else { "displayName" };
            one.fields[field].as_str().unwrap().to_owned()
        };
        page.resources.iter().map(name).collect()
    }

    pub(super) fn later(&self, span: SignedDuration) {
        self.clock.set(self.clock.now().saturating_add(span).unwrap());
    }
}
