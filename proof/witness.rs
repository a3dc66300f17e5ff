//! A witness as a process of its own, killed in between; this process is the log.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::handover::{Contradiction, Door, Handover, Reply};
use audit::seal::{Folder, Growth, LogReader, Shelf};
use kernel::{Clock as _, Fut, SystemClock};
use serde_json::Value;
use tlog::{Checkpoint, Note, Signer, WitnessKey};

use crate::house::{House, LOOK_AGAIN, program};
use crate::web::get;

const LOG: &str = "amanah-ab12/shop";
/// How long something may take on a slow machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running witness.
struct Witness {
    child: Child,
    address: String,
    key: WitnessKey,
    /// What it had seen when it started.
    seen: Option<u64>,
}

impl Witness {
    fn start(data: &Path, log: &str) -> Self {
        let mut child = Command::new(program())
            .args(["audit", "witness", "--json", "--listen", "127.0.0.1:0"])
            .args(["--log", log, "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::options().create(true).append(true).open(said(data)).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        Self {
            address: told["address"].as_str().unwrap().trim_start_matches("http://").to_owned(),
            key: told["key"].as_str().unwrap().parse().unwrap(),
            seen: told["logs"][0]["size"].as_u64(),
            child,
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a witness on `data` tells what it notices.
fn said(data: &Path) -> PathBuf {
    data.with_extension("log")
}

/// HTTP to where the witness listens.
struct Way(String);

impl Door for Way {
    fn add(&self, request: String) -> Fut<'_, Result<Reply, String>> {
        let address = self.0.clone();
        Box::pin(async move {
            let asked = tokio::task::spawn_blocking(move || {
                ask(
                    &address,
                    &format!(
                        "POST /add-checkpoint HTTP/1.1\r\nContent-Length: {}\r\n\
                                        Host: localhost\r\nConnection: close\r\n\r\n{request}",
                        request.len()
                    ),
                )
            });
            asked.await.unwrap().map_err(|error| error.to_string())
        })
    }
}

fn ask(address: &str, request: &str) -> std::io::Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let cut = || std::io::Error::other("the answer was cut off");
    let (head, text) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(Reply { status: status.ok_or_else(cut)?, text: text.to_owned() })
}

/// The log: its folder, its key, and how many entries it has.
struct Log {
    shelf: Arc<dyn Shelf>,
    signer: Signer,
}

impl Log {
    fn in_folder(folder: &Path) -> Self {
        let signer = Signer::from_seed(LOG, &[7; 32]).unwrap();
        Self { shelf: Arc::new(Folder::new(folder)), signer }
    }

    fn key(&self) -> String {
        self.signer.verifier().to_string()
    }

    async fn grow(&self, entries: &[&str]) -> u64 {
        let before = self.shelf.checkpoint().await.unwrap();
        let mut growth = Growth::default();
        if let Some(stored) = &before {
            let note = Note::parse(&stored.note).unwrap();
            let head = Checkpoint::parse(note.text()).unwrap();
            let reader = LogReader::new(Arc::clone(&self.shelf), head.size);
            growth = Growth::resume(&reader, head.root).await.unwrap();
        }
        let entries: Vec<Vec<u8>> = entries.iter().map(|entry| entry.as_bytes().to_vec()).collect();
        self.shelf.put(growth.grow(&entries).unwrap()).await.unwrap();
        let more = vec![format!("time {}", SystemClock.now())];
        let (origin, size, root) = (LOG.to_owned(), growth.size(), growth.root());
        let text = Checkpoint { origin, size, root, more }.to_string();
        let note = Note::new(text).unwrap().signed(&self.signer).to_string();
        self.shelf.replace_checkpoint(before.as_ref(), &note).await.unwrap();
        size
    }

    fn watch(&self, witness: &Witness) -> Handover {
        let door: Arc<dyn Door> = Arc::new(Way(witness.address.clone()));
        Handover::new(
            vec![self.signer.verifier().clone()],
            Arc::clone(&self.shelf),
            vec![(witness.key.clone(), door)],
            SystemClock.now(),
        )
    }
}

/// The cosigned checkpoint that anybody can fetch.
fn fetched(witness: &Witness) -> (u64, Note) {
    let path = "/checkpoint/amanah-ab12/shop";
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let reply = ask(&witness.address, &request).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text);
    let note = Note::parse(&reply.text).unwrap();
    note.seen_by(&witness.key).unwrap();
    (Checkpoint::parse(note.text()).unwrap().size, note)
}

/// However often it is killed, it never forgets what it has said.
#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_is_killed_forgets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("witness");
    let log = Log::in_folder(&dir.path().join("log"));
    let mut witness = Witness::start(&data, &log.key());
    let key = witness.key.clone();
    let mut watch = log.watch(&witness);
    let (mut said, mut killed_in_between) = (0, 0);
    for n in 0..12 {
        log.grow(&[&format!("entry {n}")]).await;
        // Killed while the request is under way: before it is read, before it is kept, or after.
        let under_way = async {
            watch.round(SystemClock.now()).await.unwrap();
            watch.standings()[0].size
        };
        let kill = async {
            for _ in 0..n * 40 {
                tokio::task::yield_now().await;
            }
            witness.kill();
        };
        let (size, ()) = tokio::join!(under_way, kill);
        let size = size.unwrap_or_default();
        killed_in_between += u64::from(size <= said);
        said = said.max(size);
        witness = Witness::start(&data, &log.key());
        assert_eq!(witness.key, key, "it is the same witness");
        assert!(witness.seen.unwrap_or_default() >= said, "{n}: {said} was said");
        log.grow(&[&format!("more {n}")]).await;
        // Ours begins anew too, so that it does not wait for its next turn.
        watch = log.watch(&witness);
        watch.round(SystemClock.now()).await.unwrap();
        said = watch.standings()[0].size.unwrap();
        assert_eq!(fetched(&witness).0, said);
    }
    assert_eq!(said, 24, "and the log goes on, {killed_in_between} times after a cut");
}

