//! The strongbox on a real PostgreSQL, under the login that the product runs with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kernel::{Secret, SystemClock, SystemRng, TenantId, random_hex};
use kms::FileRoot;
use testkit::TestDb;

use super::{MAX_SECRET_BYTES, PAGE_ROWS, Refreshed, Strongbox, named};
use crate::{Directory, Error, Keys, Policy, ROOM, Settings};

struct House {
    _dir: tempfile::TempDir,
    db: TestDb,
    keys: Keys,
    strongbox: Strongbox,
}

async fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let secret = Secret::new(random_hex(&SystemRng, 16).unwrap());
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let place = dir.path().join("root");
    let root = FileRoot::create(&place, &secret, clock.clone(), rng.clone()).await.unwrap();
    let settings = Settings {
        installation: "here".to_owned(),
        shelf: Arc::new(Directory::new(dir.path().join("ring"))),
        root: Arc::new(root),
        anchors: Vec::new(),
        policy: Policy::default(),
        clock,
        rng,
    };
    let keys = Keys::open(settings).await.unwrap();
    let db = testkit::database(&[&ROOM]).await;
    let strongbox = Strongbox::new(keys.clone(), db.engine.clone());
    House { _dir: dir, db, keys, strongbox }
}

fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

impl House {
    async fn get(&self, name: &str, tenant: Option<&TenantId>) -> Option<String> {
        let found = self.strongbox.get(name, tenant).await.unwrap();
        found.map(|secret| secret.expose().to_owned())
    }

    /// Runs `sql` as whoever owns the database.
    async fn alter(&self, sql: &str) -> store::Result<()> {
        let tx = self.db.owner.operator().await.unwrap();
        tx.batch(sql).await?;
        tx.commit().await
    }

    async fn refresh(&self) -> Refreshed {
        self.strongbox.refresh_all(&|_| ()).await.unwrap()
    }
}

#[tokio::test]
async fn what_was_put_comes_back_and_nothing_in_clear_is_stored() {
    let house = house().await;
    let (strongbox, sinar) = (&house.strongbox, tenant("sinar"));
    assert_eq!(house.get("smtp", None).await, None);
    strongbox.put("smtp", None, &secret("first")).await.unwrap();
    strongbox.put("smtp", None, &secret("second é")).await.unwrap();
    strongbox.put("smtp", Some(&sinar), &secret("")).await.unwrap();
    assert_eq!(house.get("smtp", None).await.as_deref(), Some("second é"));
    assert_eq!(house.get("smtp", Some(&sinar)).await.as_deref(), Some(""));
    assert_eq!(house.get("smtp", Some(&tenant("bulan"))).await, None);

    let users = house.keys.card(&named(Some(&sinar)).unwrap()).unwrap().users;
    assert_eq!(users, [crate::OWN_SECRETS]);

    let cards = strongbox.names().await.unwrap();
    let listed: Vec<_> = cards.iter().map(|c| (c.name.as_str(), c.tenant.as_ref())).collect();
    assert_eq!(listed, [("smtp", None), ("smtp", Some(&sinar))]);
    let clear = "INSERT INTO keys.secrets VALUES ('x', '', 'in clear', now())";
    assert!(house.alter(clear).await.is_err());

    assert!(strongbox.remove("smtp", None).await.unwrap());
    assert!(!strongbox.remove("smtp", None).await.unwrap());
    assert_eq!(house.get("smtp", None).await, None);
}

/// Who may write the table can neither move a secret nor change it.
#[tokio::test]
async fn a_moved_row_does_not_open() {
    let house = house().await;
    let (strongbox, sinar, bulan) = (&house.strongbox, tenant("sinar"), tenant("bulan"));
    strongbox.put("a", None, &secret("house")).await.unwrap();
    strongbox.put("a", Some(&sinar), &secret("sinar")).await.unwrap();
    strongbox.put("b", Some(&sinar), &secret("other")).await.unwrap();
    strongbox.put("a", Some(&bulan), &secret("bulan")).await.unwrap();
    let copy = |from: &str, to: &str| {
        format!(
            "UPDATE keys.secrets SET sealed = (SELECT sealed FROM keys.secrets WHERE {from}) \
             WHERE {to}"
        )
    };
    let sinar_a = "tenant = 'sinar' AND name = 'a'";
    for (to, name, whose) in [
        ("tenant = 'bulan' AND name = 'a'", "a", Some(&bulan)),
        ("tenant = 'sinar' AND name = 'b'", "b", Some(&sinar)),
        ("tenant = '' AND name = 'a'", "a", None),
    ] {
        house.alter(&copy(sinar_a, to)).await.unwrap();
        let moved = strongbox.get(name, whose).await;
        assert!(moved.is_err(), "{to} gave {moved:?}");
    }
    assert_eq!(house.get("a", Some(&sinar)).await.as_deref(), Some("sinar"));
}

