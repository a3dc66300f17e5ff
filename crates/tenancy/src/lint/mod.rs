//! The linter: what the catalogue of a database shows to be open between tenants, before anybody
//! attacks it.
//!
//! It promises: every rule of [`RULES`] is asked of the live catalogue, in one transaction that can
//! change nothing, and each finding names the object, the reason and the SQL that closes it. It
//! needs no protection to be there: a database that Amanah has never seen can be asked.
//!
//! It does not promise that a database without findings is safe. A condition of a policy is read
//! for what it depends on and not for what it means, and the body of a function for a few words.
//! The attacks of `isolation.rows` are what proves; those rules that name a leak are part of that
//! proof, so that the two cannot say different things.

mod body;
mod facts;
mod prelude;
mod rules;
mod sarif;

use kernel::Finding;
use serde::Serialize;
use store::{Db, Protected, Table, Tx, Version};

use crate::{Census, Error, Result, plan};
use facts::Facts;
pub use rules::RULES;
pub use sarif::sarif;

/// How bad a finding is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Another tenant's rows can be read, changed, or learned of.
    Leak,
    /// A second wall is missing, or something that becomes a leak with the next change.
    Weak,
    /// What PostgreSQL gives everybody, and Amanah declares: no finding that fails a run.
    Note,
}

/// Who can run the fix of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// The owner of the tables.
    Owner,
    /// A superuser, or whoever owns what is not the tables' owner's.
    Superuser,
}

/// One rule, as data.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rule {
    /// What suppressions, tests and documents call it.
    pub id: &'static str,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// The way by which something passes from one tenant to another.
    pub channel: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Why it matters, in whole sentences.
    pub why: &'static str,
    /// Who can run the fix.
    pub who: Who,
    #[serde(skip)]
    find: Find,
}

