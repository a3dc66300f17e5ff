//! The protocol and the service, tried.

mod bounds;
mod filters;
mod house;
mod makers;
mod patches;
mod refused;
mod service;
mod turns;
mod twice;
