//! The pages: one struct and one template for each. A page is a pure function of what it is handed,
//! so whatever it shows can be shown again.

pub(crate) mod account;
pub(crate) mod api_keys;
pub(crate) mod error;
#[cfg(test)]
mod golden;
pub(crate) mod index;
pub(crate) mod part;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod sign_in;
pub(crate) mod trust;
