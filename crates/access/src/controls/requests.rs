//! What is asked of a gateway, by whom, and what must be answered.

use std::collections::BTreeSet;

use kernel::Finding;

use super::{Answer, Caller, Door, STEP_UP};
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
    for path in odd(&templates) {
        for method in ["GET", "POST"] {
            all.push(Request { method, path: path.clone(), need: None });
        }
    }
    all
}

/// Paths that lead nowhere, and other ways to write those that lead somewhere, each of which some
/// program takes for the path itself.
fn odd(templates: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut odd = BTreeSet::from([format!("/{NO_SEGMENT}")]);
    for template in templates {
        let path = example(template);
        odd.extend(tricks(&path));
        odd.extend(other_case(template));
        odd.insert(format!("{}/{NO_SEGMENT}/{NO_SEGMENT}", path.trim_end_matches('/')));
        let below = |other: &&str| other.strip_prefix(template).is_some_and(is_slash_or_rest);
        if !template.contains("{*") && !path.ends_with('/') && !templates.iter().any(below) {
            odd.insert(format!("{path}/"));
        }
    }
    // What takes the rest of a path takes these, too, where nothing else is like them.
    let shadowed = |path: &str| path.ends_with('/') || path.bytes().any(|b| b.is_ascii_uppercase());
    odd.retain(|path| shadowed(path) || !templates.iter().any(|one| covers(one, path)));
    odd
}

/// Whether what follows a template in another one makes that the same path with a slash at its end.
fn is_slash_or_rest(more: &str) -> bool {
    more == "/" || more.starts_with("/{*")
}

/// Other ways to write a path, none of which two programs read alike.
fn tricks(path: &str) -> Vec<String> {
    let Some((before, last)) = path.rsplit_once('/').filter(|(_, last)| !last.is_empty()) else {
        return vec!["//".to_owned(), "/.".to_owned(), "/%2e".to_owned()];
    };
    let encoded: String = last
        .chars()
        .enumerate()
        .map(|(n, c)| if n == 0 { format!("%{:02x}", u32::from(c)) } else { c.to_string() })
        .collect();
    // The same with its last slash hidden; the first one of all has to stay.
    let hiding = if before.is_empty() { "/" } else { before };
    vec![
        format!("/{path}"),
        format!("{path}//"),
        format!("{before}//{last}"),
        format!("{before}/./{last}"),
        format!("{before}/{NO_SEGMENT}/../{last}"),
        format!("{before}/{NO_SEGMENT}%2f..%2f{last}"),
        format!("{hiding}%2f{last}"),
        format!("{hiding}%5c{last}"),
        format!("{before}/{encoded}"),
        format!("{before}/{last};a=1"),
        format!("{path}%00"),
        format!("{path}%2f"),
        format!("{path}/%2e"),
    ]
}

/// The same path with its last word in capitals: an application that ignores case takes it for the
/// route. What stands in place of a parameter may be written in any way.
fn other_case(template: &str) -> Option<String> {
    let segments: Vec<&str> = template.split('/').collect();
    let is_word = |segment: &&str| {
        !segment.starts_with('{') && segment.bytes().any(|b| b.is_ascii_lowercase())
    };
    let at = segments.iter().rposition(is_word)?;
    let other: Vec<String> = segments
        .iter()
        .enumerate()
        .map(|(n, s)| if n == at { s.to_ascii_uppercase() } else { (*s).to_owned() })
        .collect();
    Some(example(&other.join("/")))
}

/// Whether a path is one of a template's, read in the plainest way.
fn covers(template: &str, path: &str) -> bool {
    if path.contains("//") || path.contains(['%', ';']) || path.split('/').any(is_dots) {
        return false;
    }
    let mut segments = path.split('/');
    for wanted in template.split('/') {
        if wanted.starts_with("{*") {
            return segments.next().is_some();
        }
        match segments.next() {
            Some(segment) if wanted.starts_with('{') && !segment.is_empty() => {}
            Some(segment) if wanted == segment => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

fn is_dots(segment: &str) -> bool {
    matches!(segment, "." | "..")
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
    roles.chain([Caller::Nobody, Caller::Foreign, Caller::Stale]).collect()
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
            (Wanted::Through, Answer::LetThrough) => {
                self.checked += 1;
                self.let_through += 1;
            }
            (Wanted::Refused(label), Answer::Refused(said)) if label == said => self.checked += 1,
            (Wanted::Refused(label), Answer::LetThrough) => {
                self.checked += 1;
                let what = format!("was let through, and should have been refused ({label})");
                self.findings.push(Finding::new(at(), what));
            }
            (Wanted::Through, Answer::Refused(said))
                if matches!(said.as_str(), "denied" | "unmapped" | STEP_UP) =>
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
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    Through,
    Refused(&'static str),
}

impl Wanted {
    pub(super) fn of(caller: &Caller, need: Option<Need>, golden: &Matrix) -> Self {
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
            Caller::Role(role) => permits(golden, role, need),
            Caller::Stale => golden.roles.iter().any(|role| permits(golden, role, need)),
        };
        match (may, caller) {
            (false, _) => Self::Refused("denied"),
            (true, Caller::Stale) if need.step_up => Self::Refused(STEP_UP),
            (true, _) => Self::Through,
        }
    }
}

/// Whether somebody with `role` may ask for what has this need, as it was reviewed.
fn permits(golden: &Matrix, role: &str, need: Need) -> bool {
    need.permission.is_none_or(|permission| {
        golden.permits(role).is_some_and(|permits| permits.has(permission))
    })
}
