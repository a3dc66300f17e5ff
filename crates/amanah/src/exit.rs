//! What the process says with its exit code.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use kernel::Verdict;

/// What is said where nobody has the address that a command was given as `place`.
pub(crate) fn nobody(place: &str, email: &str) -> Usage {
    Usage(format!(
        "{place}: nobody has an open account at {email}; nothing was changed. Look at how it is spelt; \
         `amanah account add` makes an account"
    ))
}

/// The four ways in which a command can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done; every claim holds.
    Holds,
    /// A claim fails.
    Fails,
    /// The command, a page or the configuration is not usable, or it names what is not there, or
    /// makes anew what is there already.
    Usage,
    /// It cannot be told, or could not be done.
    CannotTell,
}

impl Exit {
    /// What the worst verdict of a page comes to. A stale proof is no proof.
    pub(crate) const fn of(worst: Verdict) -> Self {
        match worst {
            Verdict::Failing => Self::Fails,
            Verdict::Unknown | Verdict::Stale => Self::CannotTell,
            Verdict::Attested | Verdict::Proven => Self::Holds,
        }
    }

    /// What a command comes to that did several things: what was found beats what cannot be told, and
    /// that beats what holds.
    pub(crate) fn worst(all: impl IntoIterator<Item = Self>) -> Self {
        let rank = |exit: &Self| match exit {
            Self::Holds => 0,
            Self::CannotTell => 1,
            Self::Usage => 2,
            Self::Fails => 3,
        };
        all.into_iter().max_by_key(rank).unwrap_or(Self::Holds)
    }
}

/// What an error comes to: a wrong name is the caller's, whichever room noticed it.
impl Exit {
    pub(crate) fn of_error(error: &anyhow::Error) -> Self {
        let usage = error.is::<Usage>() || error.chain().any(names_wrongly);
        if usage { Self::Usage } else { Self::CannotTell }
    }
}

/// Whether the command named what is not there, what is there already, or what cannot be a name.
fn names_wrongly(error: &(dyn Error + 'static)) -> bool {
    use tenancy::Error as Tenancy;
    let tenancy = error.downcast_ref().is_some_and(|error| {
        matches!(
            error,
            Tenancy::NoTenantColumn { .. }
                | Tenancy::NoRole(_)
                | Tenancy::Id(_)
                | Tenancy::NoTenant(_)
                | Tenancy::Exists(_)
                | Tenancy::Canary
                | Tenancy::NoCell(_)
                | Tenancy::CellName { .. }
                | Tenancy::HasFiles(_)
                | Tenancy::LivesElsewhere { .. }
        )
    });
    let keys = error.downcast_ref().is_some_and(|error| {
        use keys::Error as Keys;
        matches!(error, Keys::Unknown(_) | Keys::Exists(_) | Keys::Name(_))
    });
    let files = error.downcast_ref().is_some_and(|error| {
        use kernel::FileFault;
        matches!(
            error,
            FileFault::Missing | FileFault::Name | FileFault::ContentType | FileFault::Condition
        )
    });
    let identity = error.downcast_ref().is_some_and(|error| {
        use identity::Error as Identity;
        matches!(
            error,
            Identity::Taken | Identity::Email(_) | Identity::Reserved | Identity::Field { .. }
        )
    });
    let access = error.downcast_ref().is_some_and(|error| {
        use access::Error as Access;
        matches!(
            error,
            Access::NoRole(_)
                | Access::NoPermission(_)
                | Access::Held(_)
                | Access::NotHeld(_)
                | Access::NoSupport
                | Access::NoReview
                | Access::Review(_)
                | Access::ReviewOpen
                | Access::OwnRow
                | Access::Undecided
                | Access::InUse { .. }
                | Access::Weak { .. }
                | Access::Refused
                | Access::Field { .. }
        )
    });
    tenancy || keys || files || identity || access
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Holds => 0,
            Exit::Fails => 1,
            Exit::Usage => 2,
            Exit::CannotTell => 3,
        })
    }
}

/// Marks an error as the caller's: the command ends with [`Exit::Usage`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

impl Usage {
    /// Nothing is written over a file that is there; `option` names another one.
    pub(crate) fn taken(file: &Path, option: &str) -> Self {
        let file = file.display();
        Self(format!("{file} is there already; it was kept. Choose another name with {option}"))
    }
}

#[cfg(test)]
mod tests {
    use kernel::TenantId;

    use super::{Exit, Usage};

    #[test]
    fn a_wrong_name_is_usage_wherever_it_is_noticed() {
        let tenant = || TenantId::new("Toko Jaya").unwrap();
        let wrong: [anyhow::Error; 8] = [
            Usage("no".to_owned()).into(),
            tenancy::Error::NoTenant(tenant()).into(),
            tenancy::Error::Exists(tenant()).into(),
            tenancy::Error::NoCell("east".to_owned()).into(),
            kernel::FileFault::Missing.into(),
            identity::Error::Taken.into(),
            identity::Error::Reserved.into(),
            keys::Error::Name("a b".to_owned()).into(),
        ];
        for error in wrong {
            assert_eq!(Exit::of_error(&error), Exit::Usage, "{error}");
            let told = error.context("while something was done");
            assert_eq!(Exit::of_error(&told), Exit::Usage, "{told:#}");
        }
        let other = tenancy::Error::Taken(tenant()).into();
        assert_eq!(Exit::of_error(&other), Exit::CannotTell);
    }

    #[test]
    fn what_was_found_beats_what_cannot_be_told() {
        use Exit::{CannotTell, Fails, Holds, Usage};
        for (all, worst) in [
            (vec![], Holds),
            (vec![Holds, Holds], Holds),
            (vec![Holds, CannotTell, Holds], CannotTell),
            (vec![Fails, CannotTell, Holds], Fails),
            (vec![CannotTell, Fails], Fails),
            (vec![Usage, CannotTell], Usage),
        ] {
            assert_eq!(Exit::worst(all.clone()), worst, "{all:?}");
        }
    }
}
