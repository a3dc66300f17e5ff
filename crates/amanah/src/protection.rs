//! Protected databases: bringing one under protection, and remembering it.

use std::sync::Arc;

use anyhow::{Context, bail};
use audit::Watched;
use kernel::{Binder, Clock, Rng, Secret, TenantId, random_hex};
use serde::{Deserialize, Serialize};
use store::{DatabaseUrl, Db, Protected, Tx, ident};
use tenancy::{BindingKey, Canaries, Census, Guarded, Plan, TenantBinder};

use crate::data::Data;
use crate::ground::Ground;

/// Connections of each login into a protected database.
const CONNECTIONS: usize = 6;
/// Files of remembered databases begin with this.
const PREFIX: &str = "protected-";
/// How much of a database's name goes into the name of our login; PostgreSQL cuts names at 63
/// bytes.
const NAME_CHARS: usize = 24;

/// What is remembered of a protected database. It holds secrets.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    database: String,
    /// The owner's whole address; absent when the database is on the installation's own server,
    /// whose port may change.
    address: Option<String>,
    owner: String,
    app_role: String,
    tenant_column: String,
    canaries: (TenantId, TenantId),
    kid: String,
    /// The binding key in hexadecimal.
    key: String,
}

/// A database that is to be protected.
pub(crate) struct Candidate {
    /// The login that owns its tables.
    pub(crate) owner: Db,
    /// Whether it is on the installation's own server.
    pub(crate) own_server: bool,
    /// The column that names the tenant.
    pub(crate) tenant_column: String,
    /// The role whose rights the application has.
    pub(crate) app_role: String,
}

/// What would be done, or was left to do.
pub(crate) struct Proposal {
    /// The application's role does not exist: it is made, with rights to read and write rows.
    pub(crate) makes_role: bool,
    /// How tenants are kept apart.
    pub(crate) isolation: Plan,
    /// How changes are recorded.
    pub(crate) recording: Vec<audit::Step>,
}

impl Proposal {
    /// Whether everything is as it should be.
    pub(crate) fn is_done(&self) -> bool {
        !self.makes_role && self.isolation.is_done() && self.recording.is_empty()
    }
}

impl Candidate {
    /// Works out what protecting it takes. Nothing is changed.
    pub(crate) async fn propose(&self) -> anyhow::Result<Proposal> {
        self.owner.version().await?.check()?;
        let makes_role = !self.owner.has_role(&self.app_role).await?;
        let tx = self.owner.operator().await?;
        if makes_role {
            // Rolled back below: a plan needs the role to look at.
            self.make_role(&tx).await?;
        }
        let isolation = tenancy::plan(&tx, &self.tenant_column, &self.app_role).await?;
        let recording = recording(&tx, &self.tenant_column).await?;
        tx.rollback().await?;
        Ok(Proposal {
            makes_role,
            isolation,
            recording,
        })
    }

    /// Brings it under protection, seeds the canaries and remembers it.
    pub(crate) async fn protect(
        &self,
        ground: &Ground,
        data: &Data,
        cx: &kernel::Cx,
    ) -> anyhow::Result<(Guarded, Canaries)> {
        let rng = &*cx.rng;
        if !self.owner.has_role(&self.app_role).await? {
            let tx = self.owner.operator().await?;
            self.make_role(&tx).await?;
            tx.commit().await?;
            let password = data.password(&self.app_role, rng)?;
            self.owner.ensure_login(&self.app_role, &password).await?;
        }
        let database = &self.owner.url().database;
        let superuser = if self.own_server {
            ground.superuser(database)?
        } else {
            None
        };
        // The room first: a plan's policies call its functions.
        store::migrate(&self.owner, &[&tenancy::ROOM]).await?;
        let tx = self.owner.operator().await?;
        let plan = tenancy::plan(&tx, &self.tenant_column, &self.app_role).await?;
        tx.rollback().await?;
        tenancy::apply(&self.owner, superuser.as_ref(), &plan).await?;
        self.record(superuser.as_ref()).await?;
        let kept = self.keep(data, rng).await?;
        let guarded = open(&kept, ground, data, rng).await?;
        let tx = self.owner.operator().await?;
        tenancy::install_key(&tx, &guarded.key, cx.clock.now()).await?;
        tx.commit().await?;
        let canaries = tenancy::ensure(&guarded.protected, &guarded.key, &*cx.clock).await?;
        Ok((guarded, canaries))
    }

