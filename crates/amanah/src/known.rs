//! The protected databases as this process knows them.

use std::fmt;

use kernel::{Rng, Secret};
use keys::Strongbox;
use serde::{Deserialize, Serialize};
use store::{DatabaseUrl, Host};
use tenancy::Guarded;

use crate::data::Data;
use crate::exit::Usage;
use crate::ground::Ground;
use crate::kept::{self, Kept, KeptSecrets};
use crate::rotation;

/// What was written down of the protected databases at one moment, opened.
#[derive(Default)]
pub(crate) struct Known {
    /// As it was written down.
    pub(crate) kept: Vec<Kept>,
    /// Those that could be opened.
    pub(crate) guarded: Vec<Guarded>,
    /// Those that could not.
    pub(crate) lost: Vec<Lost>,
}

/// A protected database that could not be opened.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) kept: Kept,
    pub(crate) why: String,
}

/// A protected database that a command means.
pub(crate) struct Named<'a> {
    /// What it is called: see [`name()`].
    pub(crate) name: String,
    pub(crate) kept: &'a Kept,
    /// Or why it could not be opened.
    pub(crate) opened: Result<&'a Guarded, &'a str>,
}

impl<'a> Named<'a> {
    /// What was opened.
    ///
    /// # Errors
    /// When nothing was; with what to do about it.
    pub(crate) fn guarded(&self) -> anyhow::Result<&'a Guarded> {
        let name = &self.name;
        self.opened.map_err(|why| {
            anyhow::anyhow!("{name} cannot be opened now: {why}. `amanah doctor` says more")
        })
    }
}

impl Known {
    /// Every database that this installation protects. What was opened `before` and is as it was stays as
    /// it is. One that cannot be opened, because it was dropped, say, is no reason to leave the others.
    ///
    /// # Errors
    /// When what is written down cannot be read: nothing is known then, and nothing is lost.
    pub(crate) async fn read(
        ground: &Ground,
        data: &Data,
        strongbox: &Strongbox,
        rng: &dyn Rng,
        before: &Self,
    ) -> anyhow::Result<Self> {
        kept::take_in(data, strongbox).await?;
        let mut known = Self { kept: kept::all(data)?, ..Self::default() };
        for kept in &known.kept {
            let opened = match kept.secrets(strongbox).await {
                Ok(Some(secrets)) => match before.opened(kept, &secrets) {
                    Some(guarded) => Ok(guarded.clone()),
                    None => kept.open_with(secrets, ground, data, strongbox, rng).await,
                },
                Ok(None) => Err(anyhow::anyhow!(kept.lost())),
                // A control database that is away for a moment says nothing about this one.
                Err(error) if kept::is_away(&error) => return Err(error),
                Err(error) => Err(error),
            };
            match opened {
                Ok(one) => known.guarded.push(one),
                Err(error) => {
                    let lost = Lost { kept: kept.clone(), why: format!("{error:#}") };
                    if !before.lost.contains(&lost) {
                        let (database, why) = (&kept.database, &lost.why);
                        tracing::warn!(database, why, "a database could not be opened");
                    }
                    known.lost.push(lost);
                }
            }
        }
        Ok(known)
    }

    /// The same, with a database that was protected just now in place of what was known of it.
    pub(crate) fn with(&self, kept: Kept, guarded: Guarded) -> Self {
        let mut all: Vec<Guarded> = self.others(&guarded).cloned().collect();
        let lost = self.lost.iter().filter(|one| !one.kept.is_at(&kept)).cloned().collect();
        let others = self.kept.iter().filter(|one| !one.is_at(&kept));
        let mut written: Vec<Kept> = others.cloned().collect();
        written.push(kept);
        all.push(guarded);
        Self { kept: written, guarded: all, lost }
    }

    /// All but this one.
    pub(crate) fn others<'a>(&'a self, one: &Guarded) -> impl Iterator<Item = &'a Guarded> {
        let place = DatabaseAt::of(one);
        self.guarded.iter().filter(move |other| DatabaseAt::of(other) != place)
    }

    /// The databases that `--database NAME` means, or all of them; never none. One that could not be
    /// opened is among them: who asks about all is not told about the others alone.
    ///
    /// # Errors
    /// [`Usage`] when there is none, or several of this name lie on different servers.
    pub(crate) fn named(
        &self,
        ground: &Ground,
        wanted: Option<&str>,
    ) -> anyhow::Result<Vec<Named<'_>>> {
        let all = self.kept.iter().map(|kept| Named {
            name: name(kept),
            kept,
            opened: self.at(kept, ground),
        });
        meant(all.collect(), wanted)
    }

    /// The one that `--database NAME` means, or the only one.
    ///
    /// # Errors
    /// As [`Known::named`], and when there are several.
    pub(crate) fn only(&self, ground: &Ground, wanted: Option<&str>) -> anyhow::Result<Named<'_>> {
        let mut all = self.named(ground, wanted)?;
        if let [_, _, ..] = all.as_slice() {
            let names: Vec<_> = all.iter().map(|one| one.name.as_str()).collect();
            return Err(Usage(format!("say with --database which: {}", names.join(", "))).into());
        }
        all.pop().ok_or_else(|| Usage("no database is protected here".to_owned()).into())
    }

    /// What was opened of a database that is written down so, or why it was not.
    pub(crate) fn at(&self, kept: &Kept, ground: &Ground) -> Result<&Guarded, &str> {
        let lost = self.lost.iter().find(|lost| lost.kept.is_at(kept));
        let why = lost.map_or("it was protected a moment ago: try again", |lost| &lost.why);
        let url = match &kept.address {
            Some(address) => DatabaseUrl::parse(address).map_err(|_| why)?,
            None => ground.login(&kept.owner, Secret::new(String::new()), &kept.database),
        };
        let place = DatabaseAt::at(&url);
        self.guarded.iter().find(|guarded| DatabaseAt::of(guarded) == place).ok_or(why)
    }

    /// Whether these are written down now.
    pub(crate) fn is_of(&self, now: &[Kept]) -> bool {
        are_same(&self.kept, now)
    }

    /// What was opened of a database that is written down like this, with these secrets.
    pub(crate) fn opened(&self, kept: &Kept, secrets: &KeptSecrets) -> Option<&Guarded> {
        let guarded = rotation::find(&self.guarded, &secrets.keys)?;
        let same_superuser = kept.address.is_none()
            || secrets.superuser.is_some() == guarded.protected.superuser.is_some();
        (self.kept.contains(kept) && same_superuser).then_some(guarded)
    }
}

