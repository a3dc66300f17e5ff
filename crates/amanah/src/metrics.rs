//! Every room's measurements as one text.

use std::fmt::Write as _;
use std::sync::Arc;

use claims::{Engine, Page};
use gateway::Metrics;
use keys::Keys;

use crate::sealing::Seals;

/// The measurements of the claims on `pages`, of the gateway, of the keys and of the trails, as `OpenMetrics` text.
pub(crate) async fn text(
    engine: &Engine,
    pages: &[Arc<Page>],
    gateway: &Metrics,
    keys: &Keys,
    seals: &Seals,
) -> String {
    let mut reports = Vec::new();
    for page in pages {
        match engine.report(page, None).await {
            Ok(report) => reports.push(report),
            Err(error) => tracing::warn!(%error, page = page.name, "no metrics of this page"),
        }
    }
    let mut text = engine.metrics(&reports).unwrap_or_default();
    let own =
        |label: Option<(&'static str, &str)>| label.map(|(name, value)| (name, value.to_owned()));
    let gateway = gateway.snapshot().into_iter().map(|r| (r.name, r.help, own(r.label), r.value));
    let keys = keys.readings().into_iter().map(|r| (r.name, r.help, own(r.label), r.value));
    let seals = seals.readings().into_iter();
    let seals = seals.map(|(name, help, log, value)| (name, help, Some(("log", log)), value));
    let mut last = "";
    for (name, help, label, value) in gateway.chain(keys).chain(seals) {
        // OpenMetrics names a counter without the suffix that its samples have.
        let family = name.strip_suffix("_total").unwrap_or(name);
        let kind = if family == name { "gauge" } else { "counter" };
        // Writing to a `String` cannot fail.
        if family != last {
            let _ = writeln!(text, "# HELP amanah_{family} {help}.");
            let _ = writeln!(text, "# TYPE amanah_{family} {kind}");
            last = family;
        }
        let label = label.map(|(name, value)| format!("{{{name}=\"{value}\"}}"));
        let _ = writeln!(text, "amanah_{name}{} {value}", label.unwrap_or_default());
    }
    text.push_str("# EOF\n");
    text
}
