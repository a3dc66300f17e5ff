//! What is remembered of each protected database, in a private file of its own.

use anyhow::Context;
use kernel::{Rng, Secret, TenantId, random_hex, unhex};
use serde::{Deserialize, Serialize};
use store::{DatabaseUrl, Db, Protected};
use tenancy::{BindingKey, Guarded};

use crate::data::{Data, safe};
use crate::ground::Ground;

/// Connections of each login into a protected database.
const CONNECTIONS: usize = 6;
/// Files of remembered databases begin with this.
const PREFIX: &str = "protected-";
const SUFFIX: &str = ".json";
/// How much of a database's name goes into the name of our login; PostgreSQL cuts names at 63
/// bytes.
const NAME_CHARS: usize = 24;

/// A protected database as its file has it. It holds secrets.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    pub(crate) database: String,
    /// The owner's whole address; absent when the database is on the installation's own server,
    /// whose port may change.
    pub(crate) address: Option<String>,
    /// The superuser's whole address, where one was given for another server.
    pub(crate) superuser: Option<String>,
    pub(crate) owner: String,
    pub(crate) app_role: String,
    pub(crate) tenant_column: String,
    pub(crate) canaries: (TenantId, TenantId),
    pub(crate) kid: String,
    /// The binding key in hexadecimal.
    pub(crate) key: String,
}

impl Kept {
    /// The database with its logins, ready for proofs.
    pub(crate) async fn open(
        &self,
        ground: &Ground,
        data: &Data,
        rng: &dyn Rng,
    ) -> anyhow::Result<Guarded> {
        let owner = Db::lazy(&self.owner_url(ground, data, rng)?, CONNECTIONS)?;
        let superuser = match (&self.address, &self.superuser) {
            (None, _) => ground.superuser(&self.database)?,
            (Some(_), Some(url)) => {
                Some(Db::lazy(&DatabaseUrl::parse(url)?.pinned(), CONNECTIONS)?)
            }
            (Some(_), None) => None,
        };
        let maker = match &self.address {
            None => ground.maker()?,
            Some(_) => superuser.clone().unwrap_or_else(|| owner.clone()),
        };
        let intruder = self.intruder(&maker, &owner, data, rng).await?;
        let replicator = match &superuser {
            Some(superuser) => Some(self.replicator(superuser, &owner, data, rng).await?),
            None => None,
        };
        let protected = Protected {
            name: self.database.clone(),
            owner,
            intruder,
            superuser,
            replicator,
            app_role: self.app_role.clone(),
            tenant_column: self.tenant_column.clone(),
            canaries: self.canaries.clone(),
            programs: ground.programs.clone(),
        };
        Ok(Guarded { protected, key: self.binding_key()? })
    }

    /// Writes it down.
    pub(crate) fn save(&self, data: &Data) -> anyhow::Result<()> {
        let text = Secret::new(serde_json::to_string(self)?);
        data.write_secret(&format!("{PREFIX}{}{SUFFIX}", self.file_name()?), &text)
    }

    fn owner_url(
        &self,
        ground: &Ground,
        data: &Data,
        rng: &dyn Rng,
    ) -> anyhow::Result<DatabaseUrl> {
        if let Some(address) = &self.address {
            return Ok(DatabaseUrl::parse(address)?);
        }
        let password = data.password(&self.owner, rng)?;
        Ok(ground.login(&self.owner, password, &self.database))
    }

    /// A login of our own with exactly the application's rights.
    async fn intruder(
        &self,
        maker: &Db,
        owner: &Db,
        data: &Data,
        rng: &dyn Rng,
    ) -> anyhow::Result<Db> {
        let (role, url) = self.own_login("intruder", maker, owner, data, rng).await?;
        maker.grant_role(&self.app_role, &role).await?;
        Ok(Db::lazy(&url, CONNECTIONS)?)
    }

    /// A login of our own with the owner's rights that may also put triggers to sleep.
    async fn replicator(
        &self,
        superuser: &Db,
        owner: &Db,
        data: &Data,
        rng: &dyn Rng,
    ) -> anyhow::Result<Db> {
        let (role, url) = self.own_login("replica", superuser, owner, data, rng).await?;
        superuser.grant_role(&self.owner, &role).await?;
        superuser.allow_replica(&role).await?;
        Ok(Db::lazy(&url, CONNECTIONS)?)
    }

    /// Makes a login role of this installation, for this database, and its address.
    async fn own_login(
        &self,
        what: &str,
        maker: &Db,
        owner: &Db,
        data: &Data,
        rng: &dyn Rng,
    ) -> anyhow::Result<(String, DatabaseUrl)> {
        let installation = data.secret("installation", || Ok(random_hex(rng, 4)?))?;
        let name: String = self.database.chars().take(NAME_CHARS).collect();
        let role = format!("amanah_{what}_{}_{name}", installation.expose());
        let password = data.password(&format!("{what}-{}", self.file_name()?), rng)?;
        maker.ensure_login(&role, &password).await?;
        let url = owner.url().login(&role, Some(password));
        Ok((role, url))
    }

    fn binding_key(&self) -> anyhow::Result<BindingKey> {
        let bytes =
            unhex(&self.key).context("the binding key of a protected database is damaged")?;
        Ok(BindingKey::new(&self.kid, &bytes)?)
    }

    fn file_name(&self) -> anyhow::Result<String> {
        Ok(match &self.address {
            Some(address) => place(&DatabaseUrl::parse(address)?),
            None => safe(&self.database),
        })
    }
}

/// Every remembered database.
pub(crate) fn all(data: &Data) -> anyhow::Result<Vec<Kept>> {
    let mut all = Vec::new();
    for path in data.private_files()? {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.strip_suffix(SUFFIX).is_some_and(|stem| stem.starts_with(PREFIX)) {
            let text = data.read_secret(name)?.context("a file vanished while it was read")?;
            let kept = serde_json::from_str(text.expose());
            all.push(kept.with_context(|| format!("{} is damaged", path.display()))?);
        }
    }
    Ok(all)
}

/// The remembered database at `url`, or the one of that name on the own server when there is none.
pub(crate) fn find(
    data: &Data,
    database: &str,
    url: Option<&DatabaseUrl>,
) -> anyhow::Result<Option<Kept>> {
    let wanted = url.map(place);
    let at = |kept: &Kept| -> anyhow::Result<bool> {
        let address = kept.address.as_deref().map(DatabaseUrl::parse).transpose()?;
        Ok(kept.database == database && address.as_ref().map(place) == wanted)
    };
    for kept in all(data)? {
        if at(&kept)? {
            return Ok(Some(kept));
        }
    }
    Ok(None)
}

/// Server and database, whoever logs in.
fn place(url: &DatabaseUrl) -> String {
    let host = match &url.host {
        store::Host::Tcp(name) => name.clone(),
        store::Host::Socket(dir) => dir.display().to_string(),
    };
    safe(&format!("{host}:{}/{}", url.port, url.database))
}
