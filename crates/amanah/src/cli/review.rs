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
    /// Tell when the next review of each tenant is due.
    #[command(after_help = "Exit codes: 0 none is overdue, 1 one is.\n\
                            Example: amanah access review due")]
    Due,
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
        /// What is signed when the review is closed: a line of JSON about it, and one for each row.
        #[arg(long, conflicts_with = "csv")]
        record: bool,
    },
    /// Keep or revoke one row, in the name of somebody of the tenant who may review. What is revoked is
    /// taken away at once, and it is looked whether it counts for nothing. Where it still does, revoke the
    /// row once more.
    #[command(
        after_help = "Example: amanah access review decide 0190aaaa-bbbb-4ccc-8ddd-eeeeffff0000 3 revoke \
                      --as dewi@sinar.example --reason \"left the project\""
    )]
    Decide(Decide),
    /// Close a review and sign it: every row is decided, and every revocation was seen to count. One that
    /// was closed and not signed is signed.
    #[command(
        after_help = "Example: amanah access review close 0190aaaa-bbbb-4ccc-8ddd-eeeeffff0000 \
                      --by \"Dewi Lestari\""
    )]
    Close(Close),
    /// Give a review up that nobody can finish. It counts for nothing, and another one can begin; what it
    /// revoked stays revoked.
    #[command(
        after_help = "Example: amanah access review abandon 0190aaaa-bbbb-4ccc-8ddd-eeeeffff0000 \
                      --reason \"the only reviewer left\""
    )]
    Abandon {
        /// The review, by its id.
        #[arg(value_name = "REVIEW")]
        id: String,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Close {
    /// The review, by its id.
    #[arg(value_name = "REVIEW")]
    pub(crate) id: String,
    /// Who has read the report and stands for it: the name under the signature.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
    /// What was found.
    #[arg(long, value_name = "TEXT")]
    pub(crate) finding: Option<String>,
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
