//! What a page comes to on a running house: every claim answered, every bite sharp.

use serde_json::Value;

use crate::house::shared;

/// The claims that have a control, with how each population is counted.
const BUILT: [(&str, &str); 37] = [
    ("isolation.rows", "tables"),
    ("isolation.database", "databases"),
    ("isolation.files", "tenants with files"),
    ("isolation.cache", "logins"),
    ("isolation.channels", "logins"),
    ("audit.append-only", "attempts"),
    ("audit.triggers", "writes"),
    ("access.production-audited", "recorded tables"),
    ("audit.context", "canary writes"),
    ("audit.hash", "rows"),
    ("audit.tamper-evident", "trails"),
    ("audit.reads", "attempts to read"),
    ("audit.retention", "months of trails"),
    ("password.argon2id", "hashes"),
    ("session.rotation", "attacks"),
    ("reset.enumeration", "pairs of answers"),
    ("access.permissions", "pairs"),
    ("access.support-consent", "attempts of support"),
    ("access.per-action", "requests"),
    ("access.offboarding", "credentials"),
    ("mfa.totp", "ways in"),
    ("mfa.required", "accounts in these roles"),
    ("mfa.hardware", "accounts in these roles"),
    ("session.timeout", "living sessions"),
    ("edge.headers", "answers"),
    ("edge.csp", "answers"),
    ("edge.csrf", "requests"),
    ("transit.tls", "hellos and handshakes"),
    ("transit.hsts", "answers"),
    ("edge.limits", "limits"),
    ("edge.flood", "attempts in a flood"),
    ("deploy.zero-downtime", "requests"),
    ("secrets.environment", "command lines"),
    ("keys.rotation", "keys"),
    ("rest.fields", "secret"),
    ("session.cookies", "answers of the gateway"),
    ("session.revocation", "ways to end a session"),
];

/// The least that some populations are: one that shrank would still be whole.
const LEAST: [(&str, u64); 9] = [
    ("reset.enumeration", 16),
    ("session.revocation", 20),
    ("mfa.totp", 12),
    ("session.cookies", 50),
    ("edge.csp", 100),
    ("edge.csrf", 200),
    ("transit.tls", 39),
    ("transit.hsts", 50),
    ("edge.flood", 20),
];

/// The claim that a person vouches for. Nothing is due yet for a trail that began today, so nobody could
/// have vouched: it is unknown until somebody has.
const ATTESTED: &str = "audit.review";

/// The claims that look back on 90 days, with what is said of them: an installation of today has none
/// of these days.
const YOUNG: [(&str, &str); 2] = [
    ("access.least-privilege", "shorter than 90 days"),
    ("access.review", "no review was closed yet, and none is due"),
];

/// Every promise of a page is in the answer, in the fields that are promised to programs; what is
/// built is proven with its whole population, by controls that have just found all that was seeded
/// for them, and what is not built says so.
#[test]
fn every_claim_is_answered_and_every_bite_bites() {
    let house = shared();
    let (exit, claims) = house.verify(&["--page", "pages/amanah.md", "--bite"]);
    let source = std::fs::read_to_string("../pages/amanah.md").unwrap();
    assert_eq!(claims.len(), source.matches("](claim:").count());
    let failing: Vec<&Value> = claims.iter().filter(|c| c["verdict"] == "failing").collect();
    assert!(failing.is_empty(), "{failing:#?}");
    assert_eq!(exit, 3, "promises that are not built cannot be told");
    for claim in &claims {
        let id = claim["id"].as_str().unwrap();
        for field in ["params", "sentence", "population", "measured", "threshold"] {
            assert!(claim.get(field).is_some(), "{id} has no {field}");
        }
        assert!(!claim["sentence"].as_str().unwrap().is_empty());
        if let Some((_, of)) = BUILT.iter().find(|(built, _)| *built == id) {
            proven(claim, of);
        } else if id == ATTESTED {
            assert_eq!(claim["verdict"], "unknown", "{claim:#}");
            let detail = claim["detail"].as_str().unwrap();
            assert!(detail.contains("no month is signed yet"), "{detail}");
            assert_eq!(claim["bite"]["bit"], true, "{claim:#}");
        } else if let Some((_, words)) = YOUNG.iter().find(|(young, _)| *young == id) {
            assert_eq!(claim["verdict"], "unknown", "{claim:#}");
            let detail = claim["detail"].as_str().unwrap();
            assert!(detail.contains(words), "{detail}");
            assert_eq!(claim["bite"]["bit"], true, "{claim:#}");
        } else {
            assert_eq!(claim["verdict"], "unknown", "{id}");
            assert!(!claim["detail"].as_str().unwrap().is_empty(), "{id}");
        }
    }
    for (id, _) in BUILT {
        assert!(claims.iter().any(|claim| claim["id"] == id), "{id} is on the page");
    }
}

