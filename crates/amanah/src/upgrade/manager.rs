//! What a service manager is told: that the house serves, and which process it is from now on.
//!
//! It is systemd's protocol (`sd_notify`, `Type=notify`): a datagram to the socket that `NOTIFY_SOCKET` names.
//! Without that variable nobody is told. The old process of an upgrade names the new one, since by default
//! only the process that is watched is listened to.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::{environment, out};

const SOCKET: &str = "NOTIFY_SOCKET";

/// This process serves.
pub(crate) fn serves() {
    tell(&format!("MAINPID={}\nREADY=1\n", std::process::id()));
}

/// Another process is the house.
pub(crate) fn is_now(process: u32) {
    tell(&format!("MAINPID={process}\n"));
}

fn tell(what: &str) {
    let told = environment::variable(SOCKET).and_then(|socket| match socket {
        Some(socket) => Ok(send(&socket, what)?),
        None => Ok(()),
    });
    if let Err(error) = told {
        let why = out::words(&error);
        tracing::warn!(why, "the service manager could not be told which process serves");
    }
}

fn send(socket: &str, what: &str) -> std::io::Result<()> {
    let to = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(what.as_bytes(), &to).map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::send;

    /// By a path, and by a name without a file.
    #[test]
    fn the_manager_gets_what_it_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("amanah-notify-{}", std::process::id());
        let by_path = UnixDatagram::bind(&path).unwrap();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        for (manager, socket) in
            [(by_path, path.display().to_string()), (by_name, format!("@{name}"))]
        {
            send(&socket, "READY=1\n").unwrap();
            let mut text = [0; 64];
            let read = manager.recv(&mut text).unwrap();
            assert_eq!(&text[..read], b"READY=1\n");
        }
        assert!(send(&dir.path().join("nobody").display().to_string(), "READY=1\n").is_err());
    }
}
