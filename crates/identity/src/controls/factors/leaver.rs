//! The factors of a synthetic person who is off-boarded, with the halves that only their holder has.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use kernel::{Secret, SessionToken, Sessions as _};

use super::canary::App;
use super::{FactorProbe, ceremony, codes};
use crate::passkey::{Party, SoftKey};
use crate::totp::Seed;
use crate::{Error, Holder, Identities, Result, SignedIn};

/// An authenticator app, recovery codes and a passkey, to sign in with.
pub struct LeaverFactors {
    app: App,
    key: Mutex<SoftKey>,
    party: Party,
}

/// When something that is good once is shown: another one is left for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Showing {
    /// Before somebody leaves.
    Before,
    /// After it.
    After,
}

impl LeaverFactors {
    /// Sets all three up for a synthetic account without factors, whose roles ask for one, and
    /// returns them with the session that came of the last.
    ///
    /// # Errors
    /// When they cannot be set up, or its roles ask for no second factor.
    pub async fn plant(
        identities: &Identities,
        (email, password): (&str, &Secret),
        party: Party,
    ) -> Result<(Self, SessionToken)> {
        let SignedIn::Enrol(step) = identities.sign_in(email, password).await? else {
            return Err(Error::Canary("its roles ask for no second factor"));
        };
        let holder = Holder::Step(&step);
        let new = identities.start_app(holder, "Amanah").await?;
        let seed = Seed::from_text(&new.text)?;
        let (app, session) = App::confirmed(identities, holder, seed).await?;
        let who = identities.decide(&session).await.map_err(Error::Undecided)?;
        let who = who.ok_or(Error::Canary("its session is not recognised"))?;
        let holder = Holder::Session(&who);
        let asked = identities.start_passkey(holder, &party).await?;
        let key = SoftKey::fresh(identities.rng())?;
        let answer = key.register(&party, &asked.challenge, None)?;
        let made = identities.add_passkey(holder, &party, "Canary", &answer).await?;
        Ok((Self { app, key: Mutex::new(key), party }, made.session))
    }

    /// Whether a code of the app leads from `step` to a session that opens a page.
    ///
    /// # Errors
    /// When there is no answer; the text says why.
    pub async fn app(
        &self,
        probe: &dyn FactorProbe,
        step: &Secret,
        (when, now): (Showing, Timestamp),
    ) -> std::result::Result<bool, String> {
        let steps = i32::from(when == Showing::After);
        codes::gets_in(probe, step, &self.app.code(now, steps)).await
    }

    /// The same with a recovery code.
    ///
    /// # Errors
    /// As for the app.
    pub async fn code(
        &self,
        probe: &dyn FactorProbe,
        step: &Secret,
        when: Showing,
    ) -> std::result::Result<bool, String> {
        let code = self.app.codes.get(usize::from(when == Showing::After));
        codes::gets_in(probe, step, code.ok_or("too few recovery codes were given")?).await
    }

    /// The same with the passkey.
    ///
    /// # Errors
    /// As for the app.
    pub async fn passkey(
        &self,
        probe: &dyn FactorProbe,
        step: &Secret,
    ) -> std::result::Result<bool, String> {
        if !probe.waits(step).await? {
            return Ok(false);
        }
        let challenge = probe.ask(step).await?;
        let answer = {
            let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
            key.assert(&self.party, &challenge, None)
        };
        ceremony::gets_in(probe, step, &answer.map_err(|error| error.to_string())?).await
    }
}
