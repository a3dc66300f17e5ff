//! The command line of `amanah cell`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Cell {
    /// Make a cell of a PostgreSQL server, so that it can hold tenants.
    #[command(
        after_help = "The addresses are kept sealed in Amanah's database. One of another machine \
                      ends with ?sslmode=require. A cell that was added halfway is added by the \
                      same command.\n\
                      Example: AMANAH_CELL_URL=… amanah cell add east --capacity 500"
    )]
    Add {
        /// What to call it: small letters, digits and `-`.
        #[arg(value_name = "NAME")]
        name: String,
        /// The server, as a login that may make roles and databases. Better set the variable than
        /// write a password here.
        #[arg(value_name = "URL", env = "AMANAH_CELL_URL", hide_env_values = true)]
        url: String,
        /// A superuser there: more attacks are made with one.
        #[arg(long, value_name = "URL", env = "AMANAH_CELL_SUPERUSER_URL", hide_env_values = true)]
        superuser_url: Option<String>,
        /// The most tenants; without it, as many as the server takes.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
        capacity: Option<i64>,
    },
    /// Show every cell: how many tenants, how much room, whether it answers.
    #[command(
        after_help = "Exit codes: 0 all answer, 3 one does not.\nExample: amanah cell list --json"
    )]
    List,
    /// Change how many tenants a cell takes. Those that are there stay.
    #[command(
        after_help = "The first cell is called home.\nExample: amanah cell set home --capacity 200"
    )]
    Set {
        /// Which cell.
        #[arg(value_name = "NAME")]
        name: String,
        /// The most tenants.
        #[arg(
            long,
            value_name = "N",
            required_unless_present = "unbounded",
            conflicts_with = "unbounded",
            value_parser = clap::value_parser!(i64).range(1..)
        )]
        capacity: Option<i64>,
        /// As many as the server takes.
        #[arg(long)]
        unbounded: bool,
    },
    /// Send no new tenants to a cell. Those that are there stay until they are moved.
    #[command(after_help = "Example: amanah cell drain east")]
    Drain {
        /// Which cell.
        #[arg(value_name = "NAME")]
        name: String,
        /// Send tenants there again.
        #[arg(long)]
        undo: bool,
    },
    /// Remove a cell that is empty, and what is Amanah's on its server; or, with --lost, one whose
    /// server is gone for good.
    #[command(
        after_help = "With --lost alone nothing is changed: it says which tenants lie there (exit \
                      code 2). With the name once more the cell is removed, and they with it; \
                      what they had there is noted as lost, which is not erased.\n\
                      Example: amanah cell remove east\n\
                      Example: amanah cell remove east --lost east"
    )]
    Remove {
        /// Which cell.
        #[arg(value_name = "NAME")]
        name: String,
        /// Its server is gone for good. To do it, write the name once more.
        #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
        lost: Option<String>,
    },
    /// Show what was lost with cells: which tenants, which databases, when.
    #[command(after_help = "Example: amanah cell losses --json")]
    Losses,
}
