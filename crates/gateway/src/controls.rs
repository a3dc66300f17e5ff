//! The claims that the edge can prove, and what a proof has to be told about the edge.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use kernel::{Control, Cx, Fut, Secret, SessionToken};

use crate::{AttackMode, CertificateFiles, Certificates, OwnPath, Rate};

mod csp;
mod csrf;
mod deploy;
mod faults;
mod flood;
mod headers;
pub(crate) mod hello;
mod honeypot;
mod hsts;
mod limits;
mod probe;
mod scratch;
mod stand;
mod tls;
mod visitors;

pub use scratch::{ScratchGateway, ScratchPorts};

/// The name that the local authority's certificate is always for.
const LOCAL: &str = "localhost";

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
    /// The names under which people reach it.
    pub names: Vec<String>,
    /// The operator's certificates; what they are for is read from them.
    pub certificates: Vec<CertificateFiles>,
    /// Where it listens for plain HTTP, if it does.
    pub clear: Option<SocketAddr>,
    /// What it limits. Without it, nothing can be said of limits.
    pub limits: Option<LimitTarget>,
    /// What it lays out for scanners. Without it, nothing can be said of bait.
    pub bait: Option<BaitTarget>,
    /// Whether it sheds strangers in a flood, as it was configured.
    pub attack: AttackMode,
}

impl Target {
    /// The authority's certificate.
    async fn trusted(&self) -> Result<Vec<u8>, String> {
        tokio::fs::read(&self.authority).await.map_err(|error| {
            format!(
                "the certificate authority {} cannot be read ({error}); it is made when the \
                 gateway is started with `amanah up`",
                self.authority.display()
            )
        })
    }

    /// Every name that somebody can ask for: the local one, those of the configuration, and those of
    /// the certificates, one for each that stands for many.
    async fn every_name(&self, cx: &Cx) -> Result<Vec<String>, String> {
        let (files, now) = (self.certificates.clone(), cx.clock.now());
        let reading = tokio::task::spawn_blocking(move || Certificates::inspect(&files, now));
        let mut names = BTreeSet::from([LOCAL.to_owned()]);
        // An address is not asked for: whoever comes by one is shown the first certificate.
        let is_name = |one: &&String| one.parse::<IpAddr>().is_err();
        names.extend(self.names.iter().filter(is_name).cloned());
        for read in reading.await.map_err(|error| error.to_string())? {
            let presented = read.map_err(|error| error.to_string())?;
            names.extend(presented.names.iter().map(|name| match name.strip_prefix("*.") {
                Some(domain) => format!("amanah-proof.{domain}"),
                None => name.clone(),
            }));
        }
        Ok(names.into_iter().collect())
    }
}

/// The forms that the running gateway limits.
#[derive(Clone)]
pub struct LimitTarget {
    /// Who sends them.
    pub forms: Arc<dyn FormSender>,
    /// Sign-ins of one address, and of one neighbourhood.
    pub sign_in: [Rate; 2],
    /// How many wrong passwords of one account are looked at.
    pub account: u32,
    /// Letters of one address, and of one neighbourhood.
    pub reset: [Rate; 2],
    /// Messages of one address, and of one neighbourhood.
    pub contact: [Rate; 2],
    /// A path by which strangers send messages, where there is one.
    pub contact_path: Option<String>,
}

/// Sends the forms that are limited, as a browser does, from an address of this machine. They are about
/// accounts that nobody has, and come back with the status of the answer.
pub trait FormSender: Send + Sync {
    /// Tries to sign in with a wrong password.
    ///
    /// # Errors
    /// When there was no answer; the text says why.
    fn sign_in<'a>(&'a self, from: Ipv4Addr, email: &'a str) -> Fut<'a, Result<u16, String>>;

    /// Asks for a letter with a new link.
    ///
    /// # Errors
    /// When there was no answer; the text says why.
    fn reset<'a>(&'a self, from: Ipv4Addr, email: &'a str) -> Fut<'a, Result<u16, String>>;
}

/// The bait of the running gateway.
#[derive(Clone)]
pub struct BaitTarget {
    /// What is laid out.
    pub routes: Vec<String>,
    /// The key that nobody has a reason to show.
    pub key: Secret,
    /// Who knows what was written down.
    pub book: Arc<dyn BaitBook>,
}

/// Says what was written down of those who took bait.
pub trait BaitBook: Send + Sync {
    /// The bait that was taken from `source`, as it was laid out, or [`crate::BAIT_KEY`].
    ///
    /// # Errors
    /// When it cannot be told; the text says why.
    fn taken(&self, source: Ipv4Addr) -> Fut<'_, Result<Vec<String>, String>>;
}

/// Hands out a session of a canary, which may look at the application's pages.
pub trait ProbeSession: Send + Sync {
    /// A live session's token, or `None` when there is no canary to sign in.
    fn token(&self) -> Fut<'_, Option<SessionToken>>;
}

/// Every control of this crate.
pub fn controls(target: Target) -> Vec<Arc<dyn Control>> {
    vec![
        Arc::new(deploy::Deploy),
        Arc::new(flood::Flood::new(&target)),
        Arc::new(csp::Csp::new(target.clone())),
        Arc::new(csrf::Csrf::new(target.clone())),
        Arc::new(headers::Headers::new(target.clone())),
        Arc::new(tls::Tls::new(target.clone())),
        Arc::new(limits::LimitControl::new(target.clone())),
        Arc::new(honeypot::Honeypot::new(target.clone())),
        Arc::new(hsts::Hsts::new(target)),
    ]
}
