//! `access.per-action`: each route of the application asks for its permission, and what is not
//! mapped is refused.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kernel::{
    Card, Control, Cx, Finding, Fut, Gatekeeper, Identity, Params, Passage, PermissionId,
    Population, Proof, Standing,
};

use super::requests::{Survey, callers, requests, survey};
use super::{Caller, House};
use crate::{Access, Catalogue, Error, Matrix, Result, Routes};

static CARD: Card = Card {
    id: "access.per-action",
    title: "Each action is authorised",
    attack: "Asks the running gateway for every route with every method, as somebody of each role, \
             as nobody, as another tenant's, and as somebody with all roles whose last proof of who \
             they are is 11 minutes old; and for paths that are not mapped or are written in another \
             way (other case, slashes, dots, percent signs); compares each answer with the reviewed \
             matrix.",
    bite: "Scratch gateways that let unmapped paths through, ask for another permission, permit a \
           role too much or too little, decide nothing for HEAD, count another tenant's roles, or \
           are content with an old proof.",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(10),
    not_covered: &[
        "whether the routes are all that the application has: what is missing is refused",
        "which of a tenant's own objects somebody may change: that is the application's question",
        "which routes ought to ask for a fresh proof: those that do are asked with an old one",
        "a method that the application takes out of a form's field instead of the request",
        "what is permitted and succeeds: it is asked with ids that no application gives out, and \
         without a body",
    ],
};

const OF: &str = "requests (route × method × caller)";

/// The control.
pub(super) struct PerAction {
    pub(super) house: House,
}

impl Control for PerAction {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let now = cx.clock.now();
            self.attack(now).await.unwrap_or_else(|why| Proof::unknown(now, why))
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let now = cx.clock.now();
            self.seed(cx).await.unwrap_or_else(|why| Proof::unknown(now, why))
        })
    }
}

impl PerAction {
    async fn attack(&self, now: Timestamp) -> std::result::Result<Proof, String> {
        let routes = self.house.access.routes().ok_or(
            "no routes are known, so that whoever is signed in may ask for everything; name a file \
             of them in [access] routes",
        )?;
        let door = self.house.door.as_ref().ok_or("there is no application behind the gateway")?;
        let golden = Matrix::golden().map_err(|error| error.to_string())?;
        let (all, everybody) = (requests(routes), callers(&golden));
        let survey = survey(door.as_ref(), &all, &everybody, &golden).await;
        Ok(weigh(now, survey, routes.all().len(), everybody.len()))
    }

    async fn seed(&self, cx: &Cx) -> std::result::Result<Proof, String> {
        let now = cx.clock.now();
        let text = |error: Error| error.to_string();
        let golden = Matrix::golden().map_err(text)?;
        let whole = self.try_out(cx, &golden, Fault::None).await?;
        if let Some(finding) = whole.findings.first() {
            return Err(format!("a whole gateway does not pass: {finding}"));
        }
        if whole.checked < whole.total {
            let why = whole.missed.unwrap_or_default();
            return Err(format!("a whole gateway could not be asked for everything: {why}"));
        }
        let (mut findings, mut missed) = (Vec::new(), Vec::new());
        for (fault, what, wanted) in Fault::SEEDED {
            let survey = self.try_out(cx, &golden, fault).await?;
            let hit = survey.findings.iter().find(|finding| finding.to_string().contains(wanted));
            match hit {
                Some(hit) => findings.push(Finding::new(what, hit.to_string())),
                None => missed.push(what),
            }
        }
        let population = Population::new(findings.len(), Fault::SEEDED.len(), "faulty gateways");
        if !missed.is_empty() {
            return Ok(Proof::missed(now, population, format!("not found: {}", missed.join(", "))));
        }
        let measured = format!("{} of {} found", findings.len(), Fault::SEEDED.len());
        Ok(Proof::weigh(now, population, measured, "all of them", findings))
    }

    /// The same attack on a scratch gateway with a fault.
    async fn try_out(
        &self,
        cx: &Cx,
        golden: &Matrix,
        fault: Fault,
    ) -> std::result::Result<Survey, String> {
        let text = |error: Error| error.to_string();
        let routes = sample(Fault::None).map_err(text)?;
        let all = requests(&routes);
        let access = Access::new(self.house.owner.clone(), Arc::clone(&cx.clock));
        access.guard(sample(fault).map_err(text)?);
        let gatekeeper = Arc::new(Faulty { access, fault });
        let everybody: Vec<Caller> = callers(golden);
        let standings = everybody
            .iter()
            .filter(|caller| **caller != Caller::Nobody)
            .map(|caller| (caller.clone(), standing(caller, golden, fault)))
            .collect();
        let door = self.house.scratch.start(gatekeeper, standings).await?;
        Ok(survey(door.as_ref(), &all, &everybody, golden).await)
    }
}

