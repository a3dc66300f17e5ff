//! What a real browser does with the policy: it runs no injected script, and another site's form changes
//! nothing. And what others' grader says of the headers.

use crate::browser::drive;
use crate::house::{root, shared};

#[test]
fn a_browser_holds_to_the_policy() {
    let house = shared();
    let password = std::fs::read_to_string(house.data.join("secrets/demo-people.password"));
    let password = password.unwrap();
    let variables = [("AMANAH_PASSWORD", password.trim())];
    drive(&house, "headers.cjs", &variables, "all of it was stopped");
}

/// Mozilla's HTTP Observatory, by its own code.
#[test]
fn the_observatory_gives_its_best_grade() {
    let house = shared();
    let package = root().join("target/tools/node/node_modules/@mdn/mdn-http-observatory");
    let authority = house.data.join("tls/ca.pem");
    let variables = [
        ("OBSERVATORY", package.to_str().unwrap()),
        ("AMANAH_PORT", house.port()),
        ("NODE_EXTRA_CA_CERTS", authority.to_str().unwrap()),
    ];
    let said = drive(&house, "observatory.mjs", &variables, "grade");
    let graded: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(graded.len(), 2, "{said}");
    for page in graded {
        assert_eq!(page["grade"], "A+", "{page}");
        assert!(page["score"].as_i64().unwrap() >= 130, "{page}");
    }
}
