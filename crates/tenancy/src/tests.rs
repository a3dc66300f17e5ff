//! Tests on a real PostgreSQL.

mod binding;
mod fixture;
mod hostile;
mod protect;
mod prove;
