//! Hears what other processes end, and forgets it here.
//!
//! One connection of its own listens. Each second it sends itself a beat; when one comes back,
//! everything that was committed before it was sent has been heard. When none comes back for
//! [`SILENCE`], or the connection ends, nothing is answered from memory until there is another one,
//! and memory is emptied then: what was said meanwhile is lost.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kernel::random_hex;
use store::{Caller, DatabaseUrl, Listener};

use crate::Identities;
use crate::cache::{Ended, SILENCE};
use crate::token::Digest;

/// Where ends are told; the triggers name it too.
pub(crate) const CHANNEL: &str = "amanah_identity";
/// How often a beat is sent, and how often uses of sessions are written down.
const BEAT: Duration = Duration::from_secs(1);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long is waited before the first attempt to connect again; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Random bytes in the name of a connection, which tells its beats from others'.
const NAME_BYTES: usize = 8;

/// What was told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Notice<'t> {
    /// Something ended.
    Ended(Ended),
    /// A beat of somebody's, by its name.
    Beat(&'t str),
}

impl<'t> Notice<'t> {
    /// Reads a payload. What cannot be read ends everything: whoever sent it meant something.
    pub(crate) fn read(payload: &'t str) -> Self {
        let all = Self::Ended(Ended::All);
        match payload.split_once(':') {
            Some(("h", name)) => Self::Beat(name),
            Some(("s", hex)) => {
                Digest::from_hex(hex).map_or(all, |digest| Self::Ended(Ended::Session(digest)))
            }
            Some(("a", id)) if !id.is_empty() => Self::Ended(Ended::account(id)),
            Some(("t", id)) if !id.is_empty() => Self::Ended(Ended::tenant(id)),
            _ => all,
        }
    }
}

/// The beats that were sent and have not come back.
struct Beats {
    name: String,
    sent: Mutex<VecDeque<(u64, Instant)>>,
}

impl Identities {
    /// Listens under `url`, a login of the control database, until `stop` ends, and writes down
    /// when sessions were used. Run it once in a process that answers for long.
    pub async fn keep(&self, url: &DatabaseUrl, stop: impl Future<Output = ()>) {
        self.cache.ear.attach();
        tokio::select! {
            () = self.listen(url) => {}
            () = self.write_uses() => {}
            () = stop => {}
        }
        // Trusted for two seconds again, of what is read from now on.
        self.cache.clear();
        self.cache.ear.detach();
        self.flush_uses().await;
    }

    async fn listen(&self, url: &DatabaseUrl) {
        let mut wait = FIRST_WAIT;
        let mut told = false;
        loop {
            let connected = Listener::connect(url, &[CHANNEL]);
            match tokio::time::timeout(CONNECT, connected).await {
                Ok(Ok(listener)) => {
                    if told {
                        tracing::info!("what others end is heard again");
                    }
                    (wait, told) = (FIRST_WAIT, false);
                    // What was said while nobody listened is lost.
                    self.cache.clear();
                    self.hear(listener).await;
                    self.cache.ear.deaf();
                    tracing::warn!("the line is gone on which others say what they end");
                }
                refused => {
                    if !told {
                        let why = refused.map_or_else(
                            |_| "no answer in time".to_owned(),
                            |refused| refused.err().map(|e| e.to_string()).unwrap_or_default(),
                        );
                        tracing::warn!(
                            why,
                            "what others end cannot be heard; sessions are looked \
                            up one by one"
                        );
                    }
                    told = true;
                }
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        }
    }

    /// Hears until the connection ends or is silent.
    async fn hear(&self, mut listener: Listener) {
        let Ok(name) = random_hex(self.rng(), NAME_BYTES) else {
            return;
        };
        let beats = Beats { name, sent: Mutex::default() };
        let caller = listener.caller();
        tokio::select! {
            () = self.beat(&caller, &beats) => {}
            () = async {
                while let Some((_, payload)) = listener.next().await {
                    match Notice::read(&payload) {
                        Notice::Ended(ended) => {
                            self.cache.forget(ended);
                            self.cache.ear.noticed();
                        }
                        Notice::Beat(name) => {
                            if let Some(sent) = beats.came_back(name) {
                                self.cache.ear.beat(sent);
                            }
                        }
                    }
                }
            } => {}
        }
    }

    /// Sends beats until one cannot be sent, or none came back for too long.
    async fn beat(&self, caller: &Caller, beats: &Beats) {
        let mut tick = tokio::time::interval(BEAT);
        let begun = Instant::now();
        for number in 0_u64.. {
            tick.tick().await;
            let payload = beats.send(number);
            let sent = tokio::time::timeout(SILENCE, caller.notify(CHANNEL, &payload)).await;
            let silent = self.cache.ear.silent_for().unwrap_or_else(|| begun.elapsed());
            if !matches!(sent, Ok(Ok(()))) || silent > SILENCE {
                return;
            }
        }
    }

    async fn write_uses(&self) {
        let mut tick = tokio::time::interval(BEAT);
        loop {
            tick.tick().await;
            self.flush_uses().await;
        }
    }
}

impl Beats {
    /// The payload of the next beat, which counts as sent now.
    fn send(&self, number: u64) -> String {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.push_back((number, Instant::now()));
        format!("h:{}-{number}", self.name)
    }

    /// When the beat of this name was sent, if it is one of these.
    fn came_back(&self, name: &str) -> Option<Instant> {
        let number = name.strip_prefix(&self.name)?.strip_prefix('-')?.parse::<u64>().ok()?;
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let at = sent.iter().position(|(one, _)| *one == number)?;
        let (_, when) = sent.get(at).copied()?;
        sent.drain(..=at);
        Some(when)
    }
}

#[cfg(test)]
mod tests {
    use super::{Beats, Notice};
    use crate::cache::Ended;

    #[test]
    fn what_cannot_be_read_ends_everything() {
        let digest = "ab".repeat(32);
        assert!(matches!(Notice::read(&format!("s:{digest}")), Notice::Ended(Ended::Session(_))));
        assert_eq!(Notice::read("a:7"), Notice::Ended(Ended::account("7")));
        assert_eq!(Notice::read("t:Toko: Jaya"), Notice::Ended(Ended::tenant("Toko: Jaya")));
        assert_eq!(Notice::read("h:x-1"), Notice::Beat("x-1"));
        for odd in ["", "*", "s:", "s:ab", "s:zz", "a:", "t:", "x:1", "é", &format!("s:{digest}0")]
        {
            assert_eq!(Notice::read(odd), Notice::Ended(Ended::All), "{odd}");
        }
    }

    #[test]
    fn a_beat_counts_once_and_only_for_who_sent_it() {
        let beats = Beats { name: "me".into(), sent: std::sync::Mutex::default() };
        let first = beats.send(0);
        let second = beats.send(1);
        assert!(beats.came_back("you-0").is_none() && beats.came_back("me-7").is_none());
        assert!(beats.came_back(second.strip_prefix("h:").unwrap()).is_some());
        // An older one that comes later says nothing new.
        assert!(beats.came_back(first.strip_prefix("h:").unwrap()).is_none());
    }

    #[test]
    fn damaged_notices_never_stop_the_listener() {
        let session = format!("s:{}", "0f".repeat(32));
        let samples = [session.as_str(), "a:7", "t:Toko", "h:x-1"];
        let samples = samples.map(|sample| sample.as_bytes().to_vec());
        testkit::try_damaged("notice", &samples, crate::fuzzing::notice);
    }
}