/// Whether both are the same, in whatever order.
pub(crate) fn are_same(before: &[Kept], now: &[Kept]) -> bool {
    before.len() == now.len() && now.iter().all(|kept| before.contains(kept))
}

/// Those that are wanted.
fn meant<'a>(mut all: Vec<Named<'a>>, wanted: Option<&str>) -> anyhow::Result<Vec<Named<'a>>> {
    all.sort_by(|one, other| one.name.cmp(&other.name));
    let names: Vec<_> = all.iter().map(|one| one.name.as_str()).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let Some(wanted) = wanted else {
        let none = "no database is protected here; see `amanah protect`";
        return if all.is_empty() { Err(Usage(none.to_owned()).into()) } else { Ok(all) };
    };
    let is_exact = all.iter().any(|one| one.name == wanted);
    // The server may be left out where the name alone says which it is.
    all.retain(|one| one.name == wanted || !is_exact && one.kept.database == wanted);
    let words = match all.len() {
        0 => format!("{wanted} is not protected here; protected: {names}"),
        1 => return Ok(all),
        _ => format!("several are called {wanted}; say which of {names}"),
    };
    Err(Usage(words).into())
}

/// What a protected database is called in commands, in what is logged, and in the name of its log: its
/// own name, with `@HOST:PORT` behind it where it is on another server than the installation's own.
pub(crate) fn name(kept: &Kept) -> String {
    let Some(address) = &kept.address else { return kept.database.clone() };
    // What cannot be read as an address cannot be opened either, so no log is begun under this name.
    let server = DatabaseUrl::parse(address).map_or_else(|_| address.clone(), |url| server(&url));
    format!("{}@{server}", kept.database)
}

/// The server of an address.
fn server(url: &DatabaseUrl) -> String {
    let host = match &url.host {
        Host::Tcp(name) => name.clone(),
        Host::Socket(folder) => folder.display().to_string(),
    };
    format!("{host}:{}", url.port)
}

/// Which database it is, by whatever login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DatabaseAt(String);

impl DatabaseAt {
    pub(crate) fn of(guarded: &Guarded) -> Self {
        Self::at(guarded.protected.owner.url())
    }

    /// Server and database.
    pub(crate) fn at(url: &DatabaseUrl) -> Self {
        Self(format!("{}/{}", server(url), url.database))
    }
}

impl fmt::Display for DatabaseAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use kernel::Secret;
    use kernel::TenantId;
    use store::DatabaseUrl;

    use super::{Named, meant, name};
    use crate::kept::Kept;

    /// A protected database; the installation's own server has no address.
    fn kept(database: &str, address: Option<&str>) -> Kept {
        let canary = |id: &str| TenantId::new(id).unwrap();
        let url = DatabaseUrl::parse(&format!("postgres://owner@localhost/{database}")).unwrap();
        let url = url.login("owner", Some(Secret::new(String::new())));
        let canaries = (canary("a"), canary("b"));
        let mut kept = Kept::new(&url, "app", "tenant", canaries, "k1");
        kept.address = address.map(str::to_owned);
        kept
    }

    #[test]
    fn a_database_is_named_as_its_log_is() {
        let all = [
            kept("shop", Some("postgres://owner@db2:5433/shop")),
            kept("shop", None),
            kept("books", Some("postgres://owner@db2:5433/books")),
            kept("files", Some("postgres://owner@db2:5433/files")),
            kept("files", Some("postgres://owner@db3:5432/files")),
        ];
        let found = |wanted: Option<&str>| {
            let named = |kept| Named { name: name(kept), kept, opened: Err("it is away") };
            let found = meant(all.iter().map(named).collect(), wanted);
            found.map(|all| all.into_iter().map(|one| one.name).collect::<Vec<_>>())
        };
        assert_eq!(found(None).unwrap().len(), all.len());
        for (wanted, name) in [
            ("shop", "shop"),
            ("shop@db2:5433", "shop@db2:5433"),
            ("books", "books@db2:5433"),
            ("files@db3:5432", "files@db3:5432"),
        ] {
            assert_eq!(found(Some(wanted)).unwrap(), [name]);
        }
        let words = |wanted| found(Some(wanted)).unwrap_err().to_string();
        assert!(words("files").contains("several are called files"));
        let none = words("book");
        assert!(none.contains("book is not protected here; protected: books@db2:5433"), "{none}");
        assert!(meant(Vec::new(), None).is_err());
    }
}
