//! Sign-ins that wait for a second factor, and what comes next for them.
//!
//! Between a right password and a session there is a *step*: a row with the hash of a token, good for
//! five minutes and five tries. Its token opens nothing but the next page.

use jiff::SignedDuration;
use kernel::{Rng, Secret, SessionToken, Strength};

use crate::Result;
use crate::token::{self, Digest};

/// How long somebody has for the second factor.
pub(crate) const STEP_LASTS: SignedDuration = SignedDuration::from_mins(5);
/// How many codes may be tried in one step.
pub(crate) const MAX_TRIES: i16 = 5;
/// After so many wrong codes in a row, whatever the step, the account has to wait.
pub(crate) const FREE_GUESSES: i32 = 10;
/// How long it waits first, in seconds; each further wrong code doubles it.
pub(crate) const FIRST_WAIT_SECONDS: f64 = 10.0;
/// The longest wait, in seconds: nobody can be locked out for good by somebody else.
pub(crate) const LONGEST_WAIT_SECONDS: f64 = 900.0;

/// The token of a sign-in that waits, as its cookie carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepToken(pub Secret);

impl StepToken {
    pub(crate) fn fresh(rng: &dyn Rng) -> Result<(Self, Digest)> {
        let (token, digest) = token::fresh(rng)?;
        Ok((Self(token.0), digest))
    }

    pub(crate) fn digest(&self) -> Option<Digest> {
        Digest::of(&SessionToken(self.0.clone()))
    }
}

/// What a right password, or a right second factor, came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedIn {
    /// A session.
    Session(SessionToken),
    /// A second factor is asked for.
    Factor(StepToken),
    /// A second factor has to be set up first: a role asks for one, and there is none.
    Enrol(StepToken),
}

impl SignedIn {
    /// The session, when there is one.
    pub fn session(self) -> Option<SessionToken> {
        match self {
            Self::Session(token) => Some(token),
            Self::Factor(_) | Self::Enrol(_) => None,
        }
    }

    /// The token of the step, when there is one.
    pub fn step(self) -> Option<StepToken> {
        match self {
            Self::Session(_) => None,
            Self::Factor(token) | Self::Enrol(token) => Some(token),
        }
    }
}

/// What an account has to prove itself with, beside its password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Has {
    /// An authenticator app.
    pub app: bool,
    /// So many unused recovery codes.
    pub codes: i64,
    /// So many passkeys.
    pub passkeys: i64,
}

impl Has {
    /// Whether there is a second factor at all. Recovery codes stand in for one.
    pub const fn any(self) -> bool {
        self.app || self.passkeys > 0
    }

    /// Whether what is there can reach `needs`.
    pub const fn reaches(self, needs: Strength) -> bool {
        match needs {
            Strength::One => true,
            Strength::Two => self.any(),
            Strength::Hardware => self.passkeys > 0,
        }
    }
}

/// What a step may be answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// A code of the app.
    pub app: bool,
    /// A recovery code.
    pub codes: bool,
    /// A passkey.
    pub passkeys: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// A session.
    Done,
    /// A second factor.
    Prove(Offer),
    /// Setting one up; with or without the choice of an app.
    Enrol {
        /// Whether an app would do.
        app: bool,
    },
}

/// What comes next for an account that `has` this, `needs` that, and has `reached` so much.
///
/// Where a passkey is needed and there is one, nothing else is taken: a code that somebody was talked
/// out of must not lead to a new key.
pub(crate) fn next(needs: Strength, reached: Strength, has: Has) -> Next {
    let keys_only = needs == Strength::Hardware && has.passkeys > 0;
    match reached {
        Strength::Hardware => Next::Done,
        Strength::Two if needs <= Strength::Two => Next::Done,
        Strength::One if has.any() && !keys_only => {
            Next::Prove(Offer { app: has.app, codes: has.codes > 0, passkeys: has.passkeys > 0 })
        }
        Strength::One | Strength::Two if keys_only => {
            Next::Prove(Offer { app: false, codes: false, passkeys: true })
        }
        Strength::One if needs == Strength::One => Next::Done,
        Strength::One | Strength::Two => Next::Enrol { app: needs <= Strength::Two },
    }
}

#[cfg(test)]
mod tests {
    use kernel::Strength::{Hardware, One, Two};

    use super::{Has, Next, Offer, next};

    const NONE: Has = Has { app: false, codes: 0, passkeys: 0 };
    const APP: Has = Has { app: true, codes: 10, passkeys: 0 };
    const KEY: Has = Has { app: false, codes: 0, passkeys: 1 };
    const BOTH: Has = Has { app: true, codes: 10, passkeys: 2 };

    /// Every need, what was reached and what there is: no way leads to `Done` below what is needed, nor
    /// past a factor that is there.
    #[test]
    fn nothing_less_than_what_is_needed_is_done() {
        for needs in [One, Two, Hardware] {
            for reached in [One, Two, Hardware] {
                for has in [NONE, APP, KEY, BOTH] {
                    let done = next(needs, reached, has) == Next::Done;
                    assert!(!done || reached >= needs, "{needs:?} {reached:?} {has:?}");
                    assert!(!done || reached > One || !has.any(), "{needs:?} {reached:?} {has:?}");
                }
            }
        }
        let key = Next::Prove(Offer { app: false, codes: false, passkeys: true });
        assert_eq!(next(Hardware, One, BOTH), key);
        assert_eq!(next(Hardware, Two, BOTH), key);
        assert_eq!(next(Hardware, Two, APP), Next::Enrol { app: false });
        assert_eq!(next(Two, One, NONE), Next::Enrol { app: true });
        let any = Next::Prove(Offer { app: true, codes: true, passkeys: true });
        assert_eq!(next(One, One, BOTH), any);
    }
}
