//! The command line of `amanah audit review`.

use std::path::PathBuf;

use ::audit::review::Month;
use clap::Args;

use super::words;

#[derive(Debug, Args)]
pub(crate) struct Review {
    /// Which month, in UTC: 2026-10. Without it, the last one that has ended.
    #[arg(long, value_name = "MONTH")]
    pub(crate) month: Option<Month>,
    /// Which protected database, without it, all of them: with @HOST:PORT when another server has one
    /// of the same name.
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// Who reads it. It is recorded, and it is the name under a signature.
    #[arg(long, value_name = "NAME", value_parser = words)]
    pub(crate) by: String,
    /// Sign the report that was shown last, if it is the same now.
    #[arg(long)]
    pub(crate) sign: bool,
    /// What was found by whoever signs.
    #[arg(long, value_name = "TEXT", value_parser = words, requires = "sign")]
    pub(crate) finding: Option<String>,
    /// The file to write, which is not there yet; without it, the report is printed.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
