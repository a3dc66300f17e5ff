//! The room on a real PostgreSQL, under the login that the product runs with.

mod damaged;
mod generated;
mod rights;
mod routes;
