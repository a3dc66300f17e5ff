//! `edge.limits`: forms of strangers are refused after so many, and not before.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kernel::random_hex;
use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof, SYNTHETIC_DOMAIN, Value};

use super::visitors::{Networks, Visitors};
use super::{FormSender, LimitTarget, Target, probe};
use crate::Rate;

mod bite;

static CARD: Card = Card {
    id: "edge.limits",
    title: "Limits on sign-ins, resets and messages",
    attack: "sends bursts of each form to the running gateway from one address, from many addresses of \
             one neighbourhood, and about one account from many neighbourhoods, and counts how many are \
             let through",
    bite: "starts scratch gateways in each of which one of the limits is off, and sends the same bursts",
    cadence: Duration::from_hours(1),
    deadline: Duration::from_mins(5),
    not_covered: &[
        "letters for one account, which are bounded where they leave and not where they are asked for",
        "browsers that have signed in to the account before, and the proofs, which are counted apart",
        "addresses of version 6",
        "the limits on accounts, tenants and permissions, which no sentence promises",
    ],
};

/// The status of one that was one too many.
const TOO_MANY: u16 = 429;
/// How many hosts of a neighbourhood are used.
const HOSTS: u32 = 250;

/// The control behind `edge.limits`.
pub(super) struct LimitControl {
    target: Target,
}

/// One form, counted by one key.
struct Burst {
    /// The form and the key, for people.
    what: String,
    form: Form,
    key: Key,
    /// How many are let through.
    promised: u32,
    /// In how long there is one more; `None` where time gives none back.
    every: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    SignIn,
    Reset,
    Contact,
}

impl Form {
    const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::Reset => "reset",
            Self::Contact => "contact",
        }
    }

    /// The parameter that is the number of a sentence.
    const fn parameter(self) -> &'static str {
        match self {
            Self::SignIn => "login",
            Self::Reset => "reset",
            Self::Contact => "contact",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Address,
    Prefix,
    Account,
}

impl Key {
    const fn name(self) -> &'static str {
        match self {
            Self::Address => "one address",
            Self::Prefix => "one neighbourhood",
            Self::Account => "one account",
        }
    }
}

/// What is attacked.
struct Site<'a> {
    forms: &'a dyn FormSender,
    visitors: &'a Visitors,
    contact_path: &'a str,
}

/// What came of a burst.
struct Came {
    let_through: u32,
    took: Duration,
}

impl LimitControl {
    pub(super) const fn new(target: Target) -> Self {
        Self { target }
    }

    async fn attack(&self, cx: &Cx, params: &Params) -> Result<Proof, String> {
        let observed_at = cx.clock.now();
        let Some(limits) = &self.target.limits else {
            return Err("the gateway is not running here; start it with `amanah up`".to_owned());
        };
        if !probe::answers(self.target.address).await {
            let address = self.target.address;
            return Err(format!(
                "the gateway does not answer on {address}; is `amanah up` running?"
            ));
        }
        let trusted = tokio::fs::read(&self.target.authority).await.map_err(|e| e.to_string())?;
        let visitors = Visitors::new(self.target.address, &trusted)?;
        let bursts = promised(limits, params)?;
        let contact_path = limits.contact_path.as_deref().unwrap_or_default();
        let site = Site { forms: &*limits.forms, visitors: &visitors, contact_path };
        judge(cx, &site, &bursts, observed_at).await
    }
}

impl Control for LimitControl {
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
            let proof = bite::seed(cx).await;
            proof.unwrap_or_else(|why| Proof::unknown(cx.clock.now(), why))
        })
    }
}

