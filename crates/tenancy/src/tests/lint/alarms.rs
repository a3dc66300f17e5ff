//! What a rule says is compared with what happens: the application tries what the rule is about, and
//! the rule is silent where nothing comes of it.

use kernel::Outcome;
use store::OperatorTx;

use super::seeds::SCHEMA;
use super::{CANARIES, begin, filled, look};
use crate::tests::fixture;
use crate::{Guarded, Lint, RULES, apply, lint};

/// A structure, and what the application tries in it.
struct Case {
    /// What is special about it.
    title: &'static str,
    /// Statements of the owner. The marks are those of the seeds.
    made: &'static str,
    /// A statement of the application.
    tried: &'static str,
    /// Whether that reaches the rows of other tenants.
    leaks: bool,
}

const fn case(title: &'static str, made: &'static str, tried: &'static str, leaks: bool) -> Case {
    Case { title, made, tried, leaks }
}

/// A table that all tenants share and the application may only read.
const COUNTRIES: &str = "
    CREATE TABLE country (code text PRIMARY KEY, name text); GRANT SELECT ON country TO {app};
    CREATE TABLE orders (org text NOT NULL, code text CONSTRAINT of_country REFERENCES country
        ON UPDATE CASCADE ON DELETE SET NULL (code));
    INSERT INTO country VALUES ('id', 'Indonesia'); INSERT INTO orders VALUES ('c-2', 'id')";

const GOES: &str = "DELETE FROM shown";

const VIEWS: &[Case] = &[
    case("no view", "", "DELETE FROM country", false),
    case(
        "counts, for its reader",
        "CREATE VIEW shown WITH (security_invoker) AS SELECT name, count(*) FROM country GROUP BY 1;
         GRANT ALL ON shown TO {app}",
        GOES,
        false,
    ),
    case(
        "counts, for its owner",
        "CREATE VIEW shown AS SELECT name, count(*) FROM country GROUP BY 1;
         GRANT ALL ON shown TO {app}",
        GOES,
        false,
    ),
    case(
        "as it is, for its reader",
        "CREATE VIEW shown WITH (security_invoker) AS TABLE country; GRANT ALL ON shown TO {app}",
        GOES,
        false,
    ),
    case(
        "as it is, for its owner",
        "CREATE VIEW shown AS TABLE country; GRANT DELETE ON shown TO {app}",
        GOES,
        true,
    ),
    case(
        "only to add and to change, where keys are not carried on",
        "CREATE VIEW shown AS TABLE country; GRANT INSERT, SELECT ON shown TO {app}",
        GOES,
        false,
    ),
    case(
        "a view of a view",
        "CREATE VIEW below AS SELECT code, name FROM country WHERE name <> 'nowhere';
         CREATE VIEW shown AS TABLE below; GRANT UPDATE ON shown TO {app}",
        "UPDATE shown SET code = 'xx'",
        true,
    ),
    case(
        "a view for its owner of one for its reader",
        "CREATE VIEW below WITH (security_invoker) AS TABLE country;
         CREATE VIEW shown AS TABLE below; GRANT ALL ON shown TO {app}",
        GOES,
        false,
    ),
    case(
        "a rule in the place of the view's own way, of another event",
        "CREATE VIEW shown WITH (security_invoker) AS SELECT name, count(*) FROM country GROUP BY 1;
         CREATE RULE gone AS ON INSERT TO shown DO INSTEAD DELETE FROM country;
         GRANT INSERT ON shown TO {app}",
        "INSERT INTO shown VALUES ('x', 1)",
        true,
    ),
    case(
        "a rule that does nothing",
        "CREATE VIEW shown AS TABLE country; GRANT DELETE ON shown TO {app};
         CREATE RULE nothing AS ON DELETE TO shown DO INSTEAD NOTHING",
        GOES,
        false,
    ),
    case(
        "a trigger with its caller's rights",
        "CREATE VIEW shown AS TABLE country; GRANT DELETE ON shown TO {app};
         CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN DELETE FROM country WHERE code = OLD.code; RETURN OLD; END';
         CREATE TRIGGER instead INSTEAD OF DELETE ON shown FOR EACH ROW EXECUTE FUNCTION instead()",
        GOES,
        false,
    ),
];

/// What the application does, and then how many of the other tenant's rows still point to the country.
async fn kept(tx: &OperatorTx, guarded: &Guarded, tried: &str) -> bool {
    let app = store::ident(&guarded.protected.app_role);
    let tried = format!("SET LOCAL ROLE {app}; {tried}");
    tx.batch("SET LOCAL search_path = public; SAVEPOINT tried").await.unwrap();
    if tx.batch(&tried).await.is_err() {
        tx.batch("ROLLBACK TO SAVEPOINT tried").await.unwrap();
    }
    let left = "SELECT FROM public.orders o WHERE o.code = 'id'";
    tx.batch("SET LOCAL ROLE NONE").await.unwrap();
    tx.query_opt(left, &[]).await.unwrap().is_some()
}

