//! Tests on a real PostgreSQL.

mod alike;
mod archive;
mod binding;
mod campaign;
mod cells;
mod erasure;
pub(crate) mod fixture;
mod fleet;
mod form;
mod hostile;
mod later;
mod life;
mod lint;
mod losses;
mod moving;
mod past;
mod pooler;
mod protect;
mod prove;
mod register;
mod registry;
mod shared;
mod undo;
