//! A gateway that runs out of file descriptors: in a process of its own, since the limit is the process's.

use std::fs;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::{Edge, PATIENCE, SIGNED_IN, read_until, status, values};
use crate::{LimitSettings, client_config};

/// What each of its lines begins with: the harness prints others.
const SAYS: &str = "gateway: ";
/// How many descriptors it may have.
const DESCRIPTORS: u32 = 80;
/// How often it has to be refused one until it is looked whether it spins.
const REFUSALS: u64 = 10;

/// Counts warnings.
struct Warnings(Arc<AtomicUsize>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The gateway of the trial below. Each line that it hears is answered by its counters; it ends with what it
/// hears.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the process that the trial below starts"]
async fn one_with_few_descriptors() {
    let Some(authority) = testkit::file_of_parent() else { return };
    let warned = Arc::new(AtomicUsize::new(0));
    tracing::subscriber::set_global_default(Warnings(Arc::clone(&warned))).unwrap();
    let edge = Edge::with(|settings| {
        settings.workers = 1;
        // What idles is to idle for longer than the trial takes.
        settings.head_deadline = PATIENCE * 2;
        settings.limits = LimitSettings::ample();
    })
    .await;
    fs::write(authority, edge.authority.pem()).unwrap();
    writeln!(io::stdout(), "\n{SAYS}{}", edge.address.port()).unwrap();
    let answering = tokio::task::spawn_blocking(move || {
        for _ in io::stdin().lines().map_while(Result::ok) {
            let refused = edge.count("gateway_accepts_failed_total", "");
            let warned = warned.load(Ordering::SeqCst);
            writeln!(io::stdout(), "{SAYS}{refused} {warned}").unwrap();
        }
    });
    answering.await.unwrap();
}

/// The process, and how it is asked.
struct Few {
    process: Child,
    asks: ChildStdin,
    says: Lines<BufReader<ChildStdout>>,
    port: u16,
    connector: TlsConnector,
}

impl Few {
    async fn start(dir: &tempfile::TempDir) -> Self {
        let authority = dir.path().join("ca.pem");
        let test = "trials::descriptors::one_with_few_descriptors";
        let command = testkit::with_descriptors(test, DESCRIPTORS, &authority);
        let mut process = Command::from(command).kill_on_drop(true).spawn().unwrap();
        let asks = process.stdin.take().unwrap();
        let mut says = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = said(&mut says).await.parse().unwrap();
        let config = client_config(&fs::read(authority).unwrap()).unwrap();
        Self { process, asks, says, port, connector: TlsConnector::from(config) }
    }

    /// How often no connection could be accepted, and how many warnings there were.
    async fn counters(&mut self) -> (u64, u64) {
        self.asks.write_all(b"how is it?\n").await.unwrap();
        let line = said(&mut self.says).await;
        let (refused, warned) = line.split_once(' ').unwrap();
        (refused.parse().unwrap(), warned.parse().unwrap())
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    async fn line(&self) -> TlsStream<TcpStream> {
        let name = ServerName::try_from("localhost").unwrap();
        let connected = self.connector.connect(name, self.tcp().await);
        timeout(PATIENCE, connected).await.expect("no connection in time").unwrap()
    }

    /// The processor time that it has used, in hundredths of a second.
    fn used(&self) -> u64 {
        let file = format!("/proc/{}/stat", self.process.id().unwrap());
        let stat = fs::read_to_string(file).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        [11, 12].iter().map(|at| fields[*at].parse::<u64>().unwrap()).sum()
    }
}

async fn said(says: &mut Lines<BufReader<ChildStdout>>) -> String {
    loop {
        let line = timeout(PATIENCE, says.next_line()).await.expect("it says nothing").unwrap();
        let line = line.expect("the gateway is gone");
        if let Some(said) = line.strip_prefix(SAYS) {
            return said.to_owned();
        }
    }
}

/// Asks over a connection that stays open, and reads the answer to its end.
async fn served(line: &mut TlsStream<TcpStream>, path: &str) {
    let wire = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}\r\n");
    line.write_all(wire.as_bytes()).await.unwrap();
    let answer = read_until(line, "\r\n\r\n").await;
    assert_eq!(status(&answer), 200, "{path}: {answer}");
    let length: usize = values(&answer, "content-length")[0].parse().unwrap();
    let come = answer.split_once("\r\n\r\n").unwrap().1.len();
    let mut rest = vec![0; length - come];
    timeout(PATIENCE, line.read_exact(&mut rest)).await.expect("nothing came").unwrap();
}

/// Whoever has a connection is served while there is no descriptor for another, nothing spins or ends, it is
/// counted and told once, and whoever waited is served as soon as there is one.
#[tokio::test(flavor = "multi_thread")]
async fn it_outlives_running_out_of_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let mut gateway = Few::start(&dir).await;
    let mut line = gateway.line().await;
    served(&mut line, "/trust").await;
    served(&mut line, "/").await;
    assert_eq!(gateway.counters().await.0, 0);

    let mut idle = Vec::new();
    while gateway.counters().await.0 == 0 {
        assert!(idle.len() < DESCRIPTORS as usize * 2, "descriptors do not run out");
        idle.push(gateway.tcp().await);
    }
    let (refused, _) = gateway.counters().await;
    let (began, used) = (Instant::now(), gateway.used());
    loop {
        served(&mut line, "/trust").await;
        // Over the connection to the application that is open already.
        served(&mut line, "/").await;
        if gateway.counters().await.0 >= refused + REFUSALS {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "it does not try again");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (took, spent) = (began.elapsed(), gateway.used() - used);
    let (seen, warned) = gateway.counters().await;
    assert!(took.as_millis() >= 900, "it tried {} times in {took:?}", seen - refused);
    assert!(u128::from(spent) * 10 < took.as_millis() / 2, "{spent} hundredths in {took:?}");
    assert_eq!(warned, 1, "told once, and not each time");

    // Whoever comes now waits, and is served when others have gone.
    let late = tokio::spawn({
        let (connector, port) = (gateway.connector.clone(), gateway.port);
        async move {
            let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            connector.connect(name, tcp).await.unwrap()
        }
    });
    drop(idle);
    let mut late = timeout(PATIENCE, late).await.expect("nobody is accepted any more").unwrap();
    served(&mut late, "/trust").await;
    served(&mut gateway.line().await, "/trust").await;
    served(&mut line, "/trust").await;
    assert!(gateway.process.try_wait().unwrap().is_none(), "it runs on");
}
