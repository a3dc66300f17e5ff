//! The trail turned off by hand: it is found and named; and an ordinary owner cannot do it.

use serde_json::Value;

use crate::house::{House, shared};

const DAMAGE: [(&str, &str, &str, &str); 4] = [
    (
        "audit.triggers",
        "ALTER TABLE products DISABLE TRIGGER amanah_audit_row",
        "ALTER TABLE products ENABLE ALWAYS TRIGGER amanah_audit_row",
        "public.products",
    ),
    (
        "audit.triggers",
        "ALTER TABLE notes ENABLE TRIGGER amanah_audit_row",
        "ALTER TABLE notes ENABLE ALWAYS TRIGGER amanah_audit_row",
        "public.notes",
    ),
    (
        "audit.append-only",
        "GRANT DELETE ON audit.system_audit_logs TO demo_app; GRANT USAGE ON SCHEMA audit TO demo_app",
        "REVOKE ALL ON audit.system_audit_logs FROM demo_app; REVOKE ALL ON SCHEMA audit FROM demo_app",
        "audit.system_audit_logs",
    ),
    (
        "audit.append-only",
        "ALTER EVENT TRIGGER amanah_trail_ddl DISABLE",
        "ALTER EVENT TRIGGER amanah_trail_ddl ENABLE ALWAYS",
        "amanah_trail_ddl",
    ),
];

#[test]
fn what_is_turned_off_is_named() {
    let house = shared();
    for (claim, damage, repair, named) in DAMAGE {
        house.psql("demo", damage);
        let (exit, claims) = verify(&house, claim);
        house.psql("demo", repair);
        assert_eq!(exit, 1, "{damage}: {claims:#?}");
        let found = claims[0].to_string();
        assert!(found.contains(named), "{damage}: {found}");
    }
    assert_eq!(verify(&house, "audit.triggers").0, 0, "everything was put right");
    assert_eq!(verify(&house, "audit.append-only").0, 0, "everything was put right");
}

/// A superuser who switches the recording off, writes and switches it on again is found, and stays so
/// until somebody has said what it was.
#[test]
fn a_write_without_its_record_is_named() {
    const HIDDEN: &str = "BEGIN; ALTER TABLE products DISABLE TRIGGER ALL;
        UPDATE products SET name = name; ALTER TABLE products ENABLE TRIGGER ALL,
        ENABLE ALWAYS TRIGGER amanah_audit_row, ENABLE ALWAYS TRIGGER amanah_audit_truncate; COMMIT";
    const CLAIM: &str = "access.production-audited";
    let house = shared();
    let verify = || house.verify(&["--page", "pages/amanah.md", "--claim", CLAIM]);
    // What other tests of this house have done is theirs: the highest number is ours to look from.
    let open = || -> Vec<Value> {
        let listed = house.run(&["audit", "unrecorded", "--database", "demo", "--json"]);
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        listed[0]["differences"].as_array().unwrap().clone()
    };
    let before = open().iter().filter_map(|one| one["id"].as_i64()).max().unwrap_or_default();
    house.psql("demo", HIDDEN);
    let (exit, claims) = verify();
    assert_eq!(exit, 1, "{claims:#?}");
    let found = claims[0]["findings"].as_array().unwrap();
    assert!(found.iter().any(|one| one["object"] == "public.products"), "{claims:#?}");
    let ours = |one: &&Value| {
        let number = one["id"].as_i64().unwrap();
        number > before && one["table"] == "products" && one["kind"] == "unrecorded"
    };
    let listed = open();
    let number = listed.iter().find(ours).expect("it is listed")["id"].to_string();
    let run = house.run(&["audit", "unrecorded"]);
    assert_eq!(run.status.code(), Some(1));
    let explain = ["audit", "explain", &number, "--by", "budi", "--why", "a test"];
    assert_eq!(house.run(&explain).status.code(), Some(0));
    assert_eq!(house.run(&explain).status.code(), Some(2), "it is explained once");
    assert!(open().iter().all(|one| one["id"].as_i64() != number.parse().ok()), "it was explained");
}

/// Code that the tables' owner plants runs with the owner's rights and never with more, whatever
/// the proofs and their sandboxes do.
#[test]
fn planted_code_gains_nothing() {
    let house = shared();
    house.psql(
        "demo",
        "SET ROLE demo_owner;
         CREATE FUNCTION public.planted() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             BEGIN
                 ALTER ROLE demo_owner SUPERUSER;
             EXCEPTION WHEN insufficient_privilege THEN NULL;
             END;
             RETURN NEW;
         END $$;
         CREATE TRIGGER planted BEFORE INSERT OR UPDATE ON public.products
             FOR EACH ROW EXECUTE FUNCTION public.planted();
         ALTER TABLE public.products ENABLE ALWAYS TRIGGER planted;
         CREATE TRIGGER planted BEFORE INSERT ON amanah.binding_key
             FOR EACH ROW EXECUTE FUNCTION public.planted();
         CREATE TRIGGER planted BEFORE INSERT ON amanah.migration
             FOR EACH ROW EXECUTE FUNCTION public.planted()",
    );
    for claim in ["audit.triggers", "audit.append-only"] {
        house.verify(&["--page", "pages/regulated-audit.md", "--claim", claim, "--bite"]);
    }
    house.verify(&["--page", "pages/row-tenants.md", "--claim", "isolation.rows", "--bite"]);
    let superuser = "SELECT rolsuper FROM pg_roles WHERE rolname = 'demo_owner'";
    let gained = house.psql("demo", superuser);
    house.psql(
        "demo",
        "DROP TRIGGER planted ON public.products; DROP TRIGGER planted ON amanah.binding_key;
         DROP TRIGGER planted ON amanah.migration; DROP FUNCTION public.planted();
         ALTER ROLE demo_owner NOSUPERUSER",
    );
    assert_eq!(gained, "f", "the owner of the tables became superuser");
    house.verify(&["--page", "pages/amanah.md", "--bite"]);
}

fn verify(house: &House, claim: &str) -> (i32, Vec<Value>) {
    house.verify(&["--page", "pages/regulated-audit.md", "--claim", claim])
}
