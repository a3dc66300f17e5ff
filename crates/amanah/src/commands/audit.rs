//! `amanah audit`: the trail and its log, and whoever watches over them.

mod checkpoint;
mod witness;

use crate::cli::Place;
use crate::cli::audit::Audit;
use crate::exit::Exit;

pub(crate) async fn run(place: &Place, audit: Audit) -> anyhow::Result<Exit> {
    match audit {
        Audit::Checkpoint(wanted) => checkpoint::run(place, wanted).await,
        Audit::Witness(wanted) => witness::run(place, wanted).await,
    }
}
