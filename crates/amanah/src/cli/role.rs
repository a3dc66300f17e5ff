//! The command lines of `amanah access role`.

use clap::{Args, Subcommand, ValueEnum};
use jiff::SignedDuration;
use kernel::{Strength, TenantId};

use crate::config::limit;

#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// List the roles that a tenant has made for itself.
    #[command(after_help = "Example: amanah access role list --tenant 17")]
    List {
        /// The tenant.
        #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
    },
    /// Print what a role is, who has it, and who changed it.
    #[command(after_help = "Example: amanah access role show \"Night shift\" --tenant 17")]
    Show {
        /// The role: one that every tenant has, or the tenant's own.
        #[arg(value_name = "ROLE")]
        name: String,
        /// The tenant.
        #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
    },
    /// Make a role of a tenant's own, or change it as a whole: what is not named, it does not have any
    /// more.
    #[command(after_help = "Example: amanah access role define \"Night shift\" --tenant 17 \
                      --title \"Watches over the night\" --permit prices.read --permit notes.read \
                      --parent viewer")]
    Define(Define),
    /// Retire a role of a tenant's own. One that is in use is told, and kept.
    #[command(
        after_help = "Example: amanah access role retire \"Night shift\" --tenant 17 --anyway"
    )]
    Retire {
        /// The role.
        #[arg(value_name = "ROLE")]
        name: String,
        /// The tenant.
        #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
        /// Also when somebody has it, who loses it then.
        #[arg(long)]
        anyway: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Define {
    /// The role: ASCII letters and digits, with single spaces or hyphens.
    #[arg(value_name = "ROLE")]
    pub(crate) name: String,
    /// The tenant in which alone it means something.
    #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
    pub(crate) tenant: TenantId,
    /// Who should have it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: String,
    /// A permission, by its name; as often as wanted.
    #[arg(long = "permit", value_name = "PERMISSION")]
    pub(crate) permits: Vec<String>,
    /// A role that it has everything of; as often as wanted.
    #[arg(long = "parent", value_name = "ROLE")]
    pub(crate) parents: Vec<String>,
    /// How its holders have to prove who they are, at least.
    #[arg(long, value_name = "FACTOR", default_value = "password")]
    pub(crate) factor: Factor,
    /// How long a session of theirs lives unused, if shorter than usual.
    #[arg(long, value_name = "TIME", value_parser = limit)]
    pub(crate) idle: Option<SignedDuration>,
    /// How long it lives at most, likewise.
    #[arg(long, value_name = "TIME", value_parser = limit)]
    pub(crate) absolute: Option<SignedDuration>,
}

/// How somebody has to prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Factor {
    /// A password alone does.
    Password,
    /// A second factor too.
    Second,
    /// A security key or passkey too.
    Hardware,
}

impl Factor {
    pub(crate) const fn strength(self) -> Strength {
        match self {
            Self::Password => Strength::One,
            Self::Second => Strength::Two,
            Self::Hardware => Strength::Hardware,
        }
    }
}