/// A log that is put back and goes on otherwise is refused by the process, at every size, and named;
/// the witness was killed and started again in between.
#[tokio::test(flavor = "multi_thread")]
async fn another_history_is_refused_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("witness");
    let (log, fork) =
        (Log::in_folder(&dir.path().join("log")), Log::in_folder(&dir.path().join("fork")));
    let mut witness = Witness::start(&data, &log.key());
    for history in [&log, &fork] {
        history.grow(&["a", "b"]).await;
    }
    log.grow(&["c", "d", "e"]).await;
    let mut honest = log.watch(&witness);
    honest.round(SystemClock.now()).await.unwrap();
    let known = fetched(&witness);
    witness.kill();
    let witness = Witness::start(&data, &log.key());
    let expected = [
        (&[][..], Contradiction::Ahead { seen: 5, ours: 2 }),
        (&["x", "y", "z"], Contradiction::Split { seen: 5 }),
        (&["more"], Contradiction::Forked { seen: 5 }),
    ];
    for (entries, how) in expected {
        if !entries.is_empty() {
            fork.grow(entries).await;
        }
        let mut watch = fork.watch(&witness);
        watch.round(SystemClock.now()).await.unwrap();
        assert_eq!(watch.standings()[0].contradicts, Some(how));
        assert_eq!(fetched(&witness), known, "what it has signed stays");
    }
    let said = std::fs::read_to_string(said(&data)).unwrap();
    for named in ["split view", "not shown to continue"] {
        assert!(said.contains(named) && said.contains(LOG), "{named}: {said}");
    }
    let evidence = std::fs::read_dir(data.join("witness/evidence")).unwrap().count();
    assert_eq!(evidence, 1, "of one log");
}

/// The whole: a running Amanah seals a database and has the seal witnessed; the log is lost and begun
/// anew, and the witness does not take it.
#[test]
fn a_running_amanah_is_witnessed() {
    let mut house = House::configured("");
    let folder = house.data.join("trail/demo");
    until(&house, "sealed", || folder.join("checkpoint").exists());
    let told = house.run(&["audit", "checkpoint", "--database", "demo", "--key"]);
    let key = String::from_utf8(told.stdout).unwrap().lines().next().unwrap().to_owned();
    assert!(get(&house, "/trust").body.contains("Self-attested"));
    let data = house.data.with_extension("witness");
    let witness = Witness::start(&data, &key);
    house.stop();
    let Witness { address, key, .. } = &witness;
    house.reconfigure(&format!("[trail]\nwitnesses = [\"http://{address} {key}\"]\n"));
    house.start_again();
    let cosigned = || {
        let text = std::fs::read_to_string(folder.join("checkpoint.cosigned")).ok()?;
        let note = Note::parse(&text).unwrap();
        note.seen_by(key).unwrap();
        Some(Checkpoint::parse(note.text()).unwrap().size)
    };
    until(&house, "cosigned", || cosigned().is_some());
    let before = cosigned();
    house.psql("demo", "UPDATE products SET name = name || ' (new)'");
    until(&house, "cosigned again", || cosigned() > before);
    let page = get(&house, "/trust").body;
    assert!(page.contains(key.name()) && !page.contains("Self-attested"), "{page}");
    let metrics = get(&house, "/metrics").body;
    assert!(metrics.contains("amanah_trail_witness_contradicts{") && metrics.contains("} 0\n"));
    house.stop();
    let seen = std::fs::read(logs(&data)).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    house.start_again();
    until(&house, "told", || house.log().contains("A WITNESS HAS SEEN ANOTHER HISTORY"));
    let contradicts =
        |line: &str| line.starts_with("amanah_trail_witness_contradicts{") && line.ends_with(" 1");
    assert!(get(&house, "/metrics").body.lines().any(contradicts));
    assert_eq!(std::fs::read(logs(&data)).unwrap(), seen, "the witness keeps what it has seen");
}

/// The one log that a witness keeps.
fn logs(data: &Path) -> PathBuf {
    let files = std::fs::read_dir(data.join("witness/logs")).unwrap();
    files.map(|file| file.unwrap().path()).next().unwrap()
}

fn until(house: &House, what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "never {what}: {}", house.log());
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// It is told to stop, and stops.
#[test]
fn a_witness_stops_when_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::in_folder(&dir.path().join("log"));
    let mut witness = Witness::start(&dir.path().join("witness"), &log.key());
    let pid = witness.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(witness.child.wait().unwrap().code(), Some(0));
}
