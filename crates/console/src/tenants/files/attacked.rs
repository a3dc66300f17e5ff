//! The proof of `isolation.files` over this API: what the attacks come to on a sound store, and on
//! one in which something was taken away.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ::keys::Keys;
use ::keys::{NewClient, Operation, Reach};
use bucket::{Credentials, Settings};
use gateway::{Private, PrivateSettings};
use kernel::{
    Cx, FileName, Fut, NewFile, Outcome, Params, Proof, Secret, SystemClock, SystemRng,
    TenantFiles, TenantId, random_hex,
};
use tempfile::TempDir;
use tenancy::{Door, Doors, FILES_ROOM, FLEET_ROOM, FileGuard, FileShelf, Files};
use testkit::TestDb;

use super::tests::store;
use crate::keys::tests::House;

/// A door as the binary opens it.
struct TestDoors(Keys);

impl Doors for TestDoors {
    fn open<'a>(
        &'a self,
        files: Arc<dyn TenantFiles>,
        [a, b]: [&'a TenantId; 2],
        loose: bool,
    ) -> Fut<'a, Result<Door, String>> {
        Box::pin(async move {
            let reach: Vec<&TenantId> = if loose { vec![a, b] } else { vec![a] };
            let tokens = [self.client("a", &reach).await, self.client("b", &[b]).await];
            let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
            let router = super::router(self.0.clone(), clock, rng, files);
            let settings = PrivateSettings::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
            let private = Private::bind(settings, router).await.unwrap();
            let address = private.local_addr();
            let (guard, dropped) = tokio::sync::oneshot::channel::<()>();
            tokio::spawn(private.run(async {
                let _ = dropped.await;
            }));
            Ok(Door { address, tokens, guard: Box::new(guard) })
        })
    }
}

impl TestDoors {
    async fn client(&self, name: &str, tenants: &[&TenantId]) -> Secret {
        let client = NewClient {
            name: name.to_owned(),
            keys: Vec::new(),
            operations: [Operation::ReadFiles, Operation::WriteFiles].into(),
            reach: Reach::Tenants(tenants.iter().map(|tenant| (*tenant).clone()).collect()),
            databases: [].into(),
            expires_at: None,
        };
        self.0.admit(client).await.unwrap()
    }
}

struct World {
    house: House,
    db: TestDb,
    files: Files,
    folder: TempDir,
}

async fn world() -> World {
    let (house, db) = (House::bare().await, testkit::database(&[&FLEET_ROOM, &FILES_ROOM]).await);
    let folder = tempfile::tempdir().unwrap();
    let shelf = FileShelf::folder(folder.path().join("files")).unwrap();
    let files = store(&house, &db, shelf);
    World { house, db, files, folder }
}

impl World {
    fn guard(&self) -> FileGuard {
        FileGuard {
            files: self.files.clone(),
            registry: self.db.owner.clone(),
            doors: Arc::new(TestDoors(self.house.keys.clone())),
            programs: self.db.programs.clone(),
            scratch: self.folder.path().join("scratch"),
        }
    }

