//! A whole Amanah with its sample application, started as a user starts it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a first start may take on a slow machine.
const START: Duration = Duration::from_mins(5);

/// How often a busy machine is asked again.
const TRIES_WHEN_BUSY: usize = 6;

/// How long to wait before a condition is looked at again.
pub const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A running installation in a directory of its own.
pub struct House {
    pub data: PathBuf,
    pub address: String,
    variables: Vec<(&'static str, String)>,
    config: Option<PathBuf>,
    up: Child,
    dir: tempfile::TempDir,
}

/// The house that the tests of this process share, one test at a time: what one test turns off,
/// another would find off.
pub fn shared() -> MutexGuard<'static, House> {
    static SHARED: OnceLock<Mutex<House>> = OnceLock::new();
    let house = SHARED.get_or_init(|| {
        let house = House::start();
        testkit::guard(&house.data, house.dir.path());
        Mutex::new(house)
    });
    house.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The program, built once for each run of the tests: with the whole workspace, as `make test` has built
/// it. Alone, the program's dependencies lack what others of them ask for, and all of it is compiled anew.
pub fn program() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let cargo = env!("CARGO");
            let command = ["build", "--quiet", "--workspace", "--bins", "--examples"];
            let built = Command::new(cargo).args(command).current_dir(root()).status().unwrap();
            assert!(built.success(), "the program builds");
            root().join("target/debug/amanah")
        })
        .clone()
}

/// An example of the sample application, which is built with the program.
pub fn example(name: &str) -> PathBuf {
    program().parent().unwrap().join("examples").join(name)
}

/// Runs a command of Amanah to its end, in the checkout.
pub fn amanah(arguments: &[&str]) -> Output {
    amanah_with(&[], arguments)
}

