//! Changing the binding key of a protected database while tokens are made and used.
//!
//! | cut off after | what is there | what the next look does |
//! |---|---|---|
//! | the next key was kept | the old key makes tokens | goes on |
//! | it was put into the database | the old key makes tokens, both are honoured | goes on |
//! | it was made the current one | the new key makes tokens, both are honoured | ends the old one |
//! | the old one was given its end | as it should be | removes it when its end has come |

use std::future::Future;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use keys::Strongbox;
use store::Db;
use tenancy::Guarded;

use crate::installation::Installation;
use crate::kept::{self, Kept};
use crate::keyset::KeySet;
use crate::out;

/// How often a running `amanah up` looks whether another command has rotated a key. It is far below
/// the shortest overlap.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// When keys are rotated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    /// At what age a key is replaced.
    pub(crate) rotate: SignedDuration,
    /// How long the database honours the one before.
    pub(crate) overlap: SignedDuration,
}

/// Makes and installs a new key, or ends a rotation that was cut off. Nobody else may rotate at the
/// same time: the caller has the installation's turn.
pub(crate) async fn rotate(
    kept: &Kept,
    guarded: &Guarded,
    installation: &Installation,
    overlap: SignedDuration,
) -> anyhow::Result<KeySet> {
    let Installation { strongbox, cx, .. } = installation;
    let owner = &guarded.protected.owner;
    let mut keys = kept.keys(strongbox).await?;
    let next = keys.prepare(&*cx.rng)?.clone();
    kept.put_keys(strongbox, &keys).await?;
    // In the database before any token is made with it.
    let tx = owner.operator().await?;
    tenancy::install_key(&tx, &next, cx.clock.now()).await?;
    tx.commit().await?;
    let now = cx.clock.now();
    keys.advance(now, now.checked_add(overlap)?);
    kept.put_keys(strongbox, &keys).await?;
    guarded.key.replace(keys.current.clone());
    settle(kept, owner, strongbox, &mut keys, now).await?;
    Ok(keys)
}

/// Gives former keys their end in the database, and forgets those whose end has come.
pub(crate) async fn settle(
    kept: &Kept,
    owner: &Db,
    strongbox: &Strongbox,
    keys: &mut KeySet,
    now: Timestamp,
) -> anyhow::Result<()> {
    let tx = owner.operator().await?;
    for (key, until) in &keys.former {
        tenancy::end_key(&tx, key.kid(), *until).await?;
    }
    tenancy::forget_keys(&tx, now).await?;
    tx.commit().await?;
    if keys.forget(now) {
        kept.put_keys(strongbox, keys).await?;
    }
    Ok(())
}

/// Follows rotations that other commands make, ends those that were cut off, and rotates what is
/// due, until `stop` ends.
pub(crate) async fn keep(
    installation: &Installation,
    rhythm: Rhythm,
    stop: impl Future<Output = ()>,
) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    let mut stop = std::pin::pin!(stop);
    let mut failing = false;
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = tick.tick() => {}
        }
        let looked = look(installation, rhythm).await;
        if let Err(error) = &looked
            && !failing
        {
            let why = out::words(error);
            tracing::warn!(why, "binding keys could not be looked after; the old ones stay good");
        }
        failing = looked.is_err();
    }
}

async fn look(installation: &Installation, rhythm: Rhythm) -> anyhow::Result<()> {
    let mut failed = None;
    for kept in kept::all(&installation.data)? {
        let looked = one(&kept, installation, rhythm).await;
        failed = failed.or(looked.err());
    }
    failed.map_or(Ok(()), Err)
}

async fn one(kept: &Kept, installation: &Installation, rhythm: Rhythm) -> anyhow::Result<()> {
    let now = installation.cx.clock.now();
    let keys = kept.keys(&installation.strongbox).await?;
    let known = installation.known();
    let Some(guarded) = find(&known.guarded, &keys) else {
        // It was protected a moment ago, and is taken in with the next look at what is written down.
        return Ok(());
    };
    if guarded.key.get().kid() != keys.current.kid() {
        guarded.key.replace(keys.current.clone());
        tracing::info!(database = kept.database, "bindings have a new key");
    }
    let due = keys.since.checked_add(rhythm.rotate).is_ok_and(|due| due <= now);
    let over = keys.former.iter().any(|(_, until)| *until <= now);
    if !due && keys.next.is_none() && !over {
        return Ok(());
    }
    let turn = installation.data.turn().await?;
    // As it is now that nobody else rotates.
    let mut keys = kept.keys(&installation.strongbox).await?;
    let due = keys.since.checked_add(rhythm.rotate).is_ok_and(|due| due <= now);
    if due || keys.next.is_some() {
        rotate(kept, guarded, installation, rhythm.overlap).await?;
        tracing::info!(database = kept.database, "the key of bindings was rotated");
    } else {
        let owner = &guarded.protected.owner;
        settle(kept, owner, &installation.strongbox, &mut keys, now).await?;
    }
    drop(turn);
    Ok(())
}

/// The database that has one of these keys. Names of keys are random, so no other has.
pub(crate) fn find<'a>(all: &'a [Guarded], keys: &KeySet) -> Option<&'a Guarded> {
    all.iter().find(|guarded| keys.knows(guarded.key.get().kid()))
}
