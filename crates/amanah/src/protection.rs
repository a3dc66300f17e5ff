//! Bringing a database under protection.

use std::sync::Arc;

use anyhow::bail;
use audit::wal::Comparison;
use console::tenants::{Binding, Bindings};
use kernel::{Clock, Cx, Rng, Secret};
use keys::Strongbox;
use store::{Db, Table, Tx, ident};
use tenancy::{Canaries, Census, Guarded, Plan, TenantBinder};

use crate::columns;
use crate::comparing::{COMPARED, uncompared};
use crate::data::Data;
use crate::exit::Usage;
use crate::ground::Ground;
use crate::kept::{self, Kept, KeptSecrets};
use crate::keyset::KeySet;

/// A database that is to be protected.
pub(crate) struct Candidate {
    /// The login that owns its tables.
    pub(crate) owner: Db,
    /// The superuser in that database, where there is one: for what only a superuser may do.
    pub(crate) superuser: Option<Db>,
    /// Whether it is on the installation's own server.
    pub(crate) own_server: bool,
    /// The column that names the tenant.
    pub(crate) tenant_column: String,
    /// The role whose rights the application has.
    pub(crate) app_role: String,
    /// For how many months each month of its trail stays there at least, after its end.
    pub(crate) stays: u32,
}

/// What was done.
pub(crate) struct Done {
    /// What is remembered of it.
    pub(crate) kept: Kept,
    /// The database, ready for proofs.
    pub(crate) guarded: Guarded,
    /// What the canaries have.
    pub(crate) canaries: Canaries,
    /// What only a superuser may do, and none was at hand.
    pub(crate) left: Vec<tenancy::Step>,
    /// How bindings are verified there now.
    pub(crate) binding: tenancy::Choice,
}

/// What would be done.
pub(crate) struct Proposal {
    /// The application's role does not exist: it is made, with rights to read and write rows.
    pub(crate) makes_role: bool,
    /// The statements that make it.
    pub(crate) making_role: String,
    /// How tenants are kept apart.
    pub(crate) isolation: Plan,
    /// How changes are recorded.
    pub(crate) recording: Vec<audit::Step>,
    /// How bindings will be verified.
    pub(crate) binding: tenancy::Choice,
}

impl Proposal {
    /// Whether everything is as it should be.
    pub(crate) fn is_done(&self) -> bool {
        !self.makes_role
            && self.isolation.is_done()
            && self.isolation.privileged.is_empty()
            && self.recording.is_empty()
            && self.binding.installed
    }
}

impl Candidate {
    /// Works out what protecting it takes. Nothing is changed.
    pub(crate) async fn propose(&self, data: Option<&Data>) -> anyhow::Result<Proposal> {
        self.owner.version().await?.check()?;
        if let Some(data) = data {
            self.known(data)?;
        }
        let makes_role = !self.owner.has_role(&self.app_role).await?;
        let own = self.owner.operator().await?;
        // A superuser is asked only for the role that a plan needs to look at, and is shown the
        // catalogue alone. What is done here is rolled back below.
        let above = match &self.superuser {
            Some(superuser) if makes_role => Some(superuser.operator().await?),
            _ => None,
        };
        let tx: &Tx = above.as_ref().unwrap_or(&own);
        let making_role = if makes_role { self.make_role(tx).await? } else { String::new() };
        if above.is_some() {
            tx.batch(&format!("SET LOCAL ROLE {}", ident(&self.owner.url().user))).await?;
        }
        let plan = tenancy::plan_beside(tx, &own, &self.tenant_column, &self.app_role).await;
        let isolation = plan.map_err(|error| match error {
            tenancy::Error::NoTenantColumn { .. } => Usage(error.to_string()).into(),
            other => anyhow::Error::from(other),
        })?;
        let recording = recording(tx, &self.tenant_column).await?;
        let binding = tenancy::choose(tx, self.superuser.is_some(), &self.app_role).await?;
        if let Some(above) = above {
            above.rollback().await?;
        }
        own.rollback().await?;
        Ok(Proposal { makes_role, making_role, isolation, recording, binding })
    }

