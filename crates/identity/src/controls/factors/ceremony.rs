//! The attack on passkeys: every answer that is not quite right.

use kernel::Secret;

use super::canary::Canary;
use super::{FactorProbe, Reached, Tried};
use crate::passkey::{Assertion, Fault, SoftKey};
use crate::{Identities, StepToken};

/// A challenge is good for one answer, whichever that is.
pub(super) const TWICE: &str = "the right answer to a challenge that had a wrong one";
/// Why no key could be asked.
const NAMELESS: &str = "the site has no name that a passkey could be made for";

/// Sets a passkey up for `canary`, whose role needs one, and answers challenges wrongly.
///
/// # Errors
/// When the right answer does not get in, so that nothing follows from the others.
pub(super) async fn attack(
    probe: &dyn FactorProbe,
    identities: &Identities,
    canary: &Canary,
    tried: &mut Vec<Tried>,
) -> Result<(), String> {
    let party = probe.party().ok_or(NAMELESS)?;
    let step = StepToken(canary.step(probe).await?);
    let made = canary.add_key(identities, &step, &party).await;
    let mut key = made.map_err(|error| error.to_string())?;
    let (answer, right) = right(probe, canary, &mut key).await?;
    if !right {
        return Err("the right passkey did not get in".to_owned());
    }
    let step = canary.step(probe).await?;
    tried.push(Tried::new(
        "an answer of a passkey once more",
        gets_in(probe, &step, &answer).await?,
    ));
    for fault in Fault::ALL {
        let step = canary.step(probe).await?;
        let challenge = probe.ask(&step).await?;
        let answer = key.assert(&party, &challenge, Some(fault));
        let answer = answer.map_err(|error| error.to_string())?;
        tried.push(Tried::new(fault.words(), gets_in(probe, &step, &answer).await?));
    }
    tried.push(after_a_wrong_one(probe, canary, &mut key).await?);
    tried.push(of_another(probe, canary, &mut key).await?);
    // Signed once more, with a count that grew: only the challenge is the one from before.
    let step = canary.step(probe).await?;
    let challenge = probe.ask(&step).await?;
    let first = key.assert(&party, &challenge, None).map_err(|error| error.to_string())?;
    if !gets_in(probe, &step, &first).await? {
        return Err("the right passkey did not get in".to_owned());
    }
    let step = canary.step(probe).await?;
    let again = key.assert(&party, &challenge, None).map_err(|error| error.to_string())?;
    tried.push(Tried::new("a challenge that was answered", gets_in(probe, &step, &again).await?));
    Ok(())
}

/// In one sign-in, a wrong answer to a challenge and then the right one to the same.
async fn after_a_wrong_one(
    probe: &dyn FactorProbe,
    canary: &Canary,
    key: &mut SoftKey,
) -> Result<Tried, String> {
    let party = probe.party().ok_or(NAMELESS)?;
    let step = canary.step(probe).await?;
    let challenge = probe.ask(&step).await?;
    let answer = |key: &mut SoftKey, fault| {
        key.assert(&party, &challenge, fault).map_err(|error| error.to_string())
    };
    let wrong = answer(key, Some(Fault::Origin))?;
    if gets_in(probe, &step, &wrong).await? {
        return Ok(Tried::new(Fault::Origin.words(), true));
    }
    let right = answer(key, None)?;
    Ok(Tried::new(TWICE, gets_in(probe, &step, &right).await?))
}

/// The right key answers in one sign-in what was asked in another.
async fn of_another(
    probe: &dyn FactorProbe,
    canary: &Canary,
    key: &mut SoftKey,
) -> Result<Tried, String> {
    let party = probe.party().ok_or(NAMELESS)?;
    let challenge = probe.ask(&canary.step(probe).await?).await?;
    let step = canary.step(probe).await?;
    let answer = key.assert(&party, &challenge, None).map_err(|error| error.to_string())?;
    Ok(Tried::new("a challenge of another sign-in", gets_in(probe, &step, &answer).await?))
}

async fn right(
    probe: &dyn FactorProbe,
    canary: &Canary,
    key: &mut SoftKey,
) -> Result<(Assertion, bool), String> {
    let step = canary.step(probe).await?;
    let challenge = probe.ask(&step).await?;
    let answer = key.assert(&probe.party().ok_or(NAMELESS)?, &challenge, None);
    let answer = answer.map_err(|error| error.to_string())?;
    let inside = gets_in(probe, &step, &answer).await?;
    Ok((answer, inside))
}

pub(super) async fn gets_in(
    probe: &dyn FactorProbe,
    step: &Secret,
    answer: &Assertion,
) -> Result<bool, String> {
    match probe.passkey(step, answer).await? {
        Reached::Session(token) => probe.opens(&token).await,
        Reached::Step(_) | Reached::Refused => Ok(false),
    }
}
