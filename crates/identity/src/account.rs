//! What an account is made of, checked once at the door.

use kernel::{MAX_ID_BYTES, SYNTHETIC_TENANTS, Secret, TenantId, is_synthetic};

use crate::{Error, Result};

/// The longest name to greet somebody by, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// An e-mail address in lower case. It is also the name that the person acts under.
///
/// ASCII alone: two addresses that look alike to a reader are not two accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Checks `text`, without the space around it, and folds it to lower case.
    ///
    /// # Errors
    /// [`Error::Email`] when it has not the form of an address or is longer than 128 bytes.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.len() > MAX_ID_BYTES {
            return Err(Error::Email("it is longer than 128 bytes"));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::Email(
                "it holds something else than ASCII letters, digits and signs",
            ));
        }
        match text.split_once('@') {
            Some((user, host)) if !user.is_empty() && !host.is_empty() && !host.contains('@') => {
                Ok(Self(text.to_ascii_lowercase()))
            }
            _ => Err(Error::Email("write it as name@host")),
        }
    }

    /// The address in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// What they sign in with, and what the trail calls them.
    pub email: Email,
    /// The name to greet them by, up to 200 bytes.
    pub name: String,
    /// The tenant they act in.
    pub tenant: TenantId,
    /// Their password, 8 to 1,024 bytes.
    pub password: Secret,
}

impl NewAccount {
    pub(crate) fn check(&self) -> Result<()> {
        text("name", &self.name, MAX_NAME_BYTES)
    }
}

/// Whether this address or tenant is the proofs' own, so that no person gets an account there. The
/// database holds the same by its constraints.
pub(crate) fn is_reserved(email: &str, tenant: &TenantId) -> bool {
    is_synthetic(email) || tenant.as_str().starts_with(SYNTHETIC_TENANTS)
}

/// `value` is one line of 1 to `max` bytes.
pub(crate) fn text(field: &'static str, value: &str, max: usize) -> Result<()> {
    let why = if value.is_empty() {
        "it is empty".to_owned()
    } else if value.len() > max {
        format!("it has at most {max} bytes, this one has {}", value.len())
    } else if value.chars().any(char::is_control) {
        "it holds control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::Field { field, why })
}

#[cfg(test)]
mod tests {
    use super::Email;

    #[test]
    fn an_address_is_checked_and_folded() {
        assert_eq!(Email::new(" Sari@Sinar.Example ").unwrap().as_str(), "sari@sinar.example");
        let long = format!("{}@x.example", "a".repeat(128));
        // The last but one has a Cyrillic letter that looks like the Latin one.
        for bad in ["", "@", "a@", "@b", "a@b@c", "a b@c", "s\u{430}ri@x", &long] {
            assert!(Email::new(bad).is_err(), "{bad}");
        }
    }
}
