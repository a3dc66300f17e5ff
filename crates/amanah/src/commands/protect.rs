//! `amanah protect`: an existing database under protection.

use std::sync::Arc;

use anyhow::Context;
use claims::{ClaimReport, Filter};
use kernel::{Params, Verdict};
use serde_json::json;
use store::{DatabaseUrl, Db};
use tenancy::{Choice, Form};

use crate::bridge::OwnPages;
use crate::cli::{Place, Protect};
use crate::data::Data;
use crate::exit::{Exit, Usage};
use crate::installation::{EdgeAt, Installation};
use crate::out;
use crate::protection::{Candidate, Done, Proposal};

/// Connections of the owner while its database is brought under protection.
pub(super) const CONNECTIONS: usize = 4;
/// How many findings of a claim are printed.
const LISTED: usize = 8;
/// What is attacked at the end.
const ATTACKS: [&str; 3] = ["isolation.rows", "audit.triggers", "audit.append-only"];

pub(crate) async fn run(place: &Place, protect: Protect) -> anyhow::Result<Exit> {
    if protect.undoing.undo {
        return super::unprotect::run(place, &protect).await;
    }
    let url = DatabaseUrl::parse(&protect.url).map_err(|e| Usage(e.to_string()))?;
    let owner = Db::connect(&url, CONNECTIONS).await?;
    let superuser = superuser(&protect).await?;
    let app_role = protect.app_role.unwrap_or_else(|| format!("{}_app", url.database));
    let candidate = Candidate {
        owner,
        superuser,
        own_server: false,
        // It can be left out with --undo alone.
        tenant_column: protect.tenant_column.unwrap_or_default(),
        app_role,
    };
    let data = if place.data.exists() { Some(Data::open(&place.data)?) } else { None };
    let proposal = candidate.propose(data.as_ref()).await?;
    if !place.json {
        print(&candidate, &proposal);
    }
    if !protect.apply {
        if place.json {
            out::line(&serde_json::to_string_pretty(&as_json(&proposal))?);
        } else if !proposal.is_done() {
            out::line("Nothing was changed. To carry this out, add --apply.");
        }
        return Ok(Exit::Holds);
    }
    Installation::with(place, async |installation| {
        apply(place, installation, &candidate, &proposal).await
    })
    .await
}

/// The superuser who was named.
pub(super) async fn superuser(protect: &Protect) -> anyhow::Result<Option<Db>> {
    let Some(url) = &protect.superuser_url else { return Ok(None) };
    let url = DatabaseUrl::parse(url).map_err(|e| Usage(e.to_string()))?;
    Ok(Some(Db::connect(&url.pinned(), CONNECTIONS).await?))
}

async fn apply(
    place: &Place,
    installation: &mut Installation,
    candidate: &Candidate,
    proposal: &Proposal,
) -> anyhow::Result<Exit> {
    let Installation { ground, data, strongbox, cx, .. } = &*installation;
    let done = candidate.protect(ground, data, strongbox, cx).await?;
    let Done { guarded, canaries, left, binding } = done;
    if !place.json {
        out::line(&format!(
            "Protected. The canaries {} and {} have a row in {} tables.",
            guarded.protected.canaries.0,
            guarded.protected.canaries.1,
            canaries.seeded.len()
        ));
        for (table, why) in &canaries.missing {
            out::line(&format!("  no canary in {table}: {why}"));
        }
        if proposal.makes_role {
            let file = data.root().join("secrets").join(format!("{}.password", candidate.app_role));
            out::line(&format!(
                "Let the application log in as {} from now on; its password is in {}.",
                candidate.app_role,
                file.display()
            ));
        }
        for step in &left {
            out::line(&format!("  left for a superuser: {}: {}", step.object, step.why));
            out::line(&format!("             {}", step.sql));
        }
        out::line(&format!("Bindings are {}: {}.", told(&binding), binding.why));
        out::line("Attacking:");
    }
    if installation.data.is_locked() {
        out::aside("amanah up runs on this data directory: restart it, so that it proves this too");
    }
    installation.guarded.clear();
    installation.take_in(guarded);
    let claims = attack(installation).await?;
    if place.json {
        let plan = as_json(proposal);
        let all = json!({
            "plan": plan, "left": left, "binding": binding, "canaries": canaries, "claims": claims,
        });
        out::line(&serde_json::to_string_pretty(&all)?);
    } else {
        for claim in &claims {
            out::line(&result(claim));
        }
    }
    Ok(Exit::of(Verdict::worst(claims.iter().map(|claim| claim.verdict))))
}

