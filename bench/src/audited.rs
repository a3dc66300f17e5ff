//! What recording every change costs: TPC-B's transaction, four recorded rows in each, from four
//! clients on a server that waits for its disk; beside it the same without a record, as it is and bound
//! to its tenant, with a trigger of the design of `supa_audit`, and with a chain of hashes under a lock.
//! PostgreSQL's own pgbench drives all of them.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use kernel::{Actor, Clock as _, Fut, Scope, SystemClock, SystemRng, TenantId};
use store::{Db, Host, Programs};
use tempfile::TempDir;
use tenancy::{BindingKey, Form, TenantBinder};
use testkit::Server;
use tokio::process::Command;

use crate::{Contestant, race, row};

const SCHEMA: &str = include_str!("audited.sql");
const DATABASE: &str = "bank";
/// Who owns the tables, and who runs the transactions.
const OWNER: &str = "bank_owner";
const APP: &str = "bank_app";
/// Clients, threads of pgbench, and transactions of each client in one turn.
const CLIENTS: u32 = 4;
const THREADS: u32 = 2;
const TURN: u32 = 1500;
/// Recorded rows of one transaction.
const CHANGES: i64 = 4;
const BARE: &str = "not recorded";
const BOUND: &str = "not recorded, bound to its tenant";
const VERSIONS: &str = "a trigger as supa_audit's";
const CHAIN: &str = "a chain under a lock";

/// A server that waits for its disk, with the four sets of tables.
struct Bank {
    _server: Server,
    root: Db,
    app: Db,
    programs: Programs,
    binder: TenantBinder,
    scripts: TempDir,
}

/// One set of tables.
struct Way<'a> {
    bank: &'a Bank,
    name: &'static str,
    /// Whether a token binds each transaction, as it does where the trail is to name its actor.
    binds: bool,
    done: i64,
}

/// Measures speed and room.
pub(crate) async fn measure() -> anyhow::Result<Vec<String>> {
    let bank = Bank::build().await?;
    let way = |name, binds| Way { bank: &bank, name, binds, done: 0 };
    let (mut bare, mut bound, mut trail) =
        (way("bare", false), way("bare", true), way("trail", true));
    let (mut versions, mut chain) = (way("versions", false), way("chain", false));
    let [none, unrecorded, ours, supa, locked] =
        race([&mut bare, &mut bound, &mut trail, &mut versions, &mut chain]).await?;
    let (bytes, peers) = (
        bank.room("audit.system_audit_logs", "action", trail.done).await?,
        bank.room("versions.record", "op", versions.done).await?,
    );
    bank.room("chain.record", "op", chain.done).await?;
    let what = "trail: TPC-B, four recorded rows, four clients";
    Ok(vec![
        row(what, &ours, BARE, &none),
        row(what, &ours, BOUND, &unrecorded),
        row(what, &ours, VERSIONS, &supa),
        row(what, &ours, CHAIN, &locked),
        format!(
            "| trail: room of a recorded row, with indexes | {bytes:.0} B | {VERSIONS}: {peers:.0} B \
             | {:.2}, room |",
            bytes / peers
        ),
    ])
}

impl Bank {
    async fn build() -> anyhow::Result<Self> {
        let form = Form::VerifyOnce;
        let server = testkit::durable_postgres().await;
        let root = server.superuser("postgres").await;
        let owner = server.login(&root, OWNER, DATABASE).await;
        let app = server.login(&root, APP, DATABASE).await;
        root.ensure_database(DATABASE, OWNER).await?;
        let root = server.superuser(DATABASE).await;
        run(&root, "CREATE EXTENSION \"uuid-ossp\"").await?;
        run(&owner, &SCHEMA.replace("{app}", APP)).await?;
        run(&root, &format!("ALTER ROLE {OWNER} CREATEROLE")).await?;
        store::migrate(&owner, &[&tenancy::ROOM, &audit::ROOM]).await?;
        run(&root, &format!("ALTER ROLE {OWNER} NOCREATEROLE")).await?;
        let key = BindingKey::generate(&SystemRng)?;
        let tx = owner.operator().await?;
        tenancy::install_key(&tx, &key, SystemClock.now()).await?;
        tx.commit().await?;
        let tx = owner.operator().await?;
        let plan = tenancy::plan(&tx, "company_id", APP).await?;
        tx.rollback().await?;
        let done = tenancy::apply(&owner, Some(&root), &plan).await?;
        ensure!(done.binding.form == form, "the form is {}", done.binding.form);
        store::migrate_privileged(&root, &[&audit::GUARD]).await?;
        let tx = owner.operator().await?;
        let shape = store::tables(&tx).await?;
        let wanted: Vec<_> = ["branch", "teller", "account", "history"]
            .map(|table| ("public".to_owned(), format!("{table}_trail")))
            .into();
        // Nothing has a column of this name, so that only the four are recorded.
        let steps = audit::plan(&tx, &shape, "no_such_column", &wanted).await?;
        audit::apply(&tx, &steps).await?;
        tx.commit().await?;
        let binder = TenantBinder::new(Arc::new(SystemClock), key, DATABASE);
        let programs = server.cluster().programs().clone();
        Ok(Self { _server: server, root, app, programs, binder, scripts: TempDir::new()? })
    }

