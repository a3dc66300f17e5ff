//! The process that is to become the house, as the one that is it sees it.

use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::wire::{Channel, FORM, Word, pair};

/// What `amanah up` is told with, beside what it was started with.
pub(super) const TAKE_OVER: &str = "--take-over";
/// How long a program may take to say that it is Amanah.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// How long to wait for the exit code of one that has gone.
const CODE_WITHIN: Duration = Duration::from_secs(1);

/// It ends when this is dropped, unless it was released.
pub(super) struct Successor {
    child: Option<Child>,
    channel: Channel,
    pub(super) process: u32,
    pub(super) version: String,
}

impl Successor {
    /// Starts the program with these arguments, and waits until it says that it is Amanah. Until then it
    /// has nothing of the house but its environment.
    pub(super) async fn start(program: &Path, arguments: &[OsString]) -> anyhow::Result<Self> {
        let (channel, theirs) = pair()?;
        // The command goes before anything is heard: the end of the process is the end of its side.
        let child = Command::new(program)
            .args(arguments)
            .arg(TAKE_OVER)
            .stdin(Stdio::from(theirs))
            .spawn()
            .with_context(|| format!("{} does not start", program.display()))?;
        let process = child.id().unwrap_or_default();
        let mut new = Self { child: Some(child), channel, process, version: String::new() };
        match new.hear(HELLO_WITHIN, "say that it is Amanah").await? {
            Word::Hello { form: FORM, version } => new.version = version,
            Word::Hello { version, .. } => {
                bail!("{version} hands over in another form: restart instead")
            }
            _ => bail!("it says something else than that it is Amanah"),
        }
        Ok(new)
    }

    pub(super) async fn say(&self, word: &Word, with: &[BorrowedFd<'_>]) -> anyhow::Result<()> {
        self.channel.say(word, with).await
    }

    /// The next thing that it says. `what` it is to do meanwhile is for people.
    pub(super) async fn hear(&mut self, within: Duration, what: &str) -> anyhow::Result<Word> {
        let gone = match timeout(within, self.channel.hear()).await {
            Ok(Ok((Word::Failed { why }, _))) => bail!("{why}"),
            Ok(Ok((word, _))) => return Ok(word),
            Ok(Err(gone)) => gone,
            Err(_) => bail!("it did not {what} within {} s", within.as_secs()),
        };
        let Some(child) = &mut self.child else { return Err(gone) };
        match timeout(CODE_WITHIN, child.wait()).await {
            Ok(Ok(status)) => bail!("it did not {what} and ended, {status}"),
            _ => Err(gone),
        }
    }

    /// Ends it and sees it gone.
    pub(super) async fn end(mut self) {
        if let Some(mut child) = self.child.take()
            && let Err(error) = child.kill().await
        {
            tracing::error!(%error, process = self.process, "the new process could not be ended");
        }
    }

    /// It is the house now.
    pub(super) fn release(mut self) {
        drop(self.child.take());
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // An error means that it has ended already.
            let _ = child.start_kill();
        }
    }
}