/// One claim and what gave way, each thing once.
fn result(claim: &ClaimReport) -> String {
    let population = claim.population.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut lines = vec![format!("  {:<8}  {:<18}  {population}", claim.verdict, claim.id)];
    if claim.findings.is_empty() && !claim.detail.is_empty() {
        lines.push(format!("            {}", claim.detail));
    }
    let mut last_fix = None;
    for finding in claim.findings.iter().take(LISTED) {
        lines.push(format!("            {finding}"));
        if finding.fix.is_some() && finding.fix != last_fix {
            last_fix.clone_from(&finding.fix);
            lines.extend(finding.fix.as_ref().map(|fix| format!("              to do: {fix}")));
        }
    }
    if claim.findings.len() > LISTED {
        let more = claim.findings.len() - LISTED;
        lines.push(format!("            and {more} more; --json names them all"));
    }
    lines.join("\n")
}

/// Attacks what was just protected, and proves the attack with its bite.
async fn attack(installation: &Installation) -> anyhow::Result<Vec<ClaimReport>> {
    let edge = EdgeAt::absent(&installation.config);
    let engine = installation.engine(&OwnPages::default(), edge).await?;
    let source = ATTACKS.map(|id| format!("- [{id}](claim:{id}).")).join("\n");
    let source = format!("---\ntitle: Protection\nlanguage: en\n---\n{source}\n");
    let page = claims::Page::parse("protection", &source)
        .map_err(|problems| anyhow::anyhow!("{problems:?}"))
        .context("the page of the attacks")?;
    debug_assert!(page.pledges.iter().all(|pledge| pledge.params == Params::none()));
    let reports = engine.verify(&[Arc::new(page)], &Filter::default(), false, &|_| {}).await?;
    Ok(reports.into_iter().flat_map(|report| report.claims).collect())
}

fn print(candidate: &Candidate, proposal: &Proposal) {
    let plan = &proposal.isolation;
    let (role, column) = (&candidate.app_role, &candidate.tenant_column);
    out::line(&format!("Plan for database {}: tenant column {column}, role {role}", plan.database));
    for warning in &plan.warnings {
        out::line(&format!("  WARNING  {warning}"));
    }
    for (table, how) in &plan.held {
        out::line(&format!("  tenant   {table}: {how}"));
    }
    for table in &plan.shared {
        out::line(&format!("  shared   {table}: not isolated; every tenant sees its rows"));
    }
    if proposal.makes_role {
        out::line(&format!("  do       role {role}: make it, to read and write rows alone"));
    }
    let isolation = plan.steps.iter().map(|s| (&s.object, &s.why, &s.sql));
    let recording = proposal.recording.iter().map(|s| (&s.object, &s.why, &s.sql));
    for (object, why, sql) in isolation.chain(recording) {
        out::line(&format!("  do       {object}: {why}"));
        for line in sql.lines().map(str::trim).filter(|line| !line.is_empty()) {
            out::line(&format!("             {line}"));
        }
    }
    for step in &plan.privileged {
        out::line(&format!(
            "  superuser  {}: {}\n             {}",
            step.object, step.why, step.sql
        ));
    }
    for advice in &plan.advice {
        let sql = advice.sql.as_ref().map(|sql| format!("\n             {sql}"));
        out::line(&format!(
            "  advice   {}: {}{}",
            advice.object,
            advice.why,
            sql.unwrap_or_default()
        ));
    }
    let binding = &proposal.binding;
    let mark = if binding.installed { "binding " } else { "do      " };
    out::line(&format!("  {mark} bindings are {}: {}", told(binding), binding.why));
    if proposal.is_done() {
        out::line("  Nothing is left to do: the database is protected.");
    }
}

/// When a binding is verified, in words.
const fn told(binding: &Choice) -> &'static str {
    match binding.form {
        Form::Portable => "verified at every statement (portable form)",
        Form::VerifyOnce => "verified once for each transaction (verify-once form)",
    }
}

fn as_json(proposal: &Proposal) -> serde_json::Value {
    let recording: Vec<_> = proposal
        .recording
        .iter()
        .map(|s| json!({"object": s.object, "why": s.why, "sql": s.sql}))
        .collect();
    json!({
        "makes_role": proposal.makes_role,
        "isolation": proposal.isolation,
        "recording": recording,
        "binding": proposal.binding,
    })
}
