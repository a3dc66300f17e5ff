//! What people and programs see of Amanah: the security page with the live result behind each
//! promise, the same as JSON, signing in, a forgotten password, invitations, one's own account, health
//! and metrics.
//!
//! It promises that a page never looks better than its evidence: a promise without a fitting entry
//! in the report is shown as unknown, what fails or cannot be told comes first, and no verdict is
//! told by colour alone. Every page works without script, on paper, and in English, Indonesian and
//! Arabic.
//!
//! The directories of tenants are answered beside these pages, in the words of SCIM. Programs are
//! answered apart from them, on a listener of its own: [`keys`] is the API
//! through which applications encrypt and sign, [`tenants`] the one through which they act for
//! tenants. A [`witness`] is served by a process of its own.
//!
//! It does not decide anything: verdicts come from [`Trust`], sessions from [`SignIn`], and who is
//! signed in from the [`kernel::Identity`] that the gateway puts into the request's extensions. It
//! opens no port; the gateway serves its [`router`].
//!
//! The attacks it stops: markup in whatever a page or a control says (everything is escaped, and
//! the content security policy lets no inline script or style run), links to scripts, forms sent
//! by another site, sign-ins that return to another site, and asking the sign-in form who has an
//! account.

pub mod access;
mod accounts;
mod assets;
mod browser;
mod cookie;
mod credentials;
mod csrf;
mod error;
mod fit;
mod handlers;
pub mod keys;
mod leaving;
mod moment;
mod pages;
mod ports;
mod prose;
mod reviewing;
mod role_desk;
mod routes;
mod scim;
mod support;
mod target;
pub mod tenants;
mod trail;
mod voice;
pub mod witness;
mod words;

pub use accounts::{
    Accounts, Hindrance, Invitation, Invited, Offer, OpenSession, Origin, People, Person,
};
pub use cookie::{KNOWN_COOKIE, PROOF_COOKIE};
pub use credentials::{
    ApiKey, ApiKeys, AskedKey, Granted, KeyRack, KeyRefusal, Service, TokenRefusal, Tokens,
};
pub use csrf::of_link as form_of_link;
pub use error::Error;
pub use handlers::challenge::challenge;
pub use handlers::desk::Desk;
pub use leaving::{LeavingDesk, LeavingReport};
pub use pages::challenge::Challenge;
pub use ports::{Entered, LogHead, Refusal, SignIn, State, Trust, Vitals, Witnessed};
pub use reviewing::{
    ReviewCard, ReviewDecision, ReviewDesk, ReviewLine, ReviewSheet, ReviewTrouble, ReviewsSeen,
};
pub use role_desk::{
    HeldRole, OfferedPermission, PastRole, RoleCard, RoleDesk, RoleDraft, RoleGift, RoleHolder,
    RoleOffers, RoleTrouble,
};
pub use routes::{router, routes};
pub use scim::{Scim, judge as judge_directory};
pub use support::{
    SupportCard, SupportDesk, SupportQuestion, SupportStanding, SupportUse, Trouble,
};
pub use trail::{TRAIL_ROWS, TrailDesk, TrailLine, TrailQuestion, TrailSeen, TrailTrouble};
