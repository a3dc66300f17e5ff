//! Another program becomes the house that runs, without a moment in which nobody listens.
//!
//! The old process starts the new one as its child, with the arguments it was started with itself. They
//! hand over in this order:
//!
//! | step | the old process | the new process |
//! |---|---|---|
//! | hello | has started the program, which must be one that only root or its own user can have put there | says that it is Amanah, and in which form it takes over |
//! | start | gives copies of its listeners, and serves | opens the installation, migrates the control database, builds its house; adopts the PostgreSQL and the Redis that run |
//! | ready | has what one alone may do come to rest: proofs, sealing, comparing, mail, rotation, upkeep; still serves | waits |
//! | yours | gives the lock of the data directory, and the sample application | takes the control socket and `running.json`, accepts connections |
//! | serving | accepts none any more, serves those it has until they end, and ends | begins with what one alone may do |
//!
//! What may fail, fails before `yours`, while the old process has everything. Until it hears `serving` the
//! old one can go back: it kills its child, sees it gone, and goes on; so two never do what one alone may.
//! A new process whose parent is gone before `yours` ends; afterwards it is the house. Both accept from one
//! queue of the system, so that a connection that waits is lost by neither.
//!
//! It stops nobody who may already act as the user of the house or as root: that is who may ask (see
//! `control`), and who can put a program there (see `program`). A stranger can neither connect to the pair of
//! sockets, which has no name, nor find a secret on the command line; the environment is passed on as it is.
//!
//! What is lost is what a process holds in memory: counts of limits, passed challenges of under-attack mode,
//! measurements, TLS tickets. A migration that the new program has applied stays when it fails afterwards.

mod course;
mod heir;
pub(crate) mod manager;
mod program;
mod successor;
mod wire;

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use gateway::{AttackDesk, Deployer, Listeners, Listening};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use crate::application::Application;
use crate::data::Data;
use crate::exit::Usage;
use crate::out;
pub(crate) use course::Course;
pub(crate) use heir::{Heir, Inheritance, Yours};
use successor::{Successor, TAKE_OVER};
use wire::Word;

/// How long a new process may take until it could serve: the migrations are part of it.
const READY_WITHIN: Duration = Duration::from_mins(2);
/// How long what one alone may do may take to come to rest: proofs that run have ten seconds.
const REST_WITHIN: Duration = Duration::from_secs(30);
/// How long the new process may take from then on until it serves.
const SERVE_WITHIN: Duration = Duration::from_secs(20);

/// The sample application, in whoever's hands it is.
pub(crate) type Held = Arc<Mutex<Option<Application>>>;

/// How this process was started.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Start {
    /// Asked early: where the program lies is not known any more once another one is in its place.
    pub(crate) fn of_this_process() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("our own program cannot be found")?;
        let arguments = std::env::args_os().skip(1).filter(|one| one != TAKE_OVER).collect();
        Ok(Self { program, arguments })
    }
}

/// What is handed over, beside the sample application.
pub(crate) struct Estate {
    pub(crate) listeners: Listeners,
    pub(crate) keys: Option<Listening>,
    pub(crate) lock: File,
}

/// How an upgrade came out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Upgraded {
    /// Whether another process is the house.
    pub(crate) taken: bool,
    /// Why not.
    pub(crate) why: Option<String>,
    pub(crate) program: PathBuf,
    /// The process that was the house, and the one that is.
    pub(crate) before: u32,
    pub(crate) now: u32,
    /// The version of the new one.
    pub(crate) version: Option<String>,
}

/// Has another program become the house.
pub(crate) struct Upgrader {
    pub(crate) start: Start,
    pub(crate) course: Course,
    /// Whether what one alone may do rests.
    pub(crate) rests: watch::Receiver<bool>,
    /// Gone once another process is the house.
    pub(crate) estate: Mutex<Option<Estate>>,
    pub(crate) application: Held,
    pub(crate) attack: AttackDesk,
    pub(crate) deployer: Deployer,
    pub(crate) data: Data,
    /// Who this process runs as.
    pub(crate) user: u32,
}

