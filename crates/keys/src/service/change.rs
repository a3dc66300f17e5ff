//! Writing the next generation, and finishing what a write began.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use cipher::Material;
use kms::{Destruction, Generation};

use super::current::open_ring;
use super::{Keys, Settings};
use crate::document::{Document, Id, Scheduled, sha256};
use crate::draft::Draft;
use crate::wrapping::ring_context;
use crate::{Buried, Error, Head, Result, Tombstone};

/// So often a change is made again when others were faster.
const MAX_TRIES: u32 = 64;
/// From this try on, a random pause lets others finish.
const PAUSE_FROM: u32 = 2;
/// The longest pause, in milliseconds.
const MAX_PAUSE: u8 = 64;
/// So many generations are kept, the newest included, unless something was destroyed.
pub(super) const KEPT: u64 = 8;

/// What happens to the ring key with a change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It stays.
    Keep,
    /// A new one, under the root's current generation.
    Rekey,
    /// A new one under a new generation of the root, and the old generations are to be destroyed:
    /// then no older copy of the ring opens any more.
    Destroy,
}

impl Keys {
    /// Makes a change and writes it as the next generation. When another process was faster, its
    /// change is taken in and this one is made again. Nothing is written when `apply` fails or
    /// changes nothing.
    pub(super) async fn change<T: Send>(
        &self,
        step: Step,
        mut apply: impl FnMut(&mut Draft<'_>) -> Result<T> + Send,
    ) -> Result<T> {
        let settings = &self.inner.settings;
        let _writing = self.inner.writing.lock().await;
        let mut rolled = None;
        for attempt in 0..MAX_TRIES {
            if attempt >= PAUSE_FROM {
                self.pause().await?;
            }
            self.take_in(attempt > 0).await?;
            let state = self.inner.state.load_full();
            let (now, rng) = (settings.now(), settings.rng.as_ref());
            // Another process made a new ring key between the two lines above.
            let Some(mut draft) = Draft::of(&state, now, rng) else { continue };
            let value = apply(&mut draft)?;
            if !draft.changed {
                return Ok(value);
            }
            // What an older copy brought back is destroyed with whatever is written first: once a
            // generation names it as destroyed, nobody would ask the root again.
            let owed = self.inner.owed.load(Ordering::Acquire);
            let step = if owed { Step::Destroy } else { step };
            if owed {
                draft.forget();
            }
            if step != Step::Keep {
                rekey(settings, &mut draft, step, &mut rolled).await?;
            }
            let number = state.document.generation.saturating_add(1);
            let (next, bytes) = draft.finish(number, settings.shelf.place())?;
            if put(settings, number, bytes, &next.digest).await? {
                self.install(next);
                if owed {
                    self.inner.owed.store(false, Ordering::Release);
                }
                self.tell_anchors().await;
                self.prune(number.saturating_sub(KEPT - 1)).await;
                return Ok(value);
            }
        }
        Err(Error::Conflict)
    }

    /// Destroys generations of the root that a written generation of the ring does without, and
    /// notes it in the ring.
    pub(super) async fn finish(&self, pending: &[Generation]) -> Result<()> {
        let root = self.inner.settings.root.as_ref();
        self.take_in(true).await?;
        let state = self.inner.state.load_full();
        let opened = state.opened.as_ref().ok_or(Error::Conflict)?;
        // The new ring must open before nothing opens the old one.
        let ring = open_ring(root, &state.document).await?;
        let same = verify_slices_are_equal(ring.material.expose(), opened.ring.material.expose());
        same.map_err(|_| self.ring_error("the root opens it to another key than was wrapped"))?;
        let (mut done, mut scheduled, mut failed) = (Vec::new(), Vec::new(), None);
        for generation in pending {
            if *generation == state.document.ring_key.wrapped.generation {
                return Err(self.ring_error("the root's generation that opens it is to go"));
            }
            match root.destroy(generation).await {
                Ok(Destruction::Done) | Err(kms::Error::Destroyed(_)) => {
                    done.push(generation.clone());
                }
                Ok(Destruction::Scheduled(until)) => {
                    scheduled.push(Scheduled { generation: generation.clone(), until });
                }
                // The others may go all the same.
                Err(error) => failed = Some(error),
            }
        }
        self.change(Step::Keep, |draft| {
            let document = &mut draft.document;
            let (before, had) = (document.pending.len(), document.scheduled.clone());
            let answered = |generation: &Generation| {
                done.contains(generation) || scheduled.iter().any(|s| s.generation == *generation)
            };
            document.pending.retain(|generation| !answered(generation));
            // The time alone does not make it so: an administrator may have called it back.
            document.scheduled.retain(|have| !answered(&have.generation));
            document.scheduled.extend(scheduled.iter().cloned());
            draft.changed = document.pending.len() < before || document.scheduled != had;
            Ok(())
        })
        .await?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        self.prune(self.generation()).await;
        Ok(())
    }

    /// Has the root begin a new generation when something was destroyed in memory alone.
    pub(super) async fn finish_owed(&self) {
        if !self.inner.owed.load(Ordering::Acquire) {
            return;
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

    /// Tells every anchor of the generation in memory. Which of them did not take it: they are
    /// told again with the next change or refresh.
    pub(super) async fn tell_anchors(&self) -> Vec<String> {
        let (head, buried) = match self.signed() {
            Ok(signed) => signed,
            Err(error) => {
                tracing::warn!(%error, "the anchors of the key ring were not told");
                return self.inner.settings.anchors.iter().map(|a| a.place()).collect();
            }
        };
        let mut missed = Vec::new();
        for anchor in &self.inner.settings.anchors {
            if let Err(error) = anchor.advance(&head, &buried).await {
                let place = anchor.place();
                tracing::warn!(%error, %place, "an anchor of the key ring was not told");
                missed.push(place);
            }
        }
        if missed.is_empty() {
            self.inner.anchored.fetch_max(head.generation, Ordering::AcqRel);
        }
        missed
    }

    /// What anchors are told of the generation in memory, with the ring's own signature.
    ///
    /// # Errors
    /// [`Error::Conflict`] while a ring key that another process made is not open yet.
    pub(crate) fn signed(&self) -> Result<(Head, Vec<Buried>)> {
        let state = self.inner.state.load_full();
        let signer = &state.opened.as_ref().ok_or(Error::Conflict)?.signer;
        let Document { installation, generation, tombstones, .. } = &state.document;
        let head = Head::sign(installation, (*generation, &state.digest), signer)?;
        let sign = |stone: &Tombstone| Buried::sign(stone.clone(), installation, signer);
        Ok((head, tombstones.iter().map(sign).collect::<Result<_>>()?))
    }

    /// Removes generations before `number`. What stays behind opens nothing that was destroyed.
    pub(super) async fn prune(&self, number: u64) {
        if let Err(error) = self.inner.settings.shelf.prune(number).await {
            tracing::warn!(%error, "older generations of the key ring could not be removed");
        }
    }

    async fn pause(&self) -> Result<()> {
        let mut random = [0];
        self.inner.settings.rng.fill(&mut random)?;
        let milliseconds = random.first().map_or(0, |byte| byte % MAX_PAUSE);
        tokio::time::sleep(Duration::from_millis(milliseconds.into())).await;
        Ok(())
    }
}

/// Puts a new ring key into the draft. `rolled` remembers the root's new generation for the next
/// try, so that a lost race does not leave one unused.
pub(super) async fn rekey(
    settings: &Settings,
    draft: &mut Draft<'_>,
    step: Step,
    rolled: &mut Option<Generation>,
) -> Result<()> {
    let root = settings.root.as_ref();
    let document = &draft.document;
    let used = |generation: &Generation| {
        document.root_generations.contains(generation) || document.pending.contains(generation)
    };
    if step == Step::Destroy && rolled.as_ref().is_none_or(used) {
        *rolled = Some(root.roll().await?);
    }
    let material = Material::generate(settings.rng.as_ref())?;
    let id = Id::generate(settings.rng.as_ref())?;
    let wrapped = root.wrap(&material, &ring_context(&document.installation, id)).await?;
    let document = &mut draft.document;
    if step == Step::Destroy {
        let old = std::mem::take(&mut document.root_generations);
        let fresh: Vec<_> = old.into_iter().filter(|g| !document.pending.contains(g)).collect();
        document.pending.extend(fresh);
    }
    if document.pending.contains(&wrapped.generation) {
        let place = root.place().place;
        let why = "it still wraps under its old generation after a new one was begun".to_owned();
        return Err(kms::Error::Unavailable { place, why }.into());
    }
    if !document.root_generations.contains(&wrapped.generation) {
        document.root_generations.push(wrapped.generation.clone());
    }
    draft.rekey(id, material, wrapped)
}

/// Puts a generation on the shelf. An answer that was lost on the way is looked up; one that says
/// that the shelf is of no use is believed, whatever lies there.
pub(super) async fn put(
    settings: &Settings,
    number: u64,
    bytes: Vec<u8>,
    digest: &str,
) -> Result<bool> {
    match settings.shelf.put(number, bytes).await {
        Ok(first) => Ok(first),
        Err(error @ Error::Careless { .. }) => Err(error),
        Err(error) => match settings.shelf.newest().await {
            Ok(Some((found, bytes))) if found == number && sha256(&bytes) == digest => Ok(true),
            _ => Err(error),
        },
    }
}
