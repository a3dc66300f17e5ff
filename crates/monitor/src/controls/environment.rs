//! `secrets.environment`: no secret in the configuration, the source or on a command line, and the
//! files that hold ours are private.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use kernel::{Card, Control, Cx, Fut, Params, Population, Proof};

use crate::detect::Detectors;
use crate::planted::Planted;
use crate::scan::{Report, Search};
use crate::{Error, Scan};

static CARD: Card = Card {
    id: "secrets.environment",
    title: "Secrets come from the environment",
    attack: "Searches the configuration, the source and every command line on the machine for the \
             secrets in use and for anything that has the form of one, and looks at who may open \
             the files that hold ours.",
    bite: "One secret of every form planted in a scratch folder and on a command line, a secret \
           in use written down, and a private file opened to everybody.",
    cadence: Duration::from_mins(5),
    deadline: Duration::from_mins(2),
    not_covered: &[
        "earlier commits of the repository",
        "folders named target and node_modules, which are made from what is beside them",
        "layers of a container image that are not mounted here",
        "secrets that were encoded, encrypted or split",
    ],
};

const THRESHOLD: &str = "no secret in any of them; private files open to their owner alone";
/// How many things that could not be looked at are named; the rest are counted.
const NAMED: usize = 3;

/// The control.
pub(crate) struct Environment {
    scan: Arc<Scan>,
    detectors: Arc<Detectors>,
}

impl Environment {
    pub(crate) fn new(scan: Scan) -> Result<Self, Error> {
        Ok(Self { scan: Arc::new(scan), detectors: Arc::new(Detectors::new()?) })
    }
}

impl Control for Environment {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let observed_at = cx.clock.now();
            let (scan, detectors) = (Arc::clone(&self.scan), Arc::clone(&self.detectors));
            let report = blocking(move |stop| {
                let search = Search { scan: &scan, detectors: &detectors, only: None, stop };
                search.run()
            });
            match report.await {
                Ok(report) => weigh(observed_at, report),
                Err(why) => Proof::unknown(observed_at, why),
            }
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let observed_at = cx.clock.now();
            let (scan, detectors) = (Arc::clone(&self.scan), Arc::clone(&self.detectors));
            let rng = Arc::clone(&cx.rng);
            let bitten = blocking(move |stop| {
                let planted = Planted::new(&scan.scratch, &*rng)?;
                let search = Search {
                    scan: &planted.scan,
                    detectors: &detectors,
                    only: Some(planted.process()),
                    stop,
                };
                let findings = search.run().findings;
                Ok::<_, String>((planted.missed(&findings), planted.total(), findings))
            });
            match bitten.await.and_then(|bitten| bitten) {
                Ok((missed, total, findings)) if missed.is_empty() => Proof::weigh(
                    observed_at,
                    Population::new(total, total, "planted secrets"),
                    format!("{total} of {total} found"),
                    "all found",
                    findings,
                ),
                Ok((missed, total, _)) => Proof::missed(
                    observed_at,
                    Population::new(total.saturating_sub(missed.len()), total, "planted secrets"),
                    format!("not found: {}", missed.join(", ")),
                ),
                Err(why) => Proof::unknown(observed_at, why),
            }
        })
    }
}

fn weigh(observed_at: Timestamp, report: Report) -> Proof {
    let population = report.population();
    let measured = format!(
        "{} secrets in {} files and {} command lines",
        report.findings.len(),
        report.files,
        report.command_lines
    );
    let mut notes = report.notes;
    if !report.unchecked.is_empty() {
        let mut named: Vec<_> = report.unchecked.iter().take(NAMED).cloned().collect();
        if report.unchecked.len() > NAMED {
            named.push(format!("and {} more", report.unchecked.len() - NAMED));
        }
        notes.push(format!("not checked: {}", named.join(", ")));
    }
    let proof = Proof::weigh(observed_at, population, measured, THRESHOLD, report.findings);
    proof.note(&notes.join("; "))
}

/// Runs `work` where it may block, and tells it to stop when nobody waits for it any more.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
) -> Result<T, String> {
    struct StopOnDrop(Arc<AtomicBool>);
    impl Drop for StopOnDrop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = StopOnDrop(Arc::default());
    let flag = Arc::clone(&stop.0);
    tokio::task::spawn_blocking(move || work(&flag))
        .await
        .map_err(|e| format!("the search ended early: {e}"))
}