#[tokio::test]
async fn names_and_sizes_are_bounded() {
    let house = house().await;
    let largest = secret(&"x".repeat(MAX_SECRET_BYTES));
    house.strongbox.put("large", None, &largest).await.unwrap();
    assert_eq!(house.get("large", None).await.map(|text| text.len()), Some(MAX_SECRET_BYTES));
    let larger = secret(&"x".repeat(MAX_SECRET_BYTES + 1));
    assert!(house.strongbox.put("large", None, &larger).await.is_err());
    for name in ["", "a\nb", &"n".repeat(201)] {
        assert!(house.strongbox.put(name, None, &secret("x")).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn refreshing_renews_what_is_old_and_leaves_the_rest() {
    let house = house().await;
    let (strongbox, sinar, bulan) = (&house.strongbox, tenant("sinar"), tenant("bulan"));
    // More than a page of rows.
    let many = usize::try_from(PAGE_ROWS).unwrap() + 7;
    strongbox.put("first", None, &secret("text")).await.unwrap();
    for n in 1..many {
        let key = named(None).unwrap();
        let name = format!("n{n:04}");
        let plain = crate::Plain { text: b"text", context: name.as_bytes() };
        let sealed = house.keys.encrypt(&key, &[plain]).unwrap().remove(0).text();
        let row = format!("INSERT INTO keys.secrets VALUES ('{name}', '', '{sealed}', now())");
        house.alter(&row).await.unwrap();
    }
    strongbox.put("own", Some(&sinar), &secret("text")).await.unwrap();
    strongbox.put("own", Some(&bulan), &secret("text")).await.unwrap();
    let all = many + 2;
    assert_eq!(house.refresh().await, Refreshed { current: all, ..Refreshed::default() });

    house.keys.rotate(&named(None).unwrap()).await.unwrap();
    strongbox.put("n0300", None, &secret("new")).await.unwrap();
    house.keys.shred(&bulan).await.unwrap();
    let done = AtomicUsize::new(0);
    let watch = |progress: crate::Progress| {
        assert_eq!(progress.total, all);
        done.store(progress.done, Ordering::SeqCst);
    };
    let found = strongbox.refresh_all(&watch).await.unwrap();
    assert_eq!(found, Refreshed { renewed: many - 1, current: 2, shredded: 1, lost: 0 });
    assert_eq!(done.load(Ordering::SeqCst), all);
    let again = house.refresh().await;
    assert_eq!(again, Refreshed { renewed: 0, current: many + 1, shredded: 1, lost: 0 });

    // Something that only looks like a ciphertext hinders nobody else.
    let odd = "INSERT INTO keys.secrets VALUES ('odd', '', 'amanah:v1:A', now())";
    house.alter(odd).await.unwrap();
    assert_eq!(house.refresh().await, Refreshed { lost: 1, ..again });

    // The old version can go now.
    house.keys.trim(&named(None).unwrap(), 2).await.unwrap();
    assert_eq!(house.get("first", None).await.as_deref(), Some("text"));
    assert_eq!(house.get("n0300", None).await.as_deref(), Some("new"));
    assert_eq!(house.get("own", Some(&sinar)).await.as_deref(), Some("text"));
    let gone = strongbox.get("own", Some(&bulan)).await;
    assert!(matches!(gone, Err(Error::Shredded { .. })), "{gone:?}");
    let put = strongbox.put("own", Some(&bulan), &secret("text")).await;
    assert!(matches!(put, Err(Error::Shredded { .. })), "{put:?}");
}
