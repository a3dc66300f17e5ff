//! Transactions on a real PostgreSQL: what the binding and the trail add to them.
//!
//! Statements are prepared once and executed with one message each, as drivers do that keep them.
//! Sent anew each time they cost so much more that what is compared would hardly show.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use kernel::{Actor, Clock as _, Fut, Scope, SystemClock, SystemRng, TenantId};
use store::{Db, OperatorTx, Protected, Tx, literal};
use tenancy::{BindingKey, Form, TenantBinder};

use crate::{Contestant, cost, race, row};

/// Tables and rows; `{app}` is the application's role.
const SCHEMA: &str = include_str!("schema.sql");
/// The tenants in the schema, numbered from 1, and the rows of each.
const TENANTS: i64 = 100;
const ROWS_EACH: i64 = 1_000;
/// A request as a web page makes it: the verbs of its five statements.
const REQUEST: [&str; 5] = ["select", "select", "page", "update", "insert"];
/// The same number of the cheapest statement there is.
const POINTS: [&str; 5] = ["select"; 5];
/// The transactions in one turn.
const TURN: u32 = 1_000;
/// Rows that are inserted get ids from here on.
const FIRST_NEW: i64 = 1_000_000;
/// Keeps the ids that follow one another apart, so that pages are met in no order.
const STRIDE: i64 = 7_919;

/// What the clients execute: a verb on a table, and what ties a transaction to its tenant.
const PREPARE: &str = include_str!("prepare.sql");
/// How many writes of one kind the trail holds, with their actor and tenant.
const RECORDED: &str = "
SELECT count(*) FROM audit.system_audit_logs
 WHERE action = upper($1) AND table_name = 'sale_recorded' AND actor_id = $2
   AND tenant_id IS NOT NULL";

/// A protected database, in one form of the binding, with its peers beside it.
pub(crate) struct House {
    form: Form,
    protected: Protected,
    binder: TenantBinder,
    actor: Actor,
}

/// An application's transactions, one after the other on one connection: `statements` times `verb`
/// on `table`, whose name says how the transaction is tied to its tenant.
struct Client<'a> {
    house: &'a House,
    verb: &'static str,
    table: &'static str,
    statements: i64,
    done: i64,
}

impl House {
    /// Makes the database, protects it as the product does, and sees that it is protected.
    pub(crate) async fn build(form: Form) -> anyhow::Result<Self> {
        let rooms: [&store::Room; 2] = [&tenancy::ROOM, &audit::ROOM];
        // Nothing attacks this database, so its canaries are only names.
        let protected = testkit::protected(SCHEMA, "company_id", ("-1", "-2"), &rooms).await;
        let key = BindingKey::generate(&SystemRng)?;
        let binder = TenantBinder::new(Arc::new(SystemClock), key.clone(), &protected.name);
        let house = Self { form, protected, binder, actor: Actor::new("sari@sinar.example")? };
        house.protect(&key).await?;
        // Statements live in a session. There is one: transactions follow one another, so the pool
        // never opens a second connection.
        let tx = house.protected.intruder.operator().await?;
        tx.batch(PREPARE).await?;
        tx.commit().await?;
        house.see_that_it_holds().await?;
        Ok(house)
    }

    /// Five point selects in a transaction, three ways.
    pub(crate) async fn reading(&self) -> anyhow::Result<Vec<String>> {
        let mut plain = self.client("select", "item_plain", 5).await?;
        let mut setting = self.client("select", "item_setting", 5).await?;
        let mut bound = self.client("select", "item_bound", 5).await?;
        let [plain, setting, bound] = race([&mut plain, &mut setting, &mut bound]).await?;
        let (none, guc) =
            ("explicit predicate, no row security", "row security on a plain setting");
        let what = format!("binding, {}: transactions of five point selects", self.form);
        let what = what.as_str();
        let beside = "for scale, the plain setting instead of ours";
        Ok(vec![
            row(what, &bound, none, &plain),
            row(what, &bound, guc, &setting),
            row(beside, &setting, none, &plain),
        ])
    }

