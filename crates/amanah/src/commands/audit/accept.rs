//! `amanah audit accept-epoch`: somebody answers for an epoch of a log with which rows are gone.
//!
//! It promises to take a word for nothing that the log's checkpoint does not vouch for, and to keep it
//! where no database reaches it: beside the key, signed.

use ::audit::EpochLeaf;
use ::audit::seal::LogReader;
use ::audit::verify::{Acceptances, Accepted, Signed, found};
use serde_json::json;

use crate::cli::{Place, audit};
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::out;
use crate::trail::{Log, Pen, newest};

pub(crate) async fn run(place: &Place, wanted: audit::AcceptEpoch) -> anyhow::Result<Exit> {
    Installation::with(place, async |house| {
        let _turn = house.data.turn().await?;
        let known = house.known();
        let named = known.only(&house.ground, wanted.database.as_deref())?;
        let log = Log::of(named.kept, &house.data, &house.config, &house.cx)?;
        let pen = Pen::known(&house.ring.keys)?;
        let keys = pen.verifiers(&log)?;
        let (entry, epoch) =
            meant(&log, &Signed::open(&newest(&log).await?.note, &keys)?, wanted.epoch).await?;
        let file = Acceptances::at(log.accepted(&house.data));
        if let Some(one) = file.all(&keys)?.into_iter().find(|one| one.is_of(entry, &epoch)) {
            let Accepted { by, at, .. } = one;
            return Err(
                Usage(format!("{by} has answered for epoch {} on {at:.0}", epoch.epoch)).into()
            );
        }
        let words = (wanted.by.as_str(), wanted.why.as_str());
        let one = Accepted::sign(&pen, &log.origin, (entry, &epoch), words, house.cx.clock.now())?;
        file.add(&one, &keys)?;
        tell(place, &log, &epoch, &one)?;
        Ok(Exit::Holds)
    })
    .await
}

/// The epoch of this number, if rows can be gone with it.
async fn meant(log: &Log, head: &Signed, number: u32) -> anyhow::Result<(u64, EpochLeaf)> {
    let reader = LogReader::new(log.shelf.clone(), head.head.size);
    let Some([(_, before), (entry, epoch)]) = found(&reader, head, number).await? else {
        let why = format!("the log of {} has no epoch {number} behind the first", log.database);
        return Err(Usage(why).into());
    };
    if before.system != epoch.system {
        let why = format!(
            "epoch {number} is on another cluster than the one before, where transactions are counted \
             anew: with it no row may be gone, and `amanah audit verify` names each that is"
        );
        return Err(Usage(why).into());
    }
    Ok((entry, epoch))
}

fn tell(place: &Place, log: &Log, epoch: &EpochLeaf, one: &Accepted) -> anyhow::Result<()> {
    let Accepted { entry, by, why, at, .. } = one;
    if place.json {
        let told = json!({
            "database": log.database, "log": log.origin, "epoch": epoch.epoch, "entry": entry,
            "said": epoch.why, "by": by, "why": why, "time": at,
        });
        out::line(&serde_json::to_string_pretty(&told)?);
        return Ok(());
    }
    out::line(&format!(
        "{}: {by} answers for epoch {} since entry {entry}, with which the log says: {}\n\
         What is gone with it is no damage any more; `amanah audit verify` prints who said so, and why",
        log.database, epoch.epoch, epoch.why
    ));
    Ok(())
}