fn weigh(now: Timestamp, survey: Survey, routes: usize, callers: usize) -> Proof {
    let measured = format!(
        "{routes} routes as {callers} callers: {} requests, {} let through, {} decided wrongly",
        survey.checked,
        survey.let_through,
        survey.findings.len()
    );
    let population = Population::new(survey.checked, survey.total, OF);
    let missed = survey.missed.unwrap_or_default();
    Proof::weigh(now, population, measured, "each as in the reviewed matrix", survey.findings)
        .note(&missed)
}

/// What is wrong with a scratch gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Unmapped,
    OtherPermission,
    TooMuch,
    TooLittle,
    Head,
    Foreign,
    Method,
    NoStepUp,
}

impl Fault {
    /// Each with what it does, and a part of the finding that it must lead to.
    const SEEDED: [(Self, &'static str, &'static str); 8] = [
        (Self::Unmapped, "an unmapped path let through", "should have been refused (unmapped)"),
        (
            Self::OtherPermission,
            "a route that asks for another permission",
            "POST /seed/00000000-0000-4000-8000-00000000dead/approve as viewer: was let through",
        ),
        (
            Self::TooMuch,
            "a role that permits too much",
            "POST /seed/00000000-0000-4000-8000-00000000dead/approve as sales: was let through",
        ),
        (Self::TooLittle, "a role that permits too little", "GET /seed as auditor: was refused"),
        (Self::Head, "a HEAD that nobody decides", "HEAD /seed as operator: was let through"),
        (
            Self::Foreign,
            "another tenant's roles that count",
            "as another tenant's: was let through",
        ),
        (Self::Method, "a method that is not looked at", "DELETE /seed as viewer: was let through"),
        (
            Self::NoStepUp,
            "an old proof that is good enough",
            "11 minutes ago: was let through, and should have been refused (step_up)",
        ),
    ];
}

/// Routes of the scratch application.
fn sample(fault: Fault) -> Result<Routes> {
    let approve =
        if fault == Fault::OtherPermission { "products.read" } else { "approvals.approve" };
    let text = format!(
        "[[route]]\npath = \"/seed\"\nGET = \"products.read\"\nPOST = \"products.create\"\n\
         [[route]]\npath = \"/seed/{{id}}/approve\"\nPOST = \"{approve}\"\n\
         step-up = [\"POST\"]\n\
         [[route]]\npath = \"/style.css\"\nGET = \"signed-in\"\n"
    );
    Routes::read(&text, Catalogue::shipped()?)
}

/// What a caller may do at a scratch gateway.
fn standing(caller: &Caller, golden: &Matrix, fault: Fault) -> Standing {
    let number = |name| Catalogue::shipped().ok().and_then(|catalogue| catalogue.number(name));
    let mut permits = match caller {
        Caller::Role(role) => golden.permits(role).copied().unwrap_or_default(),
        Caller::Foreign if fault == Fault::Foreign => {
            golden.permits("owner").copied().unwrap_or_default()
        }
        Caller::Stale => {
            let all = golden.roles.iter().filter_map(|role| golden.permits(role));
            all.flat_map(kernel::Bits::iter).collect()
        }
        Caller::Foreign | Caller::Nobody => kernel::Bits::EMPTY,
    };
    let is = |name: &str| *caller == Caller::Role(name.to_owned());
    match (fault, number("approvals.approve"), number("products.read")) {
        (Fault::TooMuch, Some(approve), _) if is("sales") => permits.insert(approve),
        (Fault::TooLittle, _, Some(read)) if is("auditor") => permits.remove(read),
        _ => {}
    }
    Standing { permits, ..Standing::default() }
}

/// A gatekeeper that is as the real one but for its fault.
struct Faulty {
    access: Access,
    fault: Fault,
}

impl Gatekeeper for Faulty {
    fn pass(&self, identity: &Identity, method: &str, path: &str) -> Passage {
        let decided = self.access.pass(identity, method, path);
        match (self.fault, decided) {
            (Fault::Head, _) if method == "HEAD" => Passage::Open,
            (Fault::Unmapped, Passage::Unmapped) | (Fault::NoStepUp, Passage::StepUp) => {
                Passage::Open
            }
            (Fault::Method, _) => self.access.pass(identity, "GET", path),
            (_, decided) => decided,
        }
    }

    fn permission(&self, method: &str, path: &str) -> Option<PermissionId> {
        self.access.permission(method, path)
    }

    fn note<'a>(
        &'a self,
        identity: &'a Identity,
        request: &'a str,
        method: &'a str,
        path: &'a str,
    ) -> Fut<'a, std::result::Result<(), String>> {
        self.access.note(identity, request, method, path)
    }
}
