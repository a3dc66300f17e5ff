//! `edge.headers`: every header of the policy, with its value, on every answer.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Cx, Fut, Params, Population, Proof};

use super::Target;
use super::faults::Faults;
use super::probe::{self, Reach, Survey, Wanted};
use super::scratch::{Behind, STRICT, Scratch};
use crate::headers::Fault;
use crate::{HeaderPolicy, LocalAuthority};

static CARD: Card = Card {
    id: "edge.headers",
    title: "Security headers on every answer",
    attack: "asks every own route, every given path of the application and every kind of refusal \
             over real TLS, and compares each header of each answer: it has to be the one that is \
             promised, or a tighter one. A scratch gateway of the same code is asked in front of an \
             application that is down, and of one that says more than the policy, which has to arrive",
    bite: "starts scratch gateways in each of which one header of the policy is dropped, in front \
           of an application that says the opposite; one that lets such an application loosen the \
           policy; and one that does not let an application tighten it",
    cadence: Duration::from_mins(5),
    deadline: Duration::from_mins(2),
    not_covered: &[
        "answers to changes that succeed: what changes something is only asked from a foreign site",
        "the application's paths that were not given, and its own error pages",
        "interim answers (100 Continue), which carry no headers",
        "the 502 of the running gateway: a scratch gateway of the same code is asked for it",
    ],
};

const LOOSENED: &str = "an application that loosens the policy";
const DEAF: &str = "an application that cannot tighten the policy";

/// The control behind `edge.headers`.
pub(super) struct Headers {
    target: Target,
}

impl Headers {
    pub(super) const fn new(target: Target) -> Self {
        Self { target }
    }

    async fn attack(&self, cx: &Cx, params: &Params) -> Result<Proof, String> {
        let target = &self.target;
        let observed_at = cx.clock.now();
        if !probe::answers(target.address).await {
            return Err(format!(
                "the gateway does not answer on {}; start it with `amanah up`",
                target.address
            ));
        }
        let trusted = target.trusted().await?;
        let token = match &target.session {
            Some(session) => session.token().await,
            None => None,
        };
        let (wanted, threshold) = wanted(params);
        let reach = Reach::new(target.address, &trusted)?;
        let mut probes = probe::battery(&target.own, &target.upstream_paths, token.as_ref());
        if !target.upstream_paths.is_empty() {
            probes.push(probe::signed_out());
        }
        let survey = reach.survey(&probes, &wanted).await;
        let survey = survey.and(dead_upstream(cx, &wanted).await?);
        let survey = survey.and(strict_upstream(cx, HeaderPolicy::default()).await?);
        let unseen = match (&token, target.upstream_paths.is_empty()) {
            (None, false) => "no canary is signed in, so the application's pages were not seen",
            _ => "",
        };
        let missed = survey.missed.clone().unwrap_or_default();
        Ok(weigh(observed_at, survey, &threshold).note(&missed).note(unseen))
    }

    async fn seed(cx: &Cx) -> Result<Proof, String> {
        let observed_at = cx.clock.now();
        let clock = Arc::clone(&cx.clock);
        let authority = Arc::new(LocalAuthority::in_memory(clock).map_err(|e| e.to_string())?);
        let whole = HeaderPolicy::default();
        let wanted = Wanted::of(&whole);
        let intact = scratch_survey(cx, &authority, whole.clone(), &wanted).await?;
        if intact.checked < intact.total || !intact.findings.is_empty() {
            let why = intact.missed.unwrap_or_default();
            return Err(format!(
                "the scratch gateway with the whole policy does not pass, so that nothing can be \
                 said of one with less: {} wrong, {why}",
                intact.findings.len()
            ));
        }
        let set = whole.set().map(|(name, _)| name);
        let names: Vec<&str> = set.chain(whole.removed()).collect();
        let mut faults = Faults::default();
        for name in &names {
            let survey =
                scratch_survey(cx, &authority, whole.clone().without(name), &wanted).await?;
            let answers = survey.findings.len();
            let what = format!("dropped, and found to be wrong on {answers} answers");
            faults.note(name, Some(what).filter(|_| survey.wrong.iter().eq([name])));
        }
        let trusting = whole.clone().with_fault(Fault::Trusting);
        let seeded = [
            (LOOSENED, scratch_survey(cx, &authority, trusting, &wanted).await?),
            (DEAF, strict_upstream(cx, whole.clone().with_fault(Fault::Deaf)).await?),
        ];
        for (name, survey) in seeded {
            let wrong: Vec<&str> = survey.wrong.iter().map(String::as_str).collect();
            let what = format!("found by {}", wrong.join(", "));
            faults.note(name, Some(what).filter(|_| !survey.findings.is_empty()));
        }
        Ok(faults.weigh(observed_at, "faults of the policy"))
    }
}

impl Control for Headers {
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

/// What a page promises, or the whole policy if it does not say; and the same in words.
fn wanted(params: &Params) -> (Wanted, String) {
    let policy = HeaderPolicy::default();
    if params.is_empty() {
        let wanted = Wanted::of(&policy);
        let (set, absent) = (wanted.set.len(), wanted.absent.len());
        let threshold = format!("{set} headers with their values, {absent} others absent");
        return (wanted, threshold);
    }
    let set: Vec<(String, String)> =
        params.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let named: Vec<String> = set.iter().map(|(n, v)| format!("{n}: {v}")).collect();
    let absent = Vec::new();
    (Wanted { set, absent }, named.join(", "))
}

fn weigh(observed_at: jiff::Timestamp, survey: Survey, threshold: &str) -> Proof {
    let right = survey.compared.saturating_sub(survey.findings.len());
    Proof::weigh(
        observed_at,
        Population::new(survey.checked, survey.total, "answers"),
        format!("{right} of {} headers as wanted", survey.compared),
        threshold,
        survey.findings,
    )
}

/// The answer of a gateway whose application is down, which the running one is hopefully not.
async fn dead_upstream(cx: &Cx, wanted: &Wanted) -> Result<Survey, String> {
    let clock = Arc::clone(&cx.clock);
    let authority = Arc::new(LocalAuthority::in_memory(clock).map_err(|e| e.to_string())?);
    let policy = HeaderPolicy::default();
    let scratch = Scratch::start(cx, &authority, policy, Behind::Nothing).await?;
    let probes = [probe::dead_upstream(&scratch.token)];
    Ok(scratch.reach.survey(&probes, wanted).await)
}

/// The answer of a gateway whose application says more than the policy.
async fn strict_upstream(cx: &Cx, policy: HeaderPolicy) -> Result<Survey, String> {
    let clock = Arc::clone(&cx.clock);
    let authority = Arc::new(LocalAuthority::in_memory(clock).map_err(|e| e.to_string())?);
    let scratch = Scratch::start(cx, &authority, policy, Behind::Strict).await?;
    let set = STRICT.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let mut probe = probe::page(&scratch.token);
    "GET / of an application that is stricter".clone_into(&mut probe.what);
    Ok(scratch.reach.survey(&[probe], &Wanted { set, absent: Vec::new() }).await)
}

/// Everything that is asked of the running gateway, asked of a scratch one.
async fn scratch_survey(
    cx: &Cx,
    authority: &Arc<LocalAuthority>,
    policy: HeaderPolicy,
    wanted: &Wanted,
) -> Result<Survey, String> {
    let scratch = Scratch::start(cx, authority, policy, Behind::Hostile).await?;
    let paths = ["/".to_owned()];
    let mut probes = probe::battery(&scratch.own, &paths, Some(&scratch.token));
    probes.push(probe::signed_out());
    Ok(scratch.reach.survey(&probes, wanted).await)
}
