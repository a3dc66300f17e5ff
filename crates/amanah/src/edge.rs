//! What the configuration decides about the gateway.

use std::net::SocketAddr;

use gateway::Settings;

use crate::config::Gateway;

/// The gateway at `listen`, as `config` has it, with nothing behind it yet.
pub(crate) fn settings(config: &Gateway, listen: SocketAddr) -> Settings {
    Settings {
        tls: config.tls.settings(),
        clear: config.http,
        public_port: config.public_port(),
        ..Settings::new(listen)
    }
}