    /// Installs the trail and the triggers that write it.
    async fn record(&self, superuser: Option<&Db>) -> anyhow::Result<()> {
        store::migrate(&self.owner, &[&audit::ROOM]).await?;
        let tx = self.owner.operator().await?;
        let steps = recording(&tx, &self.tenant_column).await?;
        audit::apply(&tx, &steps).await?;
        tx.commit().await?;
        if let Some(superuser) = superuser {
            store::migrate(superuser, &[&audit::GUARD]).await?;
        }
        Ok(())
    }

    /// Remembers the database and its key. A key that exists is kept: tokens that were minted with
    /// it are still on their way.
    async fn keep(&self, data: &Data, rng: &dyn Rng) -> anyhow::Result<Kept> {
        let url = self.owner.url();
        if let Some(known) = find(data, &url.database)? {
            if known.tenant_column != self.tenant_column || known.app_role != self.app_role {
                bail!(
                    "database {} is protected already, by column {} and for role {}",
                    known.database,
                    known.tenant_column,
                    known.app_role
                );
            }
            return Ok(known);
        }
        let installation = data.secret("installation", || Ok(random_hex(rng, 4)?))?;
        let tx = self.owner.operator().await?;
        let column = &self.tenant_column;
        let canaries = tenancy::canary_ids(&tx, column, installation.expose()).await?;
        tx.rollback().await?;
        let key = BindingKey::generate(rng)?;
        let kept = Kept {
            database: url.database.clone(),
            address: (!self.own_server).then(|| url.expose().expose().to_owned()),
            owner: url.user.clone(),
            app_role: self.app_role.clone(),
            tenant_column: self.tenant_column.clone(),
            canaries,
            kid: key.kid().to_owned(),
            key: hex(key.expose()),
        };
        let text = Secret::new(serde_json::to_string(&kept)?);
        data.write_secret(&format!("{PREFIX}{}.json", file_name(&url.database)), &text)?;
        Ok(kept)
    }

    /// Makes the application's role, with the rights that an application usually has: reading and
    /// writing rows, and nothing else.
    async fn make_role(&self, tx: &Tx) -> anyhow::Result<()> {
        let role = ident(&self.app_role);
        let mut sql = format!("CREATE ROLE {role} NOLOGIN;");
        let tables = store::tables(tx).await?;
        let mut schemas: Vec<&str> = tables.iter().map(|t| t.schema.as_str()).collect();
        schemas.dedup();
        for schema in schemas.into_iter().map(ident) {
            sql.push_str(&format!(
                "GRANT USAGE ON SCHEMA {schema} TO {role};
                 GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
                 GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role};"
            ));
        }
        tx.batch(&sql).await.context(
            "the login that owns the tables must be allowed to make roles, for the application and \
             for the attacks. As a superuser: ALTER ROLE … CREATEROLE CREATEDB",
        )
    }
}

/// Every database that this installation protects.
pub(crate) async fn all(
    ground: &Ground,
    data: &Data,
    rng: &dyn Rng,
) -> anyhow::Result<Vec<Guarded>> {
    let mut guarded = Vec::new();
    for kept in kept(data)? {
        guarded.push(open(&kept, ground, data, rng).await?);
    }
    Ok(guarded)
}

/// Who mints bindings for a protected database.
pub(crate) fn binder(guarded: &Guarded, clock: Arc<dyn Clock>) -> Arc<dyn Binder> {
    Arc::new(TenantBinder::new(
        clock,
        guarded.key.clone(),
        &guarded.protected.name,
    ))
}

/// The same databases as the trail's controls watch them.
pub(crate) fn watched(guarded: &[Guarded], clock: &Arc<dyn Clock>) -> Vec<Watched> {
    let watch = |guarded: &Guarded| {
        let (key, clock) = (guarded.key.clone(), Arc::clone(clock));
        Watched {
            protected: guarded.protected.clone(),
            binders: Arc::new(move |database: &str| {
                Arc::new(TenantBinder::new(Arc::clone(&clock), key.clone(), database))
                    as Arc<dyn Binder>
            }),
        }
    };
    guarded.iter().map(watch).collect()
}

/// The secrets of the protected databases: they must be nowhere but in private files.
pub(crate) fn secrets(data: &Data) -> anyhow::Result<Vec<Secret>> {
    Ok(kept(data)?
        .into_iter()
        .map(|kept| Secret::new(kept.key))
        .collect())
}

