//! What the anchors remember, and what of it is believed. The rule stands in `anchor.rs`.

use super::current::judge;
use super::{Settings, refuse};
use crate::document::Document;
use crate::{Buried, Head, Result, Tombstone};

/// Everything that the anchors say.
pub(super) struct Seen(Vec<Remembered>);

struct Remembered {
    place: String,
    guarded: bool,
    /// Each is signed by the key that it names, whosever that is.
    heads: Vec<Head>,
    buried: Vec<Buried>,
    /// So many heads are signed by nobody.
    unsigned: usize,
}

/// What becomes of a ring when an anchor knows nothing but other rings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// It is refused.
    Refuse,
    /// It is refused unless an anchor that lies with the data directory knows it.
    Outvote,
    /// An administrator has said that it is the right one.
    Pass,
}

/// What the anchors say about one ring, with its own signature.
#[derive(Default)]
pub(super) struct Known {
    /// The newest head, with the place of the anchor that knows it.
    heads: Vec<(String, Head)>,
    pub(super) tombstones: Vec<Tombstone>,
    /// What was passed over, for people: one sentence each.
    pub(super) passed: Vec<String>,
}

impl Seen {
    pub(super) async fn by(settings: &Settings) -> Result<Self> {
        let mut all = Vec::with_capacity(settings.anchors.len());
        for anchor in &settings.anchors {
            let (heads, unsigned): (Vec<_>, Vec<_>) =
                anchor.heads().await?.into_iter().partition(Head::verifies);
            all.push(Remembered {
                place: anchor.place(),
                guarded: anchor.guarded(),
                heads,
                buried: anchor.buried().await?,
                unsigned: unsigned.len(),
            });
        }
        Ok(Self(all))
    }

    /// The newest head of whatever ring.
    pub(super) fn newest(&self) -> Option<&Head> {
        self.0.iter().flat_map(|anchor| &anchor.heads).max_by_key(|head| head.generation)
    }

    /// Reads a ring, which must be the one that the anchors know.
    pub(super) fn judge(
        &self,
        settings: &Settings,
        (number, bytes): (u64, &[u8]),
        others: Others,
    ) -> Result<(Document, Known)> {
        let document = judge(number, bytes, &settings.installation, None);
        let document = document.map_err(|why| refuse(settings, why))?;
        let known = self.of(settings, &document.public_key, others)?;
        Ok((document, known))
    }

    /// What is known of the ring of `settings`' installation that this key signs.
    pub(super) fn of(
        &self,
        settings: &Settings,
        public_key: &str,
        others: Others,
    ) -> Result<Known> {
        let installation = &settings.installation;
        let ours =
            |head: &&Head| head.installation == *installation && head.public_key == public_key;
        let agrees = |anchor: &Remembered| anchor.heads.iter().any(|head| ours(&head));
        let outvoted = self.0.iter().any(|anchor| anchor.guarded && agrees(anchor));
        let mut known = Known::default();
        // What was verified or refused is not looked at again when the next anchor has it too.
        let mut done: Vec<&Buried> = Vec::new();
        for anchor in &self.0 {
            let foreign = anchor.heads.iter().find(|head| !ours(head));
            match foreign {
                Some(head) if !agrees(anchor) => {
                    let passes = others == Others::Pass || others == Others::Outvote && outvoted;
                    if !passes {
                        return Err(refuse(settings, foreign_ring(settings, &anchor.place, head)));
                    }
                    known.pass(format!("{} knows other rings alone", anchor.place));
                }
                Some(_) => known.pass(format!("{} knows other rings as well", anchor.place)),
                None => {}
            }
            if anchor.unsigned > 0 {
                known.pass(format!("{} holds a generation that nobody signed", anchor.place));
            }
            let newest = anchor.heads.iter().filter(ours).max_by_key(|head| head.generation);
            known.heads.extend(newest.map(|head| (anchor.place.clone(), head.clone())));
            let mut unsigned = 0_usize;
            for buried in &anchor.buried {
                if done.contains(&buried) {
                    continue;
                }
                if buried.verifies(installation, public_key) {
                    known.tombstones.push(buried.tombstone.clone());
                    done.push(buried);
                } else {
                    unsigned += 1;
                }
            }
            if unsigned > 0 {
                let place = &anchor.place;
                known.pass(format!(
                    "{place} holds {unsigned} destructions that this ring did not sign; nothing \
                     was destroyed for them"
                ));
            }
        }
        Ok(known)
    }
}

impl Known {
    /// The highest number that is known anywhere.
    pub(super) async fn top(&self, settings: &Settings) -> Result<u64> {
        let there = settings.shelf.newest().await?.map_or(0, |(number, _)| number);
        let seen = self.heads.iter().map(|(_, head)| head.generation).max();
        Ok(seen.unwrap_or(0).max(there))
    }

    pub(super) fn refuse_older(
        &self,
        settings: &Settings,
        number: u64,
        digest: &str,
    ) -> Result<()> {
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

    /// Says loudly what is not believed.
    fn pass(&mut self, what: String) {
        tracing::warn!(%what, "a memory of the key ring was not believed: somebody may have forged it");
        self.passed.push(what);
    }
}

fn foreign_ring(settings: &Settings, place: &str, head: &Head) -> String {
    if head.installation != settings.installation {
        return format!(
            "{place} remembers installation {}, and this one is {}; somebody mixed two \
             installations, so put each one's files back",
            head.installation, settings.installation
        );
    }
    format!(
        "it was signed by another key than {place} remembers: it was forged, or is another ring; \
         put the true one back, or recover it from a recovery kit. If you are sure of this ring, \
         somebody forged that memory: see `amanah keys accept --help`"
    )
}
