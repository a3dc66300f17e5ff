//! The address of a database, with its password kept out of sight.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use kernel::{Secret, percent};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::ChannelBinding;

use crate::{Error, Result};

/// Where PostgreSQL listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name or an address, over TCP.
    Tcp(String),
    /// A directory that holds the server's socket.
    Socket(PathBuf),
}

/// A checked database address. `Display` and `Debug` leave the password out.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    /// Where.
    pub host: Host,
    /// The port; it also names the socket.
    pub port: u16,
    /// The login role.
    pub user: String,
    /// Its password, when one is needed.
    pub password: Option<Secret>,
    /// The database.
    pub database: String,
    /// Whether to demand TLS (`sslmode=require`).
    pub tls: bool,
    /// Whether the server must prove over this very connection that it knows the password
    /// (`channel_binding=require`): whoever is in between cannot, whatever certificate it shows.
    pub bound: bool,
    /// Whether its sessions look names up in `pg_catalog` alone, and are shown what policies show them
    /// instead of an error, whatever the database's owner has chosen. They do unless somebody asks otherwise: nobody must be led to a function or an
    /// operator that somebody else has put on the path.
    pub pinned: bool,
    /// How long one statement may take; no bound of ours where there is none.
    pub patience: Option<Duration>,
}

impl DatabaseUrl {
    /// Reads `postgres://user:password@host:port/database?sslmode=…&host=/socket/dir`.
    ///
    /// # Errors
    /// When it is not such an address; the error does not repeat it.
    pub fn parse(text: &str) -> Result<Self> {
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            return Err(Error::Url("it does not begin with postgres://"));
        }
        let config: tokio_postgres::Config =
            text.parse().map_err(|_| Error::Url("it could not be read"))?;
        let host = match config.get_hosts() {
            [tokio_postgres::config::Host::Tcp(name)] => Host::Tcp(name.clone()),
            [tokio_postgres::config::Host::Unix(dir)] => Host::Socket(dir.clone()),
            [] => return Err(Error::Url("it names no host")),
            _ => return Err(Error::Url("it names several hosts")),
        };
        let user = config.get_user().ok_or(Error::Url("it names no user"))?.to_owned();
        let password = match config.get_password().map(std::str::from_utf8) {
            Some(Ok(text)) => Some(Secret::new(text.to_owned())),
            Some(Err(_)) => return Err(Error::Url("its password is not UTF-8")),
            None => None,
        };
        Ok(Self {
            host,
            port: config.get_ports().first().copied().unwrap_or(5432),
            database: config.get_dbname().unwrap_or(&user).to_owned(),
            user,
            password,
            tls: config.get_ssl_mode() == tokio_postgres::config::SslMode::Require,
            bound: config.get_channel_binding() == ChannelBinding::Require,
            pinned: true,
            patience: None,
        })
    }

    /// Whether no traffic leaves this machine: a socket's directory, or an address of loopback.
    pub fn is_local(&self) -> bool {
        match &self.host {
            Host::Socket(_) => true,
            Host::Tcp(name) if name == "localhost" => true,
            Host::Tcp(name) => name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        }
    }

    /// Where it is, in words.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Tcp(name) => name.clone(),
            Host::Socket(dir) => dir.display().to_string(),
        }
    }

    /// Whether anything takes a connection there, be it PostgreSQL or not.
    pub async fn listens(&self) -> bool {
        match &self.host {
            Host::Tcp(name) => TcpStream::connect((name.as_str(), self.port)).await.is_ok(),
            Host::Socket(dir) => {
                UnixStream::connect(dir.join(format!(".s.PGSQL.{}", self.port))).await.is_ok()
            }
        }
    }

    /// The same server, another database.
    #[must_use]
    pub fn database(&self, name: &str) -> Self {
        Self { database: name.to_owned(), ..self.clone() }
    }

    /// The same database, another login.
    #[must_use]
    pub fn login(&self, user: &str, password: Option<Secret>) -> Self {
        Self { user: user.to_owned(), password, ..self.clone() }
    }

    /// The same login, with names looked up in `pg_catalog` alone, for whoever works beside the
    /// application in its database.
    #[must_use]
    pub fn pinned(&self) -> Self {
        Self { pinned: true, ..self.clone() }
    }

    /// The same login, with names looked up as the database has it. For sessions of the application
    /// and of the owner of its tables, who names them without their schemas; never for somebody
    /// with more rights than whoever owns the database.
    #[must_use]
    pub fn unpinned(&self) -> Self {
        Self { pinned: false, ..self.clone() }
    }

    /// The same login, whose statements the server ends after so long. For whoever asks on behalf of
    /// somebody who may ask for anything.
    #[must_use]
    pub fn within(&self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self.clone() }
    }

    /// The whole address with its password, to be handed to another process or kept in a private
    /// file.
    pub fn expose(&self) -> Secret {
        let password = self.password.as_ref().map(|p| format!(":{}", escape(p.expose())));
        let (authority, socket) = match &self.host {
            Host::Tcp(name) if name.contains(':') => (format!("[{name}]:{}", self.port), None),
            Host::Tcp(name) => (format!("{name}:{}", self.port), None),
            Host::Socket(dir) => (
                String::new(),
                Some(format!("host={}&port={}", escape(&dir.to_string_lossy()), self.port)),
            ),
        };
        let tls = self.tls.then(|| "sslmode=require".to_owned());
        let bound = self.bound.then(|| "channel_binding=require".to_owned());
        let query: Vec<String> = socket.into_iter().chain(tls).chain(bound).collect();
        Secret::new(format!(
            "postgres://{}{}@{authority}/{}{}{}",
            escape(&self.user),
            password.unwrap_or_default(),
            escape(&self.database),
            if query.is_empty() { "" } else { "?" },
            query.join("&"),
        ))
    }

    pub(crate) fn config(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        match &self.host {
            Host::Tcp(name) => config.host(name),
            Host::Socket(dir) => config.host_path(dir),
        };
        config.port(self.port).user(&self.user).dbname(&self.database);
        config.application_name("amanah").connect_timeout(CONNECT_TIMEOUT);
        if let Some(password) = &self.password {
            config.password(password.expose());
        }
        let mut options = Vec::new();
        if self.pinned {
            // The session's own temporary schema comes last: it would come first if left out. Whoever
            // owns the database may set any of these for all of its sessions.
            options.push(format!("-c search_path={PINNED} -c row_security=on"));
        }
        if let Some(patience) = self.patience {
            options.push(format!("-c statement_timeout={}", patience.as_millis().max(1)));
        }
        if !options.is_empty() {
            config.options(options.join(" "));
        }
        if self.bound {
            config.channel_binding(ChannelBinding::Require);
        }
        config.ssl_mode(if self.tls {
            tokio_postgres::config::SslMode::Require
        } else {
            tokio_postgres::config::SslMode::Prefer
        });
        config
    }
}