    /// Bytes of each row in `table`, with everything that belongs to it; it must have a row for every
    /// change of `transactions`.
    async fn room(&self, table: &str, action: &str, transactions: i64) -> anyhow::Result<f64> {
        let tx = self.root.operator().await?;
        let sql = format!(
            "SELECT (SELECT count(*) FROM {table} WHERE {action} IN ('INSERT', 'UPDATE')),
                    coalesce((SELECT sum(pg_total_relation_size(relid))::float8
                                FROM pg_partition_tree('{table}')),
                             pg_total_relation_size('{table}')::float8)"
        );
        let found = tx.query_one(&sql, &[]).await?;
        tx.rollback().await?;
        let (rows, bytes): (i64, f64) = (found.get(0), found.get(1));
        ensure!(rows == transactions * CHANGES, "{table} has {rows} rows of {transactions}");
        #[expect(clippy::cast_precision_loss, reason = "some hundred thousand rows")]
        Ok(bytes / rows as f64)
    }
}

async fn run(db: &Db, sql: &str) -> anyhow::Result<()> {
    let tx = db.operator().await?;
    tx.batch(sql).await?;
    Ok(tx.commit().await?)
}

impl Contestant for Way<'_> {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let Bank { app, programs, binder, scripts, .. } = self.bank;
            let script = scripts.path().join(self.name);
            std::fs::write(&script, self.script())?;
            let url = app.url();
            let host = match &url.host {
                Host::Tcp(host) => host.clone(),
                Host::Socket(folder) => folder.display().to_string(),
            };
            let tenant = TenantId::new("1")?;
            let actor = Actor::new("sari@sinar.example")?;
            let token = binder.token(&tenant, &actor, Scope::ReadWrite);
            let password = url.password.as_ref().context("its password")?;
            let done = Command::new(programs.path("pgbench"))
                .args(["-n", "-M", "prepared", "-c", &CLIENTS.to_string()])
                .args(["-j", &THREADS.to_string(), "-t", &TURN.to_string()])
                // Good for a minute, for a tenant of this database: it may stand among the arguments.
                .args(["-D", &format!("token={}", token.expose()), "-f"])
                .arg(&script)
                .arg(DATABASE)
                .env("PGHOST", host)
                .env("PGPORT", url.port.to_string())
                .env("PGUSER", &url.user)
                .env("PGPASSWORD", password.expose())
                .output()
                .await?;
            let said = String::from_utf8_lossy(&done.stdout);
            let why = String::from_utf8_lossy(&done.stderr);
            ensure!(done.status.success() && !why.contains("aborted"), "{}: {why}", self.name);
            self.done += i64::from(CLIENTS * TURN);
            let speed = said.lines().find_map(|line| line.strip_prefix("tps = "));
            let speed = speed.and_then(|rest| rest.split(' ').next()).context("its speed")?;
            Ok(speed.parse()?)
        })
    }
}

impl Way<'_> {
    fn script(&self) -> String {
        let way = self.name;
        // Only the trail takes its actor from somewhere that a session cannot set.
        let bind = if self.binds { "SELECT amanah.bind(:token);\n" } else { "" };
        format!(
            "\\set account random(1, 200000)
\\set branch random(1, 20)
\\set teller random(1, 200)
\\set delta random(-5000, 5000)
BEGIN;
{bind}UPDATE account_{way} SET balance = balance + :delta WHERE id = :account;
SELECT balance FROM account_{way} WHERE id = :account;
UPDATE teller_{way} SET balance = balance + :delta WHERE id = :teller;
UPDATE branch_{way} SET balance = balance + :delta WHERE id = :branch;
INSERT INTO history_{way} (teller_id, branch_id, account_id, delta, at)
VALUES (:teller, :branch, :account, :delta, CURRENT_TIMESTAMP);
END;
"
        )
    }
}
