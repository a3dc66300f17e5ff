//! The ways that a letter leaves the house: into a folder, or through an SMTP server.

use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kernel::{Fut, Secret};
use lettre::message::header::{Date, Header as _};
use lettre::message::{Mailbox, Message, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use crate::{Email, Error, Result};

/// How many files the folder takes; past it, somebody has to look.
const MAX_FILES: usize = 10_000;
/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(20);
/// How long one letter may take in all.
const WHOLE: Duration = Duration::from_mins(1);
/// The longest name of a sender, in bytes.
const MAX_SENDER_BYTES: usize = 100;
/// How much of a server's answer is kept, in characters.
const MAX_PROBLEM_CHARS: usize = 300;

/// The answers that are about the letter's recipient: another try would get the same. All others, such
/// as a login that is refused, are about the server, and somebody will put it right.
const REFUSED: [&str; 3] = ["550", "551", "553"];

/// A letter that is ready to go.
#[derive(Debug, Clone)]
pub struct Written {
    /// To whom.
    pub to: Email,
    /// What it is about, in one line.
    pub subject: String,
    /// What it says, in plain text.
    pub body: String,
    /// A name that no other letter has: letters, digits, `.` and `-`.
    pub id: String,
    /// When it was written.
    pub at: Timestamp,
}

/// Why a letter did not leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsent {
    /// It may leave later.
    Later(String),
    /// It never will, as it is.
    Never(String),
}

/// Carries letters away.
pub trait Post: Send + Sync {
    /// Where they go, in a few words for people.
    fn name(&self) -> String;

    /// Carries `letter` away: once this is well, somebody else is answerable for it.
    ///
    /// # Errors
    /// The [`Unsent`].
    fn send<'a>(&'a self, letter: &'a Written) -> Fut<'a, std::result::Result<(), Unsent>>;
}

/// Who the letters come from.
#[derive(Debug, Clone)]
pub struct Sender(Mailbox);

impl Sender {
    /// `name` at `address`.
    ///
    /// # Errors
    /// [`Error::Email`] or [`Error::Field`] when a header cannot carry them.
    pub fn new(name: &str, address: &str) -> Result<Self> {
        let name = one_line("the sender's name", name, MAX_SENDER_BYTES)?;
        Ok(Self(Mailbox::new(Some(name).filter(|name| !name.is_empty()), mailbox(address)?)))
    }
}

/// `text` when a header of one line can carry it.
fn one_line(field: &'static str, text: &str, most: usize) -> Result<String> {
    if text.len() > most || text.chars().any(char::is_control) {
        let why = format!("it is one line of at most {most} bytes");
        return Err(Error::Field { field, why });
    }
    Ok(text.to_owned())
}

/// An address that a server will take too, and that ends nothing it stands in.
fn mailbox(text: &str) -> Result<Address> {
    let email = Email::new(text)?;
    email.as_str().parse().map_err(|_| Error::Email("mail cannot be sent to it"))
}

/// Whether mail can be sent to `email` at all.
pub(crate) fn reachable(email: &Email) -> bool {
    mailbox(email.as_str()).is_ok()
}

/// The message as it travels.
fn message(sender: &Sender, letter: &Written) -> std::result::Result<Message, Unsent> {
    let never = |why: &dyn std::fmt::Display| Unsent::Never(format!("it cannot be written: {why}"));
    let to = mailbox(letter.to.as_str()).map_err(|e| never(&e))?;
    let subject = one_line("subject", &letter.subject, 500).map_err(|e| never(&e))?;
    let at = letter.at.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let date = Date::parse(&at).map_err(|e| never(&e))?;
    let domain = sender.0.email.domain();
    // The library chooses an encoding: ASCII stays as it is, so that a file can be read.
    let body = SinglePart::plain(letter.body.clone());
    Message::builder()
        .header(date)
        .message_id(Some(format!("<{}@{domain}>", letter.id)))
        .from(sender.0.clone())
        .to(Mailbox::new(None, to))
        .subject(subject)
        .singlepart(body)
        .map_err(|e| never(&e))
}

/// A folder that letters are laid into, one file each, for whoever carries them on or reads them.
#[derive(Debug, Clone)]
pub struct FileOutbox {
    folder: PathBuf,
    sender: Sender,
}

impl FileOutbox {
    /// Lays letters of `sender` into `folder`, which is made when it is first needed.
    pub const fn new(folder: PathBuf, sender: Sender) -> Self {
        Self { folder, sender }
    }

