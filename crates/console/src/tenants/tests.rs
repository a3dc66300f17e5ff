//! What a client gets for tenants, and what it does not, against a real server.

use std::sync::Arc;

use ::keys::{NewClient, Operation, Reach};
use arc_swap::ArcSwap;
use identity::{Email, Identities, NewAccount, Pool};
use kernel::{Clock, Rng, Secret, SystemClock, SystemRng, TenantId, random_hex};
use serde_json::{Value, json};
use store::{DatabaseUrl, Db};
use tempfile::TempDir;
use tenancy::{
    BindingKey, CACHE_ROOM, Caches, Campaign, Closing, FILES_ROOM, FLEET_ROOM, FileShelf, Fleet,
    Life, Logins, MemoryVault, Redis, RedisSettings, Script, Server, ServerSettings, Settings,
    Signature, TenantBinder,
};

use super::files::tests::store;
use super::{Binding, Bindings, Tenants, router};
use crate::keys::tests::documented::try_page;
use crate::keys::tests::{House, Said, tenants};

/// A table with a policy and one row for each of two tenants.
const SHOP: &str = "
CREATE TABLE products (tenant_id text NOT NULL, name text PRIMARY KEY);
INSERT INTO products VALUES ('toko', 'kopi'), ('warung', 'teh');
GRANT SELECT ON products TO {app}";

/// A house whose API serves the tenants `toko` and `warung`, both with a database of their own and
/// with rows in the shared database `shop`.
struct World {
    house: House,
    fleet: Fleet,
    identities: Arc<Identities>,
    shop: store::Protected,
    _folder: TempDir,
}

/// Places on a Redis of their own.
async fn places(registry: &Db) -> Caches {
    let data = testkit::server_dir("redis/server.pid");
    let password = Secret::new(random_hex(&SystemRng, 8).unwrap());
    let settings = ServerSettings { data: data.clone(), program: None, memory_mib: 64, password };
    let server = Server::open(&settings, &SystemRng).await.unwrap().unwrap();
    let settings = RedisSettings {
        registry: registry.clone(),
        data,
        program: None,
        installation: "0123abcd".to_owned(),
        naming: Secret::new("a secret for names".to_owned()),
        trusted: Vec::new(),
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
    };
    Caches::new(Redis::on_managed(settings, &server))
}

fn people(engine: &Db) -> Arc<Identities> {
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let nobody = Arc::new(kernel::NoStandings);
    Arc::new(Identities::new(engine.clone(), clock, rng, Pool::default(), nobody).unwrap())
}

async fn world() -> World {
    let server = testkit::postgres().await;
    let db = testkit::database(&[&FLEET_ROOM, &CACHE_ROOM, &FILES_ROOM, &identity::ROOM]).await;
    let root = server.superuser("postgres").await;
    let owner = server.login(&root, &format!("{}_places", db.name), &db.name).await;
    let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let fleet = Fleet::new(Settings {
        registry: db.owner.clone(),
        home: Logins { maker: root.clone(), owner: owner.url().clone(), superuser: Some(root) },
        vault: Arc::new(MemoryVault::default()),
        programs: server.cluster().programs().clone(),
        installation: random_hex(&SystemRng, 4).unwrap(),
        clock: Arc::clone(&clock),
        rng: Arc::clone(&rng),
    });
    let script = Script::new("0001.sql", "CREATE TABLE notes (text text)").unwrap();
    fleet.migrate(&[script], Campaign { workers: 1, budget: 0 }, &|_| {}).await.unwrap();
    for id in ["toko", "warung"] {
        fleet.add(&TenantId::new(id).unwrap()).await.unwrap();
    }
    let shop = testkit::protected(SHOP, "tenant_id", ("a", "b"), &[&tenancy::ROOM]).await;
    let key = BindingKey::generate(&SystemRng).unwrap();
    let tx = shop.owner.operator().await.unwrap();
    let plan = tenancy::plan(&tx, "tenant_id", &shop.app_role).await.unwrap();
    tenancy::install_key(&tx, &key, SystemClock.now()).await.unwrap();
    tx.commit().await.unwrap();
    tenancy::apply(&shop.owner, shop.superuser.as_ref(), &plan).await.unwrap();
    let binder = TenantBinder::new(Arc::clone(&clock), key, &shop.name);
    let binding = Binding { binder, canaries: shop.canaries.clone() };
    let bindings = Bindings::from([(shop.name.clone(), binding)]);
    let mut house = House::bare().await;
    let folder = tempfile::tempdir().unwrap();
    let shelf = FileShelf::folder(folder.path().join("files")).unwrap();
    let files = Arc::new(store(&house, &db, shelf));
    let caches = places(&db.owner).await;
    let bindings = Arc::new(ArcSwap::from_pointee(bindings));
    let life = Life { fleet: fleet.clone(), caches, files: files.clone() };
    let identities = people(&db.engine);
    let parts = Tenants { life, identities: Arc::clone(&identities), bindings, files };
    house.router = router(house.keys.clone(), clock, rng, parts);
    World { house, fleet, identities, shop, _folder: folder }
}

