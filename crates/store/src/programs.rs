//! PostgreSQL's own programs: the server of the managed cluster, and the dump behind a sandbox.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::{DatabaseUrl, Error, Host, Result, Version};

/// Where Debian keeps one folder for each major version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// How many of the last lines of a program's output an error repeats.
const TAIL_LINES: usize = 3;

/// The folder of one version's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    dir: PathBuf,
    version: Version,
}

impl Programs {
    /// Finds the newest installed server programs that are safe, or those in `dir`.
    ///
    /// # Errors
    /// When there are none, or only such as are too old; the error says how to install them.
    pub async fn find(dir: Option<&Path>) -> Result<Self> {
        let mut newest: Option<Self> = None;
        for candidate in candidates(dir) {
            let Some(version) = version_in(&candidate).await else {
                continue;
            };
            let found = Self { dir: candidate, version };
            if newest.as_ref().is_none_or(|known| found.version.0 > known.version.0) {
                newest = Some(found);
            }
        }
        let found = newest.ok_or_else(|| Error::NoBinaries {
            looked: dir.map_or_else(|| format!("{DEBIAN}/*/bin"), |d| d.display().to_string()),
        })?;
        found.version.check()?;
        Ok(found)
    }

    /// The version of these programs.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The path of one of them.
    pub fn path(&self, program: &str) -> PathBuf {
        self.dir.join(program)
    }

    /// A client program, told where to connect through its environment: an argument could be read
    /// by every user of the machine.
    pub(crate) fn client(&self, program: &str, url: &DatabaseUrl) -> Command {
        let mut command = Command::new(self.path(program));
        match &url.host {
            Host::Tcp(name) => command.env("PGHOST", name),
            Host::Socket(dir) => command.env("PGHOST", dir),
        };
        command
            .env("PGPORT", url.port.to_string())
            .env("PGUSER", &url.user)
            .env("PGDATABASE", &url.database)
            .env("PGAPPNAME", "amanah")
            .current_dir("/")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        match &url.password {
            Some(password) => command.env("PGPASSWORD", password.expose()),
            None => command.env_remove("PGPASSWORD"),
        };
        if url.tls {
            command.env("PGSSLMODE", "require");
        }
        if url.bound {
            command.env("PGCHANNELBINDING", "require");
        }
        command
    }
}

/// Runs `command` to its end and returns what it wrote.
///
/// # Errors
/// [`Error::Program`] with its last lines, when it fails or cannot be started.
pub(crate) async fn run(program: &'static str, command: &mut Command) -> Result<Vec<u8>> {
    let failed = |why: String| Error::Program { program, why };
    let output = command.output().await.map_err(|e| failed(e.to_string()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    Err(failed(tail(&String::from_utf8_lossy(words))))
}

/// The last lines of a program's output, in one line; a full disk in words that say what to do,
/// since the line about it is seldom the last.
pub(crate) fn tail(text: &str) -> String {
    if text.contains("No space left on device") {
        return "the disk is full. Make room and start again; nothing was lost".to_owned();
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines.get(from..).unwrap_or_default().join(" / ")
}

fn candidates(dir: Option<&Path>) -> Vec<PathBuf> {
    if let Some(dir) = dir {
        return vec![dir.to_owned()];
    }
    let Ok(majors) = std::fs::read_dir(DEBIAN) else {
        return Vec::new();
    };
    majors.flatten().map(|major| major.path().join("bin")).collect()
}

async fn version_in(dir: &Path) -> Option<Version> {
    let output = Command::new(dir.join("postgres")).arg("--version").output().await.ok()?;
    Version::find(&String::from_utf8_lossy(&output.stdout))
}
