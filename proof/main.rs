//! The proof of the whole: one file for each family of promises, over the house as it runs.
//!
//! This is the only integration test binary; what concerns one room is tested in that room.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test that cannot go on fails where it stands"
)]

mod access;
mod attack;
mod bad_input;
mod binding;
mod browser;
mod cache_recipes;
mod cells;
mod deploy;
mod directory;
mod edge;
mod erasing;
mod faults;
mod following;
mod headers;
mod house;
mod isolation;
mod keys;
mod last;
mod leaving;
mod letters;
mod limits;
mod offsite;
mod page;
mod protect;
mod reading;
mod recipes;
mod redis;
mod ring;
mod roots;
mod schema;
mod seal;
mod shred;
#[path = "../crates/kms/src/transit/stand_in.rs"]
#[expect(dead_code, reason = "the room's own tests use the rest")]
mod stand_in;
mod tenants;
#[path = "../crates/kms/src/testing.rs"]
mod testing;
mod tidy;
mod trail;
mod upgrade;
mod visitors;
mod web;
mod witness;
