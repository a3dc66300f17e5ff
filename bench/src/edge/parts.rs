//! What stands around the two: the application, nginx, and somebody who asks.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use kernel::Fut;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::LOOPBACK;
use crate::Contestant;

/// The largest head of a request that the application reads, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// A turn that takes longer hangs.
const TURN_DEADLINE: Duration = Duration::from_secs(20);
/// How long nginx may take to start or to stop, and how often to look.
const NGINX_DEADLINE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Runs nginx until standard input ends, which it does when this process ends, however it does.
/// The folder holds a private key, so it goes too.
const KEEPER: &str = "nginx -e stderr -c \"$1/nginx.conf\" & echo $!; read -r _; kill -TERM $!; wait $!; \
                      rm -rf \"$1\"";

/// What the application answers, by the path that is asked for.
pub(super) const SIZES: [(&str, &str, usize); 2] =
    [("1 KB", "/products/1", 1024), ("64 KB", "/products", 64 * 1024)];

/// Whose processor time is counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Workers {
    /// The threads of this process that serve connections.
    Gateway,
    /// The processes that the nginx with this number started.
    Nginx(u32),
}

impl Workers {
    /// The time that they have spent on processors until now, in nanoseconds.
    fn spent(self) -> anyhow::Result<u64> {
        let tasks = match self {
            Self::Gateway => threads()?,
            Self::Nginx(master) => children(master)?,
        };
        ensure!(!tasks.is_empty(), "nobody serves: {self:?}");
        tasks.iter().map(|task| ran(task)).sum()
    }
}

/// The threads of the gateway, as folders of /proc.
fn threads() -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for task in std::fs::read_dir("/proc/self/task")? {
        let path = task?.path().display().to_string();
        let name = std::fs::read_to_string(format!("{path}/comm")).unwrap_or_default();
        if name.starts_with("gateway-") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The children of a process, as folders of /proc.
fn children(of: u32) -> anyhow::Result<Vec<String>> {
    let listed = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children"))?;
    Ok(listed.split_whitespace().map(|id| format!("/proc/{id}/task/{id}")).collect())
}

/// The first number of `schedstat`: nanoseconds on a processor.
fn ran(task: &str) -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string(format!("{task}/schedstat"))?;
    let first = stat.split_whitespace().next().context("an empty schedstat")?;
    Ok(first.parse()?)
}

/// Somebody who asks over TLS as fast as the answers come.
pub(super) struct Load {
    pub(super) address: SocketAddr,
    pub(super) cookie: String,
    pub(super) path: &'static str,
    pub(super) connections: usize,
    pub(super) workers: Workers,
    /// Requests per second of processor time, and the 99th percentile of the time of an answer in
    /// milliseconds: of each turn.
    pub(super) per_cpu: Vec<f64>,
    pub(super) p99: Vec<f64>,
}

impl Contestant for Load {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let threads = self.connections.min(2);
            let mut wrk = Command::new("wrk");
            wrk.args(["--duration=2s", "--timeout=5s", "--latency"]);
            wrk.arg(format!("--connections={}", self.connections));
            wrk.arg(format!("--threads={threads}"));
            wrk.args(["--header", &self.cookie]).kill_on_drop(true);
            let before = self.workers.spent()?;
            let output = wrk.arg(format!("https://{}{}", self.address, self.path)).output();
            let output = timeout(TURN_DEADLINE, output).await.context("wrk hangs")?;
            let spent = Duration::from_nanos(self.workers.spent()?.saturating_sub(before));
            let output = output.context("wrk cannot be run; scripts/bench installs it")?;
            let told = Told::read(&String::from_utf8_lossy(&output.stdout))?;
            self.per_cpu.push(told.requests / spent.as_secs_f64());
            self.p99.push(told.p99);
            Ok(told.speed)
        })
    }
}

/// What wrk says in the end.
struct Told {
    /// Requests per second.
    speed: f64,
    /// All of them.
    requests: f64,
    /// In milliseconds.
    p99: f64,
}

