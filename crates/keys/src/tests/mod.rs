//! The ring under attack, in outages and in races.

mod clients;
mod crypto;
mod destroying;
mod faults;
mod files;
mod limits;
mod opening;
mod races;
mod returning;
mod rotation;
mod world;
