//! The data directory: what belongs to one installation, and who may read it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use kernel::{Rng, Secret, SystemRng, random_hex};
use serde::{Deserialize, Serialize};

use crate::cli::Place;
use crate::edge::Faces;
use crate::exit::Usage;
use crate::known::DatabaseAt;
use crate::rights::RoutesAt;

/// Bytes of randomness in a password that Amanah makes.
const PASSWORD_BYTES: usize = 24;
/// The file with the installation's name, and the bytes of randomness in it.
const INSTALLATION: &str = "installation";
const INSTALLATION_BYTES: usize = 4;

/// An installation's directory.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    root: PathBuf,
}

/// What a running `amanah up` tells other commands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Running {
    /// The process.
    pub(crate) pid: u32,
    /// Where its gateway listens.
    pub(crate) listen: SocketAddr,
    /// Where applications ask for keys, when they are served.
    #[serde(default)]
    pub(crate) keys: Option<SocketAddr>,
    /// The paths of the application behind it that the proofs ask.
    pub(crate) upstream_paths: Vec<String>,
    /// Its configuration file, when it is not the shipped default, as an absolute path.
    pub(crate) config: Option<PathBuf>,
    /// What it scans for secrets, as absolute paths.
    pub(crate) scan: Vec<PathBuf>,
    /// The protected database that the application behind the gateway works on.
    #[serde(default)]
    pub(crate) behind: Option<DatabaseAt>,
    /// Where the application's routes are told.
    #[serde(default)]
    pub(crate) routes: Option<RoutesAt>,
    /// What its hashes of passwords cost.
    #[serde(default)]
    pub(crate) argon2: Option<String>,
    /// How its gateway shows itself.
    #[serde(default)]
    pub(crate) faces: Faces,
}

impl Data {
    /// Makes the directory if it is not there.
    pub(crate) fn open(root: &Path) -> anyhow::Result<Self> {
        let cannot = || {
            format!(
                "the data directory {} cannot be used; choose another with --data",
                root.display()
            )
        };
        fs::create_dir_all(root).with_context(cannot)?;
        let root = root.canonicalize().with_context(cannot)?;
        let data = Self { root };
        data.folder("secrets")?;
        Ok(data)
    }

    /// The installation that a command names.
    ///
    /// # Errors
    /// When there is none and the command begins none: its name is wrong then.
    pub(crate) fn of(place: &Place) -> anyhow::Result<Self> {
        let root = &place.data;
        let empty = || fs::read_dir(root).is_ok_and(|mut inside| inside.next().is_none());
        if !place.begins && (!root.exists() || empty()) {
            return Err(Usage(format!(
                "there is no installation in {}, and nothing was made. Name its directory with \
                 --data, or begin one with `amanah up`",
                root.display()
            ))
            .into());
        }
        Self::open(root)
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A folder of this installation that nobody else can enter.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.root.join(name);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(path)
    }

    /// What this installation is called, made at its first use.
    pub(crate) fn installation(&self, rng: &dyn Rng) -> anyhow::Result<Secret> {
        self.secret(INSTALLATION, || Ok(random_hex(rng, INSTALLATION_BYTES)?))
    }

    /// What it is called, if it has a name yet.
    pub(crate) fn known_installation(&self) -> anyhow::Result<Option<Secret>> {
        self.read_secret(INSTALLATION)
    }

    /// Gives it the name of an installation whose keys are to be brought back.
    pub(crate) fn become_installation(&self, name: &str) -> anyhow::Result<()> {
        let fits = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if name.len() != INSTALLATION_BYTES * 2 || !name.chars().all(fits) {
            bail!("`{}` is no name of an installation", name.escape_debug());
        }
        self.write_secret(INSTALLATION, &Secret::new(name.to_owned()))
    }

    /// A password of this installation, made at its first use.
    pub(crate) fn password(&self, name: &str, rng: &dyn Rng) -> anyhow::Result<Secret> {
        self.secret(&format!("{}.password", safe(name)), || Ok(random_hex(rng, PASSWORD_BYTES)?))
    }

    /// A private file's text, made by `make` at its first use.
    pub(crate) fn secret(
        &self,
        name: &str,
        make: impl FnOnce() -> anyhow::Result<String>,
    ) -> anyhow::Result<Secret> {
        if let Some(known) = self.read_secret(name)? {
            return Ok(known);
        }
        let fresh = Secret::new(make()?);
        self.write_secret(name, &fresh)?;
        Ok(fresh)
    }

