//! The control on a real PostgreSQL: it holds when all is well, names what is not, and says what
//! it could not see.

use std::sync::Arc;

use kernel::{
    Control, Custody, Cx, Fut, Outcome, Params, Planted, Proof, Secret, SystemClock, SystemRng,
    random_hex,
};
use store::{Db, Protected};
use tempfile::TempDir;
use testkit::TestDb;

use super::super::practice::Practice;
use super::needles::tests::written;
use super::needles::{Hit, Needles};
use super::{Fields, Keeper, search};
use crate::{Plain, ROOM, Tenants};

struct House {
    base: TestDb,
    practice: Practice,
    folder: TempDir,
    cx: Cx,
}

async fn house() -> House {
    let base = testkit::database(&[&ROOM]).await;
    let folder = tempfile::tempdir().unwrap();
    let cx = Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) };
    let practice = Practice::new(folder.path(), Arc::clone(&cx.clock), Arc::clone(&cx.rng));
    House { base, practice: practice.await.unwrap(), folder, cx }
}

impl House {
    fn keeper(&self) -> Arc<dyn Custody> {
        Arc::new(Keeper::new(self.practice.keys.clone(), self.base.engine.clone()))
    }

    fn control(&self, custodians: Vec<Arc<dyn Custody>>, protected: Vec<Protected>) -> Fields {
        Fields {
            keys: self.practice.keys.clone(),
            owner: self.base.owner.clone(),
            programs: self.base.programs.clone(),
            custodians,
            protected,
            tenants: Arc::new(Nobody),
            scratch: self.folder.path().join("scratch"),
        }
    }

    async fn prove(&self, protected: Vec<Protected>) -> Proof {
        let control = self.control(vec![self.keeper()], protected);
        control.prove(&self.cx, &Params::none()).await
    }
}

/// No tenant has a database of its own.
struct Nobody;

impl Tenants for Nobody {
    fn databases(&self) -> Fut<'_, Result<Vec<(String, Db)>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// One tenant has, or nobody knows.
struct Shop(Option<Db>);

impl Tenants for Shop {
    fn databases(&self) -> Fut<'_, Result<Vec<(String, Db)>, String>> {
        let found = self.0.clone().map(|db| vec![("amt_shop".to_owned(), db)]);
        Box::pin(async { found.ok_or_else(|| "the registry does not answer".to_owned()) })
    }
}

async fn run(db: &Db, sql: &str) {
    let tx = db.operator().await.unwrap();
    tx.batch(sql).await.unwrap();
    tx.commit().await.unwrap();
}

const SHOP: &str = "
    CREATE TABLE shop (id int PRIMARY KEY, tenant_id text, api_key text, pinned int,
                       token_used bool, password_changed timestamptz, secret_type text);
    COMMENT ON COLUMN shop.api_key IS 'amanah: sealed';
    CREATE TABLE \"{table} \"\"o'd\"\"\" (\"{value} '\"\"); {table}\" bytea);
    COMMENT ON COLUMN \"{table} \"\"o'd\"\"\".\"{value} '\"\"); {table}\" IS 'amanah: sealed';
    ALTER TABLE shop ENABLE ROW LEVEL SECURITY;
    ALTER TABLE shop FORCE ROW LEVEL SECURITY;
    CREATE POLICY none ON shop USING (false);
    GRANT SELECT, INSERT ON shop TO {app};";

async fn shop() -> Protected {
    testkit::protected(SHOP, "tenant_id", ("1", "2"), &[]).await
}

