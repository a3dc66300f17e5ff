//! Envelope encryption with keys that rotate and can be destroyed.
//!
//! Root → ring key → key-encryption keys (one for each purpose and tenant) → data keys (versioned)
//! → fields and streams. The *ring* holds every key wrapped by the one above it, lies outside
//! PostgreSQL, and opens only through the root.
//!
//! It promises that rotation rewrites the ring and nothing else; that a destroyed key stays
//! destroyed, also when an older dump of the database and an older copy of the ring are put back;
//! that a ring which is older, damaged, forged or another installation's is refused and left as
//! it is; and that whoever asks for a key gets what they were granted and nothing else.
//!
//! It does not protect against whoever controls the running process: keys in use are in its
//! memory. Who puts back an older copy of the ring, and of every anchor with it, while no process
//! runs, goes unnoticed unless something was destroyed since: then it does not open. Who can write
//! to the database can neither destroy a key nor hide that one was, for the ring signs what is
//! remembered of it; see `anchor.rs`. It does not reach copies of a text that were stored in clear.
//!
//! The attacks it stops: reading secrets out of a dump, a backup or a stolen disk; opening one
//! tenant's secret as another; bringing back a destroyed key from an old copy; and using an
//! application's token for more than it was given for.

mod access;
mod anchor;
mod client;
mod controls;
mod document;
mod draft;
pub mod envelope;
mod error;
mod field;
mod folder;
#[doc(hidden)]
pub mod fuzzing;
pub mod jobs;
mod metrics;
mod name;
pub mod object;
pub mod recovery;
mod service;
mod shelf;
mod snapshot;
mod spec;
mod sql;
mod state;
mod strongbox;
#[cfg(test)]
mod tests;
pub mod whole;
mod wrapping;

pub use anchor::{Anchor, Buried, DatabaseAnchor, FileAnchor, Head, Tombstone};
pub use client::{Client, ClientCard, NewClient, Operation, Reach};
pub use controls::{Disks, House, Keeper, Tenants, controls};
pub use error::{Error, Result};
pub use field::{Ciphertext, Plain, Sealed, Tag};
pub use metrics::Reading;
pub use name::{KeyName, KeyRef, Purpose};
pub use service::{
    Keys, MAX_DATAKEY_BYTES, Progress, Settings, Shredding, Standing, verify_signature,
};
pub use shelf::{Bucket, Directory, Numbered, Shelf};
pub use snapshot::Snapshot;
pub use spec::{Change, KeyCard, Kind, Policy, RingCard, Spec, VersionCard};
pub use strongbox::{OWN_SECRETS, Refreshed, SECRETS_KEY, SecretCard, Strongbox};

/// This room's migrations.
pub const ROOM: store::Room = store::Room {
    name: "keys",
    migrations: &[store::Migration {
        name: "0001_keys",
        sql: include_str!("../sql/0001_keys.sql"),
    }],
};
