//! How a command speaks with the house that runs: a Unix socket in its data directory.
//!
//! Whoever may connect is the user that the house runs as, or root: the socket's mode says so, and the
//! system is asked who it is. One request is one line of JSON, and so is each thing that is said to it.
//! What a request has begun goes on when its command is gone.

use std::fs::{self, File, Permissions};
use std::future::Future;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use gateway::{AttackDesk, AttackMode, AttackStanding, Gateway};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::data::Data;
use crate::exit::Usage;
use crate::installation::Installation;
use crate::out;
use crate::releases::{Ended, Releases, Standing};
use crate::upgrade::{Upgraded, Upgrader};

/// The socket in the data directory.
const SOCKET: &str = "control.sock";
/// Where it is made, so that nobody else can reach it before its mode is set.
const WORKSHOP: &str = "control";
/// The longest line either way, in bytes.
const MAX_LINE_BYTES: u64 = 64 << 10;
/// How long a command may take to say what it wants, and to take a line.
const LINE_WITHIN: Duration = Duration::from_secs(5);
/// How long the house may say nothing: while a release is not healthy, there is nothing to say.
const SILENT_AT_MOST: Duration = Duration::from_mins(3);
/// The most commands at one time; more wait.
const MAX_COMMANDS: usize = 8;
/// How long to wait when the system has no file descriptor left for another command.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a command wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Wish {
    /// Another release of the application.
    Switch { to: String, watch_seconds: u64, health: Option<String> },
    /// Another program in place of the house's own; without a name, the one where its own lay.
    Upgrade { program: Option<PathBuf>, drain_seconds: u64 },
    /// Which release there is.
    Releases {},
    /// Under-attack mode: this from now on, or how it is.
    Attack { set: Option<String> },
}

/// What the house says. Steps come before anything else, and anything else is the last.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(crate) enum Said {
    Step {
        text: String,
    },
    Ended(Ended),
    Upgraded(Upgraded),
    Releases(Standing),
    Attack(AttackTold),
    /// It was not done, and whether it is the caller who has to ask otherwise.
    Refused {
        why: String,
        usage: bool,
    },
}

/// How under-attack mode stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AttackTold {
    pub(crate) mode: String,
    pub(crate) on: bool,
    pub(crate) strangers_per_second: u64,
    pub(crate) people_per_second: u64,
    pub(crate) lag_ms: u64,
    pub(crate) bits: u8,
}

impl From<AttackStanding> for AttackTold {
    fn from(standing: AttackStanding) -> Self {
        Self {
            mode: standing.mode.name().to_owned(),
            on: standing.on,
            strangers_per_second: standing.strangers,
            people_per_second: standing.people,
            lag_ms: u64::try_from(standing.lag.as_millis()).unwrap_or(u64::MAX),
            bits: standing.bits,
        }
    }
}

/// What commands reach.
#[derive(Clone)]
struct Hands {
    releases: Arc<Releases>,
    upgrader: Arc<Upgrader>,
    attack: AttackDesk,
    /// A switch or an upgrade: one at a time, since a program that starts reads where requests go.
    changing: Arc<Mutex<()>>,
}

/// The socket of a house that runs.
pub(crate) struct Control {
    listener: UnixListener,
    socket: PathBuf,
    /// Who may connect, besides root.
    uid: u32,
    hands: Hands,
}

/// Makes the socket of a house; before the sample application nothing is remembered.
pub(crate) fn open(
    house: &Installation,
    gateway: &Gateway,
    demo: bool,
    upgrader: Upgrader,
) -> anyhow::Result<Control> {
    let upstream = &house.config.upstream;
    let (clock, configured) = (Arc::clone(&house.cx.clock), (!demo).then(|| upstream.url.clone()));
    let (data, health) = (house.data.clone(), upstream.health().to_owned());
    let releases = Releases::new(gateway.deployer(), data, configured, health, clock);
    let hands = Hands {
        releases: Arc::new(releases),
        upgrader: Arc::new(upgrader),
        attack: gateway.attack(),
        changing: Arc::default(),
    };
    Control::bind(&house.data, hands)
}

impl Control {
    /// Makes the socket, in place of one that an earlier run has left. The house is locked by us.
    fn bind(data: &Data, hands: Hands) -> anyhow::Result<Self> {
        let socket = data.root().join(SOCKET);
        let made = data.folder(WORKSHOP).and_then(|workshop| Ok(make(&workshop, &socket)?));
        let (listener, uid) =
            made.with_context(|| format!("{} cannot be made", socket.display()))?;
        Ok(Self { listener, socket, uid, hands })
    }

