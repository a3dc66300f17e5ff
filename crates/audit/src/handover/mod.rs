//! All witnesses of a log: whatever the sealer signs newest is handed to each of them, and what they
//! say of it lies beside it.
//!
//! It promises that no witness holds another one up for long, that a log with a witness which does not
//! answer goes on, and that what was wrong is told when it begins and when it ends, not every second.

mod handing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tlog::{Checkpoint, Note, Verifier, WitnessKey};

use crate::Result;
pub use handing::{Contradiction, Door, Reply};
use handing::{Handing, Outcome};

use crate::seal::{LogReader, MAX_CHECKPOINT_BYTES, Shelf};

/// Where the newest checkpoint with cosignatures lies, beside the log's own.
pub const COSIGNED: &str = "checkpoint.cosigned";
/// How soon a witness that did not answer is asked again, and how long that grows.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(1);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// Hands one log's checkpoints in.
pub struct Handover {
    log: String,
    keys: Vec<Verifier>,
    shelf: Arc<dyn Shelf>,
    witnesses: Vec<Witness>,
    /// The newest checkpoint, with what witnesses have said of it.
    newest: Option<Note>,
    /// The newest one that a witness has cosigned.
    cosigned: Option<Note>,
    recalled: bool,
}

struct Witness {
    handing: Handing,
    standing: WitnessStanding,
    /// The text that it was asked about last, and answered.
    told: Option<String>,
    pause: SignedDuration,
    due: Timestamp,
    trouble: Option<Trouble>,
}

/// What is wrong with a witness, for telling it once.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    Away,
    Stranger,
    Contradicts(Contradiction),
}

/// How a witness stands to a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessStanding {
    /// The log.
    pub log: String,
    /// The witness's name.
    pub witness: String,
    /// How many entries it has cosigned last; `None` when that is not known.
    pub size: Option<u64>,
    /// How many entries the log has more than that.
    pub behind: u64,
    /// When it cosigned last, by its own clock; when it was asked first, where it never did.
    pub since: Timestamp,
    /// How what it has seen contradicts the log.
    pub contradicts: Option<Contradiction>,
}

impl WitnessStanding {
    /// For how long it has not cosigned.
    pub fn age(&self, now: Timestamp) -> Duration {
        Duration::try_from(now.duration_since(self.since)).unwrap_or_default()
    }
}

impl Handover {
    /// The witnesses of the log on `shelf` that is called and signed as `keys` say, each with its key and
    /// how it is reached, from `now` on.
    pub fn new(
        keys: Vec<Verifier>,
        shelf: Arc<dyn Shelf>,
        witnesses: Vec<(WitnessKey, Arc<dyn Door>)>,
        now: Timestamp,
    ) -> Self {
        let log = keys.first().map(Verifier::name).unwrap_or_default().to_owned();
        let witness = |(key, door): (WitnessKey, Arc<dyn Door>)| Witness {
            standing: WitnessStanding {
                log: log.clone(),
                witness: key.name().to_owned(),
                size: None,
                behind: 0,
                since: now,
                contradicts: None,
            },
            handing: Handing::new(key, door),
            told: None,
            pause: FIRST_PAUSE,
            due: Timestamp::MIN,
            trouble: None,
        };
        let witnesses = witnesses.into_iter().map(witness).collect();
        Self { log, keys, shelf, witnesses, newest: None, cosigned: None, recalled: false }
    }

    /// The newest checkpoint that witnesses have cosigned, with what they said; as it lies beside the log.
    pub const fn cosigned(&self) -> Option<&Note> {
        self.cosigned.as_ref()
    }

    /// How each witness stands.
    pub fn standings(&self) -> Vec<WitnessStanding> {
        self.witnesses.iter().map(|witness| witness.standing.clone()).collect()
    }

    /// Hands the newest checkpoint to each witness that has not answered about it and is due.
    ///
    /// # Errors
    /// When the log cannot be read, or what was said cannot be laid beside it.
    pub async fn round(&mut self, now: Timestamp) -> Result<()> {
        let Some(stored) = self.shelf.checkpoint().await? else { return Ok(()) };
        let newest = Note::parse(&stored.note)?;
        let Checkpoint { size, .. } = Checkpoint::parse(newest.text())?;
        if !self.recalled {
            self.recall().await?;
        }
        let before = self.newest.take();
        let mut known = before.filter(|note| note.text() == newest.text()).unwrap_or(newest);
        let reader = LogReader::new(Arc::clone(&self.shelf), size);
        let asked = self.witnesses.iter_mut().map(|one| one.ask(&reader, &known, now));
        let mut cosigned = false;
        for answer in join_all(asked).await {
            if let Some((key, lines)) = answer? {
                known = known.with_cosignature(&key, &lines)?;
                cosigned = true;
            }
        }
        if cosigned {
            self.shelf.put(vec![(COSIGNED.to_owned(), known.to_string().into_bytes())]).await?;
            self.cosigned = Some(known.clone());
        }
        self.newest = Some(known);
        Ok(())
    }

