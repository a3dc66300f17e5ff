//! A real PgBouncer, which shares a few connections between many clients.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use store::{DatabaseUrl, Host};

/// It listens on a socket in a folder of its own, so any port is free.
const PORT: u16 = 6432;
/// How long it may take to listen.
const START: Duration = Duration::from_secs(30);
/// How long to wait before it is looked again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A `PgBouncer` in front of one login of one database. It ends when it is
/// dropped.
#[derive(Debug)]
pub struct Pooler {
    process: Child,
    dir: tempfile::TempDir,
    url: DatabaseUrl,
}

/// Starts one that has `size` connections for all its clients.
pub fn pgbouncer(login: &DatabaseUrl, size: usize) -> Pooler {
    pgbouncer_with(login, size, "pool_mode = transaction")
}

/// As [`pgbouncer`], with these lines in its configuration.
pub fn pgbouncer_with(login: &DatabaseUrl, size: usize, more: &str) -> Pooler {
    let dir = tempfile::Builder::new().prefix("amanah-pooler-").tempdir().expect("a folder");
    // As root it becomes another user, who has to write here.
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).expect("chmod");
    let place = dir.path().display();
    let host = match &login.host {
        Host::Tcp(name) => name.clone(),
        Host::Socket(folder) => folder.display().to_string(),
    };
    let password = login.password.as_ref().map_or("", kernel::Secret::expose);
    let (name, user, port) = (&login.database, &login.user, login.port);
    std::fs::write(dir.path().join("users.txt"), format!("\"{user}\" \"{password}\"\n"))
        .expect("a file");
    let conf = format!(
        "[databases]\n{name} = host={host} port={port} dbname={name} pool_size={size}\n\
         [pgbouncer]\nlisten_port = {PORT}\nunix_socket_dir = {place}\n{more}\n\
         auth_type = scram-sha-256\nauth_file = {place}/users.txt\nlogfile = {place}/log\n\
         pidfile = {place}/pid\n"
    );
    let file = dir.path().join("pgbouncer.ini");
    std::fs::write(&file, conf).expect("a file");
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt as _;
        own.uid() == 0
    });
    let mut command = Command::new(program());
    if root {
        command.args(["-u", "postgres"]);
    }
    let process = command
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("PgBouncer starts");
    let url = DatabaseUrl {
        host: Host::Socket(dir.path().to_owned()),
        port: PORT,
        pinned: false,
        patience: None,
        ..login.clone()
    };
    let mut pooler = Pooler { process, dir, url };
    pooler.wait();
    pooler
}

fn program() -> &'static Path {
    let places = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].map(Path::new);
    let found = places.into_iter().find(|path| path.exists());
    found.expect("PgBouncer is not installed: run `make peers`")
}

impl Pooler {
    /// The same login through it.
    pub const fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    fn wait(&mut self) {
        let socket = self.dir.path().join(format!(".s.PGSQL.{PORT}"));
        let begun = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            let ended = self.process.try_wait().expect("its state");
            let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && begun.elapsed() < START, "no PgBouncer: {}", log());
            std::thread::park_timeout(LOOK_AGAIN);
        }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It has nothing to lose; whatever went wrong with it, the test has said.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
