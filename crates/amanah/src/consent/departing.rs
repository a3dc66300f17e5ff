//! A synthetic person who is off-boarded: in the running house, and in a copy that spares something.

mod bench;
mod kit;
mod sql;

use std::sync::Arc;
use std::time::Duration;

use access::SupportState;
use access::controls::{Doorstep, Leaver, Spared};
use anyhow::{Context as _, bail};
use gateway::SESSION_COOKIE;
use http::StatusCode;
use identity::{FactorProbe as _, Reached, Showing, TokenProbe as _};
use kernel::{Fut, Secret, SessionToken};
use store::Db;

pub(crate) use self::bench::Sparer;
use self::kit::Person;
use super::Here;
use crate::leaving::Offboarding;
use crate::probe::{Edge, INVITED, NEW_PASSWORD};
use crate::provisioning::PLACE;

/// What they have. Each of these is tried at the gateway.
const SESSION: &str = "browser session";
const INSIDE: &str = "session of support";
const PASSWORD: &str = "password";
const HALF_WAY: &str = "half-way sign-in";
const APP: &str = "authenticator app";
const CODE: &str = "recovery code";
const PASSKEY: &str = "passkey";
const ACCESS: &str = "access token";
const REFRESH: &str = "refresh token";
const KEY: &str = "API key";
const SERVICE: &str = "key of a service";
const RESET: &str = "link for a new password";
const INVITATION: &str = "invitation that they sent";
const DIRECTORY: &str = "token of a directory";
/// And these are looked for where they are kept.
const STORED: &str = "stored factors";
const ROLE: &str = "role";
const SUPPORT: &str = "access of support";
const QUESTION: &str = "question of support";
const KINDS: [&str; 18] = [
    SESSION, INSIDE, PASSWORD, HALF_WAY, APP, CODE, PASSKEY, ACCESS, REFRESH, KEY, SERVICE, RESET,
    INVITATION, DIRECTORY, STORED, ROLE, SUPPORT, QUESTION,
];
/// Those that open something new and are used up, or cost a sign-in.
const ONCE: [&str; 4] = [PASSWORD, APP, CODE, PASSKEY];

/// Where somebody is told who they are.
const WHO: &str = "/_amanah/identity";
/// What every directory asks first, below where the protocol is served. It changes nothing.
const SETTINGS: &str = "/ServiceProviderConfig";
/// The sign-in says so when too many came from one address; then it is asked again.
const TOO_MANY: &str = "429";
const ASK_AGAIN: Duration = Duration::from_secs(2);
const TRIES: usize = 10;

/// The running house.
pub(super) struct Porch {
    pub(super) here: Arc<Here>,
    /// The control database's owner, who alone may remove accounts.
    pub(super) owner: Db,
}

impl Doorstep for Porch {
    fn equip<'a>(&'a self, _: Spared<'a>) -> Fut<'a, Result<Box<dyn Leaver>, String>> {
        Box::pin(async {
            let forgotten = identity::forget_leavers(&self.owner).await;
            forgotten.map_err(|error| error.to_string())?;
            let person = Person::equipped(&self.here).await;
            Ok(Box::new(person.map_err(|error| format!("{error:#}"))?) as Box<dyn Leaver>)
        })
    }

    fn close(&self) -> Fut<'_, ()> {
        Box::pin(async {})
    }
}

impl Person {
    /// Whether `what` still does something.
    async fn does(&self, what: &str) -> anyhow::Result<bool> {
        let (edge, said) = (&*self.here.door.edge, anyhow::Error::msg::<String>);
        let now = self.here.cx.clock.now();
        let when = self.showing();
        let [app, code, passkey] = self.steps(when);
        match what {
            SESSION => edge.opens(&self.session.0).await.map_err(said),
            INSIDE => is_somebody(edge, &self.inside).await,
            PASSWORD => self.password_leads_on(edge).await,
            HALF_WAY => edge.waits(&self.half_way).await.map_err(said),
            APP => self.factors.app(edge, app, (when, now)).await.map_err(said),
            CODE => self.factors.code(edge, code, when).await.map_err(said),
            PASSKEY => self.factors.passkey(edge, passkey).await.map_err(said),
            ACCESS => edge.accepts(&self.access).await.map_err(said),
            REFRESH => self.refreshes(edge).await,
            KEY => edge.accepts(&self.key).await.map_err(said),
            SERVICE => edge.accepts(&self.service_key).await.map_err(said),
            RESET => link_opens(edge, NEW_PASSWORD, &self.reset).await,
            INVITATION => link_opens(edge, INVITED, &self.invitation).await,
            DIRECTORY => self.directory_is_let_in(edge).await,
            other => self.is_kept(other).await,
        }
    }

