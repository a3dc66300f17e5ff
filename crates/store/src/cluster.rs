//! The managed cluster: a PostgreSQL that Amanah makes, starts and owns.
//!
//! The server is a daemon of its own and not a child: when Amanah is killed it goes on, and the
//! next start finds it by its pid file and adopts it. When the server is killed instead,
//! [`Cluster::revive`] starts it again and it recovers from its log.
//!
//! As root the server's programs run as the user `postgres`. The superuser can be reached over the
//! private socket alone, by the user that Amanah runs as, without a password (`peer`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use kernel::{Rng, Secret};
use tokio::process::Command;

use crate::account::Account;
use crate::place::{self, Standing};
use crate::programs::{run, tail};
use crate::{DatabaseUrl, Error, Host, Programs, Result};

/// How long `pg_ctl` waits for a start; recovery after a crash is part of it.
const START_SECONDS: &str = "60";
/// After a kill, the server's orphans hold its shared memory for a moment: so often is a start
/// tried again, so long apart.
const REVIVALS: usize = 20;
const REVIVAL_PAUSE: Duration = Duration::from_millis(250);
/// A server's log that has grown beyond this, in bytes, is begun anew at a start.
const MAX_LOG_BYTES: u64 = 16 << 20;
/// The files of our configuration.
const CONF: &str = "postgresql.conf";
const HBA: &str = "pg_hba.conf";
const IDENT: &str = "pg_ident.conf";
const LOG: &str = "server.log";

/// How a cluster is to run.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// The directory that holds everything of this installation; the cluster is in `postgres`
    /// below it.
    pub data: PathBuf,
    /// A folder of PostgreSQL's programs, where the newest installed one is not wanted.
    pub programs: Option<PathBuf>,
    /// Whether a commit waits for the disk. Off for tests alone.
    pub durable: bool,
}

/// A running managed cluster.
#[derive(Debug)]
pub struct Cluster {
    programs: Programs,
    account: Account,
    durable: bool,
    dir: PathBuf,
    conf: PathBuf,
    socket: PathBuf,
    port: u16,
}

impl Cluster {
    /// Makes the cluster if it is not there, starts it if it does not run, or adopts the one that
    /// runs.
    ///
    /// # Errors
    /// When programs are missing or too old, the directory is not a cluster of theirs, or the
    /// server does not start. Nothing that was there is changed.
    pub async fn open(settings: &ClusterSettings, rng: &dyn Rng) -> Result<Self> {
        let programs = Programs::find(settings.programs.as_deref()).await?;
        let account = Account::for_server()?;
        let dir = place::server_dir(&settings.data, "postgres", &account, rng).await?;
        let socket = place::socket_dir(&dir, &account)?;
        let conf = place::conf_dir(&dir)?;
        let durable = settings.durable;
        let mut cluster = Self { programs, account, durable, dir, conf, socket, port: 0 };
        match place::standing(&cluster.dir)? {
            Standing::Empty => cluster.initialise().await?,
            Standing::Cluster(major) if major == cluster.programs.version().0 => {}
            Standing::Cluster(major) => {
                let installed = cluster.programs.version();
                let why = format!(
                    "it belongs to PostgreSQL {major}, and the installed one is {installed}. \
                     Install postgresql-{major}, or move the directory away"
                );
                return Err(Error::Path { path: cluster.dir, why });
            }
        }
        if let Some(running) = place::running(&cluster.dir) {
            (cluster.port, cluster.socket) = (running.port, running.socket);
        } else {
            cluster.port = place::free_port(cluster.configured_port())?;
            cluster.configure()?;
            cluster.start().await?;
        }
        Ok(cluster)
    }

    /// The socket's directory and the port of the server that runs on the cluster of this data
    /// directory.
    pub fn address_in(data: &Path) -> Option<(PathBuf, u16)> {
        place::running(&data.join("postgres")).map(|running| (running.socket, running.port))
    }

    /// The superuser's address in the database `name`, over the private socket.
    pub fn superuser(&self, name: &str) -> DatabaseUrl {
        DatabaseUrl {
            host: Host::Socket(self.socket.clone()),
            port: self.port,
            user: "postgres".to_owned(),
            password: None,
            database: name.to_owned(),
            tls: false,
            bound: false,
            pinned: true,
            patience: None,
        }
    }

    /// A login's address in the database `name`, over the loopback port.
    pub fn login(&self, user: &str, password: Secret, name: &str) -> DatabaseUrl {
        DatabaseUrl {
            host: Host::Tcp("127.0.0.1".to_owned()),
            port: self.port,
            user: user.to_owned(),
            password: Some(password),
            database: name.to_owned(),
            tls: false,
            bound: false,
            pinned: true,
            patience: None,
        }
    }

    /// PostgreSQL's programs.
    pub const fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Where the cluster is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the server runs, by its pid file and the process behind it.
    pub fn is_running(&self) -> bool {
        place::running(&self.dir).is_some()
    }

    /// Starts the server again if it does not run, on the same port. Says whether it had to.
    ///
    /// # Errors
    /// When it does not start, several times over.
    pub async fn revive(&self) -> Result<bool> {
        let mut tries = 0;
        while !self.is_running() {
            match self.start().await {
                Ok(()) => return Ok(true),
                Err(error) if tries >= REVIVALS => return Err(error),
                Err(_) => tries += 1,
            }
            tokio::time::sleep(REVIVAL_PAUSE).await;
        }
        Ok(tries > 0)
    }

