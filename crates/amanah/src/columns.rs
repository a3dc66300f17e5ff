//! The keys of columns that are encrypted in trails: made by this installation, sealed in its strongbox
//! by the ring, brought into the protected database.
//!
//! | cut off after | what is there | what the next look does |
//! |---|---|---|
//! | the new key was written down | the database encrypts under the former one | brings the new one |
//! | it was brought into the database | as it should be | nothing, for ninety days |

use std::future::Future;
use std::time::Duration;

use audit::ColumnKeys;
use kernel::Cx;
use keys::Strongbox;
use store::Db;

use crate::installation::Installation;
use crate::kept::Kept;
use crate::out;

/// A key is for ninety days, so a day more does not count.
const LOOK_EVERY: Duration = Duration::from_hours(24);

/// Every key of a protected database that was ever made or found there.
///
/// # Errors
/// When the strongbox cannot be read, or what it holds is damaged.
pub(crate) async fn known(strongbox: &Strongbox, kept: &Kept) -> anyhow::Result<ColumnKeys> {
    let text = strongbox.get(&kept.columns_name()?, None).await?;
    Ok(text.map(|text| ColumnKeys::read(&text)).transpose()?.unwrap_or_default())
}

/// Takes in what lies in the database, and brings a key there where columns are encrypted and one is
/// due. Nobody else may do so at the same time: the caller has the installation's turn. Whether there is
/// a new one.
///
/// # Errors
/// When the strongbox or the database refuse; what is encrypted can be read then as before.
pub(crate) async fn settle(
    strongbox: &Strongbox,
    kept: &Kept,
    (owner, superuser): (&Db, Option<&Db>),
    cx: &Cx,
) -> anyhow::Result<bool> {
    let tx = owner.operator().await?;
    let there = audit::has_trail(&tx).await?;
    tx.rollback().await?;
    // A superuser looks at nothing that the owner keeps.
    let keeper = match (there, superuser) {
        ((true, true), _) => owner,
        ((true, false), Some(superuser)) => superuser,
        _ => return Ok(false),
    };
    let (tx, now) = (keeper.operator().await?, cx.clock.now());
    let used = audit::encrypts(&tx).await?;
    let Some(used) = used else { return Ok(false) };
    let mut keys = known(strongbox, kept).await?;
    let adopted = keys.adopt(&tx, now).await?;
    let due = used && !keys.is_current(&tx, now).await?;
    let made = due && keys.renew(now, &*cx.rng)?;
    if adopted || made {
        strongbox.put(&kept.columns_name()?, None, &keys.text()).await?;
    }
    if due {
        keys.install(&tx).await?;
    }
    tx.commit().await?;
    Ok(made)
}

/// Replaces keys that are due in each protected database, until `stop` ends.
pub(crate) async fn keep(house: &Installation, stop: impl Future<Output = ()>) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = tick.tick() => {}
        }
        let known = house.known();
        for kept in &known.kept {
            let Ok(guarded) = known.at(kept, &house.ground) else { continue };
            let looked = async {
                let turn = house.data.turn().await?;
                let logins = (&guarded.protected.owner, guarded.protected.superuser.as_ref());
                let made = settle(&house.strongbox, kept, logins, &house.cx).await;
                drop(turn);
                made
            };
            let database = &kept.database;
            match looked.await {
                Ok(false) => {}
                Ok(true) => tracing::info!(database, "encrypted columns have a new key"),
                Err(error) => {
                    let why = out::words(&error);
                    tracing::warn!(
                        database,
                        why,
                        "keys of encrypted columns could not be looked after; it is tried again \
                         tomorrow"
                    );
                }
            }
        }
    }
}
