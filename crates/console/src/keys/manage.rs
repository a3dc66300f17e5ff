//! What both dialects ask of a client that changes a key or destroys something of it.

use std::time::Instant;

use ::keys::{Change, KeyCard, KeyRef, Operation, Purpose};
use jiff::SignedDuration;

use super::caller::Caller;
use super::{Api, Fault};

/// No client rotates keys more often than this by their age, unless the operator's policy does.
const LEAST_AGE: SignedDuration = SignedDuration::from_hours(24);

/// Goes on only when the client may change these settings. That a key may be removed is the first
/// half of destroying it.
pub(super) fn may_configure(
    api: &Api,
    who: &Caller,
    key: &KeyRef,
    change: &Change,
) -> Result<(), Fault> {
    let Change { min_decryption, rotate_after, removable } = change;
    if removable.is_some() {
        who.may(api, key, Operation::Destroy)?;
    }
    if removable.is_none() || min_decryption.is_some() || rotate_after.is_some() {
        who.may(api, key, Operation::Manage)?;
    }
    Ok(())
}

/// Changes a key's settings.
pub(super) async fn configure(
    api: &Api,
    who: &Caller,
    key: &KeyRef,
    change: &Change,
) -> Result<KeyCard, Fault> {
    may_configure(api, who, key, change)?;
    if let Some(after) = change.rotate_after {
        allow_age(api, api.keys.card(key)?.spec.purpose, after)?;
    }
    Ok(api.keys.configure(key, change).await?)
}

/// Refuses an age that would keep the house busy, and one that would undo the operator's policy.
pub(super) fn allow_age(api: &Api, purpose: Purpose, age: SignedDuration) -> Result<(), Fault> {
    let most = api.keys.policy().of(purpose);
    if age < LEAST_AGE.min(most) {
        return Err(Fault::bad(
            "period",
            "a client has keys rotated each day at most; nothing was changed, choose a longer \
             period",
        ));
    }
    if age > most {
        return Err(Fault::bad(
            "period",
            "this is longer than the operator's policy for the key's purpose; nothing was \
             changed, choose a shorter period or ask the operator",
        ));
    }
    Ok(())
}

/// Goes on only when the client may destroy something of the key just now.
pub(super) fn destroying(api: &Api, who: &Caller, key: &KeyRef) -> Result<(), Fault> {
    who.may(api, key, Operation::Destroy)?;
    api.keys.room_to_destroy()?;
    let turn = api.turns.take(&who.card.client.name, Instant::now());
    turn.map_err(|wait| Fault { wait: wait.as_secs() + 1, ..Fault::OFTEN })
}
