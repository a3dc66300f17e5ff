//! Who changes rights.

use kernel::{Identity, PermissionId, Strength, own};

use crate::{Error, Result};

/// The longest name of whoever grants, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// Whoever changes rights, and by what authority.
#[derive(Debug, Clone)]
pub struct By {
    pub(crate) name: String,
    // None is the operator of the machine, who can give everything.
    pub(crate) giver: Option<Giver>,
}

/// The account whose own rights bound what can be given.
#[derive(Debug, Clone)]
pub(crate) struct Giver {
    pub(crate) account: String,
    /// What they have to have besides what they give.
    pub(crate) needs: PermissionId,
    /// How they proved who they are: in their name alone, nobody did more than the least.
    pub(crate) strength: Strength,
}

impl By {
    /// The operator of this installation, who can give everything. `name` is written down.
    ///
    /// # Errors
    /// [`Error::Field`] when the name is empty, too long or holds control characters.
    pub fn operator(name: &str) -> Result<Self> {
        Self::named(name, None)
    }

    /// Somebody who is signed in. What they may do is read anew, and nobody can give what they do
    /// not have.
    pub fn person(who: &Identity) -> Self {
        let (account, needs) = (who.account.clone(), own::PEOPLE_ROLES);
        let giver = Giver { account, needs, strength: who.strength };
        Self { name: who.actor.to_string(), giver: Some(giver) }
    }

    /// In the name of `account`, which has to have `needs` when it is given; `name` is written down.
    ///
    /// # Errors
    /// As for [`By::operator`].
    pub(crate) fn in_name_of(account: &str, needs: PermissionId, name: &str) -> Result<Self> {
        let strength = Strength::One;
        Self::named(name, Some(Giver { account: account.to_owned(), needs, strength }))
    }

    fn named(name: &str, giver: Option<Giver>) -> Result<Self> {
        let why = if name.is_empty() {
            "it is empty"
        } else if name.len() > MAX_NAME_BYTES {
            "it is longer than 200 bytes"
        } else if name.chars().any(char::is_control) {
            "it holds control characters"
        } else {
            return Ok(Self { name: name.to_owned(), giver });
        };
        Err(Error::Field { field: "name of who does it", why: why.to_owned() })
    }
}