    /// Brings it under protection, seeds the canaries and remembers it.
    pub(crate) async fn protect(
        &self,
        ground: &Ground,
        data: &Data,
        strongbox: &Strongbox,
        cx: &Cx,
    ) -> anyhow::Result<Done> {
        // Before anything is changed: other parameters would lay other policies over the old ones.
        self.known(data)?;
        let comparison = Comparison::new(ground.owner.clone(), Arc::clone(&cx.clock))
            .marked(data.root().join(COMPARED));
        let work = Box::pin(self.bring_under(ground, data, strongbox, cx));
        uncompared(&comparison, self.superuser.as_ref(), work).await
    }

    async fn bring_under(
        &self,
        ground: &Ground,
        data: &Data,
        strongbox: &Strongbox,
        cx: &Cx,
    ) -> anyhow::Result<Done> {
        let rng = &*cx.rng;
        if self.superuser.is_some() {
            // The owner should not be able to make roles, or it could become the recorder.
            self.maker().ensure_groups().await?;
        }
        tenancy::install(&self.owner, self.superuser.as_ref()).await?;
        if !self.owner.has_role(&self.app_role).await? {
            let tx = self.maker().operator().await?;
            self.make_role(&tx).await?;
            tenancy::note_role(&tx, &self.app_role, self.superuser.is_some()).await?;
            tx.commit().await?;
            let password = data.password(&self.app_role, rng)?;
            self.maker().ensure_login(&self.app_role, &password).await?;
        }
        let tx = self.owner.operator().await?;
        let plan = tenancy::plan(&tx, &self.tenant_column, &self.app_role).await?;
        tx.rollback().await?;
        let applied = tenancy::apply(&self.owner, self.superuser.as_ref(), &plan).await?;
        let logins = (&self.owner, self.superuser.as_ref());
        // What is made anew may drop a key under which something was recorded.
        if let Some(known) = self.known(data)? {
            columns::settle(strongbox, &known, logins, cx).await?;
        }
        self.record().await?;
        let kept = self.keep(data, strongbox, cx).await?;
        columns::settle(strongbox, &kept, logins, cx).await?;
        let guarded = kept.open(ground, data, strongbox, rng).await?;
        let tx = self.owner.operator().await?;
        tenancy::install_key(&tx, &guarded.key.get(), cx.clock.now()).await?;
        tx.commit().await?;
        let canaries =
            tenancy::ensure_canaries(&guarded.protected, &guarded.key.get(), &*cx.clock).await?;
        Ok(Done { kept, guarded, canaries, left: applied.left, binding: applied.binding })
    }

    /// Whoever may make roles.
    fn maker(&self) -> &Db {
        self.superuser.as_ref().unwrap_or(&self.owner)
    }

    /// Installs the trail and the triggers that write it.
    async fn record(&self) -> anyhow::Result<()> {
        store::migrate(&self.owner, &[&audit::ROOM]).await?;
        if let Some(superuser) = &self.superuser {
            store::migrate_privileged(superuser, &[&audit::GUARD]).await?;
            audit::retention::lengthen(superuser, self.stays).await?;
        }
        let tx = self.owner.operator().await?;
        let steps = recording(&tx, &self.tenant_column).await?;
        self.approve(&tx, &steps).await?;
        audit::apply(&tx, &steps).await?;
        tx.commit().await?;
        audit::make_partitions(&self.owner).await?;
        Ok(())
    }

