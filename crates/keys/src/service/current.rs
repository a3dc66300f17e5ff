//! Keeping what is in memory as new as what lies on the shelf.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kms::Root;

use super::{Keys, Settings, locked};
use crate::document::{Document, sha256};
use crate::state::State;
use crate::wrapping::{Opened, Wrapping, ring_key_context};
use crate::{Error, Result};

/// A newer generation that was refused is looked at again after this long.
const REFUSED_FOR: Duration = Duration::from_secs(1);

impl Keys {
    /// Takes in what another process wrote, and finishes what was left undone: a generation of
    /// the root that is to be destroyed, an anchor that did not answer. Whether there was
    /// something new.
    ///
    /// # Errors
    /// When the ring is gone, damaged or older than the one in memory, and when its key is a new
    /// one and the root does not open it. What is in memory goes on working.
    pub async fn refresh(&self) -> Result<bool> {
        let fresh = self.take_in(true).await?;
        if self.inner.anchored.load(Ordering::Acquire) < self.generation() {
            self.tell_anchors().await;
        }
        self.finish_pending().await;
        Ok(fresh)
    }

    /// The newest generation, for a use of a key: looks at the shelf when that costs no waiting.
    pub(super) fn state(&self) -> Arc<State> {
        let current = self.inner.state.load_full();
        if locked(&self.inner.refused).is_some_and(|at| at.elapsed() < REFUSED_FOR) {
            return current;
        }
        let glanced = self.inner.settings.shelf.glance(current.document.generation);
        let adopted = glanced.and_then(|newer| match newer {
            Some((number, bytes)) => self.adopt(number, &bytes).map(|()| true),
            None => Ok(false),
        });
        match adopted {
            Ok(false) => return current,
            Ok(true) => {}
            Err(error) => {
                tracing::warn!(%error, "a newer key ring was refused; the one in memory goes on");
                *locked(&self.inner.refused) = Some(Instant::now());
            }
        }
        self.inner.state.load_full()
    }

    /// Takes a newer generation in without asking the root: when its key is a new one, what it
    /// says holds, and what was opened before goes on, until the root was asked.
    fn adopt(&self, number: u64, bytes: &[u8]) -> Result<()> {
        let current = self.inner.state.load_full();
        let mut document = self.judge(number, bytes, &current)?;
        self.bury_in(&mut document, &current);
        let same = current.opened.as_ref().filter(|opened| opened.id == document.ring_key.id);
        let settings = &self.inner.settings;
        let open = |o: &Opened| open_layers(settings, &document, Arc::clone(&o.ring));
        let opened = same.map(open).transpose()?;
        let closed = opened.is_none();
        self.install(State::new(document, sha256(bytes), opened, current.ready.clone())?);
        if closed {
            self.open_later();
        }
        Ok(())
    }

    /// Takes in what another process wrote, apart from the use of a key that noticed it: the root
    /// is asked for a new ring key.
    fn open_later(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.inner.opening.swap(true, Ordering::AcqRel) {
            return;
        }
        let keys = self.clone();
        runtime.spawn(async move {
            if let Err(error) = keys.take_in(false).await {
                tracing::warn!(%error, "a newer key ring could not be taken in yet");
            }
            keys.inner.opening.store(false, Ordering::Release);
        });
    }

