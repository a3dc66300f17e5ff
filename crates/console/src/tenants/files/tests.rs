//! The API of files as a client, a stranger or an attacker would ask it, over a real store.

use std::sync::Arc;

use ::keys::object::FileSeals;
use ::keys::{NewClient, Operation, Reach};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use bytes::Bytes;
use futures_util::stream;
use kernel::{Quota, SystemClock, SystemRng, TenantFiles as _, TenantId};
use serde_json::Value;
use store::Db;
use tempfile::TempDir;
use tenancy::{FILES_ROOM, FileSettings, FileShelf, Files};
use testkit::TestDb;
use tower::ServiceExt as _;

use crate::keys::tests::documented::try_page;
use crate::keys::tests::{House, asking, tenants};

const BOTH: [Operation; 2] = [Operation::ReadFiles, Operation::WriteFiles];
const QUOTA: Quota = Quota { bytes: 20 << 20, files: 50 };

/// A store with a client for the tenant `toko` and one for the tenant `warung`.
struct World {
    house: House,
    files: Files,
    toko: String,
    warung: String,
    folder: TempDir,
    owner: Db,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Answer {
    fn slug(&self) -> String {
        let body: Value = serde_json::from_slice(&self.bytes).unwrap_or_default();
        body["error"]["slug"].as_str().unwrap_or_default().to_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }
}

async fn world() -> World {
    let mut house = House::bare().await;
    let db = testkit::database(&[&FILES_ROOM]).await;
    let folder = tempfile::tempdir().unwrap();
    let files = store(&house, &db, FileShelf::folder(folder.path().join("files")).unwrap());
    house.router = router_of(&house, &files);
    let toko = client(&house, "toko", &BOTH, tenants(&["toko"])).await;
    let warung = client(&house, "warung", &BOTH, tenants(&["warung"])).await;
    World { house, files, toko, warung, folder, owner: db.owner.clone() }
}

/// A store on `shelf`, sealed by the house's keys.
pub(crate) fn store(house: &House, db: &TestDb, shelf: FileShelf) -> Files {
    Files::new(FileSettings {
        engine: db.engine.clone(),
        owner: db.owner.clone(),
        shelf,
        seals: Arc::new(FileSeals::new(house.keys.clone(), Arc::new(SystemRng))),
        quota: QUOTA,
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
    })
}

fn router_of(house: &House, files: &Files) -> Router {
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
    super::router(house.keys.clone(), clock, rng, Arc::new(files.clone()))
}

async fn client(house: &House, name: &str, may: &[Operation], reach: Reach) -> String {
    let client = NewClient {
        name: name.to_owned(),
        keys: Vec::new(),
        operations: may.iter().copied().collect(),
        reach,
        databases: [].into(),
        expires_at: None,
    };
    house.keys.admit(client).await.unwrap().expose().to_owned()
}

impl World {
    async fn ask(
        &self,
        token: &str,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = asking(token, method, &format!("/api/v1/tenants/{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let answer = self.house.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = to_bytes(answer.into_body(), 1 << 30).await.unwrap().to_vec();
        Answer { status, headers, bytes }
    }

    async fn put(&self, path: &str, body: &[u8]) -> Answer {
        self.ask(&self.toko, ("PUT", path), &[], body.to_vec()).await
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(&self.toko, ("GET", path), headers, Body::empty()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_written_read_listed_and_removed() {
    let world = world().await;
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let put = world.put("toko/files/a/b%2Fc%00%F0%9F%98%80", &content).await;
    assert_eq!(put.status, 201, "{:?}", put.slug());
    let card = put.json();
    assert_eq!(card["name"], "a/b/c\0😀");
    assert_eq!(card["bytes"], 3_000_000);
    let etag = format!("\"{}\"", card["etag"].as_str().unwrap());
    assert_eq!(put.header("etag"), etag);

    let path = "toko/files/a/b/c%00%F0%9F%98%80";
    let got = world.get(path, &[]).await;
    assert_eq!(got.status, 200);
    assert!(got.bytes == content);
    let told = [
        ("content-type", "application/octet-stream"),
        ("content-length", "3000000"),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("content-disposition", "attachment; filename*=UTF-8''c%00%F0%9F%98%80"),
        ("cache-control", "private, no-store"),
        ("etag", &etag),
    ];
    for (name, value) in told {
        assert_eq!(got.header(name), value, "{name}");
    }
    assert!(got.header("repr-digest").starts_with("sha-256=:"));
    let head = world.ask(&world.toko, ("HEAD", path), &[], Body::empty()).await;
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    for (name, value) in told {
        assert_eq!(head.header(name), value, "{name}");
    }
    let again = world.put(path, b"second").await;
    assert_eq!(again.status, 200);
    assert_ne!(again.header("etag"), etag);
    let list = world.get("toko/files?prefix=a/&limit=5", &[]).await.json();
    assert_eq!(list["files"].as_array().unwrap().len(), 1);
    let removed = world.ask(&world.toko, ("DELETE", path), &[], Body::empty()).await;
    assert_eq!((removed.status, removed.bytes.len()), (204, 0));
    assert_eq!((world.get(path, &[]).await.status), 404);
    let gone = world.ask(&world.toko, ("DELETE", path), &[], Body::empty()).await;
    assert_eq!((gone.status, gone.slug().as_str()), (404, "unknown-file"));
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_and_conditions_are_as_the_standard_says() {
    let world = world().await;
    let put = world.put("toko/files/digits", b"0123456789").await;
    let etag = put.header("etag").to_owned();
    let part = async |range: &str| {
        let got = world.get("toko/files/digits", &[("range", range)]).await;
        let text = String::from_utf8_lossy(&got.bytes).into_owned();
        (got.status, text, got.header("content-range").to_owned())
    };
    let some = |text: &str, range: &str| (206, text.to_owned(), range.to_owned());
    assert_eq!(part("bytes=2-4").await, some("234", "bytes 2-4/10"));
    assert_eq!(part("bytes=-2").await, some("89", "bytes 8-9/10"));
    assert_eq!(part("bytes=8-999").await, some("89", "bytes 8-9/10"));
    assert_eq!(part("bytes=0-1,4-5").await, (200, "0123456789".to_owned(), String::new()));
    let beyond = world.get("toko/files/digits", &[("range", "bytes=10-")]).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */10"));
    let cases = [
        ("GET", "if-none-match", etag.as_str(), 304),
        ("GET", "if-none-match", "\"other\"", 200),
        ("GET", "if-match", "\"other\"", 412),
        ("HEAD", "if-none-match", "*", 304),
        ("PUT", "if-none-match", "*", 412),
        ("PUT", "if-match", "\"other\"", 412),
        ("DELETE", "if-match", "\"other\"", 412),
        ("PUT", "if-none-match", "\"other\"", 400),
        ("PUT", "content-range", "bytes 0-1/10", 400),
        ("PUT", "content-encoding", "gzip", 400),
        ("PUT", "if-match", etag.as_str(), 200),
    ];
    for (method, name, value, status) in cases {
        let asked = (method, "toko/files/digits");
        let said = world.ask(&world.toko, asked, &[(name, value)], "0123456789").await;
        assert_eq!(said.status, status, "{method} {name}: {value}");
    }
    let old = [("range", "bytes=0-1"), ("if-range", etag.as_str())];
    assert_eq!(world.get("toko/files/digits", &old).await.status, 200, "it is another file now");
    let unconditional =
        [("toko/files/none", "if-match", "*"), ("toko/files/none", "if-match", "\"x\"")];
    for (path, name, value) in unconditional {
        let said = world.ask(&world.toko, ("PUT", path), &[(name, value)], "x").await;
        assert_eq!(said.status, 412);
    }
    for query in ["toko/files/digits?x=1", "toko/files?limit=0", "toko/files?limit=1001"] {
        assert_eq!(world.get(query, &[]).await.slug(), "query", "{query}");
    }
    assert_eq!(world.get("toko/files?cursor=00", &[]).await.slug(), "cursor");
    assert_eq!(world.put("toko/files/%ff", b"x").await.slug(), "name");
    let long = format!("toko/files/{}", "x".repeat(1025));
    assert_eq!(world.put(&long, b"x").await.slug(), "name");
    assert_eq!(world.get("toko/files/", &[]).await.status, 404);
}

/// Whatever a token does not reach is answered in the very same words as what is not there.
#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_files_are_not_there() {
    let world = world().await;
    world.put("toko/files/secret", b"17 percent").await;
    let missing = world.ask(&world.warung, ("GET", "warung/files/none"), &[], Body::empty()).await;
    assert_eq!((missing.status, missing.slug().as_str()), (404, "unknown-file"));
    let asked = [
        ("GET", "toko/files/secret"),
        ("GET", "toko/files/none"),
        ("GET", "nobody/files/none"),
        ("GET", "toko/files"),
        ("GET", "nobody/files"),
        ("PUT", "toko/files/secret"),
        ("PUT", "toko/files/new"),
        ("DELETE", "toko/files/secret"),
        ("DELETE", "toko/files/none"),
    ];
    for (method, path) in asked {
        let said = world.ask(&world.warung, (method, path), &[], Body::empty()).await;
        assert_eq!(said.status, 404, "{method} {path}");
        assert!(said.bytes == missing.bytes && said.headers == missing.headers, "{method} {path}");
    }
    assert_eq!(world.get("toko/files/secret", &[]).await.bytes, b"17 percent");
    // One's own tenant is no secret.
    let reads = client(&world.house, "r", &[Operation::ReadFiles], tenants(&["toko"])).await;
    let said = world.ask(&reads, ("PUT", "toko/files/secret"), &[], "x").await;
    assert_eq!((said.status, said.slug().as_str()), (403, "denied"));
    for token in ["", "amk_none", &world.house.admin] {
        let said = world.ask(token, ("GET", "toko/files/secret"), &[], Body::empty()).await;
        assert!(said.status == 403 || token == world.house.admin && said.status == 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_kept_whole_or_not_at_all() {
    let world = world().await;
    let broken = stream::iter([Ok(Bytes::from_static(b"begin")), Err(std::io::Error::other("x"))]);
    let said =
        world.ask(&world.toko, ("PUT", "toko/files/a"), &[], Body::from_stream(broken)).await;
    assert_eq!((said.status, said.slug().as_str()), (400, "body"));
    assert_eq!(world.get("toko/files/a", &[]).await.status, 404);
    let large = vec![7; 21 << 20];
    let stated = [("content-length", "22020096")];
    let said = world.ask(&world.toko, ("PUT", "toko/files/a"), &stated, large.clone()).await;
    assert_eq!((said.status, said.slug().as_str()), (507, "quota"));
    let pieces: Vec<_> = large.chunks(65536).map(|c| Ok::<_, std::io::Error>(c.to_vec())).collect();
    let pieces = Body::from_stream(stream::iter(pieces));
    let said = world.ask(&world.toko, ("PUT", "toko/files/a"), &[], pieces).await;
    assert_eq!((said.status, said.slug().as_str()), (507, "quota"));
    let text = String::from_utf8(said.bytes).unwrap();
    assert!(text.contains("of 20971520 bytes"), "{text}");
    let usage = world.files.usage(&TenantId::new("toko").unwrap()).await.unwrap();
    assert_eq!(usage.used.files, 0);
}

async fn hide(db: &Db, from: &str, to: &str) {
    let tx = db.operator().await.unwrap();
    tx.batch(&format!("ALTER TABLE files.{from} RENAME TO {to}")).await.unwrap();
    tx.commit().await.unwrap();
}

/// Of a failure it is said whether something was changed, as far as that is known.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_says_what_has_become_of_the_file() {
    let world = world().await;
    let path = "toko/files/a";
    assert_eq!(world.put(path, b"first").await.status, 201);
    let (unchanged, unknown) =
        ("nothing was changed", "it is not known whether the file was changed");
    let words = |said: Answer| {
        assert_eq!((said.status, said.slug().as_str()), (503, "unavailable"));
        let text = String::from_utf8(said.bytes).unwrap();
        (text.contains(unchanged), text.contains(unknown))
    };
    let owner = world.owner.clone();
    let late = stream::once(async move {
        hide(&owner, "files", "hidden").await;
        Ok::<_, std::io::Error>(Bytes::from_static(b"second"))
    });
    let late = world.ask(&world.toko, ("PUT", path), &[], Body::from_stream(late)).await;
    assert_eq!(words(late), (false, true), "its end failed");
    for (method, told) in [("GET", (false, false)), ("DELETE", (false, true))] {
        let said = world.ask(&world.toko, (method, path), &[], Body::empty()).await;
        assert_eq!(words(said), told, "{method}");
    }
    assert_eq!(words(world.get("toko/files", &[]).await), (false, false));
    hide(&world.owner, "tenants", "nobody").await;
    assert_eq!(words(world.put(path, b"third").await), (true, false), "it did not begin");
    hide(&world.owner, "nobody", "tenants").await;
    hide(&world.owner, "hidden", "files").await;
    assert_eq!(world.get(path, &[]).await.bytes, b"first");
}

/// What was changed in the store is told, and a destroyed key is told apart from it.
#[tokio::test(flavor = "multi_thread")]
async fn damage_and_destruction_are_told() {
    let world = world().await;
    world.put("toko/files/a", &vec![1; 3 << 20]).await;
    let prefix = std::fs::read_dir(world.folder.path().join("files")).unwrap().next().unwrap();
    let object = std::fs::read_dir(prefix.unwrap().path()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&object).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&object, &bytes).unwrap();
    let said = world.get("toko/files/a", &[]).await;
    assert_eq!((said.status, said.slug().as_str()), (500, "damaged"));
    let toko = TenantId::new("toko").unwrap();
    world.house.keys.shred(&toko).await.unwrap();
    for method in ["GET", "PUT"] {
        let said = world.ask(&world.toko, (method, "toko/files/a"), &[], "x").await;
        assert_eq!((said.status, said.slug().as_str()), (410, "shredded"), "{method}");
    }
    assert_eq!(world.files.erase(&toko).await.unwrap().files, 1);
}

/// A rotation leaves the files as they are, and their keys follow.
#[tokio::test(flavor = "multi_thread")]
async fn files_outlive_a_rotation() {
    let world = world().await;
    world.put("toko/files/a", b"kept").await;
    let toko = TenantId::new("toko").unwrap();
    let key = ::keys::KeyRef {
        tenant: Some(toko.clone()),
        name: ::keys::KeyName::new(::keys::object::FILES_KEY).unwrap(),
    };
    world.house.keys.rotate(&key).await.unwrap();
    assert_eq!(world.get("toko/files/a", &[]).await.bytes, b"kept");
    assert_eq!(world.files.reseal(&toko).await.unwrap().moved, 1);
    assert_eq!(world.files.reseal(&toko).await.unwrap().current, 1);
    assert_eq!(world.get("toko/files/a", &[]).await.bytes, b"kept");
    let name = kernel::FileName::new("a").unwrap();
    assert!(world.files.find(&toko, &name).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_page_does_what_it_says() {
    let world = world().await;
    let run = try_page("files.md", &world.house.router, &world.toko, "AMANAH").await;
    assert!(run >= 5, "the page has fewer examples than it had");
}
