//! `transit.tls`: nothing older and nothing weaker than promised is spoken, seen by real hellos.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::{Card, Control, Cx, Finding, Fut, ManualClock, Params, Population, Proof, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Target;
use super::hello::{FALLBACK, Hello, TLS_1_2, TLS_1_3, old_answer, retry_answer};
use super::probe::{Reach, answers, reachable};
use super::scratch::{Behind, Scratch};
use crate::{HeaderPolicy, LocalAuthority};
use attempts::{Seed, all, named, seeds};
use grade::{Grade, Seen, grade};
use handshakes::{Agreed, Answer, Trust, certificate, offers};

mod attempts;
mod grade;
mod handshakes;

/// The most suites of one hello that are found out one by one.
const MAX_FOUND: usize = 4;
/// The largest hello that the scratch server of a bite reads, in bytes.
const MAX_HELLO_BYTES: usize = 8 * 1024;
/// How much younger the authority of a certificate is that ends within two weeks, in hours.
const NEARLY_OVER: i64 = 80 * 24;

static CARD: Card = Card {
    id: "transit.tls",
    title: "TLS of today alone",
    attack: "offers the running listener every older protocol, every weak suite and group and a \
             fallback, byte for byte, agrees on each good suite and key exchange by a real handshake, \
             and looks at the certificate of each name, now and in 14 days",
    bite: "puts a server in front of a scratch gateway that takes one thing of all that is offered, as \
           an old server would, for each; then a certificate that ends, and one for another name",
    cadence: Duration::from_hours(1),
    deadline: Duration::from_mins(2),
    not_covered: &[
        "whether a certificate was revoked",
        "what stands in front of the gateway and ends TLS before it: the listener itself is asked",
        "TLS inside, between the gateway and the application",
        "bugs of the TLS library: no malformed records are sent",
        "whether strangers trust the local authority, while no certificate of yours is configured",
    ],
};

/// The control behind `transit.tls`.
pub(super) struct Tls {
    target: Target,
}

/// Who is attacked.
struct Server<'a> {
    address: SocketAddr,
    authority: &'a [u8],
    /// The names under which people reach it.
    names: Vec<String>,
    /// How long it says HSTS for, in seconds.
    hsts: u64,
}

/// What came of an attack.
#[derive(Default)]
struct Outcome {
    checked: usize,
    total: usize,
    findings: Vec<Finding>,
    /// Why the first that could not be checked could not.
    missed: Option<String>,
    agreed: Vec<Agreed>,
    /// What a server takes first of all that we can.
    preferred: String,
    /// Suite numbers that were offered and should be refused.
    offered: usize,
    guards_fallback: bool,
}

impl Tls {
    pub(super) const fn new(target: Target) -> Self {
        Self { target }
    }

    async fn attack(&self, cx: &Cx, params: &Params) -> Result<Proof, String> {
        let target = &self.target;
        let observed_at = cx.clock.now();
        let min = min(params)?;
        if !answers(target.address).await {
            let at = target.address;
            return Err(format!("the gateway does not answer on {at}; start it with `amanah up`"));
        }
        let authority = target.trusted().await?;
        let hsts = Reach::new(target.address, &authority)?.hsts().await?;
        let address = reachable(target.address);
        let server =
            Server { address, authority: &authority, names: target.every_name(cx).await?, hsts };
        let outcome = attack(&server, min, observed_at).await;
        Ok(weigh(observed_at, outcome, min, &server))
    }

    async fn seed(cx: &Cx) -> Result<Proof, String> {
        let observed_at = cx.clock.now();
        let mut sandbox = Sandbox::start(cx, SignedDuration::ZERO).await?;
        let intact = sandbox.attack(None, &["localhost"], observed_at).await?;
        if intact.checked < intact.total || !intact.findings.is_empty() {
            let why = intact.findings.first().map(ToString::to_string).or(intact.missed);
            let why = why.unwrap_or_default();
            return Err(format!(
                "the scratch gateway does not pass by itself, so that nothing can be said of a worse one: {why}"
            ));
        }
        let (mut found, mut overlooked) = (Vec::new(), Vec::new());
        let mut judge = |seeded: &str, outcome: &Outcome, object: &str| {
            let objects: BTreeSet<&str> =
                outcome.findings.iter().map(|finding| finding.object.as_str()).collect();
            match outcome.findings.first() {
                Some(finding) if objects.iter().eq([&object]) => {
                    found.push(Finding::new(seeded, finding.what.clone()));
                }
                _ => overlooked.push(seeded.to_owned()),
            }
        };
        for seed in seeds() {
            let outcome = sandbox.attack(Some(seed), &["localhost"], observed_at).await?;
            judge(seed.found_by, &outcome, seed.found_by);
        }
        let stranger = sandbox.attack(None, &["stranger.invalid"], observed_at).await?;
        judge("a certificate for other names", &stranger, "stranger.invalid");
        let mut ending = Sandbox::start(cx, SignedDuration::from_hours(NEARLY_OVER)).await?;
        let outcome = ending.attack(None, &["localhost"], observed_at).await?;
        judge("a certificate that ends in 10 days", &outcome, "localhost");
        let all = found.len() + overlooked.len();
        let population = Population::new(found.len(), all, "violations");
        if !overlooked.is_empty() {
            let why = format!("seeded and not found: {}", overlooked.join(", "));
            return Ok(Proof::missed(observed_at, population, why));
        }
        let measured = format!("{} of {all} violations found", found.len());
        Ok(Proof::weigh(observed_at, population, measured, format!("{all} of {all}"), found))
    }
}