/// The bursts that a sentence is about; without a number, all of them by what the gateway says of itself.
/// A number of the sentence is what one address and one account have; a neighbourhood has more, as many as
/// is configured.
fn promised(limits: &LimitTarget, params: &Params) -> Result<Vec<Burst>, String> {
    let mut bursts = Vec::new();
    for (form, [address, prefix], account) in [
        (Form::SignIn, limits.sign_in, Some(limits.account)),
        (Form::Reset, limits.reset, None),
        (Form::Contact, limits.contact, None),
    ] {
        let number = match params.value(form.parameter()) {
            Some(Value::Count(number)) => u32::try_from(*number).ok(),
            _ => None,
        };
        if number.is_none() && !params.is_empty() {
            continue;
        }
        if form == Form::Contact && limits.contact_path.is_none() {
            if number.is_none() {
                continue;
            }
            return Err(
                "no path of the application is named by which strangers send messages; name it \
                        in limits.contact.paths"
                    .to_owned(),
            );
        }
        let burst = |key: Key, promised, every| {
            let what = format!("{} from {}", form.name(), key.name());
            let what = if key == Key::Account { what.replace("from", "for") } else { what };
            Burst { what, form, key, promised, every }
        };
        let own = |rate: Rate| number.unwrap_or_else(|| rate.burst());
        bursts.push(burst(Key::Address, own(address), Some(address.every())));
        bursts.push(burst(Key::Prefix, prefix.burst(), Some(prefix.every())));
        if let Some(account) = account {
            bursts.push(burst(Key::Account, number.unwrap_or(account), None));
        }
    }
    Ok(bursts)
}

/// Sends every burst and weighs what came of them.
async fn judge(
    cx: &Cx,
    site: &Site<'_>,
    bursts: &[Burst],
    observed_at: Timestamp,
) -> Result<Proof, String> {
    let (mut findings, mut measured, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
    for burst in bursts {
        let came = burst.send(cx, site).await?;
        let back = burst.back_in(came.took);
        if back >= burst.promised {
            return Err(format!(
                "the machine is too busy: the burst of {} took {:?}, in which {back} were given back",
                burst.what, came.took
            ));
        }
        let most = burst.promised + back;
        if came.let_through < burst.promised {
            let what =
                format!("refused after {}, where it is {}", came.let_through, burst.promised);
            findings.push(Finding::new(burst.what.as_str(), what));
        } else if came.let_through > most {
            let what = format!("{} were let through, where it is {most}", came.let_through);
            findings.push(Finding::new(burst.what.as_str(), what));
        }
        measured.push(format!("{} {}", came.let_through, burst.what));
        wanted.push(format!("{} {}", burst.promised, burst.what));
    }
    let population = Population::new(bursts.len(), bursts.len(), "limits");
    let (measured, wanted) = (measured.join(", "), wanted.join(", "));
    Ok(Proof::weigh(observed_at, population, measured, wanted, findings))
}

impl Burst {
    /// How many were given back meanwhile.
    fn back_in(&self, took: Duration) -> u32 {
        let Some(every) = self.every else { return 0 };
        u32::try_from(took.as_nanos() / every.as_nanos().max(1)).unwrap_or(u32::MAX)
    }

    /// Sends one after the other until one is refused, or too many were not.
    async fn send(&self, cx: &Cx, site: &Site<'_>) -> Result<Came, String> {
        let networks = Networks::draw(cx.rng.as_ref())?;
        let mark = random_hex(cx.rng.as_ref(), 8).map_err(|error| error.to_string())?;
        let started = Instant::now();
        let mut let_through = 0;
        loop {
            let (from, email) = self.next(networks, &mark, let_through);
            let status = match self.form {
                Form::SignIn => site.forms.sign_in(from, &email).await?,
                Form::Reset => site.forms.reset(from, &email).await?,
                Form::Contact => {
                    let told = site.visitors.ask(from, "POST", site.contact_path, "").await?;
                    told.status
                }
            };
            let took = started.elapsed();
            match status {
                TOO_MANY => return Ok(Came { let_through, took }),
                503 => return Err("the machine is too busy to look at a form".to_owned()),
                404 | 500.. if self.form != Form::Contact => {
                    return Err(format!("{}: answered {status}", self.what));
                }
                _ => let_through += 1,
            }
            let most = self.promised.saturating_add(self.back_in(took));
            if let_through > most {
                return Ok(Came { let_through, took });
            }
        }
    }

    /// Where the next one comes from, and what it is about.
    fn next(&self, networks: Networks, mark: &str, sent: u32) -> (Ipv4Addr, String) {
        let host = u8::try_from(sent % HOSTS).unwrap_or_default();
        let network = u16::try_from(sent % u32::from(u16::MAX)).unwrap_or_default();
        let from = match self.key {
            Key::Address => networks.address(0, 0),
            Key::Prefix => networks.address(0, host),
            Key::Account => networks.address(network, 0),
        };
        let each = if self.key == Key::Account { 0 } else { sent };
        (from, format!("limits-{mark}-{each}{SYNTHETIC_DOMAIN}"))
    }
}
