//! The managed cluster, transactions and sandboxes on a real PostgreSQL.

use std::path::Path;

use kernel::{Secret, SystemRng, TenantId};

use crate::{
    Cluster, ClusterSettings, DatabaseUrl, Db, Error, Migration, Owned, Room, literal, migrate,
    specimen, tables,
};

static FIRST: Room = Room {
    name: "shop",
    migrations: &[Migration { name: "0001_things", sql: "CREATE TABLE thing (id int)" }],
};
static SECOND: Room = Room {
    name: "shop",
    migrations: &[
        Migration { name: "0001_things", sql: "CREATE TABLE thing (id int)" },
        Migration { name: "0002_more", sql: "CREATE TABLE more (id int)" },
    ],
};
static CHANGED: Room = Room {
    name: "shop",
    migrations: &[Migration { name: "0001_things", sql: "CREATE TABLE thing (id bigint)" }],
};

struct Server(Cluster, tempfile::TempDir);

async fn open(data: &Path) -> Result<Cluster, Error> {
    let settings = ClusterSettings { data: data.to_owned(), programs: None, durable: true };
    Cluster::open(&settings, &SystemRng).await
}

async fn server() -> Server {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    Server(open(dir.path()).await.unwrap(), dir)
}

/// A test that fails must not leave its server behind.
impl Drop for Server {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.0.dir().join("postmaster.pid")).unwrap_or_default();
        if let Some(pid) = pid.lines().next() {
            let _ = std::process::Command::new("kill").args(["-QUIT", pid]).output();
        }
    }
}

impl Server {
    async fn owner(&self) -> Db {
        let root = Db::connect(&self.0.superuser("postgres"), 2).await.unwrap();
        let password = Secret::new("for this test".to_owned());
        root.ensure_login("shop", &password).await.unwrap();
        let tx = root.operator().await.unwrap();
        tx.batch("ALTER ROLE shop CREATEDB CREATEROLE").await.unwrap();
        tx.commit().await.unwrap();
        root.ensure_database("shop", "shop").await.unwrap();
        Db::connect(&self.0.login("shop", password, "shop").unpinned(), 3).await.unwrap()
    }
}

/// One life of a cluster: made, used, killed, revived, adopted, stopped, started again.
#[tokio::test]
async fn a_cluster_survives_being_killed() {
    let server = server().await;
    let owner = server.owner().await;
    migrate(&owner, &[&FIRST]).await.unwrap();

    let pid = std::fs::read_to_string(server.0.dir().join("postmaster.pid")).unwrap();
    let pid = pid.lines().next().unwrap().to_owned();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    while Path::new(&format!("/proc/{pid}/cwd")).read_link().is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(server.0.revive().await.unwrap(), "it had to be started");
    let again = Db::connect(owner.url(), 1).await.unwrap();
    let tx = again.operator().await.unwrap();
    tx.query("SELECT * FROM thing", &[]).await.unwrap();
    tx.rollback().await.unwrap();

    let adopted = open(server.1.path()).await.unwrap();
    assert_eq!(adopted.superuser("x"), server.0.superuser("x"));
    adopted.stop().await.unwrap();
    assert!(!server.0.is_running());
    let restarted = open(server.1.path()).await.unwrap();
    assert_eq!(restarted.superuser("x"), server.0.superuser("x"), "the port is kept");
    restarted.stop().await.unwrap();
}

#[tokio::test]
async fn a_damaged_cluster_says_so_and_stays_as_it_is() {
    let server = server().await;
    server.0.stop().await.unwrap();
    let control = server.0.dir().join("global/pg_control");
    std::fs::write(&control, b"damaged").unwrap();
    let error = open(server.1.path()).await.unwrap_err().to_string();
    assert!(error.contains("did not start") && error.contains("pg_control"), "{error}");
    assert_eq!(std::fs::read(&control).unwrap(), b"damaged");
    std::fs::write(server.0.dir().join("PG_VERSION"), "9").unwrap();
    let error = open(server.1.path()).await.unwrap_err().to_string();
    assert!(error.contains("belongs to PostgreSQL 9"), "{error}");
}

