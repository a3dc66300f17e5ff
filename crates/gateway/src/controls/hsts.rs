//! `transit.hsts`: every answer inside TLS keeps browsers on TLS, and plain HTTP leads there.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Target;
use super::probe::{self, Answer, Probe, Reach, answers};
use super::scratch::{Behind, Scratch};
use crate::headers::max_age;
use crate::{HeaderPolicy, LocalAuthority};

/// The header, in lower case.
const HSTS: &str = "strict-transport-security";
/// A year, in seconds: what a bite asks for.
const YEAR: u64 = 365 * 24 * 60 * 60;
/// The longest request in clear that the scratch listener reads, in bytes.
const MAX_REQUEST_BYTES: usize = 16 * 1024;

static CARD: Card = Card {
    id: "transit.hsts",
    title: "HSTS on every answer, and plain HTTP led to TLS",
    attack: "asks every own route, every given path of the application and every kind of refusal over \
             TLS and reads how long browsers stay on TLS; then asks in clear, at the port of TLS and at \
             the one for plain HTTP, as a browser, as a form, and under a foreign name",
    bite: "starts a scratch gateway without the header, in front of an application that switches it off, \
           and scratch listeners for plain HTTP that answer, that lead elsewhere, and that lead on forms",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(2),
    not_covered: &[
        "the first visit of a browser that has never been here, unless the site is on its preload list",
        "answers to changes that succeed: what changes something is only asked from a foreign site",
        "the application's paths that were not given",
        "other listeners for plain HTTP than the gateway's",
        "answers over HTTP/2: the same code writes their headers, and HTTP/1.1 is asked",
    ],
};

/// The control behind `transit.hsts`.
pub(super) struct Hsts {
    target: Target,
}

/// What came of an attack.
#[derive(Default)]
struct Outcome {
    checked: usize,
    total: usize,
    findings: Vec<Finding>,
    missed: Option<String>,
    /// The shortest that was said, in seconds.
    shortest: Option<u64>,
    led: usize,
    /// How many should have been led to TLS.
    to_lead: usize,
}

impl Outcome {
    fn miss(&mut self, what: &str, why: &str) {
        self.missed.get_or_insert(format!("{what}: {why}"));
    }
}

impl Hsts {
    pub(super) const fn new(target: Target) -> Self {
        Self { target }
    }

    async fn attack(&self, cx: &Cx, params: &Params) -> Result<Proof, String> {
        let target = &self.target;
        let observed_at = cx.clock.now();
        let Some(Value::Period(least)) = params.value("max-age") else {
            return Err("the page does not say for how long".to_owned());
        };
        if !answers(target.address).await {
            let at = target.address;
            return Err(format!("the gateway does not answer on {at}; start it with `amanah up`"));
        }
        let token = match &target.session {
            Some(session) => session.token().await,
            None => None,
        };
        let reach = Reach::new(target.address, &target.trusted().await?)?;
        let mut probes = probe::battery(&target.own, &target.upstream_paths, token.as_ref());
        if !target.upstream_paths.is_empty() {
            probes.push(probe::signed_out());
        }
        let mut outcome = Outcome::default();
        inside(&reach, &probes, least.as_secs(), &mut outcome).await;
        dead_upstream(cx, least.as_secs(), &mut outcome).await?;
        in_clear(reach.address(), &mut outcome).await;
        if let Some(clear) = target.clear {
            in_clear(probe::reachable(clear), &mut outcome).await;
        }
        let seen = match (&token, target.upstream_paths.is_empty(), target.clear) {
            (None, false, _) => "No canary is signed in, so the application's pages were not seen",
            (_, _, None) => {
                "No listener for plain HTTP is configured (gateway.http): the port of TLS was asked in clear"
            }
            _ => "",
        };
        let threshold = format!("max-age of {} or more, plain HTTP led to TLS", least.as_secs());
        Ok(weigh(observed_at, outcome, &threshold).note(seen))
    }

