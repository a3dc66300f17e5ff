//! The witnesses of the trail's logs while `amanah up` runs: how they are reached, and the work of
//! handing checkpoints in.
//!
//! Redirects are not followed and proxies of the environment are not used: what is asked is what the
//! configuration says. Plain HTTP is no secret lost, for a checkpoint is public and a cosignature is
//! checked; but who can change what passes there can make a witness seem to contradict.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use audit::handover::{Door, Handover, Reply, WitnessStanding};
use console::{LogHead, Witnessed};
use futures_util::future::join_all;
use jiff::Timestamp;
use kernel::{Clock, Fut};
use keys::Keys;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use tlog::{Checkpoint, Head, Note, WitnessKey};
use tokio::time::MissedTickBehavior;

use crate::config::WitnessAt;
use crate::sealing::Sealers;
use crate::trail::Pen;

/// One measurement: name, what it says, labels, value.
pub(crate) type Reading = (&'static str, &'static str, Vec<(&'static str, String)>, u64);

/// How often it is looked for a checkpoint that is newer.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a connection may take to come about, and an answer in all.
const CONNECT: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(10);
/// The most of an answer that is read, in bytes.
const MAX_ANSWER: usize = 16 << 10;

/// A witness that is asked over HTTP.
struct Http {
    client: Client,
    url: Url,
}

impl Http {
    async fn ask(&self, request: String) -> Result<Reply, reqwest::Error> {
        let mut response = self.client.post(self.url.clone()).body(request).send().await?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            let room = MAX_ANSWER.saturating_sub(bytes.len());
            bytes.extend(chunk.iter().take(room));
            if bytes.len() >= MAX_ANSWER {
                break;
            }
        }
        Ok(Reply { status, text: String::from_utf8_lossy(&bytes).into_owned() })
    }
}

impl Door for Http {
    fn add(&self, request: String) -> Fut<'_, Result<Reply, String>> {
        Box::pin(async move { self.ask(request).await.map_err(|error| reason(&error)) })
    }
}

/// Why there is no answer, down to the first cause.
fn reason(error: &reqwest::Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        words = format!("{words}: {next}");
        cause = next.source();
    }
    words
}

/// Whoever is asked about every log, and what they have said.
pub(crate) struct Witnesses {
    all: Vec<(WitnessKey, Arc<dyn Door>)>,
    seals: Arc<Sealers>,
    keys: Keys,
    clock: Arc<dyn Clock>,
    said: ArcSwap<Said>,
}

/// What the witnesses have said.
#[derive(Default)]
struct Said {
    standings: Vec<WitnessStanding>,
    /// The newest cosigned checkpoint of each log, behind the digest by which it is named.
    cosigned: BTreeMap<String, Note>,
}

impl Witnesses {
    pub(crate) fn new(
        at: &[WitnessAt],
        (seals, keys): (Arc<Sealers>, Keys),
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let mut all: Vec<(WitnessKey, Arc<dyn Door>)> = Vec::new();
        for WitnessAt { url, key } in at {
            let client = Client::builder()
                .redirect(Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT)
                .timeout(ANSWER)
                .build()
                .context("no HTTP client for the trail's witnesses")?;
            let url = url.join("add-checkpoint").context("the address of a witness")?;
            all.push((key.clone(), Arc::new(Http { client, url })));
        }
        Ok(Self { all, seals, keys, clock, said: ArcSwap::default() })
    }

    /// Hands the newest checkpoint of each log in, until `stop` is done.
    pub(crate) async fn keep(&self, stop: impl Future<Output = ()>) {
        if self.all.is_empty() {
            return stop.await;
        }
        let mut watches = BTreeMap::new();
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let follow = async {
            loop {
                tick.tick().await;
                self.follow(&mut watches).await;
            }
        };
        tokio::select! {
            () = stop => {}
            () = follow => {}
        }
    }

