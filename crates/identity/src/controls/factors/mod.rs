//! The claims about second factors, and what they have in common: a sign-in as a browser goes through
//! it, and canaries to do it with.

mod bite;
mod canary;
mod ceremony;
mod codes;
mod hardware;
mod leaver;
mod required;
mod roles;
#[cfg(test)]
mod tests;
mod totp;

use std::sync::Arc;

use kernel::{
    Control, Finding, Fut, Population, Proof, Secret, SessionToken, Sessions as _, TenantId,
};
use store::{Db, Programs};

pub use leaver::{LeaverFactors, Showing};

use crate::passkey::{Assertion, Party};
use crate::{Error, Identities, SignedIn, StepToken};

/// Where a sign-in stands after an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// A session was opened; its token.
    Session(Secret),
    /// A second factor is asked for, or set up first; the token of the step.
    Step(Secret),
    /// It was refused.
    Refused,
}

/// Goes through a sign-in as a browser would, through the running gateway. Implemented by the binary.
///
/// An answer that says "come back later", or none at all, is an error: its text says what to do.
pub trait FactorProbe: Send + Sync {
    /// This site, as the gateway's visitors know it; `None` when its name is none.
    fn party(&self) -> Option<Party>;

    /// Sends address and password.
    fn password<'a>(
        &'a self,
        email: &'a str,
        password: &'a Secret,
    ) -> Fut<'a, Result<Reached, String>>;

    /// Sends a code.
    fn code<'a>(&'a self, step: &'a Secret, code: &'a Secret) -> Fut<'a, Result<Reached, String>>;

    /// Whether the step of this token still waits for something.
    fn waits<'a>(&'a self, step: &'a Secret) -> Fut<'a, Result<bool, String>>;

    /// Asks for the challenge of a passkey.
    fn ask<'a>(&'a self, step: &'a Secret) -> Fut<'a, Result<Vec<u8>, String>>;

    /// Sends the answer of a passkey.
    fn passkey<'a>(
        &'a self,
        step: &'a Secret,
        answer: &'a Assertion,
    ) -> Fut<'a, Result<Reached, String>>;

    /// Whether `token`, in the cookie of a session, opens a page of an account.
    fn opens<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<bool, String>>;
}

/// Gives roles to canaries. Implemented by the binary over `access`.
pub trait CanaryRoles: Send + Sync {
    /// Gives `role` to `account` in `tenant`.
    ///
    /// # Errors
    /// When there is no such role; the text says so.
    fn give<'a>(
        &'a self,
        account: &'a str,
        tenant: &'a TenantId,
        role: &'a str,
    ) -> Fut<'a, Result<(), String>>;

    /// Takes it back.
    ///
    /// # Errors
    /// When it is still there.
    fn take<'a>(
        &'a self,
        account: &'a str,
        tenant: &'a TenantId,
        role: &'a str,
    ) -> Fut<'a, Result<(), String>>;
}

/// What the claims about second factors stand on.
#[derive(Clone)]
pub struct FactorGuard {
    /// The service.
    pub identities: Arc<Identities>,
    /// Owns the control database, for sandboxes, and to remove the canaries.
    pub owner: Db,
    /// PostgreSQL's programs, for sandboxes.
    pub programs: Programs,
    /// Signs in through the running gateway; without it nothing is proven.
    pub probe: Option<Arc<dyn FactorProbe>>,
    /// Gives canaries their roles.
    pub roles: Arc<dyn CanaryRoles>,
}

impl FactorGuard {
    /// The controls.
    pub fn controls(self) -> Vec<Arc<dyn Control>> {
        vec![
            Arc::new(totp::Totp(self.clone())),
            Arc::new(required::Required(self.clone())),
            Arc::new(hardware::Hardware(self)),
        ]
    }
}

/// Why nothing can be said without a gateway.
const NO_GATEWAY: &str =
    "no gateway is running that a canary could sign in through; start `amanah up`";

/// One attempt to get in, and whether it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tried {
    /// What was tried: "the same code a second time".
    what: String,
    through: bool,
}

impl Tried {
    fn new(what: impl Into<String>, through: bool) -> Self {
        Self { what: what.into(), through }
    }
}

/// A proof of attempts, `more` of which were looked at in another way.
fn weigh(
    observed_at: jiff::Timestamp,
    tried: &[Tried],
    (population, threshold): (Population, &str),
    fix: &str,
) -> Proof {
    let through: Vec<Finding> = tried
        .iter()
        .filter(|one| one.through)
        .map(|one| Finding::new("sign-in", format!("{} gets in", one.what)).fix(fix))
        .collect();
    let measured = format!("{} of {} attempts got in", through.len(), tried.len());
    Proof::weigh(observed_at, population, measured, threshold, through)
}

/// The service itself, in a sandbox.
pub(crate) struct InProcess(pub(crate) Arc<Identities>);

impl InProcess {
    fn reached(answer: crate::Result<SignedIn>) -> Result<Reached, String> {
        match answer {
            Ok(SignedIn::Session(token)) => Ok(Reached::Session(token.0)),
            Ok(SignedIn::Factor(step) | SignedIn::Enrol(step)) => Ok(Reached::Step(step.0)),
            Err(
                Error::Refused
                | Error::Wrong
                | Error::Passkey
                | Error::Wait
                | Error::Over
                | Error::StepUp,
            ) => Ok(Reached::Refused),
            Err(other) => Err(other.to_string()),
        }
    }
}

impl FactorProbe for InProcess {
    fn party(&self) -> Option<Party> {
        Some(Party::of_sandbox())
    }

    fn password<'a>(
        &'a self,
        email: &'a str,
        password: &'a Secret,
    ) -> Fut<'a, Result<Reached, String>> {
        Box::pin(async move { Self::reached(self.0.sign_in(email, password).await) })
    }

    fn code<'a>(&'a self, step: &'a Secret, code: &'a Secret) -> Fut<'a, Result<Reached, String>> {
        Box::pin(
            async move { Self::reached(self.0.prove_code(&StepToken(step.clone()), code).await) },
        )
    }

    fn waits<'a>(&'a self, step: &'a Secret) -> Fut<'a, Result<bool, String>> {
        Box::pin(async move {
            match self.0.stage(&StepToken(step.clone())).await {
                Ok(_) => Ok(true),
                Err(Error::Over | Error::Refused) => Ok(false),
                Err(other) => Err(other.to_string()),
            }
        })
    }

    fn ask<'a>(&'a self, step: &'a Secret) -> Fut<'a, Result<Vec<u8>, String>> {
        Box::pin(async move {
            let asked = self.0.ask_passkey(&StepToken(step.clone()), &Party::of_sandbox()).await;
            asked.map(|asked| asked.challenge).map_err(|error| error.to_string())
        })
    }

    fn passkey<'a>(
        &'a self,
        step: &'a Secret,
        answer: &'a Assertion,
    ) -> Fut<'a, Result<Reached, String>> {
        Box::pin(async move {
            let step = StepToken(step.clone());
            Self::reached(self.0.prove_passkey(&step, &Party::of_sandbox(), answer).await)
        })
    }

    fn opens<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<bool, String>> {
        Box::pin(async move { Ok(self.0.decide(&SessionToken(token.clone())).await?.is_some()) })
    }
}