#[tokio::test]
async fn it_holds_on_a_good_house_and_leaves_nothing_behind() {
    let house = house().await;
    let proof = house.prove(vec![]).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{proof:?}");
    // One dump, six canaries, and the column keys.secrets.sealed.
    assert_eq!(proof.population().total, 8, "{proof:?}");
    let tx = house.base.owner.operator().await.unwrap();
    assert!(tx.query("SELECT FROM keys.secrets", &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn it_bites() {
    let house = house().await;
    let control = house.control(vec![], vec![]);
    let proof = control.bite(&house.cx).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
    assert_eq!(proof.population().to_string(), "9 of 9 seeded violations");
    assert!(!proof.detail().contains("left behind"), "{proof:?}");
    assert_eq!(std::fs::read_dir(&control.scratch).unwrap().count(), 0);
}

/// The databases that tenants have of their own are looked into; where nobody knows which there
/// are, nothing is proven.
#[tokio::test]
async fn a_tenants_own_database_is_looked_into() {
    let house = house().await;
    let shop = testkit::database(&[]).await;
    run(&shop.owner, "CREATE TABLE orders (id int, note text)").await;
    let prove = async |tenants: Shop| {
        let mut control = house.control(vec![house.keeper()], vec![]);
        control.tenants = Arc::new(tenants);
        control.prove(&house.cx, &Params::none()).await
    };
    let proof = prove(Shop(Some(reopened(&shop.owner)))).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{proof:?}");
    assert!(proof.detail().contains("1 databases of tenants"), "{proof:?}");
    run(&shop.owner, "ALTER TABLE orders ADD COLUMN api_key text").await;
    let proof = prove(Shop(Some(reopened(&shop.owner)))).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
    let named = proof.findings().iter().any(|finding| finding.object.starts_with("amt_shop: "));
    assert!(named, "{proof:?}");
    let proof = prove(Shop(None)).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{proof:?}");
}

/// As whoever has tenants hands their databases out: to be closed afterwards.
fn reopened(db: &Db) -> Db {
    Db::lazy(db.url(), 1).unwrap()
}

#[tokio::test]
async fn without_custodians_nothing_is_proven() {
    let house = house().await;
    let proof = house.control(vec![], vec![]).prove(&house.cx, &Params::none()).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{proof:?}");
}

/// A room that writes what it is given, or nothing at all.
struct Careless {
    db: Db,
    writes: bool,
}

impl Custody for Careless {
    fn name(&self) -> &'static str {
        "the careless"
    }

    fn plant<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Result<Vec<Planted>, String>> {
        Box::pin(async move {
            let random = || random_hex(&*cx.rng, 20).unwrap();
            let (secret, beside) = (random(), random());
            if self.writes {
                let sql = format!(
                    "CREATE TABLE careless AS SELECT '{beside}' AS a, '\\x00{}'::bytea AS b",
                    kernel::hex(secret.as_bytes())
                );
                run(&self.db, &sql).await;
            }
            let what = "a careless secret".to_owned();
            Ok(vec![Planted { what, secret: Secret::new(secret), beside, problem: None }])
        })
    }

    fn clear<'a>(&'a self, _: &'a Cx) -> Fut<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

/// A secret in clear is found, and what was never in the dump proves nothing by its absence.
#[tokio::test]
async fn a_secret_in_clear_is_broken_and_a_missing_row_is_unknown() {
    let house = house().await;
    for (writes, outcome, words) in [
        (false, Outcome::Unknown, "does not hold the row"),
        (true, Outcome::Broken, "stands as hexadecimal"),
    ] {
        let careless = Arc::new(Careless { db: house.base.owner.clone(), writes });
        let proof = house.control(vec![careless], vec![]).prove(&house.cx, &Params::none()).await;
        assert_eq!(proof.outcome(), outcome, "{proof:?}");
        assert!(proof.detail().contains(words), "{proof:?}");
    }
}

/// Sealed values hold; one clear value among them is counted and never shown.
#[tokio::test]
async fn a_protected_database_is_held_to_what_it_declares() {
    let house = house().await;
    let shop = shop().await;
    let superuser = shop.superuser.clone().unwrap();
    let key = house.practice.key("shop").await.unwrap();
    let plain = Plain { text: b"k", context: b"shop" };
    let sealed = house.practice.keys.encrypt(&key, &[plain]).unwrap().remove(0).text();
    run(&superuser, &format!("INSERT INTO shop VALUES (1, '1', '{sealed}'), (2, '2', NULL)")).await;
    let proof = house.prove(vec![shop.clone()]).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{proof:?}");
    // As on a good house, and shop.api_key: the other sealed column is empty.
    assert_eq!(proof.population().total, 8 + 1, "{proof:?}");
    assert!(proof.detail().contains("declared sealed, and empty: public.{table}"), "{proof:?}");

    let clear = random_hex(&SystemRng, 10).unwrap();
    run(&superuser, &format!("INSERT INTO shop VALUES (3, '1', '{clear}')")).await;
    let proof = house.prove(vec![shop.clone()]).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
    assert!(proof.detail().contains("shop.api_key: 1 of 2 values are not sealed"), "{proof:?}");
    assert!(!format!("{proof:?}").contains(&clear));

    run(&superuser, "DELETE FROM shop WHERE id = 3; COMMENT ON COLUMN shop.api_key IS NULL").await;
    let proof = house.prove(vec![shop]).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
    let fix = proof.findings()[0].fix.clone().unwrap();
    assert!(fix.contains("COMMENT ON COLUMN \"public\".\"shop\".\"api_key\" IS"), "{fix}");
}

/// What `pg_dump` really writes of a text, of JSON and of bytes, in either form of bytes.
#[tokio::test]
async fn every_disguise_is_found_in_a_dump() {
    let house = house().await;
    let (owner, programs) = (&house.base.owner, &house.base.programs);
    let random = || random_hex(&SystemRng, 20).unwrap();
    let (mut canaries, mut expected) = (Vec::new(), Vec::new());
    run(owner, "CREATE TABLE disguises (beside text, a text, b json, c bytea)").await;
    let tx = owner.operator().await.unwrap();
    let insert = "INSERT INTO disguises VALUES ($1, $2, $3::text::json, $4)";
    let mut plant = |how: &'static str, secret: String| {
        let beside = random();
        let what = format!("{how}, {}", canaries.len());
        expected.push((canaries.len(), how));
        let secret = Secret::new(secret);
        canaries.push(Planted { what, secret, beside: beside.clone(), problem: None });
        beside
    };
    let none: Option<&str> = None;
    for n in 0..written(&random()).len() {
        let secret = random();
        let (how, form) = written(&secret).remove(n);
        let beside = plant(how, secret);
        // A column of JSON keeps its escapes as they were written.
        tx.execute(insert, &[&beside, &form, &none, &None::<&[u8]>]).await.unwrap();
        if how == "as JSON escapes" {
            let secret = random();
            let json = format!("\"{}\"", written(&secret).remove(n).1);
            let beside = plant(how, secret);
            tx.execute(insert, &[&beside, &none, &json, &None::<&[u8]>]).await.unwrap();
        }
    }
    for wide in [u16::to_le_bytes, u16::to_be_bytes] {
        let secret = random();
        let form: Vec<u8> = secret.encode_utf16().flat_map(wide).collect();
        let beside = plant("as UTF-16", secret);
        tx.execute(insert, &[&beside, &none, &none, &form]).await.unwrap();
    }
    let secret = random();
    let form = secret.clone().into_bytes();
    let beside = plant("bytes", secret);
    tx.execute(insert, &[&beside, &none, &none, &form]).await.unwrap();
    tx.commit().await.unwrap();

    let needles = Needles::new(&canaries).unwrap();
    let name = store::ident(&owner.url().database);
    for output in ["hex", "escape"] {
        run(owner, &format!("ALTER DATABASE {name} SET bytea_output = '{output}'")).await;
        let (hits, _) = search(owner, programs, &needles).await.unwrap();
        for (n, how) in &expected {
            let how = match (*how, output) {
                ("bytes", "hex") => "as hexadecimal",
                ("bytes", _) => "in clear",
                (how, _) => how,
            };
            assert!(hits.contains(&Hit::Beside(*n)), "{how}");
            let found =
                |hit: &Hit| matches!(hit, Hit::Secret(m, said) if m == n && said.starts_with(how));
            assert!(hits.iter().any(found), "{how} with {output}");
        }
    }
}

/// What has no value in it was not looked into, whatever it calls itself; nor was a dump that could
/// never have held a canary.
#[tokio::test]
async fn what_is_empty_counts_for_nothing() {
    let house = house().await;
    let shop = shop().await;
    let proof = house.prove(vec![shop.clone()]).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{proof:?}");
    assert_eq!(proof.population().total, 8, "as without the shop: {proof:?}");
    for words in [
        "declared sealed, and empty: public.shop.api_key, ",
        "no sealed value is in it, so nothing in it was tested",
        "KiB searched, in which no canary was stored",
    ] {
        assert!(proof.detail().contains(words), "{words}: {proof:?}");
    }
    assert!(!proof.measured().contains(&shop.name), "{proof:?}");
    let believed = "COMMENT ON COLUMN shop.api_key IS 'amanah: hashed'";
    run(shop.superuser.as_ref().unwrap(), believed).await;
    let proof = house.prove(vec![shop]).await;
    assert_eq!(proof.population().total, 8, "nobody looked at what is believed: {proof:?}");
}

/// A secret can be kept in any type but a truth value and a time.
#[tokio::test]
async fn a_telling_name_is_reported_whatever_its_type() {
    let house = house().await;
    let shop = shop().await;
    let columns = [
        "pin int",
        "otp numeric",
        "password name",
        "secret_id uuid",
        "session_token_id bigint",
        "tokens text[]",
        "api_keys bytea[]",
        "passwords jsonb[]",
        "passcode char(6)[]",
        "totp mood",
        "credential pair",
        "seed short",
        "secret inet",
    ];
    let sql = format!(
        "CREATE TYPE mood AS ENUM ('one'); CREATE TYPE pair AS (a text, b text);
         CREATE DOMAIN short AS mood; CREATE TABLE telling ({})",
        columns.join(", ")
    );
    run(shop.superuser.as_ref().unwrap(), &sql).await;
    let proof = house.prove(vec![shop]).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{proof:?}");
    for column in columns {
        let name = format!("public.telling.{}", column.split(' ').next().unwrap());
        let found = proof.findings().iter().any(|finding| finding.object.ends_with(&name));
        assert!(found, "{name}: {proof:?}");
    }
    assert_eq!(proof.findings().len(), columns.len(), "{proof:?}");
}

/// The owner may call a type of his own like one of PostgreSQL's, with a cast that runs his code.
#[tokio::test]
async fn no_code_of_the_owner_runs() {
    let house = house().await;
    let shop = shop().await;
    let trap = "CREATE SCHEMA trap; CREATE TYPE trap.uuid AS ENUM ('one');
        CREATE FUNCTION trap.cast(trap.uuid) RETURNS text LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'the trap ran'; END $$;
        CREATE CAST (trap.uuid AS text) WITH FUNCTION trap.cast(trap.uuid);
        CREATE TABLE trap.bait (api_key trap.uuid);
        COMMENT ON COLUMN trap.bait.api_key IS 'amanah: sealed';
        INSERT INTO trap.bait VALUES ('one')";
    run(&shop.owner, trap).await;
    let proof = house.prove(vec![shop]).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{proof:?}");
    assert!(proof.detail().contains("values of type trap.uuid cannot be tested"), "{proof:?}");
    assert!(!proof.detail().contains("the trap ran"), "{proof:?}");
}

/// A login from which rows are hidden has not seen them.
#[tokio::test]
async fn hidden_rows_are_unknown() {
    let house = house().await;
    let shop = Protected { superuser: None, ..shop().await };
    let proof = house.prove(vec![shop]).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{proof:?}");
    assert!(proof.detail().contains("rows are hidden"), "{proof:?}");
    assert!(proof.detail().contains("could not be dumped"), "{proof:?}");
}

/// What a killed run left behind goes with the next one; what another run just planted stays.
#[tokio::test]
async fn canaries_of_a_killed_run_go() {
    let house = house().await;
    let (killed, next) = (house.keeper(), house.keeper());
    killed.plant(&house.cx).await.unwrap();
    next.clear(&house.cx).await.unwrap();
    let count = || async {
        let tx = house.base.owner.operator().await.unwrap();
        tx.query("SELECT FROM keys.secrets", &[]).await.unwrap().len()
    };
    assert_eq!(count().await, 6);
    let later = house.cx.clock.now() + jiff::SignedDuration::from_hours(2);
    let clock = Arc::new(kernel::ManualClock::at(later));
    next.clear(&Cx { clock, rng: Arc::clone(&house.cx.rng) }).await.unwrap();
    assert_eq!(count().await, 0);
}