    /// Serves until `stop` ends.
    pub(crate) async fn keep(mut self, stop: impl Future<Output = ()>) {
        let course = self.hands.upgrader.course.clone();
        let listening = async {
            let mut commands = JoinSet::new();
            let mut back = Box::pin(course.clone().comes_back());
            loop {
                tokio::select! {
                    () = &mut back => {
                        // The other process may have made its own in place of ours.
                        self.again();
                        back = Box::pin(course.clone().comes_back());
                    }
                    Some(_) = commands.join_next() => {}
                    accepted = self.listener.accept(), if commands.len() < MAX_COMMANDS => {
                        match accepted {
                            Ok((stream, _)) if self.admits(&stream) => {
                                commands.spawn(serve(stream, self.hands.clone()));
                            }
                            Ok(_) => tracing::warn!("another user's command was not listened to"),
                            Err(error) => {
                                tracing::warn!(%error, "a command could not be listened to");
                                tokio::time::sleep(ACCEPT_PAUSE).await;
                            }
                        }
                    }
                }
            }
        };
        tokio::select! {
            () = stop => {}
            () = listening => {}
        }
        if !course.is_given_over() {
            // The next run replaces it anyway.
            let _ = fs::remove_file(&self.socket);
        }
    }

    fn again(&mut self) {
        let Some(root) = self.socket.parent() else { return };
        match make(&root.join(WORKSHOP), &self.socket) {
            Ok((listener, _)) => self.listener = listener,
            Err(error) => {
                tracing::error!(%error, "commands may not reach the house until it is started again");
            }
        }
    }

    fn admits(&self, stream: &UnixStream) -> bool {
        stream.peer_cred().is_ok_and(|peer| peer.uid() == self.uid || peer.uid() == 0)
    }
}

/// Makes the socket under its name, with its mode. Says whose it is too.
fn make(workshop: &Path, socket: &Path) -> io::Result<(UnixListener, u32)> {
    let new = workshop.join(SOCKET);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = through(workshop, UnixListener::bind)?;
    fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    let uid = fs::symlink_metadata(&new)?.uid();
    fs::rename(&new, socket)?;
    Ok((listener, uid))
}

/// Names the socket in a folder by a path that is short however long the folder's is: the system takes
/// 107 bytes.
fn through<T>(folder: &Path, act: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    let folder = File::open(folder)?;
    act(PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd())))
}

/// One command. A line that it does not take ends its connection, and nothing else.
async fn serve(mut stream: UnixStream, hands: Hands) {
    let wish = match timeout(LINE_WITHIN, wish(&mut stream)).await {
        Ok(Ok(wish)) => wish,
        Ok(Err(why)) => {
            let refused = Said::Refused { why, usage: true };
            let _ = say(&mut stream, &refused).await;
            return;
        }
        Err(_) => return,
    };
    let (sender, mut lines) = mpsc::unbounded_channel();
    // On its own: a switch ends as it should, whether anybody looks on or not.
    tokio::spawn(fulfil(wish, hands, sender));
    while let Some(said) = lines.recv().await {
        if say(&mut stream, &said).await.is_err() {
            return;
        }
    }
}

/// The one line of a command, or why it is none.
async fn wish(stream: &mut UnixStream) -> Result<Wish, String> {
    let mut line = Vec::new();
    let mut bounded = BufReader::new(stream).take(MAX_LINE_BYTES);
    let read = bounded.read_until(b'\n', &mut line).await;
    read.map_err(|error| error.to_string())?;
    understood(&line)
}

fn understood(line: &[u8]) -> Result<Wish, String> {
    if line.last() != Some(&b'\n') {
        return Err("what was asked is longer than 64 KiB or was not asked to its end".to_owned());
    }
    serde_json::from_slice(line).map_err(|error| {
        format!("what was asked is not understood ({error}); is the command of the same version?")
    })
}