/// The path of a session that looks names up in the catalogue alone.
pub(crate) const PINNED: &str = "pg_catalog,pg_temp";

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

fn escape(text: &str) -> String {
    percent(text, b"-_.~")
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Tcp(name) => write!(f, "{name}:{}/{}", self.port, self.database)?,
            Host::Socket(dir) => {
                write!(f, "{}:{}/{}", dir.display(), self.port, self.database)?;
            }
        }
        write!(f, " as {}", self.user)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::DatabaseUrl;

    #[test]
    fn an_address_survives_the_round_trip_and_hides_its_password() {
        for text in [
            "postgres://shop:p%40ss%20w@db.example:6432/shop%20db?sslmode=require",
            "postgres://shop@/shop?host=%2Frun%2Fpg&port=5433",
            "postgres://shop:p%40ss%20w@db.example/shop?sslmode=require&channel_binding=require",
        ] {
            let url = DatabaseUrl::parse(text).unwrap();
            assert_eq!(DatabaseUrl::parse(url.expose().expose()).unwrap(), url);
            assert!(!format!("{url:?} {url}").contains("p@ss"));
        }
    }

    #[test]
    fn what_leaves_the_machine_is_told_from_what_does_not() {
        let local = |text: &str| DatabaseUrl::parse(text).unwrap().is_local();
        for near in ["a@127.0.0.1/b", "a@[::1]/b", "a@localhost/b", "a@/b?host=%2Frun"] {
            assert!(local(&format!("postgres://{near}")), "{near}");
        }
        for far in ["a@10.0.0.7/b", "a@localhost.example/b", "a@127.0.0.1.example/b"] {
            assert!(!local(&format!("postgres://{far}")), "{far}");
        }
    }

    #[test]
    fn nonsense_is_refused_without_being_repeated() {
        for text in ["", "http://x", "postgres://", "postgres://a:topsecret@:x/y", "host=x user=y"]
        {
            let error = DatabaseUrl::parse(text).unwrap_err().to_string();
            assert!(!error.contains("topsecret"), "{error}");
        }
    }
}