    async fn prove(&self) -> Proof {
        let cx = Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) };
        self.guard().control().prove(&cx, &Params::default()).await
    }

    /// A customer's file.
    async fn put(&self, who: &str, what: &str) {
        let (tenant, name) = (TenantId::new(who).unwrap(), FileName::new(what).unwrap());
        let mut writer = self.files.write(&tenant, &name, NewFile::default()).await.unwrap();
        writer.push(b"a customer's own").await.unwrap();
        writer.finish().await.unwrap();
    }

    async fn sql(&self, sql: &str) {
        let tx = self.db.owner.operator().await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Every attack by its name, with what it comes to on a store as it should be.
#[tokio::test(flavor = "multi_thread")]
async fn the_matrix_of_attacks() {
    let world = world().await;
    let struck = world.guard().attack().await.unwrap();
    assert_eq!(struck.missed, Vec::new());
    let line = |(name, through): &(&str, Option<String>)| {
        format!("{name:<24}{}", through.as_deref().unwrap_or("repelled"))
    };
    let lines: Vec<String> = struck.outcomes.iter().map(line).collect();
    assert!(lines.len() >= 60, "{}", lines.len());
    testkit::told("docs/files.md", &format!("The matrix of {} attacks", lines.len()));
    testkit::told("README.md", &format!("files by {} kinds of attack", lines.len()));
    insta::assert_snapshot!(lines.join("\n"));
    // And nothing of it is left.
    for id in ["amanah-canary-a", "amanah-canary-b"] {
        let usage = world.files.usage(&TenantId::new(id).unwrap()).await.unwrap();
        assert_eq!((usage.used.files, usage.used.bytes), (0, 0), "{id}");
    }
}

/// The same attacks where the objects lie in a bucket of S3.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_attacks_on_a_bucket() {
    let mut world = world().await;
    let moto = testkit::moto();
    let credentials = Credentials {
        access_key_id: "test".to_owned(),
        secret_access_key: Secret::new(random_hex(&SystemRng, 8).unwrap()),
        session_token: None,
    };
    let bucket = Settings {
        url: format!("s3://{}/files", moto.bucket()),
        endpoint: Some(moto.endpoint()),
        region: Some("ap-southeast-3".to_owned()),
        credentials: Some(credentials),
    };
    world.files = store(&world.house, &world.db, FileShelf::bucket(&bucket).unwrap());
    let struck = world.guard().attack().await.unwrap();
    assert_eq!((struck.missed.len(), struck.through()), (0, 0), "{struck:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_files_are_compared_and_damage_is_told() {
    let world = world().await;
    let empty = world.prove().await;
    assert_eq!(empty.outcome(), Outcome::Unknown, "the synthetic tenants alone prove nothing");
    for who in ["toko", "warung"] {
        world.put(who, "a").await;
        world.put(who, "b").await;
    }
    let sound = world.prove().await;
    assert_eq!(sound.outcome(), Outcome::Holds, "{}", sound.detail());
    assert_eq!(sound.population().to_string(), "2 of 2 tenants with files");
    world.sql("UPDATE files.tenants SET used_bytes = 1 WHERE tenant = 'toko'").await;
    let proof = world.prove().await;
    assert_eq!(proof.outcome(), Outcome::Broken);
    assert!(proof.detail().contains("its quota counts other files"), "{}", proof.detail());
    assert!(!proof.detail().contains("toko"), "the page is public");
    world
        .sql("UPDATE files.tenants SET used_bytes = 0, used_files = 0 WHERE tenant = 'toko'")
        .await;
    let proof = world.prove().await;
    assert_eq!(proof.outcome(), Outcome::Broken, "a counter leaves nobody out");
    assert_eq!(proof.population().to_string(), "2 of 2 tenants with files");
    world
        .sql("UPDATE files.tenants SET used_bytes = 32, used_files = 2 WHERE tenant = 'toko'")
        .await;
    world.sql("UPDATE files.files SET bytes = bytes + 1 WHERE tenant = 'warung'").await;
    world.sql("UPDATE files.tenants SET used_bytes = 34 WHERE tenant = 'warung'").await;
    let proof = world.prove().await;
    assert!(proof.detail().contains("not as long as"), "{}", proof.detail());
    world.sql("UPDATE files.files SET bytes = bytes - 1 WHERE tenant = 'warung'").await;
    world.sql("UPDATE files.tenants SET used_bytes = 32 WHERE tenant = 'warung'").await;
    world
        .sql("UPDATE files.files SET object = repeat('0', 32) WHERE tenant = 'toko' AND name = 'a'")
        .await;
    let proof = world.prove().await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "a lost file cannot be compared");
    assert!(proof.detail().contains("not in the store"), "{}", proof.detail());
}

/// The attacks go the way that clients go, which is shut for a tenant that is suspended.
#[tokio::test(flavor = "multi_thread")]
async fn the_attacks_pass_the_registry() {
    let world = world().await;
    world
        .sql(
            "INSERT INTO tenancy.tenants (id, place, state, canary, made_at, cell) VALUES
             ('amanah-canary-b', 'amt_01234567_0123456789abcdef', 'suspended', true, now(), 'home')",
        )
        .await;
    let refused = world.guard().attack().await;
    assert!(refused.is_err(), "{refused:?}");
}

/// Each violation is found by the attack that it is for.
#[tokio::test(flavor = "multi_thread")]
async fn every_violation_is_found() {
    let world = world().await;
    world.put("toko", "a").await;
    let cx = Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) };
    let bite = world.guard().control().bite(&cx).await;
    assert_eq!(bite.outcome(), Outcome::Broken, "{}", bite.detail());
    testkit::told("docs/files.md", &format!("seeds {} violations", bite.population().checked));
    let found: Vec<String> = bite.findings().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(found.join("\n"));
    let left = std::fs::read_dir(world.folder.path().join("scratch"));
    assert_eq!(left.map_or(0, Iterator::count), 0, "the scratch stores are gone");
}
