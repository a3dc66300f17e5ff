//! `edge.csp`: every answer carries a content security policy that stops an injected script.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_SECURITY_POLICY;
use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof};

use super::Target;
use super::faults::Faults;
use super::probe::{self, Answer, Expect, Probe, Reach};
use super::scratch::{Behind, Scratch};
use super::visitors::Networks;
use crate::headers::{Fault, gaps, nonce};
use crate::{HeaderPolicy, LocalAuthority};

static CARD: Card = Card {
    id: "edge.csp",
    title: "A content security policy on every answer",
    attack: "asks every own route, every given path of the application and every kind of refusal, and reads \
             the policy of each answer as a browser does: which injected script, object, base, form or frame \
             would pass it, whether a page of ours has more than one policy, and whether two answers have the \
             same nonce; then reports something as a browser does",
    bite: "starts scratch gateways without the policy, with one that lets inline scripts run, with the same \
           nonce on every answer, and with the application's policy in place of ours",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(2),
    not_covered: &[
        "what a browser does with the policy: a test of the project has one try to run an injected script",
        "answers to changes that succeed: what changes something is only asked from a foreign site",
        "the application's paths that were not given, and what its own files contain",
    ],
};

/// The control behind `edge.csp`.
pub(super) struct Csp {
    target: Target,
}

/// What came of asking.
#[derive(Default)]
struct Outcome {
    total: usize,
    checked: usize,
    findings: Vec<Finding>,
    nonces: BTreeSet<String>,
    missed: Option<String>,
}

impl Csp {
    pub(super) const fn new(target: Target) -> Self {
        Self { target }
    }

    async fn attack(&self, cx: &Cx) -> Result<Proof, String> {
        let target = &self.target;
        let observed_at = cx.clock.now();
        if !probe::answers(target.address).await {
            return Err(format!(
                "the gateway does not answer on {}; start it with `amanah up`",
                target.address
            ));
        }
        let from = Networks::draw(cx.rng.as_ref())?.address(0, 0);
        let reach = Reach::new(target.address, &target.trusted().await?)?.coming_from(from);
        let token = match &target.session {
            Some(session) => session.token().await,
            None => None,
        };
        let mut probes = probe::battery(&target.own, &target.upstream_paths, token.as_ref());
        probes.push(probe::report());
        let outcome = ask(&reach, &probes).await;
        let unseen = match (&token, target.upstream_paths.is_empty()) {
            (None, false) => "no canary is signed in, so the application's pages were not seen",
            _ => "",
        };
        let missed = outcome.missed.clone().unwrap_or_default();
        Ok(Proof::weigh(
            observed_at,
            Population::new(outcome.checked, outcome.total, "answers"),
            format!(
                "{} gaps in {} policies; {} different nonces",
                outcome.findings.len(),
                outcome.total,
                outcome.nonces.len()
            ),
            "no gap, and no nonce twice",
            outcome.findings,
        )
        .note(&missed)
        .note(unseen))
    }

    async fn seed(cx: &Cx) -> Result<Proof, String> {
        let observed_at = cx.clock.now();
        let clock = Arc::clone(&cx.clock);
        let authority = Arc::new(LocalAuthority::in_memory(clock).map_err(|e| e.to_string())?);
        let whole = HeaderPolicy::default();
        let intact = scratch(cx, &authority, whole.clone()).await?;
        if intact.checked < intact.total || !intact.findings.is_empty() {
            let why = intact.missed.unwrap_or_default();
            return Err(format!(
                "the scratch gateway with the whole policy does not pass, so that nothing can be said of \
                 one with less: {} wrong, {why}",
                intact.findings.len()
            ));
        }
        let seeded = [
            ("no policy", whole.clone().without(CONTENT_SECURITY_POLICY.as_str())),
            ("inline scripts", whole.clone().with_fault(Fault::Inline)),
            ("the same nonce", whole.clone().with_fault(Fault::SameNonce)),
            ("the application's policy alone", whole.with_fault(Fault::Trusting)),
        ];
        let mut faults = Faults::default();
        for (name, policy) in seeded {
            let wrong = scratch(cx, &authority, policy).await?.findings.len();
            faults.note(name, (wrong > 0).then(|| format!("found on {wrong} answers")));
        }
        Ok(faults.weigh(observed_at, "faults of a policy"))
    }
}

impl Control for Csp {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let proof = self.attack(cx).await;
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

async fn ask(reach: &Reach, probes: &[Probe]) -> Outcome {
    let mut outcome = Outcome { total: probes.len(), ..Outcome::default() };
    for probe in probes {
        let answer = match reach.ask(probe).await {
            Ok(answer) => answer,
            Err(why) => {
                outcome.missed.get_or_insert(format!("{}: {why}", probe.what));
                continue;
            }
        };
        let object = format!("{} ({})", probe.what, answer.status);
        let wrong = judge(&answer, probe.expect, &mut outcome.nonces);
        outcome.findings.extend(wrong.into_iter().map(|what| Finding::new(object.clone(), what)));
        if answer.is(probe.expect) {
            outcome.checked += 1;
        } else {
            outcome.missed.get_or_insert(format!("{}: answered {}", probe.what, answer.status));
        }
    }
    outcome
}

/// What is wrong with the policies of one answer. Browsers hold to all of them, so that one without a gap
/// is enough.
fn judge(answer: &Answer, expect: Expect, nonces: &mut BTreeSet<String>) -> Option<String> {
    let policies = answer.values(CONTENT_SECURITY_POLICY.as_str());
    let tightest = policies.iter().map(|policy| gaps(policy)).min_by_key(Vec::len);
    let gaps = tightest.unwrap_or_else(|| vec!["there is none".to_owned()]);
    if !gaps.is_empty() {
        return Some(gaps.join("; "));
    }
    // The application's answers have its own policy beside ours, and files instead of nonces.
    if matches!(expect, Expect::Application) {
        return None;
    }
    match policies[..] {
        [policy] => match nonce(policy) {
            None => Some("it has no nonce".to_owned()),
            Some(nonce) if nonces.insert(nonce.to_owned()) => None,
            Some(_) => Some("another answer has had the same nonce".to_owned()),
        },
        _ => Some(format!("it has {} policies", policies.len())),
    }
}

/// Everything that is asked of the running gateway, asked of a scratch one.
async fn scratch(
    cx: &Cx,
    authority: &Arc<LocalAuthority>,
    policy: HeaderPolicy,
) -> Result<Outcome, String> {
    let scratch = Scratch::start(cx, authority, policy, Behind::Hostile).await?;
    let mut probes = probe::battery(&scratch.own, &["/".to_owned()], Some(&scratch.token));
    probes.push(probe::report());
    Ok(ask(&scratch.reach, &probes).await)
}
