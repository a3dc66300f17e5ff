//! The gateway beside nginx: the same certificate, the same application, the same client.
//!
//! The gateway does more: it decides the session and the permission, counts for the limits, mints a
//! binding, puts the header policy on and writes an access log. nginx is given what makes it fast
//! (connections kept on both sides, larger buffers, no log) and does TLS and proxying alone. Client and
//! application run on the same machine and are a part of both speeds, which brings every ratio of speeds
//! nearer to 1; processor time is that of the threads that serve, of nobody else.

mod parts;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use access::{Access, By, Catalogue, NewGrant, Routes};
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use gateway::{
    AccessLog, Gateway, LimitSettings, LocalAuthority, Metrics, Own, OwnPath, Ports,
    SESSION_COOKIE, Settings,
};
use http::{Request, Response};
use identity::{Email, Identities, NewAccount, Pool};
use kernel::{
    Fut, Identity, Rng, Secret, SessionToken, SystemClock, SystemRng, TenantId, random_hex,
};
use tenancy::{BindingKey, TenantBinder};

use self::parts::{Load, Nginx, SIZES, Workers, start_application};
use crate::people::hear;
use crate::{cost, race, row, spread};

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// How many connections ask at a time.
const CONNECTIONS: [usize; 3] = [1, 32, 128];
const ROLE: &str = "editor";
const PEER: &str = "nginx, TLS and proxy_pass alone";

/// Measures both, in each size and with each number of connections.
pub(crate) async fn measure() -> anyhow::Result<Vec<String>> {
    let dir = tempfile::tempdir()?;
    let application = start_application()?;
    let (gateway, token) = gateway(dir.path(), application).await?;
    let (address, metrics) = (gateway.local_addr(), gateway.metrics());
    // It ends with the process.
    tokio::spawn(gateway.run(std::future::pending()));
    let nginx = Nginx::start(dir.path(), application).await?;
    let cookie = format!("Cookie: {SESSION_COOKIE}={}", token.0.expose());
    let load = |address, path, connections, workers| Load {
        address,
        cookie: cookie.clone(),
        path,
        connections,
        workers,
        per_cpu: Vec::new(),
        p99: Vec::new(),
    };
    let mut rows = Vec::new();
    for (size, path, _) in SIZES {
        for connections in CONNECTIONS {
            let mut ours = load(address, path, connections, Workers::Gateway);
            let mut theirs = load(nginx.address, path, connections, nginx.workers);
            let raced = race([&mut ours, &mut theirs]).await?;
            rows.extend(table(
                &format!("{size}, {connections} connections"),
                raced,
                &ours,
                &theirs,
            ));
        }
    }
    nginx.stop().await?;
    all_went_well(&metrics)?;
    Ok(rows)
}

/// Requests, what one costs, and how long the slowest of a hundred takes.
fn table(what: &str, [fast, peer]: [crate::Speeds; 2], ours: &Load, theirs: &Load) -> [String; 3] {
    let (mine, other) = (spread(&ours.p99).1, spread(&theirs.p99).1);
    // The first turn warms up; of the speeds, `race` has left it out.
    let (cheap, dear) = (ours.per_cpu.get(1..), theirs.per_cpu.get(1..));
    [
        row(&format!("gateway: requests, TLS, {what}"), &fast, PEER, &peer),
        cost(
            &format!("gateway: processor time of one, {what}"),
            cheap.unwrap_or_default(),
            PEER,
            dear.unwrap_or_default(),
        ),
        format!(
            "| gateway: p99 of an answer, {what} | {mine:.2} ms | {PEER}: {other:.2} ms | {:.2} |",
            mine / other
        ),
    ]
}

/// Whoever is not signed in is sent away without asking the application, which is faster.
fn all_went_well(metrics: &Metrics) -> anyhow::Result<()> {
    for reading in metrics.snapshot() {
        if let ("gateway_responses_total", Some((_, class))) = (reading.name, reading.label) {
            ensure!((class == "2xx") == (reading.value > 0), "{} answers {class}", reading.value);
        }
    }
    Ok(())
}

/// A gateway with all that it does for each request, and a session at it.
async fn gateway(dir: &Path, application: SocketAddr) -> anyhow::Result<(Gateway, SessionToken)> {
    let authority = LocalAuthority::open_or_create(&dir.join("tls"), &[], Arc::new(SystemClock))?;
    let (sessions, access, token) = sign_in().await?;
    let ports = Ports {
        own: Arc::new(NoPages),
        sessions,
        credentials: None,
        gatekeeper: Some(access),
        binder: Arc::new(TenantBinder::new(
            Arc::new(SystemClock),
            BindingKey::generate(&SystemRng)?,
            "app",
        )),
        rng: Arc::new(SystemRng),
    };
    let settings = Settings {
        upstream: Some(format!("http://{application}").parse()?),
        // One account asks for all of it: that is counted, and never too often.
        limits: LimitSettings::ample(),
        access_log: Some(AccessLog::open(&dir.join("access.log"), Arc::new(SystemClock))?),
        ..Settings::new(LOOPBACK)
    };
    Ok((Gateway::bind(settings, ports, Arc::new(authority)).await?, token))
}

/// A session of the product's own with a role of the catalogue, decided as in the product.
async fn sign_in() -> anyhow::Result<(Arc<Identities>, Arc<Access>, SessionToken)> {
    let db = testkit::database(&[&identity::ROOM, &access::ROOM]).await;
    let access = Arc::new(Access::new(db.engine.clone(), Arc::new(SystemClock)));
    access.guard(Routes::read(include_str!("../../demo/routes.toml"), Catalogue::shipped()?)?);
    let rng: Arc<dyn Rng> = Arc::new(SystemRng);
    let password = Secret::new(random_hex(&*rng, 16)?);
    let standings = Arc::<Access>::clone(&access);
    let clock = Arc::new(SystemClock);
    let identities = Identities::new(db.engine.clone(), clock, rng, Pool::default(), standings)?;
    let identities = Arc::new(identities);
    // It ends with the process. Whoever hears of ends trusts what it remembers for longer.
    drop(hear(&identities, &db.engine).await?);
    let new = NewAccount {
        email: Email::new("sari@sinar.example")?,
        name: "Sari".to_owned(),
        tenant: TenantId::new("7")?,
        password: password.clone(),
    };
    let account = identities.create_account(&new).await?;
    let grant = NewGrant {
        account,
        tenant: new.tenant.clone(),
        role: ROLE.to_owned(),
        reason: "a measurement".to_owned(),
        until: None,
    };
    access.grant(&By::operator("bench")?, &grant).await?;
    let signed_in = identities.sign_in(new.email.as_str(), &password).await?;
    let token = signed_in.session().context("a second factor was asked for")?;
    Ok((identities, access, token))
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
