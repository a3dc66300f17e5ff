//! The plan: what it says, that it can be applied, and that a second one has nothing to do.

use super::fixture::{self, DJANGO, NUMBERS, as_owner, bound, planned, try_plan};
use crate::{Error, apply, canary_ids};

/// The plan for a Django project, as a person reads it.
#[tokio::test]
async fn the_plan_for_a_django_project() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    let name = &guarded.protected.name;
    let plan = planned(&guarded.protected).await.to_string().replace(name.as_str(), "DB");
    insta::assert_snapshot!(plan);
}

#[tokio::test]
async fn a_second_plan_has_nothing_to_do() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    let again = planned(&guarded.protected).await;
    assert!(again.is_done() && again.privileged.is_empty(), "{again}");
}

/// The application goes on as before, with its own tenant's rows.
#[tokio::test]
async fn the_application_still_works() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    let tx = bound(&guarded, "1").await;
    let seen = "SELECT (SELECT count(*) FROM company), (SELECT count(*) FROM customer), \
                (SELECT count(*) FROM product), (SELECT count(*) FROM product_tags), \
                (SELECT count(*) FROM visit_2021), (SELECT count(*) FROM open_invoice), \
                (SELECT count(*) FROM country)";
    let row = tx.query_one(seen, &[]).await.unwrap();
    let counts: Vec<i64> = (0..7).map(|n| row.get(n)).collect();
    assert_eq!(counts, [1; 7]);
    tx.batch(
        "INSERT INTO product (company_id, sku, price) VALUES (1, 'P-2', 5);
         INSERT INTO product_tags (product_id, tag_id)
             SELECT p.id, t.id FROM product p, tag t WHERE p.sku = 'P-2';
         UPDATE invoice SET state = 'paid';
         DELETE FROM customer;",
    )
    .await
    .unwrap();
    let left = tx.query_one("SELECT count(*) FROM invoice", &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 0, "the foreign key still cascades");
    tx.commit().await.unwrap();
    let tx = bound(&guarded, "2").await;
    let left = tx.query_one("SELECT count(*) FROM invoice", &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 1, "and not into another tenant");
}

/// A plan that fails leaves the database as it was and says where it failed.
#[tokio::test]
async fn a_failing_step_undoes_all() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    let mut plan = planned(&guarded.protected).await;
    plan.steps.last_mut().unwrap().sql.push_str("; SELECT 1/0");
    let owner = &guarded.protected.owner;
    let error = apply(owner, None, &plan).await.unwrap_err().to_string();
    let total = plan.steps.len();
    assert!(error.starts_with(&format!("step {total} of {total} failed on")), "{error}");
    assert_eq!(planned(&guarded.protected).await.steps.len(), total);
}

/// Where rows point across tenants already, the foreign key is left and the plan says why.
#[tokio::test]
async fn crossing_rows_are_not_hidden() {
    let guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    as_owner(&guarded, "UPDATE invoice SET customer_id = 2 WHERE id = 1").await;
    let plan = planned(&guarded.protected).await;
    let advice = plan.advice.iter().find(|a| a.object.starts_with("public.invoice, foreign key"));
    assert!(advice.unwrap().why.contains("point into another tenant already"));
    let applied = apply(&guarded.protected.owner, None, &plan).await.unwrap();
    assert_eq!(applied.left, plan.privileged, "without a superuser, its steps are left");
}

/// What cannot be protected is refused, with every reason at once.
#[tokio::test]
async fn unfit_tables_are_refused_with_the_reason() {
    let schema = "
        CREATE TABLE a (tenant uuid, x int); INSERT INTO a VALUES (NULL, 1);
        CREATE TABLE b (tenant date NOT NULL);
        CREATE COLLATION lenient (provider = icu, locale = 'und-u-ks-level2',
            deterministic = false);
        CREATE TABLE c (tenant text COLLATE lenient NOT NULL)";
    let guarded = fixture::bare(schema, "tenant", ("a", "b")).await;
    let error = try_plan(&guarded.protected).await.unwrap_err().to_string();
    insta::assert_snapshot!(error);
}

#[tokio::test]
async fn wrong_names_are_refused_with_help() {
    let mut guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    guarded.protected.tenant_column = "tenant_id".to_owned();
    let error = try_plan(&guarded.protected).await.unwrap_err().to_string();
    assert!(error.contains("are: company_id, id, day"), "{error}");
    guarded.protected.tenant_column = "company_id".to_owned();
    guarded.protected.app_role = "nobody here".to_owned();
    let error = try_plan(&guarded.protected).await.unwrap_err().to_string();
    assert!(error.starts_with("the role `nobody here` does not exist"), "{error}");
}

/// The owner as the application's role: said loudly, since it can undo all of it.
#[tokio::test]
async fn an_application_that_owns_its_tables_is_warned() {
    let mut guarded = fixture::bare(DJANGO, "company_id", NUMBERS).await;
    guarded.protected.app_role = guarded.protected.owner.url().user.clone();
    let plan = planned(&guarded.protected).await;
    assert!(plan.warnings.iter().any(|w| w.contains("it can undo every step")), "{plan}");
}

