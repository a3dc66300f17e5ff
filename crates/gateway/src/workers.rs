//! The threads that serve connections: one runtime each, and nothing that crosses from one to
//! another while a request is answered.
//!
//! A connection stays with the thread that it was given to, and so does the connection to the
//! application that its requests go over: nobody waits for another thread to wake up. One acceptor
//! gives each new connection to the thread that has the fewest, so that a few connections are
//! spread as evenly as many.
//!
//! What reaches the database or renders a page belongs to the runtime that the program lives in, see
//! [`AtHome`]: a thread of the gateway may end while the rest goes on.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use kernel::Fut;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::attack::{self, Gauge};
use crate::connection::Client;
use crate::deploy::{self, Deployer, Switch};
use crate::handshake::Terms;
use crate::serve::Shared;

/// How long open requests may take to finish when the gateway stops.
pub(crate) const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// How far the gateway is. When nobody is left who could say, it was dropped, and every connection
/// ends at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Serving,
    /// Another process accepts connections. Those that are here are served; each answer over HTTP/1.1 is the
    /// last of its connection, and whoever speaks HTTP/2 is told to ask elsewhere.
    Leaving,
    /// Open requests may finish, and there are no others.
    Draining,
}

/// What the connections of one thread have in common.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    /// Where this thread's requests go. A switch replaces it, see `deploy`.
    pub(crate) route: Switch,
    /// What this thread counts.
    pub(crate) gauge: Arc<Gauge>,
}

/// A connection that was accepted.
pub(crate) struct Newcomer {
    pub(crate) tcp: std::net::TcpStream,
    pub(crate) peer: SocketAddr,
    /// Given back when the connection has ended.
    pub(crate) slot: Option<OwnedSemaphorePermit>,
}

/// All threads. They end when this is dropped.
pub(crate) struct Workers {
    desks: Vec<Desk>,
    stage: watch::Sender<Stage>,
    /// Ends when the last thread has.
    over: mpsc::Receiver<()>,
    /// Moves all of them to another release.
    pub(crate) deployer: Deployer,
}

/// How one thread is reached.
struct Desk {
    queue: mpsc::UnboundedSender<Newcomer>,
    /// Its connections, also those that wait in its queue.
    open: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// When the system has no thread or no descriptor for one of them.
    pub(crate) async fn start(
        count: usize,
        shared: &Arc<Shared>,
        terms: &Terms,
    ) -> io::Result<Self> {
        let (stage, watched) = watch::channel(Stage::Serving);
        let (alive, over) = mpsc::channel(1);
        let (mut desks, mut switches) = (Vec::new(), Vec::new());
        for number in 0..count.max(1) {
            let (queue, newcomers) = mpsc::unbounded_channel();
            let open = Arc::new(AtomicUsize::new(0));
            let (ready, started) = oneshot::channel();
            let route = deploy::first(shared.upstream.as_ref());
            switches.push(Arc::clone(&route));
            let work = Work {
                worker: Arc::new(Worker {
                    shared: Arc::clone(shared),
                    route,
                    gauge: shared.attack.gauge(count),
                }),
                terms: terms.clone(),
                newcomers,
                open: Arc::clone(&open),
                stage: watched.clone(),
                _alive: alive.clone(),
            };
            thread::Builder::new()
                .name(format!("gateway-{number}"))
                .spawn(move || work.run(ready))?;
            started.await.map_err(|_| io::Error::other("a thread ended at its start"))??;
            desks.push(Desk { queue, open });
        }
        Ok(Self { desks, stage, over, deployer: Deployer::new(switches) })
    }

    /// Gives a connection to the thread that has the fewest.
    pub(crate) fn give(&self, newcomer: Newcomer) {
        let Some(desk) = self.desks.iter().min_by_key(|desk| desk.open.load(Ordering::Relaxed))
        else {
            return;
        };
        desk.open.fetch_add(1, Ordering::Relaxed);
        if desk.queue.send(newcomer).is_err() {
            tracing::error!("a thread of the gateway is gone, and a connection was closed");
        }
    }

    /// Takes no more connections, and serves those that there are until each has ended or `over` has. A
    /// connection that is idle is not closed, since a request may be on its way: it ends with the answer to
    /// that, or by the deadline for all idle ones.
    pub(crate) async fn leave(&mut self, over: impl Future<Output = ()>) {
        let _ = self.stage.send(Stage::Leaving);
        self.desks.clear();
        tokio::select! {
            _ = self.over.recv() => {}
            () = over => {}
        }
    }

    /// Lets open requests finish for at most ten seconds.
    pub(crate) async fn drain(mut self) {
        let _ = self.stage.send(Stage::Draining);
        self.desks.clear();
        while self.over.recv().await.is_some() {}
    }
}

/// One thread's work.
struct Work {
    worker: Arc<Worker>,
    terms: Terms,
    newcomers: mpsc::UnboundedReceiver<Newcomer>,
    open: Arc<AtomicUsize>,
    stage: watch::Receiver<Stage>,
    _alive: mpsc::Sender<()>,
}

impl Work {
    fn run(self, ready: oneshot::Sender<io::Result<()>>) {
        match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                let _ = ready.send(Ok(()));
                runtime.block_on(self.serve());
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    }

    async fn serve(mut self) {
        // It ends with the runtime of this thread.
        tokio::spawn(attack::feel(Arc::clone(&self.worker.gauge)));
        let mut connections = JoinSet::new();
        let mut stage = self.stage.clone();
        loop {
            tokio::select! {
                // Dropped, and not drained: nobody waits for the connections either.
                Err(_) = stage.changed() => return,
                Some(_) = connections.join_next() => {}
                newcomer = self.newcomers.recv() => match newcomer {
                    Some(newcomer) => { connections.spawn(self.connection(newcomer)); }
                    None => break,
                },
            }
        }
        let late = async {
            // An error means that the gateway was dropped: nobody waits then.
            if stage.wait_for(|stage| *stage == Stage::Draining).await.is_ok() {
                sleep(DRAIN_DEADLINE).await;
            }
        };
        let drained = async { while connections.join_next().await.is_some() {} };
        tokio::select! {
            () = drained => {}
            () = late => {}
        }
        connections.shutdown().await;
    }

    fn connection(&self, newcomer: Newcomer) -> impl Future<Output = ()> + use<> {
        let client = Client {
            worker: Arc::clone(&self.worker),
            terms: self.terms.clone(),
            peer: newcomer.peer,
            stage: self.stage.clone(),
        };
        let seat = Seat { open: Arc::clone(&self.open), _slot: newcomer.slot };
        async move {
            let _seat = seat;
            match TcpStream::from_std(newcomer.tcp) {
                Ok(tcp) => client.serve(tcp).await,
                Err(error) => tracing::warn!(%error, "a connection could not be served"),
            }
        }
    }
}

/// A connection's place, which is free again however the connection ends.
struct Seat {
    open: Arc<AtomicUsize>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A future that is polled on a thread of the gateway and yet belongs to the runtime that the
/// program lives in: whatever it starts, its connections to the database and its clocks, goes on
/// there.
pub(crate) struct AtHome<'a, T> {
    home: &'a Handle,
    future: Fut<'a, T>,
}

impl<'a, T> AtHome<'a, T> {
    pub(crate) const fn new(home: &'a Handle, future: Fut<'a, T>) -> Self {
        Self { home, future }
    }
}

impl<T> Future for AtHome<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let _inside = self.home.enter();
        self.future.as_mut().poll(cx)
    }
}
