//! What is remembered of each protected database, in a private file of its own.

use anyhow::Context;
use kernel::{Rng, Secret, TenantId, random_hex};
use serde::{Deserialize, Serialize};
use store::{DatabaseUrl, Db, Protected};
use tenancy::{BindingKey, Guarded};

use crate::data::Data;
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
            (Some(_), Some(url)) => Some(Db::lazy(&DatabaseUrl::parse(url)?, CONNECTIONS)?),
            (Some(_), None) => None,
        };
        let maker = match &self.address {
            None => ground.maker()?,
            Some(_) => superuser.clone().unwrap_or_else(|| owner.clone()),
        };
        let intruder = self.intruder(&maker, &owner, data, rng).await?;
        let protected = Protected {
            name: self.database.clone(),
            owner,
            intruder,
            superuser,
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
        let installation = data.secret("installation", || Ok(random_hex(rng, 4)?))?;
        let name: String = self.database.chars().take(NAME_CHARS).collect();
        let role = format!("amanah_intruder_{}_{name}", installation.expose());
        let password = data.password(&format!("intruder-{}", self.file_name()?), rng)?;
        maker.ensure_login(&role, &password).await?;
        maker.grant_role(&self.app_role, &role).await?;
        Ok(Db::lazy(&owner.url().login(&role, Some(password)), CONNECTIONS)?)
    }

    fn binding_key(&self) -> anyhow::Result<BindingKey> {
        let bytes = unhex(&self.key).context("the binding key of a protected database")?;
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
    for path in data.private_files() {
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

/// The whole binding key as text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    let digit = |c: char| c.to_digit(16).and_then(|d| u8::try_from(d).ok());
    let digits: Option<Vec<u8>> = text.chars().map(digit).collect();
    let digits = digits.filter(|d| d.len() % 2 == 0).context("it is damaged")?;
    Ok(digits.chunks(2).map(|pair| pair.iter().fold(0, |all, d| all * 16 + d)).collect())
}

/// Server and database, whoever logs in.
fn place(url: &DatabaseUrl) -> String {
    let host = match &url.host {
        store::Host::Tcp(name) => name.clone(),
        store::Host::Socket(dir) => dir.display().to_string(),
    };
    safe(&format!("{host}:{}/{}", url.port, url.database))
}

/// A text as part of a file's name: other characters than letters, digits and `-` are written as
/// their code, so that two texts never become one name.
fn safe(text: &str) -> String {
    let piece = |c: char| match c {
        c if c.is_ascii_alphanumeric() || c == '-' => c.to_string(),
        other => format!("_{:x}_", u32::from(other)),
    };
    text.chars().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::{hex, safe, unhex};

    #[test]
    fn names_and_keys_survive() {
        assert_ne!(safe("a/b"), safe("a_b"));
        assert!(!safe("../x").contains(['/', '.']));
        assert_eq!(unhex(&hex(&[0, 15, 255])).unwrap(), [0, 15, 255]);
        assert!(unhex("abc").is_err() && unhex("zz").is_err());
    }
}