/// A view counts where the application can write through it and has not the right itself.
#[tokio::test]
async fn a_view_counts_when_it_can_be_written_through() {
    let guarded = fixture::protected(SCHEMA, "org", CANARIES).await;
    fixture::as_superuser(&guarded, "DELETE FROM amanah_guard.isolation").await;
    let rule = RULES.iter().find(|rule| rule.id == "AM305").unwrap();
    for case in VIEWS {
        let tx = begin(&guarded).await;
        let made = format!("SET LOCAL search_path = public; {COUNTRIES}; {}", case.made);
        tx.batch(&filled(&guarded, &made, false)).await.unwrap();
        let found = !look(&tx, &guarded, rule).await.findings.is_empty();
        let leaks = !kept(&tx, &guarded, case.tried).await;
        assert_eq!((found, leaks), (case.leaks, case.leaks), "found, leaks: {}", case.title);
        tx.rollback().await.unwrap();
    }
}

/// A queue keeps its own tables and sequences in a schema of its own, and changes them by itself. That
/// breaks no claim, it can be declared, and the plan leaves it there.
#[tokio::test]
async fn a_schema_of_a_queue_is_its_own() {
    let guarded = fixture::bare(SCHEMA, "org", CANARIES).await;
    let made = "CREATE SCHEMA queue AUTHORIZATION {app}; SET LOCAL ROLE {app};
                CREATE TABLE queue.job (id serial PRIMARY KEY, n int)";
    fixture::as_superuser(&guarded, made).await;
    let protected = &guarded.protected;
    let plan = fixture::planned(protected).await;
    assert!(plan.advice.iter().all(|advice| !advice.needed), "{:?}", plan.advice);
    apply(&protected.owner, protected.superuser.as_ref(), &plan).await.unwrap();
    let found = async || {
        let linted = lint(&protected.owner, "org", Some(&protected.app_role)).await.unwrap();
        let own = |lint: &Lint| lint.object.contains("queue");
        linted.findings.into_iter().filter(own).collect::<Vec<_>>()
    };
    let lints = found().await;
    let ids: Vec<&str> = lints.iter().map(|lint| lint.rule.id).collect();
    assert_eq!(ids, ["AM306", "AM406"]);
    let proof = fixture::prove(&guarded).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{} {:?}", proof.detail(), proof.findings());
    assert!(proof.detail().contains("it is the application's own"), "{}", proof.detail());
    let (_, declare) = lints[1].fix.split_once("once it was read: ").unwrap();
    fixture::as_owner(&guarded, declare).await;
    assert_eq!(found().await.len(), 1);
    // As soon as a search path names it, declared or not.
    fixture::as_superuser(&guarded, "ALTER ROLE {app} SET search_path = public, queue").await;
    let ids: Vec<&str> = found().await.iter().map(|lint| lint.rule.id).collect();
    assert_eq!(ids, ["AM403", "AM306"]);
    let plan = fixture::planned(protected).await;
    assert!(
        plan.advice.iter().any(|a| a.needed && a.object == "schema queue"),
        "{:?}",
        plan.advice
    );
}

/// Bodies of a trigger, and whether one can be seen to set nothing but its own row.
const BODIES: &[(&str, bool)] = &[
    ("NEW.changed := now(); RETURN NEW;", true),
    (
        "IF TG_OP = 'UPDATE' AND NEW IS DISTINCT FROM OLD THEN NEW.changed = now(); END IF; RETURN NEW;",
        true,
    ),
    ("NEW.changed := helper(); RETURN NEW;", false),
    ("NEW.changed := (SELECT max(changed) FROM base); RETURN NEW;", false),
    ("NEW.changed := (TABLE base LIMIT 1); RETURN NEW;", false),
    ("EXECUTE 'UP' || 'DATE base SET body = NULL'; RETURN NEW;", false),
    ("-- it's fine; '\n PERFORM 1; -- '\n RETURN NEW;", false),
    ("NEW.note := table_to_xml('base', true, true, ''); RETURN NEW;", false),
];

/// A trigger that keeps `updated_at` is in many databases, and harms nobody.
#[tokio::test]
async fn a_trigger_that_sets_its_own_row_is_no_leak() {
    let guarded = fixture::protected(SCHEMA, "org", CANARIES).await;
    fixture::as_superuser(&guarded, "DELETE FROM amanah_guard.isolation").await;
    let rule = RULES.iter().find(|rule| rule.id == "AM241").unwrap();
    let found = async |condition: &str, body: &str| {
        let tx = begin(&guarded).await;
        let made = format!(
            "SET LOCAL search_path = public;
             CREATE TABLE below (org text NOT NULL, id int, changed timestamptz, note text,
                 FOREIGN KEY (org, id) REFERENCES base ON DELETE SET NULL (id));
             CREATE FUNCTION helper() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()';
             CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $b$BEGIN {body} END$b$;
             CREATE TRIGGER mine BEFORE UPDATE ON below FOR EACH ROW {condition}
                 EXECUTE FUNCTION mine()"
        );
        tx.batch(&filled(&guarded, &made, false)).await.unwrap();
        let found = !look(&tx, &guarded, rule).await.findings.is_empty();
        tx.rollback().await.unwrap();
        found
    };
    for (body, harmless) in BODIES {
        assert_eq!(found("", body).await, !harmless, "{body}");
    }
    let (harmless, _) = BODIES[0];
    assert!(!found("WHEN (NEW.id > 0)", harmless).await);
    assert!(found("WHEN (NEW.changed < helper())", harmless).await);
}
