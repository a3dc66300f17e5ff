//! What Prometheus sees of the claims: the verdict of each, the age of its proof, and how the runs
//! go.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use kernel::{Outcome, Verdict, canonical};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::engine::Engine;
use crate::evidence::{Key, Run};
use crate::report::{ClaimReport, Report};

/// Upper bounds of the buckets of a run's duration, in seconds.
const BUCKETS: [f64; 9] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0];

impl Engine {
    /// `reports` and the runs since the start as `OpenMetrics` text. Its end mark is left to
    /// whoever puts the texts of all rooms together.
    ///
    /// # Errors
    /// Never in practice: the text is written to memory.
    pub fn metrics(&self, reports: &[Report]) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &standing(reports))?;
        encode_registry(&mut text, &self.inner.meters.registry)?;
        Ok(text)
    }
}

/// Counts the runs of this process.
pub(crate) struct Meters {
    registry: Registry,
    runs: Family<RunLabels, Counter>,
    seconds: Family<TimeLabels, Histogram, fn() -> Histogram>,
}

impl Meters {
    pub(crate) fn new() -> Self {
        let runs = Family::default();
        let make: fn() -> Histogram = || Histogram::new(BUCKETS);
        let seconds = Family::new_with_constructor(make);
        let mut registry = Registry::with_prefix("amanah");
        registry.register(
            "runs",
            "Proofs and bites that were run and stored, by outcome",
            runs.clone(),
        );
        registry.register("run_seconds", "How long a proof or a bite took", seconds.clone());
        Self { registry, runs, seconds }
    }

    pub(crate) fn ran(&self, key: &Key, outcome: Outcome, took: Duration) {
        let (claim, run) = (key.claim.clone(), key.run.as_str());
        let labels = TimeLabels { claim: claim.clone(), run };
        self.seconds.get_or_create(&labels).observe(took.as_secs_f64());
        let outcome = outcome.as_str();
        self.runs.get_or_create(&RunLabels { claim, run, outcome }).inc();
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunLabels {
    claim: String,
    run: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TimeLabels {
    claim: String,
    run: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClaimLabels {
    page: String,
    claim: String,
    params: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AgeLabels {
    page: String,
    claim: String,
    params: String,
    run: &'static str,
}

/// How the claims of `reports` stand, in a registry of its own: a claim that left its page leaves
/// no number behind.
fn standing(reports: &[Report]) -> Registry {
    let verdicts = Family::<ClaimLabels, Gauge>::default();
    let ages = Family::<AgeLabels, Gauge<f64, AtomicU64>>::default();
    let bites = Family::<ClaimLabels, Gauge>::default();
    for report in reports {
        for claim in &report.claims {
            let labels = labels(report, claim);
            verdicts.get_or_create(&labels).set(rank(claim.verdict));
            let age = |run: Run, observed: Timestamp| {
                let labels = AgeLabels {
                    page: labels.page.clone(),
                    claim: labels.claim.clone(),
                    params: labels.params.clone(),
                    run: run.as_str(),
                };
                let seconds = report.at.duration_since(observed).as_secs_f64();
                ages.get_or_create(&labels).set(seconds);
            };
            if let Some(observed) = claim.observed_at {
                age(Run::Proof, observed);
            }
            if let Some(bite) = &claim.bite {
                age(Run::Bite, bite.at);
                bites.get_or_create(&labels).set(i64::from(bite.bit));
            }
        }
    }
    let mut registry = Registry::with_prefix("amanah_claim");
    registry.register("verdict", "0 failing, 1 unknown, 2 stale, 3 attested, 4 proven", verdicts);
    registry.register(
        "age_seconds",
        "How long ago the last proof and the last bite saw the system",
        ages,
    );
    registry.register(
        "bite",
        "1 when the control found the violation that was seeded last, else 0",
        bites,
    );
    registry
}

fn labels(report: &Report, claim: &ClaimReport) -> ClaimLabels {
    let params = claim.params.iter();
    ClaimLabels {
        page: report.page.clone(),
        claim: claim.id.clone(),
        params: canonical(params.map(|(name, value)| (name.as_str(), value.as_str()))),
    }
}

/// The place of a verdict, the worst at 0.
fn rank(verdict: Verdict) -> i64 {
    let place = Verdict::ALL.iter().position(|v| *v == verdict);
    place.and_then(|n| i64::try_from(n).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kernel::Outcome;
    use prometheus_client::encoding::text::encode_registry;

    use super::{Meters, standing};
    use crate::evidence::{Key, Run};
    use crate::report::{BiteReport, ClaimReport, Report};
    use crate::{Language, Page};

    /// A page with one claim that was proven ten minutes ago and bitten an hour ago.
    fn report() -> Report {
        let source = "---\ntitle: T\nlanguage: en\n---\n[5 m](claim:backup.wal?every=5m)\n";
        let page = Page::parse("example", source).unwrap();
        let at = "2027-01-15T12:00:00Z".parse().unwrap();
        let claim = ClaimReport {
            id: "backup.wal".to_owned(),
            params: [("every".to_owned(), "5m".to_owned())].into(),
            sentence: page.pledges[0].sentence.clone(),
            verdict: kernel::Verdict::Proven,
            population: None,
            measured: String::new(),
            threshold: String::new(),
            observed_at: Some("2027-01-15T11:50:00Z".parse().unwrap()),
            received_at: None,
            since: None,
            bite: Some(BiteReport {
                made: true,
                bit: true,
                at: "2027-01-15T11:00:00Z".parse().unwrap(),
                detail: String::new(),
            }),
            reason: "holds",
            detail: String::new(),
            findings: Vec::new(),
            attack: String::new(),
            not_covered: Vec::new(),
        };
        Report {
            page: page.name,
            title: page.title,
            language: Language::English,
            at,
            verdict: claim.verdict,
            claims: vec![claim],
        }
    }

    #[test]
    fn the_text_that_prometheus_reads() {
        let meters = Meters::new();
        let key =
            Key { claim: "backup.wal".to_owned(), params: "every=5m".to_owned(), run: Run::Proof };
        meters.ran(&key, Outcome::Holds, Duration::from_millis(70));
        let mut text = String::new();
        encode_registry(&mut text, &standing(&[report()])).unwrap();
        encode_registry(&mut text, &meters.registry).unwrap();
        // The library keeps no order among the labels of one name.
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
