//! What the process says with its exit code.

use std::process::ExitCode;

use kernel::Verdict;

/// The four ways in which a command can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done; every claim holds.
    Holds,
    /// A claim fails.
    Fails,
    /// The command, a page or the configuration is not usable.
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
