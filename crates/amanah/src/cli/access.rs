//! The command line of `amanah access`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use kernel::TenantId;

use super::review::Review;
use super::role::Role;
use super::support::{Offboard, Support};

#[derive(Debug, Subcommand)]
pub(crate) enum Access {
    /// List the roles that a tenant can give, or those that somebody has.
    #[command(after_help = "Example: amanah access roles --tenant 17\n\
                            Example: amanah access roles --of sari@shop.example")]
    Roles {
        /// The tenant; without it, the roles that every tenant has.
        #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
        tenant: Option<TenantId>,
        /// What this account has instead.
        #[arg(long, value_name = "EMAIL", conflicts_with = "tenant")]
        of: Option<String>,
    },
    /// Give somebody a role in their tenant.
    #[command(
        after_help = "Example: amanah access grant sari@shop.example editor --reason 'new in pricing'"
    )]
    Grant(Grant),
    /// Take a role from somebody. It counts for nothing from the next request on.
    #[command(
        after_help = "Example: amanah access revoke sari@shop.example editor --reason 'left pricing'"
    )]
    Revoke {
        /// The account.
        #[arg(value_name = "EMAIL")]
        email: String,
        /// The role.
        #[arg(value_name = "ROLE")]
        role: String,
        /// Why, for whoever had it and whoever reviews it.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Print every permission against every role, as the database has them; or every route against
    /// everybody who may ask for it.
    #[command(
        after_help = "Exit codes: 0 it is as it was reviewed, 1 it is not, 2 the file is wrong.\n\
                            Example: amanah access matrix --routes routes.toml > routes-matrix.txt"
    )]
    Matrix {
        /// The routes of this file (docs/access.md) instead of the permissions.
        #[arg(long, value_name = "FILE")]
        routes: Option<PathBuf>,
    },
    /// End everything that somebody has, at once and everywhere: sessions, tokens, keys, second
    /// factors, roles. They cannot sign in again.
    #[command(
        after_help = "Exit codes: 0 nothing is left, 2 usage, 3 it could not be done, or something \
                      is left.\n\
                      Example: amanah access offboard budi@bintang.example --successor rudi@bintang.example"
    )]
    Offboard(Offboard),
    /// The roles that a tenant makes for itself.
    #[command(subcommand)]
    Role(Role),
    /// Reviews of everything that everybody may do in a tenant.
    #[command(subcommand)]
    Review(Review),
    /// Access of the vendor's support to tenants: who asked, who let them in, what they did.
    #[command(subcommand)]
    Support(Support),
    /// List the roles of which nothing was used for so long.
    #[command(after_help = "Example: amanah access unused --days 90")]
    Unused {
        /// For how many days.
        #[arg(long, value_name = "DAYS", default_value = "90",
              value_parser = clap::value_parser!(u16).range(1..))]
        days: u16,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Grant {
    /// The account.
    #[arg(value_name = "EMAIL")]
    pub(crate) email: String,
    /// The role: one that every tenant has, or the tenant's own.
    #[arg(value_name = "ROLE")]
    pub(crate) role: String,
    /// Why, for whoever reviews it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// When it ends by itself.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Timestamp>,
}
