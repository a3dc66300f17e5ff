//! The command line of `amanah edge`.

use clap::{Subcommand, ValueEnum};

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
    /// Under-attack mode: strangers are shed so that whoever is signed in is served.
    #[command(
        after_help = "What is set counts until the next start; then [attack] mode of the configuration \
                      does. Every switch is written down.\n\
                      Exit codes: 0 done, 2 usage, 3 no house runs.\n\
                      Example: amanah edge attack on\n\
                      Example: amanah edge attack status --json"
    )]
    Attack {
        /// What it is to be, or `status` to see how it is.
        #[arg(value_enum, default_value_t = AttackWish::Status)]
        wish: AttackWish,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AttackWish {
    /// Shed strangers from now on.
    On,
    /// Shed nobody.
    Off,
    /// Shed strangers while they overload the machine.
    Auto,
    /// Show how it is, and when it was switched within the last 30 days.
    Status,
}
