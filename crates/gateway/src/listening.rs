//! Listeners that one process hands to another, so that there is no moment in which nobody listens.
//!
//! What is handed over is the socket itself and not its address: both processes accept from one queue, and
//! whoever waits in it is accepted by one of them. A listener that was handed over stays where it is: a
//! process that was told to listen elsewhere refuses it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use tokio::net::TcpListener;

use crate::GatewayError;

/// A listener, and where it listens.
pub(crate) type Taken = (TcpListener, SocketAddr);

/// A listener on its way from one process to another.
#[derive(Debug)]
pub struct Listening(OwnedFd);

/// Those of a gateway.
#[derive(Debug)]
pub struct Listeners {
    /// For HTTPS.
    pub main: Listening,
    /// For plain HTTP, where that is led to HTTPS.
    pub clear: Option<Listening>,
}

impl From<OwnedFd> for Listening {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Listening {
    /// The same one once more.
    pub(crate) fn again(listener: &TcpListener) -> io::Result<Self> {
        Ok(Self(listener.as_fd().try_clone_to_owned()?))
    }

    /// Goes on with it, if it listens where that is wanted.
    pub(crate) fn on(self, wanted: Option<SocketAddr>) -> Result<Taken, GatewayError> {
        let listener = std::net::TcpListener::from(self.0);
        let on = listener.local_addr().map_err(GatewayError::Adopt)?;
        match wanted {
            Some(wanted) if fits(wanted, on) => {}
            Some(wanted) => return Err(GatewayError::ListensElsewhere { wanted, on: Some(on) }),
            None => return Err(GatewayError::ListensUnwanted(on)),
        }
        listener.set_nonblocking(true).map_err(GatewayError::Adopt)?;
        Ok((TcpListener::from_std(listener).map_err(GatewayError::Adopt)?, on))
    }
}

/// Whether a listener is where one was wanted. Port 0 is any.
fn fits(wanted: SocketAddr, on: SocketAddr) -> bool {
    wanted.ip() == on.ip() && (wanted.port() == 0 || wanted.port() == on.port())
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_listener_fits_its_own_address_alone() {
        let fits = |wanted: &str, on: &str| fits(wanted.parse().unwrap(), on.parse().unwrap());
        assert!(fits("127.0.0.1:8443", "127.0.0.1:8443"));
        assert!(fits("127.0.0.1:0", "127.0.0.1:8443"));
        assert!(!fits("127.0.0.1:8444", "127.0.0.1:8443"));
        assert!(!fits("0.0.0.0:8443", "127.0.0.1:8443"));
        assert!(!fits("[::1]:0", "127.0.0.1:8443"));
    }
}
