//! `amanah audit`: the trail and its log, and whoever watches over them.

mod accept;
mod archive;
mod check;
mod checkpoint;
mod desk;
mod erase;
mod export;
mod history;
mod log;
mod offsite;
mod prove;
mod review;
mod unrecorded;
mod verify;
mod witness;

use crate::cli::Place;
use crate::cli::audit::Audit;
use crate::exit::Exit;

pub(crate) async fn run(place: &Place, audit: Audit) -> anyhow::Result<Exit> {
    match audit {
        Audit::Checkpoint(wanted) => checkpoint::run(place, wanted).await,
        Audit::Witness(wanted) => witness::run(place, wanted).await,
        Audit::Verify(wanted) => verify::run(place, wanted).await,
        Audit::Prove(wanted) => prove::run(place, wanted).await,
        Audit::Check(wanted) => check::run(place, &wanted),
        Audit::AcceptEpoch(wanted) => accept::run(place, wanted).await,
        Audit::Offsite(wanted) => offsite::run(place, wanted).await,
        Audit::Archive(wanted) => archive::run(place, wanted).await,
        Audit::Unrecorded(wanted) => unrecorded::run(place, wanted).await,
        Audit::Log(wanted) => log::run(place, *wanted).await,
        Audit::History(wanted) => history::run(place, wanted).await,
        Audit::Erase(wanted) => erase::run(place, wanted).await,
        Audit::Export(wanted) => export::run(place, wanted).await,
        Audit::Review(wanted) => review::run(place, wanted).await,
        Audit::Explain(wanted) => unrecorded::explain(place, wanted).await,
    }
}
