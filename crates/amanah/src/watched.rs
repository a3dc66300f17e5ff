//! The protected databases as the trail's controls watch them.

use std::sync::Arc;

use audit::Watched;
use kernel::Binder;
use store::Table;
use tenancy::{Guarded, TenantBinder};

use crate::installation::Installation;
use crate::known::{DatabaseAt, Known};
use crate::offsite;
use crate::protection::critical;
use crate::trail::{Log, looked_after};

/// Every database that is open, with its log and where its copy goes.
///
/// # Errors
/// When what is configured leads to no log or no second place.
pub(crate) fn watched(house: &Installation, known: &Known) -> anyhow::Result<Vec<Watched>> {
    let mut all: Vec<(DatabaseAt, Watched)> =
        known.guarded.iter().map(|one| bare(house, one)).collect();
    for kept in &known.kept {
        let Ok(guarded) = known.at(kept, &house.ground) else { continue };
        let log = Log::of(kept, &house.data, &house.config, &house.cx)?;
        let at = DatabaseAt::of(guarded);
        for (_, one) in all.iter_mut().filter(|(place, _)| *place == at) {
            one.log = Some(looked_after(house, &log)?);
            one.offsite = offsite::place(house, &log)?;
        }
    }
    Ok(all.into_iter().map(|(_, one)| one).collect())
}

/// The database, as if nobody sealed its trail.
fn bare(house: &Installation, guarded: &Guarded) -> (DatabaseAt, Watched) {
    let (key, clock) = (guarded.key.clone(), Arc::clone(&house.cx.clock));
    let column = guarded.protected.tenant_column.clone();
    let watched = Watched {
        protected: guarded.protected.clone(),
        comparison: Some(house.comparison()),
        log: None,
        offsite: None,
        keep: house.config.trail.keep.0,
        critical: Arc::new(move |tables: &[Table]| critical(tables, &column)),
        binders: Arc::new(move |database: &str| {
            Arc::new(TenantBinder::new(Arc::clone(&clock), key.clone(), database))
                as Arc<dyn Binder>
        }),
    };
    (DatabaseAt::of(guarded), watched)
}
