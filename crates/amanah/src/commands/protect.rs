//! `amanah protect`: an existing database under protection.

use std::sync::Arc;

use anyhow::Context;
use claims::{ClaimReport, Filter};
use kernel::{Params, Verdict, shown, shown_sql};
use serde_json::json;
use store::{DatabaseUrl, Db};
use tenancy::{Choice, Form, Sheet, Step};

use crate::bridge::OwnPages;
use crate::cli::{Place, Protect};
use crate::config::Config;
use crate::data::Data;
use crate::exit::{Exit, Usage};
use crate::installation::{EdgeAt, Installation};
use crate::out;
use crate::protection::{Candidate, Done, Proposal};

/// Connections of the owner while its database is brought under protection.
pub(super) const CONNECTIONS: usize = 4;
/// Where the second line of what is to be done begins.
const MARGIN: &str = "\n                     ";
/// How many findings of a claim are printed.
const LISTED: usize = 8;
/// What is attacked at the end.
const ATTACKS: [&str; 3] = ["isolation.rows", "audit.triggers", "audit.append-only"];

pub(crate) async fn run(place: &Place, protect: Protect) -> anyhow::Result<Exit> {
    if protect.undoing.undo {
        return super::unprotect::run(place, &protect).await;
    }
    let url = DatabaseUrl::parse(&protect.url).map_err(|e| Usage(e.to_string()))?;
    let owner = Db::connect(&url.unpinned(), CONNECTIONS).await?;
    let superuser = superuser(&protect, &owner).await?;
    let sheet = sheet(&protect);
    let app_role = protect.app_role.clone().unwrap_or_else(|| format!("{}_app", url.database));
    let candidate = Candidate {
        owner,
        superuser,
        own_server: false,
        // It can be left out with --undo alone.
        tenant_column: protect.tenant_column.clone().unwrap_or_default(),
        app_role,
        stays: Config::load(place.config.as_deref())?.trail.stays(),
    };
    let data = if place.data.exists() { Some(Data::open(&place.data)?) } else { None };
    let proposal = candidate.propose(data.as_ref()).await?;
    if !place.json {
        print(&candidate, &proposal, sheet);
    }
    if !protect.apply {
        if place.json {
            out::line(&serde_json::to_string_pretty(&as_json(&proposal))?);
        } else if !proposal.is_done() {
            nothing_changed(&protect);
        }
        return Ok(Exit::Holds);
    }
    Installation::with(place, async |installation| {
        apply(place, installation, &candidate, &proposal).await
    })
    .await
}

/// The superuser who was named, in the owner's database, whichever the address names.
pub(super) async fn superuser(protect: &Protect, owner: &Db) -> anyhow::Result<Option<Db>> {
    let Some(url) = &protect.superuser_url else { return Ok(None) };
    let url = DatabaseUrl::parse(url).map_err(|e| Usage(e.to_string()))?;
    Ok(Some(above(&url, owner).await?))
}

async fn above(url: &DatabaseUrl, owner: &Db) -> anyhow::Result<Db> {
    let superuser = Db::connect(&url.database(&owner.url().database), CONNECTIONS).await?;
    if superuser.server().await? != owner.server().await? {
        let why = format!(
            "nothing was changed: the superuser is on another server than the owner: {}, not {}",
            superuser.url(),
            owner.url()
        );
        return Err(Usage(why).into());
    }
    Ok(superuser)
}

async fn apply(
    place: &Place,
    installation: &mut Installation,
    candidate: &Candidate,
    proposal: &Proposal,
) -> anyhow::Result<Exit> {
    let Installation { ground, data, strongbox, cx, .. } = &*installation;
    // A running `amanah up` takes the database in when all of it is there.
    let turn = data.turn().await?;
    let done = candidate.protect(ground, data, strongbox, cx).await?;
    drop(turn);
    let Done { kept, guarded, canaries, left, binding } = done;
    if !place.json {
        out::line(&format!(
            "Protected. The canaries {} and {} have a row in {}.",
            guarded.protected.canaries.0,
            guarded.protected.canaries.1,
            out::count(canaries.seeded.len(), "table")
        ));
        for (table, why) in &canaries.missing {
            out::line(&format!("  no canary in {}: {}", shown(table), shown(why)));
        }
        if proposal.makes_role {
            let file = data.root().join("secrets").join(format!("{}.password", candidate.app_role));
            out::line(&format!(
                "Let the application log in as {} from now on; its password is in {}.",
                candidate.app_role,
                file.display()
            ));
        }
        if !left.is_empty() {
            let mut sheet = Sheet::script();
            sheet.title("Left for a superuser, in this database:");
            sheet.steps("superuser", &left);
            out::line(&sheet.to_string());
        }
        out::line(&format!("Bindings are {}: {}.", told(&binding), binding.why));
        out::line("Attacking:");
    }
    if installation.data.is_locked() {
        out::aside(
            "amanah up runs on this data directory: it takes the database in within seconds",
        );
    }
    // The others are attacked as well: a claim is about all of them.
    installation.learn(installation.known().with(kept, guarded));
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
        lines.push(format!("            {}", shown(&claim.detail)));
    }
    let mut last_fix = None;
    for finding in claim.findings.iter().take(LISTED) {
        lines.push(format!("            {}", shown(&finding.to_string())));
        if finding.fix.is_some() && finding.fix != last_fix {
            last_fix.clone_from(&finding.fix);
            let fix = finding.fix.as_ref().map(|fix| shown_sql(fix).replace('\n', MARGIN));
            lines.extend(fix.map(|fix| format!("              to do: {fix}")));
        }
    }
    if claim.findings.len() > LISTED {
        let more = claim.findings.len() - LISTED;
        lines.push(format!("            and {more} more; --json names them all"));
    }
    lines.join("\n")
}

