//! What the machine around the product looks like: for now, where its secrets are not.
//!
//! It promises that no secret stands in a configuration file, in the source, or on a command
//! line, and that the files which do hold secrets are readable by their owner alone. It looks for
//! the secrets that are in use, byte for byte, and for anything that has the form of one.
//!
//! It does not look into earlier commits, into the layers of a container image, or into another
//! program's memory or environment, and it does not recognise a secret that was encoded or split.
//!
//! The attack it stops: whoever can read the repository, a backup of it, or the list of processes
//! signs in with what they found there.

mod allow;
mod controls;
mod detect;
mod error;
mod files;
mod needles;
mod planted;
mod private;
mod processes;
mod scan;

pub use controls::controls;
pub use error::Error;
pub use scan::Scan;
