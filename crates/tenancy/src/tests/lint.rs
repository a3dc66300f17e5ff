//! The linter: each rule finds what it is for, by the object's name, and its fix makes the finding
//! go away; what is well is left alone.

mod alarms;
mod carried;
mod own;
mod roles;
mod sarif;
mod seeds;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use store::OperatorTx;

use super::fixture::{self, DJANGO, NUMBERS, as_owner};
use crate::lint::examine;
use crate::{Guarded, Linted, RULES, Rule, Severity, Who, lint};
use carried::CARRIED;
use own::OWN;
use roles::ROLES;
use seeds::{QUIET, SCHEMA, SEEDS, Seed};

const CANARIES: (&str, &str) = ("c-1", "c-2");

/// A transaction of the superuser, who acts as the owner until the statements say otherwise.
async fn begin(guarded: &Guarded) -> OperatorTx {
    let superuser = guarded.protected.superuser.as_ref().unwrap();
    let tx = superuser.operator().await.unwrap();
    tx.batch(&format!("SET LOCAL ROLE {}", owner(guarded))).await.unwrap();
    tx
}

fn owner(guarded: &Guarded) -> String {
    store::ident(&guarded.protected.owner.url().user)
}

async fn look(tx: &OperatorTx, guarded: &Guarded, rule: &'static Rule) -> Linted {
    let protected = &guarded.protected;
    let (column, app) = (&protected.tenant_column, Some(protected.app_role.as_str()));
    examine(tx, column, app, &[rule]).await.unwrap()
}

