//! What a house does beside answering: what goes on for as long as it answers, and what one process of an
//! installation alone may do, which rests before another one becomes the house.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use gateway::Sharing;
use tokio::sync::watch;

use crate::cli::{Place, Up};
use crate::control::Control;
use crate::following::{self, Live};
use crate::installation::Installation;
use crate::sealing::Sealers;
use crate::trail_desk::Lookout;
use crate::upgrade::{Course, Held};
use crate::witnesses::Witnesses;
use crate::{
    columns, comparing, erasing, files, keyserver, mail, months, offsite, out, people_reviews,
    redis, reviews, rights, rotation, sealing, seeds,
};

use super::told::tell;

/// How often it is looked whether PostgreSQL and the application still run.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// What whoever answers requests needs, until the house is over. Several processes may do it at once.
pub(super) async fn beside(
    installation: &Installation,
    (lookout, sharing, control): (Lookout, Option<Sharing>, Control),
    over: impl Fn() -> Course,
) {
    let stop = || over().over();
    let (pen, clock) = (&installation.pen, &*installation.cx.clock);
    let (carried, caches) = (&installation.carried, &installation.caches);
    let trapping = pen.keep(&installation.access, clock, stop());
    let carrying = carried.keep(sharing, caches, stop());
    let recording = pen.attacks.keep(&installation.access, clock, stop());
    let noting = rights::keep(installation, stop());
    let recognising = recognise(installation, stop());
    let showing = lookout.keep(installation, stop());
    let heeding = control.keep(stop());
    tokio::join!(trapping, carrying, recording, noting, recognising, showing, heeding);
}

/// Hears what ends sessions elsewhere, and writes down when they were used.
async fn recognise(installation: &Installation, stop: impl Future<Output = ()>) {
    let identities = &installation.identities;
    if let Err(error) = identities.shorten_sessions().await {
        tracing::warn!(%error, "the ends of open sessions were not brought forward to the limits");
    }
    identities.keep(installation.ground.engine.url(), stop).await;
}

/// What one process alone does.
pub(super) struct Alone<'a> {
    pub(super) place: &'a Place,
    pub(super) up: &'a Up,
    pub(super) installation: &'a Installation,
    pub(super) live: &'a Live,
    pub(super) seals: &'a Arc<Sealers>,
    pub(super) witnesses: &'a Witnesses,
    pub(super) application: &'a Held,
    pub(super) course: &'a Course,
}

impl Alone<'_> {
    /// Until the house is over, or another process's; with a rest, and again, when one was to become the
    /// house and did not. `rests` is told.
    pub(super) async fn keep(&self, rests: &watch::Sender<bool>) {
        if self.up.take_over {
            // The house before us has none under way any more.
            self.installation.sweep().await;
        }
        let mut is_new = true;
        loop {
            rests.send_replace(false);
            Box::pin(self.work(is_new)).await;
            rests.send_replace(true);
            if !self.course.clone().works_again().await {
                break;
            }
            is_new = false;
        }
        if !self.course.is_given_over()
            && let Some(application) = self.application.lock().await.take()
        {
            application.stop().await;
        }
    }

    async fn work(&self, is_new: bool) {
        let Self { installation, live, seals, witnesses, .. } = self;
        let stop = || self.course.clone().rests();
        let watching = watch_over(installation, self.application, stop());
        let keeping = keyserver::keep(installation, stop);
        let tidying = files::keep(&installation.files, stop());
        let rotating = rotation::keep(installation, installation.config.binding.rhythm(), stop());
        let caching = redis::keep(installation, stop());
        let following = following::keep(installation, live, stop());
        let upkeep =
            async { tokio::join!(watching, keeping, tidying, rotating, caching, following) };
        let sealing = sealing::keep(installation, seals, stop());
        let witnessing = witnesses.keep(stop());
        let dividing = months::keep(installation, stop());
        let turning = columns::keep(installation, stop());
        let comparing = comparing::keep(installation, stop());
        let copying = offsite::keep(installation, stop());
        let erasing = erasing::keep(installation, stop());
        let reviewing = reviews::keep(installation, stop());
        let trail = async {
            let sealed = async { tokio::join!(sealing, witnessing, dividing, turning) };
            tokio::join!(sealed, comparing, copying, erasing, reviewing)
        };
        let attending = people_reviews::keep(installation, stop());
        let mailing = mail::keep(installation, &installation.mailroom, stop());
        let providing = installation.directory.keep(stop());
        let resealing = seeds::keep(installation, stop());
        let people = async { tokio::join!(attending, mailing, providing, resealing) };
        tokio::join!(upkeep, trail, people, self.prove(is_new));
    }

    async fn prove(&self, is_new: bool) {
        let Live { engine, pages, running, .. } = self.live;
        let stop = || self.course.clone().rests();
        if is_new {
            tokio::select! {
                told = tell(self.place, engine, pages, running, self.installation, self.up.demo) => {
                    if let Err(error) = told {
                        // The scheduler tries again; the page says unknown meanwhile.
                        let words = out::words(&error);
                        out::aside(&format!("amanah: the first proofs did not end well: {words}"));
                    }
                }
                () = stop() => {}
            }
        }
        engine.keep_proving(pages, stop()).await;
    }
}

/// Revives what dies: PostgreSQL and the application.
async fn watch_over(
    installation: &Installation,
    application: &Held,
    stop: impl Future<Output = ()>,
) {
    let mut tick = tokio::time::interval(WATCH_EVERY);
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = tick.tick() => {}
        }
        if let Some(cluster) = &installation.ground.cluster {
            match cluster.revive().await {
                Ok(false) => {}
                Ok(true) => tracing::warn!("PostgreSQL had died and was started again"),
                Err(error) => tracing::error!(%error, "PostgreSQL does not start again"),
            }
        }
        if let Some(application) = &mut *application.lock().await
            && !application.is_alive()
        {
            match application.restart().await {
                Ok(()) => tracing::warn!("the application had ended and was started again"),
                Err(error) => {
                    let why = out::words(&error);
                    tracing::error!(why, "the application does not start again");
                }
            }
        }
    }
}
