//! The command line of `amanah tenant` and `amanah migrate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use kernel::{TenantId, Unit, Value};

use crate::commands::certificate::PublicKey;

#[derive(Debug, Subcommand)]
pub(crate) enum Tenant {
    /// Make a database and a role for a tenant. One that was half made is made anew.
    #[command(after_help = "Example: amanah tenant add \"Toko Jaya\"")]
    Add {
        /// What the tenant is called: up to 128 bytes, in any script.
        #[arg(value_name = "TENANT", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
        /// On which cell; without it, on the one with the most free room.
        #[arg(long, value_name = "NAME")]
        cell: Option<String>,
    },
    /// Show every tenant with a database of its own: its state, its schema's version.
    #[command(after_help = "Example: amanah tenant list --json")]
    List,
    /// Make a login for a tenant that ends by itself, and print its address with the password.
    #[command(after_help = "Example: amanah tenant connect \"Toko Jaya\" --for 8h --redis")]
    Connect {
        /// Which tenant.
        #[arg(value_name = "TENANT", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
        /// For how long new sessions are let in, at most 24h.
        #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = life)]
        life: Duration,
        /// On Redis, for a tenant of a shared database too. Its connections end with it.
        #[arg(long)]
        redis: bool,
    },
    /// Shut a tenant out: its people are signed out, its sessions end and no new ones begin, on Redis
    /// too. What it has is kept.
    #[command(after_help = "Example: amanah tenant suspend \"Toko Jaya\"")]
    Suspend {
        /// Which tenant.
        #[arg(value_name = "TENANT", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
    },
    /// Limit how long its people are signed in, below what amanah.toml says. What is open counts.
    #[command(after_help = "Without a limit, that of amanah.toml counts again.\n\
                      Example: amanah tenant limit \"Toko Jaya\" --idle 10m --absolute 8h")]
    Limit {
        /// Which tenant.
        #[arg(value_name = "TENANT", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
        /// How long a session lives without being used, at least 1m.
        #[arg(long, value_name = "TIME", value_parser = crate::config::limit)]
        idle: Option<jiff::SignedDuration>,
        /// How long it lives at most, at least 1m.
        #[arg(long, value_name = "TIME", value_parser = crate::config::limit)]
        absolute: Option<jiff::SignedDuration>,
    },
    /// Let a suspended tenant in again.
    #[command(after_help = "Example: amanah tenant resume \"Toko Jaya\"")]
    Resume {
        /// Which tenant.
        #[arg(value_name = "TENANT", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
    },
    /// Write a tenant to one file that another Amanah imports: rows, sequences, large
    /// objects, files.
    #[command(
        after_help = "The tenant goes on meanwhile; the file shows one moment. It is sealed by \
                      AMANAH_ARCHIVE_SECRET (or AMANAH_ARCHIVE_SECRET_FILE), of 16 bytes at least.\n\
                      Example: amanah tenant export \"Toko Jaya\" --to toko.amanah\n\
                      Example: amanah tenant export 41 --database shop --to 41.amanah"
    )]
    Export(Export),
    /// Make a tenant out of such a file, after all of it was checked.
    #[command(
        after_help = "The same migrations must have been run here before. Nothing in the file is \
                      run. What fails is removed again.\n\
                      Example: amanah tenant import toko.amanah --as \"Toko Jaya 2\"\n\
                      Example: amanah tenant import 41.amanah --database shop"
    )]
    Import(Import),
    /// Move a tenant to another cell, and print for how long it could not write.
    #[command(
        after_help = "Its logins end with the move: get new ones with `amanah tenant connect`. \
                      Nothing changes for it when something fails; stopped halfway, the same \
                      command goes on, and `amanah tenant resume` leaves it where it is.\n\
                      Example: amanah tenant move \"Toko Jaya\" --to east"
    )]
    Move {
        /// Which tenant.
        #[arg(value_name = "TENANT", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
        /// To which cell.
        #[arg(long, value_name = "NAME")]
        to: String,
        /// Keep the old database for so long, shut.
        #[arg(long, value_name = "TIME", value_parser = period)]
        keep: Option<Duration>,
    },
    /// Drop a tenant's database and logins, or delete its rows in a shared one, for good; with the last of the
    /// tenant, its files, its keys and its place on Redis go too. A signed certificate says so.
    #[command(
        after_help = "Without --yes nothing is erased: it says what would be (exit code 2).\n\
                      Example: amanah tenant erase \"Toko Jaya\" --yes --certificate toko.txt\n\
                      Example: amanah tenant erase 41 --database shop --yes"
    )]
    Erase(Erase),
    /// Show what was erased, and the public keys of the certificates.
    #[command(after_help = "Example: amanah tenant erasures --json")]
    Erasures,
    /// Check a certificate of erasure.
    #[command(after_help = "Exit codes: 0 it holds, 1 it does not, 2 usage, 3 cannot tell. With \
                      --public-key no installation is needed.\n\
                      Example: amanah tenant certificate toko.txt --tenant \"Toko Jaya\"")]
    Certificate(Certificate),
    /// Look for what is open between tenants in a shared database, protected or not, and print the
    /// SQL that closes it. Nothing is changed.
    #[command(
        after_help = "Exit codes: 0 nothing but notes, 1 findings, 2 usage, 3 cannot tell.\n\
                      The address belongs into AMANAH_LINT_URL: everybody on the machine can read a \
                      command line.\n\
                      Example: amanah tenant lint --tenant-column company_id\n\
                      Example: amanah tenant lint --sarif"
    )]
    Lint(Lint),
}