/// As [`amanah`], with variables of the environment: an address with a password does not belong on
/// a command line, and the search for secrets of another test would rightly find it there.
pub fn amanah_with(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(program())
        .envs(variables.iter().copied())
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// A directory that the server's user can enter.
pub fn directory() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::Builder::new().prefix("amanah-proof-").tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

impl House {
    /// Starts `amanah up --demo` on free ports and waits until it says where it listens.
    pub fn start() -> Self {
        Self::start_with(Vec::new())
    }

    /// As [`House::start`], with variables of the environment for it and its commands.
    pub fn start_with(variables: Vec<(&'static str, String)>) -> Self {
        Self::settle(directory(), variables, None)
    }

    /// As [`House::start`], with this in its configuration.
    pub fn configured(text: &str) -> Self {
        Self::configured_with(Vec::new(), text)
    }

    /// As [`House::configured`], with variables of the environment too.
    pub fn configured_with(variables: Vec<(&'static str, String)>, text: &str) -> Self {
        let dir = directory();
        let config = dir.path().join("amanah.toml");
        std::fs::write(&config, text).unwrap();
        Self::settle(dir, variables, Some(config))
    }

    fn settle(
        dir: tempfile::TempDir,
        variables: Vec<(&'static str, String)>,
        config: Option<PathBuf>,
    ) -> Self {
        let data = dir.path().join("data");
        let up = Self::up(&data, &variables, config.as_deref());
        let mut house = Self { data, address: String::new(), variables, config, up, dir };
        house.address = house.wait_for_address();
        house
    }

    fn up(data: &Path, variables: &[(&'static str, String)], config: Option<&Path>) -> Child {
        // Into a file: a pipe would keep whoever reads our output waiting for that process too.
        let log = data.with_extension("log");
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        Command::new(program())
            .envs(variables.iter().cloned())
            .args(["up", "--demo", "--listen", "127.0.0.1:0", "--keys-listen", "127.0.0.1:0"])
            .arg("--data")
            .arg(data)
            .args(config.map(|file| [Path::new("--config"), file]).into_iter().flatten())
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn wait_for_address(&mut self) -> String {
        let begun = Instant::now();
        let file = self.data.join("running.json");
        let pid = self.up.id();
        while begun.elapsed() < START {
            if let Some(ended) = self.up.try_wait().unwrap() {
                panic!("amanah up ended at once: {ended}: {}", self.log());
            }
            let told = std::fs::read(&file).ok().and_then(|t| serde_json::from_slice(&t).ok());
            if let Some(told) = told.filter(|told: &Value| told["pid"] == pid) {
                return told["listen"].as_str().unwrap().to_owned();
            }
            std::thread::park_timeout(LOOK_AGAIN);
        }
        panic!("amanah up did not listen within {START:?}");
    }

    /// What it has told so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.with_extension("log")).unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.up.id()
    }

    pub fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap()
    }

    /// Runs a command on this installation.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(&[], arguments)
    }

    /// As [`House::run`], with more variables of the environment.
    pub fn run_with(&self, more: &[(&str, &str)], arguments: &[&str]) -> Output {
        let data = self.data.display().to_string();
        let own = self.variables.iter().map(|(n, v)| (*n, v.as_str()));
        let variables: Vec<_> = own.chain(more.iter().copied()).collect();
        let config = self.config.as_ref().map(|file| file.display().to_string());
        let config: Vec<&str> = config.iter().flat_map(|file| ["--config", file]).collect();
        amanah_with(&variables, &[arguments, &["--data", &data], &config].concat())
    }

    /// What the running process tells other commands.
    pub fn running(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.data.join("running.json")).unwrap()).unwrap()
    }

    /// Verifies, and returns the exit code and the claims by id.
    ///
    /// Tests run beside each other, and a machine that is too busy to compare the times of sign-ins
    /// says so: then it is asked again.
    pub fn verify(&self, arguments: &[&str]) -> (i32, Vec<Value>) {
        let busy = |claims: &[Value]| {
            claims.iter().any(|claim| claim["detail"].to_string().contains("machine is too busy"))
        };
        let mut answer = self.verify_once(arguments);
        for _ in 1..TRIES_WHEN_BUSY {
            if !busy(&answer.1) {
                break;
            }
            answer = self.verify_once(arguments);
        }
        answer
    }

    fn verify_once(&self, arguments: &[&str]) -> (i32, Vec<Value>) {
        let output = self.run(&[&["verify", "--json"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|e| {
            panic!("{e}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
        });
        let claims = report["claims"].as_array().unwrap().clone();
        (output.status.code().unwrap(), claims)
    }

    /// Runs statements as the superuser, by hand.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        let socket = std::fs::read_to_string(self.data.join("postgres/postmaster.pid")).unwrap();
        let lines: Vec<&str> = socket.lines().collect();
        let output = Command::new("psql")
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres"])
            .args(["-p", lines[3], "-h", lines[4], "-d", database, "-c", sql])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Kills the process as the kernel would, without a chance to tidy up, and starts it again.
    pub fn kill_and_restart(&mut self) {
        self.up.kill().unwrap();
        self.up.wait().unwrap();
        self.start_again();
    }

    /// Has this in its configuration from the next start on.
    pub fn reconfigure(&self, text: &str) {
        std::fs::write(self.config.as_ref().unwrap(), text).unwrap();
    }

    /// Starts it again after [`House::stop`].
    pub fn start_again(&mut self) {
        self.up = Self::up(&self.data, &self.variables, self.config.as_deref());
        self.address = self.wait_for_address();
    }

    /// Ends it as a user does.
    pub fn stop(&mut self) {
        self.stop_another();
        if self.up.try_wait().unwrap().is_none() {
            let pid = self.up.id().to_string();
            Command::new("kill").args(["-TERM", &pid]).status().unwrap();
            self.up.wait().unwrap();
        }
    }

    /// Ends the process that has become the house by an upgrade, which is not our child.
    fn stop_another(&self) {
        let told = std::fs::read(self.data.join("running.json")).unwrap_or_default();
        let told: Value = serde_json::from_slice(&told).unwrap_or_default();
        let another = told["pid"].as_u64().filter(|pid| *pid != u64::from(self.up.id()));
        let Some(pid) = another else { return };
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if !String::from_utf8_lossy(&command).contains(self.data.to_str().unwrap()) {
            return;
        }
        Command::new("kill").args(["-TERM", &pid.to_string()]).status().unwrap();
        while is_alive(pid) {
            std::thread::park_timeout(LOOK_AGAIN);
        }
    }
}

/// Whether a process runs. One that has ended and that nobody has waited for yet does not.
pub fn is_alive(process: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop();
    }
}
