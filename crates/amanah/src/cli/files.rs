//! The command line of `amanah file`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use kernel::{FileName, TenantId};

use crate::config::bytes;

#[derive(Debug, Subcommand)]
pub(crate) enum File {
    /// Keep a file for a tenant, sealed by the tenant's key, in the place of the one before.
    #[command(
        after_help = "Example: amanah file put \"Toko Jaya\" contracts/2026.pdf --from c.pdf"
    )]
    Put(Put),
    /// Write a tenant's file to a file or to standard output.
    #[command(after_help = "Example: amanah file get \"Toko Jaya\" contracts/2026.pdf --out c.pdf")]
    Get(Get),
    /// Show a tenant's files, by the bytes of their names.
    #[command(after_help = "Example: amanah file list \"Toko Jaya\" --prefix contracts/ --json")]
    List {
        /// Which tenant.
        #[arg(value_name = "TENANT", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
        /// Only names that begin like this.
        #[arg(long, value_name = "TEXT", default_value = "")]
        prefix: String,
    },
    /// Remove a tenant's file.
    #[command(after_help = "Example: amanah file remove \"Toko Jaya\" contracts/2026.pdf")]
    Remove {
        #[command(flatten)]
        which: Which,
    },
    /// Show how much tenants keep and may keep.
    #[command(after_help = "Example: amanah file usage \"Toko Jaya\"")]
    Usage {
        /// Which tenant; without one, every tenant that has or had files.
        #[arg(value_name = "TENANT", value_parser = |text: &str| TenantId::new(text))]
        tenant: Option<TenantId>,
    },
    /// Set how much one tenant may keep. What is not said stays as it is.
    #[command(
        group = ArgGroup::new("limit").args(["bytes", "files", "default"]).required(true)
            .multiple(true),
        after_help = "What it keeps already stays, also when it is more.\n\
                      Example: amanah file quota \"Toko Jaya\" --bytes 50GiB --files 1000000\n\
                      Example: amanah file quota \"Toko Jaya\" --default"
    )]
    Quota {
        /// Which tenant.
        #[arg(value_name = "TENANT", value_parser = |text: &str| TenantId::new(text))]
        tenant: TenantId,
        /// How many bytes, such as 50GiB.
        #[arg(long, value_name = "BYTES", value_parser = bytes)]
        bytes: Option<u64>,
        /// How many files.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=MOST))]
        files: Option<u64>,
        /// As much as everybody, by the configuration.
        #[arg(long, conflicts_with_all = ["bytes", "files"])]
        default: bool,
    },
    /// Show how much lies in the store that no row of the control database knows.
    #[command(
        after_help = "After an older control database was put back, these are the files that \
                      are newer than it.\nExample: amanah file tidy --remove"
    )]
    Tidy {
        /// Remove it, for good. What is younger than a day stays.
        #[arg(long)]
        remove: bool,
        /// Say first that the store belongs to this control database and to no other, as after one
        /// was put back, moved or upgraded.
        #[arg(long)]
        adopt: bool,
    },
}

/// The database counts in 63 bits.
const MOST: u64 = i64::MAX.unsigned_abs();

/// A file of a tenant.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Which tenant.
    #[arg(value_name = "TENANT", value_parser = |text: &str| TenantId::new(text))]
    pub(crate) tenant: TenantId,
    /// What the tenant calls the file: up to 1,024 bytes of any text. It is no path.
    #[arg(value_name = "NAME", value_parser = |text: &str| FileName::new(text))]
    pub(crate) name: FileName,
}

#[derive(Debug, Args)]
pub(crate) struct Put {
    #[command(flatten)]
    pub(crate) which: Which,
    /// The file to read; without it, standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// What it is; the tenant's clients are told so.
    #[arg(long = "type", value_name = "TYPE", default_value = "application/octet-stream")]
    pub(crate) content_type: String,
    /// Refuse when there is a file of this name.
    #[arg(long)]
    pub(crate) new: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) which: Which,
    /// The file to write; without it, standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}
