//! `amanah tenant lint`: what is open between the tenants of a shared database.

use std::fmt::Write as _;

use anyhow::Context;
use kernel::{shown, shown_sql};
use store::{DatabaseUrl, Db};
use tenancy::{Guarded, Lint, Linted, Severity};

use crate::cli::Place;
use crate::cli::tenant;
use crate::exit::{Exit, Usage};
use crate::out;

/// One database, which need not be protected.
pub(crate) async fn one(place: &Place, lint: &tenant::Lint, url: &str) -> anyhow::Result<Exit> {
    let url = DatabaseUrl::parse(url).map_err(|e| Usage(e.to_string()))?;
    let column = lint.tenant_column.as_deref().unwrap_or_default();
    let db = Db::connect(&url, 1).await?;
    let linted = tenancy::lint(&db, column, lint.app_role.as_deref()).await;
    db.close();
    let linted = linted.map_err(|error| match error {
        tenancy::Error::NoTenantColumn { .. } | tenancy::Error::NoRole(_) => {
            Usage(error.to_string()).into()
        }
        other => anyhow::Error::from(other),
    })?;
    say(place, lint, vec![linted])
}

/// Every protected database of the installation.
pub(crate) async fn all(
    place: &Place,
    guarded: &[Guarded],
    lint: &tenant::Lint,
) -> anyhow::Result<Exit> {
    if guarded.is_empty() {
        let why = "no database is protected here. Name one: `amanah tenant lint URL \
                   --tenant-column COLUMN`";
        return Err(Usage(why.to_owned()).into());
    }
    let mut all = Vec::new();
    for Guarded { protected, .. } in guarded {
        let (column, role) = (&protected.tenant_column, Some(protected.app_role.as_str()));
        let linted = tenancy::lint(&protected.owner, column, role).await;
        all.push(linted.with_context(|| format!("database {}", protected.name))?);
    }
    say(place, lint, all)
}

fn say(place: &Place, lint: &tenant::Lint, mut all: Vec<Linted>) -> anyhow::Result<Exit> {
    for linted in &mut all {
        linted.findings.retain(|found| !lint.except.iter().any(|id| id == found.rule.id));
    }
    if lint.sarif {
        let sarif = tenancy::sarif(&all, env!("CARGO_PKG_VERSION"));
        out::line(&serde_json::to_string_pretty(&sarif)?);
    } else if place.json {
        out::line(&serde_json::to_string_pretty(&all)?);
    } else {
        for linted in &all {
            out::line(&text(linted));
        }
    }
    Ok(if all.iter().all(Linted::is_clean) { Exit::Holds } else { Exit::Fails })
}

/// One database for a terminal, the worst first.
fn text(linted: &Linted) -> String {
    let mut text = format!(
        "Database {}: tenant column {}, application role {}; {} with tenants' rows, {}",
        shown(&linted.database),
        shown(&linted.tenant_column),
        shown(&linted.app_role),
        out::count(linted.tables, "table"),
        out::count(linted.rules, "rule")
    );
    if linted.app_role_assumed {
        text.push_str(
            "\n  No role was named, so the application is taken to log in as this one: --app-role \
             says otherwise.",
        );
    }
    let titles = [
        (Severity::Leak, "Leaks: another tenant's rows can be reached"),
        (Severity::Weak, "Weak: a wall is missing, or the next change opens one"),
        (Severity::Note, "Notes: what every session can do, as the claim declares"),
    ];
    for (severity, title) in titles {
        let found = linted.findings.iter().filter(|lint| lint.rule.severity == severity);
        let lines: Vec<String> = found.map(line).collect();
        // Writing to a `String` cannot fail.
        if !lines.is_empty() {
            let _ = write!(text, "\n\n{title} ({})\n{}", lines.len(), lines.join("\n"));
        }
    }
    if linted.findings.is_empty() {
        text.push_str("\n  Nothing was found.");
    }
    text
}

fn line(lint: &Lint) -> String {
    let (object, what) = (shown(&lint.object), shown(&lint.what));
    let fix = shown_sql(&lint.fix);
    let fix: Vec<String> = fix.split('\n').map(|line| format!("           {line}")).collect();
    format!("  {}  {object}: {what}\n{};", lint.rule.id, fix.join("\n"))
}
