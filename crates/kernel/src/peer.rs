//! Where a request comes from.

use std::net::IpAddr;

/// The address at the other end of a request's connection. The gateway puts it among the extensions
/// of a request to a page of ours, and nothing that the request itself says changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);
