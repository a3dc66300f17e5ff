//! Row isolation turned off by hand: it is found, named, and shown on the page.

use crate::house::{House, shared};
use crate::web;

/// What is turned off, how it is put right, and what must be named.
const DAMAGE: [(&str, &str, &str); 5] = [
    (
        "ALTER TABLE prices DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE prices ENABLE ROW LEVEL SECURITY",
        "public.prices",
    ),
    (
        "ALTER TABLE products NO FORCE ROW LEVEL SECURITY;
         CREATE VIEW by_the_owner AS SELECT * FROM products;
         ALTER VIEW by_the_owner OWNER TO demo_owner; GRANT SELECT ON by_the_owner TO demo_app",
        "DROP VIEW by_the_owner; ALTER TABLE products FORCE ROW LEVEL SECURITY",
        "by_the_owner",
    ),
    (
        "ALTER POLICY amanah_select ON suppliers USING (true)",
        "ALTER POLICY amanah_select ON suppliers
           USING (tenant_id = (SELECT amanah.reading_tenant()::uuid))",
        "public.suppliers",
    ),
    (
        "CREATE FUNCTION all_notes() RETURNS SETOF notes LANGUAGE sql SECURITY DEFINER
           AS 'SELECT * FROM public.notes'",
        "DROP FUNCTION all_notes()",
        "all_notes",
    ),
    (
        "CREATE TABLE leads (tenant_id uuid, name text); GRANT ALL ON leads TO demo_app;
         ALTER TABLE leads OWNER TO demo_owner",
        "DROP TABLE leads",
        "public.leads",
    ),
];

#[test]
fn what_is_turned_off_is_named() {
    let house = shared();
    for (damage, repair, named) in DAMAGE {
        house.psql("demo", damage);
        let (exit, claims) = verify(&house);
        house.psql("demo", repair);
        assert_eq!(exit, 1, "{damage}");
        assert_eq!(claims[0]["verdict"], "failing");
        let findings = claims[0]["findings"].to_string();
        assert!(findings.contains(named), "{damage}: {findings}");
    }
    assert_eq!(verify(&house).0, 0, "everything was put right");
}

/// A dropped policy is on the page with the table and the sentence.
#[test]
fn a_dropped_policy_shows_on_the_page() {
    let house = shared();
    house.psql("demo", "DROP POLICY amanah_select ON prices");
    let output =
        house.run(&["verify", "--page", "pages/row-tenants.md", "--claim", "isolation.rows"]);
    let page = web::get(&house, "/trust/row-tenants");
    house.psql(
        "demo",
        "CREATE POLICY amanah_select ON prices AS RESTRICTIVE FOR SELECT
           USING (tenant_id = (SELECT amanah.reading_tenant()::uuid))",
    );
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for word in ["isolation.rows", "public.prices", "on the page: Harga dan margin"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(page.body.contains("public.prices") && page.body.contains("gagal"), "{}", page.body);
    assert_eq!(verify(&house).0, 0);
}

fn verify(house: &House) -> (i32, Vec<serde_json::Value>) {
    house.verify(&["--page", "pages/row-tenants.md", "--claim", "isolation.rows"])
}