    async fn follow(&self, watches: &mut BTreeMap<String, Followed>) {
        let (logs, now) = (self.seals.logs(), self.clock.now());
        watches.retain(|origin, _| logs.iter().any(|log| log.origin == *origin));
        for log in logs {
            if watches.contains_key(&log.origin) {
                continue;
            }
            // It has keys since its first checkpoint.
            let keys = Pen::known(&self.keys).and_then(|pen| pen.verifiers(&log));
            let Ok(keys) = keys else { continue };
            let handover = Handover::new(keys, log.shelf, self.all.clone(), now);
            watches.insert(log.origin, Followed { handover, id: log.id, failing: false });
        }
        join_all(watches.iter_mut().map(|(origin, one)| one.round(origin, now))).await;
        let cosigned = |one: &Followed| Some((one.id.clone(), one.handover.cosigned()?.clone()));
        let said = Said {
            standings: watches.values().flat_map(Followed::standings).collect(),
            cosigned: watches.values().filter_map(cosigned).collect(),
        };
        self.said.store(Arc::new(said));
    }

    /// What is measured of each log and witness: name, what it says, labels, value.
    pub(crate) fn readings(&self) -> Vec<Reading> {
        let (said, now) = (self.said.load(), self.clock.now());
        let mut all = Vec::new();
        let mut read = |name, help, of: &dyn Fn(&WitnessStanding) -> u64| {
            all.extend(said.standings.iter().map(|one| {
                let labels = vec![("log", one.log.clone()), ("witness", one.witness.clone())];
                (name, help, labels, of(one))
            }));
        };
        let age = "For how long a witness has not cosigned a log's checkpoint";
        read("trail_witness_age_seconds", age, &|one| one.age(now).as_secs());
        let behind = "Entries of a log that a witness has not seen";
        read("trail_witness_behind", behind, &|one| one.behind);
        let contradicts = "Whether a witness has seen another history of a log";
        read("trail_witness_contradicts", contradicts, &|one| u64::from(one.contradicts.is_some()));
        all
    }

    /// What anybody may see of each log that is sealed here.
    pub(crate) fn heads(&self) -> Vec<LogHead> {
        let said = self.said.load();
        let head = |(id, note): (String, String)| {
            let head = head(&note)?;
            let cosigned = said.cosigned.get(&id);
            let witnesses = cosigned.map(|note| self.witnessed(note)).unwrap_or_default();
            Some(LogHead { id, size: head.size, signed: head.time, witnesses })
        };
        self.seals.heads().into_iter().filter_map(head).collect()
    }

    /// The newest checkpoint of a log, cosigned where that one was.
    pub(crate) fn checkpoint(&self, log: &str) -> Option<String> {
        let newest = self.seals.heads().into_iter().find(|(id, _)| id == log)?.1;
        let text = Note::parse(&newest).ok()?;
        let said = self.said.load();
        let cosigned = said.cosigned.get(log).filter(|note| note.text() == text.text());
        Some(cosigned.map_or(newest, ToString::to_string))
    }

    /// Who has cosigned a checkpoint, and when.
    fn witnessed(&self, note: &Note) -> Vec<Witnessed> {
        let Some(head) = head(&note.to_string()) else { return Vec::new() };
        let witnessed = |key: &WitnessKey| {
            let at = i64::try_from(note.seen_by(key).ok()?).ok()?;
            let at = Timestamp::from_second(at).ok()?;
            Some(Witnessed { by: key.name().to_owned(), size: head.size, at })
        };
        self.all.iter().filter_map(|(key, _)| witnessed(key)).collect()
    }
}

/// What a checkpoint says, which our sealer or a witness of ours has signed.
fn head(note: &str) -> Option<Head> {
    let note = Note::parse(note).ok()?;
    Some(Head::of(&Checkpoint::parse(note.text()).ok()?))
}

/// A log that is followed.
struct Followed {
    handover: Handover,
    /// What stands for its name where that should not be read.
    id: String,
    failing: bool,
}

impl Followed {
    async fn round(&mut self, log: &str, now: Timestamp) {
        let result = self.handover.round(now).await;
        if let Err(error) = &result
            && !self.failing
        {
            tracing::warn!(log, %error, "a checkpoint could not be handed to the witnesses");
        }
        self.failing = result.is_err();
    }

    fn standings(&self) -> impl Iterator<Item = WitnessStanding> {
        let id = self.id.clone();
        self.handover
            .standings()
            .into_iter()
            .map(move |one| WitnessStanding { log: id.clone(), ..one })
    }
}