async fn say(stream: &mut UnixStream, said: &Said) -> io::Result<()> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    let written = timeout(LINE_WITHIN, stream.write_all(&line)).await;
    written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn fulfil(wish: Wish, hands: Hands, sender: mpsc::UnboundedSender<Said>) {
    let Hands { releases, upgrader, attack, changing } = hands;
    // Where nobody listens any more, there is nobody to tell.
    let tell = |said| {
        let _ = sender.send(said);
    };
    match wish {
        Wish::Releases {} => tell(Said::Releases(releases.standing())),
        Wish::Attack { set } => tell(attacked(&attack, set.as_deref())),
        Wish::Switch { .. } | Wish::Upgrade { .. } => {
            let Ok(_turn) = changing.try_lock() else {
                let why = "another switch or upgrade is under way, so nothing was changed; wait for its end";
                return tell(Said::Refused { why: why.to_owned(), usage: false });
            };
            let step = |text| tell(Said::Step { text });
            tell(changed(wish, &releases, &upgrader, &step).await.unwrap_or_else(|error| {
                Said::Refused { why: out::words(&error), usage: error.is::<Usage>() }
            }));
        }
    }
}

/// Another release, or another program of our own.
async fn changed(
    wish: Wish,
    releases: &Releases,
    upgrader: &Upgrader,
    step: &(dyn Fn(String) + Send + Sync),
) -> anyhow::Result<Said> {
    match wish {
        Wish::Switch { to, watch_seconds, health } => {
            let watch = Duration::from_secs(watch_seconds);
            Ok(Said::Ended(releases.switch(&to, watch, health.as_deref(), step).await?))
        }
        Wish::Upgrade { program, drain_seconds } => {
            let drain = Duration::from_secs(drain_seconds);
            Ok(Said::Upgraded(upgrader.upgrade(program.as_deref(), drain, step).await?))
        }
        Wish::Releases {} | Wish::Attack { .. } => anyhow::bail!("this changes nothing"),
    }
}

/// Sets under-attack mode if that is wanted, and says how it stands.
fn attacked(desk: &AttackDesk, set: Option<&str>) -> Said {
    if let Some(name) = set {
        let Some(mode) = AttackMode::ALL.into_iter().find(|mode| mode.name() == name) else {
            let why =
                format!("there is no mode `{name}` of under-attack mode; nothing was changed");
            return Said::Refused { why, usage: true };
        };
        desk.set(mode);
    }
    Said::Attack(desk.standing().into())
}

/// Asks the house that runs on `data`, hears each step, and returns what it said last.
///
/// # Errors
/// When none runs there, or when it cannot be understood.
pub(crate) async fn ask(
    data: &Data,
    wish: &Wish,
    mut step: impl FnMut(&str),
) -> anyhow::Result<Said> {
    let root = data.root().display();
    if !data.is_locked() {
        anyhow::bail!("no house runs on {root}, so nothing was done; start it with `amanah up`");
    }
    let connected = through(data.root(), std::os::unix::net::UnixStream::connect);
    let connected = connected.and_then(|stream| {
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    });
    let stream = connected.with_context(|| {
        format!(
            "the house on {root} does not listen to commands, so nothing was done; ask as the user that \
             it runs as, or wait until it has started"
        )
    })?;
    let (read, mut write) = stream.into_split();
    let mut line = serde_json::to_vec(wish)?;
    line.push(b'\n');
    write.write_all(&line).await.context("the house does not take commands")?;
    let gone = "the house went away before it said how it ended; `amanah deploy status` says it";
    let mut lines = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut lines).take(MAX_LINE_BYTES);
        let read = timeout(SILENT_AT_MOST, bounded.read_until(b'\n', &mut line)).await;
        if read.context(gone)?.context(gone)? == 0 {
            anyhow::bail!(gone);
        }
        let said = serde_json::from_slice(&line);
        match said.context("what the house says is not understood; is it of the same version?")? {
            Said::Step { text } => step(&text),
            last => return Ok(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Wish, understood};

    /// One form, and whatever else comes is refused in words.
    #[test]
    fn a_wish_is_one_line() {
        let wish = Wish::Switch { to: "http://a:1".to_owned(), watch_seconds: 30, health: None };
        let mut line = serde_json::to_vec(&wish).unwrap();
        assert!(understood(&line).is_err(), "not to its end");
        line.push(b'\n');
        assert_eq!(understood(&line), Ok(wish));
        testkit::try_damaged("control", &[line], |bytes| understood(bytes).is_ok());
        for wrong in ["\n", "{}\n", "{\"do\":\"stop\"}\n", "{\"do\":\"releases\",\"x\":1}\n"] {
            assert!(
                understood(wrong.as_bytes()).unwrap_err().contains("not understood"),
                "{wrong}"
            );
        }
    }
}
