//! What survives the loss of the ring: a sealed kit, and shares of its key in the hands of people.
//!
//! A kit is one file with every key of the ring. So many of the shares open it, and fewer say
//! nothing at all about it. It needs neither the ring nor the root nor the database.
//!
//! A kit that was made before a tenant's keys were destroyed still holds them, until every copy
//! of the kit, or enough of its shares, are destroyed as well; [`Keys::shred`] names such kits.
//! [`restore`] applies what any anchor knows to be destroyed, so that they do not come back that
//! way. Whoever gathers the shares and reads the kit with a program of their own is not stopped.

mod drill;
mod kit;
mod share;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use cipher::Material;
use kernel::{Clock, Rng, Secret, hex};
use zeroize::Zeroizing;

pub use self::drill::{Drilled, drill};
pub use self::kit::{Kit, KitCard, MAX_KIT_BYTES};
use self::share::{ID_BYTES, MAX_SHARES, MIN_NEEDED, Share};
use crate::{Error, Keys, Result, Settings, Snapshot};

/// Makes a kit that any `needed` of `of` shares open, and has the ring remember that there is
/// one. The shares are in the order of their numbers; nobody else ever sees them.
///
/// # Errors
/// When the counts make no sense (2 to 20 shares, at least 2 needed), or the ring cannot be
/// written: a kit that the ring does not know of is not given out.
pub async fn make(
    keys: &Keys,
    (needed, of): (u8, u8),
    clock: &dyn Clock,
    rng: &dyn Rng,
) -> Result<(Kit, Vec<Secret>)> {
    if !(MIN_NEEDED..=of).contains(&needed) || of > MAX_SHARES {
        return Err(Error::Kit(format!(
            "{needed} of {of} shares cannot be: {MIN_NEEDED} or more must be needed, of at most \
             {MAX_SHARES}"
        )));
    }
    let mut id = [0; ID_BYTES];
    rng.fill(&mut id)?;
    let key = Material::generate(rng)?;
    let shares = share::split(&key, id, needed, of, rng)?;
    let made_at = clock.now();
    // The note comes first: a kit that was never finished does no harm, one that nobody knows of
    // would make a liar of whoever says where a destroyed key may still lie.
    keys.note_kit(&hex(&id), made_at, needed, of).await?;
    let snapshot = keys.snapshot()?;
    let card = KitCard {
        format: kit::FORMAT.to_owned(),
        installation: snapshot.installation().to_owned(),
        generation: snapshot.generation(),
        made_at,
        kit: hex(&id),
        needed,
        of,
        shares: shares.iter().map(Share::mark).collect(),
    };
    let kit = Kit::seal(card, &key, &snapshot.to_bytes()?, rng)?;
    Ok((kit, shares.iter().map(Share::text).collect()))
}

/// Opens a kit. More shares than needed may be given, and each of them is checked.
///
/// # Errors
/// [`Error::ShareDamaged`], [`Error::ShareForeign`], [`Error::ShareWrong`] and
/// [`Error::SharesTooFew`], each naming what to look for; [`Error::Kit`] when the kit itself was
/// changed.
pub fn open(kit: &Kit, shares: &[Secret]) -> Result<Snapshot> {
    let content = content(kit, shares)?;
    Snapshot::from_bytes(&content)
}

/// Builds the ring anew from a kit, under a new ring key and the root of `settings`, as
/// [`Keys::rebuild`] does. What any anchor of `settings` knows to be destroyed stays destroyed.
///
/// # Errors
/// As [`open`], when the kit is of another installation, and when the ring cannot be written.
pub async fn restore(
    settings: Settings,
    kit: &Kit,
    shares: &[Secret],
    replace: bool,
) -> Result<Keys> {
    let snapshot = open(kit, shares)?;
    if kit.card.installation != settings.installation {
        return Err(Error::Kit(format!(
            "it holds the keys of installation {}, and this is {}",
            kit.card.installation, settings.installation
        )));
    }
    Keys::rebuild(settings, &snapshot, replace).await
}

fn content(kit: &Kit, shares: &[Secret]) -> Result<Zeroizing<Vec<u8>>> {
    let id = share::kit_id(&kit.card.kit);
    let id = id.ok_or_else(|| Error::Kit("its id cannot be read".to_owned()))?;
    let mut known = BTreeMap::new();
    for (place, text) in (1..).zip(shares) {
        let share = Share::parse(text, place)?;
        if share.kit != id {
            return Err(Error::ShareForeign {
                number: share.number,
                other: hex(&share.kit),
                kit: kit.card.kit.clone(),
            });
        }
        let mark = kit.card.shares.get(usize::from(share.number).saturating_sub(1));
        if mark != Some(&share.mark()) {
            return Err(Error::ShareWrong(share.number));
        }
        // The same share twice is one share.
        known.insert(share.number, share);
    }
    let given = known.len();
    let chosen: Vec<_> = known.into_values().take(usize::from(kit.card.needed)).collect();
    if chosen.len() < usize::from(kit.card.needed) {
        return Err(Error::SharesTooFew { given, needed: kit.card.needed });
    }
    kit.unseal(&share::join(&chosen)?)
}

/// Reads a share's text and writes it again: for [`crate::fuzzing`].
pub(crate) fn reread_share(text: &str) -> Option<String> {
    let share = Share::parse(&Secret::new(text.to_owned()), 1).ok()?;
    Some(share.text().expose().to_owned())
}
