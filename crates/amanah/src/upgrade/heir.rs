//! The new process of an upgrade, until it is the house.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use anyhow::{Context as _, bail};
use gateway::{AttackMode, Listeners, Listening};
use tokio::time::timeout;

use super::wire::{Channel, FORM, Word};

/// How long the house that runs may take to say what there is.
const START_WITHIN: Duration = Duration::from_secs(10);

/// This process, as long as another one is the house.
pub(crate) struct Heir(Channel);

/// What a house is built with.
pub(crate) struct Inheritance {
    pub(crate) listeners: Listeners,
    /// Where applications ask for keys, if that is served.
    pub(crate) keys: Option<Listening>,
    /// Where the sample application listens, if it runs.
    pub(crate) application: Option<SocketAddr>,
    /// Where requests go now.
    pub(crate) upstream: Option<String>,
    /// How under-attack mode was set last.
    pub(crate) attack: AttackMode,
}

/// What one process alone has.
pub(crate) struct Yours {
    pub(crate) lock: File,
    /// The sample application's input and process.
    pub(crate) application: Option<(OwnedFd, OwnedFd)>,
}

impl Heir {
    /// Greets the house that runs and hears what there is. The standard input is empty afterwards.
    ///
    /// # Errors
    /// When there is no such house: it is it that starts this process, and nobody else.
    pub(crate) async fn meet() -> anyhow::Result<(Self, Inheritance)> {
        let end = io::stdin().as_fd().try_clone_to_owned()?;
        // What is started later is not to find it there.
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        let channel = Channel::of(end)?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        channel.say(&Word::Hello { form: FORM, version }, &[]).await?;
        let heard = timeout(START_WITHIN, channel.hear()).await;
        let (word, with) = heard.context("the house that runs does not say what there is")??;
        let Word::Start { clear, keys, application, upstream, attack } = word else {
            bail!("the house that runs says something else than what there is")
        };
        let mut with = with.into_iter().map(Listening::from);
        let mut next = || with.next().context("a listener is missing");
        let listeners =
            Listeners { main: next()?, clear: if clear { Some(next()?) } else { None } };
        let keys = if keys { Some(next()?) } else { None };
        let mode = AttackMode::ALL.into_iter().find(|mode| mode.name() == attack);
        let attack = mode.context("under-attack mode is set to what is not known here")?;
        Ok((Self(channel), Inheritance { listeners, keys, application, upstream, attack }))
    }

    /// Ends when the house that runs is gone, or has given this process up.
    pub(crate) async fn given_up(&self) -> anyhow::Error {
        match self.0.hear().await {
            Ok(_) => anyhow::anyhow!("the house that runs says something out of turn"),
            Err(error) => error,
        }
    }

    /// Says that all is built, and waits until this process alone is to go on.
    pub(crate) async fn take(&self) -> anyhow::Result<Yours> {
        self.0.say(&Word::Ready {}, &[]).await?;
        let (word, with) = self.0.hear().await?;
        if word != (Word::Yours {}) {
            bail!("the house that runs says something else than that it rests");
        }
        let mut with = with.into_iter();
        let lock = File::from(with.next().context("the lock of the data directory is missing")?);
        Ok(Yours { lock, application: with.next().zip(with.next()) })
    }

    /// Says that this process serves. Whoever is gone by then needs not know.
    pub(crate) async fn serves(self) {
        let _ = self.0.say(&Word::Serving {}, &[]).await;
    }

    /// Says why it does not.
    pub(crate) async fn fails(self, why: String) {
        let _ = self.0.say(&Word::Failed { why }, &[]).await;
    }
}
