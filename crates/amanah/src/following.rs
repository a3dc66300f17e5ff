//! A running `amanah up` follows what other commands protect and undo, without a restart.
//!
//! What is written down is compared with what is known every few seconds. When it differs, everything
//! that is about the databases is made anew beside the old, and takes its place when all of it is
//! there: controls, tokens for whoever asks, the gateway's. A database that is as it was stays open.
//! Whatever fails on the way leaves the old in place, and is tried again. A database that cannot be
//! opened makes the claims about it unknown; it is looked for again every minute.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use claims::{Engine, Filter, Page};
use console::tenants::Bindings;
use tokio::time::Instant;

use crate::bridge::{OwnPages, UpstreamBinder};
use crate::data::Running;
use crate::installation::{EdgeAt, Installation};
use crate::known::{DatabaseAt, Known};
use crate::{kept, lost, out, protection};

/// How often it is looked for databases that have come or gone.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often one that could not be opened is looked for.
const RETRY_EVERY: Duration = Duration::from_mins(1);
/// Where a database on another server makes a difference too, beside the claims about all of them.
const DISKS: &str = "rest.disk";

/// What of a running `amanah up` is about the protected databases.
pub(crate) struct Live {
    pub(crate) engine: Engine,
    pub(crate) pages: Vec<Arc<Page>>,
    pub(crate) own: Arc<OwnPages>,
    pub(crate) edge: EdgeAt,
    pub(crate) bindings: Arc<ArcSwap<Bindings>>,
    pub(crate) upstream: Arc<UpstreamBinder>,
    /// What other commands were told at the start.
    pub(crate) running: Running,
}

/// Which database is behind the gateway, once that is settled: it is never another one later, for the
/// application behind it works on this one.
#[derive(Default)]
pub(crate) struct Behind(Mutex<Option<DatabaseAt>>);

impl Behind {
    pub(crate) fn settle(&self, place: DatabaseAt) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }

    pub(crate) fn settled(&self) -> Option<DatabaseAt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Follows until `stop` ends.
pub(crate) async fn keep(installation: &Installation, live: &Live, stop: impl Future<Output = ()>) {
    let follow = async {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        let mut retry = Instant::now() + RETRY_EVERY;
        // Whether what has come is still to be proven.
        let mut owed = false;
        let mut failing = false;
        loop {
            tick.tick().await;
            let followed = async {
                owed |= live.look(installation, &mut retry).await?;
                if owed {
                    live.prove().await?;
                }
                owed = false;
                anyhow::Ok(())
            };
            let followed = followed.await;
            if let Err(error) = &followed
                && !failing
            {
                let why = out::words(error);
                tracing::warn!(why, "what was protected or undone lately is not followed yet");
            }
            failing = followed.is_err();
        }
    };
    tokio::select! {
        () = stop => {}
        () = follow => {}
    }
}

impl Live {
    /// Whether anything has come or gone.
    async fn look(&self, installation: &Installation, retry: &mut Instant) -> anyhow::Result<bool> {
        let known = installation.known();
        let again = !known.lost.is_empty() && *retry <= Instant::now();
        if !again && !differs(installation, &known).await? {
            return Ok(false);
        }
        *retry = Instant::now() + RETRY_EVERY;
        let Installation { ground, data, strongbox, cx, .. } = installation;
        // Whoever protects or undoes has the turn until everything is there, or gone.
        let turn = data.turn().await?;
        let now = Known::read(ground, data, strongbox, &*cx.rng, &known).await?;
        drop(turn);
        if again && now.is_of(&known.kept) && now.lost == known.lost {
            return Ok(false);
        }
        self.renew(installation, now).await?;
        Ok(true)
    }

    /// Has everything that is about the databases begin anew with those that there are, or nothing.
    async fn renew(&self, installation: &Installation, now: Known) -> anyhow::Result<()> {
        let clock = &installation.cx.clock;
        let behind = installation.behind(&now).unwrap_or_else(|error| {
            tracing::warn!(why = out::words(&error), "nothing is bound behind the gateway");
            None
        });
        let controls = installation.controls(&now, behind, &self.own, self.edge.clone()).await?;
        let settled = behind.map(DatabaseAt::of).or_else(|| installation.behind.settled());
        let running = Running { behind: settled.clone(), ..self.running.clone() };
        installation.data.announce(&running)?;
        let bindings = protection::bindings(&now.guarded, clock);
        let binder = behind.map(|one| protection::binder(one, Arc::clone(clock)));
        self.engine.replace(controls)?;
        if let Some(place) = settled {
            installation.behind.settle(place);
        }
        self.bindings.store(Arc::new(bindings));
        self.upstream.change(binder);
        let names = now.guarded.iter().map(|one| one.protected.name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        tracing::info!(names, lost = now.lost.len(), "the protected databases are others now");
        installation.learn(now);
        Ok(())
    }

    /// Proves at once what is about them; the rest follows by its cadence.
    async fn prove(&self) -> anyhow::Result<()> {
        let ids = lost::ABOUT.iter().copied().chain([DISKS]);
        let meant = Filter(ids.map(str::to_owned).collect());
        match self.engine.verify(&self.pages, &meant, false, &|_| {}).await {
            Ok(_) | Err(claims::Error::NoMatch(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a database is written down that is not known, or otherwise, or is protected anew.
async fn differs(installation: &Installation, known: &Known) -> anyhow::Result<bool> {
    let all = kept::all(&installation.data)?;
    if !known.is_of(&all) {
        return Ok(true);
    }
    for kept in all {
        let lost = known.lost.iter().any(|lost| lost.kept == kept);
        let same = match kept.secrets(&installation.strongbox).await {
            Ok(Some(secrets)) => known.opened(&kept, &secrets).is_some(),
            Err(error) if kept::is_away(&error) => return Err(error),
            Ok(None) | Err(_) => false,
        };
        if !same && !lost {
            return Ok(true);
        }
    }
    Ok(false)
}