async fn open(kept: &Kept, ground: &Ground, data: &Data, rng: &dyn Rng) -> anyhow::Result<Guarded> {
    let address = match &kept.address {
        Some(address) => DatabaseUrl::parse(address)?,
        None => ground.login(
            &kept.owner,
            data.password(&kept.owner, rng)?,
            &kept.database,
        ),
    };
    let owner = Db::lazy(&address, CONNECTIONS)?;
    let superuser = if kept.address.is_none() {
        ground.superuser(&kept.database)?
    } else {
        None
    };
    let maker = if kept.address.is_none() {
        ground.maker()?
    } else {
        owner.clone()
    };
    let intruder = intruder(kept, &maker, &owner, data, rng).await?;
    let protected = Protected {
        name: kept.database.clone(),
        owner,
        intruder,
        superuser,
        app_role: kept.app_role.clone(),
        tenant_column: kept.tenant_column.clone(),
        canaries: kept.canaries.clone(),
        programs: ground.programs.clone(),
    };
    let key = BindingKey::new(&kept.kid, &unhex(&kept.key)?)?;
    Ok(Guarded { protected, key })
}

/// A login of our own with exactly the application's rights. Its password is set anew at each
/// start, so that nobody has to remember it.
async fn intruder(
    kept: &Kept,
    maker: &Db,
    owner: &Db,
    data: &Data,
    rng: &dyn Rng,
) -> anyhow::Result<Db> {
    let installation = data.secret("installation", || Ok(random_hex(rng, 4)?))?;
    let name: String = kept.database.chars().take(NAME_CHARS).collect();
    let role = format!("amanah_intruder_{}_{name}", installation.expose());
    let password = data.password(&format!("intruder-{}", file_name(&kept.database)), rng)?;
    maker.ensure_login(&role, &password).await?;
    maker.grant_role(&kept.app_role, &role).await?;
    let url = owner.url().login(&role, Some(password));
    Ok(Db::lazy(&url, CONNECTIONS)?)
}

async fn recording(tx: &Tx, tenant_column: &str) -> anyhow::Result<Vec<audit::Step>> {
    let tables = store::tables(tx).await?;
    let census = Census::take(&tables, tenant_column);
    // A tenant's root table has no tenant column: its key is the tenant.
    let roots = census
        .held
        .iter()
        .filter(|held| held.table.column(tenant_column).is_none());
    let also: Vec<(String, String)> = roots
        .map(|held| (held.table.schema.clone(), held.table.name.clone()))
        .collect();
    Ok(audit::plan(tx, &tables, tenant_column, &also).await?)
}

fn find(data: &Data, database: &str) -> anyhow::Result<Option<Kept>> {
    Ok(kept(data)?
        .into_iter()
        .find(|kept| kept.database == database))
}

fn kept(data: &Data) -> anyhow::Result<Vec<Kept>> {
    let mut all = Vec::new();
    for path in data.private_files() {
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        if name.starts_with(PREFIX) && name.ends_with(".json") {
            let text = data
                .read_secret(name)?
                .context("a file vanished while it was read")?;
            let kept = serde_json::from_str(text.expose());
            all.push(kept.with_context(|| format!("{} is damaged", path.display()))?);
        }
    }
    Ok(all)
}

/// A database's name as part of a file's name: other characters than letters, digits and `-` are
/// written as their code, so that two names never become one.
fn file_name(database: &str) -> String {
    let mut name = String::new();
    for c in database.chars() {
        if c.is_ascii_alphanumeric() || c == '-' {
            name.push(c);
        } else {
            name.push_str(&format!("_{:x}_", u32::from(c)));
        }
    }
    name
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    let digit = |c: char| c.to_digit(16).and_then(|d| u8::try_from(d).ok());
    let digits: Option<Vec<u8>> = text.chars().map(digit).collect();
    let digits = digits
        .filter(|d| d.len() % 2 == 0)
        .context("a binding key is damaged")?;
    Ok(digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |all, d| all * 16 + d))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::{file_name, hex, unhex};

    #[test]
    fn names_and_keys_survive() {
        assert_ne!(file_name("a/b"), file_name("a_b"));
        assert!(!file_name("../x").contains(['/', '.']));
        assert_eq!(unhex(&hex(&[0, 15, 255])).unwrap(), [0, 15, 255]);
        assert!(unhex("abc").is_err() && unhex("zz").is_err());
    }
}
