//! Where a page's links may lead: `claim:ID?name=value&…` to a promise, or out of the page.

use kernel::catalogue::{self, Promise};
use kernel::{ParamError, Params};

use crate::digest::{MAX_PARAMS_BYTES, decode};
use crate::problem::{Fault, shown};

/// The most parameters that one claim may carry.
const MAX_PARAMS: usize = 32;

/// Reads what stands behind `claim:`: the promise, and its parameters checked against it.
///
/// # Errors
/// Every fault in it, never an empty list.
pub(crate) fn claim(target: &str) -> Result<(&'static Promise, Params), Vec<Fault>> {
    let (id, query) = target.split_once('?').unwrap_or((target, ""));
    let promise = catalogue::find(id).ok_or_else(|| vec![unknown(id)])?;
    let (pairs, mut faults) = pairs(query);
    let mut good: Vec<(&str, &str)> = Vec::new();
    for (name, value) in &pairs {
        match check(promise, &good, name, value) {
            Ok(()) => good.push((name, value)),
            Err(error) => faults.push(parameter(&error)),
        }
    }
    for spec in promise.params.iter().filter(|spec| spec.required) {
        // A parameter that is there and wrong was already named.
        let named = |piece: &str| piece.split('=').next() == Some(spec.name);
        if !query.split('&').any(named) {
            faults.push(parameter(&ParamError::Missing { claim: promise.id, name: spec.name }));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let params = Params::check(promise, good).map_err(|error| vec![parameter(&error)])?;
    if params.to_string().len() > MAX_PARAMS_BYTES {
        let what = format!("the parameters are longer than {MAX_PARAMS_BYTES} bytes together");
        return Err(vec![Fault::new(RULE, what, "Make two promises of it.")]);
    }
    Ok((promise, params))
}

/// Checks the target of an ordinary link: `https:`, `mailto:`, or an address on the same site.
pub(crate) fn link(target: &str) -> Result<(), Fault> {
    let refuse = |what: String| {
        let fix = "Link to an `https://` or `mailto:` address, or to a path such as `/privacy`.";
        Err(Fault::new("link", what, fix))
    };
    // Browsers drop these, so that `java\nscript:` would become another target.
    if target.is_empty() || target.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse("a link's target is empty or holds a space".to_owned());
    }
    if target.starts_with("https://") || target.starts_with("mailto:") {
        return Ok(());
    }
    let head = target.split(['/', '?', '#']).next().unwrap_or_default();
    if head.contains(':') || target.starts_with("//") || target.contains('\\') {
        return refuse(format!("a page cannot link to `{}`", shown(target)));
    }
    Ok(())
}

const RULE: &str = "parameter";

fn unknown(id: &str) -> Fault {
    let fix = catalogue::nearest(id).map_or_else(
        || "Use an id of the catalogue, such as `isolation.rows`.".to_owned(),
        |near| format!("Did you mean `{near}`?"),
    );
    Fault::new("unknown-claim", format!("there is no claim `{}`", shown(id)), fix)
}

fn parameter(error: &ParamError) -> Fault {
    let fix = match error {
        ParamError::Unknown { .. } => "Remove it, or use a name that the claim takes.".to_owned(),
        ParamError::Twice { .. } => "Keep one of them.".to_owned(),
        ParamError::Missing { name, .. } => format!("Add `?{name}=…` to the link."),
        ParamError::Value { .. } => "Write the value with its unit.".to_owned(),
    };
    Fault::new(RULE, error.to_string(), fix)
}

/// Splits `name=value&…` and puts percent-encoded characters back: what could be read, and a fault
/// for each piece that could not.
fn pairs(query: &str) -> (Vec<(String, String)>, Vec<Fault>) {
    let (mut pairs, mut faults) = (Vec::new(), Vec::new());
    if query.is_empty() {
        return (pairs, faults);
    }
    for piece in query.split('&').take(MAX_PARAMS) {
        let pair =
            piece.split_once('=').and_then(|(name, value)| Some((decode(name)?, decode(value)?)));
        match pair {
            Some(pair) => pairs.push(pair),
            None => faults.push(Fault::new(
                RULE,
                format!("`{}` is not a name and a value", shown(piece)),
                "Write `name=value`, with `%25` for a percent sign.",
            )),
        }
    }
    if query.split('&').count() > MAX_PARAMS {
        let what = format!("a claim takes at most {MAX_PARAMS} parameters");
        faults.push(Fault::new(RULE, what, "Make two promises of it."));
    }
    (pairs, faults)
}

/// Whether `name` and `value` fit beside the pairs that are `good` already.
fn check(
    promise: &'static Promise,
    good: &[(&str, &str)],
    name: &str,
    value: &str,
) -> Result<(), ParamError> {
    let unit = promise.unit_of(name).ok_or_else(|| ParamError::Unknown {
        claim: promise.id,
        name: shown(name),
        known: promise.known_names(),
    })?;
    let known = |error| ParamError::Value { name: name.to_owned(), error };
    unit.parse(value).map_err(known)?;
    if good.iter().any(|(other, _)| *other == name) {
        return Err(ParamError::Twice { name: name.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{claim, link};

    #[test]
    fn values_are_percent_decoded() {
        let (promise, params) =
            claim("edge.headers?x-frame-options=SAMEORIGIN&x-xss-protection=1%3B%20mode%3Dblock")
                .unwrap();
        assert_eq!(promise.id, "edge.headers");
        let values: Vec<_> = params.iter().collect();
        assert_eq!(
            values,
            [("x-frame-options", "SAMEORIGIN"), ("x-xss-protection", "1; mode=block")]
        );
    }

    #[test]
    fn every_fault_is_named() {
        let faults = claim("backup.daily?evry=24h&keep=30&keep=x&%").unwrap_err();
        assert_eq!(faults.len(), 5, "{faults:?}");
    }

    #[test]
    fn links_lead_to_safe_places_only() {
        for good in ["https://a.example/x:y", "mailto:a@b.example", "/a:b", "a/b", "#top", "?q=1"] {
            assert_eq!(link(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "http://a.example",
            "javascript:alert(1)",
            "java\tscript:alert(1)",
            " javascript:alert(1)",
            "data:text/html,x",
            "//evil.example",
            "/\\evil.example",
            "HTTPS:evil",
        ] {
            assert!(link(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_target_panics(text in ".{0,120}", id in "(backup.daily|edge.headers|[a-z.]{0,12})") {
            let _ = claim(&format!("{id}?{text}"));
            let _ = link(&text);
        }
    }
}
