//! The trail turned off by hand: it is found and named; and an ordinary owner cannot do it.

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

fn verify(house: &House, claim: &str) -> (i32, Vec<serde_json::Value>) {
    house.verify(&["--page", "pages/regulated-audit.md", "--claim", claim])
}
