//! Every room's measurements as one text.

use std::fmt::Write as _;
use std::sync::Arc;

use claims::{Engine, Page};
use gateway::Metrics;

/// The measurements of the claims on `pages` and of the gateway, as `OpenMetrics` text.
pub(crate) async fn text(engine: &Engine, pages: &[Arc<Page>], gateway: &Metrics) -> String {
    let mut reports = Vec::new();
    for page in pages {
        match engine.report(page, None).await {
            Ok(report) => reports.push(report),
            Err(error) => tracing::warn!(%error, page = page.name, "no metrics of this page"),
        }
    }
    let mut text = engine.metrics(&reports).unwrap_or_default();
    let mut last = "";
    for reading in gateway.snapshot() {
        // OpenMetrics names a counter without the suffix that its samples have.
        let family = reading.name.strip_suffix("_total").unwrap_or(reading.name);
        if family != last {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "# HELP amanah_{family} {}.", reading.help);
            let _ = writeln!(text, "# TYPE amanah_{family} counter");
            last = family;
        }
        let label = reading.label.map(|(name, value)| format!("{{{name}=\"{value}\"}}"));
        let _ =
            writeln!(text, "amanah_{family}_total{} {}", label.unwrap_or_default(), reading.value);
    }
    text.push_str("# EOF\n");
    text
}
