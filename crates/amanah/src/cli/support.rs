//! The command lines of `amanah access support` and `amanah access offboard`.

use clap::{Args, Subcommand};
use kernel::TenantId;

#[derive(Debug, Args)]
pub(crate) struct Offboard {
    /// Who leaves, by e-mail address.
    #[arg(value_name = "EMAIL")]
    pub(crate) email: String,
    /// Who takes over the services that they answer for; without one, these end too.
    #[arg(long, value_name = "EMAIL")]
    pub(crate) successor: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Support {
    /// List what support asked for, and what came of it.
    #[command(after_help = "Example: amanah access support list --tenant 41 --json")]
    List {
        /// Of this tenant alone.
        #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
        tenant: Option<TenantId>,
    },
    /// List the requests that were made under one access.
    #[command(
        after_help = "Example: amanah access support uses 0190aaaa-bbbb-4ccc-8ddd-eeeeffff0000 --tenant 41"
    )]
    Uses {
        /// The access, by its id.
        #[arg(value_name = "GRANT")]
        id: String,
        /// Its tenant.
        #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
    },
    /// Ask a tenant to let a member of staff in. Only somebody of that tenant can approve, in a
    /// browser, at /_amanah/support.
    #[command(
        after_help = "Example: amanah access support ask --as nina@vendor.example --tenant 41 \
                      --ticket T-812 --reason \"prices do not load\" --hours 2"
    )]
    Ask(Ask),
    /// End an access now, or take a question back. It cannot be undone; ask again.
    #[command(
        after_help = "Example: amanah access support end 0190aaaa-bbbb-4ccc-8ddd-eeeeffff0000"
    )]
    End {
        /// The access, by its id.
        #[arg(value_name = "GRANT")]
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// The member of staff who is to enter, by e-mail address.
    #[arg(long = "as", value_name = "EMAIL")]
    pub(crate) staff: String,
    /// The tenant that is asked.
    #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
    pub(crate) tenant: TenantId,
    /// The ticket that it is about.
    #[arg(long, value_name = "TICKET")]
    pub(crate) ticket: String,
    /// Why, in words that the tenant will read.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// For how many hours from the approval on, 1 to 24.
    #[arg(long, value_name = "HOURS", default_value_t = 1)]
    pub(crate) hours: u8,
    /// To change things too; without it, the database refuses every write.
    #[arg(long)]
    pub(crate) write: bool,
}
