//! The edge: the only door through which a browser reaches the application.
//!
//! It promises that
//! - every connection is TLS 1.3, or 1.2 where the operator says so, with authenticated encryption
//!   and forward secrecy, and nobody is brought to agree on less than both sides can;
//! - every answer carries the whole header policy: own pages, the application's pages,
//!   redirects, and refusals, also those of requests which could not be read as HTTP;
//! - the application sees `Amanah-Binding` only if the gateway wrote it, never the
//!   session cookie, and never a forwarding header that a client made up;
//! - a state change that another site started, or that carries a session and does not say where it
//!   was started, is refused before the application sees it;
//! - a head that two parsers could read differently (request smuggling) is refused, over HTTP/1.1
//!   and HTTP/2 alike, and the application is only ever asked over HTTP/1.1, one request at a time
//!   on a connection;
//! - what stays open, a socket or an answer that goes on, ends when whoever opened it could not
//!   open it any more;
//! - nobody asks more often, and no stranger holds more connections, than the limits say; whoever is
//!   signed in is never refused for what strangers at their address do;
//! - while strangers overload it, they are challenged or told to come back, and whoever is signed in
//!   goes first, see [`AttackSettings`];
//! - whoever asks for bait is told to whoever writes it down, and not heard for a time;
//! - a switch to another release of the application fails no request, see [`Deployer`];
//! - the bodies of all requests together take a bounded memory, of which no account, tenant or
//!   directory gets more than its share.
//!
//! Beside it there is a door for programs, [`Private`]: plain HTTP on loopback, which answers no
//! browser and is never reached through the public address.
//!
//! It does not promise to hold against floods of connections, and does not inspect what a
//! request asks for, nor what is said on a socket.
//!
//! The attacks it stops: forged identity headers, cross-site requests, request smuggling,
//! slow heads and slow bodies, framing, sniffing, and a page that forgot its headers.

mod accepting;
mod access_log;
mod announce;
mod attack;
mod bait;
mod bearer;
mod bodies;
mod body;
mod ca;
mod certificates;
mod clear;
mod connection;
pub mod controls;
mod cookies;
mod deploy;
mod error;
mod forward;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod gateway;
mod handshake;
mod head;
mod headers;
mod http2;
mod ids;
mod limits;
mod listening;
mod metrics;
mod origin;
mod own;
mod own_words;
mod private;
mod proxy;
mod refusal;
mod reply;
mod reports;
mod serve;
mod socket;
mod tls;
mod toll;
mod trace;
#[cfg(test)]
mod trials;
mod upstream;
mod vigil;
mod who;
mod workers;

pub use access_log::AccessLog;
pub use announce::Network;
pub use attack::{
    AttackDesk, AttackLog, AttackMode, AttackSettings, AttackStanding, AttackSwitch, AttackWhy,
    Challenge, Overload,
};
pub use bait::{BAIT_KEY, BaitHit, BaitSettings, SHIPPED_BAIT, Trap};
pub use ca::{AUTHORITY_FILE, LocalAuthority};
pub use certificates::{CertificateFiles, Certificates, Presented, UnknownName};
pub use cookies::SESSION_COOKIE;
pub use deploy::{Deployer, Outcome, Step, SwitchTerms, Tally};
pub use error::GatewayError;
pub use gateway::{Gateway, Ports, Settings, Sharing};
pub use headers::HeaderPolicy;
pub use limits::{Limit, LimitSettings, Over, Preset, Rate, SeatSettings};
pub use listening::{Listeners, Listening};
pub use metrics::{Metrics, Reading};
pub use origin::SameSite;
pub use own::{Own, OwnPath, Payer};
pub use private::{Private, PrivateBody, PrivateSettings};
pub use proxy::binding;
pub use tls::{MinTls, TlsSettings, client_config};
pub use upstream::Upstream;
