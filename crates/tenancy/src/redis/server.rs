//! The managed Redis: a server that Amanah makes, starts and owns, as it does with PostgreSQL.
//!
//! It is a daemon of its own: when Amanah is killed it goes on, and the next start finds it by its
//! pid file and adopts it. It writes nothing to the disk, because a cache of clear texts would lie
//! there; what is in it goes when it stops. The user `default` is off: without a login nothing is
//! answered, on the socket as little as on the loopback port.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kernel::{Rng, Secret, hex, random_hex};
use sha2::{Digest, Sha256};
use store::Quarters;
use tokio::process::Child;
use tokio::sync::OnceCell;

use super::wire::{Address, Door};
use super::{ADMIN, PASSWORD_BYTES, Site};
use crate::{Error, Result};

/// The program, where Debian puts it and no other is meant.
const PROGRAM: &str = "/usr/bin/redis-server";
/// What its directory is called in that of the installation.
const NAME: &str = "redis";
/// The user that Debian's package makes.
const USER: &str = "redis";
/// What to do when it is missing.
const INSTALL: &str = "install it with: apt-get install redis-server";
const CONF: &str = "redis.conf";
const LOG: &str = "server.log";
const PID: &str = "server.pid";
const SOCKET: &str = "redis.sock";
/// A server's log that has grown beyond this, in bytes, is begun anew at a start.
const MAX_LOG_BYTES: u64 = 16 << 20;
/// How often it is looked whether a server has come or gone, and for how long.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOKS: usize = 1000;

/// How the managed server is to run.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The directory that holds everything of this installation.
    pub data: PathBuf,
    /// The program, unless Debian's is meant.
    pub program: Option<PathBuf>,
    /// How much memory the tenants' keys may take together, in MiB.
    pub memory_mib: u32,
    /// The password of Amanah's own login on it.
    pub password: Secret,
}

/// A running managed server.
#[derive(Debug)]
pub struct Server {
    quarters: Quarters,
    program: PathBuf,
    memory_mib: u32,
    password: Secret,
    port: u16,
    /// Whether it was told how much memory it may take.
    limited: OnceCell<()>,
}

impl Server {
    /// Starts the server if it does not run, or adopts the one that runs, whether it answers at the
    /// moment or not: what is said of one that is not there must not be said of it. The inner error
    /// says why there can be none.
    ///
    /// # Errors
    /// When its directories cannot be made or it does not start.
    pub async fn open(
        settings: &ServerSettings,
        rng: &dyn Rng,
    ) -> Result<std::result::Result<Self, String>> {
        let program = settings.program.as_deref();
        if let Some(why) = Self::impossible(&settings.data, program) {
            return Ok(Err(why));
        }
        let program = program.unwrap_or(Path::new(PROGRAM)).to_owned();
        let quarters = match quarters(&settings.data, rng).await? {
            Ok(quarters) => quarters,
            Err(missing) => return Ok(Err(missing)),
        };
        let (memory_mib, password) = (settings.memory_mib, settings.password.clone());
        let limited = OnceCell::new();
        let mut server = Self { quarters, program, memory_mib, password, port: 0, limited };
        let before = server.configured_port();
        if let (true, Some(port)) = (server.is_running(), before) {
            server.port = port;
            server.limit().await;
        } else {
            server.port = Quarters::free_port(before)?;
            server.start().await?;
        }
        Ok(Ok(server))
    }

    /// Why there can be no managed server of the installation in `data`, if there can be none: it
    /// does not run, and its program is not there. `program` is Debian's unless another is named.
    pub fn impossible(data: &Path, program: Option<&Path>) -> Option<String> {
        // One that runs needs its program no more.
        if runs(&data.join(NAME)) {
            None
        } else {
            no_program(program.unwrap_or(Path::new(PROGRAM)))
        }
    }

    /// Whether the server runs, by its pid file and the process behind it.
    pub fn is_running(&self) -> bool {
        runs(&self.quarters.dir)
    }

    /// The file with the number of its process.
    pub fn pid_file(&self) -> PathBuf {
        self.quarters.dir.join(PID)
    }