    fn lay(&self, letter: &Written) -> std::result::Result<(), Unsent> {
        let message = message(&self.sender, letter)?;
        let failed = |e: std::io::Error| Unsent::Later(format!("{}: {e}", self.folder.display()));
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(failed)?;
        if std::fs::read_dir(&self.folder).map_err(failed)?.count() >= MAX_FILES {
            let words = format!("{} holds {MAX_FILES} files; empty it", self.folder.display());
            return Err(Unsent::Later(words));
        }
        let at = letter.at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
        let file = self.folder.join(format!("{at}-{}.eml", letter.id));
        let half = file.with_extension("half");
        let mut open = std::fs::OpenOptions::new();
        open.write(true).create(true).truncate(true).mode(0o600);
        let mut whole = open.open(&half).map_err(failed)?;
        whole.write_all(&message.formatted()).map_err(failed)?;
        whole.sync_all().map_err(failed)?;
        std::fs::rename(&half, &file).map_err(failed)?;
        std::fs::File::open(&self.folder).and_then(|f| f.sync_all()).map_err(failed)
    }
}

impl Post for FileOutbox {
    fn name(&self) -> String {
        format!("the folder {}", self.folder.display())
    }

    fn send<'a>(&'a self, letter: &'a Written) -> Fut<'a, std::result::Result<(), Unsent>> {
        Box::pin(async move {
            let (outbox, letter) = (self.clone(), letter.clone());
            let laid = tokio::task::spawn_blocking(move || outbox.lay(&letter)).await;
            laid.unwrap_or_else(|error| Err(Unsent::Later(error.to_string())))
        })
    }
}

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// TLS from the first byte (port 465).
    Tls,
    /// Plain at first; a server that does not go over to TLS is not spoken to (port 587).
    StartTls,
    /// Never encrypted: to this machine alone.
    Plain,
}

/// Which server, and how.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// Its name, which its certificate must bear, or its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is encrypted.
    pub line: Line,
    /// The login and its password, where the server asks.
    pub login: Option<(String, Secret)>,
    /// Certificate authorities in PEM, besides those of this machine.
    pub authorities: Option<Vec<u8>>,
}

/// An SMTP server that carries letters on.
pub struct Smtp {
    name: String,
    sender: Sender,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Smtp {
    /// The server of `settings`, for letters of `sender`. Nothing is asked of it yet.
    ///
    /// # Errors
    /// [`Error::Mail`] when the settings cannot work, or would send letters over a network in clear.
    pub fn new(settings: SmtpSettings, sender: Sender) -> Result<Self> {
        let SmtpSettings { host, port, line, login, authorities } = settings;
        let name = format!("{host}:{port}");
        let tls = match line {
            Line::Plain if !is_here(&host) => {
                let words = format!(
                    "{host} is not this machine, and letters with links that open accounts do not \
                     travel in clear: use tls or starttls"
                );
                return Err(Error::Mail(words));
            }
            Line::Plain => Tls::None,
            Line::Tls => Tls::Wrapper(parameters(&host, authorities.as_deref())?),
            Line::StartTls => Tls::Required(parameters(&host, authorities.as_deref())?),
        };
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .timeout(Some(SILENCE));
        let transport = match login {
            Some((user, password)) => {
                transport.credentials(Credentials::new(user, password.expose().to_owned()))
            }
            None => transport,
        };
        Ok(Self { name, sender, transport: transport.build() })
    }
}

/// Whether `host` can only be this machine.
fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn parameters(host: &str, authorities: Option<&[u8]>) -> Result<TlsParameters> {
    let failed = |e: lettre::transport::smtp::Error| Error::Mail(format!("TLS to {host}: {e}"));
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(pem) = authorities {
        builder = builder.add_root_certificate(Certificate::from_pem(pem).map_err(failed)?);
    }
    builder.build_rustls().map_err(failed)
}

impl Post for Smtp {
    fn name(&self) -> String {
        format!("the mail server {}", self.name)
    }

    fn send<'a>(&'a self, letter: &'a Written) -> Fut<'a, std::result::Result<(), Unsent>> {
        Box::pin(async move {
            let message = message(&self.sender, letter)?;
            match tokio::time::timeout(WHOLE, self.transport.send(message)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => {
                    let code = error.status().map(|code| code.to_string()).unwrap_or_default();
                    let why = told(&self.name, &error);
                    let never = REFUSED.contains(&code.as_str());
                    Err(if never { Unsent::Never(why) } else { Unsent::Later(why) })
                }
                Err(_) => {
                    let why = format!("{} did not take it within {WHOLE:?}", self.name);
                    Err(Unsent::Later(why))
                }
            }
        })
    }
}

/// What went wrong, bounded and in one line: a server may answer anything.
fn told(name: &str, error: &lettre::transport::smtp::Error) -> String {
    use std::error::Error as _;
    let mut text = format!("{name}: {error}");
    if let Some(source) = error.source()
        && !text.contains(&source.to_string())
    {
        text = format!("{text}: {source}");
    }
    kernel::shown(&text).chars().take(MAX_PROBLEM_CHARS).collect()
}
