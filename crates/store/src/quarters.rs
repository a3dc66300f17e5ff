//! Where another server of this installation lives: its directory, its socket, its configuration,
//! and the user that it runs as. The same rules as the managed cluster's.

use std::path::{Path, PathBuf};

use kernel::Rng;
use tokio::process::Command;

use crate::account::Account;
use crate::{Result, place};

/// The directories of a server and its user.
#[derive(Debug, Clone)]
pub struct Quarters {
    /// The server's own directory. Nobody but its user enters it.
    pub dir: PathBuf,
    /// The directory of its socket, likewise.
    pub socket: PathBuf,
    /// The directory of our configuration: the server's user may read it and nothing more.
    pub conf: PathBuf,
    account: Account,
}

impl Quarters {
    /// Makes what is missing of the directories of server `name` in `data`, for the user `user`
    /// when we are root and for ourselves otherwise. The inner error says that there is no such
    /// user.
    ///
    /// # Errors
    /// When a directory cannot be made or belongs to somebody else.
    pub async fn open(
        data: &Path,
        name: &str,
        user: &str,
        rng: &dyn Rng,
    ) -> Result<std::result::Result<Self, String>> {
        let account = match Account::service(user)? {
            Ok(account) => account,
            Err(missing) => return Ok(Err(missing)),
        };
        let dir = place::server_dir(data, name, &account, rng).await?;
        if !dir.exists() {
            place::make_dir(&dir, 0o700)?;
        }
        account.own(&dir)?;
        let (socket, conf) = (place::socket_dir(&dir, &account)?, place::conf_dir(&dir)?);
        Ok(Ok(Self { dir, socket, conf, account }))
    }

    /// A command that runs as the server's user, without our environment.
    pub fn command(&self, program: &Path) -> Command {
        self.account.command(program)
    }

    /// The port of last time if nobody has taken it, else one that is free now.
    ///
    /// # Errors
    /// When the machine has none.
    pub fn free_port(before: Option<u16>) -> Result<u16> {
        place::free_port(before)
    }

    /// The last lines of what a server wrote to its log after the first `from` bytes.
    pub fn log_after(log: &Path, from: u64) -> String {
        crate::programs::tail(&place::text_after(log, from))
    }
}