/// How a rule looks.
#[derive(Debug, Clone, Copy)]
enum Find {
    /// A statement behind what it uses of `prelude`: kind, object, what is wrong, the fix.
    Sql(&'static str),
    /// The same, but instead of the fix its material, from which the function makes the fix, or
    /// none where all is well.
    Then(&'static str, fn(&[String]) -> Option<String>),
    /// Something that is seen in the shape of the tables.
    Shape(fn(&Facts<'_>) -> Vec<Found>),
    /// The policies of `protect`, where it was here.
    Policies,
    /// What is installed in schema `amanah`, where it is there.
    Installed,
    /// The server's version.
    Version,
}

impl Find {
    /// Its statement as one of many, with the place of its rule before what it finds.
    fn asked(self, place: usize) -> Option<String> {
        let (sql, fix) = match self {
            Self::Sql(sql) => (sql, "ARRAY[f.fix::text]"),
            Self::Then(sql, _) => (sql, "f.fix::text[]"),
            _ => return None,
        };
        Some(format!(
            "SELECT {place}::bigint, f.kind::text, f.object::text, f.what::text, {fix} \
             FROM ({sql}\n) f(kind, object, what, fix)"
        ))
    }
}

/// What a rule found, without the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    kind: String,
    object: String,
    what: String,
    fix: String,
}

/// One finding of the linter.
#[derive(Debug, Clone, Serialize)]
pub struct Lint {
    /// The rule.
    pub rule: &'static Rule,
    /// What kind of object: table, view, function, role …
    pub kind: String,
    /// The object, as its owner would name it.
    pub object: String,
    /// What is wrong with it, as a sentence without its full stop.
    pub what: String,
    /// Statements that close it.
    pub fix: String,
}

/// What the linter found in one database.
#[derive(Debug, Clone, Serialize)]
pub struct Linted {
    /// The database.
    pub database: String,
    /// The column that names the tenant.
    pub tenant_column: String,
    /// The role whose rights the application has.
    pub app_role: String,
    /// Whether that role was taken for want of another, because nobody named one.
    pub app_role_assumed: bool,
    /// How many tables hold tenants' rows.
    pub tables: usize,
    /// How many rules were asked.
    pub rules: usize,
    /// The findings, worst first.
    pub findings: Vec<Lint>,
}

impl Linted {
    /// Whether there is anything but notes.
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|lint| lint.rule.severity == Severity::Note)
    }
}

impl Rule {
    /// Whether the proof of `isolation.rows` asks this rule too. Tables whose rows belong to nobody
    /// that could be told are left to its population: they are not attacked, and said so.
    fn is_proven(&self) -> bool {
        self.severity == Severity::Leak
            && !matches!(self.find, Find::Version)
            && !rules::UNTOLD.contains(&self.id)
    }
}

/// Asks every rule of the database that `db` is in, as its login sees it. Nothing is changed.
/// Without `app_role` it is `<database>_app`, or the login itself where that role is not there.
///
/// # Errors
/// When no table has the column, the role does not exist, or the database does not answer.
pub async fn lint(db: &Db, tenant_column: &str, app_role: Option<&str>) -> Result<Linted> {
    let tx = db.operator().await?;
    tx.batch("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let rules: Vec<&'static Rule> = RULES.iter().collect();
    let linted = examine(&tx, tenant_column, app_role, &rules).await;
    tx.rollback().await?;
    linted
}

/// Asks some rules in a transaction that is there.
pub(crate) async fn examine(
    tx: &Tx,
    tenant_column: &str,
    app_role: Option<&str>,
    rules: &[&'static Rule],
) -> Result<Linted> {
    tx.batch(facts::PATH).await?;
    let tables = store::tables(tx).await?;
    if !tables.iter().any(|t| t.column(tenant_column).is_some()) {
        let common = plan::common_columns(&tables);
        return Err(Error::NoTenantColumn { column: tenant_column.to_owned(), common });
    }
    let row = tx.query_one(facts::LOGIN, &[]).await?;
    let (database, login, usual): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
    let role = match app_role {
        Some(role) => role.to_owned(),
        None if usual => format!("{database}_app"),
        None => login,
    };
    if tx.query_opt(facts::ROLE, &[&role]).await?.is_none() {
        return Err(Error::NoRole(role));
    }
    let census = Census::take(&tables, tenant_column);
    let findings = ask(tx, &tables, &census, (tenant_column, &role), rules).await?;
    Ok(Linted {
        database,
        tenant_column: tenant_column.to_owned(),
        app_role_assumed: app_role.is_none() && !usual,
        app_role: role,
        tables: census.held.len(),
        rules: rules.len(),
        findings,
    })
}

/// What the proof takes from the linter: every leak, as the findings of a proof. With `only`, other
/// tables with tenants' rows are left out.
pub(crate) async fn leaks(
    protected: &Protected,
    tables: &[Table],
    census: &Census,
    only: Option<&str>,
) -> Result<Vec<Finding>> {
    let tx = protected.owner.operator().await?;
    tx.batch(facts::PATH).await?;
    let rules: Vec<&'static Rule> = RULES.iter().filter(|rule| rule.is_proven()).collect();
    let about = (protected.tenant_column.as_str(), protected.app_role.as_str());
    let found = ask(&tx, tables, census, about, &rules).await?;
    tx.rollback().await?;
    let elsewhere = |lint: &Lint| {
        only.is_some_and(|only| {
            lint.object != only && census.held.iter().any(|h| h.table.label() == lint.object)
        })
    };
    Ok(found.into_iter().filter(|lint| !elsewhere(lint)).map(finding).collect())
}

/// Walls that a plan puts up and that somebody has taken down again: what they keep is no leak by
/// itself, so the proof names them beside its result.
pub(crate) async fn walls(protected: &Protected) -> Result<Vec<(String, &'static str)>> {
    let tx = protected.owner.operator().await?;
    let rules: Vec<&'static Rule> =
        RULES.iter().filter(|rule| rules::WALLS.contains(&rule.id)).collect();
    let about = (protected.tenant_column.as_str(), Some(protected.app_role.as_str()));
    let linted = examine(&tx, about.0, about.1, &rules).await?;
    tx.rollback().await?;
    Ok(linted.findings.into_iter().map(|lint| (lint.object, lint.rule.title)).collect())
}

/// As a proof has it.
pub(crate) fn finding(lint: Lint) -> Finding {
    let what = format!("{} ({})", lint.what, lint.rule.id);
    Finding::new(lint.object, what).fix(lint.fix)
}

/// What somebody has declared as reviewed there, so that it is no finding: the proof names it.
pub(crate) async fn declared(protected: &Protected) -> Result<Vec<String>> {
    let tx = protected.owner.operator().await?;
    let declared = facts::declared(&tx).await?;
    tx.rollback().await?;
    Ok(declared)
}

async fn ask(
    tx: &Tx,
    tables: &[Table],
    census: &Census,
    about: (&str, &str),
    rules: &[&'static Rule],
) -> Result<Vec<Lint>> {
    let facts = Facts::read(tx, tables, census, about).await?;
    let mut all = Vec::new();
    for (rule, told) in rules.iter().zip(facts.ask(tx, rules).await?) {
        let found = match rule.find {
            Find::Sql(_) | Find::Then(..) => told,
            Find::Shape(look) => look(&facts),
            Find::Policies => facts.policies(tx).await?,
            Find::Installed => facts.installed(tx).await?,
            Find::Version => version(tx).await?,
        };
        let lints = found.into_iter().map(|found| Lint {
            rule,
            kind: found.kind,
            object: found.object,
            what: found.what,
            fix: found.fix,
        });
        all.extend(lints);
    }
    all.sort_by(|a, b| {
        (a.rule.severity, a.rule.id, &a.object).cmp(&(b.rule.severity, b.rule.id, &b.object))
    });
    Ok(all)
}

async fn version(tx: &Tx) -> Result<Vec<Found>> {
    let row = tx.query_one("SELECT pg_catalog.current_setting('server_version')", &[]).await?;
    let text: &str = row.get(0);
    Ok(too_old(Version::find(text).unwrap_or(Version(0, 0))))
}

/// The one rule that no statement mends.
fn too_old(version: Version) -> Vec<Found> {
    let Err(old) = version.check() else { return Vec::new() };
    vec![Found {
        kind: "server".to_owned(),
        object: format!("PostgreSQL {version}"),
        what: old.to_string(),
        fix: "-- No statement mends this: install the newest minor release of the server"
            .to_owned(),
    }]
}

#[cfg(test)]
mod tests {
    use store::Version;

    use super::{RULES, Severity, too_old};

    /// Ids are what people suppress and what documents cite: in order, and each once.
    #[test]
    fn ids_are_in_order() {
        let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(ids, sorted);
    }

    #[test]
    fn an_old_server_is_a_leak() {
        let rule = RULES.iter().find(|rule| rule.id == "AM501").unwrap();
        assert_eq!(rule.severity, Severity::Leak);
        let found = too_old(Version(15, 18));
        assert!(found[0].what.contains("15.19 or newer"), "{found:?}");
        assert_eq!(found[0].object, "PostgreSQL 15.18");
        assert_eq!(too_old(Version(15, 20)), []);
    }
}
