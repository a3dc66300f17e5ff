//! What is remembered of each protected database, in a private file of its own; its secrets are
//! sealed in the strongbox.

use std::sync::Arc;

use anyhow::Context;
use kernel::{Rng, Secret, TenantId};
use keys::Strongbox;
use serde::{Deserialize, Serialize};
use store::{DatabaseUrl, Db, Protected};
use tenancy::{CurrentKey, Guarded};

use crate::data::{Data, safe};
use crate::ground::Ground;
use crate::keyset::{Book, KeySet};
use crate::known::DatabaseAt;
use crate::logins::login_name;

/// Connections of each login into a protected database.
const CONNECTIONS: usize = 6;
/// Files of remembered databases begin with this.
const PREFIX: &str = "protected-";
const SUFFIX: &str = ".json";
/// The binding keys' place in the strongbox.
const KEYS: &str = "binding-key";
/// How much of the name earlier versions took, without a digest.
const FORMER_CHARS: usize = 24;
/// What our logins in it are for.
const OWN_LOGINS: [&str; 4] = ["intruder", "replica", "reader", "auditor"];
/// Who may read the trail, once a superuser has installed the guard over it.
const TRAIL_READERS: &str = "amanah_trail_reader";
/// Who may take months out of it whose time has come.
const TRAIL_ARCHIVISTS: &str = "amanah_trail_archivist";

/// A protected database as its file has it. What is secret about it is in the strongbox.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    pub(crate) database: String,
    /// The owner's address without its password; absent when the database is on the
    /// installation's own server, whose port may change.
    pub(crate) address: Option<String>,
    pub(crate) owner: String,
    pub(crate) app_role: String,
    pub(crate) tenant_column: String,
    pub(crate) canaries: (TenantId, TenantId),
    /// The first binding key's name, under which the strongbox has the secrets.
    pub(crate) kid: String,
    /// Whether a digest is in the names of our logins there, as it is not where an earlier version
    /// made them.
    #[serde(default)]
    digest: bool,
    /// As earlier versions wrote it: the superuser's address and the binding key.
    #[serde(default, skip_serializing)]
    superuser: Option<String>,
    #[serde(default, skip_serializing)]
    key: Option<String>,
}

/// What is secret about a protected database.
pub(crate) struct KeptSecrets {
    /// The binding keys.
    pub(crate) keys: KeySet,
    /// The owner's password, where the database is on another server and needs one.
    pub(crate) owner: Option<Secret>,
    /// The superuser's whole address, where one was given for another server.
    pub(crate) superuser: Option<Secret>,
}

impl Kept {
    /// What is remembered of a database that nothing was remembered of.
    pub(crate) fn new(
        owner: &DatabaseUrl,
        app_role: &str,
        tenant_column: &str,
        canaries: (TenantId, TenantId),
        kid: &str,
    ) -> Self {
        Self {
            database: owner.database.clone(),
            address: None,
            owner: owner.user.clone(),
            app_role: app_role.to_owned(),
            tenant_column: tenant_column.to_owned(),
            canaries,
            kid: kid.to_owned(),
            digest: true,
            superuser: None,
            key: None,
        }
    }

    /// The database with its logins, ready for proofs.
    pub(crate) async fn open(
        &self,
        ground: &Ground,
        data: &Data,
        strongbox: &Strongbox,
        rng: &dyn Rng,
    ) -> anyhow::Result<Guarded> {
        let secrets = self.secrets(strongbox).await?.with_context(|| self.lost())?;
        self.open_with(secrets, ground, data, strongbox, rng).await
    }

    /// The same with secrets that were read before.
    pub(crate) async fn open_with(
        &self,
        secrets: KeptSecrets,
        ground: &Ground,
        data: &Data,
        strongbox: &Strongbox,
        rng: &dyn Rng,
    ) -> anyhow::Result<Guarded> {
        let owner = self.owner_url(ground, data, secrets.owner, rng)?;
        let owner = Db::lazy(&owner, CONNECTIONS)?;
        let superuser = match (&self.address, &secrets.superuser) {
            (None, _) => ground.superuser(&self.database)?,
            (Some(_), Some(url)) => Some(Db::lazy(
                &DatabaseUrl::parse(url.expose())?.database(&self.database),
                CONNECTIONS,
            )?),
            (Some(_), None) => None,
        };
        let maker = match &self.address {
            None => ground.maker()?,
            Some(_) => superuser.clone().unwrap_or_else(|| owner.clone()),
        };
        let intruder = self.intruder(&maker, &owner, data, rng).await?;
        let (replicator, reader) = match &superuser {
            Some(superuser) => (
                Some(self.replicator(superuser, &owner, data, rng).await?),
                self.reader(superuser, &owner, data, rng).await?,
            ),
            None => (None, None),
        };
        let protected = Protected {
            name: self.database.clone(),
            owner,
            intruder,
            superuser,
            replicator,
            reader,
            app_role: self.app_role.clone(),
            tenant_column: self.tenant_column.clone(),
            canaries: self.canaries.clone(),
            programs: ground.programs.clone(),
        };
        let book = Book {
            strongbox: strongbox.clone(),
            secret: self.secret_name(KEYS),
            kid: self.kid.clone(),
            lost: self.lost(),
        };
        let key = CurrentKey::from(secrets.keys.current).written_down(Arc::new(book));
        Ok(Guarded { protected, key })
    }

