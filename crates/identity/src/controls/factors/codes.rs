//! The attack on codes: of an app, and of recovery.

use std::sync::Arc;

use jiff::Timestamp;
use kernel::{Cx, Secret};
use tokio::task::JoinSet;

use super::canary::{App, Canary, in_time};
use super::{FactorProbe, Reached, Tried};
use crate::Identities;
use crate::pending::MAX_TRIES;

/// How many come at once with one code.
const AT_ONCE: usize = 4;
/// How often the codes that are soon too old are tried, each time with another canary.
const TURNS: usize = 3;
/// Why nothing follows from a code that came late.
pub(super) const LATE: &str = "the machine is so slow that codes were too old before they were looked at; ask again when it is not";
/// A code that no clock shows: one that could be right by chance would be no attack.
const NO_CODE: &str = "00000x";

/// How many attempts the whole attack is; fewer than these say less than was promised.
pub(super) const ATTEMPTS: usize = 12;

/// What went wrong with the attack itself, so that it says nothing.
type Attack<T> = Result<T, String>;

/// Attacks with canaries of its own, whose addresses are put into `made`.
///
/// # Errors
/// When nothing can be said, since something that has to work does not.
pub(super) async fn attack(
    probe: &Arc<dyn FactorProbe>,
    identities: &Identities,
    cx: &Cx,
    made: &mut Vec<String>,
) -> Attack<Vec<Tried>> {
    let mut tried = Vec::new();
    let (canary, _) = fresh(identities, made).await?;
    if !alone(&**probe, &canary, &mut tried).await? {
        return Ok(tried);
    }
    tried.extend(again(&**probe, identities, cx, made).await?);
    let (canary, app) = fresh(identities, made).await?;
    at_once(probe, &canary, &app, cx, &mut tried).await?;
    let (canary, app) = fresh(identities, made).await?;
    recovery(&**probe, &canary, &app, &mut tried).await?;
    unlimited(&**probe, &canary, &app, cx, &mut tried).await?;
    Ok(tried)
}

async fn fresh(identities: &Identities, made: &mut Vec<String>) -> Attack<(Canary, App)> {
    let canary = Canary::make(identities).await.map_err(|error| error.to_string())?;
    made.push(canary.email.clone());
    let app = canary.add_app(identities).await.map_err(|error| error.to_string())?;
    Ok((canary, app))
}

/// The password alone, and the token of its step in the place of a session. Whether there is a step.
pub(super) async fn alone(
    probe: &dyn FactorProbe,
    canary: &Canary,
    tried: &mut Vec<Tried>,
) -> Attack<bool> {
    let reached = probe.password(&canary.email, &canary.password).await?;
    let opened = match &reached {
        Reached::Session(token) if probe.opens(token).await? => true,
        // Then there was no step to attack, and nothing follows from what was not tried.
        Reached::Session(_) => {
            return Err("the password alone led to a session that opens nothing".to_owned());
        }
        Reached::Step(_) => false,
        Reached::Refused => return Err("the canary's right password was refused".to_owned()),
    };
    tried.push(Tried::new("the password alone", opened));
    let Reached::Step(step) = reached else { return Ok(false) };
    let opened = probe.opens(&step).await?;
    tried.push(Tried::new("the token of a step, as a session", opened));
    Ok(true)
}

/// Wrong codes, codes once more, and old ones. What came too late to be refused for anything but its age is
/// tried again, with another canary.
async fn again(
    probe: &dyn FactorProbe,
    identities: &Identities,
    cx: &Cx,
    made: &mut Vec<String>,
) -> Attack<Vec<Tried>> {
    for _ in 0..TURNS {
        let (canary, app) = fresh(identities, made).await?;
        let mut tried = Vec::new();
        if setting_up(probe, &canary, &app, cx, &mut tried).await?
            && once_more(probe, &canary, &app, cx, &mut tried).await?
        {
            return Ok(tried);
        }
    }
    Err(LATE.to_owned())
}

/// Codes from before the right one. Whether they came while that which set the app up was of its time.
async fn setting_up(
    probe: &dyn FactorProbe,
    canary: &Canary,
    app: &App,
    cx: &Cx,
    tried: &mut Vec<Tried>,
) -> Attack<bool> {
    // Each in a step of its own: one that gets in ends its step. The one that is soon too old comes first.
    let step = canary.step(probe).await?;
    let through = gets_in(probe, &step, &app.code(app.at, -1)).await?;
    if !through && !in_time(app.at, -1, cx.clock.now()) {
        return Ok(false);
    }
    tried.push(Tried::new("the code that set the app up, once more", through));
    for (what, code) in [
        ("a wrong code", Secret::new(NO_CODE.to_owned())),
        ("a code of ten minutes ago", app.code(app.at, -20)),
    ] {
        let step = canary.step(probe).await?;
        tried.push(Tried::new(what, gets_in(probe, &step, &code).await?));
    }
    Ok(true)
}