impl Upgrader {
    /// Has the program at `path` become the house, or the one at the place this one was started from. The
    /// connections of this process have `drain` to end.
    ///
    /// # Errors
    /// [`Usage`] when there is no such program or it may not be started. What goes wrong with the program
    /// itself is no error but an outcome.
    pub(crate) async fn upgrade(
        &self,
        path: Option<&Path>,
        drain: Duration,
        tell: &(dyn Fn(String) + Send + Sync),
    ) -> anyhow::Result<Upgraded> {
        let before = std::process::id();
        if before == 1 {
            let words = "the house is the first process of its container, which ends with it: start a new \
                         container instead; nothing was changed";
            return Err(Usage(words.to_owned()).into());
        }
        let program = program::trusted(path.unwrap_or(&self.start.program), self.user)?;
        let taking = async {
            tokio::select! {
                taken = self.give_over(&program, drain, tell) => taken,
                () = self.course.clone().over() => bail!("the house is told to stop"),
            }
        };
        let ended = |taken, why, now, version| {
            Ok(Upgraded { taken, why, program: program.clone(), before, now, version })
        };
        match taking.await {
            Ok((now, version)) => {
                tracing::warn!(before, now, version, "another process is the house from now on");
                ended(true, None, now, Some(version))
            }
            Err(error) => {
                let why = out::words(&error);
                tracing::error!(why, program = %program.display(), "the house was not upgraded");
                ended(false, Some(why), before, None)
            }
        }
    }

    async fn give_over(
        &self,
        program: &Path,
        drain: Duration,
        tell: &(dyn Fn(String) + Send + Sync),
    ) -> anyhow::Result<(u32, String)> {
        let mut new = Successor::start(program, &self.start.arguments).await?;
        let (process, version) = (new.process, new.version.clone());
        tell(format!("amanah {version} has started as process {process}"));
        // Nobody else may want it meanwhile.
        let mut estate = self.estate.lock().await;
        let held = estate.as_ref().context("another process is the house already")?;
        self.start(&mut new, held).await?;
        tell("it could serve; what one process alone may do comes to rest here".to_owned());
        if !self.course.yields() {
            bail!("the house is about to stop");
        }
        let told = self.data.last_run();
        if let Err(error) = self.give(&mut new, held).await {
            new.end().await;
            if let Some(Err(error)) = told.map(|told| self.data.announce(&told)) {
                let why = out::words(&error);
                tracing::error!(why, "commands may look for the house at the wrong process");
            }
            self.course.goes_on();
            return Err(error);
        }
        // From here on it is the other one's, whatever becomes of this process: what it still holds of it
        // would keep a lock or an address from being given back.
        drop(estate.take());
        drop(self.application.lock().await.take());
        if !self.course.leaves_within(drain) {
            bail!("the house is told to stop");
        }
        new.release();
        manager::is_now(process);
        Ok((process, version))
    }

    /// Until it could serve.
    async fn start(&self, new: &mut Successor, held: &Estate) -> anyhow::Result<()> {
        let application = self.application.lock().await.as_ref().map(|one| one.address);
        let Estate { listeners, keys, .. } = held;
        let with: Vec<_> = [Some(&listeners.main), listeners.clear.as_ref(), keys.as_ref()]
            .into_iter()
            .flatten()
            .map(|one| one.as_fd())
            .collect();
        let (clear, keys) = (listeners.clear.is_some(), keys.is_some());
        let attack = self.attack.standing().mode.name().to_owned();
        let upstream = self.deployer.current().map(|current| current.to_string());
        new.say(&Word::Start { clear, keys, application, upstream, attack }, &with).await?;
        match new.hear(READY_WITHIN, "become ready").await? {
            Word::Ready {} => Ok(()),
            _ => bail!("it says something else than that it is ready"),
        }
    }

    /// Until it serves.
    async fn give(&self, new: &mut Successor, held: &Estate) -> anyhow::Result<()> {
        let mut rests = self.rests.clone();
        let rested = timeout(REST_WITHIN, rests.wait_for(|rests| *rests)).await;
        rested.context("what one process alone may do does not come to rest")??;
        let application = self.application.lock().await;
        let mut with = vec![held.lock.as_fd()];
        with.extend(application.iter().flat_map(Application::descriptors));
        new.say(&Word::Yours {}, &with).await?;
        drop(application);
        match new.hear(SERVE_WITHIN, "serve").await? {
            Word::Serving {} => Ok(()),
            _ => bail!("it says something else than that it serves"),
        }
    }
}