    /// Takes the newest generation in, wholly. `sure` reads the shelf even where a cheaper look
    /// finds nothing new.
    pub(super) async fn take_in(&self, sure: bool) -> Result<bool> {
        let settings = &self.inner.settings;
        let current = self.inner.state.load_full();
        let at = current.document.generation;
        if !sure && current.opened.is_some() && !settings.shelf.has_after(at).await? {
            return Ok(false);
        }
        let newest = settings.shelf.newest().await?;
        let (number, bytes) = newest.ok_or_else(|| self.ring_error(GONE))?;
        // It may have been taken in meanwhile.
        let current = self.inner.state.load_full();
        let at = current.document.generation;
        if number < at {
            return Err(self.ring_error(format!(
                "it is generation {number}, and this process holds {at}: an older copy was put \
                 back; put generation {at} or a later one there"
            )));
        }
        if number == at && sha256(&bytes) != current.digest {
            return Err(self.ring_error(format!(
                "generation {at} there is another one than this process holds; put the true one \
                 back"
            )));
        }
        if number == at && current.opened.is_some() {
            return Ok(false);
        }
        let mut document = self.judge(number, &bytes, &current)?;
        self.bury_in(&mut document, &current);
        let same = current.opened.as_ref().filter(|opened| opened.id == document.ring_key.id);
        let opened = match same {
            Some(opened) => open_layers(settings, &document, Arc::clone(&opened.ring))?,
            None => open_all(settings, &document).await?,
        };
        self.install(State::new(document, sha256(&bytes), Some(opened), current.ready.clone())?);
        Ok(number > at)
    }

    /// What this process knows to be destroyed stays so, though a newer generation does not say so.
    fn bury_in(&self, document: &mut Document, current: &State) {
        if document.bury(&current.document.tombstones) {
            self.inner.owed.store(true, Ordering::Release);
        }
    }

    /// Reads a newer generation of this very ring.
    fn judge(&self, number: u64, bytes: &[u8], current: &State) -> Result<Document> {
        let known = Some(current.document.public_key.as_str());
        judge(number, bytes, &self.inner.settings.installation, known)
            .map_err(|why| self.ring_error(why))
    }

    /// Puts a generation into memory unless a newer one is there.
    pub(super) fn install(&self, state: State) {
        let _installing = locked(&self.inner.installing);
        let current = self.inner.state.load();
        let (have, new) = (current.document.generation, state.document.generation);
        let completes = new == have && current.opened.is_none() && state.opened.is_some();
        if new > have || completes {
            self.inner.state.store(Arc::new(state));
        }
    }

    /// The number of the generation in memory.
    pub(super) fn generation(&self) -> u64 {
        self.inner.state.load().document.generation
    }
}

/// Reads generation `number` and checks that it is `installation`'s, and signed by the key that is
/// known where one is. The error says what is wrong, for people.
pub(super) fn judge(
    number: u64,
    bytes: &[u8],
    installation: &str,
    public_key: Option<&str>,
) -> std::result::Result<Document, String> {
    let document = Document::read(bytes)
        .map_err(|why| format!("generation {number} is not usable: {why}; {PUT_BACK}"))?;
    if document.installation != installation {
        return Err(format!(
            "it belongs to installation {}, and this one is {installation}; put this \
             installation's ring there",
            document.installation
        ));
    }
    if public_key.is_some_and(|known| known != document.public_key) {
        return Err(format!("it was signed by somebody else; {PUT_BACK}"));
    }
    if document.generation != number {
        let inside = document.generation;
        return Err(format!("generation {inside} was put in the place of {number}; {PUT_BACK}"));
    }
    Ok(document)
}

/// Asks the root for the ring key and opens what it wraps.
pub(super) async fn open_all(settings: &Settings, document: &Document) -> Result<Opened> {
    let ring = open_ring(settings.root.as_ref(), document).await?;
    open_layers(settings, document, ring)
}

/// Opens what the ring key wraps.
fn open_layers(settings: &Settings, document: &Document, ring: Arc<Wrapping>) -> Result<Opened> {
    Opened::new(document, ring).map_err(|_| Error::Ring {
        place: settings.shelf.place(),
        why: format!("its keys are not those that were written with it; {PUT_BACK}"),
    })
}

/// Asks the root for the ring key.
pub(super) async fn open_ring(root: &dyn Root, document: &Document) -> Result<Arc<Wrapping>> {
    let key = &document.ring_key;
    let context = ring_key_context(&document.installation, key);
    let material = root.unwrap(&key.wrapped, &context).await.map_err(Error::Root)?;
    Ok(Arc::new(Wrapping::new(material)?))
}

const PUT_BACK: &str = "put the newest whole copy of it back, or recover it from a recovery kit";
const GONE: &str = "it is gone, and this process still holds it: put it back before this process \
                    ends, or recover it from a recovery kit";