    /// Starts the server again if it does not run, on the same port. Says whether it had to.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn revive(&self) -> Result<bool> {
        if self.is_running() {
            self.limit().await;
            return Ok(false);
        }
        self.start().await.map(|()| true)
    }

    /// Stops the server. What is in it is gone.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stop(&self) -> Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        match self.door().enter().await {
            // It answers by closing the connection.
            Ok(mut wire) => drop(wire.ask(["SHUTDOWN", "NOSAVE", "NOW", "FORCE"]).await),
            // Others may have taken all of its connections.
            Err(_) => self.terminate().await?,
        }
        for _ in 0..LOOKS {
            if !self.is_running() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(self.failed("it does not stop".to_owned()))
    }

    /// How Amanah itself enters.
    pub(super) fn door(&self) -> Door {
        Door {
            address: Address::Socket(self.quarters.socket.join(SOCKET)),
            user: ADMIN.to_owned(),
            password: self.password.clone(),
        }
    }

    /// Where applications connect.
    pub(super) fn for_applications(&self) -> Address {
        Address::Tcp { host: "127.0.0.1".to_owned(), port: self.port, tls: None }
    }

    pub(super) fn site(&self) -> Site {
        Site { door: self.door(), outside: self.for_applications() }
    }

    /// Tells it how much memory it may take, once: the configuration may have changed since it was
    /// started. When it does not answer, whoever asks it next is told.
    async fn limit(&self) {
        let limit = format!("{}mb", self.memory_mib);
        let tell = || async {
            let mut wire = self.door().enter().await?;
            wire.ask(["CONFIG", "SET", "maxmemory", &limit]).await.map(drop)
        };
        drop(self.limited.get_or_try_init(tell).await);
    }

    /// Asks its process to end, as its user, who can end nobody else's.
    async fn terminate(&self) -> Result<()> {
        let failed = |error: std::io::Error| self.failed(error.to_string());
        let pid = std::fs::read_to_string(self.pid_file()).map_err(failed)?;
        let mut command = self.quarters.command(Path::new("/bin/sh"));
        command.args(["-c", "kill -TERM \"$1\"", "kill", pid.trim()]);
        command.output().await.map(drop).map_err(failed)
    }

    async fn start(&self) -> Result<()> {
        if let Some(why) = no_program(&self.program) {
            return Err(self.failed(why));
        }
        let Quarters { dir, conf, .. } = &self.quarters;
        let log = dir.join(LOG);
        // What a link leads to is none of our business.
        let size = std::fs::symlink_metadata(&log).map_or(0, |m| m.len());
        if size > MAX_LOG_BYTES {
            std::fs::remove_file(&log).map_err(|e| self.failed(e.to_string()))?;
        }
        let before = if size > MAX_LOG_BYTES { 0 } else { size };
        let (file, fresh) = (conf.join(CONF), conf.join("redis.conf.new"));
        let written = std::fs::write(&fresh, self.configuration());
        let written = written.and_then(|()| std::fs::rename(&fresh, &file));
        written.map_err(|e| self.failed(e.to_string()))?;
        let mut command = self.quarters.command(&self.program);
        command.arg(&file).args(["--daemonize", "yes"]).stdout(Stdio::null());
        let output = command.output().await.map_err(|e| self.failed(e.to_string()))?;
        if output.status.success() {
            for _ in 0..LOOKS {
                if self.is_running() && self.door().enter().await.is_ok() {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        let said = Quarters::log_after(&log, before);
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(self.failed(if said.is_empty() { words } else { said }))
    }

    fn configuration(&self) -> String {
        let dir = &self.quarters.dir;
        format!(
            "# Written by Amanah at every start.\n\
             bind 127.0.0.1\n\
             port {}\n\
             unixsocket {}\n\
             dir {}\n\
             pidfile {}\n\
             logfile {}\n{}",
            self.port,
            quoted(&self.quarters.socket.join(SOCKET)),
            quoted(dir),
            quoted(&dir.join(PID)),
            quoted(&dir.join(LOG)),
            common(&self.password, self.memory_mib)
        )
    }

    fn configured_port(&self) -> Option<u16> {
        let text = std::fs::read_to_string(self.quarters.conf.join(CONF)).ok()?;
        text.lines().find_map(|line| line.strip_prefix("port ")?.parse().ok())
    }

    fn failed(&self, why: String) -> Error {
        Error::Redis { place: self.quarters.dir.display().to_string(), why }
    }
}

/// A server for a bite: it listens on a socket alone, holds nothing of anybody's, and ends with
/// this value.
pub(super) struct Scratch {
    pub(super) door: Door,
    child: Child,
    socket: PathBuf,
}

impl Scratch {
    /// Starts one beside the managed server of the installation in `data`. The inner error says
    /// why there can be none.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) async fn start(
        (data, program): (&Path, Option<&Path>),
        rng: &dyn Rng,
    ) -> Result<std::result::Result<Self, String>> {
        let program = program.unwrap_or(Path::new(PROGRAM));
        if let Some(why) = no_program(program) {
            return Ok(Err(why));
        }
        let quarters = match quarters(data, rng).await? {
            Ok(quarters) => quarters,
            Err(missing) => return Ok(Err(missing)),
        };
        let random = |bytes| random_hex(rng, bytes).map_err(store::Error::from);
        let (name, password) = (random(4)?, Secret::new(random(PASSWORD_BYTES)?));
        let socket = quarters.socket.join(format!("s-{name}"));
        let place = socket.display().to_string();
        let failed = |why: String| Error::Redis { place: place.clone(), why };
        let mut command = quarters.command(program);
        let child = command
            .args(["--port", "0", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(&quarters.dir)
            .args(["--save", ""])
            .args(["--user", "default", "off"])
            .args(["--user", ADMIN, "on", &format!("#{}", digest(&password)), "~*", "&*", "+@all"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| failed(e.to_string()))?;
        let address = Address::Socket(socket.clone());
        let door = Door { address, user: ADMIN.to_owned(), password };
        let scratch = Self { door, child, socket };
        for _ in 0..LOOKS {
            if scratch.door.enter().await.is_ok() {
                return Ok(Ok(scratch));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(failed("it did not start".to_owned()))
    }

    /// Ends it.
    pub(super) async fn end(mut self) {
        // It holds nothing, and goes with this value at the latest.
        drop(self.child.kill().await);
        drop(std::fs::remove_file(&self.socket));
    }
}

/// What every server of ours is told. Nothing of what tenants send is kept in logs.
fn common(password: &Secret, memory_mib: u32) -> String {
    let admin = digest(password);
    format!(
        "unixsocketperm 700\n\
         protected-mode yes\n\
         databases 1\n\
         save \"\"\n\
         appendonly no\n\
         slowlog-log-slower-than -1\n\
         latency-tracking no\n\
         notify-keyspace-events \"\"\n\
         maxclients 1000\n\
         tcp-keepalive 60\n\
         maxmemory {memory_mib}mb\n\
         maxmemory-policy allkeys-lru\n\
         maxmemory-clients 25%\n\
         proto-max-bulk-len 16mb\n\
         client-query-buffer-limit 32mb\n\
         client-output-buffer-limit normal 64mb 16mb 30\n\
         client-output-buffer-limit pubsub 8mb 2mb 30\n\
         acl-pubsub-default resetchannels\n\
         user default off\n\
         user {ADMIN} on #{admin} ~* &* +@all\n"
    )
}

async fn quarters(data: &Path, rng: &dyn Rng) -> Result<std::result::Result<Quarters, String>> {
    let quarters = Quarters::open(data, NAME, USER, rng).await?;
    Ok(quarters.map_err(|missing| format!("{missing}; {INSTALL}")))
}

/// Why no server can be started with a program, if none can.
fn no_program(program: &Path) -> Option<String> {
    (!program.exists()).then(|| format!("{} is not there; {INSTALL}", program.display()))
}

/// Whether the process in the pid file is alive and really works there: its number may have been
/// given to somebody else since.
fn runs(dir: &Path) -> bool {
    let works_in = || {
        let text = std::fs::read_to_string(dir.join(PID)).ok()?;
        let pid: u32 = text.trim().parse().ok()?;
        let works_in = std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
        Some(works_in == dir.canonicalize().ok()?)
    };
    works_in().unwrap_or(false)
}

/// The digest of a password, as Redis keeps it.
pub(super) fn digest(password: &Secret) -> String {
    hex(&Sha256::digest(password.expose().as_bytes()))
}

/// A path as an argument in Redis's configuration.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{text}\"")
}