    /// A private file's text, if it is there.
    pub(crate) fn read_secret(&self, name: &str) -> anyhow::Result<Option<Secret>> {
        let path = self.root.join("secrets").join(name);
        match fs::read_to_string(&path) {
            Ok(text) if text.trim().is_empty() => {
                bail!("{} is empty: put its backup back", path.display())
            }
            Ok(text) => Ok(Some(Secret::new(text.trim().to_owned()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    /// Writes a private file whole or not at all.
    pub(crate) fn write_secret(&self, name: &str, text: &Secret) -> anyhow::Result<()> {
        let path = self.root.join("secrets").join(name);
        replace(&path, text.expose().as_bytes(), 0o600)
    }

    /// Removes a private file that is of no use any more.
    pub(crate) fn forget_secret(&self, name: &str) -> anyhow::Result<()> {
        let path = self.root.join("secrets").join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} cannot be removed", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Removes a password of this installation, if there is one.
    pub(crate) fn forget_password(&self, name: &str) -> anyhow::Result<()> {
        self.forget_secret(&format!("{}.password", safe(name)))
    }

    /// The private files, for the proof that they are private.
    pub(crate) fn private_files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for folder in ["secrets", "tls", "keys", "keys/ring"] {
            let folder = self.folder(folder)?;
            let cannot = || format!("{} cannot be read", folder.display());
            for entry in fs::read_dir(&folder).with_context(cannot)? {
                let path = entry.with_context(cannot)?.path();
                // Certificates are public.
                if path.is_file() && path.extension().is_none_or(|e| e != "pem") {
                    files.push(path);
                }
            }
        }
        files.sort();
        Ok(files)
    }

    /// Takes this installation for one process. It is given back when the file is dropped, however
    /// the process ends.
    pub(crate) fn lock(&self) -> anyhow::Result<File> {
        let file = self.lock_file("amanah.lock")?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => bail!(
                "another amanah runs on {}. Stop it, or choose another directory with --data",
                self.root.display()
            ),
            Err(fs::TryLockError::Error(error)) => Err(error).context("the lock does not work"),
        }
    }

    /// Whether a process holds the installation.
    pub(crate) fn is_locked(&self) -> bool {
        let file = File::options().write(true).open(self.root.join("amanah.lock"));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
    }

    /// Waits until no other process opens or closes this installation: logins and schemas are made
    /// by one at a time. The turn ends when the file is dropped.
    pub(crate) async fn turn(&self) -> anyhow::Result<File> {
        let file = self.lock_file("turn.lock")?;
        let waited = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await?;
        waited.context("waiting for another command on this installation does not work")
    }

    /// Says that this process works on the installation, until the file is dropped.
    pub(crate) fn visit(&self) -> anyhow::Result<File> {
        let file = self.lock_file("visitors.lock")?;
        file.lock_shared().context("the lock of the visitors does not work")?;
        Ok(file)
    }

    fn lock_file(&self, name: &str) -> anyhow::Result<File> {
        let path = self.root.join(name);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        file.with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Tells other commands that this process runs.
    pub(crate) fn announce(&self, running: &Running) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(running)?;
        replace(&self.root.join("running.json"), &text, 0o644)
    }

    /// Writes a file below the directory, whole or not at all.
    pub(crate) fn replace(&self, name: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        replace(&self.root.join(name), bytes, 0o600)
    }

    /// What the running process told, if one runs.
    pub(crate) fn running(&self) -> Option<Running> {
        self.last_run().filter(|_| self.is_locked())
    }

    /// What the process that ran last told.
    pub(crate) fn last_run(&self) -> Option<Running> {
        serde_json::from_slice(&fs::read(self.root.join("running.json")).ok()?).ok()
    }
}

/// A text as part of a file's name: other characters than letters, digits, `-` and `_` are written
/// as their code, so that a role's or database's name never becomes a path.
pub(crate) fn safe(text: &str) -> String {
    let piece = |c: char| match c {
        c if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') => c.to_string(),
        other => format!("%{:x}", u32::from(other)),
    };
    text.chars().map(piece).collect()
}

/// Writes a file whole or not at all, and makes it last.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    keys::whole::replace(path, bytes, mode, &SystemRng)
        .with_context(|| format!("{} cannot be written; the old one was kept", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use kernel::SystemRng;

    use super::{Data, safe};

    #[test]
    fn a_password_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().unwrap();
        let data = Data::open(&dir.path().join("deep/data")).unwrap();
        let first = data.password("engine", &SystemRng).unwrap();
        assert_eq!(data.password("engine", &SystemRng).unwrap(), first);
        assert_eq!(first.expose().len(), 48);
        let file = data.private_files().unwrap().pop().unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "").unwrap();
        assert!(data.password("engine", &SystemRng).is_err(), "an emptied secret is not replaced");
    }

    #[test]
    fn a_name_never_becomes_a_path() {
        assert_ne!(safe("a/b"), safe("a_b"));
        assert!(!safe("../x").contains(['/', '.']));
    }

    #[test]
    fn one_process_holds_the_installation() {
        let dir = tempfile::tempdir().unwrap();
        let data = Data::open(dir.path()).unwrap();
        assert!(!data.is_locked());
        let lock = data.lock().unwrap();
        assert!(data.is_locked());
        assert!(data.lock().unwrap_err().to_string().contains("another amanah runs"));
        drop(lock);
        assert!(data.lock().is_ok());
    }
}
