//! The gateway beside nginx: the same certificate, the same application, the same client.
//!
//! The gateway does more: it decides the session, mints a binding, puts the header policy on.
//! nginx is given what makes it fast (connections kept on both sides, no log) and does TLS and
//! proxying alone. Client and application run on the same machine and are a part of both speeds,
//! which brings every ratio nearer to 1.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use gateway::{
    Gateway, LimitSettings, LocalAuthority, Own, OwnPath, Ports, SESSION_COOKIE, Settings,
};
use http::{Request, Response};
use identity::{Email, Identities, NewAccount, Pool};
use kernel::{
    Fut, Identity, Rng, Secret, SessionToken, SystemClock, SystemRng, TenantId, random_hex,
};
use tenancy::{BindingKey, TenantBinder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::{Contestant, race, row};

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// The application's answer, in bytes.
const BODY_BYTES: usize = 1024;
/// The largest head of a request that the application reads, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;
const WHAT: &str = "gateway: requests, TLS, 1 KB, 32 connections, with session, binding, headers";
const LOAD: [&str; 4] = ["--connections=32", "--threads=2", "--duration=2s", "--timeout=5s"];
/// A turn that takes longer hangs.
const TURN_DEADLINE: Duration = Duration::from_secs(20);
/// How long nginx may take to start or to stop, and how often to look.
const NGINX_DEADLINE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Runs nginx until standard input ends, which it does when this process ends, however it does.
/// The folder holds a private key, so it goes too.
const KEEPER: &str = "nginx -e stderr -c \"$1/nginx.conf\" & read -r _; kill -TERM $!; wait $!; \
                      rm -rf \"$1\"";

/// Measures both.
pub(crate) async fn measure() -> anyhow::Result<String> {
    let dir = tempfile::tempdir()?;
    let application = start_application()?;
    let tls = dir.path().join("tls");
    let authority = LocalAuthority::open_or_create(&tls, &[], Arc::new(SystemClock))?;
    let (sessions, token) = sign_in().await?;
    let ports = Ports {
        own: Arc::new(NoPages),
        sessions: Arc::new(sessions),
        credentials: None,
        gatekeeper: None,
        binder: Arc::new(TenantBinder::new(
            Arc::new(SystemClock),
            BindingKey::generate(&SystemRng)?,
            "app",
        )),
        rng: Arc::new(SystemRng),
    };
    let upstream = Some(format!("http://{application}").parse()?);
    // One account asks for all of it: that is counted, and never too often.
    let limits = LimitSettings::ample();
    let settings = Settings { upstream, limits, ..Settings::new(LOOPBACK) };
    let gateway = Gateway::bind(settings, ports, Arc::new(authority)).await?;
    let (address, metrics) = (gateway.local_addr(), gateway.metrics());
    // It ends with the process.
    tokio::spawn(gateway.run(std::future::pending()));

    let (mut nginx, nginx_address) = start_nginx(dir.path(), application).await?;
    let cookie = format!("Cookie: {SESSION_COOKIE}={}", token.0.expose());
    let mut ours = Load { address, cookie: cookie.clone() };
    let mut theirs = Load { address: nginx_address, cookie };
    let raced = race([&mut ours, &mut theirs]).await;
    drop(nginx.stdin.take());
    timeout(NGINX_DEADLINE, nginx.wait()).await.context("nginx does not stop")??;
    let [ours, theirs] = raced?;
    // Whoever is not signed in is sent away without asking the application, which is faster.
    for reading in metrics.snapshot() {
        if let ("gateway_responses_total", Some((_, class))) = (reading.name, reading.label) {
            ensure!((class == "2xx") == (reading.value > 0), "{} answers {class}", reading.value);
        }
    }
    Ok(row(WHAT, &ours, "nginx, TLS and proxy_pass alone", &theirs))
}

/// Somebody who asks over TLS as fast as the answers come.
struct Load {
    address: SocketAddr,
    cookie: String,
}

impl Contestant for Load {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let mut wrk = Command::new("wrk");
            wrk.args(LOAD).args(["--header", &self.cookie]).kill_on_drop(true);
            let output = wrk.arg(format!("https://{}/", self.address)).output();
            let output = timeout(TURN_DEADLINE, output).await.context("wrk hangs")?;
            let output = output.context("wrk cannot be run; scripts/bench installs it")?;
            let text = String::from_utf8_lossy(&output.stdout);
            let clean = !text.contains("Socket errors") && !text.contains("Non-2xx");
            let speed = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
            match speed.map(|speed| speed.trim().parse::<f64>()) {
                Some(Ok(speed)) if clean && speed > 0.0 => Ok(speed),
                _ => bail!("not every request was answered well:\n{text}"),
            }
        })
    }
}

/// A session of the product's own, decided as in the product.
async fn sign_in() -> anyhow::Result<(Identities, SessionToken)> {
    let db = testkit::database(&[&identity::ROOM]).await;
    let rng: Arc<dyn Rng> = Arc::new(SystemRng);
    let password = Secret::new(random_hex(&*rng, 16)?);
    let identities = Identities::new(
        db.engine,
        Arc::new(SystemClock),
        rng,
        Pool::default(),
        Arc::new(kernel::NoStandings),
    )?;
    let new = NewAccount {
        email: Email::new("sari@sinar.example")?,
        name: "Sari".to_owned(),
        tenant: TenantId::new("7")?,
        password: password.clone(),
    };
    identities.create_account(&new).await?;
    let signed_in = identities.sign_in(new.email.as_str(), &password).await?;
    let token = signed_in.session().context("a second factor was asked for")?;
    Ok((identities, token))
}

/// The gateway is asked for the application's pages only.
struct NoPages;

impl Own for NoPages {
    fn handle(&self, _: Request<Bytes>, _: Option<Arc<Identity>>) -> Fut<'_, Response<Bytes>> {
        Box::pin(async { Response::new(Bytes::new()) })
    }

    fn paths(&self) -> Vec<OwnPath> {
        Vec::new()
    }
}

async fn start_nginx(dir: &Path, upstream: SocketAddr) -> anyhow::Result<(Child, SocketAddr)> {
    // It cannot take port 0 and say which it got, so a free one is looked for first.
    let address = TcpListener::bind(LOOPBACK).await?.local_addr()?;
    let conf = include_str!("nginx.conf")
        .replace("{dir}", &dir.display().to_string())
        .replace("{address}", &address.to_string())
        .replace("{application}", &upstream.to_string());
    std::fs::write(dir.join("nginx.conf"), conf)?;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", KEEPER, "keeper"]).arg(dir).stdin(Stdio::piped());
    let nginx = shell.spawn()?;
    let until = Instant::now() + NGINX_DEADLINE;
    while TcpStream::connect(address).await.is_err() {
        ensure!(Instant::now() < until, "nginx does not start; scripts/bench installs it");
        sleep(LOOK_AGAIN).await;
    }
    Ok((nginx, address))
}

/// A thread that gives the same answer to everything, until the process ends.
fn start_application() -> anyhow::Result<SocketAddr> {
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
    let body = "x".repeat(BODY_BYTES);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n{body}");
    tcp.set_nodelay(true)?;
    let mut head = Vec::new();
    while head.len() < MAX_HEAD_BYTES && tcp.read_buf(&mut head).await? > 0 {
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            tcp.write_all(answer.as_bytes()).await?;
        }
    }
    Ok(())
}
