//! Who somebody is: accounts, passwords and sessions.
//!
//! It promises that a stored password costs an attacker Argon2id at OWASP's floor or more, that a
//! refused sign-in takes the same time whether or not the account exists, that a flood of
//! sign-ins cannot take more memory than the pool was given, and that a session ends after its
//! idle or absolute limit and within seconds of being revoked. The database holds the SHA-256 of
//! a session's token and never the token. A refresh token is good once, its return ends what came
//! of it, an access token is worth no more than the family that it came from, and an API key does
//! nothing that its account may not do at that moment.
//!
//! It does not limit guesses per address or account, has no second factor yet, and does not
//! decide what somebody may do.
//!
//! The attacks it stops: cracking a stolen table of hashes, finding out who has an account by
//! timing the sign-in, filling the memory with sign-ins, and using a stolen table of sessions.

mod access_token;
mod account;
mod api_key;
mod assertion;
mod cache;
mod controls;
mod custody;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod jwt;
mod lifetime;
mod listening;
mod passkey;
mod password;
mod pending;
mod recovery;
mod refresh;
mod service;
mod signing;
mod sql;
mod stored;
mod strength;
#[cfg(test)]
mod tests;
mod token;
mod totp;
mod vault;

pub use account::{Email, NewAccount};
pub use controls::{
    Asked, Attempt, CanaryRoles, EdgeProbe, FactorGuard, FactorProbe, Reached, Seen, SignInProbe,
    TokenProbe, controls, session_controls,
};
pub use custody::Custodian;
pub use error::{Error, Result};
pub use lifetime::Lifetime;
pub use passkey::{Assertion, Party, Registration};
pub use password::Pool;
pub use pending::{Has, Offer, RECENT, SignedIn, StepToken, is_recent};
pub use service::{
    Again, Ceremony, Closed, Enrolled, Factors, Holder, Identities, KeyCard, Known, MAX_KEY_DAYS,
    NewApp, NewKey, Opening, Pair, PasskeyCard, ServiceCard, SessionCard, SessionVitals, Stage,
    StoredFactors, forget_leavers,
};
pub use strength::Weakness;

/// This room's migrations.
pub const ROOM: store::Room = store::Room {
    name: "identity",
    migrations: &[
        store::Migration { name: "0001_accounts", sql: include_str!("../sql/0001_accounts.sql") },
        store::Migration { name: "0002_declared", sql: include_str!("../sql/0002_declared.sql") },
        store::Migration { name: "0003_ids", sql: include_str!("../sql/0003_ids.sql") },
        store::Migration { name: "0010_sessions", sql: include_str!("../sql/0010_sessions.sql") },
        store::Migration { name: "0011_tokens", sql: include_str!("../sql/0011_tokens.sql") },
        store::Migration { name: "0020_factors", sql: include_str!("../sql/0020_factors.sql") },
        store::Migration { name: "0040_close", sql: include_str!("../sql/0040_close.sql") },
    ],
};
