//! The operating system's user that the server runs as. PostgreSQL refuses to run as root.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tokio::process::Command;

use crate::{Error, Result};

/// Where the system's own programs are: the server's tools call a shell.
const PROGRAMS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A user of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// Its name.
    pub(crate) name: String,
    uid: u32,
    gid: u32,
    /// Whether programs have to be started as somebody else.
    drop_privileges: bool,
}

impl Account {
    /// The user that the server runs as: `postgres` when we are root, else ourselves.
    pub(crate) fn for_server() -> Result<Self> {
        Self::service("postgres")?.map_err(|looked| Error::NoBinaries { looked })
    }

    /// The user that a server of ours runs as: `name` when we are root, else ourselves. The inner
    /// error says that there is no such user.
    pub(crate) fn service(name: &str) -> Result<std::result::Result<Self, String>> {
        let (me, users) = (effective_user()?, read("/etc/passwd")?);
        let is_root = me == 0;
        let found = users
            .lines()
            .filter_map(|line| Self::from_passwd(line, is_root))
            .find(|user| if is_root { user.name == name } else { user.uid == me });
        Ok(found.ok_or_else(|| {
            if is_root {
                format!("there is no user `{name}`")
            } else {
                format!("user {me} is not in /etc/passwd")
            }
        }))
    }

    /// The user that owns nothing, for programs of others that we start as root; ourselves when we
    /// are not root.
    fn for_others() -> Result<Option<Self>> {
        if effective_user()? != 0 {
            return Ok(None);
        }
        let users = read("/etc/passwd")?;
        let user = users.lines().filter_map(|line| Self::from_passwd(line, true));
        Ok(user.into_iter().find(|user| user.name == "nobody"))
    }

    /// The name of the user that Amanah runs as.
    pub(crate) fn own_name() -> Result<String> {
        let me = effective_user()?;
        if me == 0 {
            return Ok("root".to_owned());
        }
        Self::for_server().map(|user| user.name)
    }

    /// A command that runs as this user, and without our environment: a superuser of the server
    /// can read the server's, and ours may hold the secret that seals the keys.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", PROGRAMS);
        // A folder that this user can enter: ours may be closed to it.
        command.current_dir("/").stdin(std::process::Stdio::null()).kill_on_drop(true);
        if self.drop_privileges {
            // Supplementary groups are dropped with it.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives `path` to this user.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        if !self.drop_privileges {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .map_err(|e| Error::Path { path: path.to_owned(), why: e.to_string() })
    }

    /// Whether this user can enter `dir`.
    pub(crate) async fn can_enter(&self, dir: &Path) -> bool {
        if !self.drop_privileges {
            return true;
        }
        let test = self.command(Path::new("/usr/bin/test")).arg("-x").arg(dir).status().await;
        test.is_ok_and(|status| status.success())
    }

    /// Whether `path` belongs to this user.
    pub(crate) fn owns(&self, path: &Path) -> bool {
        std::fs::symlink_metadata(path).is_ok_and(|m| m.uid() == self.uid && m.is_dir())
    }

    fn from_passwd(line: &str, drop_privileges: bool) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Self { name, uid, gid, drop_privileges })
    }
}

/// A command that runs somebody else's program without our rights: as `nobody` when we are root.
/// A program in a folder that `nobody` cannot enter is run from a copy.
///
/// # Errors
/// When the users of the machine cannot be read, or the program cannot be copied.
pub async fn unprivileged(program: &Path) -> Result<Command> {
    let Some(nobody) = Account::for_others()? else { return Ok(Command::new(program)) };
    if nobody.can_enter(program).await {
        return Ok(nobody.command(program));
    }
    let copy = crate::place::copy_for_others(program)?;
    Ok(nobody.command(&copy))
}

fn effective_user() -> Result<u32> {
    // `/proc/self` belongs to the effective user.
    let path = Path::new("/proc/self");
    let found = std::fs::metadata(path);
    found.map(|m| m.uid()).map_err(|e| Error::Path { path: path.to_owned(), why: e.to_string() })
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Error::Path { path: path.into(), why: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn a_line_of_passwd_is_read() {
        let line = "postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash";
        let user = Account::from_passwd(line, true).unwrap();
        assert_eq!((user.name.as_str(), user.uid, user.gid), ("postgres", 101, 104));
        assert_eq!(Account::from_passwd("broken:x", true), None);
    }
}
