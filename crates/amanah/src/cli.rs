//! The command line.

pub(crate) mod access;
pub(crate) mod audit;
pub(crate) mod binding;
pub(crate) mod cell;
pub(crate) mod deploy;
pub(crate) mod directory;
pub(crate) mod edge;
pub(crate) mod files;
pub(crate) mod keys;
#[cfg(test)]
mod quoted;
pub(crate) mod review;
pub(crate) mod role;
pub(crate) mod support;
pub(crate) mod tenant;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;

/// Makes a security page run: provides the controls that it promises, attacks them on a schedule,
/// and publishes the page with the live result behind every sentence.
#[derive(Debug, Parser)]
#[command(name = "amanah", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Above the options that every command has, so that they do not stand among its own.
const HEADING: &str = "Installation";

/// Which installation.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The directory of this installation; several can live side by side.
    #[arg(
        long,
        global = true,
        default_value = "data",
        value_name = "DIR",
        help_heading = HEADING
    )]
    pub(crate) data: PathBuf,
    /// The configuration; without it, the shipped default is in force.
    #[arg(long, global = true, value_name = "FILE", help_heading = HEADING)]
    pub(crate) config: Option<PathBuf>,
    /// An existing PostgreSQL instead of the managed one: postgres://USER:PASSWORD@HOST:PORT/DB, the
    /// server itself and no pooler.
    /// An argument can be read by every user of the machine: better set the variable.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "AMANAH_DATABASE_URL",
        hide_env_values = true,
        help_heading = HEADING
    )]
    pub(crate) database_url: Option<String>,
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true, help_heading = HEADING)]
    pub(crate) json: bool,
    /// Whether the command may begin an installation where there is none.
    #[arg(skip)]
    pub(crate) begins: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything: PostgreSQL, the gateway, the scheduler and the pages.
    #[command(after_help = "Example: amanah up --demo --listen 127.0.0.1:8443")]
    Up(Up),
    /// Run the proofs of a page now, and print what they found.
    #[command(
        after_help = "Exit codes: 0 every claim holds, 1 a claim fails, 2 usage, 3 cannot tell.\n\
                      Example: amanah verify --page pages/row-tenants.md --json"
    )]
    Verify(Verify),
    /// Check, draw or explain security pages.
    #[command(subcommand)]
    Page(Page),
    /// Plan the protection of an existing database, apply it, or take it away again.
    #[command(
        after_help = "Exit codes: 0 planned, or protected and proven, or undone; 1 an attack \
                      succeeded, 2 usage, 3 it could not be done or told.\n\
                      The address belongs into AMANAH_PROTECT_URL: everybody on the machine can read \
                      a command line.\n\
                      Example: amanah protect --tenant-column company_id --apply\n\
                      Example: amanah protect --undo --apply"
    )]
    Protect(Protect),
    /// Let somebody sign in.
    #[command(subcommand)]
    Account(Account),
    /// What people may do: roles, who has them, and what each permits.
    #[command(subcommand)]
    Access(access::Access),
    /// The directories of tenants, which make and end accounts (SCIM): tokens, groups, roles.
    #[command(subcommand)]
    Directory(directory::Directory),
    /// Tenants with a database of their own: make, shut out, erase. Shared databases: lint.
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    /// PostgreSQL servers that hold tenants: add, drain, remove.
    #[command(subcommand)]
    Cell(cell::Cell),
    /// Files of tenants, sealed by their keys: keep, read, list, remove.
    #[command(subcommand)]
    File(files::File),
    /// Run the application's migrations in every tenant's database.
    #[command(
        after_help = "Synthetic tenants go first, then the template of new ones, then everybody. \
                      Exit codes: 0 everybody is up to date, 3 somebody is not.\n\
                      Example: amanah migrate migrations --workers 8 --budget 3"
    )]
    Migrate(tenant::Migrate),
    /// Tokens that bind a transaction to a tenant, and the keys that they are made with.
    #[command(subcommand)]
    Binding(binding::Binding),
    /// The audit trail's log, and whoever watches over it.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// The edge: bait for scanners and who took it, and under-attack mode.
    #[command(subcommand)]
    Edge(edge::Edge),
    /// Keys that applications encrypt with: make, rotate, destroy, bring back.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Releases of the application: move its traffic to another while people work.
    #[command(subcommand)]
    Deploy(deploy::Deploy),
    /// Look for what could keep Amanah from working, and say what to do.
    #[command(after_help = "Example: amanah doctor --data /srv/amanah")]
    Doctor,
}

