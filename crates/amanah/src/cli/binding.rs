//! The command line of `amanah binding`.

use clap::{Args, Subcommand};
use kernel::{Actor, TenantId};

#[derive(Debug, Subcommand)]
pub(crate) enum Binding {
    /// Print a token for a tenant, good for a minute at most: for a job, or to look into a fault.
    #[command(
        after_help = "Whoever has the token and a connection as the application's role reads \
                            the tenant's rows: take care where it is written to.\n\
                            Example: amanah binding token --tenant 41 --read-only"
    )]
    Token(Token),
    /// Make a new key for each protected database. The old one is honoured for the overlap of
    /// amanah.toml, then it is removed; no token is refused meanwhile.
    #[command(after_help = "A running `amanah up` takes the new key within seconds, and removes \
                            the old one.\n\
                            Example: amanah binding rotate --database shop")]
    Rotate {
        /// In this protected database alone.
        #[arg(long, value_name = "NAME")]
        database: Option<String>,
    },
    /// Show the keys that each protected database honours, until when, and which of them this
    /// installation has not made.
    #[command(after_help = "Example: amanah binding list --json")]
    List {
        /// In this protected database alone.
        #[arg(long, value_name = "NAME")]
        database: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Token {
    /// The tenant, by its key in the application's tables.
    #[arg(long, value_name = "ID", value_parser = |text: &str| TenantId::new(text))]
    pub(crate) tenant: TenantId,
    /// Who acts, as the trail will name them.
    #[arg(long, value_name = "NAME", default_value = "amanah binding token",
          value_parser = |text: &str| Actor::new(text))]
    pub(crate) actor: Actor,
    /// Good for reading alone.
    #[arg(long)]
    pub(crate) read_only: bool,
    /// In which protected database; it may be left out where one alone is protected.
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
}
