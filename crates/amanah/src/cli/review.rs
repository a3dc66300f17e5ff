//! The command lines of `amanah access review`.

use clap::{Args, Subcommand, ValueEnum};
use kernel::TenantId;

#[derive(Debug, Subcommand)]
pub(crate) enum Review {
    /// Freeze everything that anybody may do in a tenant, to be looked at row by row.
    #[command(after_help = "Example: amanah access review start --tenant 41")]
    Start {
        /// The tenant.
        #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
    },
    /// List reviews.
    #[command(after_help = "Example: amanah access review list --tenant 41")]
    List {
        /// Of this tenant alone.
        #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
        tenant: Option<TenantId>,
    },
    /// Print a review: what was frozen, and what was decided.
    #[command(
        after_help = "Example: amanah access review report 0190aaaa-bbbb-4ccc-8ddd-eeeeffff0000 --csv"
    )]
    Report {
        /// The review, by its id.
        #[arg(value_name = "REVIEW")]
        id: String,
        /// For a spreadsheet, instead of Markdown.
        #[arg(long)]
        csv: bool,
    },
    /// Keep or revoke one row, in the name of somebody of the tenant who may review. What is revoked is
    /// taken away at once, and it is looked whether it counts for nothing.
    #[command(
        after_help = "Example: amanah access review decide 0190aaaa-bbbb-4ccc-8ddd-eeeeffff0000 3 revoke \
                      --as dewi@sinar.example --reason \"left the project\""
    )]
    Decide(Decide),
    /// Close a review: every row is decided, and every revocation was seen to count.
    #[command(
        after_help = "Example: amanah access review close 0190aaaa-bbbb-4ccc-8ddd-eeeeffff0000"
    )]
    Close {
        /// The review, by its id.
        #[arg(value_name = "REVIEW")]
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Decide {
    /// The review, by its id.
    #[arg(value_name = "REVIEW")]
    pub(crate) id: String,
    /// The row, by its number.
    #[arg(value_name = "ROW")]
    pub(crate) row: i32,
    /// What becomes of it.
    #[arg(value_name = "DECISION")]
    pub(crate) decision: Word,
    /// Who decides, by e-mail address.
    #[arg(long = "as", value_name = "EMAIL")]
    pub(crate) reviewer: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Word {
    /// It stays.
    Keep,
    /// It is taken away.
    Revoke,
}
