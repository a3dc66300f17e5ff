//! The command line of `amanah audit`.

use std::net::SocketAddr;

use clap::{Args, Subcommand};
use tlog::Verifier;

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Print the newest checkpoint of a trail's log, or the line of the key that checks it.
    #[command(
        after_help = "Give the line of --key to whoever verifies or witnesses, once; checkpoints as often \
                      as they like.\n\
                      Exit codes: 0 printed, 2 usage, 3 there is none yet, or it is not ours.\n\
                      Example: amanah audit checkpoint --database shop --key"
    )]
    Checkpoint(Checkpoint),
    /// Be a witness: keep the newest checkpoint of each log, on another machine than the log's.
    #[command(
        after_help = "It needs no PostgreSQL and no configuration: its key and what it has seen \
                      lie in the folder witness of the directory --data.\n\
                      Exit codes: 0 it was told to stop, 2 usage, 3 it could not start.\n\
                      Example: amanah audit witness --data /srv/witness --listen 127.0.0.1:8390 \
                      --log amanah-1f0c77aa/shop+4d2ef907+ARl/ayPhbIUyxqvIOPrNXqeJvgx2spIDNAOb+os9No1h"
    )]
    Witness(Witness),
}

impl Audit {
    /// Whether it may begin an installation.
    pub(crate) const fn begins(&self) -> bool {
        match self {
            Self::Checkpoint(_) | Self::Witness(_) => false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Checkpoint {
    /// Which protected database, where there are several: with @HOST:PORT when it is on another server
    /// than the installation's own.
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// Print the public key instead; of several, the newest first.
    #[arg(long)]
    pub(crate) key: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Witness {
    /// A log that it knows, as the line of its key; repeat it for each log, and for each key of a log
    /// that goes over to another one.
    #[arg(long, value_name = "KEYLINE", required = true)]
    pub(crate) log: Vec<Verifier>,
    /// Where to listen, by plain HTTP: put a proxy with TLS before it for others to reach it.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8390")]
    pub(crate) listen: SocketAddr,
    /// Listen on an address that other machines reach, although nothing is encrypted there.
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// A name by which it is asked, besides localhost and the address itself; repeat it for each.
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
    /// Its name, at the first start: an address without https://, such as witness.example.com/w1.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}
