//! What a house says for itself when it has started.

use std::sync::Arc;

use claims::{Engine, Filter, Page, Progress, Report};
use kernel::Verdict;

use crate::cli::Place;
use crate::commands::{bar, show};
use crate::data::Running;
use crate::installation::Installation;
use crate::{out, table};

/// Ends the start with a table of claims and the address. What is not proven, be it never run,
/// stale or failing, is run first; otherwise the stored evidence is shown, and the scheduler
/// renews it.
pub(super) async fn tell(
    place: &Place,
    engine: &Engine,
    pages: &[Arc<Page>],
    running: &Running,
    installation: &Installation,
    demo: bool,
) -> anyhow::Result<()> {
    let address = running.listen;
    let mut reports = Vec::new();
    for page in pages {
        reports.push(engine.report(page, None).await?);
    }
    let built = |id: &str| engine.ids().any(|known| known == id);
    let due = |report: &Report| {
        report.claims.iter().any(|claim| built(&claim.id) && claim.verdict < Verdict::Attested)
    };
    if reports.iter().any(due) {
        let bar = bar("proving");
        let watch = |progress: &Progress<'_>| show(&bar, progress);
        reports = engine.verify(pages, &Filter::default(), false, &watch).await?;
        bar.finish_and_clear();
    }
    if place.json {
        let keys = running.keys.map(|address| format!("http://{address}"));
        let told = serde_json::json!({"address": format!("https://{address}"), "keys": keys});
        out::line(&told.to_string());
        return Ok(());
    }
    let primary = &installation.config.pages.primary;
    for report in &reports {
        if report.page == *primary {
            out::painted(&table::proofs(report, &built));
        }
    }
    let others: Vec<String> =
        reports.iter().filter(|r| r.page != *primary).map(table::summary).collect();
    if !others.is_empty() {
        out::line(&others.join("\n"));
    }
    out::line(&format!("\n  Security page   https://{address}/trust"));
    if demo {
        let file = installation.data.root().join("secrets/demo-people.password");
        out::line(&format!("  Application     https://{address}/"));
        out::line(&format!("  Sign in as      sari@sinar.example, password in {}", file.display()));
    }
    if let Some(keys) = running.keys {
        out::line(&format!("  Keys            http://{keys}, token: amanah keys client add"));
    }
    let authority = installation.data.root().join("tls").join(gateway::AUTHORITY_FILE);
    out::line(&format!("  Certificate     trust {} in your browser", authority.display()));
    out::line("  Stop            Ctrl-C");
    Ok(())
}