    async fn seed(cx: &Cx) -> Result<Proof, String> {
        let observed_at = cx.clock.now();
        let whole = HeaderPolicy::default();
        let intact = scratch(cx, whole.clone()).await?;
        if intact.checked < intact.total || !intact.findings.is_empty() {
            let why = intact.findings.first().map(ToString::to_string).or(intact.missed);
            let why = why.unwrap_or_default();
            return Err(format!("the scratch gateway does not pass by itself: {why}"));
        }
        let (mut found, mut overlooked) = (Vec::new(), Vec::new());
        let without = scratch(cx, whole.without(HSTS)).await?;
        let said = without.checked.saturating_sub(IN_CLEAR.len());
        if without.findings.len() == said {
            let what = format!("dropped, and missed on {said} answers");
            found.push(Finding::new(HSTS, what));
        } else {
            overlooked.push(HSTS);
        }
        for (name, answer) in CARELESS {
            let mut outcome = Outcome::default();
            let (address, _serving) = careless(answer).await?;
            in_clear(address, &mut outcome).await;
            match outcome.findings.first() {
                Some(finding) => found.push(Finding::new(name, finding.to_string())),
                None => overlooked.push(name),
            }
        }
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

impl Control for Hsts {
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

fn weigh(observed_at: jiff::Timestamp, outcome: Outcome, threshold: &str) -> Proof {
    let shortest = match outcome.shortest {
        Some(seconds) => format!("the shortest max-age is {seconds}"),
        None => "no max-age was seen".to_owned(),
    };
    let missed = outcome.missed.unwrap_or_default();
    Proof::weigh(
        observed_at,
        Population::new(outcome.checked, outcome.total, "answers"),
        format!(
            "{shortest} seconds; {} of {} asked in clear led to TLS",
            outcome.led, outcome.to_lead
        ),
        threshold,
        outcome.findings,
    )
    .note(&missed)
}

/// Asks `probes` over TLS; of those in clear there is another list.
async fn inside(reach: &Reach, probes: &[Probe], least: u64, outcome: &mut Outcome) {
    for probe in probes.iter().filter(|probe| !probe.in_clear) {
        outcome.total += 1;
        match reach.ask(probe).await {
            Ok(answer) => {
                outcome.checked += usize::from(answer.is(probe.expect));
                if !answer.is(probe.expect) {
                    outcome.miss(&probe.what, &format!("answered {}", answer.status));
                }
                judge(probe, &answer, least, outcome);
            }
            Err(why) => outcome.miss(&probe.what, &why),
        }
    }
}

fn judge(probe: &Probe, answer: &Answer, least: u64, outcome: &mut Outcome) {
    let object = format!("{} ({})", probe.what, answer.status);
    match answer.values(HSTS)[..] {
        [value] => match max_age(value) {
            Some(age) => {
                outcome.shortest = Some(outcome.shortest.map_or(age, |least| least.min(age)));
                if age < least {
                    outcome.findings.push(Finding::new(object, format!("says `{value}`")));
                }
            }
            None => outcome.findings.push(Finding::new(object, format!("says `{value}`"))),
        },
        [] => outcome.findings.push(Finding::new(object, "does not say it")),
        _ => outcome.findings.push(Finding::new(object, "says it more than once")),
    }
}

/// What is asked in clear, and whether it is to be led on.
const IN_CLEAR: [(&str, &str, bool); 3] = [
    ("GET in clear", "GET /trust?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n", true),
    (
        "POST in clear",
        "POST /_amanah/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        false,
    ),
    ("GET in clear under a foreign name", "GET / HTTP/1.1\r\nHost: amanah.invalid\r\n\r\n", false),
];

async fn in_clear(address: SocketAddr, outcome: &mut Outcome) {
    for (name, wire, to_be_led) in IN_CLEAR {
        outcome.total += 1;
        let answer = match probe::ask_in_clear(address, wire).await {
            Ok(answer) => answer,
            Err(why) => {
                outcome.miss(name, &why);
                continue;
            }
        };
        outcome.checked += 1;
        let object = format!("{name} at port {} ({})", address.port(), answer.status);
        let to = answer.values("location");
        let led = matches!(answer.status, 301 | 308)
            && matches!(to[..], [to] if to.starts_with("https://localhost") && to.ends_with("/trust?a=b"));
        outcome.led += usize::from(led && to_be_led);
        outcome.to_lead += usize::from(to_be_led);
        let what = match (to_be_led, led) {
            (true, false) => "is not led to the same over TLS",
            (false, _) if !to.is_empty() => "is led on, and should be refused",
            (false, _) if answer.status < 400 => "is answered, and should be refused",
            _ if !answer.values(HSTS).is_empty() => "is told HSTS in clear",
            _ => continue,
        };
        outcome.findings.push(Finding::new(object, what));
    }
}

/// The answer of a gateway whose application is down, which the running one is hopefully not.
async fn dead_upstream(cx: &Cx, least: u64, outcome: &mut Outcome) -> Result<(), String> {
    let scratch = start(cx, HeaderPolicy::default(), Behind::Nothing).await?;
    let probes = [probe::dead_upstream(&scratch.token)];
    inside(&scratch.reach, &probes, least, outcome).await;
    Ok(())
}

async fn start(cx: &Cx, policy: HeaderPolicy, behind: Behind) -> Result<Scratch, String> {
    let authority = LocalAuthority::in_memory(Arc::clone(&cx.clock)).map_err(|e| e.to_string())?;
    Scratch::start(cx, &Arc::new(authority), policy, behind).await
}

/// Everything that is asked of the running gateway, asked of a scratch one.
async fn scratch(cx: &Cx, policy: HeaderPolicy) -> Result<Outcome, String> {
    let scratch = start(cx, policy, Behind::Hostile).await?;
    let mut probes = probe::battery(&scratch.own, &["/".to_owned()], Some(&scratch.token));
    probes.push(probe::signed_out());
    let mut outcome = Outcome::default();
    inside(&scratch.reach, &probes, YEAR, &mut outcome).await;
    in_clear(scratch.reach.address(), &mut outcome).await;
    Ok(outcome)
}

/// What careless listeners for plain HTTP say to everything.
const CARELESS: [(&str, &str); 3] = [
    ("a listener that answers in clear", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    (
        "a listener that leads to where the client says",
        "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://amanah.invalid/trust?a=b\r\n\
         Content-Length: 0\r\n\r\n",
    ),
    (
        "a listener that leads on forms",
        "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://localhost/trust?a=b\r\n\
         Content-Length: 0\r\n\r\n",
    ),
];

/// Serves one of them for as long as the set lives.
async fn careless(answer: &'static str) -> Result<(SocketAddr, JoinSet<()>), String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut head = Vec::new();
            while head.len() < MAX_REQUEST_BYTES && !head.windows(4).any(|end| end == b"\r\n\r\n") {
                if tcp.read_buf(&mut head).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            // A proof that goes away has seen enough.
            let _ = tcp.write_all(answer.as_bytes()).await;
        }
    });
    Ok((address, serving))
}

#[cfg(test)]
mod tests {
    use super::max_age;

    #[test]
    fn a_max_age_is_read_once_and_whole() {
        assert_eq!(max_age("max-age=31536000; includeSubDomains"), Some(31_536_000));
        assert_eq!(max_age("includeSubDomains; Max-Age = \"60\""), Some(60));
        for wrong in ["", "max-age", "max-age=-1", "max-age=1d", "max-age=1; max-age=2", "max-age="]
        {
            assert_eq!(max_age(wrong), None, "{wrong}");
        }
    }
}