/// Attacks what was just protected along with what was protected before, and proves the attack with its bite.
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

fn print(candidate: &Candidate, proposal: &Proposal, mut sheet: Sheet) {
    let plan = &proposal.isolation;
    let (role, column) = (&candidate.app_role, &candidate.tenant_column);
    sheet.title(&format!(
        "Plan for database {}: tenant column {column}, role {role}",
        plan.database
    ));
    sheet.tables(plan);
    let (blocked, recording): (Vec<_>, Vec<_>) =
        proposal.recording.iter().partition(|step| step.blocked);
    let own = plan.steps.iter().cloned().chain(recording.into_iter().map(recorded));
    let role = Step {
        object: format!("role {role}"),
        brief: "made, to read and write rows alone".to_owned(),
        why: "made, to read and write rows alone".to_owned(),
        sql: proposal.making_role.clone(),
    };
    let all: Vec<Step> =
        Some(role).filter(|_| proposal.makes_role).into_iter().chain(own).collect();
    sheet.steps("do", &all);
    for step in blocked {
        sheet.say("refused", &format!("{}: {}", step.object, step.then));
    }
    sheet.steps("superuser", &plan.privileged);
    sheet.advice(&plan.advice);
    let binding = &proposal.binding;
    let mark = if binding.installed { "binding" } else { "do" };
    sheet.say(mark, &format!("bindings are {}: {}", told(binding), binding.why));
    if proposal.is_done() {
        sheet.say("done", "nothing is left to do: the database is protected");
    }
    out::line(&sheet.to_string());
}

/// A step of the trail, as one of the plan.
pub(super) fn recorded(step: &audit::Step) -> Step {
    let audit::Step { object, then, sql, .. } = step.clone();
    Step { object, brief: then.clone(), why: then, sql }
}

/// That it was a plan alone.
pub(super) fn nothing_changed(protect: &Protect) {
    let mut sheet = sheet(protect);
    let more = if protect.sql { "" } else { "; --sql shows the statements" };
    sheet.title(&format!("Nothing was changed. To carry this out, add --apply{more}."));
    out::line(&sheet.to_string());
}

/// What is printed on: names of somebody else's are escaped there and nowhere else.
pub(super) fn sheet(protect: &Protect) -> Sheet {
    if protect.sql { Sheet::script() } else { Sheet::list() }
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
        .map(|s| json!({"object": s.object, "why": s.then, "sql": s.sql}))
        .collect();
    json!({
        "makes_role": proposal.makes_role,
        "isolation": proposal.isolation,
        "recording": recording,
        "binding": proposal.binding,
    })
}

#[cfg(test)]
mod tests {
    use super::above;

    /// A superuser works in the database that is to be protected, whatever the address says, and
    /// nowhere else.
    #[tokio::test]
    async fn the_superuser_is_where_the_owner_is() {
        let db = testkit::database(&[]).await;
        let maintenance = db.superuser.url().database("postgres");
        let superuser = above(&maintenance, &db.owner).await.unwrap();
        assert_eq!(superuser.url().database, db.name);
        assert!(superuser.is_superuser().await.unwrap());

        let other = testkit::own_postgres().await;
        let there = other.superuser("postgres").await;
        there.ensure_database(&db.name, "postgres").await.unwrap();
        let refused = above(there.url(), &db.owner).await.unwrap_err().to_string();
        assert!(refused.contains("another server"), "{refused}");
    }
}
