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
//! It also promises that whoever asks for a new password learns nothing about accounts, that the
//! link in a letter is nowhere but in the letter, and that nobody can guess passwords at speed.
//!
//! It does not decide what somebody may do. Limits live in one process and end with it.
//!
//! The attacks it stops: cracking a stolen table of hashes, finding out who has an account by
//! timing the sign-in or asking for a reset, guessing passwords, locking somebody out by guessing,
//! filling the memory with sign-ins, and using a stolen table of sessions or links.

mod access_token;
mod account;
mod api_key;
mod assertion;
mod book;
mod cache;
mod controls;
mod custody;
mod custody_links;
mod directory;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod invitation;
mod jwt;
mod key_holdings;
mod lifetime;
mod limits;
mod listening;
mod mail;
mod own;
mod passkey;
mod password;
mod pending;
mod recovery;
mod refresh;
mod reset;
mod service;
mod signing;
mod sql;
mod stored;
mod strength;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_directory;
#[cfg(test)]
mod tests_mail;
mod token;
mod totp;
mod vault;
mod workers;

pub use account::{Email, NewAccount};
pub use api_key::bait_key;
pub use book::FactorBook;
pub use controls::{
    Answer, Asked, Attempt, CanaryRoles, EdgeProbe, FactorGuard, FactorProbe, Form, FormProbe,
    LeaverFactors, Reached, Seen, Sent, Showing, SignInProbe, TokenProbe, controls, mail_controls,
    session_controls,
};
pub use custody::Custodian;
pub use custody_links::LinkCustodian;
pub use error::{Error, Result};
pub use invitation::{Accepted, NewInvitation, Offered, Pending, Person};
pub use key_holdings::KeyHoldings;
pub use lifetime::Lifetime;
pub use limits::{Attempted, Limits, Shows, Tries};
pub use mail::{
    FileOutbox, Language, Letters, Line, Mailroom, Post, Sender, Smtp, SmtpSettings, Unsent,
    Waiting, Written,
};
pub use passkey::{Assertion, Party, Registration};
pub use password::Pool;
pub use pending::{Has, Offer, SignedIn, StepToken};
pub use service::{
    Again, Ceremony, Closed, Enrolled, Factors, Holder, Identities, KeyCard, Known, MAX_KEY_DAYS,
    NewApp, NewKey, Opening, Pair, PasskeyCard, Resealed, ServiceCard, SessionCard, SessionVitals,
    Stage, age_proof, forget_leavers, reseal_seeds,
};
pub use stored::Cost;
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
        store::Migration { name: "0030_mail", sql: include_str!("../sql/0030_mail.sql") },
        store::Migration { name: "0040_close", sql: include_str!("../sql/0040_close.sql") },
        store::Migration { name: "0050_first", sql: include_str!("../sql/0050_first.sql") },
        store::Migration { name: "0060_directory", sql: include_str!("../sql/0060_directory.sql") },
        store::Migration { name: "0070_synthetic", sql: include_str!("../sql/0070_synthetic.sql") },
        store::Migration { name: "0080_no_role", sql: include_str!("../sql/0080_no_role.sql") },
    ],
};
