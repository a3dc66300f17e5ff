//! `mfa.totp`: a code of an app is asked for where there is one, and is good once.

use std::time::Duration;

use kernel::{Card, Control, Cx, Fut, Params, Population, Proof};

use super::{FactorGuard, NO_GATEWAY, bite, canary, codes, weigh};

static CARD: Card = Card {
    id: "mfa.totp",
    title: "Codes of an authenticator app are a second factor",
    attack: "Signs in through the gateway as accounts made for it: with the password alone, with \
             wrong and old codes, with the same code twice and several times at once, with a \
             recovery code twice, with the token of a step as a session, and with more guesses \
             than are allowed.",
    bite: "The same attack on a copy of the control database in which used codes and recovery codes \
           are good again, tries and guesses are not counted, a step opens a session, or apps are \
           forgotten.",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(2),
    not_covered: &[
        "codes that somebody is talked into giving away while they are good: only passkeys help",
        "the phone that the app runs on",
        "accounts of the application behind Amanah",
    ],
};

const THRESHOLD: &str = "no attempt but the right one gets in";
const FIX: &str = "Accept a code by an update that only a later step fulfils, and count every try";

/// The control.
pub(super) struct Totp(pub(super) FactorGuard);

impl Control for Totp {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let observed_at = cx.clock.now();
            let Some(probe) = &self.0.probe else {
                return Proof::unknown(observed_at, NO_GATEWAY);
            };
            let (identities, mut made) = (&self.0.identities, Vec::new());
            let tried = codes::attack(probe, identities, cx, &mut made).await;
            let left = canary::remove(&self.0.owner, &made, cx.clock.now()).await.err();
            let proof = match tried {
                Ok(tried) => {
                    let all = Population::new(tried.len(), codes::ATTEMPTS, "ways in");
                    weigh(observed_at, &tried, (all, THRESHOLD), FIX)
                }
                Err(why) => Proof::unknown(observed_at, why),
            };
            match left {
                Some(error) => proof.note(&format!("canaries were left behind: {error}")),
                None => proof,
            }
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(bite::of_codes(&self.0, cx))
    }
}
