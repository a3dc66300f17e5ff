//! Everything that can keep the gateway from starting, in words for the person who starts it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::Upstream;

/// Why the gateway could not start, or why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Another program listens there.
    #[error(
        "the address {0} is already in use and nothing was started; stop the program that holds \
         it, or choose another address with `--listen`"
    )]
    AddressInUse(SocketAddr),
    /// The address cannot be used.
    #[error("cannot listen on {address}: {error}; choose another address with `--listen`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// A listener that was handed over is not where this process is to listen.
    #[error(
        "it is to listen on {wanted}, and what was handed over {}; an upgrade keeps the addresses: start \
         anew to change them",
        on.map_or("is none".to_owned(), |on| format!("listens on {on}"))
    )]
    ListensElsewhere {
        /// Where it is to listen.
        wanted: SocketAddr,
        /// Where what was handed over listens, if anything was.
        on: Option<SocketAddr>,
    },
    /// A listener was handed over that this process is not to have.
    #[error(
        "it is not to listen on {0}, which was handed over; an upgrade keeps the addresses: start anew to \
         change them"
    )]
    ListensUnwanted(SocketAddr),
    /// A listener that was handed over cannot be used.
    #[error("a listener that was handed over cannot be used: {0}")]
    Adopt(io::Error),
    /// The system has no room for the threads that serve connections.
    #[error(
        "cannot start the threads that serve connections: {0}; nothing was started; allow more \
         processes and open files (`ulimit -u`, `ulimit -n`)"
    )]
    Threads(io::Error),
    /// The listener for programs cannot be had.
    #[error("cannot serve programs on {address}: {why}; nothing was started there")]
    Private {
        /// The address.
        address: SocketAddr,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A file of the local certificate authority is not what it should be.
    #[error("{}: {why}; nothing was changed; {next}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do.
        next: &'static str,
    },
    /// A file of the local certificate authority cannot be read or written.
    #[error("cannot {action} {}: {error}", file.display())]
    File {
        /// The file or folder.
        file: PathBuf,
        /// What was tried, as a verb.
        action: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// A name that a certificate cannot hold.
    #[error("`{0}` is neither a host name nor an address, so no certificate can be made for it")]
    Name(String),
    /// The cryptographic library refused.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// There is no randomness for what nobody may foresee.
    #[error("the gateway does not start without randomness: {0}")]
    Random(String),
    /// The upstream's address is not one.
    #[error("`{0}` is not an upstream; write it as http://HOST:PORT")]
    Upstream(String),
    /// Another switch has not ended.
    #[error(
        "another switch is under way, so nothing was changed; `amanah deploy status` shows it; wait \
         for its end"
    )]
    Switching,
    /// The switch leads nowhere.
    #[error("{0} is the current release already, so nothing was changed")]
    SameRelease(Upstream),
    /// There is nothing to switch from.
    #[error("there is no application behind the gateway, so nothing was changed; set upstream.url")]
    NoApplication,
    /// A page that cannot be asked for its health.
    #[error("`{0}` is no path; write it with a slash in front, /healthz for example")]
    HealthPath(String),
    /// A release cannot be watched for so long.
    #[error("a release is watched for an hour at most, and not for {0:?}")]
    Watch(std::time::Duration),
}