    /// Reads what was cosigned before this process began. What cannot be read, or is not signed by the
    /// log's key, is asked for anew.
    async fn recall(&mut self) -> Result<()> {
        let found = self.shelf.read(COSIGNED, MAX_CHECKPOINT_BYTES).await?;
        if let Some((checkpoint, note)) = found.and_then(|bytes| self.believed(bytes)) {
            self.witnesses.iter_mut().for_each(|one| one.recall(&note, checkpoint.size));
            self.cosigned = Some(note);
        }
        self.recalled = true;
        Ok(())
    }

    /// A checkpoint of this log, with the signatures of the log and of its witnesses: what others have
    /// put below it goes no further.
    fn believed(&self, bytes: Vec<u8>) -> Option<(Checkpoint, Note)> {
        let text = String::from_utf8(bytes).ok()?;
        let note = Note::parse(&text).ok()?;
        let checkpoint = Checkpoint::parse(note.text()).ok()?;
        if checkpoint.origin != self.log {
            return None;
        }
        let (_, lines) = text.rsplit_once("\n\n")?;
        let mut own = note.signed_by(&self.keys)?;
        for Witness { handing, .. } in &self.witnesses {
            if let Ok(cosigned) = own.clone().with_cosignature(&handing.key, lines) {
                own = cosigned;
            }
        }
        Some((checkpoint, own))
    }
}

impl Witness {
    fn recall(&mut self, cosigned: &Note, size: u64) {
        if let Some(at) = self.handing.recall(cosigned, size).and_then(moment) {
            self.standing.size = Some(size);
            self.standing.since = at;
        }
    }

    /// The cosignature that is new.
    async fn ask(
        &mut self,
        reader: &LogReader,
        note: &Note,
        now: Timestamp,
    ) -> Result<Option<(WitnessKey, String)>> {
        self.standing.behind = reader.size().saturating_sub(self.standing.size.unwrap_or(0));
        let asked = self.told.as_deref() == Some(note.text());
        // A clock that was put back must not make this wait longer than it ever does.
        let waits = now < self.due && self.due.duration_since(now) <= LONGEST_PAUSE;
        if asked || waits {
            return Ok(None);
        }
        match self.handing.hand_in(reader, note).await? {
            Outcome::Cosigned(lines) => {
                self.well(reader.size(), note, &lines, now)?;
                Ok(Some((self.handing.key.clone(), lines)))
            }
            Outcome::Away(why) => {
                self.trouble(Trouble::Away, &why, now);
                Ok(None)
            }
            Outcome::Stranger(why) => {
                self.trouble(Trouble::Stranger, &why, now);
                Ok(None)
            }
            Outcome::Contradicts(how) => {
                // Whoever else handed in a checkpoint that we signed since was only faster.
                if let Contradiction::Ahead { seen, .. } = how
                    && newest(reader).await? >= seen
                {
                    return Ok(None);
                }
                self.trouble(Trouble::Contradicts(how), &how.to_string(), now);
                Ok(None)
            }
        }
    }

    fn well(&mut self, size: u64, note: &Note, lines: &str, now: Timestamp) -> Result<()> {
        let key = &self.handing.key;
        let seen = moment(note.clone().with_cosignature(key, lines)?.seen_by(key)?);
        let WitnessStanding { log, witness, .. } = &self.standing;
        if self.trouble.take().is_some() {
            tracing::warn!(log, witness, size, "the witness cosigns again");
        }
        self.standing.size = Some(size);
        self.standing.behind = 0;
        self.standing.since = seen.unwrap_or(now);
        self.standing.contradicts = None;
        self.told = Some(note.text().to_owned());
        self.pause = FIRST_PAUSE;
        self.due = Timestamp::MIN;
        Ok(())
    }

    /// Tells what is wrong, unless it was told, and waits longer each time.
    fn trouble(&mut self, trouble: Trouble, why: &str, now: Timestamp) {
        let WitnessStanding { log, witness, .. } = &self.standing;
        if self.trouble.as_ref() != Some(&trouble) {
            match trouble {
                Trouble::Away => tracing::warn!(
                    log,
                    witness,
                    why,
                    "a witness did not cosign; it is asked again, and the log goes on without it"
                ),
                Trouble::Stranger => tracing::error!(
                    log,
                    witness,
                    why,
                    "a witness does not take this log: have its operator add the line of the log's key"
                ),
                Trouble::Contradicts(_) => tracing::error!(
                    log,
                    witness,
                    why,
                    "A WITNESS HAS SEEN ANOTHER HISTORY OF THIS LOG. Nothing was changed. Fetch what it \
                     has signed from its /checkpoint/, keep both, and find out who put the log back or \
                     rewrote it before anything else is done"
                ),
            }
        }
        self.standing.contradicts = match trouble {
            Trouble::Contradicts(how) => Some(how),
            // Silence takes nothing back.
            Trouble::Away | Trouble::Stranger => self.standing.contradicts,
        };
        self.trouble = Some(trouble);
        self.due = now.saturating_add(self.pause).unwrap_or(now);
        self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

/// So many seconds after 1970.
fn moment(seconds: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

/// How many entries the log has by now.
async fn newest(reader: &LogReader) -> Result<u64> {
    let Some(stored) = reader.shelf().checkpoint().await? else { return Ok(0) };
    Ok(Checkpoint::parse(Note::parse(&stored.note)?.text())?.size)
}
