//! Promises without a control, and controls that nobody promises: both are gaps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use kernel::catalogue::Kind;

use crate::Engine;
use crate::document::Page;

/// Where pages and controls do not meet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Claims that pages make and no control proves, with the pages. Claims that only a document
    /// can show are not among them.
    pub unbuilt: BTreeMap<&'static str, BTreeSet<String>>,
    /// Claims that have a control and stand on no page.
    pub unused: BTreeSet<&'static str>,
}

impl Engine {
    /// Where `pages`, which should be all that are published, and the controls of this
    /// installation do not meet.
    pub fn coverage(&self, pages: &[Arc<Page>]) -> Coverage {
        Coverage::of(pages.iter().map(AsRef::as_ref), self.ids())
    }
}

impl Coverage {
    fn of<'p>(
        pages: impl IntoIterator<Item = &'p Page>,
        controls: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        let controls: BTreeSet<&str> = controls.into_iter().collect();
        let mut promised = BTreeSet::new();
        let mut unbuilt: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for page in pages {
            for pledge in &page.pledges {
                let promise = pledge.promise;
                promised.insert(promise.id);
                if promise.kind != Kind::Attested && !controls.contains(promise.id) {
                    unbuilt.entry(promise.id).or_default().insert(page.name.clone());
                }
            }
        }
        Self { unbuilt, unused: controls.difference(&promised).copied().collect() }
    }
}

/// One line for each gap; empty when there is none.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (claim, pages) in &self.unbuilt {
            let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
            writeln!(f, "{claim}: no control; promised on {}", pages.join(", "))?;
        }
        for claim in &self.unused {
            writeln!(f, "{claim}: has a control and stands on no page")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Coverage;
    use crate::document::Page;

    #[test]
    fn gaps_are_found_both_ways() {
        let source = "---\ntitle: T\nlanguage: en\n---\n\
                      - [a](claim:mfa.totp), [b](claim:edge.csp), [c](claim:people.nda)\n";
        let page = Page::parse("p", source).unwrap();
        let coverage = Coverage::of([&page], ["edge.csp", "edge.waf"]);
        assert_eq!(
            coverage.to_string(),
            "mfa.totp: no control; promised on p\nedge.waf: has a control and stands on no page\n"
        );
        assert_eq!(Coverage::of([&page], ["edge.csp", "mfa.totp"]), Coverage::default());
    }
}
