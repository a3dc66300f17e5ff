//! A ring in a scratch folder, over a root in a file beside it: for rehearsals and bites.

use std::path::Path;
use std::sync::Arc;

use jiff::SignedDuration;
use kernel::{Clock, Rng, Secret, random_hex};
use kms::FileRoot;

use super::Scratch;
use crate::{Directory, FileAnchor, KeyName, KeyRef, Keys, Policy, Settings, Shelf, Spec};

/// The ring. Everything of it goes when this is dropped.
pub(super) struct Practice {
    pub(super) keys: Keys,
    shelf: Arc<Directory>,
    _scratch: Scratch,
}

impl Practice {
    /// Makes a ring below `parent`.
    pub(super) async fn new(
        parent: &Path,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, String> {
        let scratch = Scratch::new(parent, &*rng)?;
        let told = |e: &dyn std::fmt::Display| format!("no ring could be made for practice: {e}");
        let secret = Secret::new(random_hex(&*rng, 32).map_err(|e| told(&e))?);
        let path = scratch.path().join("root");
        let root = FileRoot::create(&path, &secret, Arc::clone(&clock), Arc::clone(&rng)).await;
        let shelf = Arc::new(Directory::new(scratch.path().join("ring")));
        let settings = Settings {
            installation: "practice".to_owned(),
            shelf: Arc::clone(&shelf) as Arc<dyn Shelf>,
            root: Arc::new(root.map_err(|e| told(&e))?),
            anchors: vec![Arc::new(FileAnchor::new(scratch.path().join("head")))],
            policy: Policy { default: SignedDuration::from_hours(24), purposes: [].into() },
            clock,
            rng,
        };
        let keys = Keys::open(settings).await.map_err(|e| told(&e))?;
        Ok(Self { keys, shelf, _scratch: scratch })
    }

    /// Makes a key of the house called `name`.
    pub(super) async fn key(&self, name: &str) -> Result<KeyRef, crate::Error> {
        let key = KeyRef { tenant: None, name: KeyName::new(name)? };
        self.keys.create(&key, &Spec::default()).await?;
        Ok(key)
    }

    /// The ring as it lies in its folder.
    pub(super) async fn written(&self) -> Result<Vec<u8>, crate::Error> {
        // An empty ring would hold nothing that should have left it.
        let newest = self.shelf.newest().await?;
        newest.map(|(_, bytes)| bytes).ok_or(crate::Error::Malformed("no ring was written"))
    }
}
