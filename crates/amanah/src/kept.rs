//! What is remembered of each protected database, in a private file of its own; its secrets are
//! sealed in the strongbox.

use anyhow::Context;
use kernel::{Rng, Secret, TenantId};
use keys::Strongbox;
use serde::{Deserialize, Serialize};
use store::{DatabaseUrl, Db, Protected};
use tenancy::Guarded;

use crate::data::{Data, safe};
use crate::ground::Ground;
use crate::keyset::KeySet;

/// Connections of each login into a protected database.
const CONNECTIONS: usize = 6;
/// Files of remembered databases begin with this.
const PREFIX: &str = "protected-";
const SUFFIX: &str = ".json";
/// The binding keys' place in the strongbox.
const KEYS: &str = "binding-key";
/// How much of a database's name goes into the name of our login; PostgreSQL cuts names at 63
/// bytes.
const NAME_CHARS: usize = 24;
/// What our logins in it are for.
const OWN_LOGINS: [&str; 2] = ["intruder", "replica"];

/// A protected database as its file has it. What is secret about it is in the strongbox.
#[derive(Serialize, Deserialize)]
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
        let owner = self.owner_url(ground, data, secrets.owner, rng)?;
        let owner = Db::lazy(&owner, CONNECTIONS)?;
        let superuser = match (&self.address, &secrets.superuser) {
            (None, _) => ground.superuser(&self.database)?,
            (Some(_), Some(url)) => {
                Some(Db::lazy(&DatabaseUrl::parse(url.expose())?.pinned(), CONNECTIONS)?)
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
        Ok(Guarded { protected, key: secrets.keys.current.into() })
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

    fn lost(&self) -> String {
        format!(
            "the binding key of database {} is not in the control database: put the control \
             database back, or run `amanah protect` on that database again",
            self.database
        )
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
            return Ok(address.login(&self.owner, password));
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
        let role = login_name(what, data.installation(rng)?.expose(), &self.database);
        let password = data.password(&format!("{what}-{}", self.file_name()?), rng)?;
        maker.ensure_login(&role, &password).await?;
        let url = owner.url().login(&role, Some(password));
        Ok((role, url))
    }

    fn file_name(&self) -> anyhow::Result<String> {
        Ok(match &self.address {
            Some(address) => place(&DatabaseUrl::parse(address)?),
            None => safe(&self.database),
        })
    }
}

/// The logins that an installation of this name makes for a database.
pub(crate) fn own_logins(installation: &str, database: &str) -> [String; 2] {
    OWN_LOGINS.map(|what| login_name(what, installation, database))
}

fn login_name(what: &str, installation: &str, database: &str) -> String {
    let name: String = database.chars().take(NAME_CHARS).collect();
    format!("amanah_{what}_{installation}_{name}")
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

/// Server and database, whoever logs in.
fn place(url: &DatabaseUrl) -> String {
    let host = match &url.host {
        store::Host::Tcp(name) => name.clone(),
        store::Host::Socket(dir) => dir.display().to_string(),
    };
    safe(&format!("{host}:{}/{}", url.port, url.database))
}

#[cfg(test)]
mod tests {
    use store::DatabaseUrl;

    use super::{Kept, without_password};

    /// What an earlier version wrote is read; what is written now holds no secret.
    #[test]
    fn a_file_holds_no_secret() {
        let key = "5a".repeat(32);
        let old = serde_json::json!({
            "database": "shop", "address": null, "superuser": null, "owner": "o",
            "app_role": "a", "tenant_column": "t", "canaries": ["1", "2"], "kid": "k", "key": key,
        });
        let kept: Kept = serde_json::from_value(old).unwrap();
        assert_eq!(kept.key.as_deref(), Some(key.as_str()));
        assert!(!serde_json::to_string(&kept).unwrap().contains(&key));
    }

    #[test]
    fn an_address_is_kept_without_its_password() {
        let word = ["hid", "den"].concat();
        let url = ["postgres://me:", &word, "@db.example:5433/shop?sslmode=require"].concat();
        let kept = without_password(&DatabaseUrl::parse(&url).unwrap());
        assert!(!kept.contains(&word), "{kept}");
        let again = DatabaseUrl::parse(&kept).unwrap();
        assert_eq!((again.port, again.tls, again.user.as_str()), (5433, true, "me"));
    }
}
