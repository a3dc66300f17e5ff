//! From the shelf into memory: opening a ring, making the first one, and going on after a loss.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::signature::KeyPair as _;
use cipher::Material;
use kernel::hex;

use super::change::{Step, put};
use super::current::{judge, open_all};
use super::{Keys, Settings};
use crate::document::{Blob, Document, FORMAT, Id, RingKey, sha256};
use crate::draft::Draft;
use crate::snapshot::Snapshot;
use crate::state::{ReadyKeys, State};
use crate::wrapping::{Opened, Wrapping, ring_context, seed_context, signer};
use crate::{Error, Head, Result, Tombstone};

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
                match first(&settings).await? {
                    Some(state) => return Ok(Self::opened(settings, state, &[]).await),
                    None => continue,
                }
            };
            let document = seen.judge(&settings, number, &bytes)?;
            seen.refuse_older(&settings, number, &sha256(&bytes))?;
            let opened = open_all(&settings, &document).await?;
            let state = State::new(document, sha256(&bytes), Some(opened), ReadyKeys::new())?;
            return Ok(Self::opened(settings, state, &seen.tombstones).await);
        }
        Err(Error::Conflict)
    }

    /// Goes on from generation `number`, because what came after it is lost: an administrator
    /// decides this. What any anchor knows to be destroyed is gone from it; other changes that
    /// were made after it are lost. It is written again as the newest generation.
    ///
    /// # Errors
    /// As [`Keys::open`], but for its age.
    pub async fn accept(settings: Settings, number: u64) -> Result<Self> {
        let seen = Seen::by(&settings).await?;
        let top = seen.top(&settings).await?;
        let bytes = settings.shelf.read(number).await?.ok_or_else(|| {
            refuse(&settings, format!("generation {number} is not there; put a copy of it there"))
        })?;
        let document = seen.judge(&settings, number, &bytes)?;
        let opened = open_all(&settings, &document).await?;
        let state = State::new(document, sha256(&bytes), Some(opened), ReadyKeys::new())?;
        // What is lost may lie under the generation that the root has now.
        let current = settings.root.current().await?;
        let (now, rng) = (settings.now(), Arc::clone(&settings.rng));
        let mut draft = Draft::of(&state, now, rng.as_ref()).ok_or(Error::Conflict)?;
        if !draft.document.root_generations.contains(&current) {
            draft.document.root_generations.push(current);
        }
        Self::publish(settings, draft, top, &seen.tombstones).await
    }

    /// Makes the ring again from what a recovery kit held: under a new ring key, above every
    /// generation that an anchor knows, without what any anchor knows to be destroyed.
    ///
    /// # Errors
    /// When the kit is of another installation or of another ring than the anchors know, and when
    /// the root does not answer. Nothing is overwritten then.
    pub async fn rebuild(settings: Settings, snapshot: &Snapshot) -> Result<Self> {
        let seen = Seen::by(&settings).await?;
        let top = seen.top(&settings).await?.max(snapshot.generation);
        if snapshot.installation != settings.installation {
            let (theirs, ours) = (&snapshot.installation, &settings.installation);
            let why =
                format!("the kit is of installation {theirs}, not of {ours}; use its own kit");
            return Err(refuse(&settings, why));
        }
        let mut fresh = found(&settings, &snapshot.seed.0).await?;
        seen.refuse_other(&settings, &fresh.document)?;
        // Older copies may lie under other generations of the same root.
        let context = ring_context(&snapshot.installation, snapshot.ring_key.id);
        if settings.root.unwrap(&snapshot.ring_key.wrapped, &context).await.is_ok() {
            for generation in &snapshot.root_generations {
                if !fresh.document.root_generations.contains(generation) {
                    fresh.document.root_generations.push(generation.clone());
                }
            }
        }
        let (now, rng) = (settings.now(), Arc::clone(&settings.rng));
        let Founded { document, opened } = fresh;
        let mut draft = Draft::new(document, opened, ReadyKeys::new(), (now, rng.as_ref()));
        snapshot.fill(&mut draft)?;
        // Before it is written: what was destroyed never lies in the new ring.
        draft.bury(&seen.tombstones);
        Self::publish(settings, draft, top, &seen.tombstones).await
    }

    /// Writes a ring that was put together anew as the generation after `top`.
    async fn publish(
        settings: Settings,
        draft: Draft<'_>,
        top: u64,
        tombstones: &[Tombstone],
    ) -> Result<Self> {
        let number = top.saturating_add(1);
        let (state, bytes) = draft.finish(number, settings.shelf.place())?;
        if !put(&settings, number, bytes, &state.digest).await? {
            return Err(Error::Conflict);
        }
        Ok(Self::opened(settings, state, tombstones).await)
    }

    /// Finishes what an earlier process left undone, as far as it can be done now.
    async fn opened(settings: Settings, state: State, tombstones: &[Tombstone]) -> Self {
        let keys = Self::with(settings, state);
        keys.tell_anchors().await;
        let back = keys.inner.state.load().document.news(tombstones);
        if !back.is_empty() {
            keys.bury_again(&back).await;
        }
        if let Err(error) = keys.refresh().await {
            tracing::warn!(%error, "the key ring could not be read again");
        }
        keys
    }

    /// Destroys again what an older copy brought back. It is gone from memory whatever the root
    /// and the shelf say.
    async fn bury_again(&self, tombstones: &[Tombstone]) {
        let state = self.inner.state.load_full();
        let mut document = state.document.clone();
        document.bury(tombstones);
        let (digest, opened) = (state.digest.clone(), state.opened.clone());
        if let Ok(next) = State::new(document, digest, opened, state.ready.clone()) {
            self.inner.state.store(Arc::new(next));
        }
        let buried = self.change(Step::Destroy, |draft| {
            draft.forget();
            draft.changed = true;
            Ok(())
        });
        if let Err(error) = buried.await {
            tracing::warn!(%error, "what was destroyed before is destroyed in memory alone");
        }
    }
}