impl World {
    /// A client that may do `may` for `reach`.
    async fn client(&self, name: &str, may: &[Operation], reach: Reach) -> String {
        let client = NewClient {
            name: name.to_owned(),
            keys: Vec::new(),
            operations: may.iter().copied().collect(),
            reach,
            databases: ["*".to_owned()].into(),
            expires_at: None,
        };
        self.house.keys.admit(client).await.unwrap().expose().to_owned()
    }

    async fn post(&self, token: &str, path: &str, body: Value) -> Said {
        self.house.ask(token, "POST", &format!("/api/v1/tenants/{path}"), body).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_opens_the_rows_of_its_tenant_alone() {
    let world = world().await;
    let token = world.client("shop", &[Operation::Bind], tenants(&["toko"])).await;
    let said = world.post(&token, "toko/binding", json!({"actor": "sari@toko.example"})).await;
    assert_eq!(said.status, 200, "{}", said.body);
    assert_eq!(said.body["database"], world.shop.name.as_str());
    let binding = Secret::new(said.body["token"].as_str().unwrap().to_owned());
    let tx = world.shop.intruder.tenant(&binding).await.unwrap();
    let rows = tx.query("SELECT name FROM products", &[]).await.unwrap();
    let seen: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(seen, ["kopi"]);
    let actor = tx.query_one("SELECT amanah.current_actor()", &[]).await.unwrap();
    assert_eq!(actor.get::<_, &str>(0), "sari@toko.example");
    tx.rollback().await.unwrap();

    let named = json!({"actor": "sari", "database": world.shop.name, "scope": "ro"});
    assert_eq!(world.post(&token, "toko/binding", named).await.status, 200);
    let wrong = [
        (json!({}), 400, "json"),
        (json!({"actor": ""}), 400, "actor"),
        (json!({"actor": "sari\u{7}"}), 400, "actor"),
        (json!({"actor": "sari", "scope": "all"}), 400, "json"),
        (json!({"actor": "sari", "tenant": "warung"}), 400, "json"),
        (json!({"actor": "sari", "database": "postgres"}), 404, "unknown-database"),
    ];
    for (body, status, slug) in wrong {
        let said = world.post(&token, "toko/binding", body.clone()).await;
        assert_eq!((said.status.as_u16(), said.slug()), (status, slug), "{body}");
    }
}

/// Of a tenant of a shared database, which has nothing else here.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_on_redis_is_opened_and_shut() {
    let world = world().await;
    let may = [Operation::Connect, Operation::Provision];
    let token = world.client("shop", &may, tenants(&["kios"])).await;
    let said = world.post(&token, "kios/redis", json!({"for": "PT5M"})).await;
    assert_eq!(said.status, 201, "{}", said.body);
    let (url, prefix) = (said.body["url"].as_str().unwrap(), said.body["prefix"].as_str().unwrap());
    let place = prefix.strip_suffix(':').unwrap();
    assert!(url.starts_with(&format!("redis://{place}_")) && url.ends_with("/0"), "{url}");
    assert!(said.body["until"].is_string() && !place.contains("kios"), "{}", said.body);
    for (body, status, slug) in [
        (json!({"for": "PT25H"}), 400, "for"),
        (json!({"for": "PT0S"}), 400, "for"),
        (json!({"tenant": "toko"}), 400, "json"),
    ] {
        let said = world.post(&token, "kios/redis", body.clone()).await;
        assert_eq!((said.status.as_u16(), said.slug()), (status, slug), "{body}");
    }
    for tenant in ["toko", "amanah-canary-b"] {
        let said = world.post(&token, &format!("{tenant}/redis"), json!({})).await;
        assert_eq!((said.status.as_u16(), said.slug()), (403, "denied"), "{tenant}");
    }
    let said = world.post(&token, "kios/suspend", json!({})).await;
    assert_eq!((said.status.as_u16(), &said.body["state"]), (200, &json!("suspended")));
    let said = world.post(&token, "kios/redis", json!({})).await;
    assert_eq!((said.status.as_u16(), said.slug()), (409, "not-active"));
    assert_eq!(world.post(&token, "kios/resume", json!({})).await.status, 200);
    assert_eq!(world.post(&token, "kios/redis", json!({})).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_opens_the_tenants_own_database_and_ends() {
    let world = world().await;
    let token = world.client("shop", &[Operation::Connect], Reach::All).await;
    let said = world.post(&token, "toko/lease", json!({"for": "PT5M"})).await;
    assert_eq!(said.status, 201, "{}", said.body);
    let until: jiff::Timestamp = said.body["until"].as_str().unwrap().parse().unwrap();
    let left = until.duration_since(SystemClock.now());
    assert!(left.as_secs() <= 300 && left.as_secs() > 240, "{left}");
    let url = DatabaseUrl::parse(said.body["url"].as_str().unwrap()).unwrap();
    let db = Db::connect(&url.unpinned(), 1).await.unwrap();
    let tx = db.operator().await.unwrap();
    tx.execute("INSERT INTO notes VALUES ('mine')", &[]).await.unwrap();
    tx.commit().await.unwrap();
    let usual = world.post(&token, "warung/lease", Value::Null).await;
    assert_eq!(usual.status, 201, "an empty body asks for an hour: {}", usual.body);

    let nobody = world.post(&token, "nobody/lease", json!({})).await;
    assert_eq!((nobody.status.as_u16(), nobody.slug()), (404, "unknown-tenant"));
    for life in ["PT0S", "-PT1H", "PT25H", "P1D", "soon"] {
        let said = world.post(&token, "toko/lease", json!({"for": life})).await;
        assert_eq!(said.status, 400, "{life}: {}", said.body);
    }
    let toko = TenantId::new("toko").unwrap();
    world.fleet.suspend(&toko).await.unwrap();
    // It never had a place on Redis, and gets none now.
    for what in ["lease", "redis"] {
        let said = world.post(&token, &format!("toko/{what}"), json!({})).await;
        assert_eq!((said.status.as_u16(), said.slug()), (409, "not-active"), "{what}");
    }
    let said = world.post(&token, "warung/redis", json!({})).await;
    assert_eq!(said.status, 201, "{}", said.body);

    let by = "Sari".to_owned();
    let closing = Closing { version: "0.0.0", by, remains: Vec::new(), last: true };
    let sign = |text: &[u8]| Ok(Signature { public_key: [7; 32], bytes: text.to_vec() });
    world.fleet.erase(&toko).await.unwrap().certify(closing, &sign).await.unwrap();
    let said = world.post(&token, "toko/redis", json!({})).await;
    assert_eq!((said.status.as_u16(), said.slug()), (409, "erased"));
}

/// The people of a tenant are shut out with it, also where it has nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn people_are_shut_out_with_their_tenant() {
    use kernel::Sessions as _;
    let world = world().await;
    let token = world.client("signup", &[Operation::Provision], Reach::All).await;
    let password = || Secret::new("correct horse battery".to_owned());
    for (tenant, email) in [("toko", "sari@toko.example"), ("kebun", "budi@kebun.example")] {
        let account = NewAccount {
            email: Email::new(email).unwrap(),
            name: "Sari".to_owned(),
            tenant: TenantId::new(tenant).unwrap(),
            password: password(),
        };
        world.identities.create_account(&account).await.unwrap();
        let session = world.identities.sign_in(email, &password()).await.unwrap();
        let session = session.session().unwrap();
        assert!(world.identities.decide(&session).await.unwrap().is_some());
        for _ in 0..2 {
            let said = world.post(&token, &format!("{tenant}/suspend"), json!({})).await;
            assert_eq!((said.status.as_u16(), &said.body["state"]), (200, &json!("suspended")));
            assert!(world.identities.decide(&session).await.unwrap().is_none());
            assert!(world.identities.sign_in(email, &password()).await.is_err());
        }
        let said = world.post(&token, &format!("{tenant}/resume"), json!({})).await;
        assert_eq!((said.status.as_u16(), &said.body["state"]), (200, &json!("active")));
        assert!(world.identities.decide(&session).await.unwrap().is_none(), "what ended stays so");
        assert!(world.identities.sign_in(email, &password()).await.is_ok());
    }
    // A name that nobody has leaves nothing behind.
    let said = world.post(&token, "nobody/suspend", json!({})).await;
    assert_eq!((said.status.as_u16(), said.slug()), (404, "unknown-tenant"));
    assert!(!world.identities.has_people(&TenantId::new("nobody").unwrap()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_makes_tenants_and_shuts_them_out() {
    let world = world().await;
    let token = world.client("signup", &[Operation::Provision], Reach::All).await;
    let ask =
        async |method: &str, path: &str| world.house.ask(&token, method, path, Value::Null).await;
    let arabic = "/api/v1/tenants/%D9%85%D8%AE%D8%A8%D8%B2";
    for status in [201, 200] {
        let said = ask("PUT", arabic).await;
        assert_eq!((said.status.as_u16(), &said.body["tenant"]), (status, &json!("مخبز")));
    }
    let said = ask("POST", &format!("{arabic}/suspend")).await;
    assert_eq!(said.body["state"], "suspended", "{}", said.body);
    assert_eq!(ask("GET", arabic).await.body["state"], "suspended");
    assert_eq!(ask("POST", &format!("{arabic}/resume")).await.body["state"], "active");

    let first = ask("GET", "/api/v1/tenants?limit=2").await;
    assert_eq!(first.body["next"], "warung", "{}", first.body);
    let second = ask("GET", "/api/v1/tenants?limit=2&after=warung").await;
    assert_eq!(second.body["tenants"][0]["tenant"], "مخبز");
    assert_eq!(second.body["next"], Value::Null);
    for query in ["limit=0", "limit=1001", "limit=-1", "before=x"] {
        assert_eq!(ask("GET", &format!("/api/v1/tenants?{query}")).await.status, 400, "{query}");
    }
    let some = world.client("some", &[Operation::Provision], tenants(&["toko", "new"])).await;
    let said = world.house.ask(&some, "GET", "/api/v1/tenants", Value::Null).await;
    assert_eq!(said.body["tenants"].as_array().unwrap().len(), 1, "{}", said.body);
    for path in ["warung", "amanah-canary-a"] {
        let path = format!("/api/v1/tenants/{path}");
        for (method, path) in
            [("GET", path.clone()), ("PUT", path.clone()), ("POST", path + "/suspend")]
        {
            let said = world.house.ask(&some, method, &path, Value::Null).await;
            assert_eq!((said.status.as_u16(), said.slug()), (403, "denied"), "{method} {path}");
        }
    }
    let canary = ask("POST", "/api/v1/tenants/amanah-canary-a/suspend").await;
    assert_eq!(canary.status, 403, "the synthetic tenants are the proofs' alone");
    let none = ask("GET", "/api/v1/tenants/nobody").await;
    assert_eq!((none.status.as_u16(), none.slug()), (404, "unknown-tenant"));
    let connect = world.client("connect", &[Operation::Connect], Reach::All).await;
    assert_eq!(world.house.ask(&connect, "GET", "/api/v1/tenants", Value::Null).await.status, 403);
}

/// The ids of tenants in two databases have nothing to do with each other, and the synthetic ones
/// are the proofs' alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_binds_where_it_was_admitted() {
    let world = world().await;
    let actor = json!({"actor": "sari"});
    let named = json!({"actor": "sari", "database": world.shop.name});
    for (databases, status) in [(world.shop.name.as_str(), 200), ("other", 403), ("*", 200)] {
        let client = NewClient {
            name: "shop".to_owned(),
            keys: Vec::new(),
            operations: [Operation::Bind].into(),
            reach: Reach::All,
            databases: [databases.to_owned()].into(),
            expires_at: None,
        };
        let token = world.house.keys.admit(client).await.unwrap().expose().to_owned();
        for body in [&actor, &named] {
            let said = world.post(&token, "toko/binding", body.clone()).await;
            assert_eq!(said.status.as_u16(), status, "{databases}: {}", said.body);
        }
        let canary = format!("{}/binding", world.shop.canaries.0);
        assert_eq!(world.post(&token, &canary, actor.clone()).await.status, 403);
        let unknown = json!({"actor": "sari", "database": "postgres"});
        let said = world.post(&token, "toko/binding", unknown).await;
        assert_eq!(said.status, if databases == "*" { 404 } else { 403 });
    }
}

/// Whatever a token does not allow is answered alike: nobody learns which tenants there are.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_gives_nothing_for_another_tenant() {
    let world = world().await;
    let both = [Operation::Bind, Operation::Connect];
    let toko = world.client("toko", &both, tenants(&["toko"])).await;
    let bind = world.client("bind", &[Operation::Bind], Reach::All).await;
    let connect = world.client("connect", &[Operation::Connect], Reach::All).await;
    let actor = json!({"actor": "sari"});
    let mut refusals = Vec::new();
    for path in ["warung/lease", "nobody/lease", "%74oko%2F..%2Fwarung/lease", "TOKO/lease"] {
        refusals.push(world.post(&toko, path, json!({})).await);
    }
    refusals.push(world.post(&toko, "warung/binding", actor.clone()).await);
    refusals.push(world.post(&connect, "toko/binding", actor.clone()).await);
    refusals.push(world.post(&bind, "toko/lease", json!({})).await);
    refusals.push(world.post("", "toko/lease", json!({})).await);
    refusals.push(world.post(&format!("{toko}x"), "toko/lease", json!({})).await);
    refusals.push(world.post(&world.house.admin, "toko/lease", json!({})).await);
    for said in &refusals {
        assert_eq!((said.status.as_u16(), said.slug()), (403, "denied"));
        assert_eq!(said.body, refusals[0].body);
    }
    let said = world.post(&toko, "%74oko/lease", json!({})).await;
    assert_eq!(said.status, 201, "the path is decoded once: {}", said.body);
    let asked = crate::keys::tests::asking(&toko, "POST", "/api/v1/tenants/toko/lease");
    let asked = asked.header("x-vault-namespace", "warung").body(axum::body::Body::empty());
    let said = world.house.send(asked.unwrap()).await;
    assert_eq!((said.status.as_u16(), said.slug()), (400, "tenant"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_page_does_what_it_says() {
    let world = world().await;
    let all = [Operation::Bind, Operation::Connect, Operation::Provision];
    let token = world.client("shop", &all, tenants(&["toko"])).await;
    let run = try_page("tenants-api.md", &world.house.router, &token, "AMANAH").await;
    assert!(run >= 4, "the page has fewer examples than it had");
}

#[tokio::test]
async fn a_client_for_tenants_says_for_which() {
    let house = House::bare().await;
    let client = |operations: &[Operation], keys: &[&str], reach| NewClient {
        name: "shop".to_owned(),
        keys: keys.iter().map(|&key| key.to_owned()).collect(),
        operations: operations.iter().copied().collect(),
        reach,
        databases: [].into(),
        expires_at: None,
    };
    let refused = [
        client(&[Operation::Bind], &[], Reach::House),
        client(&[Operation::Bind, Operation::Encrypt], &[], Reach::All),
        client(&[Operation::Encrypt], &[], Reach::House),
        // In no database.
        client(&[Operation::Bind], &[], Reach::All),
    ];
    for client in refused {
        house.keys.admit(client).await.unwrap_err();
    }
    house.keys.admit(client(&[Operation::ReadFiles], &[], tenants(&["toko"]))).await.unwrap();
}
