//! The content security policy: what a browser may load and run for a page.
//!
//! The attack: markup that somebody has stored or reflected reaches a page and is run there. Under the
//! policy no inline script runs, and none of another origin. Our own pages go further: only a script that
//! carries the answer's nonce runs, and no text becomes a script (Trusted Types). The application's pages
//! get the policy of the configuration; a policy of their own is sent beside it, since browsers hold to
//! both. It does not stop a script that the application itself puts into its own files.

/// Where browsers tell what they did not run.
pub(crate) const REPORTS: &str = "/_amanah/csp-report";
/// The same for the Reporting API, as the value of `Reporting-Endpoints`.
pub(super) const ENDPOINTS: &str = "amanah=\"/_amanah/csp-report\"";
const REPORTING: &str = "report-uri /_amanah/csp-report; report-to amanah";

/// What an application's page may do unless the configuration says otherwise: nothing but its own origin.
pub(super) const APPLICATION: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'self'";

/// What every policy of ours says, whoever wrote the page.
pub(super) const FLOOR: &str = "base-uri 'none'; object-src 'none'";

/// The directives that a policy of the configuration may have, and that reports are counted by.
pub(crate) const DIRECTIVES: [&str; 22] = [
    "base-uri",
    "child-src",
    "connect-src",
    "default-src",
    "font-src",
    "form-action",
    "frame-ancestors",
    "frame-src",
    "img-src",
    "manifest-src",
    "media-src",
    "object-src",
    "require-trusted-types-for",
    "sandbox",
    "script-src",
    "script-src-attr",
    "script-src-elem",
    "style-src",
    "style-src-attr",
    "style-src-elem",
    "trusted-types",
    "worker-src",
];

/// The policy for an answer of the application.
pub(super) fn application(policy: &str) -> String {
    format!("{policy}; {REPORTING}")
}

/// The policy for a page of ours, of which scripts with this nonce run.
pub(super) fn own(nonce: &str, ancestors: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; \
         font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors {ancestors}; {REPORTING}"
    )
}

/// What is wrong with a policy that the configuration has for the application's pages.
pub(super) fn check(policy: &str) -> Result<(), String> {
    if !policy.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) || policy.contains(',') {
        return Err("it is one line of plain characters, without a comma".to_owned());
    }
    let mut seen = Vec::new();
    for (name, _) in directives(policy) {
        if name.starts_with("report-") {
            return Err(format!("`{name}` is added by itself, leave it out"));
        }
        if !DIRECTIVES.contains(&name) {
            return Err(format!("there is no directive `{name}`"));
        }
        if seen.contains(&name) {
            return Err(format!("`{name}` stands there twice, and browsers take the first"));
        }
        seen.push(name);
    }
    if holds(FLOOR, policy) { Ok(()) } else { Err(format!("it has to say `{FLOOR}`")) }
}

/// The directives of a policy, each with its sources.
fn directives(policy: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    policy.split(';').filter_map(|directive| {
        let mut words = directive.split_ascii_whitespace();
        Some((words.next()?, words.collect()))
    })
}

/// The sources of a directive: browsers take the first of its name.
fn sources<'p>(policy: &'p str, wanted: &str) -> Option<Vec<&'p str>> {
    let mut all = directives(policy);
    all.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, sources)| sources)
}

/// Whether each directive of `wanted` stands in the policy, with the same sources.
pub(super) fn holds(wanted: &str, policy: &str) -> bool {
    directives(wanted).all(|(name, wanted)| sources(policy, name) == Some(wanted))
}

/// The nonce with which scripts run under it, if there is one.
pub(crate) fn nonce(policy: &str) -> Option<&str> {
    let scripts = sources(policy, "script-src")?;
    scripts.iter().find_map(|source| source.strip_prefix("'nonce-")?.strip_suffix('\''))
}

