//! Who changes rights.

use kernel::Identity;

use crate::{Error, Result};

/// The longest name of whoever grants, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// Whoever changes rights, and by what authority.
#[derive(Debug, Clone)]
pub struct By {
    pub(crate) name: String,
    // The account whose own rights bound what it can give. None is the operator of the machine.
    pub(crate) account: Option<String>,
}

impl By {
    /// The operator of this installation, who can give everything. `name` is written down.
    ///
    /// # Errors
    /// [`Error::Field`] when the name is empty, too long or holds control characters.
    pub fn operator(name: &str) -> Result<Self> {
        let why = if name.is_empty() {
            "it is empty"
        } else if name.len() > MAX_NAME_BYTES {
            "it is longer than 200 bytes"
        } else if name.chars().any(char::is_control) {
            "it holds control characters"
        } else {
            return Ok(Self { name: name.to_owned(), account: None });
        };
        Err(Error::Field { field: "name of who does it", why: why.to_owned() })
    }

    /// Somebody who is signed in. What they may do is read anew, and nobody can give what they do
    /// not have.
    pub fn person(who: &Identity) -> Self {
        Self { name: who.actor.to_string(), account: Some(who.account.clone()) }
    }
}
