//! The claims that the edge can prove, and what a proof has to be told about the edge.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use kernel::{Control, Fut, SessionToken};

use crate::OwnPath;

mod headers;
#[cfg(test)]
pub(crate) mod hello;
mod probe;
mod scratch;

pub use scratch::{ScratchGateway, ScratchPorts};

/// The running gateway, as a proof sees it: from outside.
#[derive(Clone)]
pub struct Target {
    /// Where it listens. An address that stands for all of the machine's is asked on loopback.
    pub address: SocketAddr,
    /// The certificate authority's PEM file, the only one that is trusted. It is read at each
    /// proof, so that it need not exist before the gateway has started once.
    pub authority: PathBuf,
    /// Every route that is answered by our own pages.
    pub own: Vec<OwnPath>,
    /// Paths of the application that exist for a signed-in visitor and can be read with GET.
    pub upstream_paths: Vec<String>,
    /// A session to ask the application's pages with. Without one they cannot be seen, and a
    /// proof that should have seen them is unknown.
    pub session: Option<Arc<dyn ProbeSession>>,
}

/// Hands out a session of a canary, which may look at the application's pages.
pub trait ProbeSession: Send + Sync {
    /// A live session's token, or `None` when there is no canary to sign in.
    fn token(&self) -> Fut<'_, Option<SessionToken>>;
}

/// Every control of this crate.
pub fn controls(target: Target) -> Vec<Arc<dyn Control>> {
    vec![Arc::new(headers::Headers::new(target))]
}
