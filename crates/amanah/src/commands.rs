//! One file for each command.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod archive;
pub(crate) mod audit;
mod belongings;
pub(crate) mod binding;
pub(crate) mod cell;
pub(crate) mod certificate;
pub(crate) mod deploy;
pub(crate) mod directory;
pub(crate) mod doctor;
pub(crate) mod edge;
pub(crate) mod erase;
pub(crate) mod erase_rows;
pub(crate) mod files;
pub(crate) mod keys;
pub(crate) mod lint;
pub(crate) mod migrate;
pub(crate) mod page;
pub(crate) mod protect;
pub(crate) mod tenant;
pub(crate) mod unprotect;
pub(crate) mod up;
pub(crate) mod verify;

use claims::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar that is drawn on a terminal and nowhere else.
fn bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar.with_prefix(what)
}

/// Shows how far a verification has come.
fn show(bar: &ProgressBar, progress: &Progress<'_>) {
    bar.set_length(progress.total as u64);
    bar.set_position(progress.done as u64);
    bar.set_message(progress.key.claim.clone());
}
