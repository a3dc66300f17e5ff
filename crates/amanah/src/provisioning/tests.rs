//! Directories over the real rooms of accounts and roles, on a real PostgreSQL.

use access::NewGrant;
use directory::{
    By, Caller, Error, GROUP, Kind, NewToken, PATCH, Precondition, Resource, USER, Wanted,
};
use identity::{Email, Language, Limits, NewAccount, NewInvitation, Opening, Pool};
use kernel::{Secret, SessionToken, Sessions as _, Strength, SystemClock, SystemRng};
use serde_json::{Value, json};
use testkit::TestDb;

use super::*;
use crate::accounts::Front;
use crate::leaving::Offboarding;

const SARI: &str = "sari@sinar.example";

struct House {
    base: TestDb,
    cx: Cx,
    directory: Arc<Directory>,
    mailroom: Arc<Mailroom>,
    leaving: Offboarding,
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn user(name: &str) -> Value {
    json!({ "schemas": [USER], "userName": name, "displayName": "Somebody" })
}

async fn house() -> House {
    let rooms = [&identity::ROOM, &access::ROOM, &directory::ROOM];
    let base = testkit::database(&rooms).await;
    let cx = Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) };
    let (clock, rng) = (Arc::clone(&cx.clock), Arc::clone(&cx.rng));
    let access = Arc::new(Access::new(base.engine.clone(), Arc::clone(&clock)));
    let standings = Arc::clone(&access) as _;
    let identities =
        Identities::new(base.engine.clone(), clock, rng, Pool::default(), standings).unwrap();
    let identities = Arc::new(identities);
    let mailroom = crate::mail::waiting_room(&identities, &cx);
    let people = People::of(&access, &identities, &mailroom, &cx);
    let directory = open(people, &base.engine, "https://house.example");
    let leaving = Offboarding { access, identities, directory: Arc::clone(&directory) };
    House { base, cx, directory, mailroom, leaving }
}

impl House {
    async fn caller(&self, of: &str, by: &By) -> Caller {
        let new = NewToken { name: "test".to_owned(), days: 30 };
        let (_, token) = self.directory.make_token(&tenant(of), &new, by).await.unwrap();
        self.directory.admit(&token).await.unwrap()
    }

    async fn patch(
        &self,
        who: &Caller,
        at: (Kind, &str),
        operations: Value,
    ) -> Result<Resource, Error> {
        let body = json!({ "schemas": [PATCH], "Operations": operations });
        self.directory.patch(who, at, &body, &Precondition::default()).await
    }

    fn front(&self) -> Front {
        Front {
            room: Arc::clone(&self.mailroom),
            identities: Arc::clone(&self.leaving.identities),
            access: Arc::clone(&self.leaving.access),
            directory: Arc::clone(&self.directory),
            limits: Limits::new(&*self.cx.rng).unwrap(),
            clock: Arc::clone(&self.cx.clock),
        }
    }

    /// Somebody who has an account by people, and this role.
    async fn somebody(&self, email: &str, role: &str) -> Identity {
        let email = Email::new(email).unwrap();
        let new = NewAccount {
            email: email.clone(),
            name: "Somebody".to_owned(),
            tenant: tenant("sinar"),
            password: Secret::new("correct horse battery".to_owned()),
        };
        self.leaving.identities.create_account(&new).await.unwrap();
        let account = self.known(email.as_str()).await.unwrap().account;
        let grant = NewGrant {
            account,
            tenant: tenant("sinar"),
            role: role.to_owned(),
            reason: "a test".to_owned(),
            until: None,
        };
        let access = &self.leaving.access;
        access.grant(&access::By::operator("a test").unwrap(), &grant).await.unwrap();
        self.mailroom.as_account(&email, &**access).await.unwrap().unwrap()
    }

    async fn roles(&self, email: &str) -> Vec<String> {
        let account = self.known(email).await.unwrap().account;
        let held = self.leaving.access.roles_of(&account, &tenant("sinar")).await.unwrap();
        held.into_iter().map(|held| held.role).collect()
    }