    /// Four writes in a transaction, three ways each.
    pub(crate) async fn writing(&self) -> anyhow::Result<Vec<String>> {
        let mut rows = Vec::new();
        for verb in ["insert", "update"] {
            let mut plain = self.client(verb, "sale_plain", 4).await?;
            let mut bound = self.client(verb, "sale_bound", 4).await?;
            let mut recorded = self.client(verb, "sale_recorded", 4).await?;
            let [none, tied, all] = race([&mut plain, &mut bound, &mut recorded]).await?;
            let written = recorded.done * recorded.statements;
            let tx = self.superuser()?.operator().await?;
            let found = tx.query_one(RECORDED, &[&verb, &self.actor.as_str()]).await?;
            tx.rollback().await?;
            ensure!(found.get::<_, i64>(0) == written, "not all {written} {verb}s were recorded");
            let what = format!("trail: transactions of four {verb}s");
            rows.push(row(&what, &all, "the same, bound and not recorded", &tied));
            let what = format!("binding and trail: transactions of four {verb}s");
            rows.push(row(&what, &all, "neither", &none));
        }
        Ok(rows)
    }

    /// What a pipelined transaction of five statements costs the server's process in CPU, with each
    /// form of the binding and without row security.
    pub(crate) async fn costs(&self, other: &Self) -> anyhow::Result<Vec<String>> {
        let mut rows = Vec::new();
        for (what, verbs) in [("point selects", POINTS), ("statements of a request", REQUEST)] {
            let mut plain = self.meter(verbs, "plain").await?;
            let mut setting = self.meter(verbs, "setting").await?;
            let mut one = self.meter(verbs, "bound").await?;
            let mut two = other.meter(verbs, "bound").await?;
            let [none, guc, one, two] =
                race([&mut plain, &mut setting, &mut one, &mut two]).await?;
            let peer = "explicit predicate, no row security";
            for (form, ours) in [(self.form, &one), (other.form, &two)] {
                let what = format!("binding, {form}: CPU of a transaction of five {what}");
                rows.push(cost(&what, ours, peer, &none));
            }
            let what = format!("for scale, a plain setting instead: five {what}");
            rows.push(cost(&what, &guc, peer, &none));
        }
        Ok(rows)
    }

    async fn meter(
        &self,
        verbs: [&'static str; 5],
        tie: &'static str,
    ) -> anyhow::Result<Meter<'_>> {
        let tx = self.protected.intruder.operator().await?;
        let row = tx.query_one("SELECT pg_backend_pid()", &[]).await?;
        tx.rollback().await?;
        Ok(Meter { house: self, verbs, tie, pid: row.get(0), done: 0 })
    }

    async fn protect(&self, key: &BindingKey) -> anyhow::Result<()> {
        let Protected { owner, superuser, tenant_column, app_role, .. } = &self.protected;
        let tx = owner.operator().await?;
        tenancy::install_key(&tx, key, SystemClock.now()).await?;
        tx.commit().await?;
        let tx = owner.operator().await?;
        let plan = tenancy::plan(&tx, tenant_column, app_role).await?;
        tx.rollback().await?;
        // Without a superuser there is the portable form alone.
        let superuser = superuser.as_ref().filter(|_| self.form == Form::VerifyOnce);
        let done = tenancy::apply(owner, superuser, &plan).await?;
        ensure!(done.binding.form == self.form, "the form is {}", done.binding.form);
        let tx = owner.operator().await?;
        let mut shape = store::tables(&tx).await?;
        shape.retain(|table| table.name == "sale_recorded");
        let steps = audit::plan(&tx, &shape, tenant_column, &[]).await?;
        audit::apply(&tx, &steps).await?;
        tx.commit().await?;
        store::migrate(self.superuser()?, &[&audit::GUARD]).await?;
        Ok(())
    }

    /// A protection that is off costs nothing, so each is seen to be on.
    async fn see_that_it_holds(&self) -> anyhow::Result<()> {
        for (tenant, rows) in [(None, 0), (Some(7), ROWS_EACH)] {
            for table in
                ["item_setting", "sale_setting", "item_bound", "sale_bound", "sale_recorded"]
            {
                let tx = self.protected.intruder.operator().await?;
                if let Some(tenant) = tenant {
                    self.tie(&tx, table, tenant).await?;
                }
                let count = tx.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await?;
                let seen: i64 = count.get(0);
                ensure!(seen == rows, "{table} shows {seen} rows of {tenant:?} and not {rows}");
                tx.rollback().await?;
            }
        }
        Ok(())
    }

