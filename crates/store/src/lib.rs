//! The only door to PostgreSQL.
//!
//! It promises that every statement runs in a transaction that is either bound to one tenant
//! ([`TenantTx`]) or openly bound to none ([`OperatorTx`]), that values are bound and never
//! spliced, that an applied migration never changes, and that the managed cluster survives the
//! death of Amanah and of its own server.
//!
//! The attack it stops: a statement that slips past the binding because somebody had a pool at
//! hand. There is none outside this crate; the driver's name occurs nowhere else.
//!
//! It does not decide who may see what: that is `tenancy`'s work, in the database itself.

mod account;
mod belongings;
mod cluster;
mod databases;
mod db;
mod dump;
mod error;
mod listener;
mod migrate;
mod notices;
mod own;
mod place;
mod programs;
mod protected;
mod quarters;
mod quote;
mod roles;
mod sandbox;
mod shape;
mod specimen;
mod sql;
mod structure;
#[cfg(test)]
mod tests;
mod tls;
mod transfer;
mod tx;
mod url;
mod version;

pub use account::unprivileged;
pub use belongings::Belongings;
pub use cluster::{Cluster, ClusterSettings};
pub use databases::{EMPTY, Locale};
pub use db::Db;
pub use error::{Error, Result};
pub use listener::{Caller, Listener};
pub use migrate::{Migration, Room, migrate, migrate_privileged};
pub use notices::Notices;
pub use programs::Programs;
pub use protected::Protected;
pub use quarters::Quarters;
pub use quote::{ident, literal, qualified};
pub use roles::Passing;
pub use sandbox::{Above, SANDBOX, Sandbox, Scratch};
pub use shape::{Column, ForeignKey, Table, Unique, tables};
pub use specimen::{Owned, Specimen, specimen, specimen_with};
pub use tokio_postgres::Row;
pub use tokio_postgres::types::{Json, ToSql};
pub use tx::{Bound, MAX_COPY_BYTES, OperatorTx, Streamed, TenantTx, Tx};
pub use url::{DatabaseUrl, Host};
pub use version::Version;
