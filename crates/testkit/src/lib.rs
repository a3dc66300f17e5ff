//! A real PostgreSQL for tests, made and started by the same code as the product's, and the
//! programs of others that tests compare with.
//!
//! One server for each test process, in a temporary directory, without waiting for the disk. It
//! goes when the process goes, however that ends. Each test makes databases of its own.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a test that cannot have its server fails here, with the reason"
)]

mod answers;
mod descriptors;
mod documented;
mod hostile;
mod mail;
mod peers;
mod pooler;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kernel::{Rng, Secret, SystemRng, TenantId, random_hex};
use store::{Cluster, ClusterSettings, Db, Programs, Protected, Room};
use tokio::sync::OnceCell;

pub use answers::Answers;
pub use descriptors::{file_of_parent, with_descriptors};
pub use documented::told;
pub use hostile::{try_damaged, try_damaged_again};
pub use mail::{MailServer, mail_server};
pub use peers::{Moto, Token, moto, python_tool, softhsm};
pub use pooler::{Pooler, pgbouncer, pgbouncer_with};

/// Connections of each login in a test.
const POOL: usize = 6;

/// The server of this process.
#[derive(Debug)]
pub struct Server {
    cluster: Cluster,
    // Waits for the end of this process on its standard input, then stops the server.
    _guard: Child,
}

static SERVER: OnceCell<Server> = OnceCell::const_new();

/// The server of this process, started at the first call.
pub async fn postgres() -> &'static Server {
    SERVER.get_or_init(|| start(false)).await
}

/// A server of its own, for what is said of a whole server: other tests make databases in the
/// shared one.
pub async fn own_postgres() -> Server {
    start(false).await
}

/// As [`own_postgres`], one that waits for the disk: for measuring what a commit costs.
pub async fn durable_postgres() -> Server {
    start(true).await
}

/// A database of its own, owned by a login that is not a superuser.
#[derive(Debug)]
pub struct TestDb {
    /// Its name; roles of this test begin with it.
    pub name: String,
    /// The owner, who may make roles and databases, as the README asks for.
    pub owner: Db,
    /// A login that is a member of `amanah_engine` and nothing else.
    pub engine: Db,
    /// The superuser.
    pub superuser: Db,
    /// PostgreSQL's programs.
    pub programs: Programs,
}

/// Makes a database and applies the migrations of `rooms` to it.
pub async fn database(rooms: &[&Room]) -> TestDb {
    let server = postgres().await;
    let name = format!("t{}", random_hex(&SystemRng, 5).expect("randomness"));
    let root = server.superuser("postgres").await;
    let owner = server.login(&root, &format!("{name}_owner"), &name).await;
    let tx = root.operator().await.expect("the superuser connects");
    tx.batch(&format!("ALTER ROLE {name}_owner CREATEROLE CREATEDB")).await.expect("alter role");
    tx.commit().await.expect("commit");
    root.ensure_database(&name, &format!("{name}_owner")).await.expect("create database");
    // As the product's own sessions are; a test writes names without their schema.
    let pinned = |db: &Db| Db::lazy(&db.url().pinned(), POOL).expect("a pool");
    store::migrate(&pinned(&owner), rooms).await.expect("migrations apply");
    let engine = pinned(&server.login(&root, &format!("{name}_engine"), &name).await);
    root.grant_role("amanah_engine", &format!("{name}_engine")).await.expect("grant");
    let superuser = server.superuser(&name).await;
    TestDb { owner, engine, superuser, programs: server.cluster.programs().clone(), name }
}

/// Makes a database with an application's `schema` (`{app}` stands for the application's role) and
/// the migrations of `rooms`. Its canary tenants have the ids `canaries`.
pub async fn protected(
    schema: &str,
    tenant_column: &str,
    canaries: (&str, &str),
    rooms: &[&Room],
) -> Protected {
    let db = database(&[]).await;
    let server = postgres().await;
    let root = server.superuser("postgres").await;
    let app_role = format!("{}_app", db.name);
    server.login(&root, &app_role, &db.name).await;
    let intruder = server.login(&root, &format!("{}_intruder", db.name), &db.name).await;
    let member = format!("{}_intruder", db.name);
    root.grant_role(&app_role, &member).await.expect("grant");
    let tx = db.owner.operator().await.expect("the owner connects");
    tx.batch(&schema.replace("{app}", &app_role)).await.expect("the schema applies");
    tx.commit().await.expect("commit");
    store::migrate(&db.owner, rooms).await.expect("migrations apply");
    let member = format!("{}_replica", db.name);
    let replicator = server.login(&root, &member, &db.name).await;
    root.grant_role(&format!("{}_owner", db.name), &member).await.expect("grant");
    root.allow_replica(&member).await.expect("grant");
    let tenant = |id: &str| TenantId::new(id).expect("a canary's id");
    Protected {
        name: db.name,
        owner: db.owner,
        intruder,
        superuser: Some(db.superuser),
        replicator: Some(replicator),
        reader: None,
        app_role,
        tenant_column: tenant_column.to_owned(),
        canaries: (tenant(canaries.0), tenant(canaries.1)),
        programs: db.programs,
    }
}

