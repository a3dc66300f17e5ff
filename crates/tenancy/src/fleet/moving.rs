//! Moving a tenant from one cell to another.

mod copy;
mod form;
mod leftovers;
mod objects;

pub(super) use copy::copy;
pub(super) use form::Form;