    /// A client whose every statement was seen to touch one row.
    async fn client(
        &self,
        verb: &'static str,
        table: &'static str,
        statements: i64,
    ) -> anyhow::Result<Client<'_>> {
        let mut client = Client { house: self, verb, table, statements, done: 0 };
        let (tx, statements) = client.begin().await?;
        for sql in statements {
            ensure!(tx.execute(&sql, &[]).await? == 1, "{sql} did not touch one row");
        }
        tx.commit().await?;
        Ok(client)
    }

    async fn tie(&self, tx: &Tx, table: &str, tenant: i64) -> anyhow::Result<()> {
        let tie = table.rsplit('_').next().unwrap_or_default();
        for sql in self.tying(tie, tenant)? {
            tx.batch(&sql).await?;
        }
        Ok(())
    }

    /// The statement that ties a transaction to its tenant, where one is needed.
    fn tying(&self, tie: &str, tenant: i64) -> anyhow::Result<Vec<String>> {
        Ok(match tie {
            "plain" => Vec::new(),
            "setting" => vec![format!("EXECUTE tie_setting ('{tenant}')")],
            _ => {
                let tenant = TenantId::new(tenant.to_string())?;
                let token = self.binder.token(&tenant, &self.actor, Scope::ReadWrite);
                // An application sends it as a parameter, which EXECUTE does not take.
                vec![format!("EXECUTE tie_binding ({})", literal(token.expose()))]
            }
        })
    }

    fn superuser(&self) -> anyhow::Result<&Db> {
        self.protected.superuser.as_ref().context("the server has no superuser")
    }
}

impl Client<'_> {
    /// The next transaction, tied to its tenant, and the statements to run in it.
    async fn begin(&mut self) -> anyhow::Result<(OperatorTx, Vec<String>)> {
        let (first, tenant) = (self.done * self.statements, self.done % TENANTS);
        self.done += 1;
        let tx = self.house.protected.intruder.operator().await?;
        self.house.tie(&tx, self.table, tenant + 1).await?;
        let statement = |n| {
            let id = match self.verb {
                "insert" => FIRST_NEW + n,
                _ => tenant + TENANTS * (n * STRIDE % ROWS_EACH),
            };
            format!("EXECUTE {}_{} ({}, {id})", self.verb, self.table, tenant + 1)
        };
        Ok((tx, (first..first + self.statements).map(statement).collect()))
    }
}

impl Contestant for Client<'_> {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let begun = Instant::now();
            for _ in 0..TURN {
                let (tx, statements) = self.begin().await?;
                for sql in statements {
                    tx.batch(&sql).await?;
                }
                tx.commit().await?;
            }
            Ok(f64::from(TURN) / begun.elapsed().as_secs_f64())
        })
    }
}

/// As a [`Client`], and in one message from the binding to the last statement; it counts the CPU
/// that the server's process took for it, and not the time that went by.
struct Meter<'a> {
    house: &'a House,
    verbs: [&'static str; 5],
    tie: &'static str,
    pid: i32,
    done: i64,
}

impl Meter<'_> {
    async fn one(&mut self) -> anyhow::Result<()> {
        let (first, tenant) = (self.done * 5, self.done % TENANTS);
        self.done += 1;
        let mut all = self.house.tying(self.tie, tenant + 1)?;
        for (n, verb) in (first..).zip(self.verbs) {
            let table = if matches!(verb, "update" | "insert") { "sale" } else { "item" };
            let id = match verb {
                // Far from those of the clients whose writes are counted.
                "insert" => 10 * FIRST_NEW + n,
                _ => tenant + TENANTS * (n * STRIDE % ROWS_EACH),
            };
            all.push(format!("EXECUTE {verb}_{table}_{} ({}, {id})", self.tie, tenant + 1));
        }
        let tx = self.house.protected.intruder.operator().await?;
        tx.batch(&all.join(";")).await?;
        Ok(tx.commit().await?)
    }

    /// The CPU that the server's process has taken, in seconds.
    fn spent(&self) -> anyhow::Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", self.pid))?;
        let nanoseconds: f64 = text.split(' ').next().unwrap_or_default().parse()?;
        Ok(nanoseconds / 1e9)
    }
}

impl Contestant for Meter<'_> {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let before = self.spent()?;
            for _ in 0..TURN {
                self.one().await?;
            }
            Ok(f64::from(TURN) / (self.spent()? - before))
        })
    }
}
