//! Violations that are seeded in a scratch store one at a time, so that the attacks show that they
//! would find them.

mod broken;
mod paths;
mod seals;

use std::path::Path;
use std::sync::Arc;

use kernel::{FileFault, Finding, Seals, TenantFiles, TenantId, random_hex};
use store::{Db, Programs, ident};

use super::attack::{self, Doors, Struck};
use super::index::Index;
use super::{FileShelf, Files};
use crate::bite::Bites;
use broken::{Broken, Flaw};
use paths::Paths;
use seals::{Careless, Fault};

/// Connections of the engine's login into the scratch database.
const CONNECTIONS: usize = 4;

/// How a store is broken.
#[derive(Clone, Copy)]
enum How {
    /// Its rows: how they are, and how that is undone.
    Sql(&'static str, &'static str),
    /// What seals its objects.
    Seals(Fault),
    /// What answers for it.
    Answers(Flaw),
    /// It is a folder whose files are called as tenants call them.
    Paths,
    /// Whoever may use it.
    Token,
}

/// One violation, and the attacks that are made on it: the last one must get through.
struct Violation {
    name: &'static str,
    how: How,
    found_by: &'static [&'static str],
}

const fn violation(name: &'static str, how: How, found_by: &'static [&'static str]) -> Violation {
    Violation { name, how, found_by }
}

const VIOLATIONS: &[Violation] = &[
    violation("a token that reaches another tenant", How::Token, &["read"]),
    violation("files looked for without their tenant", How::Answers(Flaw::Find), &["guess"]),
    violation("lists without their tenant", How::Answers(Flaw::List), &["list-own"]),
    violation("a cursor that is good for everybody", How::Answers(Flaw::Cursor), &["cursor"]),
    violation("writing without the tenant", How::Answers(Flaw::Write), &["write-guess"]),
    violation(
        "removing without the tenant",
        How::Answers(Flaw::Remove),
        &["write-guess", "delete-own-twin"],
    ),
    violation("an answer that tells of another's file", How::Answers(Flaw::Tell), &["guess"]),
    violation("no quota", How::Answers(Flaw::Quota), &["quota-bytes"]),
    violation("names taken for paths, in one folder", How::Paths, &["traverse-sibling"]),
    violation("bytes in clear", How::Seals(Fault::Clear), &["raw-content"]),
    violation("bytes that may be changed", How::Seals(Fault::Loose), &["store-flip"]),
    violation("one key for all tenants", How::Seals(Fault::OneKey), &["store-swap"]),
    violation(
        "a key that is good for every file",
        How::Seals(Fault::OneObject),
        &["store-swap-within"],
    ),
    violation(
        "room that is not taken in advance",
        How::Sql(
            "CREATE FUNCTION files.forget() RETURNS trigger LANGUAGE plpgsql AS $$ \
             BEGIN NEW.reserved := 0; RETURN NEW; END $$; \
             CREATE TRIGGER forget BEFORE UPDATE ON files.loose \
             FOR EACH ROW EXECUTE FUNCTION files.forget()",
            "DROP TRIGGER forget ON files.loose; DROP FUNCTION files.forget()",
        ),
        &["quota-at-once"],
    ),
    violation(
        "rows without row-level security",
        How::Sql(
            "ALTER TABLE files.files DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE files.files ENABLE ROW LEVEL SECURITY",
        ),
        &["engine-other"],
    ),
    violation(
        "a policy that shows every row",
        How::Sql(
            "CREATE POLICY planted ON files.tenants FOR SELECT TO amanah_engine USING (true)",
            "DROP POLICY planted ON files.tenants",
        ),
        &["engine-unnamed"],
    ),
    violation(
        "an engine that sets quotas",
        How::Sql(
            "GRANT UPDATE (max_bytes, max_files) ON files.tenants TO amanah_engine",
            "REVOKE UPDATE (max_bytes, max_files) ON files.tenants FROM amanah_engine",
        ),
        &["engine-quota"],
    ),
    violation(
        "places that are called like their tenants",
        How::Sql(
            "ALTER TABLE files.tenants DROP CONSTRAINT tenants_prefix_check; \
             INSERT INTO files.tenants (tenant, prefix) VALUES \
             ('amanah-canary-a', 'amanah-canary-a'), ('amanah-canary-b', 'amanah-canary-b')",
            "TRUNCATE files.tenants CASCADE; ALTER TABLE files.tenants \
             ADD CONSTRAINT tenants_prefix_check CHECK (prefix ~ '^[0-9a-f]{32}$')",
        ),
        &["raw-names"],
    ),
    violation(
        "one place for two tenants",
        How::Sql(
            "ALTER TABLE files.tenants DROP CONSTRAINT tenants_prefix_key; \
             INSERT INTO files.tenants (tenant, prefix) VALUES \
             ('amanah-canary-a', '00000000000000000000000000000000'), \
             ('amanah-canary-b', '00000000000000000000000000000000')",
            "TRUNCATE files.tenants CASCADE; ALTER TABLE files.tenants \
             ADD CONSTRAINT tenants_prefix_key UNIQUE (prefix)",
        ),
        &["shared-part"],
    ),
];

/// Seeds every violation in a store of its own: rows in a copy of the control database's structure,
/// objects in a folder below `scratch`.
///
/// # Errors
/// When the scratch store cannot be made, or the attacks cannot be made on it as it is.
pub(crate) async fn run(
    files: &Files,
    doors: &dyn Doors,
    programs: &Programs,
    scratch: &Path,
    tenants: [&TenantId; 2],
) -> Result<Bites, String> {
    let made = files.index.owner.scratch(programs, &*files.rng).await;
    let made = made.map_err(|error| error.to_string())?;
    let name = random_hex(&*files.rng, 6).map_err(|error| error.to_string())?;
    let folder = scratch.join(format!("files-{name}"));
    let ground = Ground { files, doors, owner: made.db(), folder: &folder, tenants };
    let bites = ground.bite().await;
    // Removed whatever came of it. What was found stays true when that fails.
    let swept = match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
        _ => Ok(()),
    };
    let dropped = made.remove().await.map_err(|error| error.to_string());
    let mut bites = bites?;
    bites.left =
        swept.and(dropped).err().map(|error| format!("the scratch store is left: {error}"));
    Ok(bites)
}