    /// Approves what the plan keeps out of the record. Where a superuser guards the trail and none is
    /// at hand, the guard says so when the plan is carried out.
    async fn approve(&self, own: &Tx, steps: &[audit::Step]) -> anyhow::Result<()> {
        if let Some(superuser) = &self.superuser {
            let tx = superuser.operator().await?;
            audit::approve(&tx, steps).await?;
            tx.commit().await?;
        } else if audit::has_trail(own).await? == (true, true) {
            let tx = self.owner.operator().await?;
            audit::approve(&tx, steps).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Remembers the database and its key. A key that exists is kept: tokens that were minted with
    /// it are still on their way.
    async fn keep(
        &self,
        data: &Data,
        strongbox: &Strongbox,
        Cx { clock, rng }: &Cx,
    ) -> anyhow::Result<Kept> {
        let rng = &**rng;
        let url = self.owner.url();
        let known = self.known(data)?;
        let held = match &known {
            Some(known) => known.secrets(strongbox).await?,
            None => None,
        };
        let given = self.superuser.as_ref().filter(|_| !self.own_server);
        let given = given.map(|db| db.url().expose());
        let (mut kept, keys, superuser) = match (known, held) {
            (Some(known), Some(held)) => (known, held.keys, given.or(held.superuser)),
            (known, _) => {
                let keys = KeySet::first(rng, clock.now())?;
                let kid = keys.current.kid();
                let kept = match known {
                    Some(mut known) => {
                        kid.clone_into(&mut known.kid);
                        known
                    }
                    None => self.new_kept(data, rng, kid).await?,
                };
                (kept, keys, given)
            }
        };
        kept.address = (!self.own_server).then(|| kept::without_password(url));
        let owner = url.password.clone().filter(|_| !self.own_server);
        kept.save(data, strongbox, &KeptSecrets { keys, owner, superuser }).await?;
        Ok(kept)
    }

    /// What is remembered of this database.
    ///
    /// # Errors
    /// When it is protected already in another way.
    fn known(&self, data: &Data) -> anyhow::Result<Option<Kept>> {
        let url = self.owner.url();
        let known = kept::find(data, &url.database, (!self.own_server).then_some(url))?;
        match known {
            Some(known)
                if known.tenant_column != self.tenant_column || known.app_role != self.app_role =>
            {
                bail!(
                    "database {} is protected already, by column {} and for role {}. Nothing was \
                     changed; use these, or protect it from another data directory",
                    known.database,
                    known.tenant_column,
                    known.app_role
                )
            }
            other => Ok(other),
        }
    }

    async fn new_kept(&self, data: &Data, rng: &dyn Rng, kid: &str) -> anyhow::Result<Kept> {
        let installation = data.installation(rng)?;
        let tx = self.owner.operator().await?;
        let column = &self.tenant_column;
        let canaries = tenancy::canary_ids(&tx, column, installation.expose()).await?;
        tx.rollback().await?;
        Ok(Kept::new(self.owner.url(), &self.app_role, column, canaries, kid))
    }

    /// What a login that may not make roles is told.
    fn needs(&self) -> String {
        format!(
            "roles for the application and for the attacks have to be made: give a superuser with \
             --superuser-url, or let one run: ALTER ROLE {} CREATEROLE CREATEDB",
            ident(&self.owner.url().user)
        )
    }

    /// Makes the application's role, with the rights that an application usually has: reading and
    /// writing rows, and nothing else. Returns how it was done.
    async fn make_role(&self, tx: &Tx) -> anyhow::Result<String> {
        let role = ident(&self.app_role);
        let tables = store::tables(tx).await?;
        let mut schemas: Vec<&str> = tables.iter().map(|t| t.schema.as_str()).collect();
        schemas.dedup();
        let grants = schemas.into_iter().map(ident).map(|schema| {
            format!(
                "GRANT USAGE ON SCHEMA {schema} TO {role};\nGRANT SELECT, INSERT, UPDATE, DELETE \
                 ON ALL TABLES IN SCHEMA {schema} TO {role};\nGRANT USAGE ON ALL SEQUENCES IN \
                 SCHEMA {schema} TO {role}"
            )
        });
        let make = std::iter::once(format!("CREATE ROLE {role} NOLOGIN"));
        let sql = make.chain(grants).collect::<Vec<_>>().join(";\n");
        tx.batch(&sql).await.map_err(|error| {
            let denied = error.is_denied();
            let error = anyhow::Error::from(error);
            if denied { error.context(self.needs()) } else { error }
        })?;
        Ok(sql)
    }
}

/// Who mints bindings for a protected database.
pub(crate) fn binder(guarded: &Guarded, clock: Arc<dyn Clock>) -> TenantBinder {
    let protected = &guarded.protected;
    let binder = TenantBinder::new(clock, guarded.key.clone(), &protected.name);
    binder.spelled_as(&protected.canaries.0)
}

/// Who mints bindings for whoever asks by a database's name. Two of one name are left out:
/// which of them is meant could not be told.
pub(crate) fn bindings(guarded: &[Guarded], clock: &Arc<dyn Clock>) -> Bindings {
    let named = |name: &str| guarded.iter().filter(|one| one.protected.name == name).count();
    let alone = guarded.iter().filter(|one| named(&one.protected.name) == 1);
    alone
        .map(|one| {
            let binder = binder(one, Arc::clone(clock));
            let canaries = one.protected.canaries.clone();
            (one.protected.name.clone(), Binding { binder, canaries })
        })
        .collect()
}

/// The binding keys of the protected databases: they must be nowhere but in the strongbox.
pub(crate) fn secrets(guarded: &[Guarded]) -> Vec<Secret> {
    guarded.iter().map(|guarded| Secret::new(kernel::hex(guarded.key.get().expose()))).collect()
}

async fn recording(tx: &Tx, tenant_column: &str) -> anyhow::Result<Vec<audit::Step>> {
    let tables = store::tables(tx).await?;
    let also = critical(&tables, tenant_column);
    Ok(audit::plan(tx, &tables, tenant_column, &also).await?)
}

/// Every table that holds tenants' rows, also those without the tenant's column: a tenant's root,
/// and what hangs below a parent. What is isolated is also what is recorded.
/// The tables that hold tenants' rows, whether they have the tenant column or not.
pub(crate) fn critical(tables: &[Table], tenant_column: &str) -> Vec<(String, String)> {
    let census = Census::take(tables, tenant_column);
    let names = census.held.iter().map(|held| &held.table);
    names.map(|table| (table.schema.clone(), table.name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use store::Db;

    use super::Candidate;

    /// A policy that notes whether it runs in a superuser's session, below any role that was put
    /// on. What a sequence counts is not rolled back.
    const SCHEMA: &str = "
        CREATE SEQUENCE caught;
        CREATE TABLE thing (tenant int, body text);
        CREATE TABLE part (tenant int, id int PRIMARY KEY);
        ALTER TABLE thing ADD part int REFERENCES part;
        INSERT INTO part VALUES (1, 1);
        INSERT INTO thing VALUES (1, 'x', 1);
        CREATE FUNCTION evil() RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_catalog.set_config('role', 'none', true);
            IF pg_catalog.current_setting('is_superuser') = 'on' THEN
                PERFORM pg_catalog.nextval('public.caught');
            END IF;
            RETURN true;
        END $$;
        CREATE POLICY evil ON thing USING (evil());
        ALTER TABLE thing ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        CREATE POLICY evil ON part USING (evil());
        ALTER TABLE part ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;";

    /// Planning reads rows, which runs the owner's code; it is the owner who reads them.
    #[tokio::test]
    async fn a_plan_runs_nothing_of_the_owner_as_superuser() {
        let db = testkit::database(&[]).await;
        let tx = db.owner.operator().await.unwrap();
        tx.batch(SCHEMA).await.unwrap();
        tx.commit().await.unwrap();
        for app_role in [format!("{}_app", db.name), "amanah_auditor".to_owned()] {
            let candidate = Candidate {
                owner: db.owner.clone(),
                superuser: Some(db.superuser.clone()),
                own_server: false,
                tenant_column: "tenant".to_owned(),
                app_role,
                stays: 60,
            };
            let proposal = candidate.propose(None).await.unwrap();
            assert!(!proposal.isolation.steps.is_empty());
        }
        let tx = db.superuser.operator().await.unwrap();
        let row = tx.query_one("SELECT is_called FROM public.caught", &[]).await.unwrap();
        assert!(!row.get::<_, bool>(0), "the owner's policy ran in a superuser's session");
        assert!(!db.owner.has_role(&format!("{}_app", db.name)).await.unwrap());
    }

    /// The owner has kept the trail of an isolated database, and then a superuser keeps it: while the
    /// watch over isolation stands, and once.
    #[tokio::test]
    async fn a_superuser_comes_later() {
        let db = testkit::database(&[]).await;
        let app_role = format!("{}_app", db.name);
        let tx = db.superuser.operator().await.unwrap();
        tx.batch(&format!("CREATE ROLE {app_role} NOLOGIN")).await.unwrap();
        tx.commit().await.unwrap();
        let tx = db.owner.operator().await.unwrap();
        tx.batch(&format!(
            "CREATE TABLE thing (tenant_id int NOT NULL, id int PRIMARY KEY);
             GRANT SELECT, INSERT, UPDATE, DELETE ON thing TO {app_role}"
        ))
        .await
        .unwrap();
        tx.commit().await.unwrap();
        let mut candidate = Candidate {
            owner: db.owner.clone(),
            superuser: None,
            own_server: false,
            tenant_column: "tenant_id".to_owned(),
            app_role,
            stays: 60,
        };
        let superuser = Db::connect(&db.superuser.url().pinned(), 2).await.unwrap();
        tenancy::install(&db.owner, Some(&superuser)).await.unwrap();
        let tx = db.owner.operator().await.unwrap();
        let plan = tenancy::plan(&tx, "tenant_id", &candidate.app_role).await.unwrap();
        tx.rollback().await.unwrap();
        tenancy::apply(&db.owner, Some(&superuser), &plan).await.unwrap();
        let owner_holds = async || {
            let tx = db.owner.operator().await.unwrap();
            audit::has_trail(&tx).await.unwrap()
        };
        candidate.record().await.unwrap();
        assert_eq!(owner_holds().await, (true, true));
        candidate.superuser = Some(superuser);
        for _ in 0..2 {
            candidate.record().await.unwrap();
            assert_eq!(owner_holds().await, (true, false));
        }
        let tx = db.owner.operator().await.unwrap();
        assert!(super::recording(&tx, "tenant_id").await.unwrap().is_empty());
    }

    /// What is left out where a catalogue is read is what the migrations make, and nothing else: a name
    /// too few would be attacked as a table of tenants, and one too many would hide somebody's.
    #[tokio::test]
    async fn what_is_left_out_is_what_is_made() {
        let db = testkit::database(&[&tenancy::ROOM, &audit::ROOM]).await;
        let rooms = [&tenancy::GUARD, &audit::GUARD];
        store::migrate_privileged(&db.superuser, &rooms).await.unwrap();
        let tx = db.superuser.operator().await.unwrap();
        tx.batch("SET LOCAL search_path = pg_catalog, pg_temp").await.unwrap();
        let made = |what: &str, list: &str| {
            format!(
                "SELECT COALESCE(string_agg(label, ', '), '') FROM (
                    (SELECT label FROM ({what}) a EXCEPT SELECT label FROM ({list}) b)
                    UNION ALL
                    (SELECT label FROM ({list}) b EXCEPT SELECT label FROM ({what}) a)) d"
            )
        };
        let schemas = "n.nspname IN ('amanah', 'amanah_guard', 'audit')";
        let pairs = store::own_tables!().strip_prefix('(').unwrap().strip_suffix(')').unwrap();
        let tables = made(
            &format!(
                "SELECT n.nspname || '.' || c.relname AS label FROM pg_class c
                   JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE {schemas} AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT {}",
                store::own_partition!("c.oid")
            ),
            &format!("SELECT s || '.' || t AS label FROM (VALUES {pairs}) v(s, t)"),
        );
        let functions = made(
            &format!(
                "SELECT n.nspname || '.' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')'
                        AS label
                   FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {schemas}"
            ),
            &format!("SELECT unnest({}) AS label", store::own_functions!()),
        );
        for sql in [tables, functions] {
            let differ: String = tx.query_one(&sql, &[]).await.unwrap().get(0);
            assert_eq!(differ, "", "{sql}");
        }
    }
}