/// An application that has its own policies keeps them, and they cannot widen.
#[tokio::test]
async fn foreign_policies_stay_and_cannot_widen() {
    let schema = "
        CREATE TABLE note (tenant text NOT NULL, body text NOT NULL);
        ALTER TABLE note ENABLE ROW LEVEL SECURITY;
        CREATE POLICY all_of_it ON note USING (true);
        INSERT INTO note VALUES ('one', 'x'), ('two', 'y');
        GRANT SELECT ON note TO {app}";
    let guarded = fixture::protected(schema, "tenant", ("a", "b")).await;
    let plan = planned(&guarded.protected).await;
    assert!(plan.is_done() && plan.warnings.iter().any(|w| w.contains("all_of_it")), "{plan}");
    let tx = bound(&guarded, "one").await;
    let rows = tx.query("SELECT body FROM note", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
}

/// Whatever row security there was before, one plan is enough: a second one has nothing to do, each
/// tenant sees its own rows as far as the application's policies let it, and no others.
#[tokio::test]
async fn one_plan_is_enough_from_every_state() {
    let (on, force) = (
        "ALTER TABLE note ENABLE ROW LEVEL SECURITY;",
        "ALTER TABLE note FORCE ROW LEVEL SECURITY;",
    );
    let permissive = "CREATE POLICY theirs ON note USING (true);";
    let restrictive = "CREATE POLICY theirs ON note AS RESTRICTIVE USING (body <> 'hidden');";
    // What was there, and how many rows each tenant of a protected table sees of its two.
    for (state, seen, warned) in [
        (on.to_owned(), 2, true),
        (format!("{on}{force}"), 2, true),
        (force.to_owned(), 2, false),
        (permissive.to_owned(), 2, false),
        (restrictive.to_owned(), 1, false),
        (format!("{on}{restrictive}"), 1, true),
        (format!("{on}{force}{restrictive}"), 1, true),
        (format!("{on}{permissive}"), 2, false),
        (format!("{on}{permissive}{}", restrictive.replace("theirs", "narrow")), 1, false),
        (format!("{on}CREATE POLICY theirs ON note FOR INSERT WITH CHECK (true);"), 0, false),
        (String::new(), 2, false),
    ] {
        let schema = format!(
            "CREATE TABLE note (tenant text NOT NULL, body text NOT NULL);
             INSERT INTO note VALUES ('one', 'x'), ('one', 'hidden'), ('two', 'y'), ('two', 'z');
             GRANT SELECT, INSERT, UPDATE, DELETE ON note TO {{app}}; {state}"
        );
        let guarded = fixture::bare(&schema, "tenant", ("a", "b")).await;
        let plan = planned(&guarded.protected).await;
        let said = plan.warnings.iter().any(|w| w.contains("no policy lets anything through"));
        assert_eq!(said, warned, "{state}: {plan}");
        let superuser = guarded.protected.superuser.as_ref();
        apply(&guarded.protected.owner, superuser, &plan).await.unwrap();
        let again = planned(&guarded.protected).await;
        assert!(again.is_done() && again.privileged.is_empty(), "{state}: {again}");
        let tx = bound(&guarded, "one").await;
        let rows = tx.query("SELECT tenant FROM note", &[]).await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(rows.len(), seen, "{state}");
        assert!(rows.iter().all(|row| row.get::<_, &str>(0) == "one"), "{state}");
    }
}

/// Canaries fit the column, and two installations have their own.
#[tokio::test]
async fn canary_ids_fit_their_column() {
    for (kind, length) in [("integer", 11), ("uuid", 36), ("varchar(6)", 6), ("text", 24)] {
        let schema = format!("CREATE TABLE t (tenant {kind} NOT NULL)");
        let guarded = fixture::bare(&schema, "tenant", ("1", "2")).await;
        let tx = guarded.protected.owner.operator().await.unwrap();
        let (a, b) = canary_ids(&tx, "tenant", "one").await.unwrap();
        let other = canary_ids(&tx, "tenant", "two").await.unwrap();
        assert!(a != b && a != other.0, "{kind}: {a} {b} {other:?}");
        assert_eq!(a.as_str().len(), length, "{kind}: {a}");
        tx.batch(&format!("INSERT INTO t VALUES ('{a}'), ('{b}')")).await.unwrap();
    }
}

/// A column that cannot name a tenant and one that is not there are told apart.
#[tokio::test]
async fn a_column_without_canaries_is_named() {
    let schema = "CREATE TABLE t (tenant date NOT NULL)";
    let guarded = fixture::bare(schema, "tenant", ("1", "2")).await;
    let tx = guarded.protected.owner.operator().await.unwrap();
    let wrong = canary_ids(&tx, "tenant", "one").await.unwrap_err();
    assert!(matches!(&wrong, Error::TenantType(column) if column == "tenant"), "{wrong}");
    let absent = canary_ids(&tx, "firm", "one").await.unwrap_err();
    assert!(matches!(&absent, Error::NoTenantColumn { common, .. } if common.contains("tenant")));
}

/// The application makes nothing of its own, unless a person grants that to it; then a new plan
/// leaves it so.
#[tokio::test]
async fn temporary_objects_take_a_grant() {
    let guarded = fixture::protected(DJANGO, "company_id", NUMBERS).await;
    let make = "CREATE TEMPORARY TABLE basket (id integer)";
    let tx = guarded.protected.intruder.operator().await.unwrap();
    assert!(tx.attempt(make, &[]).await.unwrap().unwrap_err().is_denied());
    tx.rollback().await.unwrap();
    let name = store::ident(&guarded.protected.name);
    as_owner(&guarded, &format!("GRANT TEMPORARY ON DATABASE {name} TO {{app}}")).await;
    let tx = guarded.protected.intruder.operator().await.unwrap();
    assert!(tx.attempt(make, &[]).await.unwrap().is_ok());
    tx.rollback().await.unwrap();
    assert!(planned(&guarded.protected).await.is_done());
}
