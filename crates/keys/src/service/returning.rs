//! Going on after a loss: from an older ring that is there, or from a recovery kit.

use std::sync::Arc;

use kms::{Generation, Root};

use super::change::{KEPT, Step, put, rekey};
use super::current::{judge, open_all};
use super::opening::{Founded, found};
use super::seen::{Known, Others, Seen};
use super::{Keys, Settings, refuse};
use crate::document::{Document, sha256};
use crate::draft::Draft;
use crate::snapshot::Snapshot;
use crate::state::{ReadyKeys, State};
use crate::wrapping::ring_context;
use crate::{Error, Result, Tombstone};

/// Whether there is a ring that a recovery would replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is there and opens.
    Opens,
    /// It is gone, or was never there.
    Gone,
    /// It is there and does not open, whatever one waits for; why, for people.
    Lost(String),
}

impl Keys {
    /// Whether the ring is there and opens, without making or writing anything.
    ///
    /// # Errors
    /// When it cannot be told: when the shelf, an anchor or the root does not answer or refuses
    /// us. That is no loss, and a recovery would overwrite what is only out of reach.
    pub async fn standing(settings: &Settings) -> Result<Standing> {
        let seen = Seen::by(settings).await?;
        let Some((number, bytes)) = settings.shelf.newest().await? else {
            return Ok(Standing::Gone);
        };
        let judged = seen.judge(settings, (number, &bytes), Others::Pass);
        let judged = judged.and_then(|(document, known)| {
            known.refuse_older(settings, number, &sha256(&bytes)).map(|()| document)
        });
        let document = match judged {
            Ok(document) => document,
            Err(error) => return Ok(Standing::Lost(error.to_string())),
        };
        match open_all(settings, &document).await {
            Ok(_) => Ok(Standing::Opens),
            Err(error) if is_lost(&error) => Ok(Standing::Lost(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// Goes on from generation `number`, because what came after it is lost: an administrator
    /// decides this. What any anchor, or a later generation that can still be read, knows to be
    /// destroyed is gone from it; other changes that were made after it are lost, so that a client
    /// that was dismissed since has its token again. It is written again as the newest generation.
    ///
    /// # Errors
    /// As [`Keys::open`], but for its age, and for an anchor that knows other rings alone where
    /// another one, which lies with the data directory, knows this ring.
    pub async fn accept(settings: Settings, number: u64) -> Result<Self> {
        let seen = Seen::by(&settings).await?;
        let bytes = settings.shelf.read(number).await?.ok_or_else(|| {
            refuse(&settings, format!("generation {number} is not there; put a copy of it there"))
        })?;
        let (document, known) = seen.judge(&settings, (number, &bytes), Others::Outvote)?;
        let top = known.top(&settings).await?;
        let later = later(&settings, &document.public_key, number).await?;
        let opened = open_all(&settings, &document).await?;
        let state = State::new(document, sha256(&bytes), Some(opened), ReadyKeys::new())?;
        // What is lost may lie under the generation that the root has now.
        let current = settings.root.current().await?;
        let (now, rng) = (settings.now(), Arc::clone(&settings.rng));
        let mut draft = Draft::of(&state, now, rng.as_ref()).ok_or(Error::Conflict)?;
        let later_roots = later.iter().flat_map(|later| &later.root_generations);
        add(&mut draft.document.root_generations, later_roots.chain([&current]));
        let mut news = bury(&mut draft, &known, later.as_ref());
        if let Some(later) = &later {
            inherit(&mut draft.document, later);
            // Its destruction had begun, and an administrator of the root called it back.
            let wrapped = &draft.document.ring_key.wrapped.generation;
            news |= later.pending.contains(wrapped)
                || later.scheduled.iter().any(|scheduled| scheduled.generation == *wrapped);
        }
        if news {
            rekey(&settings, &mut draft, Step::Destroy, &mut None).await?;
        }
        Self::publish(settings, draft, top, known).await
    }

    /// Makes the ring again from what a recovery kit held: under a new ring key, above every
    /// generation that an anchor knows, without what any anchor, or a generation that can still be
    /// read, knows to be destroyed, and without any client. `replace` says that an administrator
    /// knows of other rings that the anchors remember, and means this one.
    ///
    /// # Errors
    /// When the kit is of another installation or of another ring than the anchors know, and when
    /// the root does not answer. Nothing is overwritten then.
    pub async fn rebuild(settings: Settings, snapshot: &Snapshot, replace: bool) -> Result<Self> {
        let seen = Seen::by(&settings).await?;
        if snapshot.installation != settings.installation {
            let (theirs, ours) = (&snapshot.installation, &settings.installation);
            let why =
                format!("the kit is of installation {theirs}, not of {ours}; use its own kit");
            return Err(refuse(&settings, why));
        }
        let Founded { document, opened } = found(&settings, &snapshot.seed.0).await?;
        let others = if replace { Others::Pass } else { Others::Outvote };
        let known = seen.of(&settings, &document.public_key, others)?;
        let top = known.top(&settings).await?.max(snapshot.generation);
        let later = later(&settings, &document.public_key, 1).await?;
        let same = is_same_root(settings.root.as_ref(), snapshot).await?;
        let (now, rng) = (settings.now(), Arc::clone(&settings.rng));
        let mut draft = Draft::new(document, opened, ReadyKeys::new(), (now, rng.as_ref()));
        snapshot.fill(&mut draft)?;
        if let Some(later) = &later {
            add_kits(&mut draft.document, later);
        }
        // Before it is written: what was destroyed never lies in the new ring.
        let news = bury(&mut draft, &known, later.as_ref());
        if same {
            draft.document.scheduled.clone_from(&snapshot.scheduled);
            add(&mut draft.document.pending, &snapshot.pending);
            let mut old = snapshot.root_generations.clone();
            if let Some(later) = &later {
                inherit(&mut draft.document, later);
                add(&mut old, &later.root_generations);
            }
            // Older copies of the ring may lie under them, and none of them is needed any more.
            let current = draft.document.ring_key.wrapped.generation.clone();
            old.retain(|generation| *generation != current);
            add(&mut draft.document.pending, &old);
            draft.document.pending.retain(|generation| *generation != current);
            if news {
                rekey(&settings, &mut draft, Step::Destroy, &mut None).await?;
            }
        }
        Self::publish(settings, draft, top, known).await
    }

    /// Writes a ring that was put together anew as the generation after `top`.
    async fn publish(settings: Settings, draft: Draft<'_>, top: u64, known: Known) -> Result<Self> {
        let number = top.saturating_add(1);
        let (state, bytes) = draft.finish(number, settings.shelf.place())?;
        if !put(&settings, number, bytes, &state.digest).await? {
            return Err(Error::Conflict);
        }
        Ok(Self::opened(settings, state, known).await)
    }
}

/// Whether no waiting would bring back what this error misses.
pub(super) fn is_lost(error: &Error) -> bool {
    use kms::Error as Root;
    matches!(
        error,
        Error::Ring { .. }
            | Error::Refused
            | Error::Root(Root::Missing { .. } | Root::Refused | Root::Destroyed(_))
    )
}

/// The newest generation on the shelf, from `number` up, that this ring has signed. It needs no
/// root, and what it says was destroyed is destroyed also where its keys are lost.
async fn later(settings: &Settings, public_key: &str, number: u64) -> Result<Option<Document>> {
    let Some((newest, bytes)) = settings.shelf.newest().await? else { return Ok(None) };
    let read =
        |number, bytes: &[u8]| judge(number, bytes, &settings.installation, Some(public_key)).ok();
    if let Some(document) = read(newest, &bytes) {
        return Ok(Some(document));
    }
    for older in (number.max(newest.saturating_sub(KEPT))..newest).rev() {
        let bytes = settings.shelf.read(older).await?;
        if let Some(document) = bytes.and_then(|bytes| read(older, &bytes)) {
            return Ok(Some(document));
        }
    }
    Ok(None)
}

/// Whether this is the root that the snapshot's ring had, so that its generations are this one's.
async fn is_same_root(root: &dyn Root, snapshot: &Snapshot) -> Result<bool> {
    let context = ring_context(&snapshot.installation, snapshot.ring_key.id);
    match root.unwrap(&snapshot.ring_key.wrapped, &context).await {
        Ok(_) | Err(kms::Error::Destroyed(_) | kms::Error::Disabled(_)) => Ok(true),
        Err(error @ kms::Error::Unavailable { .. }) => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// Takes in what anchors and the later generation know to be destroyed. Whether the draft did not
/// know of it: then older copies of it must stop opening.
fn bury(draft: &mut Draft<'_>, known: &Known, later: Option<&Document>) -> bool {
    let later = later.iter().flat_map(|later| &later.tombstones);
    let all: Vec<Tombstone> = known.tombstones.iter().chain(later).cloned().collect();
    let news = !draft.document.news(&all).is_empty();
    draft.bury(&all);
    news
}

/// Takes over what a later generation has not finished, and the kits that were made until then.
fn inherit(document: &mut Document, later: &Document) {
    add(&mut document.pending, &later.pending);
    for scheduled in &later.scheduled {
        if !document.scheduled.iter().any(|have| have.generation == scheduled.generation) {
            document.scheduled.push(scheduled.clone());
        }
    }
    add_kits(document, later);
}

fn add_kits(document: &mut Document, later: &Document) {
    for kit in &later.kits {
        if !document.kits.iter().any(|have| have.id == kit.id) {
            document.kits.push(kit.clone());
        }
    }
}

fn add<'a>(to: &mut Vec<Generation>, more: impl IntoIterator<Item = &'a Generation>) {
    for generation in more {
        if !to.contains(generation) {
            to.push(generation.clone());
        }
    }
}
