//! Letters: how they leave this installation, and telling when they do not.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use identity::{
    FileOutbox, Identities, Line as By, Mailroom, Post, Sender, Smtp, SmtpSettings, Unsent,
    Waiting, Written,
};
use kernel::{Cx, Fut};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::config::{Config, Line, Way};
use crate::data::Data;
use crate::environment;
use crate::exit::Usage;
use crate::installation::Installation;
use crate::leaving::Offboarding;

/// The variable with the password of the mail server's login.
pub(crate) const PASSWORD: &str = "AMANAH_MAIL_PASSWORD";
/// The folder of letters in the data directory.
const OUTBOX: &str = "outbox";
/// Where a running process tells others how letters stand, in the data directory.
const TOLD: &str = "mail.json";
/// How often that is looked at, and roles are given that could not be given at once.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// The largest file of certificate authorities, in bytes.
const MAX_CA_BYTES: u64 = 1 << 20;

/// How letters stand, as the running process told it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) to: String,
    pub(crate) waiting: u64,
    pub(crate) stuck: u64,
    pub(crate) given_up: u64,
    pub(crate) problem: Option<String>,
}

/// A mailroom that takes letters and sends none: they wait for `amanah up`.
pub(crate) fn waiting_room(identities: &Arc<Identities>, cx: &Cx) -> Arc<Mailroom> {
    room(identities, cx, Arc::new(Later), "")
}

/// The mailroom of a gateway at `address`.
pub(crate) fn open(house: &Installation, address: SocketAddr) -> anyhow::Result<Arc<Mailroom>> {
    let post = post(&house.config, &house.data)?;
    let site = site(&house.config, address);
    Ok(room(&house.identities, &house.cx, post, &site))
}

fn room(identities: &Arc<Identities>, cx: &Cx, post: Arc<dyn Post>, site: &str) -> Arc<Mailroom> {
    let world = (Arc::clone(&cx.clock), Arc::clone(&cx.rng));
    Arc::new(Mailroom::new(Arc::clone(identities), world, post, site))
}

/// Where links lead.
pub(crate) fn site(config: &Config, address: SocketAddr) -> String {
    if !config.mail.site.is_empty() {
        return config.mail.site.clone();
    }
    let name = config.gateway.names.first().map_or("localhost", String::as_str);
    match config.gateway.public_port().unwrap_or(address.port()) {
        443 => format!("https://{name}"),
        port => format!("https://{name}:{port}"),
    }
}

fn post(config: &Config, data: &Data) -> anyhow::Result<Arc<dyn Post>> {
    let mail = &config.mail;
    let usage = |what: &str, error: &dyn std::fmt::Display| Usage(format!("mail.{what}: {error}"));
    if !mail.site.is_empty() && !is_site(&mail.site) {
        let words = "write it as https://amanah.example, without a path";
        return Err(usage("site", &words).into());
    }
    let sender = Sender::new(&mail.name, &mail.from).map_err(|e| usage("from", &e))?;
    let password = environment::secret(PASSWORD)?;
    if mail.way == Way::Folder {
        return Ok(Arc::new(FileOutbox::new(data.root().join(OUTBOX), sender)));
    }
    if mail.host.is_empty() {
        return Err(usage("host", &"name the server, or choose another way").into());
    }
    let login = match (mail.user.is_empty(), password) {
        (true, None) => None,
        (false, Some(password)) => Some((mail.user.clone(), password)),
        (false, None) => return Err(usage("user", &format!("{PASSWORD} is not set")).into()),
        (true, Some(_)) => return Err(usage("user", &format!("{PASSWORD} has no login")).into()),
    };
    let settings = SmtpSettings {
        host: mail.host.clone(),
        port: mail.port,
        line: match mail.line {
            Line::Tls => By::Tls,
            Line::StartTls => By::StartTls,
            Line::Plain => By::Plain,
        },
        login,
        authorities: authorities(&mail.ca)?,
    };
    Ok(Arc::new(Smtp::new(settings, sender).map_err(|e| usage("host", &e))?))
}