/// What an injected script, frame, form or base would get past this policy with.
pub(crate) fn gaps(policy: &str) -> Vec<String> {
    let mut gaps = Vec::new();
    let fallback = sources(policy, "default-src");
    match sources(policy, "script-src").or_else(|| fallback.clone()) {
        None => gaps.push("it has no script-src".to_owned()),
        Some(scripts) => gaps.extend(open(&scripts)),
    }
    for other in ["script-src-elem", "script-src-attr", "worker-src"] {
        gaps.extend(sources(policy, other).iter().flat_map(|sources| open(sources)));
    }
    if sources(policy, "object-src").or(fallback).as_deref() != Some(&["'none'"]) {
        gaps.push("object-src is not 'none'".to_owned());
    }
    if sources(policy, "base-uri").as_deref() != Some(&["'none'"]) {
        gaps.push("base-uri is not 'none'".to_owned());
    }
    for bounded in ["form-action", "frame-ancestors"] {
        let all = |source: &&str| source.contains('*') || source.ends_with(':');
        match sources(policy, bounded) {
            None => gaps.push(format!("it has no {bounded}")),
            Some(sources) if sources.iter().any(all) => gaps.push(format!("{bounded} is open")),
            Some(_) => {}
        }
    }
    if sources(policy, "report-uri").as_deref() != Some(&[REPORTS]) {
        gaps.push("nothing is reported to us".to_owned());
    }
    gaps
}

/// Sources of scripts that others can write to, or that let text run.
fn open(scripts: &[&str]) -> Vec<String> {
    let is_open = |source: &&&str| {
        let source = source.to_ascii_lowercase();
        let text = ["'unsafe-inline'", "'unsafe-eval'", "'unsafe-hashes'"];
        text.contains(&source.as_str()) || source.ends_with(':') || source.contains('*')
    };
    scripts.iter().filter(is_open).map(|source| format!("scripts may come from {source}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{APPLICATION, FLOOR, application, check, gaps, holds, nonce, own};

    /// Both policies of ours have no gap, and only that for our own pages has a nonce.
    #[test]
    fn ours_have_no_gaps() {
        assert_eq!(check(APPLICATION), Ok(()));
        assert_eq!(gaps(&application(APPLICATION)), [""; 0]);
        let ours = own("abc", "'self'");
        assert_eq!(gaps(&ours), [""; 0]);
        assert_eq!((nonce(&ours), nonce(APPLICATION)), (Some("abc"), None));
        assert!(holds(FLOOR, &ours) && holds(FLOOR, APPLICATION) && !holds(FLOOR, "default-src *"));
    }

    /// Each way to weaken it is told.
    #[test]
    fn each_gap_is_told() {
        let whole = application(APPLICATION);
        for (from, to, gap) in [
            ("script-src 'self'", "script-src 'self' 'unsafe-inline'", "'unsafe-inline'"),
            ("script-src 'self'", "script-src 'unsafe-EVAL'", "'unsafe-EVAL'"),
            ("script-src 'self'", "script-src https:", "https:"),
            ("script-src 'self'", "script-src *.example", "*.example"),
            ("script-src 'self'", "script-src 'self'; script-src-elem *", "from *"),
            ("default-src 'none'; script-src 'self'", "img-src 'self'", "no script-src"),
            ("object-src 'none'", "object-src 'self'", "object-src"),
            ("base-uri 'none'", "font-src x", "base-uri"),
            ("form-action 'self'", "form-action *", "form-action is open"),
            ("frame-ancestors 'self'", "img-src x", "no frame-ancestors"),
            ("report-uri", "report-url", "reported"),
        ] {
            let weak = whole.replace(from, to);
            assert_ne!(weak, whole, "{from}");
            let told = gaps(&weak);
            assert!(told.iter().any(|told| told.contains(gap)), "{to}: {told:?}");
        }
        assert!(!gaps("").is_empty());
    }

    /// Nothing of the configuration ends the header, begins another policy, or is misspelt in silence.
    #[test]
    fn a_policy_of_the_configuration_is_checked() {
        for (policy, why) in [
            (format!("{FLOOR}\r\nset-cookie: a=b"), "one line"),
            (format!("{FLOOR}, default-src *"), "comma"),
            (format!("{FLOOR}; scrpt-src 'self'"), "`scrpt-src`"),
            (format!("{FLOOR}; img-src a; img-src b"), "twice"),
            (format!("{FLOOR}; report-uri /mine"), "added by itself"),
            ("base-uri 'none'".to_owned(), "has to say"),
            (String::new(), "has to say"),
        ] {
            let told = check(&policy).unwrap_err();
            assert!(told.contains(why), "{policy}: {told}");
        }
    }
}
