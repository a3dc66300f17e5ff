//! The controls, each in the seat of its claim. What sits there can be replaced while it runs.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use kernel::{Control, catalogue};

use crate::engine::MAX_CADENCE;
use crate::{Error, Result};

/// A control, and the lane in which its runs follow one another: two attacks on the same canaries
/// would see each other. Whoever takes the seat over takes the lane over too.
pub(crate) struct Seat {
    pub(crate) control: Arc<dyn Control>,
    pub(crate) lane: Arc<tokio::sync::Mutex<()>>,
}

type ByClaim = BTreeMap<&'static str, Arc<Seat>>;

/// All seats, by claim.
pub(crate) struct Seats(RwLock<Arc<ByClaim>>);

impl Seats {
    /// Seats `controls`, one for each claim.
    pub(crate) fn of(controls: Vec<Arc<dyn Control>>) -> Result<Self> {
        Ok(Self(RwLock::new(Arc::new(seat(controls, &ByClaim::new())?))))
    }

    /// As they are at this moment.
    pub(crate) fn now(&self) -> Arc<ByClaim> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn get(&self, claim: &str) -> Option<Arc<Seat>> {
        self.now().get(claim).cloned()
    }

    /// Gives every seat to one of `controls`, or none of them.
    pub(crate) fn replace(&self, controls: Vec<Arc<dyn Control>>) -> Result<()> {
        let mut seats = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let next = seat(controls, &seats)?;
        let of_one_alone = |one: &ByClaim, other: &ByClaim| {
            one.keys().find(|claim| !other.contains_key(*claim)).copied()
        };
        if let Some(claim) = of_one_alone(&seats, &next).or_else(|| of_one_alone(&next, &seats)) {
            return Err(Error::OtherClaims(claim));
        }
        *seats = Arc::new(next);
        Ok(())
    }
}

fn seat(controls: Vec<Arc<dyn Control>>, before: &ByClaim) -> Result<ByClaim> {
    let mut seats = ByClaim::new();
    for control in controls {
        let card = control.card();
        if catalogue::find(card.id).is_none() {
            return Err(Error::NotInCatalogue(card.id));
        }
        let fits = !card.deadline.is_zero()
            && card.deadline <= card.cadence
            && card.cadence <= MAX_CADENCE;
        if !fits {
            return Err(Error::Card(card.id));
        }
        let lane = before.get(card.id).map(|seat| Arc::clone(&seat.lane)).unwrap_or_default();
        if seats.insert(card.id, Arc::new(Seat { control, lane })).is_some() {
            return Err(Error::Twice(card.id));
        }
    }
    Ok(seats)
}