/// What the anchors know.
struct Seen {
    heads: Vec<(String, Head)>,
    tombstones: Vec<Tombstone>,
}

impl Seen {
    async fn by(settings: &Settings) -> Result<Self> {
        let mut seen = Self { heads: Vec::new(), tombstones: Vec::new() };
        for anchor in &settings.anchors {
            if let Some(head) = anchor.head().await? {
                seen.heads.push((anchor.place(), head));
            }
            for stone in anchor.tombstones().await? {
                if !seen.tombstones.contains(&stone) {
                    seen.tombstones.push(stone);
                }
            }
        }
        Ok(seen)
    }

    fn newest(&self) -> Option<&Head> {
        self.heads.iter().map(|(_, head)| head).max_by_key(|head| head.generation)
    }

    /// The highest number that is known anywhere.
    async fn top(&self, settings: &Settings) -> Result<u64> {
        let there = settings.shelf.newest().await?.map_or(0, |(number, _)| number);
        Ok(self.newest().map_or(0, |head| head.generation).max(there))
    }

    /// Reads a ring, which must be the one that every anchor knows.
    fn judge(&self, settings: &Settings, number: u64, bytes: &[u8]) -> Result<Document> {
        let document = judge(number, bytes, &settings.installation, None);
        let document = document.map_err(|why| refuse(settings, why))?;
        self.refuse_other(settings, &document)?;
        Ok(document)
    }

    fn refuse_other(&self, settings: &Settings, document: &Document) -> Result<()> {
        for (place, head) in &self.heads {
            if head.installation != settings.installation {
                return Err(refuse(
                    settings,
                    format!(
                        "{place} remembers installation {}, and this one is {}; somebody mixed two \
                     installations, so put each one's files back",
                        head.installation, settings.installation
                    ),
                ));
            }
            if head.public_key != document.public_key {
                return Err(refuse(
                    settings,
                    format!(
                        "it was signed by another key than {place} remembers: it was forged, or is \
                     another ring; put the true one back, or recover it from a recovery kit"
                    ),
                ));
            }
        }
        Ok(())
    }

    fn refuse_older(&self, settings: &Settings, number: u64, digest: &str) -> Result<()> {
        for (place, head) in &self.heads {
            let known = head.generation;
            if number < known {
                let why = format!(
                    "it is generation {number}, and {place} has seen {known}: an older copy was \
                     put back; put generation {known} there. If that is lost, `amanah keys accept \
                     --generation {number}` goes on from this one, and what changed since is lost"
                );
                return Err(refuse(settings, why));
            }
            if number == known && digest != head.digest {
                let why = format!(
                    "generation {number} is another one than {place} has seen; put the true one \
                     back"
                );
                return Err(refuse(settings, why));
            }
        }
        Ok(())
    }
}

/// A ring without keys, not written yet.
struct Founded {
    document: Document,
    opened: Opened,
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

async fn found(settings: &Settings, seed: &Material) -> Result<Founded> {
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

fn refuse(settings: &Settings, why: String) -> Error {
    Error::Ring { place: settings.shelf.place(), why }
}