/// The right code, and the same and earlier ones behind it. Whether all came in time.
async fn once_more(
    probe: &dyn FactorProbe,
    canary: &Canary,
    app: &App,
    cx: &Cx,
    tried: &mut Vec<Tried>,
) -> Attack<bool> {
    let step = canary.step(probe).await?;
    let at = cx.clock.now();
    let code = app.code(at, 0);
    if !gets_in(probe, &step, &code).await? {
        return Err("the right code did not get in, so nothing follows from the others".to_owned());
    }
    let spent = gets_in(probe, &step, &app.code(at, 1)).await?;
    tried.push(Tried::new("a code in a step that is over", spent));
    // First the earlier one, which is too old first.
    for (what, steps) in [("a code of an earlier step", -1), ("the same code once more", 0)] {
        let next = canary.step(probe).await?;
        let through = gets_in(probe, &next, &app.code(at, steps)).await?;
        if !through && !in_time(at, steps.into(), cx.clock.now()) {
            return Ok(false);
        }
        tried.push(Tried::new(what, through));
    }
    Ok(true)
}

/// # Errors
/// When the code of so many steps after `at` is refused for its age by now, so that nothing follows.
fn timely(cx: &Cx, at: Timestamp, steps: i64) -> Attack<()> {
    if in_time(at, steps, cx.clock.now()) { Ok(()) } else { Err(LATE.to_owned()) }
}

/// One code by many at once, each in a step of its own.
async fn at_once(
    probe: &Arc<dyn FactorProbe>,
    canary: &Canary,
    app: &App,
    cx: &Cx,
    tried: &mut Vec<Tried>,
) -> Attack<()> {
    let mut steps = Vec::new();
    for _ in 0..AT_ONCE {
        steps.push(canary.step(&**probe).await?);
    }
    let at = cx.clock.now();
    let code = app.code(at, 0);
    let mut many = JoinSet::new();
    for step in steps {
        let (probe, code) = (Arc::clone(probe), code.clone());
        many.spawn(async move { gets_in(&*probe, &step, &code).await });
    }
    let mut inside = 0;
    for answer in many.join_all().await {
        inside += usize::from(answer?);
    }
    if inside == 0 {
        return Err("of many with the right code at once, none got in".to_owned());
    }
    if inside < 2 {
        timely(cx, at, 0)?;
    }
    tried.push(Tried::new("the same code, at once with another", inside > 1));
    Ok(())
}

async fn recovery(
    probe: &dyn FactorProbe,
    canary: &Canary,
    app: &App,
    tried: &mut Vec<Tried>,
) -> Attack<()> {
    let code = app.codes.first().ok_or("the canary was given no recovery codes")?;
    let step = canary.step(probe).await?;
    if !gets_in(probe, &step, code).await? {
        return Err("a recovery code did not get in".to_owned());
    }
    let step = canary.step(probe).await?;
    let through = gets_in(probe, &step, code).await?;
    tried.push(Tried::new("a recovery code once more", through));
    Ok(())
}

/// More guesses than a step allows, and more than an account does.
async fn unlimited(
    probe: &dyn FactorProbe,
    canary: &Canary,
    app: &App,
    cx: &Cx,
    tried: &mut Vec<Tried>,
) -> Attack<()> {
    let wrong = Secret::new(NO_CODE.to_owned());
    let mut at = cx.clock.now();
    for round in 0..2 {
        let step = canary.step(probe).await?;
        for _ in 0..MAX_TRIES {
            gets_in(probe, &step, &wrong).await?;
        }
        if round == 0 {
            at = cx.clock.now();
            let through = gets_in(probe, &step, &app.code(at, 0)).await?;
            if !through {
                timely(cx, at, 0)?;
            }
            tried.push(Tried::new("the right code after too many wrong ones in a step", through));
        }
    }
    let step = canary.step(probe).await?;
    // A step that lets more in has used the code up already: the next one is as good.
    let through = gets_in(probe, &step, &app.code(at, 1)).await?;
    if !through {
        timely(cx, at, 1)?;
    }
    tried.push(Tried::new("the right code after too many wrong ones in several steps", through));
    Ok(())
}

/// Whether a code leads to a session that opens a page.
pub(super) async fn gets_in(probe: &dyn FactorProbe, step: &Secret, code: &Secret) -> Attack<bool> {
    match probe.code(step, code).await? {
        Reached::Session(token) => probe.opens(&token).await,
        Reached::Step(_) | Reached::Refused => Ok(false),
    }
}