/// What a seed's statements mean here: its names may be any.
fn filled(guarded: &Guarded, sql: &str, odd: bool) -> String {
    let app = store::ident(&guarded.protected.app_role);
    let names = [
        ("{app}", app.as_str()),
        ("{owner}", &owner(guarded)),
        ("{db}", &store::ident(&guarded.protected.name)),
        ("{x}", if odd { r#""se""le'ct; DROP""# } else { "thing" }),
        ("{y}", if odd { "\"Größe\"" } else { "other" }),
        ("{z}", if odd { "\"größe\"" } else { "third" }),
    ];
    names.iter().fold(sql.to_owned(), |sql, (mark, name)| sql.replace(mark, name))
}

fn object(guarded: &Guarded, object: &str, odd: bool) -> String {
    let names = [
        ("{app}", guarded.protected.app_role.as_str()),
        ("{db}", &guarded.protected.name),
        ("{owner}", &guarded.protected.owner.url().user),
        ("{x}", if odd { r#"se"le'ct; DROP"# } else { "thing" }),
        ("{y}", if odd { "Größe" } else { "other" }),
        ("{z}", if odd { "größe" } else { "third" }),
    ];
    names.iter().fold(object.to_owned(), |text, (mark, name)| text.replace(mark, name))
}

/// Seeds one violation, finds it, runs its fix, and no longer finds it; then undoes everything.
async fn try_seed(guarded: &Guarded, seed: &Seed, odd: bool) -> Result<String, String> {
    let rule = RULES.iter().find(|rule| rule.id == seed.rule).unwrap();
    let wanted = object(guarded, seed.object, odd);
    let tx = begin(guarded).await;
    let named = |linted: &Linted| {
        let mut found = linted.findings.iter();
        found.find(|lint| lint.rule.id == seed.rule && lint.object == wanted).cloned()
    };
    let before = look(&tx, guarded, rule).await;
    if named(&before).is_some() {
        return Err(format!("{} {wanted}: it is found before it is there", seed.rule));
    }
    let sql = format!("SET LOCAL search_path = public; {}", filled(guarded, seed.sql, odd));
    tx.batch(&sql).await.map_err(|e| format!("{} {sql}: {e}", seed.rule))?;
    let after = look(&tx, guarded, rule).await;
    let Some(lint) = named(&after) else {
        let all: Vec<String> =
            after.findings.iter().map(|l| format!("{} {}", l.rule.id, l.object)).collect();
        return Err(format!("{} {wanted}: not found among {all:#?}", seed.rule));
    };
    let runner =
        if rule.who == Who::Owner && !seed.foreign { owner(guarded) } else { "NONE".to_owned() };
    let fix = format!("SET LOCAL ROLE {runner}; {}", lint.fix);
    tx.batch(&fix).await.map_err(|e| format!("{} {}: {e}", seed.rule, lint.fix))?;
    if let Some(left) = named(&look(&tx, guarded, rule).await) {
        return Err(format!("{} {}: still there: {}", seed.rule, left.object, lint.fix));
    }
    tx.rollback().await.unwrap();
    let fix: Vec<&str> = lint
        .fix
        .split('\'')
        .map(|part| {
            let digest = part.len() == 64 && part.chars().all(|c| c.is_ascii_hexdigit());
            if digest { "SHA256" } else { part }
        })
        .collect();
    let fix = fix.join("'").replace('\n', "\n      ");
    Ok(format!("  {} {}: {}\n      {fix}\n", lint.rule.id, lint.object, lint.what))
}

fn seeds() -> impl Iterator<Item = &'static Seed> {
    SEEDS.iter().chain(CARRIED).chain(OWN).chain(ROLES)
}

/// Every rule against a violation of it, with ordinary names and with names that try to leave their
/// quotes, are reserved words, or differ in case alone.
#[tokio::test]
async fn every_rule_finds_and_mends() {
    let guarded = fixture::protected(SCHEMA, "org", CANARIES).await;
    fixture::as_superuser(&guarded, QUIET).await;
    // The guard would refuse most of what is seeded.
    fixture::as_superuser(&guarded, "DELETE FROM amanah_guard.isolation").await;
    let (mut told, mut failed) = (String::new(), Vec::new());
    for seed in seeds() {
        for odd in [false, true] {
            match try_seed(&guarded, seed, odd).await {
                Ok(text) if odd => told.push_str(&text),
                Ok(_) => {}
                Err(why) => failed.push(why),
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let tried = |id: &str| seeds().any(|seed| seed.rule == id);
    let untried: Vec<&str> = RULES.iter().map(|r| r.id).filter(|id| !tried(id)).collect();
    // No statement makes a server old; the text of the binding has tests of its own.
    assert_eq!(untried, ["AM231", "AM501"]);
    let told = told.replace(&guarded.protected.name, "DB");
    let lines: Vec<&str> = told.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// Every rule, as people read it.
#[test]
fn the_rules_are_these() {
    let mut text = String::new();
    for rule in RULES {
        writeln!(text, "{} {:?}, {:?}: {}", rule.id, rule.severity, rule.who, rule.title).unwrap();
        writeln!(text, "      [{}] {}", rule.channel, rule.why).unwrap();
    }
    insta::assert_snapshot!(text);
}

/// The table in the documentation is the table of the code.
#[test]
fn the_documentation_has_every_rule() {
    testkit::told("docs/lint.md", &format!("asks {} rules", RULES.len()));
    testkit::told("CHANGELOG.md", &format!("`amanah tenant lint`: {} rules", RULES.len()));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lint.md");
    let page = std::fs::read_to_string(path).unwrap();
    let fix = |rule: &Rule| match (rule.id, rule.who) {
        ("AM231", _) => "drop schema amanah and protect again",
        ("AM501", _) => "install the newest minor release",
        (_, Who::Owner) => "SQL for the owner",
        (_, Who::Superuser) => "SQL for a superuser",
    };
    let word = |rule: &Rule| format!("{:?}", rule.severity).to_lowercase();
    let wanted: Vec<String> = RULES
        .iter()
        .map(|r| {
            format!(
                "| {} | {} | {} | {} | {} | {} |",
                r.id,
                word(r),
                r.channel,
                r.title,
                r.why,
                fix(r)
            )
        })
        .collect();
    let there: Vec<&str> = page.lines().filter(|line| line.starts_with("| AM")).collect();
    assert_eq!(there, wanted, "the rows have to be:\n{}\n", wanted.join("\n"));
    let told = format!("asks {} rules", RULES.len());
    assert!(page.contains(&told), "it {told}");
}

/// A database as people have it before they protect it.
#[tokio::test]
async fn a_django_project_before_and_after() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    let mut text = String::new();
    for title in ["As it was", "Protected"] {
        let protected = &guarded.protected;
        let linted = lint(&protected.owner, "company_id", Some(&protected.app_role)).await.unwrap();
        writeln!(text, "{title}").unwrap();
        for lint in &linted.findings {
            writeln!(text, "  {} {}: {}", lint.rule.id, lint.object, lint.what).unwrap();
        }
        let plan = fixture::planned(protected).await;
        crate::apply(&protected.owner, protected.superuser.as_ref(), &plan).await.unwrap();
    }
    insta::assert_snapshot!(text.replace(&guarded.protected.name, "DB"));
}

/// The demo, protected, has nothing but what is declared; and not even that where a superuser has
/// taken it from everybody.
#[tokio::test]
async fn the_demo_is_clean() {
    let schema = include_str!("../../../../demo/sql/schema.sql").replace("demo_app", "{app}");
    let canaries = ("c0000000-0000-8000-8000-00000000000a", "c0000000-0000-8000-8000-00000000000b");
    let guarded = fixture::protected(&schema, "tenant_id", canaries).await;
    fixture::as_superuser(&guarded, QUIET).await;
    let linted = lint(&guarded.protected.owner, "tenant_id", None).await.unwrap();
    let found: Vec<&str> = linted
        .findings
        .iter()
        .filter(|lint| lint.rule.severity != Severity::Note)
        .map(|lint| lint.what.as_str())
        .collect();
    assert_eq!(found, Vec::<&str>::new());
    assert!(linted.is_clean() && linted.tables == 12 && !linted.app_role_assumed);
}

/// What was read and declared is no finding while it stays as it was then, and the proof names it.
#[tokio::test]
async fn what_was_reviewed_is_declared() {
    let guarded = fixture::protected(SCHEMA, "org", CANARIES).await;
    let make = |body: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION report() RETURNS bigint LANGUAGE sql SECURITY DEFINER
                 SET search_path = pg_catalog AS 'SELECT count({body}) FROM public.base'"
        )
    };
    let found = async || {
        let protected = &guarded.protected;
        let linted = lint(&protected.owner, "org", Some(&protected.app_role)).await.unwrap();
        let mut found = linted.findings.into_iter();
        found.find(|lint| lint.rule.id == "AM221" && lint.object == "public.report()")
    };
    as_owner(&guarded, &make("*")).await;
    let lint = found().await.unwrap();
    let (_, declare) = lint.fix.split_once("once it was read: ").unwrap();
    as_owner(&guarded, declare).await;
    assert!(found().await.is_none());
    let proof = fixture::prove(&guarded).await;
    let named = "public.report(): it is declared as reviewed";
    assert!(proof.detail().contains(named), "{}", proof.detail());
    as_owner(&guarded, &make("id")).await;
    assert!(found().await.is_some(), "it is another function by now");
}

/// Nothing is changed: the transaction refuses to.
#[tokio::test]
async fn nothing_is_changed() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    let tx = guarded.protected.owner.operator().await.unwrap();
    tx.batch("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").await.unwrap();
    let rules: Vec<&'static Rule> = RULES.iter().collect();
    examine(&tx, "company_id", Some(&guarded.protected.app_role), &rules).await.unwrap();
    let refused = tx.batch("CREATE TABLE written (n int)").await.unwrap_err();
    assert_eq!(refused.sqlstate(), Some("25006"), "{refused}");
}

/// Without a column or a role that is there, it says what to name; without the usual role, the
/// login is taken for the application, and said so.
#[tokio::test]
async fn what_is_not_there_is_said() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    let owner = &guarded.protected.owner;
    let error = lint(owner, "tenant", None).await.unwrap_err();
    assert!(error.to_string().contains("company_id"), "{error}");
    let error = lint(owner, "company_id", Some("nobody")).await.unwrap_err();
    assert!(error.to_string().starts_with("the role `nobody` does not exist"), "{error}");
    fixture::as_superuser(&guarded, "ALTER ROLE {app} RENAME TO {app}_renamed").await;
    let linted = lint(owner, "company_id", None).await.unwrap();
    assert_eq!(linted.app_role, owner.url().user);
    assert!(linted.app_role_assumed);
    assert!(linted.findings.iter().any(|l| l.rule.id == "AM442"), "the login owns the tables");
}

/// Makes a hundred tables with a view each.
async fn more(guarded: &Guarded, part: usize) {
    let tables: Vec<String> = (0..100)
        .map(|n| {
            let name = format!("many_{part}_{n}");
            format!(
                "CREATE TABLE {name} (id serial PRIMARY KEY, company_id integer NOT NULL \
                 REFERENCES company, email text UNIQUE, about integer REFERENCES {name}); \
                 CREATE VIEW {name}_view AS TABLE {name}; \
                 GRANT SELECT, INSERT ON {name}, {name}_view TO {{app}};"
            )
        })
        .collect();
    as_owner(guarded, &tables.concat()).await;
}

/// The shortest of several: what the machine does beside it only makes it longer.
async fn shortest(guarded: &Guarded) -> (Duration, Linted) {
    let mut best = None::<(Duration, Linted)>;
    for _ in 0..3 {
        let begun = Instant::now();
        let linted = lint(&guarded.protected.owner, "company_id", None).await.unwrap();
        let took = begun.elapsed();
        if best.as_ref().is_none_or(|(known, _)| took < *known) {
            best = Some((took, linted));
        }
    }
    best.unwrap()
}

/// Ten times the tables take about ten times as long. If each were compared with each other, it
/// would be a hundred times.
#[tokio::test]
async fn a_thousand_tables_take_ten_times_as_long_as_a_hundred() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    more(&guarded, 0).await;
    let (few, linted) = shortest(&guarded).await;
    assert_eq!(linted.tables, 109);
    for part in 1..10 {
        more(&guarded, part).await;
    }
    let (many, linted) = shortest(&guarded).await;
    assert_eq!(linted.tables, 1_009);
    assert!(linted.findings.len() > 4_000, "{}", linted.findings.len());
    assert!(many < few * 50, "{many:?} for a thousand, {few:?} for a hundred");
}
