//! Directories over the real rooms of accounts and roles, on a real PostgreSQL.

use directory::{Caller, Error, Kind, NewToken, PATCH, Precondition, Resource, USER};
use identity::Pool;
use kernel::{SystemClock, SystemRng};
use serde_json::{Value, json};
use testkit::TestDb;

use super::*;
use crate::leaving::Offboarding;

const SARI: &str = "sari@sinar.example";

struct House {
    _base: TestDb,
    directory: Arc<Directory>,
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
    House { _base: base, directory, leaving }
}

impl House {
    async fn caller(&self, of: &str, by: &directory::By) -> Caller {
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

    async fn known(&self, email: &str) -> Option<identity::Known> {
        self.leaving.find(email).await.unwrap()
    }
}

#[tokio::test]
async fn whom_people_off_boarded_a_directory_neither_renames_nor_makes_anew() {
    let house = house().await;
    let who = house.caller("sinar", &directory::By::operator("a test")).await;
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