impl Told {
    fn read(text: &str) -> anyhow::Result<Self> {
        let clean = !text.contains("Socket errors") && !text.contains("Non-2xx");
        let after = |start: &str| text.lines().find_map(|line| line.trim().strip_prefix(start));
        let speed = after("Requests/sec:").and_then(|speed| speed.trim().parse().ok());
        let requests = text.lines().find_map(|line| {
            line.split_once(" requests in ").and_then(|(count, _)| count.trim().parse().ok())
        });
        let p99 = after("99%").and_then(|time| milliseconds(time.trim()));
        match (speed, requests, p99) {
            (Some(speed), Some(requests), Some(p99)) if clean && speed > 0.0 => {
                Ok(Self { speed, requests, p99 })
            }
            _ => bail!("not every request was answered well:\n{text}"),
        }
    }
}

/// `1.23ms`, `456.00us` or `1.20s`.
fn milliseconds(text: &str) -> Option<f64> {
    let (number, factor) = match text {
        text if text.ends_with("us") => (text.strip_suffix("us")?, 0.001),
        text if text.ends_with("ms") => (text.strip_suffix("ms")?, 1.0),
        text => (text.strip_suffix('s')?, 1000.0),
    };
    Some(number.parse::<f64>().ok()? * factor)
}

/// nginx, and how it is reached.
pub(super) struct Nginx {
    keeper: Child,
    pub(super) address: SocketAddr,
    pub(super) workers: Workers,
}

impl Nginx {
    pub(super) async fn start(dir: &Path, upstream: SocketAddr) -> anyhow::Result<Self> {
        // It cannot take port 0 and say which it got, so a free one is looked for first.
        let address = TcpListener::bind(LOOPBACK).await?.local_addr()?;
        let conf = include_str!("../nginx.conf")
            .replace("{dir}", &dir.display().to_string())
            .replace("{address}", &address.to_string())
            .replace("{application}", &upstream.to_string());
        std::fs::write(dir.join("nginx.conf"), conf)?;
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", KEEPER, "keeper"]).arg(dir).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = shell.spawn()?;
        let mut said = BufReader::new(keeper.stdout.take().context("no output")?);
        let mut master = String::new();
        said.read_line(&mut master).await?;
        let workers = Workers::Nginx(master.trim().parse().context("nginx's number")?);
        let until = Instant::now() + NGINX_DEADLINE;
        while TcpStream::connect(address).await.is_err() {
            ensure!(Instant::now() < until, "nginx does not start; scripts/bench installs it");
            sleep(LOOK_AGAIN).await;
        }
        Ok(Self { keeper, address, workers })
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.keeper.stdin.take());
        timeout(NGINX_DEADLINE, self.keeper.wait()).await.context("nginx does not stop")??;
        Ok(())
    }
}

/// A thread that answers everything, until the process ends.
pub(super) fn start_application() -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(LOOPBACK)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || runtime.block_on(serve(listener)));
    Ok(address)
}

async fn serve(listener: std::net::TcpListener) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        tokio::spawn(answer(listener.accept().await?.0));
    }
}

/// Answers requests without a body. Neither proxy sends one before the last was answered.
async fn answer(mut tcp: TcpStream) -> std::io::Result<()> {
    let answers = SIZES.map(|(_, path, bytes)| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
        (format!("GET {path} "), head + &"x".repeat(bytes))
    });
    tcp.set_nodelay(true)?;
    let mut head = Vec::new();
    while head.len() < MAX_HEAD_BYTES && tcp.read_buf(&mut head).await? > 0 {
        if head.ends_with(b"\r\n\r\n") {
            let asked = answers.iter().find(|(start, _)| head.starts_with(start.as_bytes()));
            let answer =
                asked.map_or("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", |(_, a)| a);
            tcp.write_all(answer.as_bytes()).await?;
            head.clear();
        }
    }
    Ok(())
}
