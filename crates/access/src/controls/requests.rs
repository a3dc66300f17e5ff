//! What is asked of a gateway, by whom, and what must be answered.

use std::collections::BTreeSet;

use kernel::Finding;

use super::{Answer, Caller, Door};
use crate::{Matrix, Need, Routes};

/// What stands in place of a parameter: an id that no application gives out.
const NOBODYS_ID: &str = "00000000-0000-4000-8000-00000000dead";
/// A segment that no application has.
const NO_SEGMENT: &str = "amanah-proof-of-nothing";
/// The methods that a gateway takes.
const ASKED: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

/// A method and a path, and what they need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    method: &'static str,
    path: String,
    /// `None` where nothing is mapped, so that everybody is to be refused.
    need: Option<Need>,
}

/// Every template with every method, and paths that lead nowhere or to two places at once.
pub(super) fn requests(routes: &Routes) -> Vec<Request> {
    let templates: BTreeSet<&str> = routes.all().iter().map(|r| r.template.as_str()).collect();
    let mut all = Vec::new();
    for template in &templates {
        let path = example(template);
        for method in ASKED {
            // HEAD is GET without a body.
            let as_method = if method == "HEAD" { "GET" } else { method };
            let named =
                |route: &&crate::Route| route.template == *template && route.method == as_method;
            let need = routes.all().iter().find(named).map(|route| route.need);
            all.push(Request { method, path: path.clone(), need });
        }
    }
    let open = templates.iter().any(|template| template.ends_with('}') && template.contains("{*"));
    let mut odd = BTreeSet::new();
    for template in &templates {
        odd.extend(tricks(&example(template)));
        if !open {
            odd.insert(format!(
                "{}/{NO_SEGMENT}/{NO_SEGMENT}",
                example(template).trim_end_matches('/')
            ));
        }
    }
    if !open {
        odd.insert(format!("/{NO_SEGMENT}"));
    }
    for path in odd {
        for method in ["GET", "POST"] {
            all.push(Request { method, path: path.clone(), need: None });
        }
    }
    all
}

/// Other ways to write a path, each of which some program takes for the path itself.
fn tricks(path: &str) -> Vec<String> {
    let Some((before, last)) = path.rsplit_once('/').filter(|(_, last)| !last.is_empty()) else {
        return vec!["//".to_owned(), "/.".to_owned(), "/%2e".to_owned()];
    };
    let encoded: String = last
        .chars()
        .enumerate()
        .map(|(n, c)| if n == 0 { format!("%{:02x}", u32::from(c)) } else { c.to_string() })
        .collect();
    vec![
        format!("{before}//{last}"),
        format!("{before}/./{last}"),
        format!("{before}/{NO_SEGMENT}/../{last}"),
        format!("{before}/{NO_SEGMENT}%2f..%2f{last}"),
        format!("{before}/{encoded}"),
        format!("{before}/{last};a=1"),
        format!("{path}%00"),
        format!("{path}/%2e"),
    ]
}

/// The template with something in place of each parameter.
fn example(template: &str) -> String {
    let filled = template.split('/').map(|segment| match segment.strip_prefix('{') {
        Some(name) if name.starts_with('*') => NO_SEGMENT,
        Some(_) => NOBODYS_ID,
        None => segment,
    });
    filled.collect::<Vec<_>>().join("/")
}

/// Everybody who asks.
pub(super) fn callers(matrix: &Matrix) -> Vec<Caller> {
    let roles = matrix.roles.iter().cloned().map(Caller::Role);
    roles.chain([Caller::Nobody, Caller::Foreign]).collect()
}

/// What came of asking everything as everybody.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) total: usize,
    pub(super) checked: usize,
    pub(super) let_through: usize,
    pub(super) findings: Vec<Finding>,
    /// Why the first one that could not be checked could not.
    pub(super) missed: Option<String>,
}

/// Asks everything as everybody, and compares each answer with the reviewed matrix.
pub(super) async fn survey(
    door: &dyn Door,
    requests: &[Request],
    callers: &[Caller],
    golden: &Matrix,
) -> Survey {
    let wire: Vec<(String, String)> =
        requests.iter().map(|r| (r.method.to_owned(), r.path.clone())).collect();
    let mut survey = Survey { total: requests.len() * callers.len(), ..Survey::default() };
    for caller in callers {
        let answers = match door.ask(caller, &wire).await {
            Ok(answers) => answers,
            Err(why) => {
                survey.missed.get_or_insert(format!("{caller}: {why}"));
                continue;
            }
        };
        for (request, answer) in requests.iter().zip(&answers) {
            survey.judge(caller, request, answer, golden);
        }
    }
    survey
}

impl Survey {
    fn judge(&mut self, caller: &Caller, request: &Request, answer: &Answer, golden: &Matrix) {
        let wanted = Wanted::of(caller, request.need, golden);
        let at = || format!("{} {} as {caller}", request.method, request.path);
        match (wanted, answer) {
            (Wanted::Through | Wanted::Proof, Answer::LetThrough) => {
                self.checked += 1;
                self.let_through += 1;
            }
            (Wanted::Refused(label), Answer::Refused(said)) if label == said => self.checked += 1,
            (Wanted::Proof, Answer::Refused(said)) if said == "step_up" => self.checked += 1,
            (Wanted::Refused(label), Answer::LetThrough) => {
                self.checked += 1;
                let what = format!("was let through, and should have been refused ({label})");
                self.findings.push(Finding::new(at(), what));
            }
            (Wanted::Through | Wanted::Proof, Answer::Refused(said))
                if said == "denied" || said == "unmapped" =>
            {
                self.checked += 1;
                let what = format!("was refused ({said}), and the role permits it");
                self.findings.push(Finding::new(at(), what));
            }
            // Refused before it could be decided: for no one's good, and nothing was learnt.
            (_, Answer::Refused(said)) if is_early(caller, request, said) => self.checked += 1,
            (_, Answer::Refused(said)) => {
                self.missed.get_or_insert(format!("{}: refused as {said}", at()));
            }
        }
    }
}

/// Whether a refusal of another kind is as good: what nobody may ask for was not passed on.
fn is_early(caller: &Caller, request: &Request, said: &str) -> bool {
    let meant = ["denied", "unmapped", "malformed", "not_found", "method", "signed_out"];
    let known = meant.contains(&said);
    // Somebody who is signed in and is told to sign in was not recognised at all.
    let recognised = said != "signed_out" || *caller == Caller::Nobody;
    request.need.is_none() && known && recognised || *caller == Caller::Foreign && said == "denied"
}

/// What must be answered.
enum Wanted {
    Through,
    /// The same, or that they prove who they are once more.
    Proof,
    Refused(&'static str),
}

impl Wanted {
    fn of(caller: &Caller, need: Option<Need>, golden: &Matrix) -> Self {
        let Some(need) = need else {
            return Self::Refused(if *caller == Caller::Nobody {
                "signed_out"
            } else {
                "unmapped"
            });
        };
        let may = match caller {
            Caller::Nobody => return Self::Refused("signed_out"),
            Caller::Foreign => need.permission.is_none(),
            Caller::Role(role) => need.permission.is_none_or(|permission| {
                golden.permits(role).is_some_and(|permits| permits.has(permission))
            }),
        };
        match (may, need.step_up) {
            (false, _) => Self::Refused("denied"),
            (true, true) => Self::Proof,
            (true, false) => Self::Through,
        }
    }
}