impl Control for Tls {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let proof = self.attack(cx, params).await;
            proof.unwrap_or_else(|why| Proof::unknown(cx.clock.now(), why))
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let proof = Self::seed(cx).await;
            proof.unwrap_or_else(|why| Proof::unknown(cx.clock.now(), why))
        })
    }
}

/// The oldest version that the page allows, as on the wire.
fn min(params: &Params) -> Result<u16, String> {
    match params.value("min") {
        Some(Value::Version(1, 2)) => Ok(TLS_1_2),
        Some(Value::Version(1, 3)) => Ok(TLS_1_3),
        _ => Err("the page must promise 1.2 or 1.3: older versions cannot be promised".to_owned()),
    }
}

async fn attack(server: &Server<'_>, min: u16, now: Timestamp) -> Outcome {
    let mut outcome = Outcome { guards_fallback: true, ..Outcome::default() };
    for attempt in all(min) {
        outcome.total += 1;
        outcome.offered += attempt.hello.suites.len();
        let before = outcome.findings.len();
        let mut hello = attempt.hello.clone();
        let mut checked = false;
        for _ in 0..MAX_FOUND {
            let reply = match hello.ask(server.address).await {
                Ok(reply) => reply,
                Err(why) => {
                    checked = false;
                    outcome.missed.get_or_insert(format!("{}: {why}", attempt.what));
                    break;
                }
            };
            checked = true;
            let Some(what) = attempt.judge(&reply) else { break };
            outcome.findings.push(Finding::new(attempt.what, what));
            // What it took is left out of the next hello, to see what else it takes.
            let super::hello::Reply::Hello { suite, .. } = reply else { break };
            hello.suites.retain(|offered| *offered != suite);
        }
        outcome.checked += usize::from(checked);
        if attempt.hello.suites.contains(&FALLBACK) && outcome.findings.len() > before {
            outcome.guards_fallback = false;
        }
    }
    let trust = Trust::new(server.authority, now);
    agree(server, &trust, &mut outcome).await;
    for name in &server.names {
        outcome.total += 1;
        match certificate(server.address, name, &trust).await {
            Ok(wrong) => {
                outcome.checked += 1;
                outcome.findings.extend(wrong.map(|what| Finding::new(name.clone(), what)));
            }
            Err(why) => {
                outcome.missed.get_or_insert(format!("{name}: {why}"));
            }
        }
    }
    outcome
}

/// Makes every offer that a good server may take, under the name that the local authority is for.
async fn agree(server: &Server<'_>, trust: &Trust, outcome: &mut Outcome) {
    // That a certificate ends is the certificate's finding: what is spoken can be seen in any case.
    for (at, offer) in offers().iter().enumerate() {
        outcome.total += 1;
        match offer.make(server.address, "localhost", trust).await {
            Ok(Answer::Agreed(agreed)) => {
                if at == 0 {
                    outcome.preferred = format!("{:?}", agreed.group);
                }
                outcome.agreed.push(agreed);
                outcome.checked += 1;
            }
            Ok(Answer::Refused) => outcome.checked += 1,
            Err(why) => {
                outcome.missed.get_or_insert(format!("{}: {why}", offer.what));
            }
        }
    }
}

/// The grade of what was seen, for a server without findings; with some it is at most theirs.
fn graded(outcome: &Outcome, hsts: u64) -> Option<Grade> {
    let of_groups = |agreed: &Agreed| match agreed.group {
        rustls::NamedGroup::secp384r1 => 7680,
        _ => 3072,
    };
    let strength = |agreed: &Agreed| agreed.key.min(of_groups(agreed));
    grade(&Seen {
        versions: outcome.agreed.iter().map(|agreed| agreed.version).collect(),
        suites: outcome.agreed.iter().map(|agreed| agreed.bits).collect(),
        exchange: outcome.agreed.iter().map(strength).min().unwrap_or_default(),
        insecure: false,
        weak: false,
        guards_fallback: outcome.guards_fallback,
        hsts,
    })
}

