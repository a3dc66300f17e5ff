//! The protected databases as the trail's controls watch them.

use std::sync::Arc;

use audit::archive::Archive;
use audit::offsite::Offsite;
use audit::{SealedLog, Watched, Whole};
use kernel::Binder;
use store::Table;
use tenancy::{Guarded, TenantBinder};

use crate::installation::Installation;
use crate::kept::Kept;
use crate::known::{DatabaseAt, Known, name};
use crate::protection::critical;
use crate::trail::{Log, looked_after};
use crate::{archived, offsite, out, reviews};

/// Every database that is open, with its log and where its copy goes. What cannot be opened of one of
/// them leaves the others as they are; the claims about that one are unknown, and say why.
pub(crate) fn watched(house: &Installation, known: &Known) -> Vec<Watched> {
    let mut all: Vec<(DatabaseAt, Watched)> =
        known.guarded.iter().map(|one| bare(house, one)).collect();
    for kept in &known.kept {
        let Ok(guarded) = known.at(kept, &house.ground) else { continue };
        let at = DatabaseAt::of(guarded);
        for (_, one) in all.iter_mut().filter(|(place, _)| *place == at) {
            (one.log, one.offsite, one.archive) = opened(house, kept);
            let reviewed = reviews::reviewed(house, &name(kept));
            one.reviewed = reviewed.map_err(|error| out::words(&error));
        }
    }
    all.into_iter().map(|(_, one)| one).collect()
}

/// Something, or why it cannot be opened.
type Opened<T> = Result<T, String>;

/// The log over a trail, the place of its copy and that of its archive, or why they cannot be opened.
fn opened(
    house: &Installation,
    kept: &Kept,
) -> (Opened<SealedLog>, Opened<Offsite>, Opened<Option<Archive>>) {
    let log = Log::of(kept, &house.data, &house.config, &house.cx).map_err(|e| out::words(&e));
    let sealed = log
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|log| looked_after(house, log).map_err(|error| out::words(&error)));
    let archive = log
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|log| archived::place(house, log).map_err(|error| out::words(&error)));
    let copy = log.and_then(|log| match offsite::place(house, &log) {
        Ok(Some(place)) => Ok(place),
        Ok(None) => Err(NO_SECOND_PLACE.to_owned()),
        Err(error) => Err(out::words(&error)),
    });
    (sealed, copy, archive)
}

const NO_SECOND_PLACE: &str = "no second place is configured; see trail.offsite in amanah.toml";

/// The database, as if nobody sealed its trail.
fn bare(house: &Installation, guarded: &Guarded) -> (DatabaseAt, Watched) {
    let (key, clock) = (guarded.key.clone(), Arc::clone(&house.cx.clock));
    let column = guarded.protected.tenant_column.clone();
    let watched = Watched {
        protected: guarded.protected.clone(),
        comparison: Some(house.comparison()),
        log: Err("nobody seals it".to_owned()),
        offsite: Err(NO_SECOND_PLACE.to_owned()),
        archive: Ok(None),
        keep: house.config.trail.keep.0,
        reviewed: Err("nobody keeps its reviews".to_owned()),
        whole: Whole::default(),
        critical: Arc::new(move |tables: &[Table]| critical(tables, &column)),
        binders: Arc::new(move |database: &str| {
            Arc::new(TenantBinder::new(Arc::clone(&clock), key.clone(), database))
                as Arc<dyn Binder>
        }),
    };
    (DatabaseAt::of(guarded), watched)
}
