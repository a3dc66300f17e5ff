//! Who changes a promise's words must say so: the digests that were approved lie in a file beside
//! the page and are reviewed with it.
//!
//! This reads and writes text; the binary reads and writes the files.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::digest::digest;
use crate::document::{Page, Pledge};
use crate::problem::{Fault, Problem, shown};

/// The largest file of approvals, in bytes.
const MAX_APPROVALS_BYTES: usize = 1024 * 1024;

/// The approvals of `page` as it stands now, for the file `NAME.approved.toml` beside it.
pub fn approve(page: &Page) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _ = writeln!(
        text,
        "# The promises of {}.md in the words that were approved.\n\
         # Written by `amanah page lint --approve`; review a change here like one of code.",
        page.name
    );
    for pledge in &page.pledges {
        let _ = write!(
            text,
            "\n[[approved]]\nclaim = {}\nparams = {}\ndigest = {}\nsentence = {}\n",
            quote(pledge.promise.id),
            quote(&pledge.params.to_string()),
            quote(&pledge.digest),
            quote(&pledge.sentence),
        );
    }
    text
}

/// What stands between a page and its publication: sentences that were never approved or were
/// changed since, and approvals of promises that the page no longer makes. The latter are looked
/// for only when `whole` says that `pledges` are all that it promises.
pub(crate) fn check(
    page: &str,
    pledges: &[Pledge],
    approvals: Option<&str>,
    whole: bool,
) -> Vec<Problem> {
    let approved = match approvals.map_or_else(|| Ok(Vec::new()), read) {
        Ok(approved) => approved,
        Err(why) => {
            let what = format!("{page}.approved.toml cannot be used: {why}");
            let fix = "Restore it from version control, or approve the page again.";
            return vec![Fault::new("approvals", what, fix).at(page, 1)];
        }
    };
    let keys: Vec<(&str, String)> =
        pledges.iter().map(|pledge| (pledge.promise.id, pledge.params.to_string())).collect();
    let on_page = |entry: &Approved| keys.iter().any(|(c, p)| entry.is(c, p));
    let mut left_over: Vec<&Approved> = approved.iter().filter(|e| !on_page(e)).collect();
    let mut problems = Vec::new();
    for (pledge, (claim, params)) in pledges.iter().zip(&keys) {
        let exact = approved.iter().find(|entry| entry.is(claim, params));
        if exact.is_some_and(|entry| entry.digest == pledge.digest) {
            continue;
        }
        // Otherwise an approval of the same claim with other parameters is what was changed.
        let near = || {
            let at = left_over.iter().position(|entry| entry.claim == *claim)?;
            Some(left_over.remove(at))
        };
        let fault = match exact.or_else(near) {
            Some(before) => changed(page, before, pledge, params),
            None => unapproved(page, pledge),
        };
        problems.push(fault.at(page, pledge.line));
    }
    if whole {
        let faults = left_over.into_iter().map(|e| left(page, e));
        problems.extend(faults.map(|fault| fault.at(page, 1)));
    }
    problems
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    approved: Vec<Approved>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Approved {
    claim: String,
    params: String,
    digest: String,
    sentence: String,
}

impl Approved {
    fn is(&self, claim: &str, params: &str) -> bool {
        self.claim == claim && self.params == params
    }
}

fn read(text: &str) -> Result<Vec<Approved>, String> {
    if text.len() > MAX_APPROVALS_BYTES {
        return Err(format!("it is larger than {} KiB", MAX_APPROVALS_BYTES / 1024));
    }
    let file: File = toml::from_str(text).map_err(|error| first_line(error.message()))?;
    for (n, entry) in file.approved.iter().enumerate() {
        let claim = shown(&entry.claim);
        if digest(&entry.claim, &entry.params, &entry.sentence) != entry.digest {
            return Err(format!("the digest of `{claim}` is not that of its own sentence"));
        }
        let same = |other: &Approved| other.is(&entry.claim, &entry.params);
        if file.approved.iter().take(n).any(same) {
            return Err(format!("`{claim}` is approved twice"));
        }
    }
    Ok(file.approved)
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

fn changed(page: &str, before: &Approved, pledge: &Pledge, params: &str) -> Fault {
    let mut what = format!("the promise `{}` was changed after it was approved", before.claim);
    if before.params != params {
        let _ = write!(what, "; parameters before: `{}`, now: `{params}`", before.params);
    }
    if before.sentence != pledge.sentence {
        let _ = write!(what, "; before: “{}”, now: “{}”", before.sentence, pledge.sentence);
    }
    Fault::new("changed", what, approve_it(page))
}

fn unapproved(page: &str, pledge: &Pledge) -> Fault {
    let what =
        format!("the promise `{}` was never approved: “{}”", pledge.promise.id, pledge.sentence);
    Fault::new("unapproved", what, approve_it(page))
}

fn approve_it(page: &str) -> String {
    format!("If these words are right, approve them: amanah page lint --approve {page}.md")
}

fn left(page: &str, entry: &Approved) -> Fault {
    let what = format!(
        "{page}.approved.toml approves `{}`, which the page does not promise: “{}”",
        shown(&entry.claim),
        entry.sentence
    );
    let fix = format!("If it was withdrawn on purpose: amanah page lint --approve {page}.md");
    Fault::new("left-over", what, fix)
}

/// `text` as a TOML string.
fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{approve, check};
    use crate::document::Page;
    use crate::lint::lint;
    use crate::problem::Problem;

    const HEAD: &str = "---\ntitle: T\nlanguage: en\n---\n";
    const ONE: &str = "- Kept [\"30\" days](claim:backup.daily?every=24h&keep=30d), 24 h.\n";
    const TWO: &str = "- [Signed](claim:people.nda) ‘x’ \\ \"\"\".\n";

    fn page(body: &str) -> Page {
        Page::parse("p", &format!("{HEAD}{body}")).unwrap()
    }

    fn check_approvals(page: &Page, approvals: Option<&str>) -> Vec<Problem> {
        check(&page.name, &page.pledges, approvals, true)
    }

    fn problems(body: &str, approvals: Option<&str>) -> Vec<String> {
        let all = check_approvals(&page(body), approvals);
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_was_approved_is_not_asked_about_again() {
        let both = format!("{ONE}{TWO}");
        let approvals = approve(&page(&both));
        insta::assert_snapshot!(approvals);
        assert_eq!(problems(&both, Some(&approvals)), [""; 0]);
        assert_eq!(lint("p", &format!("{HEAD}{both}"), Some(&approvals)), []);
    }

    #[test]
    fn changed_new_and_withdrawn_promises_are_problems() {
        let approvals = approve(&page(ONE));
        let changed = ONE.replace("Kept", "Stored");
        let numbers = ONE.replace("30", "20");
        let mut all = problems(ONE, None);
        all.extend(problems(&changed, Some(&approvals)));
        all.extend(problems(&numbers, Some(&approvals)));
        all.extend(problems(&format!("{ONE}{TWO}"), Some(&approvals)));
        all.extend(problems(TWO, Some(&approvals)));
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn approvals_that_were_tampered_with_are_not_used() {
        let approvals = approve(&page(ONE));
        let twice = format!("{approvals}{approvals}");
        let mut all = Vec::new();
        for bad in [
            "not toml",
            "[[approved]]\nclaim = \"x\"\n",
            "unknown = 1\n",
            &approvals.replace("Kept", "Lost"),
            &twice,
            &" ".repeat(super::MAX_APPROVALS_BYTES + 1),
        ] {
            all.extend(problems(ONE, Some(bad)));
        }
        assert_eq!(all.len(), 6);
        insta::assert_snapshot!(all.join("\n"));
    }

    proptest! {
        #[test]
        fn no_text_panics_the_reader(text in "[a-z=\"\\[\\]\n.{}']{0,80}") {
            let _ = check_approvals(&page(ONE), Some(&text));
            let _ = check_approvals(&page(ONE), Some(&format!("[[approved]]\n{text}")));
        }

        #[test]
        fn any_sentence_survives_the_file(words in "[a-zé\"'\\\\]{1,30}( [a-zب\"'#]{1,9}){0,4}") {
            let source = format!("{HEAD}{words} [x](claim:people.nda)");
            if let Ok(page) = Page::parse("p", &source) {
                let approvals = approve(&page);
                prop_assert_eq!(check_approvals(&page, Some(&approvals)), vec![]);
            }
        }
    }
}