fn proven(claim: &Value, of: &str) {
    assert_eq!(claim["verdict"], "proven", "{claim:#}");
    let population = &claim["population"];
    assert_eq!(population["checked"], population["total"]);
    let total = population["total"].as_u64().unwrap();
    let least = LEAST.iter().find(|(id, _)| claim["id"] == *id).map_or(1, |(_, least)| *least);
    assert!(total >= least, "{claim:#}");
    if claim["id"] == "session.cookies" {
        // Behind a refusal of the gateway's there is no cookie of the application's.
        let measured = claim["measured"].as_str().unwrap();
        let given = measured.split(", ").nth(1).and_then(|rest| rest.split(' ').next());
        let given: u64 = given.unwrap().parse().unwrap();
        assert!(given > 0, "{measured}");
    }
    assert!(population["of"].as_str().unwrap().contains(of), "{population}");
    assert_eq!(claim["bite"]["bit"], true);
    assert!(claim["observed_at"].is_string());
}

/// Where a bite cannot be made, nothing can be told of its claim: here the attacker can log in
/// nowhere, also not in the sandbox.
#[test]
fn a_bite_that_cannot_be_made_is_told() {
    let house = shared();
    let role =
        house.psql("demo", "SELECT rolname FROM pg_roles WHERE rolname ~ '^amanah_intruder'");
    house.psql("demo", &format!("ALTER ROLE \"{role}\" CONNECTION LIMIT 0"));
    let (exit, claims) =
        house.verify(&["--page", "pages/amanah.md", "--claim", "isolation.rows", "--bite"]);
    house.psql("demo", &format!("ALTER ROLE \"{role}\" CONNECTION LIMIT -1"));
    assert_eq!(exit, 3, "{claims:#?}");
    let bite = &claims[0]["bite"];
    assert_eq!((&bite["made"], &bite["bit"]), (&Value::from(false), &Value::from(false)));
    assert!(bite["detail"].to_string().contains("too many connections for role"), "{bite}");
    assert_eq!(claims[0]["verdict"], "unknown");
    let (exit, _) =
        house.verify(&["--page", "pages/amanah.md", "--claim", "isolation.rows", "--bite"]);
    assert_eq!(exit, 0, "with its login back, it bites again");
}

/// With everything meant proven, the command says so with its exit code.
#[test]
fn a_page_that_holds_exits_with_zero() {
    let house = shared();
    // A few of them: that each holds is looked at above.
    let meant = ["isolation.rows", "password.argon2id", "edge.headers"];
    let only = meant.map(|id| ["--claim", id]).concat();
    let (exit, claims) = house.verify(&[&["--page", "pages/amanah.md"], &only[..]].concat());
    let others: Vec<&Value> = claims.iter().filter(|c| c["verdict"] != "proven").collect();
    assert_eq!((exit, claims.len()), (0, meant.len()), "{others:#?}");
}

/// A page of the past is drawn from the evidence of the past.
#[test]
fn the_past_is_rebuilt() {
    let house = shared();
    house.verify(&["--page", "pages/amanah.md", "--claim", "isolation.rows"]);
    let before = "2020-01-01T00:00:00Z";
    let drawn = house.run(&["page", "render", "pages/amanah.md", "--json", "--at", before]);
    let report: Value = serde_json::from_slice(&drawn.stdout).unwrap();
    let verdicts = report["claims"].as_array().unwrap().iter().map(|claim| &claim["verdict"]);
    assert!(verdicts.clone().all(|verdict| verdict == "unknown"), "nothing was proven then");
    let now = house.run(&["page", "render", "pages/amanah.md", "--json"]);
    let report: Value = serde_json::from_slice(&now.stdout).unwrap();
    assert_eq!(report["claims"][0]["verdict"], "proven");
}
