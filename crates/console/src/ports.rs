//! What the console needs of the rest of the house, handed over by the binary.

use std::sync::Arc;

use claims::{Page, Report};
use jiff::Timestamp;
use kernel::{Clock, Fut, Rng, Secret, SessionToken};

use crate::handlers::desk::Desk;
use crate::{
    Accounts, ApiKeys, Error, LeavingDesk, ReviewDesk, RoleDesk, Scim, SupportDesk, Tokens,
    TrailDesk,
};

/// The security pages and what they come to.
pub trait Trust: Send + Sync {
    /// Every page that is served, in the order of the navigation.
    fn pages(&self) -> Vec<Arc<Page>>;

    /// The name of the page that `/trust` shows, or `None` to list them all there.
    fn primary(&self) -> Option<String>;

    /// What the page called `page` comes to at `at`, or now.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such page, [`Error::Unavailable`] when the evidence
    /// cannot be read.
    fn report<'a>(&'a self, page: &'a str, at: Option<Timestamp>)
    -> Fut<'a, Result<Report, Error>>;

    /// The logs of audit trails whose checkpoints are given out.
    fn logs(&self) -> Vec<LogHead>;

    /// The newest signed checkpoint of the log of this name, cosigned where witnesses have seen it.
    fn checkpoint(&self, log: &str) -> Option<String>;
}

/// Why a sign-in was not let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The address is unknown, the password is wrong, or the account is closed: one answer for
    /// all of them, so that nobody can ask who has an account.
    Refused,
    /// Too many sign-ins are being checked at once.
    Busy,
    /// It was tried too often, from there or for this account, whether or not there is one.
    Later {
        /// For how long nothing is tried.
        seconds: u64,
    },
    /// The accounts cannot be read. The cause goes to the log alone.
    Unavailable(String),
}

/// What a right password leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entered {
    /// A session.
    Session(SessionToken),
    /// A page that asks for a second factor, or has one set up; the token is for its cookie.
    Step(Secret),
}

/// Opens and ends sessions.
pub trait SignIn: Send + Sync {
    /// Opens a session for the account with this e-mail address, or says that a second factor is
    /// asked for.
    ///
    /// It must take the same time for an unknown address as for a wrong password; the console can
    /// only make the answers equal.
    ///
    /// # Errors
    /// The [`Refusal`].
    fn sign_in<'a>(
        &'a self,
        email: &'a str,
        password: &'a Secret,
    ) -> Fut<'a, Result<Entered, Refusal>>;

    /// Ends the session of this token; one that is unknown is ended already.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the session could not be ended, so that nobody walks away from
    /// an open one.
    fn sign_out<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Result<(), Error>>;
}

/// The head of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// A name that tells nothing: that of the database is in the checkpoint alone.
    pub id: String,
    /// How many entries it has.
    pub size: u64,
    /// When it was signed.
    pub signed: Option<Timestamp>,
    /// Who keeps its checkpoints outside of our hands.
    pub witnesses: Vec<Witnessed>,
}

/// That a witness has signed a head of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// The witness's name.
    pub by: String,
    /// How many entries it had seen.
    pub size: u64,
    /// When, by its own clock.
    pub at: Timestamp,
}

/// Whether the house is well, and its measurements.
pub trait Vitals: Send + Sync {
    /// Whether requests can be served.
    fn healthy(&self) -> Fut<'_, bool>;

    /// Every metric in the `OpenMetrics` text format, ending with `# EOF`.
    fn metrics(&self) -> Fut<'_, String>;
}

/// Everything that the routes work with.
#[derive(Clone)]
pub struct State {
    /// The pages and their reports.
    pub trust: Arc<dyn Trust>,
    /// The sessions.
    pub sign_in: Arc<dyn SignIn>,
    /// Accounts and their letters.
    pub accounts: Arc<dyn Accounts>,
    /// Tokens for programs.
    pub tokens: Arc<dyn Tokens>,
    /// Keys for programs.
    pub api_keys: Arc<dyn ApiKeys>,
    /// Second factors; without it, their pages are not there.
    pub desk: Option<Desk>,
    /// Off-boarding.
    pub leaving: Arc<dyn LeavingDesk>,
    /// Access of support to tenants.
    pub support: Arc<dyn SupportDesk>,
    /// What was recorded in a tenant.
    pub trail: Arc<dyn TrailDesk>,
    /// Reviews of what people may do.
    pub reviews: Arc<dyn ReviewDesk>,
    /// Roles of a tenant's own.
    pub roles: Arc<dyn RoleDesk>,
    /// The directories of tenants; without it, nobody is answered there.
    pub scim: Option<Scim>,
    /// Health and metrics.
    pub vitals: Arc<dyn Vitals>,
    /// The time: a page cannot be shown as it will stand tomorrow.
    pub clock: Arc<dyn Clock>,
    /// Randomness for the tokens of forms.
    pub rng: Arc<dyn Rng>,
}
