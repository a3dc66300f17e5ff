//! Opening the ring: its root, its shelf and its anchors, as the configuration and the environment
//! say.

use std::sync::Arc;

use kernel::Cx;
use keys::{
    Anchor, DatabaseAnchor, Directory, FileAnchor, Head, KeyName, KeyRef, Keys, OWN_SECRETS,
    SECRETS_KEY, Settings, Shelf, Standing, Strongbox,
};
use kms::Root;

use crate::cli::Place;
use crate::config::{Config, RootKind};
use crate::data::Data;
use crate::ground::Ground;
use crate::installation::world;
use crate::roots::{self, ROOT_PASSWORD, ROOT_SECRET};

/// What commands on keys stand on. Accounts and protected databases are not opened: keys must be
/// within reach when those are not.
pub(crate) struct Keyhouse {
    pub(crate) ground: Ground,
    pub(crate) data: Data,
    pub(crate) config: Config,
    pub(crate) cx: Cx,
}

impl Keyhouse {
    /// Opens it for one piece of work, and closes it again however that ends.
    pub(crate) async fn with<T>(
        place: &Place,
        work: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let (config, cx) = (Config::load(place.config.as_deref())?, world());
        let data = Data::of(place)?;
        let turn = data.turn().await?;
        let ground = Ground::open(place, &config, &data, &*cx.rng).await?;
        drop(turn);
        let house = Self { ground, data, config, cx };
        let result = work(&house).await;
        let left = house.ground.leave(&house.data).await;
        let value = result?;
        left?;
        Ok(value)
    }

    /// The ring, open.
    pub(crate) async fn keys(&self) -> anyhow::Result<Keys> {
        Ok(open(&self.ground, &self.data, &self.config, &self.cx).await?.keys)
    }

    /// What the ring is opened with.
    pub(crate) async fn settings(&self, start: Start) -> anyhow::Result<Settings> {
        settings(&self.ground, &self.data, &self.config, &self.cx, start).await
    }

    /// Whether there is a ring that opens, without making one, or a root.
    ///
    /// # Errors
    /// When it cannot be told: an outage and a wrong secret are no loss.
    pub(crate) async fn standing(&self) -> anyhow::Result<Standing> {
        let lies = around(&self.ground, &self.data, &self.config)?;
        if lies.0.newest().await?.is_none() {
            return Ok(Standing::Gone);
        }
        // Its secret is not asked for: on a new machine there is none yet.
        let file = roots::root_file(&self.data);
        if self.config.keys.root == RootKind::File && !file.try_exists()? {
            let why = format!("its root is gone: there is no {}", file.display());
            return Ok(Standing::Lost(why));
        }
        let opened = match root(&self.data, &self.config, &self.cx, false).await {
            Ok(opened) => opened,
            Err(error) if is_lost(&error) => return Ok(Standing::Lost(error.to_string())),
            Err(error) => return Err(error),
        };
        let settings = put_together(lies, opened, &self.data, &self.config, &self.cx)?;
        Ok(Keys::standing(&settings).await?)
    }

    /// The house's own secrets.
    pub(crate) fn strongbox(&self, keys: &Keys) -> Strongbox {
        Strongbox::new(keys.clone(), self.ground.engine.clone())
    }
}

/// When a root may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Where no ring was ever seen.
    Usual,
    /// Where there is none: the ring that is written next is a recovered one.
    Recovery,
}

/// The ring, and the root that opened it: the proofs ask the root itself.
#[derive(Clone)]
pub(crate) struct Ring {
    pub(crate) keys: Keys,
    pub(crate) root: Arc<dyn Root>,
}

/// Opens the ring of an installation, or makes it where none was ever seen.
pub(crate) async fn open(
    ground: &Ground,
    data: &Data,
    config: &Config,
    cx: &Cx,
) -> anyhow::Result<Ring> {
    let settings = settings(ground, data, config, cx, Start::Usual).await?;
    let root = Arc::clone(&settings.root);
    let keys = Keys::open(settings).await?;
    keys.registers(OWN_SECRETS, &KeyRef { tenant: None, name: KeyName::new(SECRETS_KEY)? });
    Ok(Ring { keys, root })
}

