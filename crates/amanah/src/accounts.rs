//! Accounts and their letters, as the console asks for them.

use std::sync::Arc;

use access::Access;
use console::{
    Hindrance, Invitation, Invited, Offer, OpenSession, Origin, People, Person, Refusal,
};
use directory::Directory;
use identity::{Attempted, Email, Error, Language, Limits, Mailroom, NewInvitation, Shows};
use kernel::{Clock, Fut, Granting as _, Identity, Secret, SessionToken, Sessions as _};

use crate::leaving::Offboarding;

/// For how long somebody is asked to wait who has tried too often, in seconds.
const WAIT_SECONDS: u64 = 60;
/// Guesses of a password in an open session are counted apart from those at the sign-in.
const IN_SESSION: &[u8] = b"in a session";

/// What the console's pages about accounts work with.
pub(crate) struct Front {
    pub(crate) room: Arc<Mailroom>,
    pub(crate) identities: Arc<identity::Identities>,
    pub(crate) access: Arc<Access>,
    /// The directories of tenants: one may have made an account that gives way.
    pub(crate) directory: Arc<Directory>,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Front {
    /// The token of the browser, when it has signed in to the account before.
    async fn known(&self, email: &str, from: &Origin) -> Option<Vec<u8>> {
        let browser = from.browser.as_ref()?;
        let known = self.room.knows(email, browser).await;
        let known = known.inspect_err(|error| tracing::warn!(%error, "a browser is not known"));
        known.unwrap_or_default().then(|| browser.0.expose().as_bytes().to_vec())
    }

    /// Whether they may try this, whose browser is `known` at the address or is not.
    fn allow(&self, what: Attempted, from: &Origin, address: &str, known: Option<&[u8]>) -> bool {
        let (now, folded) = (self.clock.now(), address.trim().to_lowercase());
        match known {
            Some(_) if what == Attempted::Reset => {
                self.limits.allow_known(Shows::KnownReset(&folded), now)
            }
            Some(_) => self.limits.allow_known(Shows::Known(&folded), now),
            None if self.is_proof(from, address) => self.limits.allow_proof(what, now),
            None => self.limits.allow(what, from.peer, now),
        }
    }

    fn is_proof(&self, from: &Origin, address: &str) -> bool {
        self.limits.is_proof(from.proof.as_ref(), address)
    }

    /// Goes on with a link that is `good`, as often as one may be tried. Those that are none are counted
    /// together, and take nothing from whoever holds one that is.
    fn link(&self, token: &SessionToken, good: bool, from: &Origin) -> Result<(), Hindrance> {
        if good {
            let shown = Shows::Link(token.0.expose().as_bytes());
            let free = self.limits.allow_known(shown, self.clock.now());
            return if free { Ok(()) } else { Err(Hindrance::Later) };
        }
        let free = self.allow(Attempted::Link, from, "", None);
        Err(if free { Hindrance::Link } else { Hindrance::Later })
    }
}

impl console::Accounts for Front {
    fn may_try<'a>(&'a self, email: &'a str, from: &'a Origin) -> Fut<'a, Result<(), Refusal>> {
        Box::pin(async move {
            // A browser that is known is counted apart in everything, so that nobody else can lock it
            // out; it is locked by its own wrong guesses.
            let known = self.known(email, from).await;
            if !self.allow(Attempted::SignIn, from, email, known.as_deref()) {
                return Err(Refusal::Later { seconds: WAIT_SECONDS });
            }
            if self.is_proof(from, email) {
                return Ok(());
            }
            let now = self.clock.now();
            let seconds = |wait: jiff::SignedDuration| {
                u64::try_from(wait.as_secs()).unwrap_or_default().saturating_add(1)
            };
            let guess = self.limits.guess(email, known.as_deref(), now);
            guess.map_err(|wait| Refusal::Later { seconds: seconds(wait) })
        })
    }

    fn not_wrong<'a>(&'a self, email: &'a str, from: &'a Origin) -> Fut<'a, ()> {
        Box::pin(async move {
            let known = self.known(email, from).await;
            self.limits.undo(email, known.as_deref());
        })
    }

    fn signed_in<'a>(
        &'a self,
        session: &'a SessionToken,
        from: &'a Origin,
    ) -> Fut<'a, Option<SessionToken>> {
        Box::pin(async move {
            let identity = self.identities.decide(session).await.ok().flatten()?;
            let email = identity.actor.as_str();
            self.limits.forgive(email, None);
            if let Some(browser) = &from.browser {
                self.limits.forgive(email, Some(browser.0.expose().as_bytes()));
            }
            let told = self.room.signed_in(&identity, from.browser.as_ref(), &from.family).await;
            told.unwrap_or_else(|error| {
                tracing::warn!(%error, "a sign-in was not told to whoever signed in");
                None
            })
        })
    }

    fn ask_reset<'a>(
        &'a self,
        address: &'a str,
        language: &'a str,
        from: &'a Origin,
    ) -> Fut<'a, Result<(), Hindrance>> {
        Box::pin(async move {
            let known = self.known(address, from).await;
            // It is said, and not passed over: it hangs on who asks, and not on whose address it is.
            if !self.allow(Attempted::Reset, from, address, known.as_deref()) {
                return Err(Hindrance::Later);
            }
            let language = Language::of(language);
            self.room.ask_reset(address, language, known.is_some()).await.map_err(trouble)
        })
    }

    fn reset_is_open<'a>(
        &'a self,
        token: &'a SessionToken,
    ) -> Fut<'a, Result<bool, console::Error>> {
        Box::pin(async move { self.room.reset_is_open(token).await.map_err(unavailable) })
    }

    fn reset<'a>(
        &'a self,
        token: &'a SessionToken,
        password: &'a Secret,
        from: &'a Origin,
    ) -> Fut<'a, Result<(), Hindrance>> {
        Box::pin(async move {
            let good = self.room.reset_is_open(token).await.map_err(trouble)?;
            self.link(token, good, from)?;
            let email = self.room.reset(token, password).await.map_err(trouble)?;
            // Whoever was locked out by the guesses of others is let in again.
            self.limits.forgive(&email, None);
            Ok(())
        })
    }

    fn offer<'a>(
        &'a self,
        token: &'a SessionToken,
    ) -> Fut<'a, Result<Option<Offer>, console::Error>> {
        Box::pin(async move {
            let offer = self.room.offer(token).await.map_err(unavailable)?;
            Ok(offer.map(|offer| Offer { email: offer.email, tenant: offer.tenant, by: offer.by }))
        })
    }

    fn accept<'a>(
        &'a self,
        token: &'a SessionToken,
        name: &'a str,
        password: &'a Secret,
        from: &'a Origin,
    ) -> Fut<'a, Result<(), Hindrance>> {
        Box::pin(async move {
            let good = self.room.offer(token).await.map_err(trouble)?.is_some();
            self.link(token, good, from)?;
            let accepted = self.room.accept(token, name, password).await.map_err(trouble)?;
            let desk = Offboarding {
                access: Arc::clone(&self.access),
                identities: Arc::clone(&self.identities),
                directory: Arc::clone(&self.directory),
            };
            desk.welcome(&self.room, &accepted).await;
            Ok(())
        })
    }

    fn change_password<'a>(
        &'a self,
        identity: &'a Identity,
        current: &'a Secret,
        new: &'a Secret,
    ) -> Fut<'a, Result<(), Hindrance>> {
        Box::pin(async move {
            let (who, now) = (identity.actor.as_str(), self.clock.now());
            if self.limits.guess(who, Some(IN_SESSION), now).is_err() {
                return Err(Hindrance::Later);
            }
            let changed = self.room.change_password(identity, current, new).await;
            match &changed {
                Ok(()) => self.limits.forgive(who, Some(IN_SESSION)),
                Err(Error::Refused) => {}
                Err(_) => self.limits.undo(who, Some(IN_SESSION)),
            }
            changed.map_err(trouble)
        })
    }

    fn sessions<'a>(
        &'a self,
        identity: &'a Identity,
    ) -> Fut<'a, Result<Vec<OpenSession>, console::Error>> {
        Box::pin(async move {
            let all = self.identities.sessions(&identity.account).await.map_err(unavailable)?;
            let shown = |one: identity::SessionCard| OpenSession {
                id: one.id,
                since: one.created,
                seen: one.last_seen,
                browser: one.agent,
            };
            Ok(all.into_iter().map(shown).collect())
        })
    }

    fn end_sessions<'a>(
        &'a self,
        identity: &'a Identity,
        one: Option<&'a str>,
    ) -> Fut<'a, Result<bool, console::Error>> {
        Box::pin(async move {
            let ended = match one {
                Some(id) => self.identities.end_session(&identity.account, id).await,
                None => self.room.end_other_sessions(identity).await.map(|ended| ended > 0),
            };
            ended.map_err(|error| match error {
                Error::Over => console::Error::Over,
                other => unavailable(other),
            })
        })
    }

    fn people<'a>(&'a self, identity: &'a Identity) -> Fut<'a, Result<People, console::Error>> {
        Box::pin(async move {
            let people = self.room.people(&identity.tenant).await.map_err(unavailable)?;
            let invited = self.room.invitations(&identity.tenant).await.map_err(unavailable)?;
            let roles = self.access.grantable(identity).await;
            let roles = roles.map_err(console::Error::Unavailable)?;
            let pending = |one: identity::Pending| Invited {
                id: one.id,
                email: one.email,
                roles: one.roles.join(", "),
                until: one.until,
            };
            Ok(People {
                people: people.into_iter().map(person).collect(),
                invited: invited.into_iter().map(pending).collect(),
                roles: roles.into_iter().map(|role| (role.name, role.title)).collect(),
            })
        })
    }

    fn invite<'a>(
        &'a self,
        identity: &'a Identity,
        new: &'a Invitation,
    ) -> Fut<'a, Result<(), Hindrance>> {
        Box::pin(async move {
            let invitation = NewInvitation {
                email: Email::new(&new.email).map_err(trouble)?,
                roles: new.roles.clone(),
                language: Language::of(&new.language),
            };
            let invited = self.room.invite(identity, &*self.access, &invitation).await;
            invited.map(drop).map_err(trouble)
        })
    }

    fn withdraw<'a>(
        &'a self,
        identity: &'a Identity,
        id: &'a str,
    ) -> Fut<'a, Result<(), console::Error>> {
        Box::pin(async move {
            let done = self.room.withdraw_invitation(&identity.tenant, id).await;
            done.map(drop).map_err(unavailable)
        })
    }
}

/// Somebody, as the console shows them.
pub(crate) fn person(one: identity::Person) -> Person {
    Person { id: one.id, name: one.name, email: one.email, closed: one.closed }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn unavailable(error: Error) -> console::Error {
    console::Error::Unavailable(error.to_string())
}

fn trouble(error: Error) -> Hindrance {
    match error {
        Error::Link => Hindrance::Link,
        Error::PasswordSize(_) | Error::Weak(_) => Hindrance::Password,
        Error::Refused => Hindrance::Wrong,
        Error::Email(_) | Error::Reserved | Error::Field { .. } | Error::Taken => Hindrance::Field,
        Error::Busy => Hindrance::Busy,
        Error::TooOften(_) => Hindrance::Later,
        other => Hindrance::Unavailable(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