impl Server {
    /// The managed cluster behind it.
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The superuser in the database `name`.
    pub async fn superuser(&self, name: &str) -> Db {
        // Tests write names without their schema.
        let url = self.cluster.superuser(name).unpinned();
        Db::connect(&url, POOL).await.expect("the superuser connects")
    }

    /// Makes a login role with a password of its own; it connects when it is first used.
    pub async fn login(&self, root: &Db, role: &str, database: &str) -> Db {
        let password = Secret::new(random_hex(&SystemRng, 16).expect("randomness"));
        root.ensure_login(role, &password).await.expect("the role is made");
        Db::lazy(&self.cluster.login(role, password, database).unpinned(), POOL).expect("a pool")
    }
}

/// Ends the installation in `data` when this process ends, however that happens, and then removes
/// `dir`. The installation's process may be another one by then.
pub fn guard(data: &Path, dir: &Path) {
    let script = "read -r _; pid=$(grep -o '\"pid\": [0-9]*' \"$1/running.json\" | tr -dc 0-9); \
                  kill -TERM \"$pid\"; \
                  while kill -0 \"$pid\" 2>/dev/null; do sleep 0.1; done; rm -rf \"$2\"";
    let child = watch(script, &[data.as_ref(), dir.as_ref()]);
    // Its standard input must stay open until this process is gone.
    std::mem::forget(child);
}

/// A new directory for a server that the product starts there. When this process ends, however that
/// happens, the process whose number is in the file `pid` below it is ended, and the directory is
/// removed.
pub fn server_dir(pid: &str) -> PathBuf {
    let dir = tempfile::Builder::new()
        .prefix("amanah-test-")
        .rand_bytes(8)
        .tempdir()
        .expect("a temporary directory")
        .keep();
    open_to_all(&dir);
    let script = "read -r _; pid=$(head -n 1 \"$1\") && kill -TERM \"$pid\" && \
                  while kill -0 \"$pid\" 2>/dev/null; do sleep 0.1; done; rm -rf \"$2\"";
    let child = watch(script, &[dir.join(pid).as_ref(), dir.as_ref()]);
    // Its standard input must stay open until this process is gone.
    std::mem::forget(child);
    dir
}

/// A shell that waits for the end of this process on its standard input and then runs the rest.
fn watch(script: &str, arguments: &[&OsStr]) -> Child {
    Command::new("/bin/sh")
        .args(["-c", script, "guard"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell")
}

async fn start(durable: bool) -> Server {
    let data = tempfile::Builder::new()
        .prefix("amanah-test-")
        .rand_bytes(8)
        .tempdir()
        .expect("a temporary directory")
        .keep();
    open_to_all(&data);
    let settings = ClusterSettings { data: data.clone(), programs: None, durable };
    let rng: &dyn Rng = &SystemRng;
    let cluster = Cluster::open(&settings, rng)
        .await
        .unwrap_or_else(|error| panic!("tests need a PostgreSQL server: {error}"));
    let pid = data.join("postgres/postmaster.pid");
    // The server's processes end at once on SIGQUIT; nothing of it is kept.
    let script = "read -r _; pid=$(head -n 1 \"$1\"); kill -QUIT \"$pid\"; \
                  while kill -0 \"$pid\" 2>/dev/null; do sleep 0.1; done; rm -rf \"$2\"";
    let guard = watch(script, &[pid.as_ref(), data.as_ref()]);
    Server { cluster, _guard: guard }
}

/// As root the server runs as another user, who must be able to enter the directory.
fn open_to_all(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).expect("chmod");
}