    /// Stops the server; open transactions are rolled back.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stop(&self) -> Result<()> {
        let mut command = self.program("pg_ctl");
        command.args(["stop", "-w", "-s", "-m", "fast", "-t", START_SECONDS, "-D"]).arg(&self.dir);
        run("pg_ctl", &mut command).await.map(drop)
    }

    /// Makes the files beside their final place and moves them there when they are whole, so that
    /// a crash in the middle leaves nothing half made.
    async fn initialise(&self) -> Result<()> {
        let fresh = self.dir.with_extension("new");
        if fresh.exists() {
            std::fs::remove_dir_all(&fresh).map_err(|e| place::error(&fresh, &e))?;
        }
        std::fs::create_dir(&fresh).map_err(|e| place::error(&fresh, &e))?;
        self.account.own(&fresh)?;
        let mut command = self.program("initdb");
        command
            .args(["--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"])
            .args(["--auth-local=peer", "--auth-host=reject", "--username=postgres"]);
        if !self.durable {
            command.arg("--no-sync");
        }
        run("initdb", command.arg("-D").arg(&fresh)).await?;
        // An empty directory may stand where the cluster goes; a rename replaces it.
        std::fs::rename(&fresh, &self.dir).map_err(|e| place::error(&self.dir, &e))
    }

    /// Writes our settings and who may connect how. They lie outside the cluster's directory, in
    /// one that the server's user cannot write to: what it puts into its own directory, a link
    /// for example, must not lead us to other files when we run as root.
    fn configure(&self) -> Result<()> {
        let own = Account::own_name()?;
        let quoted = |path: &Path| path.display().to_string().replace('\'', "''");
        let durability = if self.durable {
            ""
        } else {
            "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
        };
        let conf = format!(
            "# Written by Amanah at every start.\n\
             data_directory = '{}'\n\
             hba_file = '{}'\n\
             ident_file = '{}'\n\
             listen_addresses = '127.0.0.1'\n\
             port = {}\n\
             unix_socket_directories = '{}'\n\
             unix_socket_permissions = 0700\n\
             password_encryption = 'scram-sha-256'\n\
             wal_level = logical\n\
             # What nobody reads must not fill the disk.\n\
             max_slot_wal_keep_size = '4GB'\n\
             max_replication_slots = 64\n\
             max_connections = 200\n\
             # Our statements are many and short: compiling one costs more than it saves.\n\
             jit = off\n\
             # Attacks are refused all day; their text may hold tokens and does not belong here.\n\
             log_min_messages = log\n\
             log_min_error_statement = panic\n\
             log_checkpoints = off\n\
             log_timezone = 'UTC'\n\
             timezone = 'UTC'\n\
             idle_in_transaction_session_timeout = '5min'\n\
             {durability}",
            quoted(&self.dir),
            quoted(&self.conf.join(HBA)),
            quoted(&self.conf.join(IDENT)),
            self.port,
            quoted(&self.socket),
        );
        self.write(CONF, &conf)?;
        self.write(
            HBA,
            "# Written by Amanah at every start.\n\
             local all postgres peer map=amanah\n\
             local all all scram-sha-256\n\
             host all postgres all reject\n\
             host all all 127.0.0.1/32 scram-sha-256\n",
        )?;
        self.write(IDENT, &format!("amanah {own} postgres\namanah postgres postgres\n"))
    }

    async fn start(&self) -> Result<()> {
        let log = self.dir.join(LOG);
        // What a link leads to is none of our business.
        let size = std::fs::symlink_metadata(&log).map_or(0, |m| m.len());
        if size > MAX_LOG_BYTES {
            std::fs::remove_file(&log).map_err(|e| place::error(&log, &e))?;
        }
        let before = if size > MAX_LOG_BYTES { 0 } else { size };
        let conf = self.conf.join(CONF).display().to_string();
        let mut command = self.program("pg_ctl");
        command.args(["start", "-w", "-s", "-t", START_SECONDS, "-l"]).arg(&log);
        // A shell reads these options.
        command.arg("-o").arg(format!("-c config_file='{}'", conf.replace('\'', "'\\''")));
        let started = run("pg_ctl", command.arg("-D").arg(&self.dir)).await;
        started.map(drop).map_err(|error| {
            let said = place::text_after(&log, before);
            let why = if said.is_empty() { error.to_string() } else { worst_lines(&said) };
            Error::Start { dir: self.dir.clone(), why, log }
        })
    }

    fn program(&self, name: &str) -> Command {
        let mut command = self.account.command(&self.programs.path(name));
        // Messages are compared and shown in one language.
        command.env("LC_ALL", "C.UTF-8").env_remove("PGDATA");
        command
    }

    /// Writes a file of our configuration whole or not at all.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let (path, fresh) = (self.conf.join(name), self.conf.join(format!("{name}.new")));
        std::fs::write(&fresh, text).map_err(|e| place::error(&fresh, &e))?;
        std::fs::rename(&fresh, &path).map_err(|e| place::error(&path, &e))
    }

    fn configured_port(&self) -> Option<u16> {
        let text = std::fs::read_to_string(self.conf.join(CONF)).ok()?;
        text.lines().find_map(|line| line.strip_prefix("port = ")?.parse().ok())
    }
}

/// The lines that say why a server did not start, the fatal ones first.
fn worst_lines(log: &str) -> String {
    let fatal: Vec<&str> =
        log.lines().filter(|l| l.contains("FATAL:") || l.contains("PANIC:")).collect();
    if fatal.is_empty() { tail(log) } else { tail(&fatal.join("\n")) }
}
