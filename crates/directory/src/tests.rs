//! The protocol and the service, tried.

mod bounds;
mod filters;
mod house;
mod patches;
mod refused;
mod service;
mod twice;
