//! A tenant's own directory, such as Entra ID or Okta, makes the accounts of its people and ends
//! them: SCIM 2.0 (RFC 7643, 7644) without its HTTP.
//!
//! It promises that a directory reaches what is of its tenant and in its hand, and nothing else: no
//! account of another tenant, none that people made here and nobody gave into its hand; that whoever
//! it deactivates or deletes is off-boarded as people are; that its groups never give more than
//! whoever mapped them may give at that moment, take only what they gave, and leave a tenant the last
//! account that can give roles; and that each change is written down with the token it was made by.
//!
//! It does not know what an account or a role is: that is `identity` and `access`, behind
//! [`kernel::Provisioning`]. Passwords never come from a directory.
//!
//! The attacks it stops: a stolen token of one tenant used against another, a directory that claims
//! somebody else's address or shuts the owner out, and bodies and filters that are built to take memory
//! or time.
//!
//! The crates for SCIM that there are hold the forms of resources or a whole server with a store of
//! its own; none applies a PATCH to a resource. So it is written here.

mod error;
mod filter;
#[doc(hidden)]
pub mod fuzzing;
mod holdings;
mod patch;
mod path;
mod resource;
mod schema;
mod service;
mod sql;
#[cfg(test)]
mod tests;
mod token;
mod work;

pub use error::{Error, Result};
pub use filter::{Filter, Literal, Op, Place};
pub use holdings::{MappingHoldings, TokenHoldings};
pub use patch::PATCH;
pub use resource::{MAX_MEMBERS, Wanted};
pub use schema::{Attribute, ENTERPRISE, GROUP, Kind, Mutability, Type, USER, schemas};
pub use service::{
    By, Caller, Directory, Event, GroupCard, MAX_COUNT, MAX_TOKEN_DAYS, MappingCard, NewToken,
    Overview, Page, Precondition, Query, Resource, TokenCard,
};

/// This room's migrations.
pub const ROOM: store::Room = store::Room {
    name: "directory",
    migrations: &[store::Migration {
        name: "0001_directory",
        sql: include_str!("../sql/0001_directory.sql"),
    }],
};