#[tokio::test]
async fn migrations_are_ordered_and_never_change() {
    let server = server().await;
    let owner = server.owner().await;
    let wrong = owner.url().login("shop", Some(Secret::new("wrong".to_owned())));
    let error = Db::connect(&wrong, 1).await.unwrap_err().to_string();
    assert!(error.contains("Check the user and the password"), "{error}");

    assert_eq!(migrate(&owner, &[&FIRST]).await.unwrap(), 1);
    assert_eq!(migrate(&owner, &[&SECOND]).await.unwrap(), 1);
    assert_eq!(migrate(&owner, &[&SECOND]).await.unwrap(), 0);
    let error = migrate(&owner, &[&FIRST]).await.unwrap_err().to_string();
    assert!(error.contains("0002_more of `shop` is not known"), "{error}");
    let error = migrate(&owner, &[&CHANGED]).await.unwrap_err().to_string();
    assert!(error.contains("0001_things of `shop` has changed"), "{error}");

    // A transaction that is dropped leaves nothing, and the next one is clean.
    let tx = owner.operator().await.unwrap();
    tx.execute("INSERT INTO thing VALUES (1)", &[]).await.unwrap();
    drop(tx);
    let tx = owner.operator().await.unwrap();
    let refused = tx.attempt("SELECT * FROM nowhere", &[]).await.unwrap();
    assert_eq!(refused.unwrap_err().sqlstate(), Some("42P01"));
    assert_eq!(tx.query("SELECT * FROM thing", &[]).await.unwrap().len(), 0);
    tx.rollback().await.unwrap();
    server.0.stop().await.unwrap();
}

/// A schema as another framework writes it: every kind of column that has to be guessed.
const SCHEMA: &str = r#"
    CREATE TYPE mood AS ENUM ('calm', 'cross');
    CREATE DOMAIN money_amount AS numeric(12,2) CHECK (VALUE >= 0);
    CREATE TABLE company (id serial PRIMARY KEY, name varchar(20) NOT NULL UNIQUE);
    CREATE TABLE currency (code char(3) PRIMARY KEY, digits smallint NOT NULL CHECK (digits < 5));
    CREATE TABLE "Odd ""name""" (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        company_id int NOT NULL REFERENCES company,
        state text NOT NULL CHECK (state IN ('open', 'closed')),
        mood mood NOT NULL, price money_amount NOT NULL, at timestamptz NOT NULL,
        tags text[] NOT NULL, extra jsonb NOT NULL, raw bytea NOT NULL, key uuid NOT NULL,
        currency char(3) NOT NULL REFERENCES currency, remark text,
        double numeric GENERATED ALWAYS AS (price * 2) STORED);
    CREATE TABLE line (
        company_id int NOT NULL REFERENCES company, no int NOT NULL,
        odd bigint NOT NULL UNIQUE REFERENCES "Odd ""name""", parent int,
        PRIMARY KEY (company_id, no), FOREIGN KEY (company_id, parent) REFERENCES line);
"#;

#[tokio::test]
async fn a_specimen_fits_a_schema_nobody_here_wrote() {
    let server = server().await;
    let owner = server.owner().await;
    let tx = owner.operator().await.unwrap();
    tx.batch(SCHEMA).await.unwrap();
    let shape = tables(&tx).await.unwrap();
    assert_eq!(shape.len(), 4);
    let tenant = TenantId::new("77").unwrap();
    for round in 0..2 {
        let mark = format!("mark-{round}");
        let whose = Owned { column: "company_id", tenant: &tenant, mark: &mark };
        for table in &shape {
            if table.column("company_id").is_some() {
                let made = specimen(&tx, &shape, table, &whose).await.unwrap();
                assert_eq!(made.row["company_id"].as_deref(), Some("77"), "{}", table.label());
            }
        }
    }
    let companies = tx.query("SELECT id FROM company", &[]).await.unwrap();
    assert_eq!(companies.len(), 1, "the tenant itself was made once");
    tx.commit().await.unwrap();

    // The dump holds structure and rows, and comes in pieces.
    let (mut dump, mut pieces) = (Vec::new(), 0);
    let mut take = |piece: &[u8]| {
        dump.extend_from_slice(piece);
        pieces += 1;
    };
    let length = owner.dump(server.0.programs(), &mut take).await.unwrap();
    assert_eq!((length, pieces > 0), (dump.len() as u64, true));
    let dump = String::from_utf8(dump).unwrap();
    assert!(dump.contains("CREATE TYPE public.mood") && dump.contains("mark-1"), "{dump}");
    let nowhere = Db::lazy(&owner.url().database("nowhere"), 1).unwrap();
    let refused = nowhere.dump(server.0.programs(), &mut |_| {}).await.unwrap_err();
    assert!(refused.to_string().contains("nowhere"), "{refused}");

    let scratch = owner.scratch(server.0.programs(), &SystemRng).await.unwrap();
    let inside = scratch.db().operator().await.unwrap();
    assert_eq!(tables(&inside).await.unwrap(), shape);
    assert!(inside.query("SELECT FROM line", &[]).await.unwrap().is_empty());
    drop(inside);
    scratch.remove().await.unwrap();
    assert_eq!(owner.sweep().await.unwrap(), 0);
    server.0.stop().await.unwrap();
}