    async fn alter(&self, sql: &str) {
        let tx = self.base.owner.operator().await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn known(&self, email: &str) -> Option<identity::Known> {
        self.leaving.find(email).await.unwrap()
    }
}

#[tokio::test]
async fn whom_people_off_boarded_a_directory_neither_renames_nor_makes_anew() {
    let house = house().await;
    let who = house.caller("sinar", &By::operator("a test")).await;
    let sari = house.directory.create(&who, Kind::User, &user(SARI)).await.unwrap();
    let account = house.known(SARI).await.unwrap().account;
    house.leaving.end(&account, "dewi@sinar.example", None).await.unwrap();
    let at = (Kind::User, sari.id.as_str());
    let aside = "old-sari@sinar.example";
    for operations in [
        json!([{"op": "replace", "path": "userName", "value": aside}]),
        json!([{"op": "replace", "value": {"userName": aside, "active": true}}]),
        json!([{"op": "replace", "value": {"active": true}}]),
    ] {
        let changed = house.patch(&who, at, operations).await;
        assert!(matches!(changed, Err(Error::Refused(_))), "{changed:?}");
        let made = house.directory.create(&who, Kind::User, &user(SARI)).await;
        assert!(matches!(made, Err(Error::Uniqueness)), "{made:?}");
    }
    // Nor by forgetting them first.
    house.directory.remove(&who, at, &Precondition::default()).await.unwrap();
    let made = house.directory.create(&who, Kind::User, &user(SARI)).await;
    assert!(matches!(made, Err(Error::Uniqueness)), "{made:?}");
    let known = house.known(SARI).await.unwrap();
    assert!(known.closed && known.account == account && house.known(aside).await.is_none());
    // Whom the directory itself closed has the address that it says.
    let budi = house.directory.create(&who, Kind::User, &user("budi@sinar.example")).await.unwrap();
    let at = (Kind::User, budi.id.as_str());
    let off = json!([{"op": "replace", "value": {"active": false}}]);
    house.patch(&who, at, off).await.unwrap();
    let renamed = json!([{"op": "replace", "path": "userName", "value": "b@sinar.example"}]);
    house.patch(&who, at, renamed).await.unwrap();
    assert!(house.known("b@sinar.example").await.unwrap().closed);
}

#[tokio::test]
async fn what_gave_way_to_an_invitation_of_another_tenant_has_nothing_left() {
    gives_way(false).await;
}

#[tokio::test]
async fn what_gave_way_before_a_crash_has_nothing_left_after_it() {
    gives_way(true).await;
}

async fn gives_way(crashes: bool) {
    let house = house().await;
    let ani = house.somebody("ani@sinar.example", "administrator").await;
    let who = house.caller("gulf", &By::operator("a test")).await;
    let sari = house.directory.create(&who, Kind::User, &user(SARI)).await.unwrap();
    let account = house.known(SARI).await.unwrap().account;
    let access = &house.leaving.access;
    let grant = NewGrant {
        account: account.clone(),
        tenant: tenant("gulf"),
        role: "editor".to_owned(),
        reason: "a test".to_owned(),
        until: None,
    };
    access.grant(&access::By::operator("a test").unwrap(), &grant).await.unwrap();
    let new = NewInvitation {
        email: Email::new(SARI).unwrap(),
        roles: vec!["editor".to_owned()],
        language: Language::English,
    };
    let invitation = house.mailroom.invite(&ani, &**access, &new).await.unwrap();
    // What the letter's link would hold.
    let token = "A".repeat(43);
    let arm = "UPDATE identity.invitations SET token_sha256 = sha256(decode(repeat('00', 32), 'hex')) \
        WHERE id = $1::text::uuid";
    let tx = house.base.owner.operator().await.unwrap();
    tx.execute(arm, &[&invitation]).await.unwrap();
    tx.commit().await.unwrap();
    let front = house.front();
    let link = SessionToken(Secret::new(token));
    let password = Secret::new("ninety quiet lamps fold".to_owned());
    let from = console::Origin {
        peer: [192, 0, 2, 1].into(),
        browser: None,
        family: "Firefox".to_owned(),
        proof: None,
    };
    // Killed behind the acceptance: the upkeep does what follows.
    if crashes {
        house.mailroom.accept(&link, "Sari", &password).await.unwrap();
        assert_eq!(access.roles_of(&account, &tenant("gulf")).await.unwrap().len(), 1);
        house.leaving.follow_up(&house.mailroom).await;
    } else {
        console::Accounts::accept(&front, &link, "Sari", &password, &from).await.unwrap();
    }
    assert!(house.mailroom.gave_way().await.unwrap().is_empty());
    let known = house.known(SARI).await.unwrap();
    assert!(known.account != account && known.tenant == "sinar" && !known.closed);
    assert_eq!(house.roles(SARI).await, ["editor"]);
    assert!(access.roles_of(&account, &tenant("gulf")).await.unwrap().is_empty());
    let told = house.directory.get(&who, Kind::User, &sari.id, &Wanted::default()).await.unwrap();
    assert_eq!(told.fields["active"], json!(false));
    let events = house.directory.events(&tenant("gulf")).await.unwrap();
    assert_eq!((events[0].target.as_str(), &*events[0].actor), (&*sari.id, "invitation:elsewhere"));
    let on = json!([{"op": "replace", "value": {"active": true}}]);
    let back = house.patch(&who, (Kind::User, &sari.id), on).await;
    assert!(matches!(back, Err(Error::Refused(_))), "{back:?}");
}

#[tokio::test]
async fn an_administrators_token_makes_nobody_an_owner_and_ends_none() {
    let house = house().await;
    let owner = house.somebody("chief@sinar.example", "owner").await;
    let rudi = house.somebody("rudi@sinar.example", "administrator").await;
    let lesser = house.caller("sinar", &By::person(&rudi)).await;
    let sari = house.directory.create(&lesser, Kind::User, &user(SARI)).await.unwrap();
    for (name, role) in [("Owners", "owner"), ("Pricing", "editor")] {
        let empty = json!({ "schemas": [GROUP], "displayName": name });
        let group = house.directory.create(&lesser, Kind::Group, &empty).await.unwrap();
        house.directory.map(&owner, name, role).await.unwrap();
        let add = json!([{"op": "add", "path": "members", "value": [{"value": sari.id}]}]);
        house.patch(&lesser, (Kind::Group, &group.id), add).await.unwrap();
    }
    house.directory.settle_all().await.unwrap();
    assert_eq!(house.roles(SARI).await, ["editor"]);
    // Another owner, who is in the directory's hand.
    house.somebody("ani@sinar.example", "owner").await;
    let by = By::operator("a test");
    let ani = house.directory.adopt(&tenant("sinar"), "ani@sinar.example", &by).await.unwrap();
    let gone = house.directory.remove(&lesser, (Kind::User, &ani), &Precondition::default()).await;
    assert!(matches!(gone, Err(Error::Refused(_))), "{gone:?}");
    // With the right the token goes, at once; and the one of a command ends her.
    let operator = access::By::operator("a test").unwrap();
    let access = &house.leaving.access;
    let of = tenant("sinar");
    access.revoke(&operator, &rudi.account, &of, "administrator").await.unwrap();
    let made = house.directory.create(&lesser, Kind::User, &user("b@sinar.example")).await;
    assert!(matches!(made, Err(Error::Token)), "{made:?}");
    let command = house.caller("sinar", &by).await;
    house.directory.remove(&command, (Kind::User, &ani), &Precondition::default()).await.unwrap();
    assert!(house.known("ani@sinar.example").await.unwrap().closed);
}

#[tokio::test]
async fn an_off_boarding_that_was_cut_off_says_what_is_done_and_is_done_again() {
    let house = house().await;
    let sari = house.somebody(SARI, "editor").await;
    for (table, done) in [
        ("access.grants", "the account is closed; its roles"),
        ("directory.users", "the account is closed and its roles are taken"),
    ] {
        house.alter(&format!("ALTER TABLE {table} RENAME TO away")).await;
        let cut = house.leaving.end(&sari.account, "the operator", None).await.err().unwrap();
        let words = format!("{cut:#}");
        assert!(words.starts_with(done) && words.contains("do the same again"), "{words}");
        assert!(house.known(SARI).await.unwrap().closed);
        let (schema, name) = table.split_once('.').unwrap();
        house.alter(&format!("ALTER TABLE {schema}.away RENAME TO {name}")).await;
    }
    let left = house.leaving.end(&sari.account, "the operator", None).await.unwrap();
    assert!(left.remains.is_empty());
    assert!(house.roles(SARI).await.is_empty());
}

#[tokio::test]
async fn a_service_that_may_give_roles_is_nobody_who_could() {
    let house = house().await;
    let ani = house.somebody("ani@sinar.example", "administrator").await;
    let token =
        house.leaving.identities.open_session(&ani.account, Strength::Two, Opening::default());
    let signed_in = house.leaving.identities.decide(&token.await.unwrap()).await.unwrap().unwrap();
    let service = house.leaving.identities.make_service(&signed_in, "nightly").await.unwrap();
    let give = async |account: &str| {
        let grant = NewGrant {
            account: account.to_owned(),
            tenant: tenant("sinar"),
            role: "administrator".to_owned(),
            reason: "a test".to_owned(),
            until: None,
        };
        let by = access::By::operator("a test").unwrap();
        house.leaving.access.grant(&by, &grant).await.unwrap();
    };
    give(&service.account).await;
    let people =
        People::of(&house.leaving.access, &house.leaving.identities, &house.mailroom, &house.cx);
    let sinar = tenant("sinar");
    assert!(people.is_last(&sinar, &ani.account, None).await.unwrap(), "nobody signs in to it");
    house.somebody("budi@sinar.example", "administrator").await;
    assert!(!people.is_last(&sinar, &ani.account, None).await.unwrap());
}