impl Command {
    /// Whether it may begin an installation. What only looks, or works on what is there, does not:
    /// the directory's name is more likely to be wrong.
    pub(crate) const fn begins(&self) -> bool {
        match self {
            Self::Up(_) | Self::Migrate(_) => true,
            Self::Protect(protect) => protect.apply,
            Self::Tenant(tenant) => {
                matches!(tenant, tenant::Tenant::Add { .. } | tenant::Tenant::Import(_))
            }
            Self::Cell(cell) => matches!(cell, cell::Cell::Add { .. }),
            Self::Audit(audit) => audit.begins(),
            Self::Keys(keys) => matches!(keys, keys::Keys::Create(_) | keys::Keys::Recover(_)),
            Self::Verify(_)
            | Self::Page(_)
            | Self::Account(_)
            | Self::Access(_)
            | Self::Directory(_)
            | Self::File(_)
            | Self::Binding(_)
            | Self::Edge(_)
            | Self::Deploy(_)
            | Self::Doctor => false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Put the sample application behind it, with three tenants.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Where to listen for HTTPS.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where to listen for applications that use keys.
    #[arg(long, value_name = "ADDR")]
    pub(crate) keys_listen: Option<SocketAddr>,
    /// Become the house in place of the process that starts this one: see `amanah deploy upgrade`.
    #[arg(long, hide = true)]
    pub(crate) take_over: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The page to prove; without it, every page of the configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) page: Vec<PathBuf>,
    /// Only these claims; `*` stands for anything.
    #[arg(long, value_name = "ID")]
    pub(crate) claim: Vec<String>,
    /// Run every bite too, and fail if one does not bite. One that cannot be made leaves it open.
    #[arg(long)]
    pub(crate) bite: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Page {
    /// Check pages without running anything.
    #[command(after_help = "Example: amanah page lint --approve pages/row-tenants.md")]
    Lint {
        /// The pages.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Approve the sentences as they are now.
        #[arg(long)]
        approve: bool,
    },
    /// Draw a page with its verdicts, from the evidence that is stored.
    #[command(
        after_help = "Example: amanah page render pages/row-tenants.md --at 2026-11-01T00:00:00Z"
    )]
    Render {
        /// The page.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The moment to draw it for.
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
    },
    /// Say what is behind a claim: what it takes, what attacks it, what is not covered.
    #[command(after_help = "Example: amanah page explain isolation.rows")]
    Explain {
        /// The claim's id.
        #[arg(value_name = "ID")]
        claim: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Make an account and print its first password.
    #[command(
        after_help = "Example: amanah account add sari@shop.example --tenant 17 --role editor"
    )]
    Add {
        /// The e-mail address to sign in with.
        #[arg(value_name = "EMAIL")]
        email: String,
        /// The tenant, by its key in the application's tables.
        #[arg(long, value_name = "ID")]
        tenant: String,
        /// The role in it; `amanah access roles` lists them.
        #[arg(long, value_name = "ROLE", default_value = "viewer")]
        role: String,
        /// The name to greet them by; without it, the address.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Show where somebody is signed in, and sign them out.
    #[command(after_help = "Example: amanah account sessions sari@shop.example\n\
                      Example: amanah account sessions sari@shop.example --end-all")]
    Sessions {
        /// Whose.
        #[arg(value_name = "EMAIL")]
        email: String,
        /// End this one.
        #[arg(long, value_name = "ID")]
        end: Option<String>,
        /// End all of them, and whatever else was given out to the account: tokens, keys.
        #[arg(long, conflicts_with = "end")]
        end_all: bool,
    },
    /// Show somebody's second factors, and take them off when they were lost.
    #[command(after_help = "Example: amanah account factors sari@shop.example\n\
                      Example: amanah account factors sari@shop.example --remove\n\n\
                      Afterwards the password alone leads to what is set up next: verify first that it is \
                      their holder who asks. docs/identity.md.")]
    Factors {
        /// Whose.
        #[arg(value_name = "EMAIL")]
        email: String,
        /// Remove the app, the passkeys and the recovery codes, and end everything that is open. Its
        /// holder is told by letter, and sets up what their roles ask for at the next sign-in.
        #[arg(long)]
        remove: bool,
    },
    /// Invite somebody: they get a letter, and choose their name and password themselves.
    #[command(
        after_help = "Example: amanah account invite budi@shop.example --as sari@shop.example --role editor"
    )]
    Invite {
        /// The e-mail address that the letter goes to.
        #[arg(value_name = "EMAIL")]
        email: String,
        /// The account that invites, into its own tenant and into roles that it may give.
        #[arg(long = "as", value_name = "EMAIL")]
        by: String,
        /// A role that they get; can be given several times.
        #[arg(long = "role", value_name = "ROLE", required = true)]
        roles: Vec<String>,
        /// The language of the letter: en, id or ar.
        #[arg(long, value_name = "TAG", default_value = "en", value_parser = ["en", "id", "ar"])]
        language: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Protect {
    /// The database, as the role that owns its tables. Better set the variable than write a password here.
    #[arg(value_name = "URL", env = "AMANAH_PROTECT_URL", hide_env_values = true)]
    pub(crate) url: String,
    /// The column that names the tenant.
    #[arg(long, value_name = "COLUMN", required_unless_present = "undo")]
    pub(crate) tenant_column: Option<String>,
    /// The role that the application logs in as; without it, `<database>_app` is made.
    #[arg(long, value_name = "ROLE")]
    pub(crate) app_role: Option<String>,
    /// A superuser in the same database, for what only a superuser may do: guarding the trail
    /// against the owner, hiding other sessions' statements. It is kept for later proofs.
    #[arg(long, value_name = "URL", env = "AMANAH_SUPERUSER_URL", hide_env_values = true)]
    pub(crate) superuser_url: Option<String>,
    /// Carry the plan out, seed the canaries and attack; with --undo, undo.
    #[arg(long)]
    pub(crate) apply: bool,
    /// Print every statement, as a script for psql. Without it, what is changed is a line each.
    #[arg(long)]
    pub(crate) sql: bool,
    /// Taking it away again.
    #[command(flatten)]
    pub(crate) undoing: Undoing,
}

#[derive(Debug, Args)]
pub(crate) struct Undoing {
    /// Put back what was there before the database was protected.
    #[arg(long, conflicts_with = "tenant_column")]
    pub(crate) undo: bool,
    /// Drop what was recorded too: the audit trail with its rows. It cannot be brought back.
    #[arg(long, requires = "undo")]
    pub(crate) drop_trail: bool,
    /// Leave what somebody has changed since as it is, and undo the rest.
    #[arg(long, requires = "undo")]
    pub(crate) leave_changed: bool,
}
