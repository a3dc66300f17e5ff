//! `amanah up`: everything, until it is told to stop, or until another program is the house: see `upgrade`.

mod assemble;
mod desks;
mod told;
mod work;

use std::fs::File;
use std::future::Future;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::application::Application;
use crate::cli::{Place, Up};
use crate::control::{self, Control};
use crate::data::Data;
use crate::exit::Exit;
use crate::ground::Stay;
use crate::installation::Installation;
use crate::out;
use crate::upgrade::{self, Course, Estate, Heir, Held, Inheritance, Start, Upgrader, Yours};
use assemble::{Parts, Sample, assemble};
use work::{Alone, beside};

/// A house that is this process's alone and does not serve yet.
struct House {
    installation: Installation,
    parts: Parts,
    application: Held,
    /// Where commands ask.
    control: Control,
    rests: watch::Sender<bool>,
}

pub(crate) async fn run(place: &Place, up: Up) -> anyhow::Result<Exit> {
    let (start, course) = (Start::of_this_process()?, Course::default());
    let signals = tokio::spawn(wait_for_signal(course.clone())?);
    if up.take_over {
        let (heir, inherited) = Heir::meet().await?;
        match Box::pin(take_over(place, &up, (start, &course), (&heir, inherited))).await {
            Ok(house) => Box::pin(serve(place, &up, house, &course, Some(heir))).await?,
            Err(error) => {
                heir.fails(out::words(&error)).await;
                return Err(error);
            }
        }
    } else {
        let house = Box::pin(build(place, &up, (start, &course))).await?;
        Box::pin(serve(place, &up, house, &course, None)).await?;
    }
    signals.abort();
    Ok(Exit::Holds)
}

/// Answers requests and does everything else, until the course is over.
async fn serve(
    place: &Place,
    up: &Up,
    house: House,
    course: &Course,
    heir: Option<Heir>,
) -> anyhow::Result<()> {
    let House { installation, parts, application, control, rests } = house;
    let Parts { live, seals, witnesses, gateway, lookout, private, .. } = parts;
    let sharing = gateway.sharing();
    let serving = {
        let course = course.clone();
        tokio::spawn(gateway.run_or_leave(course.clone().over(), course.leaves()))
    };
    if let Some(heir) = heir {
        heir.serves().await;
    }
    upgrade::manager::serves();
    let keys = async {
        if let Some(private) = private {
            private.run_or_leave(course.clone().over(), course.clone().leaves()).await;
        }
    };
    let answering = async {
        let (served, ()) = tokio::join!(serving, keys);
        // Whatever made it end, everybody else ends too.
        course.end();
        served
    };
    let alone = Alone {
        place,
        up,
        installation: &installation,
        live: &live,
        seals: &seals,
        witnesses: &witnesses,
        application: &application,
        course,
    };
    let beside = beside(&installation, (lookout, sharing, control), || course.clone());
    let (served, (), ()) = tokio::join!(answering, beside, alone.keep(&rests));
    if !course.is_given_over() {
        installation.ground.stop().await?;
    }
    served.context("the gateway ended in disorder")
}

/// Puts everything together, up to the listener that is bound and does not serve yet. What was
/// started is stopped again when something else cannot be had.
async fn build(place: &Place, up: &Up, on: (Start, &Course)) -> anyhow::Result<House> {
    let lock = Data::open(&place.data)?.lock()?;
    let mut installation = Installation::open(place, Stay::Begin).await?;
    installation.sweep().await;
    let settled = async {
        let mut parts = assemble(up, &mut installation, None).await?;
        let application = match std::mem::replace(&mut parts.sample, Sample::None) {
            Sample::Ours(application) => Some(application),
            Sample::Theirs(..) | Sample::None => None,
        };
        anyhow::Ok((doors(&installation, up, &parts, on, (lock, application))?, parts))
    };
    match settled.await {
        Ok(((control, rests, application), parts)) => {
            Ok(House { installation, parts, application, control, rests })
        }
        Err(error) => {
            installation.ground.abandon(&installation.data, Stay::Begin).await?;
            Err(error)
        }
    }
}

/// The same beside the house that runs, whose everything this process has at the end.
async fn take_over(
    place: &Place,
    up: &Up,
    on: (Start, &Course),
    (heir, inherited): (&Heir, Inheritance),
) -> anyhow::Result<House> {
    let over = on.1.clone().over();
    let built = async {
        let mut installation = Installation::open(place, Stay::TakeOver).await?;
        match assemble(up, &mut installation, Some(inherited)).await {
            Ok(parts) => Ok((installation, parts)),
            Err(error) => {
                installation.ground.abandon(&installation.data, Stay::TakeOver).await?;
                Err(error)
            }
        }
    };
    let (installation, mut parts) = tokio::select! {
        built = built => built?,
        gone = heir.given_up() => return Err(gone),
        () = over => bail!("it was told to stop"),
    };
    let Yours { lock, application } = heir.take().await?;
    let application = match std::mem::replace(&mut parts.sample, Sample::None) {
        Sample::Theirs(address, outside) => {
            let process = application.context("the sample application was not handed over")?;
            Some(Application::adopt(address, outside, process))
        }
        Sample::Ours(_) => bail!("the house that runs has no sample application"),
        Sample::None => None,
    };
    let (control, rests, application) = doors(&installation, up, &parts, on, (lock, application))?;
    Ok(House { installation, parts, application, control, rests })
}

/// Tells commands that this process is the house, and opens the socket where they ask.
fn doors(
    installation: &Installation,
    up: &Up,
    parts: &Parts,
    (start, course): (Start, &Course),
    (lock, application): (File, Option<Application>),
) -> anyhow::Result<(Control, watch::Sender<bool>, Held)> {
    let (sender, rests) = watch::channel(false);
    let held = Held::new(application.into());
    let keys = parts.private.as_ref().map(gateway::Private::listening).transpose()?;
    let estate = Estate { listeners: parts.gateway.listeners()?, keys, lock };
    let upgrader = Upgrader {
        start,
        course: course.clone(),
        rests,
        estate: Some(estate).into(),
        application: Arc::clone(&held),
        attack: parts.gateway.attack(),
        deployer: parts.gateway.deployer(),
        data: installation.data.clone(),
        user: rustix::process::geteuid().as_raw(),
    };
    installation.data.announce(&parts.live.running)?;
    let control = control::open(installation, &parts.gateway, up.demo, upgrader)?;
    Ok((control, sender, held))
}

fn wait_for_signal(course: Course) -> anyhow::Result<impl Future<Output = ()> + Send + use<>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        course.end();
    })
}