    /// Writes it down, its secrets first: a file without secrets is of no use.
    pub(crate) async fn save(
        &self,
        data: &Data,
        strongbox: &Strongbox,
        secrets: &KeptSecrets,
    ) -> anyhow::Result<()> {
        let keys = secrets.keys.text();
        let all = [
            (KEYS, Some(&keys)),
            ("owner", secrets.owner.as_ref()),
            ("superuser", secrets.superuser.as_ref()),
        ];
        for (what, secret) in all {
            let name = self.secret_name(what);
            match secret {
                Some(secret) => strongbox.put(&name, None, secret).await?,
                None => drop(strongbox.remove(&name, None).await?),
            }
        }
        let text = Secret::new(serde_json::to_string(self)?);
        data.write_secret(&format!("{PREFIX}{}{SUFFIX}", self.file_name()?), &text)
    }

    /// Forgets it: its file last, so that what was stopped in between can be done again.
    pub(crate) async fn forget(&self, data: &Data, strongbox: &Strongbox) -> anyhow::Result<()> {
        for what in ["binding-key", "owner", "superuser"] {
            strongbox.remove(&self.secret_name(what), None).await?;
        }
        let file = self.file_name()?;
        for what in OWN_LOGINS {
            data.forget_password(&format!("{what}-{file}"))?;
        }
        data.forget_secret(&format!("{PREFIX}{file}{SUFFIX}"))
    }

    /// What the strongbox has, or `None` when it has no binding key.
    pub(crate) async fn secrets(
        &self,
        strongbox: &Strongbox,
    ) -> anyhow::Result<Option<KeptSecrets>> {
        let get = async |what: &str| strongbox.get(&self.secret_name(what), None).await;
        let Some(keys) = get(KEYS).await? else { return Ok(None) };
        let keys = KeySet::read(&keys, &self.kid)?;
        let (owner, superuser) = (get("owner").await?, get("superuser").await?);
        Ok(Some(KeptSecrets { keys, owner, superuser }))
    }

    /// The binding keys alone.
    pub(crate) async fn keys(&self, strongbox: &Strongbox) -> anyhow::Result<KeySet> {
        let keys = strongbox.get(&self.secret_name(KEYS), None).await?;
        KeySet::read(&keys.with_context(|| self.lost())?, &self.kid)
    }

    /// Writes the binding keys down, all at once.
    pub(crate) async fn put_keys(
        &self,
        strongbox: &Strongbox,
        keys: &KeySet,
    ) -> anyhow::Result<()> {
        Ok(strongbox.put(&self.secret_name(KEYS), None, &keys.text()).await?)
    }

