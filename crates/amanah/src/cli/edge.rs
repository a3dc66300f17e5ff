//! The command line of `amanah edge`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Edge {
    /// List who took bait, the last first: a thousand at most.
    #[command(
        after_help = "The proofs take bait too, every 12 hours, from 127.64.0.0/10: they are left out \
                      without --all.\n\
                      Example: amanah edge hits --hours 24 --json"
    )]
    Hits {
        /// Of so many hours.
        #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=87_600))]
        hours: u32,
        /// With those of the proofs.
        #[arg(long)]
        all: bool,
    },
    /// Print what is laid out for scanners, and the key that nobody has a reason to show. Plant it where
    /// only a thief would look: in an old document, in a file of settings of a machine that is retired.
    #[command(after_help = "Example: amanah edge bait")]
    Bait,
}
