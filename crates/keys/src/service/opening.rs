//! From the shelf into memory: opening a ring, and making the first one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aws_lc_rs::signature::KeyPair as _;
use cipher::Material;
use kernel::hex;

use super::change::put;
use super::current::open_all;
use super::seen::{Known, Others, Seen};
use super::{Keys, Settings, refuse};
use crate::document::{Blob, Document, FORMAT, Id, RingKey, sha256};
use crate::draft::Draft;
use crate::state::{ReadyKeys, State};
use crate::wrapping::{Opened, Wrapping, ring_context, seed_context, signer};
use crate::{Error, Result, Tombstone};

/// So often opening begins again when others change the ring meanwhile.
const MAX_TRIES: u32 = 8;

impl Keys {
    /// Opens the ring. A ring is made only where there is none and no anchor has ever seen one.
    ///
    /// # Errors
    /// When the root does not answer or refuses, and when the ring is damaged, older than an
    /// anchor knows, or of another installation. Nothing is overwritten then.
    pub async fn open(settings: Settings) -> Result<Self> {
        for _ in 0..MAX_TRIES {
            // The anchors first: what is written meanwhile can only be newer than what they say.
            let seen = Seen::by(&settings).await?;
            let Some((number, bytes)) = settings.shelf.newest().await? else {
                if let Some(head) = seen.newest() {
                    return Err(refuse(
                        &settings,
                        format!(
                            "it is gone, and its generation {} is known; put the newest copy of it \
                         back, or recover it from a recovery kit",
                            head.generation
                        ),
                    ));
                }
                let Some(state) = first(&settings).await? else { continue };
                let known = seen.of(&settings, &state.document.public_key, Others::Refuse)?;
                return Ok(Self::opened(settings, state, known).await);
            };
            let (document, known) = seen.judge(&settings, (number, &bytes), Others::Refuse)?;
            known.refuse_older(&settings, number, &sha256(&bytes))?;
            let opened = open_all(&settings, &document).await?;
            let state = State::new(document, sha256(&bytes), Some(opened), ReadyKeys::new())?;
            return Ok(Self::opened(settings, state, known).await);
        }
        Err(Error::Conflict)
    }

    /// Finishes what an earlier process left undone, as far as it can be done now.
    pub(super) async fn opened(settings: Settings, state: State, known: Known) -> Self {
        let keys = Self::with(settings, state, known.passed);
        keys.tell_anchors().await;
        let back = keys.inner.state.load().document.news(&known.tombstones);
        if !back.is_empty() {
            keys.bury_again(&back);
        }
        if let Err(error) = keys.refresh().await {
            tracing::warn!(%error, "the key ring could not be read again");
        }
        keys
    }

    /// Destroys in memory again what an older copy brought back, whatever the root and the shelf
    /// say. The ring follows with the next refresh or change.
    fn bury_again(&self, tombstones: &[Tombstone]) {
        let state = self.inner.state.load_full();
        let mut document = state.document.clone();
        document.bury(tombstones);
        let (digest, opened) = (state.digest.clone(), state.opened.clone());
        if let Ok(next) = State::new(document, digest, opened, state.ready.clone()) {
            self.inner.state.store(Arc::new(next));
        }
        self.inner.owed.store(true, Ordering::Release);
    }
}

/// A ring without keys, not written yet.
pub(super) struct Founded {
    pub(super) document: Document,
    pub(super) opened: Opened,
}

/// Makes the first ring. `None` when another process was faster.
async fn first(settings: &Settings) -> Result<Option<State>> {
    let seed = Material::generate(settings.rng.as_ref())?;
    let Founded { document, opened } = found(settings, &seed).await?;
    let (now, rng) = (settings.now(), settings.rng.as_ref());
    let draft = Draft::new(document, opened, ReadyKeys::new(), (now, rng));
    let (state, bytes) = draft.finish(1, settings.shelf.place())?;
    Ok(put(settings, 1, bytes, &state.digest).await?.then_some(state))
}

pub(super) async fn found(settings: &Settings, seed: &Material) -> Result<Founded> {
    let (now, rng) = (settings.now(), settings.rng.as_ref());
    let installation = settings.installation.clone();
    let (material, id) = (Material::generate(rng)?, Id::generate(rng)?);
    let wrapped = settings.root.wrap(&material, &ring_context(&installation, id)).await?;
    let above = Arc::new(Wrapping::new(material)?);
    let signer = Arc::new(signer(seed)?);
    let document = Document {
        format: FORMAT,
        generation: 1,
        written_at: now,
        public_key: hex(signer.public_key().as_ref()),
        root_generations: vec![wrapped.generation.clone()],
        ring_key: RingKey { id, made_at: now, wrapped },
        signing_seed: Blob(above.wrap(&seed_context(&installation), seed, rng)?),
        installation,
        pending: Vec::new(),
        scheduled: Vec::new(),
        key_encryption_keys: Vec::new(),
        keys: Vec::new(),
        clients: Vec::new(),
        tombstones: Vec::new(),
        kits: Vec::new(),
    };
    let opened = Opened { id, ring: above, keks: BTreeMap::new(), seed: seed.clone(), signer };
    Ok(Founded { document, opened })
}