#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// Which tenant.
    #[arg(value_name = "TENANT", value_parser = |text: &str| TenantId::new(text))]
    pub(crate) tenant: TenantId,
    /// Its rows in this protected database, which it shares with others.
    #[arg(long, value_name = "NAME", conflicts_with = "missing")]
    pub(crate) database: Option<String>,
    /// Do it. It cannot be undone.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Also when its database is not where it should be, because somebody has dropped it. The
    /// certificate says that it was not dropped.
    #[arg(long)]
    pub(crate) missing: bool,
    /// Write the certificate to this file too; it must not be there.
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,
    /// Who the certificate says has erased it; without it, the user of the machine.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Certificate {
    /// The certificate.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The key that must have signed it, from somebody you trust; without it, this installation's.
    #[arg(long, value_name = "HEX")]
    pub(crate) public_key: Option<PublicKey>,
    /// The tenant that it must be of.
    #[arg(long, value_name = "TENANT", value_parser = |text: &str| TenantId::new(text))]
    pub(crate) tenant: Option<TenantId>,
}

#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// The database, as the role that owns its tables; without it, every protected database of this
    /// installation. Better set the variable than write a password here.
    #[arg(
        value_name = "URL",
        env = "AMANAH_LINT_URL",
        hide_env_values = true,
        requires = "tenant_column"
    )]
    pub(crate) url: Option<String>,
    /// The column that names the tenant.
    #[arg(long, value_name = "COLUMN", requires = "url")]
    pub(crate) tenant_column: Option<String>,
    /// The role that the application logs in as; without it, `<database>_app`, or the login of the
    /// address where there is no such role.
    #[arg(long, value_name = "ROLE", requires = "url")]
    pub(crate) app_role: Option<String>,
    /// Leave out the findings of a rule, by its id.
    #[arg(long, value_name = "RULE", value_parser = rule)]
    pub(crate) except: Vec<String>,
    /// Print SARIF 2.1.0, for code scanning and viewers.
    #[arg(long)]
    pub(crate) sarif: bool,
}

/// Reads a rule's id.
fn rule(text: &str) -> Result<String, String> {
    let known = tenancy::RULES.iter().any(|rule| rule.id == text);
    known.then(|| text.to_owned()).ok_or_else(|| format!("there is no rule `{text}`"))
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Which tenant.
    #[arg(value_name = "TENANT", value_parser = |text: &str| TenantId::new(text))]
    pub(crate) tenant: TenantId,
    /// Its rows in this protected database, which it shares with others.
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// The file to write; it must not be there.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
    /// Do not seal it: whoever has the file reads all of it.
    #[arg(long)]
    pub(crate) plain: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The archive.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Into this protected database, which it shares with others. It keeps its name, which its rows hold.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["called", "cell"])]
    pub(crate) database: Option<String>,
    /// Call the tenant this, and not what it was called.
    #[arg(long = "as", value_name = "TENANT", value_parser = |text: &str| TenantId::new(text))]
    pub(crate) called: Option<TenantId>,
    /// On which cell; without it, on the one with the most free room.
    #[arg(long, value_name = "NAME")]
    pub(crate) cell: Option<String>,
    /// It is not sealed: whoever had it may have changed it.
    #[arg(long)]
    pub(crate) plain: bool,
    /// Refuse an archive that unpacks into more than so many gigabytes.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) most_gb: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// The folder with the application's migrations: `*.sql`, run in the order of their names.
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// How many tenants at a time.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) workers: usize,
    /// How many tenants may fail before no more are begun.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) budget: usize,
}

/// Reads a length of time such as `7d`.
fn period(text: &str) -> Result<Duration, String> {
    match Unit::Period.parse(text).map_err(|error| error.to_string())? {
        Value::Period(period) => Ok(period),
        _ => Err(format!("`{text}` is no length of time; write 8h or 7d")),
    }
}

/// Reads a length of time such as `8h`.
fn life(text: &str) -> Result<Duration, String> {
    match Unit::Period.parse(text).map_err(|error| error.to_string())? {
        Value::Period(life) if life > tenancy::MAX_LEASE => {
            Err(format!("`{text}` is longer than 24 hours"))
        }
        Value::Period(life) if !life.is_zero() => Ok(life),
        _ => Err(format!("`{text}` is no length of time; write 30m or 8h")),
    }
}