    /// Whether it is about the same database.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        (&self.database, &self.address) == (&other.database, &other.address)
    }

    pub(crate) fn lost(&self) -> String {
        format!(
            "the binding key of database {} is not in the control database: put the control \
             database back, or run `amanah protect` on that database again",
            self.database
        )
    }

    /// The place of the keys of its encrypted columns in the strongbox. It stays when the database is
    /// forgotten: what was recorded under them stays too.
    pub(crate) fn columns_name(&self) -> anyhow::Result<String> {
        Ok(format!("trail-columns/{}", self.file_name()?))
    }

    fn secret_name(&self, what: &str) -> String {
        format!("protected/{}/{what}", self.kid)
    }

    fn owner_url(
        &self,
        ground: &Ground,
        data: &Data,
        password: Option<Secret>,
        rng: &dyn Rng,
    ) -> anyhow::Result<DatabaseUrl> {
        if let Some(address) = &self.address {
            let address = DatabaseUrl::parse(address)?;
            return Ok(address.login(&self.owner, password).unpinned());
        }
        let password = data.password(&self.owner, rng)?;
        Ok(ground.login(&self.owner, password, &self.database).unpinned())
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

    /// A login of our own that may read the trail, take months out of it whose time has come, and nothing
    /// else.
    async fn reader(
        &self,
        superuser: &Db,
        owner: &Db,
        data: &Data,
        rng: &dyn Rng,
    ) -> anyhow::Result<Option<Db>> {
        if !superuser.has_role(TRAIL_READERS).await? {
            return Ok(None);
        }
        let (role, url) = self.own_login("reader", superuser, owner, data, rng).await?;
        superuser.grant_role(TRAIL_READERS, &role).await?;
        if superuser.has_role(TRAIL_ARCHIVISTS).await? {
            superuser.grant_role(TRAIL_ARCHIVISTS, &role).await?;
        }
        // A database may let nobody in who was not named.
        superuser.admit_role(&role).await?;
        Ok(Some(Db::lazy(&url, CONNECTIONS)?))
    }

    /// Makes a login role of this installation, for this database, and its address.
    pub(crate) async fn own_login(
        &self,
        what: &str,
        maker: &Db,
        owner: &Db,
        data: &Data,
        rng: &dyn Rng,
    ) -> anyhow::Result<(String, DatabaseUrl)> {
        let role = self.login_name(what, data.installation(rng)?.expose())?;
        let password = data.password(&format!("{what}-{}", self.file_name()?), rng)?;
        maker.ensure_login(&role, &password).await?;
        let url = owner.url().login(&role, Some(password));
        Ok((role, url))
    }

    /// The logins that an installation of this name made for it. One that another database has as
    /// well, as it could be where an earlier version made both, is left out.
    pub(crate) fn own_logins(
        &self,
        data: &Data,
        installation: &str,
    ) -> anyhow::Result<Vec<String>> {
        let mut shared = Vec::new();
        let own = self.file_name()?;
        for other in all(data)? {
            if other.file_name()? != own {
                shared.extend(other.login_names(installation)?);
            }
        }
        let mut names = self.login_names(installation)?;
        names.retain(|name| !shared.contains(name));
        Ok(names)
    }

    fn login_names(&self, installation: &str) -> anyhow::Result<Vec<String>> {
        OWN_LOGINS.iter().map(|what| self.login_name(what, installation)).collect()
    }

    fn login_name(&self, what: &str, installation: &str) -> anyhow::Result<String> {
        if self.digest {
            return Ok(login_name(what, installation, &self.database, &self.file_name()?));
        }
        let name: String = self.database.chars().take(FORMER_CHARS).collect();
        Ok(format!("amanah_{what}_{installation}_{name}"))
    }

    fn file_name(&self) -> anyhow::Result<String> {
        Ok(match &self.address {
            Some(address) => place(&DatabaseUrl::parse(address)?),
            None => safe(&self.database),
        })
    }
}

/// The logins that an installation of this name makes for the database at `url`.
pub(crate) fn own_logins(installation: &str, url: &DatabaseUrl) -> Vec<String> {
    let named = |what| login_name(what, installation, &url.database, &place(url));
    OWN_LOGINS.into_iter().map(named).collect()
}

/// Takes the secrets out of the files that earlier versions wrote, and into the strongbox. Stopped
/// in the middle, it begins again: a file is rewritten once its secrets are safe.
pub(crate) async fn take_in(data: &Data, strongbox: &Strongbox) -> anyhow::Result<()> {
    for mut kept in all(data)? {
        let Some(key) = kept.key.take().map(Secret::new) else { continue };
        let keys = KeySet::read(&key, &kept.kid)?;
        let address = kept.address.as_deref().map(DatabaseUrl::parse).transpose()?;
        let superuser = kept.superuser.take().map(Secret::new);
        let owner = address.as_ref().and_then(|address| address.password.clone());
        kept.address = address.as_ref().map(without_password);
        kept.save(data, strongbox, &KeptSecrets { keys, owner, superuser }).await?;
    }
    Ok(())
}

/// An address as a file may hold it.
pub(crate) fn without_password(url: &DatabaseUrl) -> String {
    url.login(&url.user, None).expose().expose().to_owned()
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

/// Whether what is written down could not be read for now: that says nothing about the databases.
pub(crate) fn is_away(error: &anyhow::Error) -> bool {
    use keys::Error::{Anchor, Ring, Root, Store};
    matches!(error.downcast_ref(), Some(Store(_) | Ring { .. } | Anchor { .. } | Root(_)))
}

/// Server and database, whoever logs in.
fn place(url: &DatabaseUrl) -> String {
    safe(&DatabaseAt::at(url).to_string())
}

#[cfg(test)]
mod tests;