async fn settings(
    ground: &Ground,
    data: &Data,
    config: &Config,
    cx: &Cx,
    start: Start,
) -> anyhow::Result<Settings> {
    let (shelf, anchors) = around(ground, data, config)?;
    let may_make = start == Start::Recovery || !seen(&*shelf, &anchors).await?;
    let root = root(data, config, cx, may_make).await?;
    put_together((shelf, anchors), root, data, config, cx)
}

type Anchors = Vec<Arc<dyn Anchor>>;

/// Where the ring lies, and what remembers it.
fn around(
    ground: &Ground,
    data: &Data,
    config: &Config,
) -> anyhow::Result<(Arc<dyn Shelf>, Anchors)> {
    let folder = data.folder("keys")?;
    let anchors: Anchors = vec![
        Arc::new(FileAnchor::new(folder.join("head"))),
        Arc::new(DatabaseAnchor::new(ground.engine.clone())),
    ];
    Ok((shelf(data, config)?, anchors))
}

fn put_together(
    (shelf, anchors): (Arc<dyn Shelf>, Anchors),
    root: Arc<dyn Root>,
    data: &Data,
    config: &Config,
    cx: &Cx,
) -> anyhow::Result<Settings> {
    Ok(Settings {
        installation: data.installation(&*cx.rng)?.expose().to_owned(),
        shelf,
        root,
        anchors,
        policy: config.keys.policy(),
        clock: Arc::clone(&cx.clock),
        rng: Arc::clone(&cx.rng),
    })
}

/// Whether the root is gone, and not out of reach.
fn is_lost(error: &anyhow::Error) -> bool {
    use kms::Error::{Destroyed, Missing, Refused};
    matches!(error.downcast_ref(), Some(Missing { .. } | Refused | Destroyed(_)))
}

/// Whether there is a ring, or somebody remembers one.
async fn seen(shelf: &dyn Shelf, anchors: &[Arc<dyn Anchor>]) -> anyhow::Result<bool> {
    for anchor in anchors {
        if anchor.heads().await?.iter().any(Head::verifies) {
            return Ok(true);
        }
    }
    Ok(shelf.newest().await?.is_some())
}

fn shelf(data: &Data, config: &Config) -> anyhow::Result<Arc<dyn Shelf>> {
    if config.keys.ring.is_empty() {
        return Ok(Arc::new(Directory::new(data.folder("keys/ring")?)));
    }
    Ok(Arc::new(roots::bucket(&config.keys)?))
}

/// Opens the root; makes it where that may be.
async fn root(
    data: &Data,
    config: &Config,
    cx: &Cx,
    may_make: bool,
) -> anyhow::Result<Arc<dyn Root>> {
    let setting = roots::setting(&config.keys, data, cx, may_make)?;
    let opened = setting.open(may_make, Arc::clone(&cx.clock), Arc::clone(&cx.rng)).await;
    opened.map_err(|error| match error {
        kms::Error::Missing { .. } => anyhow::Error::from(error).context(
            "there is a key ring, and the root that opens it is gone: put it back, or bring the \
             keys back with `amanah keys recover`. Nothing was overwritten",
        ),
        kms::Error::Denied { .. } if config.keys.root == RootKind::File => {
            anyhow::Error::from(error).context(hint(data))
        }
        other => other.into(),
    })
}

/// What to look at when the secret does not open the root's file.
fn hint(data: &Data) -> String {
    let made = data.root().join("secrets").join(ROOT_PASSWORD);
    if made.exists() {
        format!(
            "{ROOT_SECRET} does not open the root; unset it if {} is what seals it, and see \
             `amanah keys reseal`",
            made.display()
        )
    } else {
        format!("set {ROOT_SECRET} to the secret that sealed the root")
    }
}
