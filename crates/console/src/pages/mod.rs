//! The pages: one struct and one template for each. A page is a pure function of what it is handed,
//! so whatever it shows can be shown again.

pub(crate) mod account;
#[cfg(test)]
pub(crate) mod account_sample;
pub(crate) mod again;
pub(crate) mod api_keys;
pub(crate) mod challenge;
pub(crate) mod codes;
pub(crate) mod directory;
#[cfg(test)]
pub(crate) mod directory_sample;
pub(crate) mod enrol;
pub(crate) mod error;
#[cfg(test)]
mod golden;
pub(crate) mod holder;
pub(crate) mod index;
pub(crate) mod key;
pub(crate) mod leaving;
pub(crate) mod letter;
pub(crate) mod part;
pub(crate) mod people;
pub(crate) mod review;
#[cfg(test)]
pub(crate) mod review_sample;
pub(crate) mod roles;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod security;
pub(crate) mod sign_in;
pub(crate) mod step;
pub(crate) mod support;
#[cfg(test)]
pub(crate) mod support_sample;
pub(crate) mod trail;
#[cfg(test)]
pub(crate) mod trail_sample;
pub(crate) mod trust;
