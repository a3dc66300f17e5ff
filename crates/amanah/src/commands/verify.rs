//! `amanah verify`: run the proofs of a page now.

use std::path::PathBuf;
use std::sync::Arc;

use claims::{Filter, Page, Progress, Report};
use kernel::{Verdict, shown};

use crate::bridge::OwnPages;
use crate::cli::{Place, Verify};
use crate::commands::{bar, show};
use crate::exit::{Exit, Usage};
use crate::installation::{EdgeAt, Installation};
use crate::{out, pages, table};

pub(crate) async fn run(place: &Place, verify: Verify) -> anyhow::Result<Exit> {
    let named = named(&verify.page)?;
    Installation::with(place, async |installation| prove(place, installation, named, &verify).await)
        .await
}

async fn prove(
    place: &Place,
    installation: &Installation,
    named: Vec<Arc<Page>>,
    verify: &Verify,
) -> anyhow::Result<Exit> {
    let pages = if named.is_empty() { installation.pages()? } else { named };
    let engine = installation.engine(&OwnPages::default(), edge(installation)).await?;
    let bar = bar("proving");
    let watch = |progress: &Progress<'_>| show(&bar, progress);
    let filter = Filter(verify.claim.clone());
    let reports = engine.verify(&pages, &filter, verify.bite, &watch).await.map_err(usage)?;
    bar.finish_and_clear();
    print(place, &reports)?;
    // Coverage fails both ways: a promise without a control shows on its page, a control that
    // nobody promises anything with would not show anywhere. Without the folder of all pages, as
    // where one page is named from elsewhere, nothing can be said of it.
    if let Ok(all) = installation.pages() {
        for unused in engine.coverage(&all).unused {
            out::aside(&format!("the control of {unused} is on no page"));
        }
    }
    Ok(ending(&reports, verify.bite))
}

/// What it comes to; with the bites, if they were asked for.
fn ending(reports: &[Report], bites: bool) -> Exit {
    let blunt = bites && print_blunt(reports);
    let worst = reports.iter().flat_map(|r| &r.claims).map(|c| c.verdict);
    if blunt { Exit::Fails } else { Exit::of(Verdict::worst(worst)) }
}

/// A filter that means nothing is the caller's mistake.
fn usage(error: claims::Error) -> anyhow::Error {
    match error {
        claims::Error::NoMatch(_) => Usage(error.to_string()).into(),
        other => other.into(),
    }
}

/// Where the gateway of this installation is: as its running process says, or as it would be.
fn edge(installation: &Installation) -> EdgeAt {
    match installation.data.running() {
        Some(running) => {
            let (address, upstream_paths) = (running.listen, running.upstream_paths);
            EdgeAt { address, upstream_paths, faces: running.faces, runs: true }
        }
        None => EdgeAt::absent(&installation.config),
    }
}

fn named(files: &[PathBuf]) -> anyhow::Result<Vec<Arc<Page>>> {
    files.iter().map(|file| pages::load(file).map(Arc::new)).collect()
}

/// One page is an object, several are a list.
fn print(place: &Place, reports: &[Report]) -> anyhow::Result<()> {
    if !place.json {
        let tables: Vec<String> = reports.iter().map(table::page).collect();
        out::painted(&tables.join("\n\n"));
        return Ok(());
    }
    match reports {
        [one] => out::line(&serde_json::to_string_pretty(one)?),
        all => out::line(&serde_json::to_string_pretty(all)?),
    }
    Ok(())
}

/// Names the controls whose bite did not bite: what they prove is worth nothing. Of one that could
/// not be made nothing can be said, so that its claim is unknown and not more.
fn print_blunt(reports: &[Report]) -> bool {
    let mut blunt = false;
    for claim in reports.iter().flat_map(|report| &report.claims) {
        if let Some(bite) = claim.bite.as_ref().filter(|bite| !bite.bit) {
            let how = if bite.made { "did not bite" } else { "could not be made" };
            out::aside(&format!("{}: the bite {how}: {}", claim.id, shown(&bite.detail)));
            blunt |= bite.made;
        }
    }
    blunt
}

#[cfg(test)]
mod tests {
    use claims::{BiteReport, ClaimReport, Language};
    use jiff::Timestamp;

    use super::*;

    fn report(made: bool) -> Report {
        let at = Timestamp::UNIX_EPOCH;
        let claim = ClaimReport {
            id: "isolation.cache".to_owned(),
            params: [].into(),
            sentence: String::new(),
            verdict: Verdict::Unknown,
            population: None,
            measured: String::new(),
            threshold: String::new(),
            observed_at: None,
            received_at: None,
            since: None,
            bite: Some(BiteReport { made, bit: false, at, detail: String::new() }),
            reason: "blunt",
            detail: String::new(),
            findings: Vec::new(),
            attack: String::new(),
            not_covered: Vec::new(),
        };
        Report {
            page: "page".to_owned(),
            title: "Page".to_owned(),
            language: Language::English,
            at,
            verdict: claim.verdict,
            claims: vec![claim],
        }
    }

    #[test]
    fn a_blunt_bite_fails_and_one_that_could_not_be_made_leaves_it_open() {
        for (made, bites, expected) in [
            (true, true, Exit::Fails),
            (true, false, Exit::CannotTell),
            (false, true, Exit::CannotTell),
            (false, false, Exit::CannotTell),
        ] {
            assert_eq!(ending(&[report(made)], bites), expected, "{made} {bites}");
        }
        let several = [report(false), report(true)];
        assert_eq!(ending(&several, true), Exit::Fails, "one blunt bite is enough");
    }
}
