//! `amanah page`: security pages without attacks.

use std::path::{Path, PathBuf};

use anyhow::Context;
use claims::{Engine, Report};
use jiff::Timestamp;
use kernel::catalogue::{self, Kind, Promise};
use kernel::{Card, Verdict};
use serde_json::json;

use crate::bridge::OwnPages;
use crate::cli::{Page, Place};
use crate::exit::{Exit, Usage};
use crate::installation::{EdgeAt, Installation, world};
use crate::{out, pages, table};

pub(crate) async fn run(place: &Place, command: Page) -> anyhow::Result<Exit> {
    match command {
        Page::Lint { files, approve } => lint(place, &files, approve),
        Page::Render { file, at } => render(place, &file, at).await,
        Page::Explain { claim } => explain(place, &claim).await,
    }
}

fn lint(place: &Place, files: &[PathBuf], approve: bool) -> anyhow::Result<Exit> {
    let mut all = Vec::new();
    for file in files {
        if approve {
            let promises = pages::approve(file)?;
            out::aside(&format!("{}: {promises} promises approved", file.display()));
        }
        all.extend(pages::lint(file)?);
    }
    if place.json {
        out::line(&serde_json::to_string_pretty(&all)?);
    } else {
        for problem in &all {
            out::line(&problem.to_string());
        }
    }
    Ok(if all.is_empty() { Exit::Holds } else { Exit::Usage })
}

/// Draws a page from the evidence that is stored; nothing is proven.
async fn render(place: &Place, file: &Path, at: Option<Timestamp>) -> anyhow::Result<Exit> {
    let page = pages::load(file)?;
    if at.is_some_and(|at| at > world().clock.now()) {
        return Err(Usage("--at: nobody knows yet how the page will stand then".to_owned()).into());
    }
    let report = Installation::with(place, async |installation| {
        Ok(engine(installation).await?.report(&page, at).await?)
    });
    let report = report.await?;
    if place.json {
        out::line(&serde_json::to_string_pretty(&report)?);
    } else {
        out::painted(&table::page(&report));
    }
    Ok(Exit::of(worst(&report)))
}

async fn explain(place: &Place, claim: &str) -> anyhow::Result<Exit> {
    let promise = catalogue::find(claim).with_context(|| {
        let hint = catalogue::nearest(claim).map(|near| format!("; did you mean `{near}`?"));
        Usage(format!("there is no claim `{claim}`{}", hint.unwrap_or_default()))
    })?;
    let card =
        Installation::with(place, async |installation| Ok(engine(installation).await?.card(claim)));
    let card = card.await?;
    if place.json {
        out::line(&serde_json::to_string_pretty(&as_json(promise, card))?);
    } else {
        out::line(&as_text(promise, card));
    }
    Ok(Exit::Holds)
}

async fn engine(installation: &Installation) -> anyhow::Result<Engine> {
    let edge = EdgeAt::absent(&installation.config);
    installation.engine(&OwnPages::default(), edge).await
}

fn worst(report: &Report) -> Verdict {
    Verdict::worst(report.claims.iter().map(|claim| claim.verdict))
}

fn kind(promise: &Promise) -> &'static str {
    match promise.kind {
        Kind::Proven => "proven by an attack or a measurement",
        Kind::Attested => "attested by a dated document",
        Kind::Either => "proven, or attested by a dated document",
    }
}

fn as_text(promise: &Promise, card: Option<&Card>) -> String {
    let mut lines = vec![promise.id.to_owned(), format!("  kind        {}", kind(promise))];
    for spec in promise.params {
        let must = if spec.required { "needed" } else { "optional" };
        lines.push(format!("  parameter   {}: {} ({must})", spec.name, spec.unit.shape()));
    }
    if promise.open {
        lines.push(format!("  parameters  {}", promise.known_names()));
    }
    let Some(card) = card else {
        lines.push("  control     not built: the claim is shown as unknown".to_owned());
        return lines.join("\n");
    };
    lines.push(format!("  control     {}", card.title));
    lines.push(format!("  attack      {}", card.attack));
    lines.push(format!("  bite        {}", card.bite));
    lines.push(format!("  every       {:?}, at most {:?} long", card.cadence, card.deadline));
    for gap in card.not_covered {
        lines.push(format!("  not covered {gap}"));
    }
    lines.join("\n")
}

fn as_json(promise: &Promise, card: Option<&Card>) -> serde_json::Value {
    let params: Vec<_> = promise
        .params
        .iter()
        .map(|p| json!({"name": p.name, "shape": p.unit.shape(), "required": p.required}))
        .collect();
    let control = card.map(|card| {
        json!({
            "title": card.title,
            "attack": card.attack,
            "bite": card.bite,
            "cadence_seconds": card.cadence.as_secs(),
            "deadline_seconds": card.deadline.as_secs(),
            "not_covered": card.not_covered,
        })
    });
    json!({"id": promise.id, "kind": kind(promise), "params": params, "control": control})
}