fn weigh(observed_at: Timestamp, outcome: Outcome, min: u16, server: &Server<'_>) -> Proof {
    let of = |part: fn(&Agreed) -> String| {
        let all: BTreeSet<String> = outcome.agreed.iter().map(part).collect();
        all.into_iter().collect::<Vec<_>>().join(", ")
    };
    let versions = of(|agreed| named(agreed.version).to_owned());
    let suites = of(|agreed| agreed.suite.clone());
    let groups = of(|agreed| format!("{:?}", agreed.group));
    let grade = match graded(&outcome, server.hsts) {
        Some(grade) if outcome.findings.is_empty() => grade.to_string(),
        _ => "no grade".to_owned(),
    };
    let agreed = format!(
        "Agreed on: {suites}; key exchange {groups}, {} first; {} numbers of weak suites and old \
         protocols were offered in vain; certificates of {}",
        outcome.preferred,
        outcome.offered,
        server.names.join(", ")
    );
    let threshold =
        format!("nothing older than {}, nothing weak, certificates good for 14 days", named(min));
    let population = Population::new(outcome.checked, outcome.total, "hellos and handshakes");
    let measured = format!("{versions}; {grade}");
    let missed = outcome.missed.unwrap_or_default();
    Proof::weigh(observed_at, population, measured, threshold, outcome.findings)
        .note(&agreed)
        .note(&missed)
}

/// A scratch gateway behind a server that can be made to answer as an old one.
struct Sandbox {
    scratch: Scratch,
    authority: String,
    fronts: JoinSet<()>,
}

impl Sandbox {
    /// One whose certificate was made so long ago.
    async fn start(cx: &Cx, ago: SignedDuration) -> Result<Self, String> {
        let made = cx.clock.now().checked_sub(ago).map_err(|error| error.to_string())?;
        let authority = LocalAuthority::in_memory(Arc::new(ManualClock::at(made)));
        let authority = Arc::new(authority.map_err(|error| error.to_string())?);
        let policy = HeaderPolicy::default();
        let scratch = Scratch::start(cx, &authority, policy, Behind::Nothing).await?;
        Ok(Self { scratch, authority: authority.pem().to_owned(), fronts: JoinSet::new() })
    }

    /// The same attack, on the gateway with this violation in front of it.
    async fn attack(
        &mut self,
        seed: Option<Seed>,
        names: &[&str],
        now: Timestamp,
    ) -> Result<Outcome, String> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let behind = self.scratch.reach.address();
        let front = self.fronts.spawn(stand_before(listener, behind, seed));
        let names = names.iter().map(|&name| name.to_owned()).collect();
        let server = Server { address, authority: self.authority.as_bytes(), names, hsts: 0 };
        let outcome = attack(&server, TLS_1_3, now).await;
        front.abort();
        Ok(outcome)
    }
}

async fn stand_before(listener: TcpListener, behind: SocketAddr, seed: Option<Seed>) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        // A connection that fails is seen by who made it.
        connections.spawn(async move {
            let _ = answer(tcp, behind, seed).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Answers a hello that the violation takes, and hands everything else to the gateway.
async fn answer(mut tcp: TcpStream, behind: SocketAddr, seed: Option<Seed>) -> std::io::Result<()> {
    let mut heard = Vec::new();
    let hello = loop {
        if tcp.read_buf(&mut heard).await? == 0 || heard.len() > MAX_HELLO_BYTES {
            break None;
        }
        if let Some(hello) = Hello::read(&heard) {
            break Some(hello);
        }
    };
    if let (Some(hello), Some(seed)) = (hello, seed)
        && seed.takes(&hello)
    {
        let taken = hello.suites.iter().find(|suite| **suite != FALLBACK);
        let suite = if seed.suite == FALLBACK { taken.copied() } else { Some(seed.suite) };
        let suite = suite.unwrap_or_default();
        let wire = match seed.group {
            Some(group) if seed.version == TLS_1_3 => retry_answer(suite, group),
            _ => old_answer(seed.version, suite),
        };
        tcp.write_all(&wire).await?;
        return tcp.shutdown().await;
    }
    let mut gateway = TcpStream::connect(behind).await?;
    gateway.write_all(&heard).await?;
    tokio::io::copy_bidirectional(&mut tcp, &mut gateway).await?;
    Ok(())
}