/// What the scratch stores stand on.
struct Ground<'a> {
    files: &'a Files,
    doors: &'a dyn Doors,
    /// The scratch database.
    owner: &'a Db,
    folder: &'a Path,
    tenants: [&'a TenantId; 2],
}

impl Ground<'_> {
    async fn bite(&self) -> Result<Bites, String> {
        let database = &self.owner.url().database;
        let admit = format!("GRANT CONNECT ON DATABASE {} TO amanah_engine", ident(database));
        self.sql(&admit).await?;
        let url = self.files.index.engine.url().database(database);
        let engine = Db::lazy(&url, CONNECTIONS).map_err(|error| error.to_string())?;
        let bites = self.each(&engine).await;
        // The database cannot be dropped under it.
        engine.close();
        bites
    }

    async fn each(&self, engine: &Db) -> Result<Bites, String> {
        let sound = self.attack(engine, None, &[]).await?;
        if let Some((name, why)) = sound.missed.first() {
            return Err(format!("the attack {name} could not be made on a sound store: {why}"));
        }
        let mut bites = Bites::default();
        for violation in VIOLATIONS {
            bites.seeded += 1;
            let through = |struck: &Struck| {
                let last = violation.found_by.last();
                let found = struck.outcomes.iter().find(|(name, _)| Some(name) == last);
                found.and_then(|(_, through)| through.clone())
            };
            match self.attack(engine, Some(violation.how), violation.found_by).await {
                Ok(struck) => match through(&struck).filter(|_| through(&sound).is_none()) {
                    Some(what) => bites.found.push(Finding::new(violation.name, what)),
                    None => bites.missed.push(violation.name.to_owned()),
                },
                Err(why) => bites.missed.push(format!("{} ({why})", violation.name)),
            }
        }
        Ok(bites)
    }

    /// Makes a store, breaks it, and attacks it.
    async fn attack(&self, engine: &Db, how: Option<How>, only: &[&str]) -> Result<Struck, String> {
        let spoken = |error: FileFault| error.to_string();
        let _ = std::fs::remove_dir_all(self.folder);
        self.sql("TRUNCATE files.tenants CASCADE").await?;
        let seals = match how {
            Some(How::Seals(fault)) => Arc::new(Careless(fault)) as Arc<dyn Seals>,
            _ => self.files.seals.clone(),
        };
        let store = Files {
            index: Index { engine: engine.clone(), owner: self.owner.clone() },
            shelf: FileShelf::folder(self.folder).map_err(spoken)?,
            seals,
            ..self.files.clone()
        };
        let served: Arc<dyn TenantFiles> = match how {
            Some(How::Answers(flaw)) => {
                let tenants = self.tenants.map(Clone::clone);
                Arc::new(Broken { files: store.clone(), tenants, flaw })
            }
            Some(How::Paths) => Arc::new(Paths { root: self.folder.join("paths") }),
            _ => Arc::new(store.clone()),
        };
        let loose = matches!(how, Some(How::Token));
        if let Some(How::Sql(seed, _)) = how {
            self.sql(seed).await?;
        }
        let struck = attack::run(&store, &served, (self.doors, loose), self.tenants, only).await;
        if let Some(How::Sql(_, undo)) = how {
            self.sql(undo).await?;
        }
        struck
    }

    async fn sql(&self, sql: &str) -> Result<(), String> {
        let run = async {
            let tx = self.owner.operator().await?;
            tx.batch(sql).await?;
            tx.commit().await
        };
        let ran: store::Result<()> = run.await;
        ran.map_err(|error| error.to_string())
    }
}