    /// Whether `what` is still there, in the control database.
    async fn is_kept(&self, what: &str) -> anyhow::Result<bool> {
        let Here { access, identities, staff, tenants, .. } = &*self.here;
        Ok(match what {
            STORED => identities.stored_factors(&self.account).await? > 0,
            ROLE => !access.standing_now(&self.account, staff).await?.permits.is_empty(),
            SUPPORT => {
                let live = access.support_list(Some(&tenants.0)).await?;
                let entered = access.support_standing(&self.account, staff, &self.grant).await;
                let listed = |one: &access::SupportGrant| {
                    one.id == self.grant && one.state == SupportState::Live
                };
                entered.is_ok() || live.iter().any(listed)
            }
            QUESTION => {
                let waiting = access.support_list(Some(&tenants.0)).await?;
                waiting
                    .iter()
                    .any(|one| one.id == self.question && one.state == SupportState::Asked)
            }
            other => bail!("there is no credential called {other}"),
        })
    }

    /// Whether the password leads to a session, or to the step before one.
    async fn password_leads_on(&self, edge: &Edge) -> anyhow::Result<bool> {
        for _ in 0..TRIES {
            match edge.password(&self.email, &self.password).await {
                Ok(Reached::Session(_) | Reached::Step(_)) => return Ok(true),
                Ok(Reached::Refused) => return Ok(false),
                Err(why) if why.contains(TOO_MANY) => tokio::time::sleep(ASK_AGAIN).await,
                Err(why) => return Err(anyhow::Error::msg(why)),
            }
        }
        bail!("too many sign-ins came from this machine for the password to be looked at")
    }

    /// Whether a directory that shows the token that they made is answered.
    async fn directory_is_let_in(&self, edge: &Edge) -> anyhow::Result<bool> {
        let path = format!("{PLACE}{SETTINGS}");
        for _ in 0..TRIES {
            match edge.shown(&path, &self.directory_token).await? {
                StatusCode::OK => return Ok(true),
                StatusCode::UNAUTHORIZED => return Ok(false),
                StatusCode::TOO_MANY_REQUESTS => tokio::time::sleep(ASK_AGAIN).await,
                status => bail!("{path} answered {status}"),
            }
        }
        bail!(
            "too many requests of directories came from this machine for its token to be looked at"
        )
    }

    /// Whether the newest refresh token gives another one, which is the newest then.
    async fn refreshes(&self, edge: &Edge) -> anyhow::Result<bool> {
        let mut newest = self.refresh.lock().await;
        let next = edge.refresh(&newest).await.map_err(anyhow::Error::msg)?;
        let next = next.map(|pair| pair.refresh);
        let works = next.is_some();
        if let Some(next) = next {
            *newest = next;
        }
        Ok(works)
    }

    const fn steps(&self, when: Showing) -> [&Secret; 3] {
        let steps = match when {
            Showing::Before => &self.steps_before,
            Showing::After => &self.steps_after,
        };
        let [app, code, passkey] = steps;
        [app, code, passkey]
    }
}

/// Whether the gateway knows whoever comes with this session.
async fn is_somebody(edge: &Edge, session: &SessionToken) -> anyhow::Result<bool> {
    let cookie = format!("{SESSION_COOKIE}={}", session.0.expose());
    match edge.status(WHO, &cookie).await? {
        StatusCode::OK => Ok(true),
        StatusCode::UNAUTHORIZED => Ok(false),
        status => bail!("{WHO} answered {status}"),
    }
}

/// Whether the page that a link leads to has its form. Looking does not use a link up.
async fn link_opens(
    edge: &Edge,
    (path, cookie): (&str, &str),
    token: &SessionToken,
) -> anyhow::Result<bool> {
    match edge.status(path, &format!("{cookie}={}", token.0.expose())).await? {
        StatusCode::OK => Ok(true),
        StatusCode::FORBIDDEN => Ok(false),
        status => bail!("{path} answered {status}"),
    }
}

impl Leaver for Person {
    fn holds(&self) -> Vec<&'static str> {
        KINDS.to_vec()
    }

    fn once(&self, what: &str) -> bool {
        ONCE.contains(&what)
    }

    fn works<'a>(&'a self, what: &'a str) -> Fut<'a, Result<bool, String>> {
        Box::pin(async move {
            let does = self.does(what).await.with_context(|| format!("{what} could not be tried"));
            does.map_err(|error| format!("{error:#}"))
        })
    }

    fn leave(&self) -> Fut<'_, Result<Vec<String>, String>> {
        Box::pin(async {
            let desk = Offboarding {
                access: Arc::clone(&self.here.access),
                identities: Arc::clone(&self.here.identities),
                directory: Arc::clone(&self.here.directory),
            };
            // From here on nothing of before is shown again.
            self.leaves();
            let left = desk.end(&self.account, "a proof", Some(&self.successor)).await;
            let left = left.map_err(|error| format!("{error:#}"))?;
            let mut remains = left.remains;
            if left.closed.handed_over.is_empty() {
                remains.push("a service that nobody took over".to_owned());
            }
            Ok(remains)
        })
    }
}
