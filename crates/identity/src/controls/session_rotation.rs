//! `session.rotation`: a refresh token works once, and one that comes back ends everything that
//! followed from it.

mod attack;
mod bite;
mod forge;
mod ground;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kernel::{Card, Control, Cx, Fut, Params, Population, Proof, Secret, SessionToken};
use store::{Db, Programs};

use self::attack::Battery;
use self::ground::Ground;
pub(crate) use self::ground::InProcess;
use crate::{Identities, Pair};

static CARD: Card = Card {
    id: "session.rotation",
    title: "Refresh tokens rotate, and their reuse ends the session",
    attack: "A canary draws tokens through the running gateway and uses them as a thief would: used \
             ones within and after their 30 seconds, eight at once, of ended families and sessions, \
             expired; access tokens forged in eleven ways; API keys mistyped, guessed, expired, revoked.",
    bite: "Reuse accepted, families that live on, successors that are lost, ends that do not count, \
           signatures that are not looked at and keys that are not compared, each in a sandbox.",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(4),
    not_covered: &[
        "a token that is stolen and used before its owner uses it, until the owner does",
        "tokens that the application behind Amanah gives out by itself",
        "the real passing of time: what is used up or expired is dated back in the canary's rows",
    ],
};

/// How long what was ended may still open the gateway.
const PATIENCE: Duration = Duration::from_secs(5);
const OF: &str = "attacks";

/// The running service, asked as a program asks it. Implemented by the binary.
pub trait TokenProbe: Send + Sync {
    /// The first pair for a browser's session; `None` when it is refused.
    ///
    /// # Errors
    /// When there was no answer; the text says why and what to do.
    fn exchange<'a>(&'a self, session: &'a SessionToken) -> Fut<'a, Result<Option<Pair>, String>>;

    /// The next pair; `None` when the token is refused.
    ///
    /// # Errors
    /// As for [`TokenProbe::exchange`].
    fn refresh<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<Option<Pair>, String>>;

    /// Ends the family of a token.
    ///
    /// # Errors
    /// As for [`TokenProbe::exchange`].
    fn revoke<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<(), String>>;

    /// Whether `bearer` is somebody, to the gateway.
    ///
    /// # Errors
    /// As for [`TokenProbe::exchange`].
    fn accepts<'a>(&'a self, bearer: &'a Secret) -> Fut<'a, Result<bool, String>>;
}

/// The control.
pub(crate) struct SessionRotation {
    pub(crate) identities: Arc<Identities>,
    pub(crate) owner: Db,
    pub(crate) programs: Programs,
    pub(crate) probe: Option<Arc<dyn TokenProbe>>,
}

impl Control for SessionRotation {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let observed_at = cx.clock.now();
            let Some(probe) = &self.probe else {
                let why = "no gateway runs here to ask for tokens; start `amanah up`";
                return Proof::unknown(observed_at, why);
            };
            let ground = Ground {
                probe: &**probe,
                identities: &self.identities,
                owner: &self.owner,
                cx,
                patience: PATIENCE,
                made: Mutex::default(),
            };
            let battery = ground.attack().await;
            let left = ground.clear().await.err();
            let proof = match battery {
                Ok(battery) => weigh(observed_at, battery),
                Err(why) => Proof::unknown(observed_at, why),
            };
            match left {
                Some(why) => proof.note(&format!("the canary was left behind: {why}")),
                None => proof,
            }
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let observed_at = cx.clock.now();
            let scratch = match self.owner.scratch(&self.programs, &*cx.rng).await {
                Ok(scratch) => scratch,
                Err(error) => {
                    return Proof::unknown(observed_at, format!("no sandbox: {error}"));
                }
            };
            let bitten = bite::seed_and_find(scratch.db(), cx).await;
            let left = scratch.remove().await.err();
            let proof = match bitten {
                Ok(bitten) => bitten.proof(observed_at),
                Err(why) => Proof::unknown(observed_at, why),
            };
            match left {
                Some(error) => proof.note(&format!("the sandbox was left behind: {error}")),
                None => proof,
            }
        })
    }
}

fn weigh(observed_at: jiff::Timestamp, battery: Battery) -> Proof {
    let measured = match battery.dead_after {
        Some(time) => format!(
            "{} attacks refused; after a reuse the newest access token was dead in {} ms",
            battery.tried - battery.findings.len().min(battery.tried),
            time.as_millis()
        ),
        None => format!("{} attacks tried", battery.tried),
    };
    let threshold = format!(
        "every attack refused; the whole family dead within {} s of a reuse",
        PATIENCE.as_secs()
    );
    let population = Population::new(battery.tried, attack::ATTACKS, OF);
    Proof::weigh(observed_at, population, measured, threshold, battery.findings)
}