/// Over TLS the server proves that it knows the password; where it does not, nobody is logged in.
#[tokio::test]
async fn a_bound_address_takes_a_server_that_proves_itself_and_no_other() {
    let server = server().await;
    let owner = server.owner().await;
    let bound = |url: &DatabaseUrl| DatabaseUrl { tls: true, bound: true, ..url.clone() };
    let clear = DatabaseUrl { bound: true, ..owner.url().clone() };
    assert!(Db::connect(&clear, 1).await.is_err(), "there is no TLS to prove it over");
    let made = rcgen::generate_simple_self_signed(["db.example".to_owned()]).unwrap();
    let root = Db::connect(&server.0.superuser("postgres"), 1).await.unwrap();
    let tx = root.operator().await.unwrap();
    for (name, text) in
        [("server.crt", made.cert.pem()), ("server.key", made.signing_key.serialize_pem())]
    {
        let (path, text) = (server.0.dir().join(name), literal(text.trim()));
        let path = literal(&path.display().to_string());
        let lines = format!("SELECT regexp_split_to_table({text}, E'\\r?\\n')");
        tx.batch(&format!("COPY ({lines}) TO {path}")).await.unwrap();
    }
    tx.commit().await.unwrap();
    {
        use std::os::unix::fs::PermissionsExt;
        let (key, closed) = (server.0.dir().join("server.key"), 0o600);
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(closed)).unwrap();
    }
    root.alone("ALTER SYSTEM SET ssl = on").await.unwrap();
    root.alone("SELECT pg_reload_conf()").await.unwrap();
    let over_tls = bound(owner.url());
    // The server takes up its new settings in a moment.
    let mut tries = 0;
    while let Err(error) = Db::connect(&DatabaseUrl { bound: false, ..over_tls.clone() }, 1).await {
        assert!(tries < 200, "{error}");
        tries += 1;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Db::connect(&over_tls, 1).await.unwrap();
    let trusting = DatabaseUrl { bound: true, ..server.0.superuser("postgres") };
    assert!(Db::connect(&trusting, 1).await.is_err(), "who asks for no password proves nothing");
}

/// Whoever owns a database chooses the path of sessions in it. Nothing that lies there is come upon
/// by a session that nobody asked to be led that way: the address of a superuser is such a one.
#[tokio::test]
async fn a_session_looks_names_up_in_the_catalogue_alone() {
    let server = server().await;
    let owner = server.owner().await;
    let (user, name) = (&owner.url().user, &owner.url().database);
    let tx = owner.operator().await.unwrap();
    tx.batch(&format!(
        "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
         CREATE FUNCTION evil.same(oid, oid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
             IF pg_catalog.current_setting('is_superuser') OPERATOR(pg_catalog.=) 'on' THEN
                 ALTER ROLE {user} SUPERUSER;
             END IF;
             RETURN true;
         END $$;
         CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.same);
         ALTER DATABASE {name} SET search_path = evil, public, pg_catalog"
    ))
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let address = server.0.superuser(name).expose();
    let superuser = Db::connect(&DatabaseUrl::parse(address.expose()).unwrap(), 1).await.unwrap();
    let came_upon = async |db: &Db| {
        let tx = db.operator().await.unwrap();
        tx.query("SELECT 10::oid = 11::oid", &[]).await.unwrap();
        tx.commit().await.unwrap();
        Db::connect(&owner.url().pinned(), 1).await.unwrap().is_superuser().await.unwrap()
    };
    assert!(superuser.is_superuser().await.unwrap());
    assert!(!came_upon(&superuser).await, "the owner is a superuser");
    // The trap works.
    let astray = Db::connect(&superuser.url().unpinned(), 1).await.unwrap();
    assert!(came_upon(&astray).await);
}

/// Rows that are streamed wait at the server until they are taken, so that large ones are never all
/// here.
#[tokio::test]
async fn rows_that_are_streamed_wait_to_be_taken() {
    let server = server().await;
    let db = server.owner().await;
    let tx = db.operator().await.unwrap();
    let pid: i32 = tx.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let large = "SELECT n, repeat('x', 1000000) FROM generate_series(1, 200) n";
    let mut rows = tx.stream(large, &[]).await.unwrap();
    assert_eq!(rows.next().await.unwrap().unwrap().get::<_, i32>(0), 1);
    let other = db.operator().await.unwrap();
    let waits = "SELECT count(*) = 1 FROM pg_stat_activity
                  WHERE pid = $1 AND wait_event = 'ClientWrite'";
    while !other.query_one(waits, &[&pid]).await.unwrap().get::<_, bool>(0) {
        tokio::task::yield_now().await;
    }
    let mut taken = 1;
    while let Some(row) = rows.next().await.unwrap() {
        taken += 1;
        assert_eq!(row.get::<_, i32>(0), taken);
    }
    assert_eq!(taken, 200);
    assert!(tx.stream("SELECT 1 / 0", &[]).await.is_err());
}