fn is_site(site: &str) -> bool {
    let host = site.strip_prefix("https://").unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
    !host.is_empty() && host.bytes().all(plain)
}

fn authorities(file: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let what = || format!("mail.ca: {} cannot be read", file.display());
    if std::fs::metadata(file).with_context(what)?.len() > MAX_CA_BYTES {
        return Err(Usage(format!("mail.ca: {} is larger than 1 MiB", file.display())).into());
    }
    Ok(Some(std::fs::read(file).with_context(what)?))
}

/// Sends letters as they fall due, gives the roles of invitations, and tells how letters stand, until
/// `stop` ends.
pub(crate) async fn keep(house: &Installation, room: &Mailroom, stop: impl Future<Output = ()>) {
    let (over, ended) = watch::channel(false);
    let desk = Offboarding {
        access: Arc::clone(&house.access),
        identities: Arc::clone(&house.identities),
        directory: Arc::clone(&house.directory),
    };

    let tell = async {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        let mut stop = std::pin::pin!(until(ended.clone()));
        let mut before = None;
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = tick.tick() => {}
            }
            desk.follow_up(room).await;
            match room.waiting().await {
                Ok(waiting) => {
                    let told = told_of(room, waiting);
                    if before.as_ref() != Some(&told) {
                        write(&house.data, &told);
                        before = Some(told);
                    }
                }
                Err(error) => tracing::warn!(%error, "it cannot be told how letters stand"),
            }
        }
    };
    let end = async {
        stop.await;
        over.send_replace(true);
    };
    tokio::join!(room.keep(until(ended.clone())), tell, end);
}

async fn until(mut ended: watch::Receiver<bool>) {
    // An error means that the sender is gone, and then so are we.
    let _ = ended.wait_for(|over| *over).await;
}

fn told_of(room: &Mailroom, waiting: Waiting) -> Told {
    let Waiting { waiting, stuck, given_up, problem, .. } = waiting;
    Told { to: room.post(), waiting, stuck, given_up, problem }
}

fn write(data: &Data, told: &Told) {
    let written = serde_json::to_vec(told).map_err(anyhow::Error::from);
    let written = written.and_then(|bytes| data.replace(Path::new(TOLD), &bytes));
    if let Err(error) = written {
        let why = crate::out::words(&error);
        tracing::warn!(why, "it could not be written down how letters stand");
    }
}

/// How letters stand, as the running process told it last.
pub(crate) fn told(data: &Data) -> Option<Told> {
    let told = std::fs::read(data.root().join(TOLD)).ok()?;
    serde_json::from_slice(&told).ok()
}

/// Sends nothing.
struct Later;

impl Post for Later {
    fn name(&self) -> String {
        "nowhere before `amanah up` runs".to_owned()
    }

    fn send<'a>(&'a self, _: &'a Written) -> Fut<'a, Result<(), Unsent>> {
        Box::pin(async { Err(Unsent::Later("`amanah up` does not run".to_owned())) })
    }
}

#[cfg(test)]
mod tests {
    use super::{is_site, site};
    use crate::config::Config;

    #[test]
    fn links_lead_to_a_place_of_the_configuration() {
        for good in ["https://amanah.example", "https://[::1]:8443", "https://10.0.0.1"] {
            assert!(is_site(good), "{good}");
        }
        for bad in ["", "https://", "http://a.example", "https://a.example/x", "https://a@b", "x"] {
            assert!(!is_site(bad), "{bad}");
        }
        let mut config = Config::load(None).unwrap();
        let at = |config: &Config, address: &str| site(config, address.parse().unwrap());
        assert_eq!(at(&config, "0.0.0.0:8443"), "https://localhost:8443");
        config.gateway.names = vec!["amanah.example".to_owned()];
        assert_eq!(at(&config, "0.0.0.0:443"), "https://amanah.example");
        config.mail.site = "https://other.example".to_owned();
        assert_eq!(at(&config, "0.0.0.0:443"), "https://other.example");
    }
}
