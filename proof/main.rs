//! The proof of the whole: one file for each family of promises, over the house as it runs.
//!
//! This is the only integration test binary; what concerns one room is tested in that room.

mod house;
mod tidy;
